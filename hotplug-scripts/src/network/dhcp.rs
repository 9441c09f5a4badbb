//! DHCP for guests behind `network-nat`, by a dnsmasq of our own that knows nobody but them.
//!
//! A vif script leaves one file for each guest; dnsmasq sees new files by itself.

use super::{NetworkError, Site};
use crate::host::Host;
use crate::sys::with_no_signal_held;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// dnsmasq gives up its rights and then reads on: nothing else lies here, and everybody may read it.
const FOLDER: &str = "/var/run/xend-dhcp";
const HOSTS: &str = "dhcp-hosts";
const OPTIONS: &str = "dhcp-options";

/// What dnsmasq is to tell a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease<'a> {
    /// The guest's interface in dom0.
    pub dev: &'a str,
    /// Its hardware address.
    pub mac: &'a str,
    /// Its address.
    pub address: Ipv4Addr,
    /// Dom0's address on the interface.
    pub router: Ipv4Addr,
    /// Its host name.
    pub name: String,
}

/// Lets dnsmasq know a guest, when it serves.
pub fn lease(host: &Host, lease: &Lease<'_>) -> Result<(), NetworkError> {
    let folder = host.path(FOLDER);
    if !folder.join(HOSTS).is_dir() {
        return Ok(());
    }
    let tag = tag(lease.dev);
    write(&folder.join(OPTIONS).join(&tag), &format!("tag:{tag},option:router,{}\n", lease.router))?;
    let name = if lease.name.is_empty() { String::new() } else { format!(",{}", lease.name) };
    write(
        &folder.join(HOSTS).join(&tag),
        &format!("{},set:{tag},{}{name},infinite\n", lease.mac, lease.address),
    )
}

/// Lets dnsmasq forget it.
pub fn release(host: &Host, dev: &str) -> Result<(), NetworkError> {
    let folder = host.path(FOLDER);
    let mut gone = false;
    for below in [HOSTS, OPTIONS] {
        gone |= fs::remove_file(folder.join(below).join(tag(dev))).is_ok();
    }
    if let Some(pid) = running(host).filter(|_| gone) {
        // It sees new files by itself, but not that one has gone.
        let _ = kill(pid, Signal::SIGHUP);
    }
    Ok(())
}

/// Makes sure that dnsmasq is there, before anything is changed.
pub(super) fn require(site: &Site<'_>) -> Result<(), NetworkError> {
    let mut command = Command::new("dnsmasq");
    command.arg("--version").env_clear().envs(site.call.environment());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(NetworkError::NoDhcpServer),
    }
}

/// Starts it, unless it runs.
pub(super) fn start(site: &Site<'_>, netdev: &str) -> Result<(), NetworkError> {
    let folder = site.host.path(FOLDER);
    site.step("serve DHCP beside", netdev)?;
    for path in [folder.clone(), folder.join(HOSTS), folder.join(OPTIONS)] {
        let made = fs::create_dir_all(&path)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)));
        made.map_err(|source| fail("make", &path, source))?;
    }
    if running(site.host).is_some() {
        return Ok(());
    }
    let settings = folder.join("dnsmasq.conf");
    write(&settings, &configuration(site.host, netdev))?;
    let mut command = Command::new("dnsmasq");
    command.arg(format!("--conf-file={}", settings.display())).env_clear().envs(site.call.environment());
    with_no_signal_held(&mut command);
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|_| NetworkError::NoDhcpServer)?;
    if output.status.success() {
        return Ok(());
    }
    let says = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
    Err(NetworkError::DhcpServer { says })
}

/// Ends it and removes its files.
pub(super) fn stop(site: &Site<'_>) -> Result<(), NetworkError> {
    let folder = site.host.path(FOLDER);
    if !folder.exists() {
        return Ok(());
    }
    site.step("end", "dnsmasq")?;
    if let Some(pid) = running(site.host) {
        let _ = kill(pid, Signal::SIGTERM);
    }
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(|source| fail("remove", &folder, source)),
    }
}

fn configuration(host: &Host, netdev: &str) -> String {
    let folder = host.path(FOLDER);
    let at = |file: &str| folder.join(file).display().to_string();
    let mut lines = vec![
        "port=0".to_owned(),
        "bind-dynamic".to_owned(),
        "interface=vif*".to_owned(),
        format!("except-interface={netdev}"),
        "except-interface=lo".to_owned(),
        "dhcp-range=10.0.0.0,static,255.255.0.0,infinite".to_owned(),
        "dhcp-authoritative".to_owned(),
        "leasefile-ro".to_owned(),
        format!("dhcp-hostsdir={}", at(HOSTS)),
        format!("dhcp-optsdir={}", at(OPTIONS)),
        format!("pid-file={}", at("dnsmasq.pid")),
    ];
    let (server, domain) = resolver(host);
    lines.extend(server.map(|server| format!("dhcp-option=option:dns-server,{server}")));
    lines.extend(domain.map(|domain| format!("dhcp-option=option:domain-name,{domain}")));
    lines.join("\n") + "\n"
}

/// The first name server that a guest can reach too, and the domain.
fn resolver(host: &Host) -> (Option<Ipv4Addr>, Option<String>) {
    let text = fs::read_to_string(host.path("/etc/resolv.conf")).unwrap_or_default();
    let mut found = (None, None);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("nameserver"), Some(server)) => {
                let server = server.parse().ok().filter(|server: &Ipv4Addr| !server.is_loopback());
                found.0 = found.0.or(server);
            }
            (Some("search" | "domain"), Some(domain)) if domain.bytes().all(is_of_name) => {
                found.1 = Some(domain.to_owned());
            }
            _ => {}
        }
    }
    found
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-'
}

/// Our dnsmasq, if it runs.
fn running(host: &Host) -> Option<Pid> {
    let text = fs::read_to_string(host.path(FOLDER).join("dnsmasq.pid")).ok()?;
    let pid: i32 = text.trim().parse().ok()?;
    // The number may be another program's by now.
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == "dnsmasq").then(|| Pid::from_raw(pid))
}

/// A file's name and a tag: no dots, which dnsmasq passes over or reads otherwise.
fn tag(dev: &str) -> String {
    dev.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
}

fn write(path: &Path, text: &str) -> Result<(), NetworkError> {
    // dnsmasq reads a file as soon as it is closed.
    let written = File::create(path).and_then(|mut file| {
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(text.as_bytes())
    });
    written.map_err(|source| fail("write", path, source))
}

fn fail(verb: &'static str, path: &Path, source: io::Error) -> NetworkError {
    NetworkError::File { verb, path: PathBuf::from(path), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    /// dnsmasq reads it as a user without rights, whatever mask the script was called with.
    #[test]
    fn what_is_told_of_a_guest_can_be_read_by_everybody() {
        let folder = Folder::new("lease");
        let host = Host::new(folder.path());
        let (address, router) = (Ipv4Addr::new(10, 0, 1, 1), Ipv4Addr::new(10, 0, 1, 128));
        let name = String::new();
        let told = Lease { dev: "vif1.0", mac: "00:16:3e:00:00:01", address, router, name };
        lease(&host, &told).unwrap();
        let hosts = host.path(FOLDER).join(HOSTS);
        assert!(!hosts.exists(), "nobody serves");
        for below in [HOSTS, OPTIONS] {
            fs::create_dir_all(host.path(FOLDER).join(below)).unwrap();
        }
        // As a mask would have left it.
        let file = hosts.join("vif1-0");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        lease(&host, &told).unwrap();
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn guests_are_told_a_name_server_that_they_can_reach() {
        let folder = Folder::new("dhcp");
        let host = Host::new(folder.path());
        fs::create_dir_all(folder.path().join("etc")).unwrap();
        let text = "nameserver 127.0.0.53\nnameserver 192.0.2.53\nsearch example.org b;c\n";
        fs::write(folder.path().join("etc/resolv.conf"), text).unwrap();
        let text = configuration(&host, "eth0");
        assert!(text.contains("dhcp-option=option:dns-server,192.0.2.53\n"), "{text}");
        assert!(
            text.contains("domain-name,example.org\n") && text.contains("except-interface=eth0\n"),
            "{text}"
        );
    }
}
