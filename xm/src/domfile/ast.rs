//! The sentences of a domain file, as the parser hands them to the evaluator.
//!
//! Operators of one rank are kept as flat chains (`a + b - c` is one node), and so is what follows a value (`a.b[1](2)`):
//! a long line is then a long list and not a deep tree, and nothing behind the parser can be made to overflow its stack.

use std::rc::Rc;

use super::source::Place;

/// A name; the same text is kept once for each place where it is written.
pub type Name = Rc<str>;

/// Statements one after the other.
pub type Block = Vec<Statement>;

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
    /// `del a, b[0]`.
    Delete(Vec<Target>),
    /// `print a, b`.
    Print(Box<Print>),
    /// `if … elif …`: conditions with their blocks, and `else`.
    If(Vec<(Expr, Block)>, Block),
    /// `while`, and its `else`.
    While(Expr, Block, Block),
    /// `for target in values`, and its `else`.
    For(Box<For>),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// `return value`.
    Return(Option<Expr>),
    /// `def name(…)`.
    Function(Rc<FunctionDef>),
    /// `import a.b as c`: the dotted name, and the name that it gets.
    Import(Vec<(Name, Name)>),
    /// `from a import b as c`; `*` stands for all.
    ImportFrom(Name, Vec<(Name, Name)>),
    /// `global a, b`.
    Global(Vec<Name>),
    /// `raise class, argument`.
    Raise(Option<Expr>, Option<Expr>),
    /// `try`.
    Try(Box<Try>),
    /// `assert condition, text`.
    Assert(Expr, Option<Expr>),
}

/// `print`.
#[derive(Clone, Debug, PartialEq)]
pub struct Print {
    /// `>> file`.
    pub to: Option<Expr>,
    /// What is printed.
    pub values: Vec<Expr>,
    /// How it ends.
    pub ending: Ending,
}

/// The end of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A line.
    Line,
    /// A blank, for a comma stood at the end.
    Blank,
}

/// `for`.
#[derive(Clone, Debug, PartialEq)]
pub struct For {
    /// What takes each value.
    pub target: Target,
    /// The values.
    pub values: Expr,
    /// What is done with each.
    pub body: Block,
    /// What is done unless `break` ended it.
    pub otherwise: Block,
}

/// `try`.
#[derive(Clone, Debug, PartialEq)]
pub struct Try {
    /// What is tried.
    pub body: Block,
    /// `except` clauses.
    pub handlers: Vec<Handler>,
    /// What is done if nothing was raised.
    pub otherwise: Block,
    /// What is done in any case.
    pub finally: Block,
}

/// `except classes as target`.
#[derive(Clone, Debug, PartialEq)]
pub struct Handler {
    /// The classes that it catches; none means all.
    pub classes: Option<Expr>,
    /// What takes the error.
    pub target: Option<Target>,
    /// What is done.
    pub body: Block,
}

/// A function or lambda.
#[derive(Debug, PartialEq)]
pub struct FunctionDef {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub params: Params,
    /// What it does.
    pub body: Body,
}

/// What a function does.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// `def`.
    Block(Block),
    /// `lambda`.
    Value(Expr),
}

/// The parameters of a function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    /// Their names.
    pub names: Vec<Name>,
    /// The defaults of the last ones.
    pub defaults: Vec<Expr>,
    /// `*rest`.
    pub rest: Option<Name>,
    /// `**keywords`.
    pub keywords: Option<Name>,
}

/// What can stand before a `=`.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A variable.
    Name(Name),
    /// Several at once: `a, b = 1, 2`.
    Several(Vec<Target>),
    /// `x[1]`, `x[1:2]`.
    Item(Box<(Expr, Index)>),
    /// `x.name`.
    Attribute(Box<(Expr, Name)>),
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
    Name(Name),
    /// `5`.
    Int(i64),
    /// `5L`.
    Long(Box<i128>),
    /// `0.5`.
    Float(f64),
    /// `'text'`, adjacent literals joined.
    Text(Rc<[u8]>),
    /// `u'text'`.
    Unicode(Rc<str>),
    /// `f'text {value}'`.
    Format(Vec<Piece>),
    /// `[…]`.
    List(Vec<Expr>),
    /// `(…,)`.
    Tuple(Vec<Expr>),
    /// `{…}`.
    Set(Vec<Expr>),
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
    /// `x[1][2:3].name(4)`.
    Trail(Box<Expr>, Vec<(Place, Step)>),
    /// `lambda x: …`.
    Lambda(Rc<FunctionDef>),
    /// `[… for … in …]` and its kin.
    Comprehension(Box<Comprehension>),
    /// Backticks.
    Repr(Box<Expr>),
}

/// A part of an `f''` string.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text.
    Text(Rc<[u8]>),
    /// A value, `!r` or `!s` behind it, and how it is written.
    Value(Box<Expr>, Option<u8>, Vec<Piece>),
}

/// What follows a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `[…]`.
    Item(Index),
    /// `.name`.
    Attribute(Name),
    /// `(…)`.
    Call(Arguments),
}

/// The arguments of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arguments {
    /// By position.
    pub values: Vec<Expr>,
    /// By name.
    pub named: Vec<(Name, Expr)>,
    /// `*rest`.
    pub rest: Option<Expr>,
    /// `**keywords`.
    pub keywords: Option<Expr>,
}

/// What stands between `[` and `]` behind a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Index {
    /// `x[1]`.
    One(Expr),
    /// `x[1:2:3]`.
    Range(Box<[Option<Expr>; 3]>),
}

/// What a comprehension makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Makes {
    /// A list; its variables stay, as in Python 2.
    List,
    /// A set.
    Set,
    /// A dictionary.
    Dict,
    /// A generator.
    Generator,
}

/// A comprehension.
#[derive(Clone, Debug, PartialEq)]
pub struct Comprehension {
    /// What it makes.
    pub makes: Makes,
    /// Each item, or key.
    pub item: Expr,
    /// Each value of a dictionary.
    pub value: Option<Expr>,
    /// `for` and `if`, outermost first.
    pub clauses: Vec<Clause>,
}

/// A part of a comprehension.
#[derive(Clone, Debug, PartialEq)]
pub enum Clause {
    /// `for target in values`.
    For(Target, Expr),
    /// `if condition`.
    If(Expr),
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
    /// `/` after `from __future__ import division`.
    TrueDiv,
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
            Self::Div | Self::TrueDiv => "/",
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
