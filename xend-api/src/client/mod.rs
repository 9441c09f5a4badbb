//! Calls a daemon: XML-RPC over HTTP/1.1 over a unix socket or TCP. One connection is kept and used again.
//!
//! ```text
//!   call --> idle connection, still open? --yes--> POST --> answer --> back to idle
//!                        | no                       ^
//!                        +--> connect, handshake ---+
//! ```
//!
//! A request is sent again on a new connection only when the old one closed before it took the request: what may
//! have been carried out is never asked twice.

mod address;

use std::io;
use std::sync::{Mutex, PoisonError};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

pub use address::{Address, Endpoint};

use crate::fault::Fault;
use crate::sxp::Sxp;
use crate::xmlrpc::{self, XmlRpcError};

/// Where the daemon of this host listens.
pub const DEFAULT_URI: &str = "httpu:///var/run/xend/xmlrpc.sock";

/// The longest answer that is read: the log of a busy host, or some ten thousand domains.
const MAX_ANSWER: usize = 128 << 20;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URI is none.
    #[error("cannot use server address {uri}: {reason}")]
    BadAddress {
        /// As given.
        uri: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A way to reach a daemon that is not there yet.
    #[error("cannot connect to {uri}: {scheme} is not supported yet, use httpu:///path or http://host:port/")]
    NotYet {
        /// As given.
        uri: String,
        /// `https` or `ssh`.
        scheme: String,
    },
    /// Nobody listens, or not for us.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where.
        address: String,
        /// Why; `raw_os_error` has the number.
        source: io::Error,
    },
    /// The connection ended or spoke no HTTP before there was an answer.
    #[error("cannot get an answer to {method} from {address}")]
    NoAnswer {
        /// Where.
        address: String,
        /// What was asked.
        method: String,
        /// What became of the connection.
        source: hyper::Error,
    },
    /// An answer of HTTP that is not 200.
    #[error("cannot use the answer to {method} from {address}: HTTP {code} {reason}")]
    Http {
        /// Where.
        address: String,
        /// What was asked.
        method: String,
        /// The status code.
        code: u16,
        /// Its usual name.
        reason: &'static str,
    },
    /// The daemon refused or failed.
    #[error("{0}")]
    Fault(Fault),
    /// The answer is no XML-RPC.
    #[error("cannot read the answer to {method}")]
    Answer {
        /// What was asked.
        method: String,
        /// What is wrong with it.
        source: XmlRpcError,
    },
    /// The answer ended early or is too long.
    #[error("cannot receive the whole answer to {method}: {reason}")]
    Truncated {
        /// What was asked.
        method: String,
        /// What went wrong, in the words of the transport.
        reason: String,
    },
    /// An argument cannot be sent.
    #[error("cannot send {method}")]
    Request {
        /// What was to be asked.
        method: String,
        /// What is wrong with it.
        source: XmlRpcError,
    },
}

impl ClientError {
    /// The number of the operating system's error when nobody could be reached.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Connect { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    /// The fault, when the daemon answered with one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            _ => None,
        }
    }
}

/// A daemon that can be called. Calls may overlap; each then has a connection of its own.
pub struct Client {
    address: Address,
    idle: Mutex<Option<Connection>>,
}

type Connection = SendRequest<Full<Bytes>>;

impl Client {
    /// A client of the daemon at `uri`; nothing is opened yet.
    pub fn new(uri: &str) -> Result<Self, ClientError> {
        Ok(Self { address: Address::parse(uri)?, idle: Mutex::new(None) })
    }

    /// Where this client's daemon is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Calls `method` and waits for its result, however long the daemon takes.
    pub async fn call(
        &self,
        method: &str,
        params: impl IntoIterator<Item = Sxp>,
    ) -> Result<Sxp, ClientError> {
        let params: Vec<Sxp> = params.into_iter().collect();
        let request = xmlrpc::write_call(method, &params)
            .map_err(|source| ClientError::Request { method: method.to_owned(), source })?;
        let (response, connection) = self.send(method, Bytes::from(request)).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let truncated = |reason: String| ClientError::Truncated { method: method.to_owned(), reason };
        let body = body.map_err(|error| truncated(error.to_string()))?.to_bytes();
        if status != StatusCode::OK {
            return Err(self.http_error(method, status));
        }
        self.give_back(connection);
        match xmlrpc::parse_response(&body) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(fault)) => Err(ClientError::Fault(fault)),
            Err(source) => Err(ClientError::Answer { method: method.to_owned(), source }),
        }
    }

    async fn send(&self, method: &str, body: Bytes) -> Result<(Response<Incoming>, Connection), ClientError> {
        if let Some(mut connection) = self.take_idle() {
            match connection.try_send_request(self.request(body.clone())).await {
                Ok(response) => return Ok((response, connection)),
                Err(mut error) => {
                    let unsent = error.take_message().is_some();
                    if !unsent {
                        return Err(self.no_answer(method, error.into_error()));
                    }
                    // The daemon closed the idle connection, perhaps by restarting: nothing was carried out.
                }
            }
        }
        let mut connection = self.connect(method).await?;
        let sent = connection.send_request(self.request(body)).await;
        sent.map(|response| (response, connection)).map_err(|source| self.no_answer(method, source))
    }

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        Request::post(&self.address.path)
            .header(HOST, &self.address.host)
            .header(USER_AGENT, concat!("xend-rs/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "text/xml")
            .body(Full::new(body))
            .expect("path and host were checked when the address was parsed")
    }

    async fn connect(&self, method: &str) -> Result<Connection, ClientError> {
        let failed = |source| ClientError::Connect { address: self.address.to_string(), source };
        match &self.address.endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(failed)?;
                self.shake_hands(method, stream).await
            }
            Endpoint::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                self.shake_hands(method, stream).await
            }
        }
    }

    async fn shake_hands<S>(&self, method: &str, stream: S) -> Result<Connection, ClientError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let shaken = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|source| self.no_answer(method, source))?;
        // Ends by itself when the sender is dropped or the daemon closes; its error also reaches the sender.
        drop(tokio::spawn(connection));
        Ok(sender)
    }

    /// The lock is held for the exchange of one pointer, never while something waits.
    fn take_idle(&self) -> Option<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        idle.filter(|connection| !connection.is_closed())
    }

    fn give_back(&self, connection: Connection) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }

    fn no_answer(&self, method: &str, source: hyper::Error) -> ClientError {
        ClientError::NoAnswer { address: self.address.to_string(), method: method.to_owned(), source }
    }

    fn http_error(&self, method: &str, status: StatusCode) -> ClientError {
        ClientError::Http {
            address: self.address.to_string(),
            method: method.to_owned(),
            code: status.as_u16(),
            reason: status.canonical_reason().unwrap_or(""),
        }
    }
}

#[cfg(test)]
mod tests;
