//! `try` and `raise`.

use std::rc::Rc;

use super::super::ast::{Expr, Handler, Try};
use super::super::builtins::Kind;
use super::super::class::Class;
use super::super::source::Place;
use super::super::value::{Raised, Value};
use super::statement::Flow;
use super::{Interp, Outcome, Stop, catchable};

impl Interp<'_> {
    /// An error of that class.
    pub(in super::super) fn error(&mut self, place: Place, class: Class, args: Vec<Value>) -> Stop {
        match self.room.tuple(args) {
            Ok(args) => Stop::Raised(Rc::new(Raised { class, args }), place),
            Err(fault) => fault.into(),
        }
    }

    /// A `KeyError`.
    pub(in super::super) fn key_error(&mut self, key: Value) -> Stop {
        self.error(self.room.place, Class::Key, vec![key])
    }

    /// The error that stopped, as a value; what cannot be caught goes on.
    pub(in super::super) fn caught(&mut self, stop: Stop) -> Outcome<(Rc<Raised>, Place)> {
        match stop {
            Stop::Raised(raised, place) => Ok((raised, place)),
            Stop::Fault(fault) => {
                let Some(class) = catchable(&fault) else { return Err(fault.into()) };
                let text = self.room.text(&fault.what)?;
                let args = self.room.tuple(vec![text])?;
                Ok((Rc::new(Raised { class, args }), fault.place))
            }
        }
    }

    /// What `raise` does.
    pub(super) fn raise(&mut self, place: Place, class: Option<&Expr>, argument: Option<&Expr>) -> Stop {
        self.raised(place, class, argument).unwrap_or_else(|stop| stop)
    }

    fn raised(&mut self, place: Place, class: Option<&Expr>, argument: Option<&Expr>) -> Outcome<Stop> {
        let Some(class) = class else {
            return Ok(match self.handled.last() {
                Some(raised) => Stop::Raised(Rc::clone(raised), place),
                None => self.room.type_error("there is no error that `raise` could raise again").into(),
            });
        };
        let class = self.expr(class)?;
        let argument = match argument {
            Some(argument) => self.expr(argument)?,
            None => Value::None,
        };
        self.room.place = place;
        match class {
            Value::Error(raised) => Ok(Stop::Raised(raised, place)),
            Value::Type(Kind::Error(class)) => {
                let args = match argument {
                    Value::None => Vec::new(),
                    Value::Error(raised) if raised.class.is(class) => {
                        return Ok(Stop::Raised(raised, place));
                    }
                    Value::Tuple(items) => items.borrow().clone(),
                    one => vec![one],
                };
                Ok(self.error(place, class, args))
            }
            other => {
                let what = format!(
                    "exceptions must be old-style classes or derived from BaseException, not {}",
                    other.type_name()
                );
                Err(self.room.type_error(what).into())
            }
        }
    }

    /// `try`, its handlers and its end.
    pub(super) fn try_block(&mut self, parts: &Try) -> Outcome<Flow> {
        let frame = self.frame.clone();
        let mut result = self.block(&parts.body);
        self.frame.clone_from(&frame);
        result = match result {
            Ok(Flow::Next) => self.block(&parts.otherwise),
            Err(stop) if !parts.handlers.is_empty() => {
                let (raised, place) = self.caught(stop)?;
                self.handle(&parts.handlers, raised, place)
            }
            other => other,
        };
        if let Err(Stop::Fault(fault)) = &result
            && catchable(fault).is_none()
        {
            return result;
        }
        self.frame = frame;
        match self.block(&parts.finally)? {
            Flow::Next => result,
            other => Ok(other),
        }
    }

    fn handle(&mut self, handlers: &[Handler], raised: Rc<Raised>, place: Place) -> Outcome<Flow> {
        for handler in handlers {
            let catches = match &handler.classes {
                None => true,
                Some(classes) => {
                    let classes = self.expr(classes)?;
                    self.catches(&classes, raised.class)?
                }
            };
            if !catches {
                continue;
            }
            if let Some(target) = &handler.target {
                self.assign(place, target, Value::Error(Rc::clone(&raised)))?;
            }
            self.handled.push(raised);
            let result = self.block(&handler.body);
            self.handled.pop();
            return result;
        }
        Err(Stop::Raised(raised, place))
    }

    fn catches(&mut self, classes: &Value, class: Class) -> Outcome<bool> {
        match classes {
            Value::Type(Kind::Error(wanted)) => Ok(class.is(*wanted)),
            Value::Tuple(items) => {
                let items = items.borrow();
                let wanted =
                    |item: &Value| matches!(item, Value::Type(Kind::Error(wanted)) if class.is(*wanted));
                Ok(items.iter().any(wanted))
            }
            other => {
                let what = format!("`except` needs a class of errors, not a {}", other.type_name());
                Err(self.room.unsupported(what).into())
            }
        }
    }
}
