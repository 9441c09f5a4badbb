//! `sys`, `socket`, `platform`, `errno` and `types`: small, and about the host and the language.

use super::super::builtins::{Builtin, Kind, function};
use super::super::class::Class;
use super::super::eval::{Args, Interp, Outcome};
use super::super::value::{Value, to_text};
use super::super::world::Stream;
use super::Module;

pub(super) const SYS: &[Builtin] = &[
    function("exit", (0, 1), super::exit),
    function("getdefaultencoding", (0, 0), |_, _| Ok(Value::text("ascii"))),
];

pub(super) const SYS_CONSTANTS: &[&str] = &[
    "stdout",
    "stderr",
    "version",
    "version_info",
    "platform",
    "maxint",
    "maxsize",
    "byteorder",
    "argv",
    "path",
    "modules",
];

pub(super) const SOCKET: &[Builtin] = &[
    function("gethostname", (0, 0), node),
    function("getfqdn", (0, 1), node),
    function("inet_aton", (1, 1), inet_aton),
    function("inet_ntoa", (1, 1), inet_ntoa),
];

pub(super) const PLATFORM: &[Builtin] = &[
    function("system", (0, 0), |interp, _| of_uname(interp, 0)),
    function("node", (0, 0), node),
    function("release", (0, 0), |interp, _| of_uname(interp, 2)),
    function("version", (0, 0), |interp, _| of_uname(interp, 3)),
    function("machine", (0, 0), |interp, _| of_uname(interp, 4)),
    function("processor", (0, 0), |interp, _| of_uname(interp, 4)),
    function("architecture", (0, 0), architecture),
    function("uname", (0, 0), super::os::uname),
    function("python_version", (0, 0), |_, _| Ok(Value::text("2.7.18"))),
];

pub(super) const STDOUT: &[Builtin] = &[
    function("write", (1, 1), |interp, args| write(interp, &args, Stream::Out)),
    function("flush", (0, 0), |_, _| Ok(Value::None)),
];

pub(super) const STDERR: &[Builtin] = &[
    function("write", (1, 1), |interp, args| write(interp, &args, Stream::Err)),
    function("flush", (0, 0), |_, _| Ok(Value::None)),
];

pub(super) fn sys_constant(interp: &mut Interp<'_>, name: &str) -> Outcome<Option<Value>> {
    Ok(Some(match name {
        "stdout" => Value::Module(Module::Stdout),
        "stderr" => Value::Module(Module::Stderr),
        "version" => Value::text("2.7.18 (xend-rs)"),
        "version_info" => {
            let parts = [Value::Int(2), Value::Int(7), Value::Int(18), Value::text("final"), Value::Int(0)];
            interp.room.tuple(parts.to_vec())?
        }
        "platform" => Value::text("linux2"),
        "maxint" | "maxsize" => Value::Int(i64::MAX),
        "byteorder" => Value::text("little"),
        "argv" => {
            let name = interp.room.text("xm")?;
            interp.room.list(vec![name])?
        }
        "path" => interp.room.list(Vec::new())?,
        "modules" => interp.room.dict(super::super::value::Dict::default())?,
        _ => return Ok(None),
    }))
}

fn write(interp: &mut Interp<'_>, args: &Args, stream: Stream) -> Outcome {
    if args.at(0).as_bytes().is_none() {
        return Err(interp.room.type_error("expected a character buffer object").into());
    }
    let text = to_text(&mut interp.room, args.at(0))?;
    interp.print(stream, &text)?;
    Ok(Value::None)
}

fn of_uname(interp: &mut Interp<'_>, part: usize) -> Outcome {
    let uname = interp.world.uname();
    Ok(interp.room.text(&uname[part])?)
}

fn node(interp: &mut Interp<'_>, _: Args) -> Outcome {
    of_uname(interp, 1)
}

fn architecture(interp: &mut Interp<'_>, _: Args) -> Outcome {
    let bits = if interp.world.uname()[4].contains("64") { "64bit" } else { "32bit" };
    Ok(interp.room.tuple(vec![Value::text(bits), Value::text("ELF")])?)
}

/// The four numbers of an IPv4 address.
pub(super) fn address(interp: &Interp<'_>, value: &Value) -> Outcome<[u8; 4]> {
    let text = value.as_string().unwrap_or_default();
    let parsed: Result<std::net::Ipv4Addr, _> = text.trim().parse();
    parsed
        .map(|address| address.octets())
        .map_err(|_| interp.room.raise(Class::Socket, "illegal IP address string passed to inet_aton").into())
}

fn inet_aton(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let bytes = address(interp, args.at(0))?;
    Ok(interp.room.text(bytes)?)
}

fn inet_ntoa(interp: &mut Interp<'_>, args: Args) -> Outcome {
    match args.at(0).as_bytes() {
        Some([a, b, c, d]) => Ok(Value::text(format!("{a}.{b}.{c}.{d}"))),
        _ => {
            let what = "packed IP wrong length for inet_ntoa";
            Err(interp.room.raise(Class::Socket, what).into())
        }
    }
}

const ERRNO: [(&str, i64); 6] =
    [("EPERM", 1), ("ENOENT", 2), ("EACCES", 13), ("EEXIST", 17), ("ENOTDIR", 20), ("EINVAL", 22)];
pub(super) const ERRNO_NAMES: &[&str] = &["EPERM", "ENOENT", "EACCES", "EEXIST", "ENOTDIR", "EINVAL"];

pub(super) fn errno_constant(name: &str) -> Option<Value> {
    ERRNO.iter().find(|(known, _)| *known == name).map(|(_, number)| Value::Int(*number))
}

pub(super) const TYPE_NAMES: &[&str] = &[
    "StringType",
    "UnicodeType",
    "IntType",
    "LongType",
    "FloatType",
    "BooleanType",
    "ListType",
    "TupleType",
    "DictType",
    "NoneType",
    "FunctionType",
    "StringTypes",
];

pub(super) fn type_constant(name: &str) -> Option<Value> {
    let kind = match name {
        "StringType" => Kind::Text,
        "StringTypes" => Kind::AnyText,
        "UnicodeType" => Kind::Unicode,
        "IntType" => Kind::Int,
        "LongType" => Kind::Long,
        "FloatType" => Kind::Float,
        "BooleanType" => Kind::Bool,
        "ListType" => Kind::List,
        "TupleType" => Kind::Tuple,
        "DictType" | "DictionaryType" => Kind::Dict,
        "NoneType" => Kind::None,
        "FunctionType" => Kind::Function,
        _ => return None,
    };
    Some(Value::Type(kind))
}
