//! Every option of the original: its name, where its value goes, and whether it is obeyed yet. The order is that of the
//! manual and of the file that is installed.

use super::values::Slot;

/// An option.
pub(super) struct Row {
    /// How it is called in the file.
    pub(super) name: &'static str,
    /// What its value is and where it goes.
    pub(super) slot: Slot,
    /// What comes of it.
    pub(super) effect: Effect,
}

/// What comes of an option.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// It is obeyed.
    Obeyed,
    /// It is understood, and the part of the daemon that it speaks of is not there yet.
    NotYet {
        /// The value that asks for just what happens anyway.
        idle: Option<&'static str>,
        /// What happens instead.
        instead: &'static str,
    },
}

const fn obeyed(name: &'static str, slot: Slot) -> Row {
    Row { name, slot, effect: Effect::Obeyed }
}

const fn later(name: &'static str, slot: Slot, instead: &'static str) -> Row {
    Row { name, slot, effect: Effect::NotYet { idle: None, instead } }
}

const fn unless(name: &'static str, slot: Slot, idle: &'static str, instead: &'static str) -> Row {
    Row { name, slot, effect: Effect::NotYet { idle: Some(idle), instead } }
}

const XEN_API: &str = "the Xen-API is not served yet";
const HTTP: &str = "no HTTP server is there yet, nothing listens";
const TCP: &str = "nothing is served over TCP yet";
const RELOCATION: &str = "domains cannot be moved between hosts yet, no port is opened";
const OUTGOING: &str = "domains cannot be moved between hosts yet";
const SOCKET: &str = "/var/run/xend/xmlrpc.sock is served nonetheless, xm has no other way yet";
const FOLDER: &str = "records are kept below /var/lib/xend/state/domains";
const STORAGE: &str = "storage repositories are not there yet";
const SECURITY: &str = "security modules are not there yet";
const MEMORY: &str =
    "no memory is taken from domain 0 for guests, give it a fixed amount with Xen's dom0_mem";
const CPUS: &str = "domain 0 keeps the processors that it was booted with";
const DISPLAY: &str = "guests with a display are not there yet";
const DEVICE_MODEL: &str = "device models are not there yet";
const DUMP: &str = "core dumps are not there yet";
const UDEV: &str = "the daemon runs its scripts itself and needs no udev events";
const PCI: &str = "PCI devices cannot be passed through yet";
const PSCSI: &str = "SCSI devices cannot be passed through yet";

/// All of them.
pub(super) static ROWS: &[Row] = &[
    // The log.
    obeyed("logfile", Slot::Path(|s| &mut s.logging.file)),
    obeyed("loglevel", Slot::Level(|s| &mut s.logging.level)),
    // Servers.
    later("xen-api-server", Slot::XenApi(|s| &mut s.servers.xen_api), XEN_API),
    unless("xend-http-server", Slot::YesNo(|s| &mut s.servers.http), "no", HTTP),
    later("xend-port", Slot::Port(|s| &mut s.servers.http_port), HTTP),
    later("xend-address", Slot::Text(|s| &mut s.servers.http_address), HTTP),
    unless("xend-unix-server", Slot::YesNo(|s| &mut s.servers.unix), "no", HTTP),
    later("xend-unix-path", Slot::Path(|s| &mut s.servers.unix_path), HTTP),
    unless("xend-unix-xmlrpc-server", Slot::YesNo(|s| &mut s.servers.unix_xmlrpc), "yes", SOCKET),
    unless("xend-tcp-xmlrpc-server", Slot::YesNo(|s| &mut s.servers.tcp_xmlrpc), "no", TCP),
    later("xend-tcp-xmlrpc-server-address", Slot::Text(|s| &mut s.servers.tcp_xmlrpc_address), TCP),
    later("xend-tcp-xmlrpc-server-port", Slot::Port(|s| &mut s.servers.tcp_xmlrpc_port), TCP),
    later("xend-tcp-xmlrpc-server-ssl-key-file", Slot::EtcFile(|s| &mut s.servers.tcp_xmlrpc_tls.key), TCP),
    later(
        "xend-tcp-xmlrpc-server-ssl-cert-file",
        Slot::EtcFile(|s| &mut s.servers.tcp_xmlrpc_tls.certificate),
        TCP,
    ),
    unless("xend-udev-event-server", Slot::YesNo(|s| &mut s.servers.udev_events), "no", UDEV),
    // Relocation.
    unless("xend-relocation-server", Slot::YesNo(|s| &mut s.relocation.server), "no", RELOCATION),
    later("xend-relocation-port", Slot::Port(|s| &mut s.relocation.port), RELOCATION),
    unless("xend-relocation-ssl-server", Slot::YesNo(|s| &mut s.relocation.tls_server), "no", RELOCATION),
    later("xend-relocation-ssl-port", Slot::Port(|s| &mut s.relocation.tls_port), RELOCATION),
    later("xend-relocation-server-ssl-key-file", Slot::EtcFile(|s| &mut s.relocation.tls.key), RELOCATION),
    later(
        "xend-relocation-server-ssl-cert-file",
        Slot::EtcFile(|s| &mut s.relocation.tls.certificate),
        RELOCATION,
    ),
    unless("xend-relocation-ssl", Slot::YesNo(|s| &mut s.relocation.outgoing_tls), "no", OUTGOING),
    later("xend-relocation-address", Slot::Text(|s| &mut s.relocation.address), RELOCATION),
    later("xend-relocation-hosts-allow", Slot::Patterns(|s| &mut s.relocation.hosts_allow), RELOCATION),
    unless("external-migration-tool", Slot::Text(|s| &mut s.external_migration_tool), "", OUTGOING),
    // Folders.
    obeyed("xend-domains-path", Slot::Path(|s| &mut s.folders.domains)),
    later("xend-state-path", Slot::Path(|s| &mut s.folders.state), FOLDER),
    later("xend-storage-path", Slot::Path(|s| &mut s.folders.storage), STORAGE),
    later("xend-security-path", Slot::Path(|s| &mut s.folders.security), SECURITY),
    // Networking.
    obeyed("network-script", Slot::ScriptWords(|s| &mut s.network_script)),
    obeyed("vif-script", Slot::Script(|s| &mut s.vif_script)),
    // Domain 0.
    unless("dom0-min-mem", Slot::Number(|s| &mut s.memory.dom0_min_mib), "0", MEMORY),
    unless("enable-dom0-ballooning", Slot::Choice(|s| &mut s.memory.ballooning_asked), "no", MEMORY),
    unless("total_available_memory", Slot::Number(|s| &mut s.memory.reserved_asked_gib), "0", MEMORY),
    unless("dom0-cpus", Slot::Number(|s| &mut s.memory.dom0_cpus), "0", CPUS),
    // Devices.
    obeyed("device-create-timeout", Slot::Seconds(|s| &mut s.device_create_timeout)),
    obeyed("device-destroy-timeout", Slot::Seconds(|s| &mut s.device_destroy_timeout)),
    later("pci-passthrough-strict-check", Slot::YesNo(|s| &mut s.pci_strict_check), PCI),
    later("pscsi-device-mask", Slot::Masks(|s| &mut s.pscsi_device_mask), PSCSI),
    // Consoles, displays, dumps.
    obeyed("console-limit", Slot::Number(|s| &mut s.console_limit_kib)),
    later("vnc-listen", Slot::Text(|s| &mut s.display.vnc_listen), DISPLAY),
    unless("vncpasswd", Slot::Secret(|s| &mut s.display.vnc_password), "", DISPLAY),
    unless("vnc-tls", Slot::Truth(|s| &mut s.display.vnc_tls), "no", DISPLAY),
    later("vnc-x509-cert-dir", Slot::EtcPath(|s| &mut s.display.vnc_certificates), DISPLAY),
    unless("vnc-x509-verify", Slot::Truth(|s| &mut s.display.vnc_verify), "no", DISPLAY),
    later("keymap", Slot::MaybeText(|s| &mut s.display.keymap), DISPLAY),
    later("qemu-dm-logrotate-count", Slot::Number(|s| &mut s.device_model_logs), DEVICE_MODEL),
    unless("enable-dump", Slot::YesNo(|s| &mut s.enable_dump), "no", DUMP),
    // Security.
    unless(
        "xsm_module_name",
        Slot::Word(|s| &mut s.security_module, &["flask", "acm", "dummy"]),
        "dummy",
        SECURITY,
    ),
    unless(
        "resource-label-change-script",
        Slot::ScriptWords(|s| &mut s.resource_label_change_script),
        "",
        SECURITY,
    ),
];

/// The row of a name.
pub(super) fn row(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}
