//! Runs the statements of a domain file and hands out its variables.
//!
//! The evaluator opens nothing and starts nothing: it works on the names that it is given, asks a [`World`] about the
//! host, and stays within its [`Room`]. Errors of the file's own making are [`Stop::Raised`] and can be caught by the
//! file; the bounds and what is refused cannot.

mod assign;
mod call;
mod comprehension;
mod errors;
mod expr;
mod iterate;
mod statement;
mod subscript;

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use super::ast::{Block, Name};
use super::builtins;
use super::class::Class;
use super::modules::{self, xm::Declared};
use super::room::{Heap, Room};
use super::source::{Fault, FaultKind, Place};
use super::value::{Env, Raised, Value};
use super::world::{Stream, World};

pub(super) use call::Args;

/// Deepest nesting of calls of the file's functions.
const MAX_CALLS: usize = 64;
/// Deepest nesting of whatever is evaluated, calls included.
const MAX_DEPTH: usize = 400;

/// The variables of a file.
#[derive(Default)]
pub struct Scope {
    names: HashMap<Name, Value>,
    /// What the values are made of; dropped last.
    heap: Heap,
}

/// The names only: a value may be endless when it is written out.
impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names.keys()).finish()
    }
}

impl Scope {
    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: Value) {
        self.names.insert(name.into(), value);
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.names.get(name)
    }

    /// All variables, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.names.iter().map(|(name, value)| (&**name, value))
    }
}

/// Why a file ended before its end.
#[derive(Debug, PartialEq)]
pub(super) struct Ended {
    /// The error.
    pub(super) fault: Fault,
    /// The status that the file itself asked for.
    pub(super) exit: Option<u8>,
}

/// Runs the statements in the scope.
pub(super) fn run(block: &Block, scope: &mut Scope, world: &mut dyn World) -> Result<(), Ended> {
    let mut interp = Interp {
        scope,
        world,
        room: Room::default(),
        globals: HashMap::new(),
        global_names: Vec::new(),
        frame: None,
        calls: 0,
        depth: 0,
        handled: Vec::new(),
        declared: Vec::new(),
        environ: None,
        blank_due: false,
    };
    interp.predefine();
    let result = interp.block(block).map(drop).map_err(|stop| interp.ended(stop));
    if interp.blank_due {
        interp.world.print(Stream::Out, b"\n");
    }
    let Interp { scope, room, globals, handled, declared, environ, frame, .. } = interp;
    drop((globals, handled, declared, environ, frame));
    scope.heap.absorb(room.into_heap());
    result
}

/// Why evaluation stops here.
#[derive(Debug)]
pub(super) enum Stop {
    /// Found by us.
    Fault(Fault),
    /// Raised by the file.
    Raised(Rc<Raised>, Place),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A value, or why there is none.
pub(super) type Outcome<T = Value> = Result<T, Stop>;

/// Evaluation under way.
pub(super) struct Interp<'a> {
    scope: &'a mut Scope,
    /// The host.
    pub(super) world: &'a mut dyn World,
    /// What is left to use.
    pub(super) room: Room,
    /// Names that functions set after `global`; the original kept them apart from the file's variables.
    globals: HashMap<Name, Value>,
    /// Names that the file itself declared `global`.
    global_names: Vec<Name>,
    /// The innermost call's names; `None` in the file itself.
    frame: Option<Rc<Env>>,
    calls: usize,
    depth: usize,
    /// Errors that are being handled, innermost last.
    handled: Vec<Rc<Raised>>,
    /// The variables of `xm_vars`.
    pub(super) declared: Vec<Declared>,
    /// The environment, once the file has asked for it.
    pub(super) environ: Option<Value>,
    /// Did the last `print` end with a comma?
    blank_due: bool,
}

impl Interp<'_> {
    /// The names that every domain file finds.
    fn predefine(&mut self) {
        for (name, value) in modules::predefined() {
            if self.scope.get(name).is_none() {
                self.scope.set(name, value);
            }
        }
    }

    /// The error of a file that stopped, and the exit status that it asked for.
    fn ended(&mut self, stop: Stop) -> Ended {
        let (raised, place) = match stop {
            Stop::Fault(fault) => return Ended { fault, exit: None },
            Stop::Raised(raised, place) => (raised, place),
        };
        if raised.class == Class::Exit {
            let wanted = raised.args.items().unwrap_or_default().into_iter().next();
            let status = wanted.as_ref().map_or(Some(0), Value::as_whole);
            let (status, text) = match (status, wanted) {
                (Some(status), _) => (u8::try_from(status & 0xff).unwrap_or(1), String::new()),
                (None, Some(Value::None) | None) => (0, String::new()),
                (None, Some(text)) => (1, text.to_text()),
            };
            let fault = Fault::raised(place, Class::Exit, text);
            return Ended { fault, exit: Some(status) };
        }
        let text = super::value::to_text(&mut self.room, &Value::Error(Rc::clone(&raised)));
        let fault = match text {
            Ok(text) => Fault::raised(place, raised.class, super::source::text_of(&text)),
            Err(fault) => fault,
        };
        Ended { fault, exit: None }
    }

    /// The value of a name.
    pub(super) fn name(&mut self, name: &str) -> Outcome {
        self.find(name).ok_or_else(|| {
            let known = builtins::refusal(name).map(|sentence| self.room.unsupported(sentence));
            let undefined = || self.room.raise(Class::Name, format!("name '{name:.80}' is not defined"));
            known.unwrap_or_else(undefined).into()
        })
    }

    fn find(&self, name: &str) -> Option<Value> {
        let mut frame = self.frame.as_ref();
        while let Some(env) = frame {
            if env.global.borrow().iter().any(|global| **global == *name) {
                break;
            }
            if let Some(value) = env.names.borrow().get(name) {
                return Some(value.clone());
            }
            frame = env.parent.as_ref();
        }
        // In a frame, a name that `global` declares hides the file's variable of that name.
        let globals = || self.globals.get(name).cloned();
        let own = || self.scope.get(name).cloned();
        let value = if self.frame.is_some() { globals().or_else(own) } else { own().or_else(globals) };
        value.or_else(|| builtins::find(name))
    }

    /// Gives a name a value.
    pub(super) fn set_name(&mut self, name: &Name, value: Value) -> Result<(), Fault> {
        self.room.charge(16)?;
        let is_global = match &self.frame {
            Some(env) => env.global.borrow().contains(name),
            None => self.global_names.contains(name),
        };
        match &self.frame {
            _ if is_global => drop(self.globals.insert(Name::clone(name), value)),
            Some(env) => drop(env.names.borrow_mut().insert(Name::clone(name), value)),
            None => drop(self.scope.names.insert(Name::clone(name), value)),
        }
        Ok(())
    }

    /// Forgets a name; false if there was none.
    fn forget(&mut self, name: &str) -> bool {
        let known = match &self.frame {
            Some(env) => env.names.borrow_mut().remove(name),
            None => self.scope.names.remove(name),
        };
        known.or_else(|| self.globals.remove(name)).is_some()
    }

    /// The file's variable of that name, `None` if there is none.
    pub(super) fn variable(&self, name: &str) -> Value {
        self.scope.get(name).cloned().unwrap_or(Value::None)
    }

    /// Sets a variable of the file.
    pub(super) fn set_variable(&mut self, name: &str, value: Value) {
        self.scope.set(name, value);
    }

    /// The names visible in the innermost frame, for `locals()`.
    pub(super) fn visible(&self) -> Vec<(Name, Value)> {
        let copied = |(name, value): (&Name, &Value)| (Name::clone(name), value.clone());
        match &self.frame {
            Some(env) => env.names.borrow().iter().map(copied).collect(),
            None => self.scope.names.iter().map(copied).collect(),
        }
    }

    /// Runs a part of the evaluation one level deeper.
    fn deeper<T>(&mut self, part: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        self.room.step()?;
        if self.depth >= MAX_DEPTH {
            return Err(self.room.limit(format!("this is evaluated deeper than {MAX_DEPTH} levels")).into());
        }
        self.depth += 1;
        let result = part(self);
        self.depth -= 1;
        result
    }

    /// Prints, on whichever stream.
    pub(super) fn print(&mut self, stream: Stream, text: &[u8]) -> Result<(), Fault> {
        self.room.charge(text.len())?;
        self.world.print(stream, text);
        Ok(())
    }
}

/// Can the file catch it?
fn catchable(fault: &Fault) -> Option<Class> {
    match fault.kind {
        FaultKind::Raised(class) => Some(class),
        FaultKind::Syntax | FaultKind::Unsupported | FaultKind::Limit => None,
    }
}
