//! The rules of the style page that a machine can check; `cargo test -p tidy` checks the whole workspace.
//!
//! ```text
//!   workspace (walks the folders) --> source (lexed file, which lines are tests) --> rules --> findings
//! ```
//!
//! The scan is lexical: it knows comments, strings and brackets, not types. Each rule is a plain function over one
//! file, and each has a test that proves that it can fail.

pub mod lexer;
pub mod rules;
pub mod source;
pub mod workspace;

pub use source::Source;
pub use workspace::Workspace;

/// A place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the root of the workspace.
    pub path: String,
    /// The line, from one.
    pub line: usize,
    /// What is wrong and what belongs there.
    pub text: String,
}

impl Finding {
    /// A finding at a line of a file.
    pub fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}
