//! Functions that make text of values, print, or ask what a value is.

use super::super::eval::{Args, Interp, Outcome};
use super::super::modules;
use super::super::template;
use super::super::value::{Value, to_repr, to_text};
use super::{ANY, Builtin, function};

pub(super) const TABLE: &[Builtin] = &[
    function("repr", (1, 1), repr),
    function("format", (1, 2), format),
    function("chr", (1, 1), chr),
    function("unichr", (1, 1), unichr),
    function("ord", (1, 1), ord),
    function("ascii", (1, 1), repr),
    function("print", (0, usize::MAX), print).named(ANY),
    function("exit", (0, 1), modules::exit),
    function("quit", (0, 1), modules::exit),
    function("locals", (0, 0), locals),
];

fn repr(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let text = to_repr(&mut interp.room, args.at(0))?;
    Ok(interp.room.text(text)?)
}

fn format(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let spec = args.at(1).as_bytes().unwrap_or_default();
    let text = template::written(&mut interp.room, args.at(0), spec)?;
    Ok(interp.room.text(text)?)
}

fn chr(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let byte = args.at(0).as_whole().and_then(|n| u8::try_from(n).ok());
    let byte = byte.ok_or_else(|| interp.room.value_error("chr() arg not in range(256)"))?;
    Ok(Value::text([byte]))
}

fn unichr(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let code = args.at(0).as_whole().and_then(|n| u32::try_from(n).ok()).and_then(char::from_u32);
    let code = code.ok_or_else(|| interp.room.value_error("unichr() arg not in range(0x110000)"))?;
    Ok(Value::Unicode(code.to_string().into()))
}

fn ord(interp: &mut Interp<'_>, args: Args) -> Outcome {
    match args.at(0) {
        Value::Text(text) if text.len() == 1 => Ok(Value::Int(i64::from(text[0]))),
        Value::Unicode(text) if text.chars().count() == 1 => {
            Ok(Value::Int(text.chars().next().map_or(0, |c| i64::from(u32::from(c)))))
        }
        other => {
            let what = match other.as_bytes() {
                Some(text) => {
                    format!("ord() expected a character, but string of length {} found", text.len())
                }
                None => format!("ord() expected string of length 1, but {} found", other.type_name()),
            };
            Err(interp.room.type_error(what).into())
        }
    }
}

/// `print(…, sep=' ', end='\n', file=sys.stdout)`.
fn print(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let named = |name: &str| args.named.iter().find(|(known, _)| **known == *name).map(|(_, value)| value);
    let text = |name: &str, default: &str| {
        let value = named(name).and_then(|value| value.as_bytes().map(<[u8]>::to_vec));
        value.unwrap_or_else(|| default.as_bytes().to_vec())
    };
    let (between, end) = (text("sep", " "), text("end", "\n"));
    let stream = modules::stream(named("file").unwrap_or(&Value::None))
        .ok_or_else(|| interp.room.unsupported("print can only write to sys.stdout and sys.stderr"))?;
    let mut line = Vec::new();
    for (at, value) in args.values.iter().enumerate() {
        if at > 0 {
            line.extend_from_slice(&between);
        }
        line.extend(to_text(&mut interp.room, value)?);
        interp.room.charge(between.len())?;
    }
    line.extend(end);
    interp.print(stream, &line)?;
    Ok(Value::None)
}

fn locals(interp: &mut Interp<'_>, _: Args) -> Outcome {
    let mut dict = super::super::value::Dict::default();
    for (name, value) in interp.visible() {
        let key = interp.room.text(name.as_bytes())?;
        dict.set(&mut interp.room, key, value)?;
    }
    Ok(interp.room.dict(dict)?)
}
