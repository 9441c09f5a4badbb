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
    out_is_terminal: bool,
    err_is_terminal: bool,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            pending: Vec::new(),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
        }
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

    /// Text that others wrote (a log, a hypervisor's messages, which guests can add to): at a terminal it loses the
    /// characters that could steer the terminal.
    pub fn foreign(&mut self, text: &str) {
        if self.out_is_terminal {
            self.out(&harmless(text));
        } else {
            self.out(text);
        }
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

/// The text without control characters other than line feeds and tabs.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '?' } else { c }).collect()
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.flush();
    }
}
