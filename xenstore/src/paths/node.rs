//! Names of nodes inside the directories of [`paths`](super).

/// A domain's `/vm` directory, in its own.
pub const VM: &str = "vm";
/// A domain's name; in `/vm/U` too.
pub const NAME: &str = "name";
/// A domain's number.
pub const DOMID: &str = "domid";
/// A domain's description.
pub const DESCRIPTION: &str = "description";
/// Frontends. Permissions `nN`.
pub const DEVICE: &str = "device";
/// Requests to the domain. Permissions `nN`.
pub const CONTROL: &str = "control";
/// Error reports of frontends. Permissions `nN`.
pub const ERROR: &str = "error";
/// Memory targets. Permissions `nN`.
pub const MEMORY: &str = "memory";
/// Free for the guest. Permissions `nN`.
pub const GUEST: &str = "guest";
/// For drivers in fully virtualised guests. Permissions `nN`.
pub const HVMPV: &str = "hvmpv";
/// Free for the guest. Permissions `nN`.
pub const DATA: &str = "data";
/// The console.
pub const CONSOLE: &str = "console";
/// The store ring.
pub const STORE: &str = "store";
/// Virtual CPUs.
pub const CPU: &str = "cpu";
/// The security label.
pub const SECURITY_LABEL: &str = "security_label";
/// The domain that a stub domain serves.
pub const TARGET: &str = "target";

/// Directories that xend makes in a domain's own, each with permissions `nN`.
pub const GUEST_DIRECTORIES: [&str; 7] = [DEVICE, CONTROL, ERROR, MEMORY, GUEST, HVMPV, DATA];

/// Value of `cpu/K/availability`: run.
pub const ONLINE_CPU: &str = "online";
/// Value of `cpu/K/availability`: do not run.
pub const OFFLINE_CPU: &str = "offline";

/// Every UUID's directory has it.
pub const UUID: &str = "uuid";
/// Number of virtual CPUs.
pub const VCPUS: &str = "vcpus";
/// Which virtual CPUs run, as bit mask.
pub const VCPU_AVAIL: &str = "vcpu_avail";
/// Memory in MiB.
pub const VM_MEMORY: &str = "memory";
/// Most memory in MiB.
pub const MAXMEM: &str = "maxmem";
/// Memory for shadow page tables in MiB.
pub const SHADOW_MEMORY: &str = "shadow_memory";
/// When it was started: seconds since 1970 with fraction.
pub const START_TIME: &str = "start_time";
/// What follows a power-off.
pub const ON_POWEROFF: &str = "on_poweroff";
/// What follows a reboot.
pub const ON_REBOOT: &str = "on_reboot";
/// What follows a crash.
pub const ON_CRASH: &str = "on_crash";
/// What happens when xend starts.
pub const ON_XEND_START: &str = "on_xend_start";
/// What happens when xend stops.
pub const ON_XEND_STOP: &str = "on_xend_stop";
/// The boot loader.
pub const BOOTLOADER: &str = "bootloader";
/// Its arguments.
pub const BOOTLOADER_ARGS: &str = "bootloader_args";
/// The CPU pool.
pub const POOL_NAME: &str = "pool_name";
/// The image tree as text, and the directory of its parts.
pub const IMAGE: &str = "image";
/// The password of the frame buffer.
pub const VNCPASSWD: &str = "vncpasswd";

/// Nodes in `console`.
pub mod console {
    /// Most bytes that the console daemon keeps.
    pub const LIMIT: &str = "limit";
    /// Who serves it: [`XENCONSOLED`] or [`IOEMU`].
    pub const TYPE: &str = "type";
    /// The event channel.
    pub const PORT: &str = "port";
    /// The frame of the ring.
    pub const RING_REF: &str = "ring-ref";
    /// The terminal on which it can be reached.
    pub const TTY: &str = "tty";
    /// Where the output goes, `pty`.
    pub const OUTPUT: &str = "output";
    /// The port of the frame buffer, written by the device model.
    pub const VNC_PORT: &str = "vnc-port";
    /// Value of `type`: the console daemon.
    pub const XENCONSOLED: &str = "xenconsoled";
    /// Value of `type`: a device model.
    pub const IOEMU: &str = "ioemu";
}

/// Nodes in `store`.
pub mod store {
    /// The event channel.
    pub const PORT: &str = "port";
    /// The frame of the ring.
    pub const RING_REF: &str = "ring-ref";
}

/// Nodes in `control`.
pub mod control {
    /// The request: `poweroff`, `reboot`, `suspend`, `halt`, `crash`.
    pub const SHUTDOWN: &str = "shutdown";
    /// One key of the magic SysRq.
    pub const SYSRQ: &str = "sysrq";
    /// `1`: the store can reset a domain's watches.
    pub const RESET_WATCHES: &str = "platform-feature-xs_reset_watches";
    /// `1`: a domain with many CPUs can be suspended.
    pub const MULTIPROCESSOR_SUSPEND: &str = "platform-feature-multiprocessor-suspend";
    /// `1`, by the domain: it understands `poweroff`.
    pub const FEATURE_POWEROFF: &str = "feature-poweroff";
    /// `1`, by the domain: it understands `reboot`.
    pub const FEATURE_REBOOT: &str = "feature-reboot";
    /// `1`, by the domain: it understands `suspend`.
    pub const FEATURE_SUSPEND: &str = "feature-suspend";
}

/// Nodes in `image`, of a domain and of `/vm/U`.
pub mod image {
    /// `linux` or `hvm`.
    pub const OSTYPE: &str = "ostype";
    /// The kernel file that was used.
    pub const KERNEL: &str = "kernel";
    /// The ramdisk file that was used.
    pub const RAMDISK: &str = "ramdisk";
    /// The kernel's arguments. Permissions `n0,rN`.
    pub const CMDLINE: &str = "cmdline";
    /// The device model's arguments. Permissions `n0,rN`.
    pub const DMARGS: &str = "dmargs";
    /// The device model.
    pub const DEVICE_MODEL: &str = "device-model";
    /// The display of the device model.
    pub const DISPLAY: &str = "display";
    /// The device model's process.
    pub const DEVICE_MODEL_PID: &str = "device-model-pid";
    /// The pipe that ends with the device model.
    pub const DEVICE_MODEL_FIFO: &str = "device-model-fifo";
}

/// Nodes in `xend`, of a domain and of `/vm/U`.
pub mod xend {
    /// When a shutdown was asked for.
    pub const SHUTDOWN_START_TIME: &str = "shutdown_start_time";
    /// A shutdown was seen and is done.
    pub const SHUTDOWN_COMPLETED: &str = "shutdown_completed";
    /// The guest did not answer.
    pub const UNRESPONSIVE: &str = "unresponsive";
    /// How often it was restarted.
    pub const RESTART_COUNT: &str = "restart_count";
    /// Why it ended last.
    pub const LAST_SHUTDOWN_REASON: &str = "last_shutdown_reason";
    /// `True` while a restart is under way.
    pub const RESTART_IN_PROGRESS: &str = "restart_in_progress";
    /// `True` while a core dump is written.
    pub const DUMPCORE_IN_PROGRESS: &str = "dumpcore_in_progress";
}

/// Nodes of both ends of every device.
pub mod device {
    /// In frontends: the backend's directory.
    pub const BACKEND: &str = "backend";
    /// In frontends: the serving domain.
    pub const BACKEND_ID: &str = "backend-id";
    /// In backends: the frontend's directory.
    pub const FRONTEND: &str = "frontend";
    /// In backends: the domain that is served.
    pub const FRONTEND_ID: &str = "frontend-id";
    /// The end's `XenbusState`.
    pub const STATE: &str = "state";
    /// In backends: `0` when the device is to go away for good.
    pub const ONLINE: &str = "online";
    /// In backends: the name of the domain that is served.
    pub const DOMAIN: &str = "domain";
    /// In frontends: the layout of the rings, `x86_64-abi`.
    pub const PROTOCOL: &str = "protocol";
    /// In backends: the hotplug script's result.
    pub const HOTPLUG_STATUS: &str = "hotplug-status";
    /// In backends: the hotplug script's error text.
    pub const HOTPLUG_ERROR: &str = "hotplug-error";
    /// In backends: the configured device's UUID.
    pub const UUID: &str = "uuid";
    /// Value of `hotplug-status`: done.
    pub const CONNECTED: &str = "connected";
    /// Value of `hotplug-status`: failed, see `hotplug-error`.
    pub const FAILED: &str = "error";
    /// Value of `hotplug-status`: the object is in use, see `hotplug-error`.
    pub const BUSY: &str = "busy";
}

/// Nodes of block devices.
pub mod vbd {
    /// In frontends: the device's number.
    pub const VIRTUAL_DEVICE: &str = "virtual-device";
    /// In frontends: the device's number in the extended form.
    pub const VIRTUAL_DEVICE_EXT: &str = "virtual-device-ext";
    /// In frontends: `disk` or `cdrom`.
    pub const DEVICE_TYPE: &str = "device-type";
    /// The name the domain file gives it.
    pub const DEV: &str = "dev";
    /// `phy`, `file`, …
    pub const TYPE: &str = "type";
    /// What follows the type in the domain file.
    pub const PARAMS: &str = "params";
    /// `r`, `w` or `w!`.
    pub const MODE: &str = "mode";
    /// `1`: the boot loader looks here.
    pub const BOOTABLE: &str = "bootable";
    /// `MAJOR:MINOR` in hexadecimal, by the script.
    pub const PHYSICAL_DEVICE: &str = "physical-device";
    /// The device file of it, by the script.
    pub const NODE: &str = "node";
    /// Size, by the backend.
    pub const SECTORS: &str = "sectors";
    /// Bytes of a sector, by the backend.
    pub const SECTOR_SIZE: &str = "sector-size";
    /// Flags (read-only, CD-ROM), by the backend.
    pub const INFO: &str = "info";
}

/// Nodes of network interfaces.
pub mod vif {
    /// The device's number, on both ends.
    pub const HANDLE: &str = "handle";
    /// The hardware address, on both ends.
    pub const MAC: &str = "mac";
    /// The hotplug script with its whole path.
    pub const SCRIPT: &str = "script";
    /// The bridge.
    pub const BRIDGE: &str = "bridge";
    /// Addresses, separated by spaces.
    pub const IP: &str = "ip";
    /// The name of the interface in the serving domain.
    pub const VIFNAME: &str = "vifname";
    /// `BYTES,MICROSECONDS`.
    pub const RATE: &str = "rate";
    /// `vif` or `ioemu`.
    pub const TYPE: &str = "type";
    /// The emulated card.
    pub const MODEL: &str = "model";
    /// Acceleration.
    pub const ACCEL: &str = "accel";
}

/// Nodes of rings, written by drivers.
pub mod ring {
    /// The ring's grant.
    pub const RING_REF: &str = "ring-ref";
    /// The event channel.
    pub const EVENT_CHANNEL: &str = "event-channel";
    /// The sending ring's grant.
    pub const TX_RING_REF: &str = "tx-ring-ref";
    /// The receiving ring's grant.
    pub const RX_RING_REF: &str = "rx-ring-ref";
}

/// Every fixed name directly in a domain's directory.
pub const DOMAIN_NODES: &[&str] = &[
    VM,
    NAME,
    DOMID,
    DESCRIPTION,
    DEVICE,
    CONTROL,
    ERROR,
    MEMORY,
    GUEST,
    HVMPV,
    DATA,
    CONSOLE,
    STORE,
    CPU,
    SECURITY_LABEL,
    TARGET,
];

/// Every fixed name directly in `/vm/U`.
pub const VM_NODES: &[&str] = &[
    UUID,
    NAME,
    VCPUS,
    VCPU_AVAIL,
    VM_MEMORY,
    MAXMEM,
    SHADOW_MEMORY,
    START_TIME,
    ON_POWEROFF,
    ON_REBOOT,
    ON_CRASH,
    ON_XEND_START,
    ON_XEND_STOP,
    BOOTLOADER,
    BOOTLOADER_ARGS,
    POOL_NAME,
    IMAGE,
    VNCPASSWD,
];

/// Names in frontends of every class.
pub const FRONTEND_NODES: &[&str] = &[device::BACKEND, device::BACKEND_ID, device::STATE, device::PROTOCOL];

/// Names in backends of every class.
pub const BACKEND_NODES: &[&str] = &[
    device::FRONTEND,
    device::FRONTEND_ID,
    device::DOMAIN,
    device::STATE,
    device::ONLINE,
    device::HOTPLUG_STATUS,
    device::HOTPLUG_ERROR,
];
