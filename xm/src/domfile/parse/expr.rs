//! Operators, by their ranks.

use std::rc::Rc;

use super::super::ast::{BinaryOp, Body, CompareOp, Expr, ExprKind, FunctionDef, UnaryOp};
use super::super::lexer::TokenKind;
use super::super::source::Fault;
use super::Parser;

/// The ranks of operators between values, weakest first.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARE: u8 = 4;
const BIT_OR: u8 = 5;
const BIT_XOR: u8 = 6;
const BIT_AND: u8 = 7;
const SHIFT: u8 = 8;
const SUM: u8 = 9;
const PRODUCT: u8 = 10;

/// An operator between values.
#[derive(Clone, Copy)]
enum Operator {
    Or,
    And,
    Compare(CompareOp),
    Binary(BinaryOp),
}

/// A value for what cannot be there.
pub(super) fn nothing() -> ExprKind {
    ExprKind::Tuple(Vec::new())
}

impl Parser<'_> {
    /// One value, or several that make a tuple.
    pub(super) fn expressions(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        let first = self.expression()?;
        if !self.is_op(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.take_op(",") {
            if !self.starts_value() {
                break;
            }
            items.push(self.expression()?);
        }
        Ok(Expr { place, kind: ExprKind::Tuple(items) })
    }

    /// Can a value begin here?
    fn starts_value(&self) -> bool {
        match self.kind() {
            TokenKind::Name(name) => !matches!(&**name, "in" | "for" | "if" | "else" | "from" | "as"),
            TokenKind::Op(op) => matches!(*op, "(" | "[" | "{" | "-" | "+" | "~" | "`" | "*"),
            TokenKind::Newline | TokenKind::Indent | TokenKind::Dedent => false,
            TokenKind::End | TokenKind::Broken => false,
            _ => true,
        }
    }

    /// One value: a lambda, or `a if condition else b`, or less.
    pub(super) fn expression(&mut self) -> Result<Expr, Fault> {
        self.deeper(|parser| {
            if parser.is_word("lambda") {
                return parser.lambda();
            }
            let place = parser.place();
            let first = parser.operators(OR)?;
            if !parser.take_word("if") {
                return Ok(first);
            }
            let condition = parser.operators(OR)?;
            parser.expect_word("else")?;
            let second = parser.expression()?;
            Ok(Expr { place, kind: ExprKind::Choose(Box::new([first, condition, second])) })
        })
    }

    /// A value in front of which neither `if` nor `lambda` ends it: the sequence of a comprehension.
    pub(super) fn sequence(&mut self) -> Result<Expr, Fault> {
        self.deeper(|parser| parser.operators(OR))
    }

    /// A value without comparisons, for `for a in b`.
    pub(super) fn below_comparison(&mut self) -> Result<Expr, Fault> {
        self.deeper(|parser| parser.operators(BIT_OR))
    }

    fn lambda(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        self.at += 1;
        let params = self.params(":")?;
        self.expect_op(":")?;
        let body = Body::Value(self.expression()?);
        let def = FunctionDef { name: "<lambda>".into(), params, body };
        Ok(Expr { place, kind: ExprKind::Lambda(Rc::new(def)) })
    }

    /// Values joined by operators of at least that rank. Neighbours of one rank become one flat node.
    fn operators(&mut self, least: u8) -> Result<Expr, Fault> {
        let mut left = self.operand(least)?;
        // A node in brackets stays a node of its own: `(a < b) < c` is no chain.
        let mut joinable = None;
        while let Some((operator, rank, words)) = self.operator().filter(|(_, rank, _)| *rank >= least) {
            let sign = self.place();
            self.at += words;
            let right = self.operators(rank + 1)?;
            let place = left.place;
            let joins = joinable == Some(rank);
            let kind = match (operator, left.kind) {
                (Operator::Or, ExprKind::Or(mut items)) if joins => {
                    items.push(right);
                    ExprKind::Or(items)
                }
                (Operator::And, ExprKind::And(mut items)) if joins => {
                    items.push(right);
                    ExprKind::And(items)
                }
                (Operator::Compare(op), ExprKind::Compare(first, mut rest)) if joins => {
                    rest.push((sign, op, right));
                    ExprKind::Compare(first, rest)
                }
                (Operator::Binary(op), ExprKind::Chain(first, mut rest)) if joins => {
                    rest.push((sign, op, right));
                    ExprKind::Chain(first, rest)
                }
                (operator, kind) => {
                    let left = Expr { place, kind };
                    match operator {
                        Operator::Or => ExprKind::Or(vec![left, right]),
                        Operator::And => ExprKind::And(vec![left, right]),
                        Operator::Compare(op) => ExprKind::Compare(Box::new(left), vec![(sign, op, right)]),
                        Operator::Binary(op) => ExprKind::Chain(Box::new(left), vec![(sign, op, right)]),
                    }
                }
            };
            left = Expr { place, kind };
            joinable = Some(rank);
        }
        Ok(left)
    }

    /// The operator here, its rank, and of how many tokens it is.
    fn operator(&self) -> Option<(Operator, u8, usize)> {
        let word =
            |ahead: usize, word: &str| matches!(self.ahead(ahead), TokenKind::Name(name) if &**name == word);
        match self.kind() {
            TokenKind::Name(name) => match &**name {
                "or" => Some((Operator::Or, OR, 1)),
                "and" => Some((Operator::And, AND, 1)),
                "in" => Some((Operator::Compare(CompareOp::In), COMPARE, 1)),
                "not" if word(1, "in") => Some((Operator::Compare(CompareOp::NotIn), COMPARE, 2)),
                "is" if word(1, "not") => Some((Operator::Compare(CompareOp::IsNot), COMPARE, 2)),
                "is" => Some((Operator::Compare(CompareOp::Is), COMPARE, 1)),
                _ => None,
            },
            TokenKind::Op(op) => {
                let compare = |op| Some((Operator::Compare(op), COMPARE, 1));
                match *op {
                    "==" => compare(CompareOp::Equal),
                    "!=" | "<>" => compare(CompareOp::Unequal),
                    "<" => compare(CompareOp::Less),
                    "<=" => compare(CompareOp::LessEqual),
                    ">" => compare(CompareOp::Greater),
                    ">=" => compare(CompareOp::GreaterEqual),
                    _ => self.arithmetic(op),
                }
            }
            _ => None,
        }
    }

    fn arithmetic(&self, sign: &str) -> Option<(Operator, u8, usize)> {
        let rank = match sign {
            "|" => BIT_OR,
            "^" => BIT_XOR,
            "&" => BIT_AND,
            "<<" | ">>" => SHIFT,
            "+" | "-" => SUM,
            "*" | "/" | "//" | "%" => PRODUCT,
            _ => return None,
        };
        BinaryOp::of(sign).map(|op| (Operator::Binary(self.division(op)), rank, 1))
    }

    /// `/` as the file means it.
    pub(super) fn division(&self, op: BinaryOp) -> BinaryOp {
        if op == BinaryOp::Div && self.meaning.true_division { BinaryOp::TrueDiv } else { op }
    }

    /// A value with what stands before it.
    fn operand(&mut self, least: u8) -> Result<Expr, Fault> {
        let place = self.place();
        if self.is_word("not") && least <= NOT {
            self.at += 1;
            let inner = self.deeper(|parser| parser.operators(NOT))?;
            return Ok(Expr { place, kind: ExprKind::Unary(UnaryOp::Not, Box::new(inner)) });
        }
        self.unary()
    }

    fn unary(&mut self) -> Result<Expr, Fault> {
        let place = self.place();
        let op = match self.kind() {
            TokenKind::Op("-") => UnaryOp::Minus,
            TokenKind::Op("+") => UnaryOp::Plus,
            TokenKind::Op("~") => UnaryOp::Invert,
            _ => return self.power(),
        };
        self.at += 1;
        let inner = self.deeper(Self::unary)?;
        let kind = match (op, inner.kind) {
            (UnaryOp::Minus, ExprKind::Int(n)) => ExprKind::Int(-n),
            (_, kind) => ExprKind::Unary(op, Box::new(Expr { place: inner.place, kind })),
        };
        Ok(Expr { place, kind })
    }

    fn power(&mut self) -> Result<Expr, Fault> {
        let base = self.trail()?;
        let sign = self.place();
        if !self.take_op("**") {
            return Ok(base);
        }
        let exponent = self.deeper(Self::unary)?;
        let place = base.place;
        Ok(Expr { place, kind: ExprKind::Chain(Box::new(base), vec![(sign, BinaryOp::Power, exponent)]) })
    }
}
