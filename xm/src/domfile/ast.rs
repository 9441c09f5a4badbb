//! The sentences of a domain file, as the parser hands them to the evaluator.
//!
//! Operators of one rank are kept as flat chains (`a + b - c` is one node): a long line is then a long list and not a
//! deep tree, and nothing behind the parser can be made to overflow its stack.

use super::source::Place;

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Where it begins.
    pub place: Place,
    /// What it does.
    pub kind: StatementKind,
}

/// What a statement does.
#[derive(Clone, Debug, PartialEq)]
pub enum StatementKind {
    /// `a = b = value`.
    Assign(Vec<Target>, Expr),
    /// `a += value`.
    Augment(Target, BinaryOp, Expr),
    /// A value that nobody keeps.
    Value(Expr),
    /// `pass`.
    Nothing,
}

/// What can stand before a `=`.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A variable.
    Name(String),
    /// Several at once: `a, b = 1, 2`.
    Several(Vec<Target>),
}

/// A value to be worked out.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub kind: ExprKind,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A variable.
    Name(String),
    /// `5`.
    Int(i64),
    /// `5L`.
    Long(i128),
    /// `0.5`.
    Float(f64),
    /// `'text'`, adjacent literals joined.
    Text {
        /// The characters.
        value: String,
        /// `u'…'`.
        unicode: bool,
    },
    /// `[…]`.
    List(Vec<Expr>),
    /// `(…,)`.
    Tuple(Vec<Expr>),
    /// `{…: …}`.
    Dict(Vec<(Expr, Expr)>),
    /// `-x`, `not x`.
    Unary(UnaryOp, Box<Expr>),
    /// `x + y - z`: operators of one rank, from left to right, each with its place.
    Chain(Box<Expr>, Vec<(Place, BinaryOp, Expr)>),
    /// `a < b == c`: true if each neighbouring pair compares.
    Compare(Box<Expr>, Vec<(Place, CompareOp, Expr)>),
    /// `a and b and c`.
    And(Vec<Expr>),
    /// `a or b or c`.
    Or(Vec<Expr>),
    /// `a if condition else b`.
    Choose(Box<[Expr; 3]>),
    /// `x[1][2:3]`.
    Subscript(Box<Expr>, Vec<(Place, Index)>),
}

/// What stands between `[` and `]` behind a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Index {
    /// `x[1]`.
    One(Expr),
    /// `x[1:2]`.
    Range(Option<Expr>, Option<Expr>),
}

/// An operator before a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `+`.
    Plus,
    /// `-`.
    Minus,
    /// `~`.
    Invert,
    /// `not`.
    Not,
}

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`.
    Add,
    /// `-`.
    Sub,
    /// `*`.
    Mul,
    /// `/`, which floors whole numbers.
    Div,
    /// `//`.
    FloorDiv,
    /// `%`, also the formatting of strings.
    Mod,
    /// `**`.
    Power,
    /// `<<`.
    ShiftLeft,
    /// `>>`.
    ShiftRight,
    /// `&`.
    BitAnd,
    /// `|`.
    BitOr,
    /// `^`.
    BitXor,
}

impl BinaryOp {
    /// The operator as it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::FloorDiv => "//",
            Self::Mod => "%",
            Self::Power => "**",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
            Self::BitAnd => "&",
            Self::BitOr => "|",
            Self::BitXor => "^",
        }
    }

    /// The operator that is written so.
    pub fn of(sign: &str) -> Option<Self> {
        let all = [
            Self::Add,
            Self::Sub,
            Self::Mul,
            Self::Div,
            Self::FloorDiv,
            Self::Mod,
            Self::Power,
            Self::ShiftLeft,
            Self::ShiftRight,
            Self::BitAnd,
            Self::BitOr,
            Self::BitXor,
        ];
        all.into_iter().find(|op| op.sign() == sign)
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// `==`.
    Equal,
    /// `!=`, `<>`.
    Unequal,
    /// `<`.
    Less,
    /// `<=`.
    LessEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterEqual,
    /// `in`.
    In,
    /// `not in`.
    NotIn,
    /// `is`.
    Is,
    /// `is not`.
    IsNot,
}
