//! The daemon as the commands see it: calls that block, and answers that may mean "I know no such method".

use std::cell::RefCell;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use xend_api::{Client, ClientError, Fault, Sxp};

use crate::report::{Failure, User};
use crate::server::{Server, ServerType};

/// How often a daemon that went away is looked for.
const RETRY: Duration = Duration::from_millis(200);

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It did not reach the daemon, or was refused by it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The daemon knows no such method.
    #[error("method \"{method}\" is not supported")]
    UnknownMethod {
        /// The method.
        method: String,
    },
    /// This process was asked to end while it waited for the answer.
    #[error("ended by signal {signal} while waiting for {method}")]
    Ended {
        /// The method.
        method: String,
        /// The signal's number.
        signal: i32,
    },
}

impl CallError {
    /// The fault, when the daemon answered with one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Client(error) => error.fault(),
            Self::UnknownMethod { .. } | Self::Ended { .. } => None,
        }
    }

    /// Was the daemon asked, but went away before it answered? The request may have been carried out.
    pub fn lost_the_answer(&self) -> bool {
        matches!(self, Self::Client(ClientError::NoAnswer { .. } | ClientError::Truncated { .. }))
    }

    /// Did the daemon go away while it was asked, or was it just not there? Then asking again later may help.
    pub fn is_interrupted(&self) -> bool {
        self.lost_the_answer() || matches!(self, Self::Client(ClientError::Connect { .. }))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match &error {
            CallError::Client(client) => Self::call(client, User::current()),
            CallError::UnknownMethod { .. } => Self::usage(error.to_string()),
            CallError::Ended { signal, .. } => Self::silent(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
        }
    }
}

/// A daemon to be called. Nothing is opened before the first call.
pub struct Daemon {
    runtime: Runtime,
    client: Client,
    signals: RefCell<Option<Signals>>,
}

/// The signals that ask a process to end.
struct Signals([(Signal, i32); 3]);

impl Signals {
    fn catch() -> std::io::Result<Self> {
        let one = |kind: SignalKind| signal(kind).map(|signal| (signal, kind.as_raw_value()));
        Ok(Self([one(SignalKind::interrupt())?, one(SignalKind::terminate())?, one(SignalKind::hangup())?]))
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        let [(first, a), (second, b), (third, c)] = &mut self.0;
        tokio::select! {
            _ = first.recv() => *a,
            _ = second.recv() => *b,
            _ = third.recv() => *c,
        }
    }
}

impl Daemon {
    /// The daemon behind the server's address.
    pub fn new(server: &Server) -> Result<Self, Failure> {
        if server.kind == ServerType::XenApi {
            let failure = Failure::error("Xen-API servers are not supported yet in this version of xend-rs");
            return Err(failure.hint(Some("remove type='Xen-API' from xm-config.xml")));
        }
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| Failure::error(format!("cannot start: {error}")))?;
        let client = Client::new(&server.uri).map_err(|error| Failure::call(&error, User::current()))?;
        Ok(Self { runtime, client, signals: RefCell::new(None) })
    }

    /// From now on a signal that asks to end makes calls return, instead of ending the process: there is something to
    /// be put away first.
    pub fn catch_signals(&self) {
        let _inside = self.runtime.enter();
        // Where they cannot be caught they end the process, as without this.
        self.signals.replace(Signals::catch().ok());
    }

    /// Calls `xend.METHOD`.
    pub fn call(&self, method: &str, params: impl IntoIterator<Item = Sxp>) -> Result<Sxp, CallError> {
        let method = format!("xend.{method}");
        let mut signals = self.signals.borrow_mut();
        let answer = match signals.as_mut() {
            None => self.runtime.block_on(self.client.call(&method, params))?,
            Some(signals) => self.runtime.block_on(async {
                tokio::select! {
                    answer = self.client.call(&method, params) => answer.map_err(CallError::from),
                    signal = signals.next() => Err(CallError::Ended { method: method.clone(), signal }),
                }
            })?,
        };
        match &answer {
            Sxp::Struct(members) if is_failure(members) => Err(CallError::UnknownMethod { method }),
            _ => Ok(answer),
        }
    }

    /// Calls again and again while nobody answers, until the time is over.
    pub fn call_patiently(&self, method: &str, params: &[Sxp], patience: Duration) -> Result<Sxp, CallError> {
        let deadline = Instant::now() + patience;
        loop {
            match self.call(method, params.iter().cloned()) {
                Err(error) if error.is_interrupted() && Instant::now() < deadline => {
                    std::thread::sleep(RETRY)
                }
                answer => return answer,
            }
        }
    }
}

/// The answer of an original daemon to a method that it does not have.
fn is_failure(members: &[(String, Sxp)]) -> bool {
    members.iter().any(|(name, value)| name == "Status" && value.text() == Some("Failure"))
}
