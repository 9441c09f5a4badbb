//! The program around the daemon: the command words, the supervisor that starts the worker again, the worker itself,
//! the log. Only this part prints and exits.
//!
//! ```text
//!   xend start ──(waits for "0" or "1")── supervisor ── worker (pid file, servers, domains)
//! ```

mod check_config;
mod command;
mod log;
mod network;
mod pidfile;
mod settings_file;
mod supervise;
mod worker;

pub use command::main;
