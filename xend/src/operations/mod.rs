//! What is done for a domain, in which order. An operation is a list of steps ([`plan`]); [`run`] performs them. Each
//! step finds out for itself whether its work is done already, so an operation can be run again after a crash.

mod attach;
mod check_devices;
mod context;
mod create;
mod error;
mod furnish;
mod medium;
mod nodes;
mod plan;
mod run;
mod take_away;

pub use attach::{Detach, attach, conclude, detach, until_let_go, withdraw};
pub use context::{Context, Parts, blocking};
pub use error::{OperationError, chain};
pub use medium::{Changed, change_medium, finish_change};
pub use plan::{Operation, Step, plan};
pub use run::{Domain, Live, run};
