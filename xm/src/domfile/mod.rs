//! Domain files: Python source, read without Python.
//!
//! ```text
//!   bytes -> source -> lexer -> parse -> eval -> settings -> convert -> (vm …)
//! ```
//!
//! `source` keeps the text and points at places in it; `lexer` and `parse` make statements of it; `eval` runs them
//! within a `room` and opens nothing, with the operators of `ops`, the names of `builtins`, the `methods` of values and
//! the `modules` that can be imported; what they tell of the host comes from a `world`. `settings` joins the file's
//! variables with the command line's; `convert` writes the SXP that the daemon gets.
//!
//! The language is the union of what Python 2 and 3 accept, with the meaning that Python 2 gave it.

pub mod ast;
mod builtins;
mod bytes;
mod class;
pub mod convert;
mod eval;
mod floats;
mod format;
pub mod lexer;
mod methods;
mod modules;
mod numbers;
mod ops;
mod parse;
pub mod places;
mod pydict;
mod room;
pub mod settings;
pub mod source;
mod strings;
mod table;
mod template;
pub mod value;
pub mod variables;
pub mod world;

pub use class::Class;
pub use eval::Scope;
pub use places::Places;
pub use settings::{Ignored, SettingError, Settings};
pub use source::{FileError, Source};
pub use value::Value;
pub use world::World;

/// Runs a file in the scope.
pub fn run(source: &Source, scope: &mut Scope, world: &mut dyn World) -> Result<(), FileError> {
    let block = match parse::statements(source.bytes()) {
        Ok(block) => block,
        Err(faults) => return source.explain_all(faults).map_or(Ok(()), Err),
    };
    eval::run(&block, scope, world)
        .map_err(|ended| FileError { exit: ended.exit, ..source.explain(ended.fault) })
}

#[cfg(test)]
mod tests;
