//! Expressions.

use std::rc::Rc;

use super::super::ast::{BinaryOp, CompareOp, Expr, ExprKind, Piece, Step};
use super::super::ops;
use super::super::source::Place;
use super::super::template;
use super::super::value::{Dict, Value, to_repr, to_text};
use super::{Interp, Outcome};

impl Interp<'_> {
    /// Several values.
    pub(super) fn all(&mut self, exprs: &[Expr]) -> Outcome<Vec<Value>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    /// The value of an expression.
    pub(super) fn expr(&mut self, expr: &Expr) -> Outcome {
        self.room.place = expr.place;
        match &expr.kind {
            ExprKind::Name(name) => {
                self.room.step()?;
                self.name(name)
            }
            ExprKind::Int(n) => Ok(Value::Int(*n)),
            ExprKind::Long(n) => Ok(Value::Long(**n)),
            ExprKind::Float(n) => Ok(Value::Float(*n)),
            ExprKind::Text(text) => Ok(Value::Text(Rc::clone(text))),
            ExprKind::Unicode(text) => Ok(Value::Unicode(Rc::clone(text))),
            _ => self.deeper(|interp| interp.compound(expr)),
        }
    }

    fn compound(&mut self, expr: &Expr) -> Outcome {
        match &expr.kind {
            ExprKind::List(items) => {
                let items = self.all(items)?;
                Ok(self.room.list(items)?)
            }
            ExprKind::Tuple(items) => {
                let items = self.all(items)?;
                Ok(self.room.tuple(items)?)
            }
            ExprKind::Set(items) => self.set(items),
            ExprKind::Dict(pairs) => self.dict(pairs),
            ExprKind::Unary(op, inner) => {
                let value = self.expr(inner)?;
                self.room.place = expr.place;
                Ok(ops::unary(&self.room, *op, &value)?)
            }
            ExprKind::Chain(first, rest) => self.chain(first, rest),
            ExprKind::Compare(first, rest) => self.compare(first, rest),
            ExprKind::And(items) => self.until(items, |value| !value.truth()),
            ExprKind::Or(items) => self.until(items, Value::truth),
            ExprKind::Choose(parts) => {
                let [first, condition, second] = parts.as_ref();
                let chosen = if self.expr(condition)?.truth() { first } else { second };
                self.expr(chosen)
            }
            ExprKind::Trail(base, steps) => self.trail(base, steps),
            ExprKind::Lambda(def) => self.function(def),
            ExprKind::Comprehension(parts) => self.comprehension(parts),
            ExprKind::Repr(inner) => {
                let value = self.expr(inner)?;
                let text = to_repr(&mut self.room, &value)?;
                Ok(self.room.text(text)?)
            }
            ExprKind::Format(pieces) => {
                let text = self.pieces(pieces)?;
                Ok(self.room.text(text)?)
            }
            _ => Ok(Value::None),
        }
    }

    fn set(&mut self, items: &[Expr]) -> Outcome {
        let mut set = Dict::default();
        for item in items {
            let item = self.expr(item)?;
            set.set(&mut self.room, item, Value::None)?;
        }
        Ok(self.room.set(set)?)
    }

    fn dict(&mut self, pairs: &[(Expr, Expr)]) -> Outcome {
        let mut dict = Dict::with_room(&mut self.room, pairs.len())?;
        for (key, value) in pairs {
            let value = self.expr(value)?;
            let key = self.expr(key)?;
            dict.set(&mut self.room, key, value)?;
        }
        Ok(self.room.dict(dict)?)
    }

    fn chain(&mut self, first: &Expr, rest: &[(Place, BinaryOp, Expr)]) -> Outcome {
        let mut value = self.expr(first)?;
        for (place, op, next) in rest {
            let next = self.expr(next)?;
            self.room.step()?;
            self.room.place = *place;
            value = self.binary(*op, &value, &next)?;
        }
        Ok(value)
    }

    /// An operator between two values.
    pub(super) fn binary(&mut self, op: BinaryOp, left: &Value, right: &Value) -> Outcome {
        Ok(ops::binary(&mut self.room, op, left, right)?)
    }

    fn compare(&mut self, first: &Expr, rest: &[(Place, CompareOp, Expr)]) -> Outcome {
        let mut left = self.expr(first)?;
        for (place, op, next) in rest {
            let right = self.expr(next)?;
            self.room.place = *place;
            if !ops::compare(&mut self.room, *op, &left, &right)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    /// The first value that ends an `and` or `or`, else the last one.
    fn until(&mut self, items: &[Expr], ends: fn(&Value) -> bool) -> Outcome {
        let mut value = Value::None;
        for item in items {
            value = self.expr(item)?;
            if ends(&value) {
                break;
            }
        }
        Ok(value)
    }

    fn trail(&mut self, base: &Expr, steps: &[(Place, Step)]) -> Outcome {
        let mut value = self.expr(base)?;
        // A call is found by its name, not by its bracket.
        let mut named = base.place;
        for (place, step) in steps {
            self.room.step()?;
            self.room.place = *place;
            value = match step {
                Step::Attribute(name) => {
                    named = *place;
                    self.attribute(&value, name)?
                }
                Step::Item(index) => self.index(*place, &value, index)?,
                Step::Call(arguments) => {
                    let args = self.arguments(arguments)?;
                    self.room.place = named;
                    self.call(&value, args)?
                }
            };
        }
        Ok(value)
    }

    fn pieces(&mut self, pieces: &[Piece]) -> Outcome<Vec<u8>> {
        let mut out = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Value(value, conversion, spec) => {
                    let place = value.place;
                    let mut value = self.expr(value)?;
                    if let Some(conversion) = conversion {
                        let text = match conversion {
                            b's' => to_text(&mut self.room, &value)?,
                            _ => to_repr(&mut self.room, &value)?,
                        };
                        value = self.room.text(text)?;
                    }
                    let spec = self.deeper(|interp| interp.pieces(spec))?;
                    self.room.place = place;
                    out.extend(template::written(&mut self.room, &value, &spec)?);
                }
            }
        }
        self.room.charge(out.len())?;
        Ok(out)
    }
}
