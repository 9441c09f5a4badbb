//! The table of variables that a domain file or the command line can set (`xm-commands` §4.6).

use xend_api::Sxp;

/// How a word of the command line becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setter {
    /// Kept as it is.
    Text,
    /// A whole number.
    Int,
    /// `yes`, `y`, `no` or `n`.
    YesNo,
    /// One more element of a list.
    Append,
}

/// A variable's value while nothing sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// None.
    Nil,
    /// A number.
    Int(i64),
    /// A text.
    Text(&'static str),
    /// The empty list.
    Empty,
}

impl Initial {
    /// The value itself.
    pub fn value(self) -> Sxp {
        match self {
            Self::Nil => Sxp::Nil,
            Self::Int(n) => Sxp::Int(n),
            Self::Text(text) => Sxp::from(text),
            Self::Empty => Sxp::List(Vec::new()),
        }
    }
}

/// A variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What the command line may write.
    pub setter: Setter,
    /// Its value while nothing sets it.
    pub initial: Initial,
    /// One line for `--help_config`.
    pub help: &'static str,
}

/// All variables, in the order of `--help_config`.
pub fn all() -> &'static [Variable] {
    VARIABLES
}

/// The variable of that name.
pub fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

/// What is read though no list has it, and the options that a file can set.
const UNDECLARED: [&str; 9] = [
    "maxvcpus",
    "xen_extended_power_mgmt",
    "paused",
    "quiet",
    "dryrun",
    "xmldryrun",
    "skipdtd",
    "console_autoconnect",
    "defconfig",
];

/// Does anything read the variable, declared or not?
pub fn is_used(name: &str) -> bool {
    UNDECLARED.contains(&name) || find(name).is_some()
}

/// The names of all variables that anything reads.
pub fn names() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().map(|variable| variable.name).chain(UNDECLARED)
}

const fn text(name: &'static str, initial: Initial, help: &'static str) -> Variable {
    Variable { name, setter: Setter::Text, initial, help }
}

const fn int(name: &'static str, initial: Initial, help: &'static str) -> Variable {
    Variable { name, setter: Setter::Int, initial, help }
}

const fn yes_no(name: &'static str, initial: Initial, help: &'static str) -> Variable {
    Variable { name, setter: Setter::YesNo, initial, help }
}

const fn list(name: &'static str, help: &'static str) -> Variable {
    Variable { name, setter: Setter::Append, initial: EMPTY, help }
}

const NIL: Initial = Initial::Nil;
const EMPTY: Initial = Initial::Empty;
const BLANK: Initial = Initial::Text("");
const ZERO: Initial = Initial::Int(0);
const ONE: Initial = Initial::Int(1);

const VARIABLES: &[Variable] = &[
    text("name", BLANK, "Name of the domain; it must be unique on the host."),
    text("uuid", NIL, "UUID of the domain; made up when none is given."),
    text("description", BLANK, "Free text about the domain."),
    text("builder", Initial::Text("linux"), "How the domain is built: linux (any paravirtual guest) or hvm."),
    text("kernel", NIL, "Path of the kernel, or of the firmware of an HVM domain."),
    text("ramdisk", BLANK, "Path of the initial ramdisk."),
    text("loader", BLANK, "Path of the firmware of an HVM domain."),
    text("bootloader", NIL, "Program that finds the kernel inside the domain's disk, such as pygrub."),
    text("bootargs", NIL, "Arguments of the boot loader."),
    text("bootentry", NIL, "No longer used."),
    text("features", BLANK, "Features that a paravirtual kernel must have."),
    text("root", BLANK, "The root= of the kernel's command line."),
    text("extra", BLANK, "The rest of the kernel's command line."),
    text("ip", BLANK, "IP address given to the kernel."),
    text("gateway", BLANK, "Gateway given to the kernel."),
    text("netmask", BLANK, "Netmask given to the kernel."),
    text("hostname", BLANK, "Host name given to the kernel."),
    text("interface", Initial::Text("eth0"), "Interface that the kernel configures."),
    text("dhcp", Initial::Text("off"), "Let the kernel use DHCP: dhcp or off."),
    text("nfs_server", NIL, "Address of the server of an NFS root."),
    text("nfs_root", NIL, "Path of an NFS root on its server."),
    int("memory", Initial::Int(128), "Memory of the domain in MiB."),
    int("maxmem", NIL, "Most memory that the domain can have, in MiB."),
    int("shadow_memory", ZERO, "Memory for shadow page tables in MiB."),
    yes_no("memory_sharing", ZERO, "Share equal pages of HVM domains."),
    int("superpages", ZERO, "Build a paravirtual domain from superpages."),
    int("vcpus", ONE, "Number of virtual processors."),
    int("vcpu_avail", NIL, "No longer used; see maxvcpus."),
    int("cpu", NIL, "Processor on which virtual processor 0 starts."),
    text("cpus", NIL, "Processors on which the domain may run, such as 0-3,^1."),
    int("cpu_cap", NIL, "Most processor time, in percent of one processor."),
    int("cpu_weight", NIL, "Share of processor time in relation to other domains."),
    text("pool", NIL, "CPU pool of the domain."),
    int("target", ZERO, "Domain that a stub domain serves."),
    int("machine_address_size", NIL, "Width of the addresses that the domain can use, in bits."),
    yes_no("suppress_spurious_page_faults", NIL, "Hide spurious page faults from the domain."),
    list("cpuid", "What CPUID answers: LEAF:REGISTER=BITS."),
    list("cpuid_check", "What the host's CPUID must answer: LEAF:REGISTER=BITS."),
    text("restart", NIL, "Old way to write on_reboot and on_crash: onreboot, always or never."),
    text("on_poweroff", NIL, "After power-off: destroy, restart, preserve or rename-restart."),
    text("on_reboot", NIL, "After a reboot: destroy, restart, preserve or rename-restart."),
    text("on_crash", NIL, "After a crash: as on_reboot, or coredump-destroy, coredump-restart."),
    text("on_xend_start", Initial::Text("ignore"), "When xend starts: ignore or start."),
    text("on_xend_stop", Initial::Text("ignore"), "When xend stops: ignore, shutdown or suspend."),
    yes_no("blkif", ZERO, "The domain serves disks to others."),
    yes_no("netif", ZERO, "The domain serves networks to others."),
    list("tpmif", "The domain serves TPMs to others; Xen had it up to 4.2."),
    list("disk", "A disk: TYPE:PATH,DEVICE,MODE[,BACKEND]."),
    list("vif", "A network interface: mac=MAC,bridge=BRIDGE,ip=IP and so on."),
    list("vif2", "A network interface of the second kind."),
    int("nics", Initial::Int(-1), "Old way to ask for empty network interfaces."),
    list("vfb", "A framebuffer: vnc=1,vncdisplay=N and so on."),
    list("pci", "A PCI device of the host: BUS:SLOT.FUNCTION."),
    list("vscsi", "A SCSI device of the host: PHYSICAL,VIRTUAL."),
    list("vusb", "A USB controller: usbver=2,numports=8."),
    list("vtpm", "A TPM, as Xen had it up to 4.2: instance=N,backend=DOMAIN."),
    list("ioports", "A range of I/O ports, in hexadecimal: FROM-TO."),
    list("irq", "An interrupt of the host."),
    list("access_control", "A security label: policy=POLICY,label=LABEL."),
    text("device_model", NIL, "Program that emulates the devices of an HVM domain."),
    text("boot", Initial::Text("c"), "Where an HVM domain boots from, in order: a, c, d, n."),
    int("acpi", ONE, "Give an HVM domain ACPI."),
    int("apic", ONE, "Give an HVM domain an APIC."),
    int("pae", ONE, "Let an HVM domain use PAE."),
    int("hpet", ZERO, "Give an HVM domain an HPET."),
    int("hap", ONE, "Use hardware-assisted paging if the host has it."),
    int("nestedhvm", ZERO, "Let the domain itself run HVM domains."),
    int("viridian", ZERO, "Give an HVM domain the interfaces that Windows knows."),
    int("timer_mode", ONE, "How missed timer ticks are made up for."),
    int("vpt_align", ONE, "Align the periods of virtual timers."),
    int("tsc_mode", ZERO, "Time stamp counter: 0 default, 1 emulated, 2 native, 3 pvrdtscp."),
    int("nomigrate", ZERO, "The domain cannot be migrated."),
    int("rtc_timeoffset", ZERO, "Offset of the real-time clock in seconds."),
    yes_no("localtime", ZERO, "The real-time clock shows local time."),
    int("oos", ONE, "Use out-of-sync shadow page tables."),
    int("s3_integrity", ONE, "Check the domain's memory after the host slept."),
    int("xen_platform_pci", ONE, "Give an HVM domain the Xen platform device."),
    int("pci_msitranslate", ONE, "Translate MSI of all PCI devices."),
    int("pci_power_mgmt", ZERO, "Let the domain manage the power of PCI devices."),
    text("gfx_passthru", NIL, "Give the domain the host's graphics card."),
    text("guest_os_type", Initial::Text("default"), "Kind of guest; used on ia64."),
    int("vhpt", ZERO, "Size of the page table hash; used on ia64."),
    int("videoram", Initial::Int(4), "Memory of the graphics card in MiB."),
    text("fda", BLANK, "Path of the first floppy image."),
    text("fdb", BLANK, "Path of the second floppy image."),
    text("serial", BLANK, "Where the serial port leads: pty, file:PATH and so on."),
    text("parallel", BLANK, "Where the parallel port leads."),
    yes_no("monitor", ZERO, "Open the device model's monitor."),
    text("monitor_path", BLANK, "Where the device model's monitor leads."),
    text("soundhw", BLANK, "Sound card of an HVM domain."),
    yes_no("usb", ZERO, "Give an HVM domain USB."),
    text("usbdevice", BLANK, "USB device of an HVM domain: mouse, tablet, host:BUS.ADDRESS."),
    yes_no("stdvga", ZERO, "Emulate a standard VGA card."),
    yes_no("isa", ZERO, "Emulate an ISA-only system."),
    yes_no("nographic", ZERO, "No graphics at all."),
    text("keymap", BLANK, "Keyboard layout."),
    text("vnc", NIL, "Show the display by VNC."),
    text("sdl", NIL, "Show the display in a window of the host."),
    text("opengl", NIL, "Use OpenGL for the window."),
    text("vncdisplay", NIL, "VNC display number."),
    text("vnclisten", NIL, "Address on which VNC listens."),
    yes_no("vncunused", ONE, "Take the first free VNC display."),
    text("vncpasswd", NIL, "VNC password."),
    yes_no("vncconsole", NIL, "Start a VNC viewer after creation."),
    yes_no("vncviewer", NIL, "No longer used; see vncconsole."),
    text("display", NIL, "X display for the window."),
    text("xauthority", NIL, "X authority file for the window."),
];
