//! `os`: what the host is called, and the environment without what looks like a secret.

use super::super::builtins::{Builtin, Kind, function};
use super::super::class::Class;
use super::super::eval::{Args, Interp, Outcome};
use super::super::value::{Dict, Value};
use super::Module;

pub(super) const TABLE: &[Builtin] = &[
    function("uname", (0, 0), uname),
    function("getenv", (1, 2), getenv),
    function("getcwd", (0, 0), getcwd),
];

pub(super) const CONSTANTS: &[&str] =
    &["path", "environ", "name", "sep", "linesep", "pathsep", "curdir", "pardir", "error"];

/// Parts of names whose values are nobody's business.
const SECRET: [&str; 8] =
    ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "CREDENTIAL", "_KEY", "AUTH_SOCK"];

pub(super) fn constant(interp: &mut Interp<'_>, name: &str) -> Outcome<Option<Value>> {
    Ok(Some(match name {
        "path" => Value::Module(Module::Path),
        "environ" => environ(interp)?,
        "name" => Value::text("posix"),
        "sep" => Value::text("/"),
        "linesep" => Value::text("\n"),
        "pathsep" => Value::text(":"),
        "curdir" => Value::text("."),
        "pardir" => Value::text(".."),
        "error" => Value::Type(Kind::Error(Class::Os)),
        _ => return Ok(None),
    }))
}

/// `os.uname()`.
pub(super) fn uname(interp: &mut Interp<'_>, _: Args) -> Outcome {
    let parts = interp.world.uname().map(Value::text).to_vec();
    Ok(interp.room.tuple(parts)?)
}

/// The environment as a dictionary; what the file changes in it stays in the file.
fn environ(interp: &mut Interp<'_>) -> Outcome {
    if let Some(known) = &interp.environ {
        return Ok(known.clone());
    }
    let mut dict = Dict::default();
    for (name, value) in interp.world.environ() {
        let upper = name.to_ascii_uppercase();
        if SECRET.iter().any(|part| upper.windows(part.len()).any(|window| window == part.as_bytes())) {
            continue;
        }
        let (name, value) = (interp.room.text(name)?, interp.room.text(value)?);
        dict.set(&mut interp.room, name, value)?;
    }
    let environ = interp.room.dict(dict)?;
    interp.environ = Some(environ.clone());
    Ok(environ)
}

fn getenv(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let Value::Dict(pairs) = environ(interp)? else { return Ok(Value::None) };
    let found = pairs.borrow().get(&mut interp.room, args.at(0))?;
    Ok(found.unwrap_or_else(|| args.at(1).clone()))
}

fn getcwd(interp: &mut Interp<'_>, _: Args) -> Outcome {
    let folder = interp.world.current_dir();
    Ok(interp.room.text(folder)?)
}
