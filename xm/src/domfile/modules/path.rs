//! `os.path`: paths as texts, and whether something is there.

use super::super::builtins::{Builtin, function};
use super::super::eval::{Args, Interp, Outcome};
use super::super::source::Fault;
use super::super::value::Value;
use super::super::world::FileType;

pub(super) const TABLE: &[Builtin] = &[
    function("join", (1, 64), join),
    function("basename", (1, 1), |interp, args| {
        let (_, base) = halves(text(interp, &args, 0)?);
        Ok(interp.room.text(base)?)
    }),
    function("dirname", (1, 1), |interp, args| {
        let (folder, _) = halves(text(interp, &args, 0)?);
        Ok(interp.room.text(folder)?)
    }),
    function("split", (1, 1), |interp, args| {
        let (folder, base) = halves(text(interp, &args, 0)?);
        pair(interp, folder, base)
    }),
    function("splitext", (1, 1), splitext),
    function("isabs", (1, 1), |interp, args| Ok(Value::Bool(text(interp, &args, 0)?.starts_with(b"/")))),
    function("normpath", (1, 1), |interp, args| {
        let path = normal(text(interp, &args, 0)?);
        Ok(interp.room.text(path)?)
    }),
    function("abspath", (1, 1), abspath),
    function("realpath", (1, 1), abspath),
    function("expanduser", (1, 1), expanduser),
    function("exists", (1, 1), |interp, args| {
        asked(interp, &args, |found| {
            matches!(found, Some(FileType::File | FileType::Folder | FileType::Other))
        })
    }),
    function("lexists", (1, 1), |interp, args| asked(interp, &args, |found| found.is_some())),
    function("isfile", (1, 1), |interp, args| asked(interp, &args, |found| found == Some(FileType::File))),
    function("isdir", (1, 1), |interp, args| asked(interp, &args, |found| found == Some(FileType::Folder))),
];

/// Paths are looked up at most so long.
const MAX_PATH: usize = 4096;

fn text<'a>(interp: &Interp<'_>, args: &'a Args, at: usize) -> Result<&'a [u8], Fault> {
    let value = args.at(at);
    let found = value.type_name();
    value.as_bytes().ok_or_else(|| interp.room.type_error(format!("expected a path, not {found}")))
}

fn pair(interp: &mut Interp<'_>, first: &[u8], second: &[u8]) -> Outcome {
    let parts = vec![interp.room.text(first)?, interp.room.text(second)?];
    Ok(interp.room.tuple(parts)?)
}

/// Folder and last part.
fn halves(path: &[u8]) -> (&[u8], &[u8]) {
    let cut = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let (folder, base) = path.split_at(cut);
    let end = folder.iter().rposition(|byte| *byte != b'/').map_or(folder.len(), |at| at + 1);
    (&folder[..end], base)
}

fn join(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let mut path = text(interp, &args, 0)?.to_vec();
    for at in 1..args.values.len() {
        let part = text(interp, &args, at)?;
        interp.room.charge(part.len() + 1)?;
        if part.starts_with(b"/") {
            path.clear();
        } else if !path.is_empty() && !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(part);
    }
    Ok(interp.room.text(path)?)
}

fn splitext(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let path = text(interp, &args, 0)?;
    let base = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let dots = path[base..].iter().take_while(|byte| **byte == b'.').count();
    let dot = path[base + dots..].iter().rposition(|byte| *byte == b'.');
    let (root, extension) = path.split_at(dot.map_or(path.len(), |at| base + dots + at));
    pair(interp, root, extension)
}

/// Without `.`, `..` and double slashes.
fn normal(path: &[u8]) -> Vec<u8> {
    let absolute = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if absolute && parts.is_empty() => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    match (absolute, joined.is_empty()) {
        (true, _) => [b"/".as_slice(), &joined].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

fn abspath(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let path = text(interp, &args, 0)?;
    interp.room.charge(path.len().saturating_mul(4))?;
    let path = if path.starts_with(b"/") {
        normal(path)
    } else {
        normal(&[interp.world.current_dir().as_slice(), b"/", path].concat())
    };
    Ok(interp.room.text(path)?)
}

fn expanduser(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let path = text(interp, &args, 0)?;
    let rest = match path {
        [b'~'] => &b""[..],
        [b'~', rest @ ..] if rest.starts_with(b"/") => rest,
        _ => return Ok(args.at(0).clone()),
    };
    let home = interp.world.environ().remove(b"HOME".as_slice()).unwrap_or_else(|| b"/root".to_vec());
    Ok(interp.room.text([home.as_slice(), rest].concat())?)
}

fn asked(interp: &mut Interp<'_>, args: &Args, is: fn(Option<FileType>) -> bool) -> Outcome {
    let path = text(interp, args, 0)?;
    // Each look at the host's files is worth more than a step.
    interp.room.steps(50)?;
    let found = if path.len() > MAX_PATH || path.contains(&0) { None } else { interp.world.file_type(path) };
    Ok(Value::Bool(is(found)))
}
