//! Device classes: which nodes they have in the store, how their scripts are run, how they are taken away. Classes do
//! not know each other; `operations` joins them.
//!
//! ```text
//!   frontend  1 Initialising ────────────> 3 Initialised ──> 4 Connected ──> 5 ──> 6 Closed
//!   backend   1 Initialising ─> 2 InitWait ─> (script, hotplug-status) ─> 4 Connected ──> 5 ──> 6 Closed
//! ```

mod check;
mod detach;
mod nodes;
mod script_output;
mod scripts;
mod wiring;
mod xenbus;

pub use check::{CheckError, DevicePlan};
pub use detach::{DetachError, Leftover, ask_to_let_go, detach, find_devices};
pub use nodes::DeviceNodes;
pub use script_output::Said;
pub use scripts::{Ending, HostScripts, ScriptCall, ScriptError, ScriptRunner};
pub use wiring::{DeviceFault, Hotplug, Wiring, WiringState, connect, outcome};
pub use xenbus::XenbusState;
