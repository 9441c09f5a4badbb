//! Entries of `xen-api-server`: `(WHERE [AUTH [HOSTS [KEY CERT]]])` (`xend-daemon` §1.5).

use std::path::PathBuf;

use xend_api::sxp::{Located, Place, Sxp};

use super::{
    finding::{Finding, Weight, shown},
    values::{Problem, python_int},
};

/// Where the Xen-API is served, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XenApiServer {
    /// Where.
    pub listen: Listen,
    /// Who may: absent is as good as `none`, whatever old sample files say.
    pub authentication: Option<Authentication>,
    /// Patterns of hosts with single blanks between them, empty for everybody.
    pub hosts: String,
    /// Key and certificate; with both it is TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `/var/run/xend/xen-api.sock`.
    Unix,
    /// A TCP port; without an address on all of them.
    Tcp {
        /// The address.
        address: Option<String>,
        /// The port.
        port: u16,
    },
}

/// How a client shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// A name and password of this host.
    Pam,
    /// Not at all.
    Nothing,
}

impl XenApiServer {
    /// The default: the socket, for whoever can open it.
    pub fn unix() -> Self {
        Self { listen: Listen::Unix, authentication: None, hosts: String::new(), tls: None }
    }

    /// The entries of a value. Odd words that the original took for something are told through `warn`.
    pub(super) fn entries(value: Located<'_>, warn: &mut dyn FnMut(Finding)) -> Result<Vec<Self>, Problem> {
        if !matches!(value.tree(), Sxp::List(_)) {
            return Err(invalid(value, value.place(), "a list of entries"));
        }
        value.items().map(|entry| Self::entry(entry, warn)).collect()
    }

    fn entry(entry: Located<'_>, warn: &mut dyn FnMut(Finding)) -> Result<Self, Problem> {
        let fields: Vec<Located<'_>> = entry.items().take(5).collect();
        let text = |nr: usize| fields.get(nr).map(|field| field.tree().text().unwrap_or_default());
        if fields.is_empty() || fields.iter().any(|field| field.tree().text().is_none()) {
            return Err(invalid(entry, entry.place(), "a list of words"));
        }
        let listen = listen(text(0).unwrap_or_default())
            .ok_or_else(|| invalid(entry, fields[0].place(), "unix, a port or ADDRESS:PORT first"))?;
        let authentication = match text(1) {
            None => None,
            Some("pam") => Some(Authentication::Pam),
            Some("none") => Some(Authentication::Nothing),
            Some(_) => {
                let text = format!("{} is neither pam nor none and counts as none", shown(fields[1].tree()));
                warn(Finding::new(Weight::Warning, Some(fields[1].place()), text));
                Some(Authentication::Nothing)
            }
        };
        let tls =
            text(3).zip(text(4)).filter(|(key, certificate)| !key.is_empty() && !certificate.is_empty());
        if tls.is_none() && fields.len() > 3 {
            let text = "a key without its certificate does not make it TLS";
            warn(Finding::new(Weight::Warning, Some(fields[3].place()), text));
        }
        Ok(Self {
            listen,
            authentication,
            hosts: text(2).unwrap_or_default().to_owned(),
            tls: tls.map(|(key, certificate)| (key.into(), certificate.into())),
        })
    }
}

fn listen(text: &str) -> Option<Listen> {
    if text.eq_ignore_ascii_case("unix") {
        return Some(Listen::Unix);
    }
    let (address, port) = match text.split_once(':') {
        Some((address, port)) => (Some(address.to_owned()), port),
        None => (None, text),
    };
    let port = u16::try_from(python_int(port)?).ok().filter(|port| *port != 0)?;
    Some(Listen::Tcp { address, port })
}

fn invalid(entry: Located<'_>, place: Place, wanted: &str) -> Problem {
    Problem {
        text: format!("Xen-API server configuration {} is invalid: wanted {wanted}", shown(entry.tree())),
        hint: "write (xen-api-server ((unix none))), or ((unix none) (9363 pam '^host$'))".to_owned(),
        place,
    }
}
