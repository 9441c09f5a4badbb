//! Calls: arguments, functions of the file, functions of ours.

use std::rc::Rc;

use super::super::ast::{Arguments, Body, Name};
use super::super::builtins::{self, Builtin};
use super::super::source::Fault;
use super::super::value::{Dict, Env, Function, Value};
use super::statement::Flow;
use super::{Interp, MAX_CALLS, Outcome};

/// The arguments of a call.
#[derive(Debug, Default)]
pub(in super::super) struct Args {
    /// By position.
    pub(in super::super) values: Vec<Value>,
    /// By name.
    pub(in super::super) named: Vec<(Name, Value)>,
}

impl Args {
    /// Arguments by position only.
    pub(in super::super) fn of(values: Vec<Value>) -> Self {
        Self { values, named: Vec::new() }
    }

    /// The argument at a position; `None` (the value) counts as absent.
    pub(in super::super) fn get(&self, at: usize) -> Option<&Value> {
        self.values.get(at).filter(|value| !matches!(value, Value::None))
    }

    /// The argument at a position, which is there.
    pub(in super::super) fn at(&self, at: usize) -> &Value {
        self.values.get(at).unwrap_or(&Value::None)
    }
}

impl Interp<'_> {
    /// The arguments, worked out.
    pub(super) fn arguments(&mut self, arguments: &Arguments) -> Outcome<Args> {
        let mut values = self.all(&arguments.values)?;
        let mut named = Vec::new();
        for (name, value) in &arguments.named {
            named.push((Name::clone(name), self.expr(value)?));
        }
        if let Some(rest) = &arguments.rest {
            let rest = self.expr(rest)?;
            values.extend(self.collect(&rest)?);
        }
        if let Some(keywords) = &arguments.keywords {
            let keywords = self.expr(keywords)?;
            let Some(entries) = keywords.entries() else {
                let what = format!("argument after ** must be a mapping, not {}", keywords.type_name());
                return Err(self.room.type_error(what).into());
            };
            self.room.charge_items(entries.len())?;
            for (name, value) in entries {
                let name =
                    name.as_string().ok_or_else(|| self.room.type_error("keywords must be strings"))?;
                named.push((name.into(), value));
            }
        }
        self.room.charge_items(values.len() + named.len())?;
        Ok(Args { values, named })
    }

    /// Calls whatever can be called.
    pub(in super::super) fn call(&mut self, callee: &Value, args: Args) -> Outcome {
        self.deeper(|interp| match callee {
            Value::Function(function) => interp.call_function(function, args),
            Value::Builtin(builtin) => interp.call_builtin(builtin, args),
            Value::Method(method) => {
                let mut args = args;
                args.values.insert(0, method.receiver.clone());
                interp.call_builtin(method.builtin, args)
            }
            Value::Type(kind) => builtins::construct(interp, *kind, args),
            other => {
                let what = format!("'{}' object is not callable", other.type_name());
                Err(interp.room.type_error(what).into())
            }
        })
    }

    fn call_builtin(&mut self, builtin: &'static Builtin, mut args: Args) -> Outcome {
        let name = builtin.name;
        let named =
            if builtin.keywords == builtins::ANY { Vec::new() } else { std::mem::take(&mut args.named) };
        for (keyword, value) in named {
            let Some(at) = builtin.keywords.iter().position(|known| **known == *keyword) else {
                let what = format!("'{keyword:.40}' is an invalid keyword argument for {name}()");
                return Err(self.room.type_error(what).into());
            };
            while args.values.len() <= at {
                args.values.push(Value::None);
            }
            args.values[at] = value;
        }
        // A method counts its arguments without the value that it belongs to.
        let given = args.values.len();
        if given < builtin.least || given > builtin.most {
            let skip = usize::from(builtin.is_method);
            let (given, least, most) =
                (given.saturating_sub(skip), builtin.least - skip, builtin.most - skip);
            let (bound, wanted) = if given < least { ("at least", least) } else { ("at most", most) };
            let bound = if least == most { "exactly" } else { bound };
            let s = if wanted == 1 { "" } else { "s" };
            let what = format!("{name}() takes {bound} {wanted} argument{s} ({given} given)");
            return Err(self.room.type_error(what).into());
        }
        (builtin.call)(self, args)
    }

    fn call_function(&mut self, function: &Rc<Function>, args: Args) -> Outcome {
        if self.calls >= MAX_CALLS {
            let what = format!("functions call each other more than {MAX_CALLS} deep");
            return Err(self.room.limit(what).into());
        }
        let frame = self.room.frame(function.frame.clone())?;
        self.bind(function, args, &frame)?;
        let outer = self.frame.replace(frame);
        self.calls += 1;
        let result = match &function.def.body {
            Body::Value(value) => self.expr(value),
            Body::Block(block) => self.block(block).map(|flow| match flow {
                Flow::Return(value) => value,
                Flow::Next | Flow::Break | Flow::Continue => Value::None,
            }),
        };
        self.calls -= 1;
        self.frame = outer;
        result
    }

    /// Arguments to parameters.
    fn bind(&mut self, function: &Function, args: Args, frame: &Env) -> Result<(), Fault> {
        let def = &function.def;
        let (params, name) = (&def.params, &def.name);
        let given = args.values.len() + args.named.len();
        let mut names = frame.names.borrow_mut();
        let mut values = args.values.into_iter();
        for (param, value) in params.names.iter().zip(values.by_ref()) {
            names.insert(Name::clone(param), value);
        }
        let rest: Vec<Value> = values.collect();
        match &params.rest {
            Some(param) => drop(names.insert(Name::clone(param), self.room.tuple(rest)?)),
            None if rest.is_empty() => {}
            None => return Err(self.wrong_count(function, given)),
        }
        let mut others = Dict::default();
        for (keyword, value) in args.named {
            if params.names.contains(&keyword) {
                if names.insert(Name::clone(&keyword), value).is_some() {
                    let what = format!("{name}() got multiple values for keyword argument '{keyword:.40}'");
                    return Err(self.room.type_error(what));
                }
            } else if params.keywords.is_some() {
                let key = self.room.text(keyword.as_bytes())?;
                others.set(&mut self.room, key, value)?;
            } else {
                let what = format!("{name}() got an unexpected keyword argument '{keyword:.40}'");
                return Err(self.room.type_error(what));
            }
        }
        if let Some(param) = &params.keywords {
            names.insert(Name::clone(param), self.room.dict(others)?);
        }
        let defaults = function.defaults.items().unwrap_or_default();
        let first_default = params.names.len() - defaults.len();
        for (at, param) in params.names.iter().enumerate() {
            if names.contains_key(param) {
                continue;
            }
            let Some(value) = at.checked_sub(first_default).and_then(|at| defaults.get(at)) else {
                return Err(self.wrong_count(function, given));
            };
            names.insert(Name::clone(param), value.clone());
        }
        self.room.charge_items(names.len() * 2)
    }

    fn wrong_count(&self, function: &Function, given: usize) -> Fault {
        let params = &function.def.params;
        let most = params.names.len();
        let least = most - params.defaults.len();
        let (bound, wanted) = match given < least {
            _ if least == most && params.rest.is_none() => ("exactly", most),
            true => ("at least", least),
            false => ("at most", most),
        };
        let s = if wanted == 1 { "" } else { "s" };
        let name = &function.def.name;
        self.room.type_error(if most == 0 && params.rest.is_none() {
            format!("{name}() takes no arguments ({given} given)")
        } else {
            format!("{name}() takes {bound} {wanted} argument{s} ({given} given)")
        })
    }
}
