//! Runs the statements of a domain file and hands out its variables.
//!
//! The evaluator opens nothing and starts nothing: it works on the names that it is given and within a [`Budget`].

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::ast::{BinaryOp, CompareOp, Expr, ExprKind, Index, Statement, StatementKind, Target};
use super::budget::Budget;
use super::ops;
use super::source::{Fault, Place};
use super::value::{MAX_FIXED_DEPTH, Value};

/// The variables of a file.
#[derive(Debug, Default)]
pub struct Scope {
    names: HashMap<String, Value>,
    /// Every list that was made, so that dropping the scope can empty them one by one: no recursion through deep
    /// values, no leak through a list that holds itself.
    lists: Vec<Rc<RefCell<Vec<Value>>>>,
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.names.clear();
        for list in &self.lists {
            if let Ok(mut items) = list.try_borrow_mut() {
                items.clear();
            }
        }
    }
}

impl Scope {
    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: Value) {
        self.names.insert(name.to_owned(), value);
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.names.get(name)
    }

    /// All variables, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.names.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Runs the statements in the scope.
pub fn run(statements: &[Statement], scope: &mut Scope) -> Result<(), Fault> {
    let mut evaluator = Evaluator { scope, budget: Budget::default() };
    statements.iter().try_for_each(|statement| evaluator.statement(statement))
}

struct Evaluator<'a> {
    scope: &'a mut Scope,
    budget: Budget,
}

impl Evaluator<'_> {
    fn statement(&mut self, statement: &Statement) -> Result<(), Fault> {
        self.budget.step(statement.place)?;
        match &statement.kind {
            StatementKind::Nothing => Ok(()),
            StatementKind::Value(expr) => self.expr(expr).map(drop),
            StatementKind::Assign(targets, expr) => {
                let value = self.expr(expr)?;
                targets.iter().try_for_each(|target| self.assign(expr.place, target, value.clone()))
            }
            StatementKind::Augment(target, op, expr) => self.augment(statement.place, target, *op, expr),
        }
    }

    fn assign(&mut self, place: Place, target: &Target, value: Value) -> Result<(), Fault> {
        let targets = match target {
            Target::Name(name) => {
                self.scope.set(name, value);
                return Ok(());
            }
            Target::Several(targets) => targets,
        };
        let items = match value.as_text() {
            Some(text) => text.chars().map(|c| Value::text(c.to_string())).collect(),
            None => value.items().ok_or_else(|| {
                Fault::raised(place, format!("'{}' object is not iterable", value.type_name()))
            })?,
        };
        if items.len() > targets.len() {
            return Err(Fault::raised(place, "too many values to unpack"));
        }
        if items.len() < targets.len() {
            let (count, s) = (items.len(), if items.len() == 1 { "" } else { "s" });
            return Err(Fault::raised(place, format!("need more than {count} value{s} to unpack")));
        }
        targets.iter().zip(items).try_for_each(|(target, item)| self.assign(place, target, item))
    }

    fn augment(&mut self, place: Place, target: &Target, op: BinaryOp, expr: &Expr) -> Result<(), Fault> {
        let Target::Name(name) = target else {
            return Err(Fault::syntax(place, "only one variable can stand before this operator"));
        };
        let current = self.name(place, name)?;
        let value = self.expr(expr)?;
        if let (Value::List(items), BinaryOp::Add, Some(more)) = (&current, op, value.items()) {
            self.budget.charge_items(place, more.len())?;
            items.borrow_mut().extend(more);
            return Ok(());
        }
        let result = ops::binary(&mut self.budget, place, op, (&current, &value))?;
        self.scope.set(name, result);
        Ok(())
    }

    fn name(&self, place: Place, name: &str) -> Result<Value, Fault> {
        if let Some(value) = self.scope.get(name) {
            return Ok(value.clone());
        }
        match name {
            "None" => Ok(Value::None),
            "True" => Ok(Value::Bool(true)),
            "False" => Ok(Value::Bool(false)),
            _ => Err(Fault::raised(place, format!("name '{name:.80}' is not defined"))),
        }
    }

    fn all(&mut self, place: Place, exprs: &[Expr]) -> Result<Vec<Value>, Fault> {
        self.budget.charge_items(place, exprs.len())?;
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr(&mut self, expr: &Expr) -> Result<Value, Fault> {
        self.budget.step(expr.place)?;
        let value = self.value_of(expr)?;
        if let Value::List(items) = &value
            && !matches!(expr.kind, ExprKind::Name(_))
        {
            self.scope.lists.push(Rc::clone(items));
        }
        if value.fixed_depth() > MAX_FIXED_DEPTH {
            let what = format!("tuples and dicts are nested deeper than {MAX_FIXED_DEPTH}");
            return Err(Fault::limit(expr.place, what));
        }
        Ok(value)
    }

    fn value_of(&mut self, expr: &Expr) -> Result<Value, Fault> {
        let place = expr.place;
        match &expr.kind {
            ExprKind::Name(name) => self.name(place, name),
            ExprKind::Int(n) => Ok(Value::Int(*n)),
            ExprKind::Long(n) => Ok(Value::Long(*n)),
            ExprKind::Float(n) => Ok(Value::Float(*n)),
            ExprKind::Text { value, unicode } => {
                self.budget.charge(place, value.len())?;
                Ok(if *unicode { Value::Unicode(value.as_str().into()) } else { Value::text(value) })
            }
            ExprKind::List(items) => Ok(Value::list(self.all(place, items)?)),
            ExprKind::Tuple(items) => Ok(Value::tuple(self.all(place, items)?)),
            ExprKind::Dict(pairs) => self.dict(place, pairs),
            ExprKind::Unary(op, inner) => ops::unary(place, *op, &self.expr(inner)?),
            ExprKind::Chain(first, rest) => self.chain(first, rest),
            ExprKind::Compare(first, rest) => self.compare(first, rest),
            ExprKind::And(items) => self.until(items, |value| !value.truth()),
            ExprKind::Or(items) => self.until(items, Value::truth),
            ExprKind::Choose(parts) => {
                let [first, condition, second] = parts.as_ref();
                let chosen = if self.expr(condition)?.truth() { first } else { second };
                self.expr(chosen)
            }
            ExprKind::Subscript(base, indexes) => self.subscript(base, indexes),
        }
    }

    fn dict(&mut self, place: Place, exprs: &[(Expr, Expr)]) -> Result<Value, Fault> {
        self.budget.charge_items(place, exprs.len().saturating_mul(2))?;
        let mut pairs: Vec<(Value, Value)> = Vec::with_capacity(exprs.len());
        for (key, value) in exprs {
            let key = self.expr(key)?;
            if matches!(key, Value::List(_) | Value::Dict(_)) {
                return Err(Fault::raised(place, format!("unhashable type: '{}'", key.type_name())));
            }
            let value = self.expr(value)?;
            match self.position(place, &pairs, &key)? {
                Some(at) => pairs[at].1 = value,
                None => pairs.push((key, value)),
            }
        }
        Ok(Value::dict(pairs))
    }

    fn position(
        &mut self,
        place: Place,
        pairs: &[(Value, Value)],
        key: &Value,
    ) -> Result<Option<usize>, Fault> {
        for (at, (known, _)) in pairs.iter().enumerate() {
            if ops::equal(&mut self.budget, place, known, key)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn chain(&mut self, first: &Expr, rest: &[(Place, BinaryOp, Expr)]) -> Result<Value, Fault> {
        let mut value = self.expr(first)?;
        for (place, op, next) in rest {
            let next = self.expr(next)?;
            value = ops::binary(&mut self.budget, *place, *op, (&value, &next))?;
        }
        Ok(value)
    }

    fn compare(&mut self, first: &Expr, rest: &[(Place, CompareOp, Expr)]) -> Result<Value, Fault> {
        let mut left = self.expr(first)?;
        for (place, op, next) in rest {
            let right = self.expr(next)?;
            if !ops::compare(&mut self.budget, *place, *op, (&left, &right))? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    /// The first value that ends an `and` or `or`, else the last one.
    fn until(&mut self, items: &[Expr], ends: fn(&Value) -> bool) -> Result<Value, Fault> {
        let mut value = Value::None;
        for item in items {
            value = self.expr(item)?;
            if ends(&value) {
                break;
            }
        }
        Ok(value)
    }

    fn subscript(&mut self, base: &Expr, indexes: &[(Place, Index)]) -> Result<Value, Fault> {
        let mut value = self.expr(base)?;
        for (place, index) in indexes {
            value = match index {
                Index::One(key) => {
                    let key = self.expr(key)?;
                    self.item(*place, &value, &key)?
                }
                Index::Range(from, to) => self.slice(*place, &value, (from.as_ref(), to.as_ref()))?,
            };
        }
        Ok(value)
    }

    fn item(&mut self, place: Place, value: &Value, key: &Value) -> Result<Value, Fault> {
        if let Value::Dict(fixed) = value {
            let at = self.position(place, &fixed.items, key)?;
            return at.map(|at| fixed.items[at].1.clone()).ok_or_else(|| Fault::raised(place, key.to_repr()));
        }
        if let Some(text) = value.as_text() {
            self.budget.charge(place, text.len() / 8)?;
            let at = position_in(place, value, key, text.chars().count())?;
            return Ok(Value::text(text.chars().skip(at).take(1).collect::<String>()));
        }
        match value {
            Value::List(items) => {
                let items = items.borrow();
                Ok(items[position_in(place, value, key, items.len())?].clone())
            }
            Value::Tuple(fixed) => {
                Ok(fixed.items[position_in(place, value, key, fixed.items.len())?].clone())
            }
            other => Err(no_index(place, other)),
        }
    }

    fn slice(
        &mut self,
        place: Place,
        value: &Value,
        (from, to): (Option<&Expr>, Option<&Expr>),
    ) -> Result<Value, Fault> {
        let chars: Option<Vec<char>> = value.as_text().map(|text| text.chars().collect());
        let len = match &chars {
            Some(chars) => chars.len(),
            None => value.items().ok_or_else(|| no_index(place, value))?.len(),
        };
        let from = self.bound(from, len, 0)?;
        let to = self.bound(to, len, len)?.max(from);
        self.budget.charge_items(place, to - from)?;
        Ok(match (value, chars) {
            (Value::Unicode(_), Some(chars)) => {
                Value::Unicode(chars[from..to].iter().collect::<String>().into())
            }
            (_, Some(chars)) => Value::text(chars[from..to].iter().collect::<String>()),
            (Value::Tuple(fixed), None) => Value::tuple(fixed.items[from..to].to_vec()),
            (other, None) => Value::list(other.items().unwrap_or_default()[from..to].to_vec()),
        })
    }

    fn bound(&mut self, expr: Option<&Expr>, len: usize, default: usize) -> Result<usize, Fault> {
        let Some(expr) = expr else { return Ok(default) };
        let value = self.expr(expr)?;
        if matches!(value, Value::None) {
            return Ok(default);
        }
        let n = value
            .as_whole()
            .ok_or_else(|| Fault::raised(expr.place, "slice indices must be integers or None"))?;
        let len_wide = i128::try_from(len).unwrap_or(i128::MAX);
        let n = if n < 0 { n.saturating_add(len_wide) } else { n };
        Ok(usize::try_from(n.clamp(0, len_wide)).unwrap_or(len))
    }
}

/// The position that a key means in a sequence of that length.
fn position_in(place: Place, value: &Value, key: &Value, len: usize) -> Result<usize, Fault> {
    let kind = value.type_name();
    let n = key.as_whole().ok_or_else(|| {
        Fault::raised(place, format!("{kind} indices must be integers, not {}", key.type_name()))
    })?;
    let n = if n < 0 { n + i128::try_from(len).unwrap_or(0) } else { n };
    usize::try_from(n)
        .ok()
        .filter(|n| *n < len)
        .ok_or_else(|| Fault::raised(place, format!("{} index out of range", kind.replace("str", "string"))))
}

fn no_index(place: Place, value: &Value) -> Fault {
    Fault::raised(place, format!("'{}' object has no attribute '__getitem__'", value.type_name()))
}
