//! The rows of the table. One command a row, in the order of the full list.

use super::{Command, Group, OptionHelp};

/// Old names, still understood with a notice.
pub const ALIASES: [(&str, &str); 15] = [
    ("balloon", "mem-set"),
    ("set-vcpus", "vcpu-set"),
    ("vif-list", "network-list"),
    ("vbd-create", "block-attach"),
    ("vbd-destroy", "block-detach"),
    ("vbd-list", "block-list"),
    ("pool-create", "cpupool-create"),
    ("pool-new", "cpupool-new"),
    ("pool-start", "cpupool-start"),
    ("pool-list", "cpupool-list"),
    ("pool-destroy", "cpupool-destroy"),
    ("pool-delete", "cpupool-delete"),
    ("pool-cpu-add", "cpupool-cpu-add"),
    ("pool-cpu-remove", "cpupool-cpu-remove"),
    ("pool-migrate", "cpupool-migrate"),
];

const fn row(group: Group, name: &'static str, args: &'static str, description: &'static str) -> Command {
    Command { name, args, description, group, common: false, options: &[] }
}

impl Command {
    /// Also in the short list.
    const fn common(mut self) -> Self {
        self.common = true;
        self
    }

    const fn with(mut self, options: &'static [OptionHelp]) -> Self {
        self.options = options;
        self
    }
}

const fn opt(short: &'static str, long: &'static str, text: &'static str) -> OptionHelp {
    OptionHelp { short, long, text }
}

const LONG_DEVICE: &[OptionHelp] = &[opt("-l", "--long", "Print all members of each device.")];
const FORCE: &[OptionHelp] = &[opt("-f", "--force", "Do not wait for the domain.")];
const PAUSED: &[OptionHelp] = &[opt("-p", "--paused", "Do not unpause the domain.")];

const LIST: &[OptionHelp] = &[
    opt("-l", "--long", "Print all that xend knows about each domain."),
    opt("-v", "--vcpus", "List virtual processors; use vcpu-list instead."),
    opt("", "--label", "Add a column with security labels."),
    opt(
        "",
        "--state=<state>",
        "Only domains in that state: halted, paused, running, suspended, crashed, unknown or all.",
    ),
    opt("", "--pool=<pool>", "Only domains of that CPU pool."),
];
const CONSOLE: &[OptionHelp] = &[
    opt("-q", "--quiet", "Say nothing when the domain is not there."),
    opt("-n", "--num=N", "Number of the console."),
];
const UPTIME: &[OptionHelp] = &[opt("-s", "--short", "One line for each domain, without a header.")];
const DMESG: &[OptionHelp] = &[opt("-c", "--clear", "Clear the buffer after printing it.")];
const INFO: &[OptionHelp] = &[
    opt("-c", "--config", "Print the settings of xend."),
    opt("-n", "--numa", "Print the processor and memory topology as well."),
];
const SHUTDOWN: &[OptionHelp] = &[
    opt("-a", "--all", "Every domain but Domain-0."),
    opt("-w", "--wait", "Wait until it is done."),
    opt("-R", "--reboot", "Ask to reboot instead."),
    opt("-H", "--halt", "Ask to halt instead."),
];
const REBOOT: &[OptionHelp] =
    &[opt("-a", "--all", "Every domain but Domain-0."), opt("-w", "--wait", "Wait until it is done.")];
const SAVE: &[OptionHelp] = &[opt("-c", "--checkpoint", "Leave the domain running.")];
const START: &[OptionHelp] = &[
    opt("-p", "--paused", "Do not unpause the domain."),
    opt("-c", "--console_autoconnect", "Attach to its console."),
    opt("", "--vncviewer", "Start a VNC viewer."),
    opt("", "--vncviewer-autopass", "Give the viewer the password."),
];
const DUMP_CORE: &[OptionHelp] = &[
    opt("-L", "--live", "Do not pause the domain."),
    opt("-C", "--crash", "Destroy the domain afterwards."),
    opt("-R", "--reset", "Reset the domain afterwards."),
];
const VNCVIEWER: &[OptionHelp] = &[opt("", "--autopass", "Give the viewer the password.")];
const SCHED_SEDF: &[OptionHelp] = &[
    opt("-p [MS]", "--period[=MS]", "Period in milliseconds."),
    opt("-s [MS]", "--slice[=MS]", "Slice in milliseconds."),
    opt("-l [MS]", "--latency[=MS]", "Latency in milliseconds."),
    opt("-e [FLAG]", "--extra[=FLAG]", "Whether it may use spare time."),
    opt("-w [FLOAT]", "--weight[=FLOAT]", "Weight in relation to others."),
];
const SCHED_CREDIT: &[OptionHelp] = &[
    opt("-d DOMAIN", "--domain=DOMAIN", "The domain."),
    opt("-w WEIGHT", "--weight=WEIGHT", "Its weight, 1 to 65535."),
    opt("-c CAP", "--cap=CAP", "Its cap in percent of one processor."),
];
const SCHED_CREDIT2: &[OptionHelp] = &[
    opt("-d DOMAIN", "--domain=DOMAIN", "The domain."),
    opt("-w WEIGHT", "--weight=WEIGHT", "Its weight, 1 to 65535."),
];
const MIGRATE: &[OptionHelp] = &[
    opt("-l", "--live", "Keep the domain running while it moves."),
    opt("-p=<port>", "--port=<port>", "Port of the other host."),
    opt("-n=<node>", "--node=<node>", "NUMA node on the other host."),
    opt("-s", "--ssl", "Encrypt the connection."),
    opt("-c", "--change_home_server", "Make the other host the domain's home."),
];
const VNET_LIST: &[OptionHelp] = &[opt("-l", "--long", "Print all members of each vnet.")];
const TMEM_LIST: &[OptionHelp] =
    &[opt("-l", "--long", "Print all statistics."), opt("-a", "--all", "All domains.")];
const CPUPOOL_LIST: &[OptionHelp] = &[
    opt("-l", "--long", "Print all that xend knows about each pool."),
    opt("-c", "--cpus", "Print the processors of each pool."),
];

/// Every command.
pub const COMMANDS: &[Command] = &[
    row(
        Group::Domain,
        "console",
        "[-q|--quiet] [-n|--num=N] <Domain>",
        "Attach this terminal to a domain's console; Ctrl-] leaves it.",
    )
    .common()
    .with(CONSOLE),
    row(
        Group::Domain,
        "create",
        "<ConfigFile> [options] [vars]",
        "Create and start a domain from a domain file.",
    )
    .common(),
    row(Group::Domain, "delete", "<DomainName>", "Forget a managed domain that is not running.").common(),
    row(Group::Domain, "destroy", "<Domain>", "End a domain at once, without asking it.").common(),
    row(Group::Domain, "domid", "<DomainName>", "Print the number of a domain."),
    row(Group::Domain, "domname", "<DomId>", "Print the name of a domain."),
    row(Group::Domain, "domstate", "<Domain>", "Print the state of a domain in one word.").common(),
    row(
        Group::Domain,
        "dump-core",
        "[-L|--live] [-C|--crash] [-R|--reset] <Domain> [Filename]",
        "Write the memory of a domain to a file.",
    )
    .common()
    .with(DUMP_CORE),
    row(Group::Domain, "list", "[options] [Domain, ...]", "List domains.").common().with(LIST),
    row(Group::Domain, "mem-max", "<Domain> <Mem>", "Set the most memory that a domain can have."),
    row(Group::Domain, "mem-set", "<Domain> <Mem>", "Set the memory that a domain uses now.").common(),
    row(Group::Domain, "migrate", "<Domain> <Host>", "Move a domain to another host.").common().with(MIGRATE),
    row(
        Group::Domain,
        "new",
        "<ConfigFile> [options] [vars]",
        "Register a managed domain from a domain file without starting it.",
    )
    .common(),
    row(Group::Domain, "pause", "<Domain>", "Stop a domain's processors until it is unpaused.").common(),
    row(Group::Domain, "reboot", "<Domain> [-wa]", "Ask a domain to reboot.").common().with(REBOOT),
    row(Group::Domain, "rename", "<Domain> <NewDomainName>", "Give a domain another name."),
    row(Group::Domain, "reset", "<Domain>", "Start a domain anew without asking it.").common(),
    row(Group::Domain, "restore", "[-p|--paused] <CheckpointFile>", "Start a domain from a saved state.")
        .common()
        .with(PAUSED),
    row(Group::Domain, "resume", "[-p|--paused] <DomainName>", "Resume a suspended managed domain.")
        .common()
        .with(PAUSED),
    row(
        Group::Domain,
        "save",
        "[-c|--checkpoint] <Domain> <CheckpointFile>",
        "Save a domain's state to a file.",
    )
    .common()
    .with(SAVE),
    row(Group::Domain, "shutdown", "<Domain> [-waRH]", "Ask a domain to shut down.").common().with(SHUTDOWN),
    row(Group::Domain, "start", "[options] <DomainName>", "Start a managed domain.").common().with(START),
    row(Group::Domain, "suspend", "<DomainName>", "Suspend a managed domain to xend's own store.").common(),
    row(Group::Domain, "sysrq", "<Domain> <letter>", "Send a magic SysRq key to a domain."),
    row(Group::Domain, "top", "", "Watch the host and its domains.").common(),
    row(
        Group::Domain,
        "trigger",
        "<Domain> <nmi|reset|init|s3resume|power> [<VCPU>]",
        "Send a trigger to a domain.",
    ),
    row(Group::Domain, "unpause", "<Domain>", "Let a paused domain go on.").common(),
    row(Group::Domain, "uptime", "[-s|--short] [Domain, ...]", "Print how long domains have been up.")
        .common()
        .with(UPTIME),
    row(
        Group::Domain,
        "usb-add",
        "<domain> <[host:bus.addr] [host:vendor_id:product_id]>",
        "Give an HVM domain a USB device of the host.",
    )
    .common(),
    row(
        Group::Domain,
        "usb-del",
        "<domain> <[host:bus.addr] [host:vendor_id:product_id]>",
        "Take a USB device from an HVM domain.",
    )
    .common(),
    row(Group::Domain, "vcpu-list", "[Domain, ...]", "List the virtual processors of domains."),
    row(
        Group::Domain,
        "vcpu-pin",
        "<Domain> <VCPU|all> <CPUs|all>",
        "Set the processors on which a virtual processor may run.",
    ),
    row(
        Group::Domain,
        "vcpu-set",
        "<Domain> <vCPUs>",
        "Set the number of virtual processors that are online.",
    )
    .common(),
    row(
        Group::Domain,
        "vncviewer",
        "[--[vncviewer-]autopass] <Domain>",
        "Start a VNC viewer on a domain's display.",
    )
    .common()
    .with(VNCVIEWER),
    row(Group::Host, "debug-keys", "<Keys>", "Send debug keys to Xen."),
    row(Group::Host, "dmesg", "[-c|--clear]", "Print, and clear if asked, the message buffer of Xen.")
        .with(DMESG),
    row(Group::Host, "info", "[-c|--config] [-n|--numa]", "Print facts about the host and Xen.").with(INFO),
    row(Group::Host, "log", "", "Print the log of xend."),
    row(Group::Host, "serve", "", "Connect standard input and output to xend's socket."),
    row(
        Group::Scheduler,
        "sched-credit2",
        "[-d <Domain> [-w[=WEIGHT]]]",
        "Show or set the weight of a domain under the credit2 scheduler.",
    )
    .with(SCHED_CREDIT2),
    row(
        Group::Scheduler,
        "sched-credit",
        "[-d <Domain> [-w[=WEIGHT]|-c[=CAP]]]",
        "Show or set the weight and cap of a domain under the credit scheduler.",
    )
    .with(SCHED_CREDIT),
    row(
        Group::Scheduler,
        "sched-sedf",
        "<Domain> [options]",
        "Show or set the parameters of a domain under the sedf scheduler.",
    )
    .with(SCHED_SEDF),
    row(
        Group::Device,
        "block-attach",
        "<Domain> <BackDev> <FrontDev> <Mode> [BackDomain]",
        "Give a domain a disk.",
    ),
    row(
        Group::Device,
        "block-configure",
        "<Domain> <BackDev> <FrontDev> <Mode> [BackDomain]",
        "Change a disk of a domain: the medium in a CD drive.",
    ),
    row(Group::Device, "block-detach", "<Domain> <DevId> [-f|--force]", "Take a disk from a domain.")
        .with(FORCE),
    row(Group::Device, "block-list", "<Domain> [--long]", "List the disks of a domain.").with(LONG_DEVICE),
    row(
        Group::Device,
        "network-attach",
        "<Domain> [type=<type>] [mac=<mac>] [bridge=<bridge>] [ip=<ip>] [script=<script>] [backend=<BackDomain>] [vifname=<name>] [rate=<rate>] [model=<model>] [accel=<accel>]",
        "Give a domain a network interface.",
    ),
    row(
        Group::Device,
        "network-detach",
        "<Domain> <DevId|mac> [-f|--force]",
        "Take a network interface from a domain.",
    )
    .with(FORCE),
    row(Group::Device, "network-list", "<Domain> [--long]", "List the network interfaces of a domain.")
        .with(LONG_DEVICE),
    row(
        Group::Device,
        "network2-attach",
        "<Domain> [front_mac=<mac>] [back_mac=<mac>] [backend=<BackDomain>] [trusted=<0|1>] [back_trusted=<0|1>] [bridge=<bridge>] [filter_mac=<0|1>] [front_filter_mac=<0|1>] [pdev=<pdev>] [max_bypasses=<n>]",
        "Give a running domain a network interface of the second kind.",
    ),
    row(
        Group::Device,
        "network2-detach",
        "<Domain> <DevId> [-f|--force]",
        "Take a network interface of the second kind from a running domain.",
    ),
    row(
        Group::Device,
        "network2-list",
        "<Domain> [--long]",
        "List the network interfaces of the second kind of a domain.",
    )
    .with(LONG_DEVICE),
    row(
        Group::Device,
        "pci-attach",
        "[-o|--options=<opt>] <Domain> <domain:bus:slot.func> [virtual slot]",
        "Give a running domain a PCI device of the host.",
    ),
    row(
        Group::Device,
        "pci-detach",
        "<Domain> <domain:bus:slot.func>",
        "Take a PCI device from a running domain.",
    ),
    row(Group::Device, "pci-list", "<Domain>", "List the PCI devices of a domain."),
    row(
        Group::Device,
        "pci-list-assignable-devices",
        "",
        "List the PCI devices of the host that domains can be given.",
    ),
    row(
        Group::Device,
        "scsi-attach",
        "<Domain> <PhysDevice> <VirtDevice> [BackDomain]",
        "Give a running domain a SCSI device of the host.",
    ),
    row(Group::Device, "scsi-detach", "<Domain> <VirtDevice>", "Take a SCSI device from a running domain."),
    row(Group::Device, "scsi-list", "<Domain> [--long]", "List the SCSI devices of a domain.")
        .with(LONG_DEVICE),
    row(
        Group::Device,
        "usb-attach",
        "<Domain> <DevId> <PortNumber> <BusId>",
        "Connect a USB device of the host to a port of a domain.",
    ),
    row(
        Group::Device,
        "usb-detach",
        "<Domain> <DevId> <PortNumber>",
        "Disconnect the USB device at a port of a domain.",
    ),
    row(
        Group::Device,
        "usb-hc-create",
        "<Domain> <USBSpecVer> <NumberOfPorts>",
        "Give a running domain a USB controller.",
    ),
    row(Group::Device, "usb-hc-destroy", "<Domain> <DevId>", "Take a USB controller from a running domain."),
    row(Group::Device, "usb-list", "<Domain>", "List the USB controllers and ports of a domain."),
    row(
        Group::Device,
        "usb-list-assignable-devices",
        "",
        "List the USB devices of the host that domains can be given.",
    ),
    row(Group::Vnet, "vnet-create", "<ConfigFile>", "Create a vnet."),
    row(Group::Vnet, "vnet-delete", "<VnetId>", "Delete a vnet."),
    row(Group::Vnet, "vnet-list", "[-l|--long]", "List vnets.").with(VNET_LIST),
    row(Group::Policy, "setpolicy", "<policytype> <policyfile> [options]", "Load a security policy."),
    row(
        Group::Acm,
        "addlabel",
        "<label> {dom <ConfigFile>|res <resource>|mgt <managed domain>} [<policy>]",
        "Put a security label on a domain file, a domain or a resource.",
    ),
    row(Group::Acm, "dry-run", "<ConfigFile>", "Check whether a domain may use its resources."),
    row(Group::Acm, "dumppolicy", "", "Print the policy that is active in Xen."),
    row(
        Group::Acm,
        "getlabel",
        "{dom <ConfigFile>|res <resource>|mgt <managed domain>}",
        "Print a security label.",
    ),
    row(Group::Acm, "getpolicy", "[options]", "Print the policy of this host."),
    row(Group::Acm, "labels", "[policy] [type=dom|res|any]", "List the labels of a policy."),
    row(Group::Acm, "resetpolicy", "", "Go back to the default policy."),
    row(Group::Acm, "resources", "", "List the resources that have labels."),
    row(
        Group::Acm,
        "rmlabel",
        "{dom <ConfigFile>|res <resource>|mgt <managed domain>}",
        "Remove a security label.",
    ),
    row(Group::Flask, "getenforce", "", "Print whether Flask enforces its policy."),
    row(
        Group::Flask,
        "setenforce",
        "[ Enforcing | Permissive | 1 | 0 ]",
        "Set whether Flask enforces its policy.",
    ),
    row(Group::Tmem, "tmem-destroy", "[<Domain>|-a|--all]", "Destroy transcendent memory of a domain."),
    row(Group::Tmem, "tmem-freeze", "[<Domain>|-a|--all]", "Freeze transcendent memory of a domain."),
    row(Group::Tmem, "tmem-list", "[-l|--long] [<Domain>|-a|--all]", "List transcendent memory.")
        .with(TMEM_LIST),
    row(
        Group::Tmem,
        "tmem-set",
        "[<Domain>|-a|--all] [weight=<weight>] [cap=<cap>] [compress=<compress>]",
        "Set weight, cap or compression of transcendent memory.",
    ),
    row(
        Group::Tmem,
        "tmem-shared-auth",
        "[<Domain>|-a|--all] [--uuid=<uuid>] [--auth=<0|1>]",
        "Allow or forbid shared transcendent memory.",
    ),
    row(Group::Tmem, "tmem-thaw", "[<Domain>|-a|--all]", "Thaw transcendent memory of a domain."),
    row(Group::CpuPool, "cpupool-cpu-add", "<CPU Pool> <CPU nr>", "Add a processor to a CPU pool."),
    row(Group::CpuPool, "cpupool-cpu-remove", "<CPU Pool> <CPU nr>", "Take a processor out of a CPU pool."),
    row(
        Group::CpuPool,
        "cpupool-create",
        "<ConfigFile> [vars]",
        "Create and activate a CPU pool from a file.",
    ),
    row(Group::CpuPool, "cpupool-delete", "<CPU Pool>", "Forget a managed CPU pool."),
    row(Group::CpuPool, "cpupool-destroy", "<CPU Pool>", "Deactivate a CPU pool."),
    row(Group::CpuPool, "cpupool-list", "[<CPU Pool>] [-l|--long] [-c|--cpus]", "List CPU pools.")
        .with(CPUPOOL_LIST),
    row(Group::CpuPool, "cpupool-migrate", "<Domain> <CPU Pool>", "Move a domain to another CPU pool."),
    row(Group::CpuPool, "cpupool-new", "<ConfigFile> [vars]", "Register a managed CPU pool from a file."),
    row(Group::CpuPool, "cpupool-start", "<CPU Pool>", "Activate a managed CPU pool."),
    row(Group::Shell, "shell", "", "Start a prompt for xm commands.").common(),
    row(Group::Unlisted, "event-monitor", "", ""),
    row(Group::Unlisted, "network-new", "", ""),
    row(Group::Unlisted, "network-del", "", ""),
    row(Group::Unlisted, "network-show", "", ""),
    row(Group::Unlisted, "tmem-flush", "", ""),
    row(Group::Unlisted, "tmem-freeable", "", "Print how much memory transcendent memory could give back."),
];
