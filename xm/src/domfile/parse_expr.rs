//! The expressions of the language, one function a rank, weakest first.

use super::ast::{BinaryOp, CompareOp, Expr, ExprKind, Index, UnaryOp};
use super::lexer::TokenKind;
use super::parse::{Parser, is_keyword};
use super::source::{Fault, Place};

/// Binary operators by rank, weakest first.
const RANKS: [&[&str]; 6] = [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/", "//", "%"]];

fn later(place: Place, what: &str) -> Fault {
    Fault::unsupported(place, format!("{what} is Python that this version of xm does not evaluate yet"))
}

impl Parser<'_> {
    /// `a, b` without brackets is a tuple.
    pub(super) fn expression_list(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        let first = self.expression()?;
        if !self.is_op(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.take_op(",") {
            if matches!(self.kind(), TokenKind::Newline | TokenKind::End)
                || self.is_op("=")
                || self.is_op(";")
            {
                break;
            }
            items.push(self.expression()?);
        }
        Ok(Expr { place, kind: ExprKind::Tuple(items) })
    }

    /// `a if condition else b` and everything stronger.
    pub(super) fn expression(&mut self) -> Result<Expr, Fault> {
        self.deeper(|parser| {
            let place = parser.place();
            if parser.is_word("lambda") {
                return Err(later(place, "`lambda`"));
            }
            let first = parser.any()?;
            if parser.is_word("for") {
                return Err(later(parser.place(), "a comprehension"));
            }
            if !parser.take_word("if") {
                return Ok(first);
            }
            let condition = parser.any()?;
            if !parser.take_word("else") {
                return Err(parser.unexpected("`else`"));
            }
            let second = parser.expression()?;
            Ok(Expr { place, kind: ExprKind::Choose(Box::new([first, condition, second])) })
        })
    }

    fn any(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        let mut items = vec![self.all()?];
        while self.take_word("or") {
            items.push(self.all()?);
        }
        Ok(single_or(items, place, ExprKind::Or))
    }

    fn all(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        let mut items = vec![self.negation()?];
        while self.take_word("and") {
            items.push(self.negation()?);
        }
        Ok(single_or(items, place, ExprKind::And))
    }

    fn negation(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        if !self.take_word("not") {
            return self.comparison();
        }
        let inner = self.deeper(Self::negation)?;
        Ok(Expr { place, kind: ExprKind::Unary(UnaryOp::Not, Box::new(inner)) })
    }

    fn comparison(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        let first = self.chain(0)?;
        let mut rest = Vec::new();
        loop {
            let at = self.place();
            let Some(op) = self.compare_op() else { break };
            rest.push((at, op, self.chain(0)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Expr { place, kind: ExprKind::Compare(Box::new(first), rest) })
    }

    fn compare_op(&mut self) -> Option<CompareOp> {
        let op = match self.kind() {
            TokenKind::Op("==") => CompareOp::Equal,
            TokenKind::Op("!=" | "<>") => CompareOp::Unequal,
            TokenKind::Op("<") => CompareOp::Less,
            TokenKind::Op("<=") => CompareOp::LessEqual,
            TokenKind::Op(">") => CompareOp::Greater,
            TokenKind::Op(">=") => CompareOp::GreaterEqual,
            TokenKind::Name(word) if word == "in" => CompareOp::In,
            TokenKind::Name(word) if word == "is" => {
                self.advance();
                return Some(if self.take_word("not") { CompareOp::IsNot } else { CompareOp::Is });
            }
            TokenKind::Name(word)
                if word == "not" && matches!(self.next_kind(), TokenKind::Name(next) if next == "in") =>
            {
                self.advance();
                CompareOp::NotIn
            }
            _ => return None,
        };
        self.advance();
        Some(op)
    }

    fn chain(&mut self, rank: usize) -> Result<Expr, Fault> {
        let Some(ops) = RANKS.get(rank) else { return self.unary() };
        let place = self.place();
        let first = self.chain(rank + 1)?;
        let mut rest = Vec::new();
        loop {
            let at = self.place();
            let op = match self.kind() {
                TokenKind::Op(sign) if ops.contains(sign) => BinaryOp::of(sign),
                _ => None,
            };
            let Some(op) = op else { break };
            self.advance();
            rest.push((at, op, self.chain(rank + 1)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Expr { place, kind: ExprKind::Chain(Box::new(first), rest) })
    }

    fn unary(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        let op = match self.kind() {
            TokenKind::Op("+") => UnaryOp::Plus,
            TokenKind::Op("-") => UnaryOp::Minus,
            TokenKind::Op("~") => UnaryOp::Invert,
            _ => return self.power(),
        };
        self.advance();
        let inner = self.deeper(Self::unary)?;
        Ok(Expr { place, kind: ExprKind::Unary(op, Box::new(inner)) })
    }

    fn power(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        let base = self.postfix()?;
        let at = self.place();
        if !self.take_op("**") {
            return Ok(base);
        }
        let exponent = self.deeper(Self::unary)?;
        Ok(Expr { place, kind: ExprKind::Chain(Box::new(base), vec![(at, BinaryOp::Power, exponent)]) })
    }

    fn postfix(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        let base = self.atom()?;
        let mut indexes = Vec::new();
        loop {
            let at = self.place();
            if self.is_op("(") {
                return Err(later(at, "a call"));
            }
            if self.is_op(".") {
                return Err(later(at, "an attribute (`.`)"));
            }
            if !self.take_op("[") {
                break;
            }
            indexes.push((at, self.index()?));
        }
        if indexes.is_empty() {
            return Ok(base);
        }
        Ok(Expr { place, kind: ExprKind::Subscript(Box::new(base), indexes) })
    }

    fn index(&mut self) -> Result<Index, Fault> {
        let from = if self.is_op(":") { None } else { Some(self.expression()?) };
        let from = match from {
            Some(one) if self.take_op("]") => return Ok(Index::One(one)),
            other => other,
        };
        self.expect_op(":")?;
        let to = if self.is_op("]") || self.is_op(":") { None } else { Some(self.expression()?) };
        if self.is_op(":") {
            return Err(later(self.place(), "a slice with a step"));
        }
        self.expect_op("]")?;
        Ok(Index::Range(from, to))
    }

    fn atom(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        let kind = match self.kind() {
            TokenKind::Name(name) if !is_keyword(name) => ExprKind::Name(name.clone()),
            TokenKind::Int(n) => ExprKind::Int(*n),
            TokenKind::Long(n) => ExprKind::Long(*n),
            TokenKind::Float(n) => ExprKind::Float(*n),
            TokenKind::Text { .. } => return Ok(Expr { place, kind: self.adjacent_strings() }),
            TokenKind::Op("(") => return Ok(Expr { place, kind: self.parenthesis()? }),
            TokenKind::Op("[") => {
                self.advance();
                return Ok(Expr { place, kind: ExprKind::List(self.items("]")?) });
            }
            TokenKind::Op("{") => return Ok(Expr { place, kind: self.dict()? }),
            _ => return Err(self.unexpected("a value")),
        };
        self.advance();
        Ok(Expr { place, kind })
    }

    fn adjacent_strings(&mut self) -> ExprKind {
        let mut joined = String::new();
        let mut any_unicode = false;
        while let TokenKind::Text { value, unicode } = self.kind() {
            joined.push_str(value);
            any_unicode |= *unicode;
            self.advance();
        }
        ExprKind::Text { value: joined, unicode: any_unicode }
    }

    fn parenthesis(&mut self) -> Result<ExprKind, Fault> {
        self.advance();
        if self.take_op(")") {
            return Ok(ExprKind::Tuple(Vec::new()));
        }
        let first = self.expression()?;
        if self.take_op(")") {
            return Ok(first.kind);
        }
        if !self.take_op(",") {
            return Err(self.unexpected("`)`"));
        }
        let mut items = vec![first];
        items.extend(self.items(")")?);
        Ok(ExprKind::Tuple(items))
    }

    /// Values with commas between them, up to the closing bracket; a comma may stand before it.
    fn items(&mut self, close: &str) -> Result<Vec<Expr>, Fault> {
        let mut items = Vec::new();
        while !self.take_op(close) {
            items.push(self.expression()?);
            if !self.take_op(",") && !self.is_op(close) {
                return Err(self.unexpected(&format!("`{close}`")));
            }
        }
        Ok(items)
    }

    fn dict(&mut self) -> Result<ExprKind, Fault> {
        self.advance();
        let mut pairs = Vec::new();
        while !self.take_op("}") {
            let key = self.expression()?;
            if self.is_op(",") || self.is_op("}") {
                return Err(later(self.place(), "a set"));
            }
            self.expect_op(":")?;
            pairs.push((key, self.expression()?));
            if !self.take_op(",") && !self.is_op("}") {
                return Err(self.unexpected("`}`"));
            }
        }
        Ok(ExprKind::Dict(pairs))
    }
}

fn single_or(mut items: Vec<Expr>, place: Place, many: fn(Vec<Expr>) -> ExprKind) -> Expr {
    match items.pop() {
        Some(only) if items.is_empty() => only,
        last => {
            items.extend(last);
            Expr { place, kind: many(items) }
        }
    }
}
