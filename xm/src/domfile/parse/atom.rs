//! Values that need no operator: names, literals, brackets, comprehensions, and what follows a value.

use super::super::ast::{Arguments, Clause, Comprehension, Expr, ExprKind, Index, Makes, Step, Target};
use super::super::lexer::TokenKind;
use super::super::source::{Fault, Place};
use super::{KEYWORDS, Parser, target};

impl Parser<'_> {
    /// A value with its `.name`, `[…]` and `(…)`.
    pub(super) fn trail(&mut self) -> Result<Expr, Fault> {
        let base = self.atom()?;
        let mut steps = Vec::new();
        loop {
            let place = self.place();
            if self.take_op(".") {
                steps.push((place, Step::Attribute(self.expect_name()?)));
            } else if self.take_op("[") {
                steps.push((place, Step::Item(self.index()?)));
            } else if self.take_op("(") {
                steps.push((place, Step::Call(self.arguments()?)));
            } else {
                break;
            }
        }
        if steps.is_empty() {
            return Ok(base);
        }
        let place = base.place;
        Ok(Expr { place, kind: ExprKind::Trail(Box::new(base), steps) })
    }

    fn index(&mut self) -> Result<Index, Fault> {
        let mut parts = [None, None, None];
        let mut colons = 0;
        while !self.is_op("]") {
            if self.take_op(":") {
                colons += 1;
                if colons > 2 {
                    return Err(self.unexpected("`]`"));
                }
            } else if colons == 0 {
                parts[0] = Some(self.expressions()?);
                if !self.is_op(":") {
                    break;
                }
            } else {
                parts[colons] = Some(self.expression()?);
                if !self.is_op(":") {
                    break;
                }
            }
        }
        if colons == 0 {
            let [first, ..] = parts;
            let first = first.ok_or_else(|| self.unexpected("a value"))?;
            self.expect_op("]")?;
            return Ok(Index::One(first));
        }
        self.expect_op("]")?;
        Ok(Index::Range(Box::new(parts)))
    }

    fn arguments(&mut self) -> Result<Arguments, Fault> {
        let mut arguments = Arguments::default();
        while !self.is_op(")") {
            let place = self.place();
            if self.take_op("**") {
                arguments.keywords = Some(self.expression()?);
            } else if self.take_op("*") {
                arguments.rest = Some(self.expression()?);
            } else if let (TokenKind::Name(name), TokenKind::Op("=")) = (self.kind(), self.ahead(1)) {
                self.at += 2;
                arguments.named.push((name.clone(), self.expression()?));
            } else {
                let value = self.expression()?;
                let value = if self.is_word("for") {
                    self.comprehension(place, Makes::Generator, (value, None))?
                } else {
                    value
                };
                if !arguments.named.is_empty() {
                    return Err(Fault::syntax(place, "an argument without name behind one with a name"));
                }
                arguments.values.push(value);
            }
            if !self.take_op(",") {
                break;
            }
        }
        self.expect_op(")")?;
        Ok(arguments)
    }

    fn atom(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        let kind = match self.kind() {
            TokenKind::Name(name) if &**name == "yield" => {
                let what = "generators cannot be written in a domain file; return a list instead";
                return Err(Fault::unsupported(place, what));
            }
            TokenKind::Name(name) if !KEYWORDS.contains(&&**name) => ExprKind::Name(name.clone()),
            TokenKind::Int(n) => ExprKind::Int(*n),
            TokenKind::Long(n) => ExprKind::Long(n.clone()),
            TokenKind::Float(n) => ExprKind::Float(*n),
            TokenKind::Text(_) | TokenKind::Unicode(_) | TokenKind::Format(_) => {
                let kind = self.strings()?;
                return Ok(Expr { place, kind });
            }
            TokenKind::Op("(") => return self.round(place),
            TokenKind::Op("[") => return self.square(place),
            TokenKind::Op("{") => return self.curly(place),
            TokenKind::Op("`") => {
                self.at += 1;
                let inner = self.expressions()?;
                self.expect_op("`")?;
                return Ok(Expr { place, kind: ExprKind::Repr(Box::new(inner)) });
            }
            _ => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        Ok(Expr { place, kind })
    }

    fn round(&mut self, place: Place) -> Result<Expr, Fault> {
        self.at += 1;
        if self.take_op(")") {
            return Ok(Expr { place, kind: ExprKind::Tuple(Vec::new()) });
        }
        let inner = self.expressions()?;
        let inner = if self.is_word("for") {
            self.comprehension(place, Makes::Generator, (inner, None))?
        } else {
            inner
        };
        self.expect_op(")")?;
        Ok(inner)
    }

    fn square(&mut self, place: Place) -> Result<Expr, Fault> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.is_op("]") {
            items.push(self.expression()?);
            if self.is_word("for") && items.len() == 1 {
                let item = items.remove(0);
                let list = self.comprehension(place, Makes::List, (item, None))?;
                self.expect_op("]")?;
                return Ok(list);
            }
            if !self.take_op(",") {
                break;
            }
        }
        if !self.take_op("]") {
            return Err(self.unexpected("`,` or `]`"));
        }
        Ok(Expr { place, kind: ExprKind::List(items) })
    }

    fn curly(&mut self, place: Place) -> Result<Expr, Fault> {
        self.at += 1;
        let mut pairs = Vec::new();
        let mut items = Vec::new();
        while !self.is_op("}") {
            let key = self.expression()?;
            let value = if items.is_empty() && self.take_op(":") { Some(self.expression()?) } else { None };
            if self.is_word("for") && items.is_empty() && pairs.is_empty() {
                let makes = if value.is_some() { Makes::Dict } else { Makes::Set };
                let made = self.comprehension(place, makes, (key, value))?;
                self.expect_op("}")?;
                return Ok(made);
            }
            match value {
                Some(value) => pairs.push((key, value)),
                None if pairs.is_empty() => items.push(key),
                None => return Err(self.unexpected("`:`")),
            }
            if !self.take_op(",") {
                break;
            }
        }
        if !self.take_op("}") {
            return Err(self.unexpected("`,` or `}`"));
        }
        let kind = if items.is_empty() { ExprKind::Dict(pairs) } else { ExprKind::Set(items) };
        Ok(Expr { place, kind })
    }

    fn comprehension(
        &mut self,
        place: Place,
        makes: Makes,
        (item, value): (Expr, Option<Expr>),
    ) -> Result<Expr, Fault> {
        let mut clauses = Vec::new();
        loop {
            if self.take_word("for") {
                let target = self.for_target()?;
                self.expect_word("in")?;
                let place = self.place();
                let mut values = self.sequence()?;
                // `[x for x in 1, 2]`, which Python 2 allows in lists.
                if makes == Makes::List && self.is_op(",") {
                    let mut items = vec![values];
                    while self.take_op(",") {
                        items.push(self.sequence()?);
                    }
                    values = Expr { place, kind: ExprKind::Tuple(items) };
                }
                clauses.push(Clause::For(target, values));
            } else if self.take_word("if") {
                clauses.push(Clause::If(self.sequence()?));
            } else {
                break;
            }
        }
        let kind = ExprKind::Comprehension(Box::new(Comprehension { makes, item, value, clauses }));
        Ok(Expr { place, kind })
    }

    /// What stands between `for` and `in`.
    pub(super) fn for_target(&mut self) -> Result<Target, Fault> {
        let first = self.below_comparison()?;
        let place = first.place;
        if !self.is_op(",") {
            return target::of(first);
        }
        let mut items = vec![first];
        while self.take_op(",") && !self.is_word("in") {
            items.push(self.below_comparison()?);
        }
        target::of(Expr { place, kind: ExprKind::Tuple(items) })
    }
}
