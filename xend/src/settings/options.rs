//! The options of `xend-config.sxp` as values (`xend-daemon` §1.4), with their defaults. `table` says how each is called
//! and whether it is obeyed yet.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::xen_api::XenApiServer;

/// All options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The log.
    pub logging: Logging,
    /// Who is answered where.
    pub servers: Servers,
    /// Moving domains between hosts.
    pub relocation: Relocation,
    /// Where things are kept.
    pub folders: Folders,
    /// Domain 0's memory and processors.
    pub memory: MemorySettings,
    /// Guests' displays.
    pub display: Display,
    /// `network-script`, split into words.
    pub network_script: Option<Vec<String>>,
    /// `vif-script`: what a vif without a script of its own runs.
    pub vif_script: String,
    /// `device-create-timeout`.
    pub device_create_timeout: Duration,
    /// `device-destroy-timeout`.
    pub device_destroy_timeout: Duration,
    /// `console-limit`, KiB.
    pub console_limit_kib: u64,
    /// `enable-dump`: a core of every crash.
    pub enable_dump: bool,
    /// `qemu-dm-logrotate-count`.
    pub device_model_logs: u64,
    /// `external-migration-tool`, empty for none.
    pub external_migration_tool: String,
    /// `resource-label-change-script`, split into words.
    pub resource_label_change_script: Option<Vec<String>>,
    /// `pci-passthrough-strict-check`.
    pub pci_strict_check: bool,
    /// `pscsi-device-mask`.
    pub pscsi_device_mask: Vec<String>,
    /// `xsm_module_name`: `flask`, `acm` or `dummy`.
    pub security_module: String,
    /// A domain that ends sooner than this after its start is not started again.
    pub restart_floor: Duration,
    /// How long a client may be silent about a domain that it has made, beyond the time that devices may take.
    pub creator_limit: Duration,
    /// After this long without an answer to a shutdown request the log says so.
    pub shutdown_notice: Duration,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// `logfile`.
    pub file: PathBuf,
    /// `loglevel`.
    pub level: LogLevel,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// Steps.
    Debug,
    /// One line for what begins and what ends.
    Info,
    /// What is odd.
    Warning,
    /// What was not done.
    Error,
    /// As `Error`: nothing is above it here.
    Critical,
}

impl LogLevel {
    /// The words for it in the settings.
    pub const WORDS: [(&'static str, Self); 7] = [
        ("TRACE", Self::Trace),
        ("DEBUG", Self::Debug),
        ("INFO", Self::Info),
        ("WARN", Self::Warning),
        ("WARNING", Self::Warning),
        ("ERROR", Self::Error),
        ("CRITICAL", Self::Critical),
    ];
}

/// A key and its certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The private key.
    pub key: Option<PathBuf>,
    /// The certificate.
    pub certificate: Option<PathBuf>,
}

/// Who is answered where. Nothing but the legacy socket is served yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// `xen-api-server`.
    pub xen_api: Vec<XenApiServer>,
    /// `xend-http-server`: HTTP over TCP.
    pub http: bool,
    /// `xend-port`.
    pub http_port: u16,
    /// `xend-address`, empty for all.
    pub http_address: String,
    /// `xend-unix-server`: HTTP over a socket.
    pub unix: bool,
    /// `xend-unix-path`.
    pub unix_path: PathBuf,
    /// `xend-unix-xmlrpc-server`: the legacy socket.
    pub unix_xmlrpc: bool,
    /// `xend-tcp-xmlrpc-server`.
    pub tcp_xmlrpc: bool,
    /// `xend-tcp-xmlrpc-server-address`.
    pub tcp_xmlrpc_address: String,
    /// `xend-tcp-xmlrpc-server-port`.
    pub tcp_xmlrpc_port: u16,
    /// `xend-tcp-xmlrpc-server-ssl-…-file`: with both of them that port speaks TLS only.
    pub tcp_xmlrpc_tls: TlsFiles,
    /// `xend-udev-event-server`.
    pub udev_events: bool,
}

/// Moving domains between hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// `xend-relocation-server`.
    pub server: bool,
    /// `xend-relocation-port`.
    pub port: u16,
    /// `xend-relocation-ssl-server`.
    pub tls_server: bool,
    /// `xend-relocation-ssl-port`.
    pub tls_port: u16,
    /// `xend-relocation-server-ssl-…-file`.
    pub tls: TlsFiles,
    /// `xend-relocation-ssl`: outgoing moves use TLS.
    pub outgoing_tls: bool,
    /// `xend-relocation-address`, empty for all; may be the name of an interface.
    pub address: String,
    /// `xend-relocation-hosts-allow`: patterns with single blanks between them, empty for everybody.
    pub hosts_allow: String,
}

/// Where things are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// `xend-domains-path`.
    pub domains: PathBuf,
    /// `xend-state-path`.
    pub state: PathBuf,
    /// `xend-storage-path`.
    pub storage: PathBuf,
    /// `xend-security-path`.
    pub security: PathBuf,
}

/// Domain 0's memory and processors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemorySettings {
    /// `dom0-min-mem`.
    pub dom0_min_mib: u64,
    /// `enable-dom0-ballooning` as written.
    pub ballooning_asked: Option<bool>,
    /// `total_available_memory` as written.
    pub reserved_asked_gib: u64,
    /// `dom0-cpus`, 0 for all.
    pub dom0_cpus: u64,
}

impl MemorySettings {
    /// Whether domain 0 may be ballooned: unless something else is said, when it has a lower bound.
    pub fn dom0_ballooning(&self) -> bool {
        self.ballooning_asked.unwrap_or(self.dom0_min_mib != 0)
    }

    /// Memory kept for 32-bit PV guests, which only ballooning could provide.
    pub fn reserved_gib(&self) -> u64 {
        if self.dom0_ballooning() { self.reserved_asked_gib } else { 0 }
    }
}

/// A password, which no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("XXXXXXXX")
    }
}

/// Guests' displays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Display {
    /// `vnc-listen`.
    pub vnc_listen: String,
    /// `vncpasswd`; an empty one is none.
    pub vnc_password: Option<Password>,
    /// `vnc-tls`: any text but the empty one switches it on.
    pub vnc_tls: bool,
    /// `vnc-x509-cert-dir`.
    pub vnc_certificates: PathBuf,
    /// `vnc-x509-verify`, read as `vnc-tls` is.
    pub vnc_verify: bool,
    /// `keymap`.
    pub keymap: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            logging: Logging { file: "/var/log/xen/xend.log".into(), level: LogLevel::Debug },
            servers: Servers::default(),
            relocation: Relocation {
                server: false,
                port: 8002,
                tls_server: false,
                tls_port: 8003,
                tls: TlsFiles::default(),
                outgoing_tls: false,
                address: String::new(),
                hosts_allow: String::new(),
            },
            folders: Folders {
                domains: "/var/lib/xend/domains".into(),
                state: "/var/lib/xend/state".into(),
                storage: "/var/lib/xend/storage".into(),
                security: "/var/lib/xend/security".into(),
            },
            memory: MemorySettings::default(),
            display: Display {
                vnc_listen: "127.0.0.1".to_owned(),
                vnc_password: None,
                vnc_tls: false,
                vnc_certificates: "/etc/xen/vnc".into(),
                vnc_verify: false,
                keymap: None,
            },
            network_script: None,
            vif_script: "vif-bridge".to_owned(),
            device_create_timeout: Duration::from_secs(100),
            device_destroy_timeout: Duration::from_secs(100),
            console_limit_kib: 1024,
            enable_dump: false,
            device_model_logs: 10,
            external_migration_tool: String::new(),
            resource_label_change_script: None,
            pci_strict_check: true,
            pscsi_device_mask: vec!["*".to_owned()],
            security_module: "dummy".to_owned(),
            restart_floor: Duration::from_secs(60),
            creator_limit: Duration::from_secs(60),
            shutdown_notice: Duration::from_secs(300),
        }
    }
}

impl Default for Servers {
    fn default() -> Self {
        Self {
            xen_api: vec![XenApiServer::unix()],
            http: false,
            http_port: 8000,
            http_address: String::new(),
            unix: false,
            unix_path: "/var/lib/xend/xend-socket".into(),
            unix_xmlrpc: true,
            tcp_xmlrpc: false,
            tcp_xmlrpc_address: "localhost".to_owned(),
            tcp_xmlrpc_port: 8006,
            tcp_xmlrpc_tls: TlsFiles::default(),
            udev_events: false,
        }
    }
}

/// Something that must exist for an option to mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// A file.
    File(&'a Path),
    /// A folder.
    Folder(&'a Path),
}

impl Settings {
    /// What the options name and has to be there, by option.
    pub fn wanted(&self) -> Vec<(&'static str, Wanted<'_>)> {
        let (tcp, relocation) = (&self.servers.tcp_xmlrpc_tls, &self.relocation.tls);
        let files = [
            ("xend-tcp-xmlrpc-server-ssl-key-file", &tcp.key),
            ("xend-tcp-xmlrpc-server-ssl-cert-file", &tcp.certificate),
            ("xend-relocation-server-ssl-key-file", &relocation.key),
            ("xend-relocation-server-ssl-cert-file", &relocation.certificate),
        ];
        let files = files.into_iter().filter_map(|(name, path)| Some((name, Wanted::File(path.as_deref()?))));
        let certificates = Wanted::Folder(&self.display.vnc_certificates);
        files.chain(self.display.vnc_tls.then_some(("vnc-x509-cert-dir", certificates))).collect()
    }
}
