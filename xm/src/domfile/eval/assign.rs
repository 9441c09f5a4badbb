//! Assignments, `+=` and `del`.

use std::rc::Rc;

use super::super::ast::{BinaryOp, Expr, Index, Target};
use super::super::class::Class;
use super::super::modules;
use super::super::source::Place;
use super::super::value::Value;
use super::{Interp, Outcome};

impl Interp<'_> {
    /// Gives a target a value.
    pub(super) fn assign(&mut self, place: Place, target: &Target, value: Value) -> Outcome<()> {
        match target {
            Target::Name(name) => Ok(self.set_name(name, value)?),
            Target::Several(targets) => {
                self.room.place = place;
                let items = self.collect(&value)?;
                if items.len() > targets.len() {
                    return Err(self.room.value_error("too many values to unpack").into());
                }
                if items.len() < targets.len() {
                    let (count, s) = (items.len(), if items.len() == 1 { "" } else { "s" });
                    let what = format!("need more than {count} value{s} to unpack");
                    return Err(self.room.value_error(what).into());
                }
                let mut pairs = targets.iter().zip(items);
                pairs.try_for_each(|(target, item)| self.deeper(|interp| interp.assign(place, target, item)))
            }
            Target::Item(parts) => {
                let (base, index) = parts.as_ref();
                let base = self.expr(base)?;
                match index {
                    Index::One(key) => {
                        let key = self.expr(key)?;
                        self.room.place = place;
                        self.set_item(&base, key, value)
                    }
                    Index::Range(bounds) => {
                        let bounds = self.bounds(bounds)?;
                        self.room.place = place;
                        self.set_slice(&base, &bounds, &value)
                    }
                }
            }
            Target::Attribute(parts) => {
                let (base, name) = parts.as_ref();
                let base = self.expr(base)?;
                self.room.place = place;
                Err(modules::no_assignment(self, &base, name))
            }
        }
    }

    /// `target op= value`.
    pub(super) fn augment(
        &mut self,
        place: Place,
        target: &Target,
        op: BinaryOp,
        expr: &Expr,
    ) -> Outcome<()> {
        match target {
            Target::Name(name) => {
                self.room.place = place;
                let current = self.name(name)?;
                let value = self.expr(expr)?;
                self.room.place = place;
                if let Some(result) = self.combine(op, &current, &value)? {
                    // `global n; n += 1` failed in the original if only the file's own variable was there; it is
                    // counted where it is.
                    if self.frame.is_some() && self.is_file_variable(name) {
                        self.scope.set(name, result);
                    } else {
                        self.set_name(name, result)?;
                    }
                }
                Ok(())
            }
            Target::Item(parts) => {
                let (base, index) = parts.as_ref();
                let base = self.expr(base)?;
                let Index::One(key) = index else {
                    return Err(self.room.unsupported("a slice cannot stand before this operator").into());
                };
                let key = self.expr(key)?;
                self.room.place = place;
                let current = self.item(&base, &key)?;
                let value = self.expr(expr)?;
                self.room.place = place;
                match self.combine(op, &current, &value)? {
                    Some(result) => self.set_item(&base, key, result),
                    None => Ok(()),
                }
            }
            Target::Attribute(_) | Target::Several(_) => {
                Err(self.room.unsupported("only a variable can stand before this operator").into())
            }
        }
    }

    /// Is it declared `global`, and is there only the file's variable of that name?
    fn is_file_variable(&self, name: &str) -> bool {
        let declared = |env: &Rc<super::Env>| env.global.borrow().iter().any(|global| **global == *name);
        self.frame.as_ref().is_some_and(declared)
            && !self.globals.contains_key(name)
            && self.scope.get(name).is_some()
    }

    /// The result, or `None` if a list was extended in place.
    fn combine(&mut self, op: BinaryOp, current: &Value, value: &Value) -> Outcome<Option<Value>> {
        if let (Value::List(items), BinaryOp::Add) = (current, op) {
            let more = self.collect(value)?;
            items.borrow_mut().extend(more);
            return Ok(None);
        }
        self.binary(op, current, value).map(Some)
    }

    /// `del target`.
    pub(super) fn delete(&mut self, place: Place, target: &Target) -> Outcome<()> {
        self.room.place = place;
        match target {
            Target::Name(name) => {
                if self.forget(name) {
                    return Ok(());
                }
                Err(self.room.raise(Class::Name, format!("name '{name:.80}' is not defined")).into())
            }
            Target::Several(targets) => {
                targets.iter().try_for_each(|target| self.deeper(|interp| interp.delete(place, target)))
            }
            Target::Item(parts) => {
                let (base, index) = parts.as_ref();
                let base = self.expr(base)?;
                match index {
                    Index::One(key) => {
                        let key = self.expr(key)?;
                        self.room.place = place;
                        self.delete_item(&base, &key)
                    }
                    Index::Range(bounds) => {
                        let bounds = self.bounds(bounds)?;
                        self.room.place = place;
                        let empty = self.room.list(Vec::new())?;
                        self.set_slice(&base, &bounds, &empty)
                    }
                }
            }
            Target::Attribute(_) => Err(self.room.unsupported("attributes cannot be deleted").into()),
        }
    }
}
