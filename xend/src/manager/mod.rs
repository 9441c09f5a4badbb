//! Which domain: the table of the domains of this host, one task for each of ours, admission of new ones, adoption of
//! those that an earlier life of the daemon made; beside them the managed domains, which stay when they do not run.
//! Domains of other tools are listed and left alone.

mod adopt;
mod aside;
mod error;
mod foreign;
mod hotplug;
mod listing;
mod making;
mod managed;
mod retry;
mod rules;
mod table;
mod task;
mod view;

pub use error::RequestError;
pub use listing::{Inactive, Known, Listed, Owner};
pub use managed::Start;
pub use rules::{
    Asked, Ending, Need, Outcome, Refusal, ShutdownReason, Standing, Verdict, admit, check, policy,
};
pub use table::Manager;
pub use task::PausedBy;
pub use view::View;
