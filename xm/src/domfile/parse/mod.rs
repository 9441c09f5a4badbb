//! Tokens to statements.
//!
//! A statement with a fault is skipped to the end of its line, and parsing goes on behind it: a person learns of all
//! faults at once. Nothing here recurses deeper than [`MAX_DEPTH`].

mod atom;
mod compound;
mod expr;
mod format;
mod statement;
mod target;

use super::ast::{Block, Name};
use super::lexer::{self, MAX_FAULTS, Token, TokenKind};
use super::source::{Fault, FaultKind, Place};

/// Deepest nesting of expressions and blocks.
const MAX_DEPTH: usize = 160;

/// Words that are no names.
const KEYWORDS: [&str; 30] = [
    "and", "as", "assert", "break", "class", "continue", "def", "del", "elif", "else", "except", "exec",
    "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "not", "or", "pass", "raise",
    "return", "try", "while", "with", "yield",
];

/// The statements of a file, or all faults that were found.
pub(super) fn statements(text: &[u8]) -> Result<Block, Vec<Fault>> {
    let (tokens, mut faults) = lexer::tokens(text);
    let mut parser = Parser::new(&tokens, 0, Meaning::default());
    let block = parser.file();
    faults.append(&mut parser.faults);
    if faults.is_empty() {
        return Ok(block);
    }
    faults.sort_by_key(|fault| (fault.place.line, fault.place.column));
    faults.dedup_by_key(|fault| fault.place.line);
    faults.truncate(MAX_FAULTS);
    Err(faults)
}

/// What `from __future__ import …` changed.
#[derive(Clone, Copy, Debug, Default)]
struct Meaning {
    /// `/` does not floor.
    true_division: bool,
    /// `print` is a function.
    print_function: bool,
    /// `''` is a `unicode`.
    unicode_literals: bool,
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    faults: Vec<Fault>,
    meaning: Meaning,
    /// Functions and loops around the current statement.
    functions: usize,
    loops: usize,
}

/// What stands behind the last token.
const END: &Token = &Token { kind: TokenKind::End, place: Place { line: 1, column: 1 } };

impl<'a> Parser<'a> {
    fn new(tokens: &'a [Token], depth: usize, meaning: Meaning) -> Self {
        Self { tokens, at: 0, depth, faults: Vec::new(), meaning, functions: 0, loops: 0 }
    }

    fn token(&self) -> &'a Token {
        self.tokens.get(self.at).or(self.tokens.last()).unwrap_or(END)
    }

    fn kind(&self) -> &'a TokenKind {
        &self.token().kind
    }

    fn place(&self) -> Place {
        self.token().place
    }

    fn ahead(&self, count: usize) -> &'a TokenKind {
        self.tokens.get(self.at + count).map_or(&TokenKind::End, |token| &token.kind)
    }

    fn is_op(&self, op: &str) -> bool {
        matches!(self.kind(), TokenKind::Op(found) if *found == op)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), TokenKind::Name(found) if **found == *word)
    }

    fn take_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn take_kind(&mut self, kind: &TokenKind) -> bool {
        let found = self.kind() == kind;
        self.at += usize::from(found);
        found
    }

    fn expect_op(&mut self, op: &str) -> Result<(), Fault> {
        if self.take_op(op) { Ok(()) } else { Err(self.unexpected(&format!("`{op}`"))) }
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Fault> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected(&format!("`{word}`"))) }
    }

    /// The name of a variable, function or attribute.
    fn expect_name(&mut self) -> Result<Name, Fault> {
        match self.kind() {
            TokenKind::Name(name) if !KEYWORDS.contains(&&**name) => {
                self.at += 1;
                Ok(name.clone())
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// `a.b.c`.
    fn expect_dotted(&mut self) -> Result<Name, Fault> {
        let mut name = self.expect_name()?.to_string();
        while self.take_op(".") {
            name += ".";
            name += &self.expect_name()?;
        }
        Ok(name.into())
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        let found = match self.kind() {
            TokenKind::Name(name) => format!("`{name:.40}`"),
            TokenKind::Int(_) | TokenKind::Long(_) | TokenKind::Float(_) => "this number".to_owned(),
            TokenKind::Text(_) | TokenKind::Unicode(_) | TokenKind::Format(_) => "this string".to_owned(),
            TokenKind::Op(op) => format!("`{op}`"),
            TokenKind::Newline => "the end of the line".to_owned(),
            TokenKind::Indent => "more indentation".to_owned(),
            TokenKind::Dedent => "less indentation".to_owned(),
            TokenKind::Broken => "this line".to_owned(),
            TokenKind::End => "the end of the file".to_owned(),
        };
        Fault::syntax(self.place(), format!("unexpected {found}, wanted {wanted}"))
    }

    /// Runs a part of the grammar one level deeper.
    fn deeper<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= MAX_DEPTH {
            return Err(Fault::limit(self.place(), format!("this is nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let result = part(self);
        self.depth -= 1;
        result
    }

    fn file(&mut self) -> Block {
        let mut block = Block::new();
        while *self.kind() != TokenKind::End && self.faults.len() < MAX_FAULTS {
            if !self.take_kind(&TokenKind::Dedent) {
                self.one(&mut block);
            }
        }
        block
    }

    /// One line of statements; after a fault the next line.
    fn one(&mut self, block: &mut Block) {
        let place = self.place();
        if self.take_kind(&TokenKind::Indent) {
            // Below a line with a fault a block is to be expected.
            let known = self.at >= 3 && self.tokens[self.at - 3].kind == TokenKind::Broken;
            if !known && !self.faults.iter().any(|fault| fault.place.line + 1 >= place.line) {
                self.faults.push(Fault::syntax(place, "this line is indented more than the one before it"));
            }
            return;
        }
        if *self.kind() == TokenKind::Broken {
            return self.skip_line();
        }
        if let Err(fault) = self.statement(block) {
            let fatal = fault.kind == FaultKind::Limit;
            self.faults.push(fault);
            if fatal {
                self.at = self.tokens.len().saturating_sub(1);
            } else {
                self.skip_line();
            }
        }
    }

    fn skip_line(&mut self) {
        while !matches!(self.kind(), TokenKind::Newline | TokenKind::End | TokenKind::Dedent) {
            self.at += 1;
        }
        self.take_kind(&TokenKind::Newline);
    }
}
