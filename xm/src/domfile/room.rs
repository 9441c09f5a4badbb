//! What an evaluation may use up — steps, bytes of values, time — and the containers that it made.
//!
//! Everything is charged before it is done or allocated, and nothing is given back. Each list, dictionary and frame is
//! kept here until the end: dropping a value then never recurses into another, and one that holds itself is freed too.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::class::Class;
use super::source::{Fault, Place};
use super::value::{Dict, Env, Value};

/// Most steps (nodes evaluated) of a file.
pub(super) const MAX_STEPS: usize = 100_000;
/// Most bytes of values that a file makes.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// Longest time that a file is evaluated: of the processor's time, so that a host with other work to do does not make a
/// good file fail.
const MAX_TIME: Duration = Duration::from_secs(1);
/// What an item of a list costs.
const ITEM: usize = 32;
/// What a container costs by itself.
const CONTAINER: usize = 96;
/// What an entry of a dictionary costs, free slots included.
const ENTRY: usize = 240;
/// Bytes that are looked at in one step.
const BYTES_A_STEP: usize = 1024;
/// The clock is read once in so many steps.
const STEPS_A_LOOK: usize = 64;

/// A container that is kept until the end.
#[derive(Debug)]
enum Made {
    Items(Rc<RefCell<Vec<Value>>>),
    Pairs(Rc<RefCell<Dict>>),
    Names(Rc<Env>),
}

/// The containers of an evaluation; dropping it empties them one by one.
#[derive(Debug, Default)]
pub(super) struct Heap(Vec<Made>);

impl Heap {
    /// Takes over what another one holds.
    pub(super) fn absorb(&mut self, mut other: Heap) {
        self.0.append(&mut other.0);
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        for made in &self.0 {
            match made {
                Made::Items(items) => drop(items.try_borrow_mut().map(|mut items| items.clear())),
                Made::Pairs(pairs) => drop(pairs.try_borrow_mut().map(|mut pairs| pairs.clear())),
                Made::Names(env) => drop(env.names.try_borrow_mut().map(|mut names| names.clear())),
            }
        }
    }
}

/// The processor's time that this thread has used.
fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// What is left, where the evaluation stands, and what it made.
#[derive(Debug)]
pub(super) struct Room {
    steps: usize,
    bytes: usize,
    /// The processor's time at the beginning.
    started: Duration,
    /// Where faults are reported.
    pub(super) place: Place,
    heap: Heap,
}

impl Default for Room {
    fn default() -> Self {
        let (started, place) = (used(), Place::default());
        Self { steps: MAX_STEPS, bytes: MAX_BYTES, started, place, heap: Heap::default() }
    }
}

impl Room {
    /// The containers, for whoever keeps the values.
    pub(super) fn into_heap(self) -> Heap {
        self.heap
    }

    /// An error that Python would raise here.
    pub(super) fn raise(&self, class: Class, what: impl Into<String>) -> Fault {
        Fault::raised(self.place, class, what)
    }

    /// A `TypeError`.
    pub(super) fn type_error(&self, what: impl Into<String>) -> Fault {
        self.raise(Class::Type, what)
    }

    /// A `ValueError`.
    pub(super) fn value_error(&self, what: impl Into<String>) -> Fault {
        self.raise(Class::Value, what)
    }

    /// A bound of ours was reached here.
    pub(super) fn limit(&self, what: impl Into<String>) -> Fault {
        Fault::limit(self.place, what)
    }

    /// Something that a domain file may not do.
    pub(super) fn unsupported(&self, what: impl Into<String>) -> Fault {
        Fault::unsupported(self.place, what)
    }

    /// One node is about to be evaluated.
    pub(super) fn step(&mut self) -> Result<(), Fault> {
        self.steps(1)
    }

    /// Several steps at once.
    pub(super) fn steps(&mut self, count: usize) -> Result<(), Fault> {
        let look = count >= STEPS_A_LOOK || self.steps.is_multiple_of(STEPS_A_LOOK);
        let Some(left) = self.steps.checked_sub(count) else {
            self.steps = 0;
            return Err(self.limit(format!("this file takes more than {MAX_STEPS} steps")));
        };
        self.steps = left;
        if look { self.clock() } else { Ok(()) }
    }

    /// Has the time run out?
    pub(super) fn clock(&self) -> Result<(), Fault> {
        if used().saturating_sub(self.started) <= MAX_TIME {
            return Ok(());
        }
        Err(self.limit(format!("this file takes longer than {} s", MAX_TIME.as_secs())))
    }

    /// So many bytes are about to be looked at.
    pub(super) fn work(&mut self, bytes: usize) -> Result<(), Fault> {
        if bytes < BYTES_A_STEP { Ok(()) } else { self.steps(bytes / BYTES_A_STEP) }
    }

    /// That many bytes are about to be made.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        let Some(left) = self.bytes.checked_sub(bytes) else {
            return Err(self.limit(format!("the values of this file need more than {} MiB", MAX_BYTES >> 20)));
        };
        self.bytes = left;
        self.work(bytes)
    }

    /// That many items of a list are about to be made.
    pub(super) fn charge_items(&mut self, items: usize) -> Result<(), Fault> {
        self.charge(items.saturating_mul(ITEM))
    }

    /// An entry of a dictionary is about to be made.
    pub(super) fn charge_entry(&mut self) -> Result<(), Fault> {
        self.charge(ENTRY)
    }

    /// A `str` of these bytes.
    pub(super) fn text(&mut self, bytes: impl AsRef<[u8]>) -> Result<Value, Fault> {
        self.charge(bytes.as_ref().len())?;
        Ok(Value::text(bytes))
    }

    /// A `str`, or a `unicode` if `like` is one.
    pub(super) fn text_like(&mut self, like: &Value, bytes: impl AsRef<[u8]>) -> Result<Value, Fault> {
        self.charge(bytes.as_ref().len())?;
        Ok(match like {
            Value::Unicode(_) => Value::Unicode(super::source::text_of(bytes.as_ref()).into()),
            _ => Value::text(bytes),
        })
    }

    fn items(&mut self, items: Vec<Value>) -> Result<Rc<RefCell<Vec<Value>>>, Fault> {
        self.charge(items.len().saturating_mul(ITEM).saturating_add(CONTAINER))?;
        let items = Rc::new(RefCell::new(items));
        self.heap.0.push(Made::Items(Rc::clone(&items)));
        Ok(items)
    }

    /// A `list`.
    pub(super) fn list(&mut self, items: Vec<Value>) -> Result<Value, Fault> {
        self.items(items).map(Value::List)
    }

    /// A `tuple`.
    pub(super) fn tuple(&mut self, items: Vec<Value>) -> Result<Value, Fault> {
        self.items(items).map(Value::Tuple)
    }

    /// An iterator over these items.
    pub(super) fn iterator(&mut self, items: Vec<Value>) -> Result<Value, Fault> {
        let items = self.items(items)?;
        Ok(Value::Iter(Rc::new(super::value::Iter { items, at: std::cell::Cell::new(0) })))
    }

    fn pairs(&mut self, pairs: Dict) -> Result<Rc<RefCell<Dict>>, Fault> {
        self.charge(CONTAINER)?;
        let pairs = Rc::new(RefCell::new(pairs));
        self.heap.0.push(Made::Pairs(Rc::clone(&pairs)));
        Ok(pairs)
    }

    /// A `dict` whose entries are charged already.
    pub(super) fn dict(&mut self, pairs: Dict) -> Result<Value, Fault> {
        self.pairs(pairs).map(Value::Dict)
    }

    /// A `set` whose entries are charged already.
    pub(super) fn set(&mut self, pairs: Dict) -> Result<Value, Fault> {
        self.pairs(pairs).map(Value::Set)
    }

    /// A frame of names.
    pub(super) fn frame(&mut self, parent: Option<Rc<Env>>) -> Result<Rc<Env>, Fault> {
        self.charge(CONTAINER * 4)?;
        let env = Rc::new(Env { parent, ..Env::default() });
        self.heap.0.push(Made::Names(Rc::clone(&env)));
        Ok(env)
    }
}
