//! The modules that a domain file can import, and what they hold. None of them opens a file, starts a program or
//! reaches the network; what they tell of the host comes from the [`World`](super::world::World).

mod math;
mod os;
mod path;
mod random;
pub(super) mod re;
mod string;
mod system;
mod time;
pub(super) mod xm;

use super::builtins::{Builtin, Kind};
use super::class::Class;
use super::eval::{Args, Interp, Outcome, Stop};
use super::room::Room;
use super::source::Fault;
use super::value::Value;
use super::world::Stream;

/// A module, or another value that has names and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// `os`.
    Os,
    /// `os.path`.
    Path,
    /// `re`.
    Re,
    /// `string`.
    String,
    /// `sys`.
    Sys,
    /// `socket`.
    Socket,
    /// `platform`.
    Platform,
    /// `errno`.
    Errno,
    /// `types`.
    Types,
    /// `time`.
    Time,
    /// `random`.
    Random,
    /// `math`.
    Math,
    /// `sys.stdout`.
    Stdout,
    /// `sys.stderr`.
    Stderr,
    /// `xm_vars`.
    Vars,
    /// A module that can be imported, and of which nothing is provided.
    Refused(&'static str),
}

const MODULES: [(&str, Module); 13] = [
    ("os", Module::Os),
    ("os.path", Module::Path),
    ("posixpath", Module::Path),
    ("re", Module::Re),
    ("string", Module::String),
    ("sys", Module::Sys),
    ("socket", Module::Socket),
    ("platform", Module::Platform),
    ("errno", Module::Errno),
    ("types", Module::Types),
    ("time", Module::Time),
    ("random", Module::Random),
    ("math", Module::Math),
];

/// Modules of Python 2 that files import and that could reach the host.
const REFUSED: [&str; 22] = [
    "commands",
    "subprocess",
    "popen2",
    "shutil",
    "glob",
    "tempfile",
    "urllib",
    "urllib2",
    "httplib",
    "pwd",
    "grp",
    "fcntl",
    "struct",
    "signal",
    "select",
    "threading",
    "thread",
    "datetime",
    "copy",
    "traceback",
    "logging",
    "uuid",
];

/// Modules that Python 3 alone has: in the original their import failed, and files are prepared for that.
const NEWER: [&str; 8] =
    ["configparser", "pathlib", "builtins", "queue", "ipaddress", "enum", "typing", "urllib.request"];

/// Where a module's functions stand.
type Tables = &'static [Builtin];

impl Module {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stdout => "sys.stdout",
            Self::Stderr => "sys.stderr",
            Self::Vars => "xm_vars",
            Self::Refused(name) => name,
            other => MODULES.iter().find(|(_, known)| *known == other).map_or("", |(name, _)| name),
        }
    }

    fn functions(self) -> Tables {
        match self {
            Self::Os => os::TABLE,
            Self::Path => path::TABLE,
            Self::Re => re::TABLE,
            Self::String => string::TABLE,
            Self::Sys => system::SYS,
            Self::Socket => system::SOCKET,
            Self::Platform => system::PLATFORM,
            Self::Time => time::TABLE,
            Self::Random => random::TABLE,
            Self::Math => math::TABLE,
            Self::Stdout => system::STDOUT,
            Self::Stderr => system::STDERR,
            Self::Vars => xm::VARS,
            Self::Errno | Self::Types | Self::Refused(_) => &[],
        }
    }

    /// Its names that are no functions.
    fn constants(self) -> &'static [&'static str] {
        match self {
            Self::Os => os::CONSTANTS,
            Self::Re => re::CONSTANTS,
            Self::String => string::CONSTANTS,
            Self::Sys => system::SYS_CONSTANTS,
            Self::Socket => &["error", "AF_INET", "SOCK_STREAM"],
            Self::Errno => system::ERRNO_NAMES,
            Self::Types => system::TYPE_NAMES,
            Self::Math => &["pi", "e"],
            Self::Path => &["sep"],
            _ => &[],
        }
    }

    fn constant(self, interp: &mut Interp<'_>, name: &str) -> Outcome<Option<Value>> {
        match self {
            Self::Os => os::constant(interp, name),
            Self::Re => Ok(re::constant(name)),
            Self::String => Ok(string::constant(name)),
            Self::Sys => system::sys_constant(interp, name),
            Self::Errno => Ok(system::errno_constant(name)),
            Self::Types => Ok(system::type_constant(name)),
            Self::Socket if name == "error" => Ok(Some(Value::Type(Kind::Error(Class::Socket)))),
            Self::Socket => Ok(["AF_INET", "SOCK_STREAM"].contains(&name).then_some(Value::Int(2))),
            Self::Math if name == "pi" => Ok(Some(Value::Float(std::f64::consts::PI))),
            Self::Math if name == "e" => Ok(Some(Value::Float(std::f64::consts::E))),
            Self::Path if name == "sep" => Ok(Some(Value::text("/"))),
            _ => Ok(None),
        }
    }
}

/// The names that every domain file finds.
pub(super) fn predefined() -> Vec<(&'static str, Value)> {
    let modules = [
        ("os", Module::Os),
        ("re", Module::Re),
        ("sys", Module::Sys),
        ("socket", Module::Socket),
        ("errno", Module::Errno),
        ("struct", Module::Refused("struct")),
        ("xm_vars", Module::Vars),
    ];
    let modules = modules.into_iter().map(|(name, module)| (name, Value::Module(module)));
    modules.chain(xm::IP.iter().map(|builtin| (builtin.name, Value::Builtin(builtin)))).collect()
}

/// The module of that dotted name.
pub(super) fn import(room: &Room, dotted: &str) -> Result<Value, Fault> {
    if let Some((_, module)) = MODULES.iter().find(|(name, _)| *name == dotted) {
        return Ok(Value::Module(*module));
    }
    if let Some(name) = REFUSED.iter().find(|name| **name == dotted) {
        return Ok(Value::Module(Module::Refused(name)));
    }
    if NEWER.contains(&dotted) {
        return Err(room.raise(Class::Import, format!("No module named {dotted}")));
    }
    let known: Vec<_> = MODULES.iter().map(|(name, _)| *name).collect();
    Err(room.unsupported(format!(
        "the module {dotted:.80} is not provided to domain files; there are {}",
        known.join(", ")
    )))
}

/// What `module.name` is.
pub(super) fn member(interp: &mut Interp<'_>, module: Module, name: &str) -> Outcome {
    if let Some(builtin) = module.functions().iter().find(|builtin| builtin.name == name) {
        return Ok(Value::Builtin(builtin));
    }
    if let Some(value) = module.constant(interp, name)? {
        return Ok(value);
    }
    let full = format!("{}.{name:.80}", module.name());
    Err(interp.room.unsupported(refusal(module, name, &full)).into())
}

/// Why something of a module is not there, and what to do instead.
fn refusal(module: Module, name: &str, full: &str) -> String {
    let instead = "write the value into the file or give it on the command line (xm create FILE name=value)";
    let starts = ["popen", "popen2", "popen3", "system", "fork", "kill", "startfile"].contains(&name)
        || ["exec", "spawn"].iter().any(|begin| name.starts_with(begin))
        || matches!(module, Module::Refused("commands" | "subprocess" | "popen2"));
    if starts {
        return format!("{full} starts a program, which a domain file may not do; {instead}");
    }
    if let Module::Refused(_) = module {
        return format!("{full} is not provided to domain files; {instead}");
    }
    let mut known: Vec<_> = module.functions().iter().map(|builtin| builtin.name).collect();
    known.extend(module.constants());
    known.sort_unstable();
    known.dedup();
    format!("{full} is not provided to domain files; of {} there are {}", module.name(), known.join(", "))
}

/// All members of a module, for `from module import *`.
pub(super) fn all_members(interp: &mut Interp<'_>, value: &Value) -> Outcome<Vec<(&'static str, Value)>> {
    let Value::Module(module) = value else { return Ok(Vec::new()) };
    if let Module::Refused(name) = module {
        let what = format!("nothing of the module {name} is provided to domain files");
        return Err(interp.room.unsupported(what).into());
    }
    let mut all: Vec<_> =
        module.functions().iter().map(|builtin| (builtin.name, Value::Builtin(builtin))).collect();
    for name in module.constants() {
        if let Some(value) = module.constant(interp, name)? {
            all.push((name, value));
        }
    }
    Ok(all)
}

/// The error of `value.name = …`.
pub(super) fn no_assignment(interp: &Interp<'_>, value: &Value, name: &str) -> Stop {
    let what = format!("an attribute of a {} cannot be set (.{name:.40})", value.type_name());
    interp.room.unsupported(what).into()
}

/// Where `print` goes that was told a file.
pub(super) fn stream(to: &Value) -> Option<Stream> {
    match to {
        Value::None | Value::Module(Module::Stdout) => Some(Stream::Out),
        Value::Module(Module::Stderr) => Some(Stream::Err),
        _ => None,
    }
}

/// `sys.exit(status)`.
pub(super) fn exit(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let place = interp.room.place;
    Err(interp.error(place, Class::Exit, args.values))
}
