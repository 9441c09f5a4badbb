//! Expressions that turn out to stand before a `=`.

use super::super::ast::{Expr, ExprKind, Step, Target};
use super::super::source::Fault;

/// The target that an expression is.
pub(super) fn of(expr: Expr) -> Result<Target, Fault> {
    let place = expr.place;
    let wrong = |what: &str| Err(Fault::syntax(place, format!("{what} cannot stand before `=`")));
    match expr.kind {
        ExprKind::Name(name) if matches!(&*name, "None" | "True" | "False") => wrong(&name),
        ExprKind::Name(name) => Ok(Target::Name(name)),
        ExprKind::Tuple(items) | ExprKind::List(items) => {
            Ok(Target::Several(items.into_iter().map(of).collect::<Result<_, _>>()?))
        }
        ExprKind::Trail(base, mut steps) => match steps.pop() {
            Some((_, Step::Item(index))) => Ok(Target::Item(Box::new((rest(*base, steps), index)))),
            Some((_, Step::Attribute(name))) => Ok(Target::Attribute(Box::new((rest(*base, steps), name)))),
            Some((_, Step::Call(_))) | None => wrong("a call"),
        },
        _ => wrong("this value"),
    }
}

/// The targets of `del`.
pub(super) fn all(expr: Expr) -> Result<Vec<Target>, Fault> {
    match of(expr)? {
        Target::Several(targets) => Ok(targets),
        one => Ok(vec![one]),
    }
}

fn rest(base: Expr, steps: Vec<(super::super::source::Place, Step)>) -> Expr {
    if steps.is_empty() {
        return base;
    }
    let place = base.place;
    Expr { place, kind: ExprKind::Trail(Box::new(base), steps) }
}
