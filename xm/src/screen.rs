//! Where `xm` prints. Standard output is collected and written in one piece; before anything goes to standard error it
//! is written out, so that both arrive in the order in which they were printed.

use std::io::{self, IsTerminal, Write};

/// Collected output is written when it has grown to this size.
const ENOUGH: usize = 64 << 10;

/// Standard output and standard error. Write errors (a closed pipe behind `| head`) are not reported: nobody is left
/// to read the report.
#[derive(Debug)]
pub struct Screen {
    pending: Vec<u8>,
    err_is_terminal: bool,
}

impl Default for Screen {
    fn default() -> Self {
        Self { pending: Vec::new(), err_is_terminal: io::stderr().is_terminal() }
    }
}

impl Screen {
    /// Is a person reading the errors?
    pub fn err_is_terminal(&self) -> bool {
        self.err_is_terminal
    }

    /// Text for standard output.
    pub fn out(&mut self, text: &str) {
        self.pending.extend_from_slice(text.as_bytes());
        if self.pending.len() >= ENOUGH {
            self.flush();
        }
    }

    /// A line for standard output.
    pub fn line(&mut self, text: &str) {
        self.out(text);
        self.out("\n");
    }

    /// A line for standard error.
    pub fn err(&mut self, text: &str) {
        self.flush();
        let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
    }

    /// Writes what was collected.
    pub fn flush(&mut self) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(&self.pending).and_then(|()| out.flush());
        self.pending.clear();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.flush();
    }
}
