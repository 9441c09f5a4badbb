//! `nbd:HOST:PORT[/EXPORT]` disks: what a server on the network exports.

use super::{Disk, VbdError, attached};
use crate::lock::{BLOCK, Lock};
use crate::nbd::negotiate;
use crate::program;
use crate::vbd::Mode;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;
use xenstore::paths::node::vbd::{MODE, PARAMS};

/// How long a server may take to answer while the disk is set up.
const SETUP_LIMIT: Duration = Duration::from_secs(20);
/// How long a request of the guest may take: after that the guest is told of an error instead of waiting for ever.
const PATIENCE: Duration = Duration::from_secs(90);
/// Most addresses of a host that are tried.
const ADDRESSES_MAX: usize = 4;
const DEFAULT_PORT: u16 = 10809;

/// Where an export is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
    export: String,
}

/// Connects and tells the backend the device's number.
pub(super) async fn add(disk: &Disk<'_>) -> Result<(), VbdError> {
    let (params, mode) = tokio::join!(disk.backend.required(PARAMS), disk.backend.required(MODE));
    let (params, mode) = (params?, Mode::parse(&mode?));
    let place = Place::parse(&params).ok_or_else(|| VbdError::NbdPlace { params: params.clone() })?;
    if attached::is_done(disk).await? {
        return Ok(disk.backend.connected(&[]).await?);
    }
    // Asked before the lock: a host that does not answer shall not hold up other disks.
    let addresses = place.addresses().await?;
    let mut stream = place.connect(&addresses)?;
    let export = negotiate(&mut stream, &place.export)
        .map_err(|source| VbdError::NbdServer { server: params.clone(), source })?;
    if export.is_read_only() && mode != Mode::Read {
        return Err(VbdError::NbdReadOnly { server: params });
    }
    let export = if mode == Mode::Read { export.read_only() } else { export };
    ready(&stream).map_err(|source| VbdError::NbdConnect { server: params.clone(), source })?;
    let _lock = Lock::acquire(disk.host, BLOCK)?;
    super::file::check_state(disk).await?;
    attached::release(disk)?;
    let done = attached::attach(disk, &stream, export, PATIENCE).await;
    if done.is_err() {
        attached::release(disk)?;
    }
    done
}

/// The limits of the set-up go: the kernel would obey them.
fn ready(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    stream.set_nodelay(true)?;
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    Ok(())
}

impl Place {
    /// `HOST:PORT[/EXPORT]`; an IPv6 address stands in brackets, and a missing port is the usual one.
    fn parse(params: &str) -> Option<Self> {
        let (place, export) = params.split_once('/').unwrap_or((params, ""));
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (host, port.strip_prefix(':').unwrap_or(port))
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        let port =
            if port.is_empty() { DEFAULT_PORT } else { port.parse().ok().filter(|port| *port != 0)? };
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
        let is_host =
            !host.is_empty() && !host.starts_with('-') && host.len() < 256 && host.bytes().all(fits);
        is_host.then(|| Place { host: host.to_owned(), port, export: export.to_owned() })
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, VbdError> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        // Whatever this host looks names up in: a static program of our own could not.
        let unknown = || VbdError::NbdHost { host: self.host.clone() };
        let said =
            program::run("getent", &["ahosts", &self.host], SETUP_LIMIT).await.map_err(|_| unknown())?;
        let words = said.lines().filter_map(|line| line.split_whitespace().next()?.parse::<IpAddr>().ok());
        let mut addresses: Vec<_> = words.map(|address| SocketAddr::new(address, self.port)).collect();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() { Err(unknown()) } else { Ok(addresses) }
    }

    fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, VbdError> {
        let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
        for address in addresses {
            let opened = TcpStream::connect_timeout(address, SETUP_LIMIT).and_then(|stream| {
                stream.set_read_timeout(Some(SETUP_LIMIT))?;
                stream.set_write_timeout(Some(SETUP_LIMIT))?;
                Ok(stream)
            });
            match opened {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(VbdError::NbdConnect { server: format!("{}:{}", self.host, self.port), source: last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_host_a_port_and_perhaps_a_name() {
        let of = |params: &str| Place::parse(params).map(|place| (place.host, place.port, place.export));
        let place = |host: &str, port, export: &str| Some((host.to_owned(), port, export.to_owned()));
        assert_eq!(of("store:1000"), place("store", 1000, ""));
        assert_eq!(of("192.0.2.1:10809/mail/root"), place("192.0.2.1", 10809, "mail/root"));
        assert_eq!(of("[2001:db8::1]:7/x"), place("2001:db8::1", 7, "x"));
        assert_eq!(of("[::1]"), place("::1", 10809, ""));
        assert_eq!(of("store"), place("store", 10809, ""));
        for bad in ["", ":", ":10", "h:0", "h:70000", "h:x", "-h:1", "a b:1", "[::1:7", "/x", "h;reboot:1"] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}
