//! Requests from people and programs: the legacy XML-RPC interface on its unix socket (`xend-daemon` §3.1, §3.2).
//! Knows HTTP, XML-RPC and the numbers of faults; nothing below it does.

mod arguments;
mod devices;
mod domains;
mod fault;
mod managed;
mod methods;
mod node;
mod server;
mod trees;

pub use methods::Api;
pub use server::{ServeError, listen, serve};
