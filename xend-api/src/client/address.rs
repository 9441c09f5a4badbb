//! Server addresses as `XM_SERVER` and `xm-config.xml` give them.

use std::fmt;
use std::path::PathBuf;

use crate::client::ClientError;

/// Where clients of the original posted to.
const DEFAULT_PATH: &str = "/RPC2";

/// The way to a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket file.
    Unix(PathBuf),
    /// Host and port.
    Tcp(String, u16),
}

/// A server's address, ready for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The way there.
    pub endpoint: Endpoint,
    /// The path to post to.
    pub(super) path: String,
    /// What the `Host` header says.
    pub(super) host: String,
}

impl Address {
    /// Reads `httpu:///path` or `http://host[:port][/path]`; `https` and `ssh` are known, but not there yet.
    pub fn parse(uri: &str) -> Result<Self, ClientError> {
        let bad = |reason| ClientError::BadAddress { uri: uri.to_owned(), reason };
        let (scheme, rest) = uri.split_once("://").ok_or_else(|| bad("wanted SCHEME://…"))?;
        match scheme.to_ascii_lowercase().as_str() {
            "httpu" => {
                if !rest.starts_with('/') || rest.contains('\0') {
                    return Err(bad("wanted httpu:///path/of/socket"));
                }
                let endpoint = Endpoint::Unix(PathBuf::from(rest));
                Ok(Self { endpoint, path: DEFAULT_PATH.to_owned(), host: "localhost".to_owned() })
            }
            "http" => Self::tcp(rest).map_err(bad),
            scheme @ ("https" | "ssh") => {
                Err(ClientError::NotYet { uri: uri.to_owned(), scheme: scheme.to_owned() })
            }
            _ => Err(bad("the scheme is none of httpu, http, https, ssh")),
        }
    }

    fn tcp(rest: &str) -> Result<Self, &'static str> {
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || authority.contains('@') {
            return Err("wanted http://host:port/path");
        }
        let (host, port) = split_port(authority)?;
        if host.is_empty() {
            return Err("the host is missing");
        }
        let path = if path.len() > 1 { path } else { DEFAULT_PATH };
        if path.parse::<hyper::Uri>().is_err() {
            return Err("the path has characters that no address may have");
        }
        let endpoint = Endpoint::Tcp(host.to_owned(), port);
        Ok(Self { endpoint, path: path.to_owned(), host: authority.to_owned() })
    }
}

/// Host and port; the brackets of an IPv6 address are taken off.
fn split_port(authority: &str) -> Result<(&str, u16), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(inside) => {
            let (host, after) = inside.split_once(']').ok_or("the ] of the address is missing")?;
            (host, after.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Ok(80), |port| port.parse().map_err(|_| "the port is no number below 65536"))?;
    Ok((host, port))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Unix(path) => write!(f, "httpu://{}", path.display()),
            Endpoint::Tcp(..) => write!(f, "http://{}{}", self.host, self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_original_are_read() {
        let unix = Address::parse("httpu:///var/run/xend/xmlrpc.sock").expect("a socket");
        assert_eq!(unix.endpoint, Endpoint::Unix("/var/run/xend/xmlrpc.sock".into()));
        assert_eq!(unix.path, "/RPC2");
        for (uri, host, port, path) in [
            ("http://localhost:8006", "localhost", 8006, "/RPC2"),
            ("http://localhost:8006/", "localhost", 8006, "/RPC2"),
            ("HTTP://h/x", "h", 80, "/x"),
            ("http://[::1]:9363/RPC2", "::1", 9363, "/RPC2"),
        ] {
            let address = Address::parse(uri).unwrap_or_else(|error| panic!("{uri}: {error}"));
            assert_eq!(address.endpoint, Endpoint::Tcp(host.to_owned(), port), "{uri}");
            assert_eq!(address.path, path, "{uri}");
        }
    }

    #[test]
    fn bad_addresses_are_refused_and_coming_ones_say_so() {
        for uri in
            ["", "x", "httpu://host/x", "ftp://h", "http://", "http://:80", "http://h:99999", "http://h /x"]
        {
            assert!(matches!(Address::parse(uri), Err(ClientError::BadAddress { .. })), "{uri}");
        }
        for uri in ["https://h:9/", "ssh://root@h"] {
            let error = Address::parse(uri).expect_err("not there yet").to_string();
            assert!(error.contains("is not supported yet"), "{error}");
        }
    }
}
