//! Why variables do not make a domain. The texts are those of the original where it had one (`xm-commands` §4.9).

use thiserror::Error;

/// Why variables do not make a domain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConvertError {
    /// The kernel, ramdisk or loader is not there.
    #[error("Cannot find {variable} \"{path}\"")]
    CannotFind {
        /// `kernel`, `ramdisk` or `loader`.
        variable: &'static str,
        /// As written.
        path: String,
    },
    /// A floppy image is not there, or not given by its full path.
    #[error("Floppy file {path} does not exist.")]
    Floppy {
        /// As written.
        path: String,
    },
    /// Neither three, four nor five fields.
    #[error("Invalid disk specifier: {spec}")]
    Disk {
        /// As written.
        spec: String,
        /// Was the whole variable a string, and not a list of them?
        whole_string: bool,
    },
    /// A key that an interface does not have.
    #[error("Invalid {variable} option: {key}")]
    InterfaceKey {
        /// `vif` or `vif2`.
        variable: &'static str,
        /// As written.
        key: String,
    },
    /// Something without `=` where pairs are wanted.
    #[error("{item} should be a pair, separated by an equals sign.")]
    NotAPair {
        /// The variable.
        variable: &'static str,
        /// As written.
        item: String,
        /// Was the whole variable a string, and not a list of them?
        whole_string: bool,
    },
    /// A key that a framebuffer does not have.
    #[error("configuration option {key} unknown to vfbs")]
    VfbKey {
        /// As written.
        key: String,
    },
    /// A USB controller's version or number of ports.
    #[error("Invalid vusb option: {key}")]
    VusbOption {
        /// `usbver` or `numports`.
        key: &'static str,
    },
    /// Not a range of I/O ports.
    #[error("Invalid i/o port range specifier: {spec}")]
    IoPorts {
        /// As written.
        spec: String,
    },
    /// Not a PCI address.
    #[error("Failed to parse pci device: {spec}")]
    Pci {
        /// As written.
        spec: String,
    },
    /// Not an option of a PCI device.
    #[error("Invalid pci option {option}: ")]
    PciOption {
        /// As written.
        option: String,
    },
    /// A function given twice.
    #[error("Duplicate functions: {spec}")]
    PciDuplicate {
        /// As written.
        spec: String,
    },
    /// Not a security label.
    #[error("Invalid access_control specifier: {spec}")]
    AccessControl {
        /// As written.
        spec: String,
    },
    /// More than one security label.
    #[error("Multiple access_control definitions.")]
    SeveralAccessControls,
    /// `nfs_root` without `nfs_server`.
    #[error("Must set nfs root and nfs server")]
    NfsWithoutServer,
    /// A whole number was wanted.
    #[error("cannot use {variable} = {value}: it is not a number in the range of this variable")]
    NotANumber {
        /// The variable.
        variable: &'static str,
        /// What it holds.
        value: String,
    },
    /// A text was wanted.
    #[error("cannot use {variable} = {found}: it is not a string")]
    NotAString {
        /// The variable.
        variable: &'static str,
        /// What it holds.
        found: String,
    },
    /// A list of strings was wanted.
    #[error("cannot use {variable}: entry {entry} is not a string but {found}")]
    NotText {
        /// The variable.
        variable: &'static str,
        /// Which entry, the first is 1.
        entry: usize,
        /// What is there.
        found: String,
    },
    /// A list was wanted.
    #[error("cannot use {variable}: it is not a list but {found}")]
    NotAList {
        /// The variable.
        variable: &'static str,
        /// What is there.
        found: String,
    },
    /// A slot of which the host has no function.
    #[error("cannot find any function of PCI device {spec} on this host")]
    PciNotHere {
        /// As written.
        spec: String,
    },
    /// All functions are mapped by hand, and none to 0.
    #[error("Virtual device does not include virtual function 0: {spec}")]
    PciNoFunction0 {
        /// As written.
        spec: String,
    },
    /// Not a SCSI device.
    #[error("vscsi syntax error \"{spec}\"")]
    Vscsi {
        /// As written.
        spec: String,
    },
    /// The host has no such SCSI device.
    #[error("Cannot find device \"{device}\"")]
    VscsiNotHere {
        /// As written.
        device: String,
    },
    /// A SCSI device given twice.
    #[error("The {what} device \"{device}\" is already defined")]
    VscsiTwice {
        /// `physical` or `virtual`.
        what: &'static str,
        /// As written.
        device: String,
    },
    /// SCSI devices on one virtual adapter that do not agree.
    #[error("The physical device \"{device}\" cannot define because {what} is different")]
    VscsiClash {
        /// `mode` or `backend`.
        what: &'static str,
        /// As written.
        device: String,
    },
    /// Not a TPM.
    #[error("Invalid vtpm specifier: {spec}")]
    Vtpm {
        /// As written.
        spec: String,
    },
    /// The TPM manager's own instance.
    #[error("VM config error: vTPM instance must not be 0.")]
    VtpmInstanceZero,
    /// An instance that is no number.
    #[error("Vm config error: could not parse instance number.")]
    VtpmInstance,
    /// Not a register of CPUID.
    #[error("cpuid's syntax is (eax|ebx|ecx|edx)=value")]
    CpuidSyntax,
    /// Neither hexadecimal nor 32 bits.
    #[error("cpuid: We should specify all the bits of the register {register} for input {leaf}")]
    CpuidBits {
        /// The register.
        register: String,
        /// As written.
        leaf: String,
    },
}

impl ConvertError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let listed = |variable: &str| Some(format!("{variable} must be a list: {variable} = [ '…' ]"));
        match self {
            Self::CannotFind { variable, .. } => {
                Some(format!("check the path, or use bootloader instead of {variable} if the file is inside the guest"))
            }
            Self::Floppy { .. } => Some("give the full path of an image that exists".to_owned()),
            Self::Disk { whole_string: true, .. } => listed("disk"),
            Self::Disk { .. } => Some(
                "write 'TYPE:PATH,DEVICE,MODE', for example 'phy:/dev/vg0/disk,xvda,w'; three to five fields".to_owned(),
            ),
            Self::NotAPair { whole_string: true, variable, .. } | Self::NotAList { variable, .. } => listed(variable),
            Self::NotAPair { .. } => Some("write key=value,key=value without a comma at the end".to_owned()),
            Self::InterfaceKey { variable: "vif", .. } => Some(
                "known are type, mac, bridge, ip, script, backend, vifname, rate, model, accel, policy and label".to_owned(),
            ),
            Self::NotText { .. } | Self::NotAString { .. } => Some("put quotes around it".to_owned()),
            Self::NfsWithoutServer => Some("set nfs_server to the address of the server".to_owned()),
            Self::IoPorts { .. } => Some("write it in hexadecimal without 0x, for example '3f8-3ff'".to_owned()),
            Self::Pci { .. } => Some("write 'BUS:SLOT.FUNCTION', for example '03:00.0'".to_owned()),
            Self::InterfaceKey { .. } => Some("xmdomain.cfg(5) lists the keys of vif2".to_owned()),
            Self::VfbKey { .. } => Some(
                "known are vnc, sdl, vnclisten, vncdisplay, vncunused, vncpasswd, display, xauthority, keymap and opengl".to_owned(),
            ),
            Self::VusbOption { key: "usbver" } => Some("usbver is 1 or 2".to_owned()),
            Self::VusbOption { .. } => Some("numports is 1 to 16".to_owned()),
            Self::PciOption { .. } => Some("known are msitranslate and power_mgmt, each 0, 1, yes or no".to_owned()),
            Self::PciDuplicate { .. } => Some("name each function once".to_owned()),
            Self::PciNotHere { .. } => Some("`lspci` lists the host's devices".to_owned()),
            Self::PciNoFunction0 { .. } => Some("let one of the functions be seen as function 0, as in '03:00.1=0'".to_owned()),
            Self::Vscsi { .. } => Some("write 'DEVICE,H:C:T:L', for example '/dev/sdb,0:0:0:0', or 'DEVICE,host'".to_owned()),
            Self::VscsiNotHere { .. } => Some("`lsscsi` lists the host's devices".to_owned()),
            Self::VscsiTwice { .. } => Some("give each device once, with a virtual address of its own".to_owned()),
            Self::VscsiClash { .. } => Some("use another first number in the virtual address".to_owned()),
            Self::AccessControl { .. } => Some("write 'policy=POLICY,label=LABEL'".to_owned()),
            Self::SeveralAccessControls => Some("keep one of them".to_owned()),
            Self::Vtpm { .. } | Self::VtpmInstanceZero | Self::VtpmInstance => {
                Some("write 'instance=NUMBER,backend=DOMAIN' with a number from 1".to_owned())
            }
            Self::CpuidSyntax => Some("write 'LEAF:REGISTER=BITS,REGISTER=BITS' without blanks or line ends".to_owned()),
            Self::CpuidBits { .. } => Some("write 32 characters, or a number that begins with 0x".to_owned()),
            Self::NotANumber { .. } => Some("write a whole number".to_owned()),
        }
    }
}
