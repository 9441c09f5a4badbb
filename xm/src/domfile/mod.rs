//! Domain files: Python source, read without Python.
//!
//! ```text
//!   bytes -> source -> lexer -> parse -> eval -> settings -> convert -> (vm …)
//! ```
//!
//! `source` keeps the text and points at places in it; `eval` works within a `budget` and opens nothing; `settings`
//! joins the file's variables with the command line's; `convert` writes the SXP that the daemon gets.
//! In this version a file may hold assignments of any expression without calls; `if`, loops, functions and imports
//! are recognised and refused by name.

pub mod ast;
mod budget;
pub mod convert;
pub mod eval;
mod floats;
mod format;
pub mod lexer;
mod ops;
pub mod parse;
mod parse_expr;
pub mod places;
mod pydict;
pub mod settings;
pub mod source;
mod strings;
pub mod value;
pub mod variables;

pub use eval::Scope;
pub use places::Places;
pub use settings::{Ignored, SettingError, Settings};
pub use source::{FileError, Source};
pub use value::Value;

/// Runs a file in the scope.
pub fn run(source: &Source, scope: &mut Scope) -> Result<(), FileError> {
    let mut work = || {
        let tokens = lexer::tokens(source.text())?;
        let statements = parse::statements(&tokens)?;
        eval::run(&statements, scope)
    };
    work().map_err(|fault| source.explain(fault))
}

#[cfg(test)]
mod tests;
