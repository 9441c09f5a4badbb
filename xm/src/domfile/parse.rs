//! Makes statements out of tokens. Statements here, expressions in [`super::parse_expr`].
//!
//! The whole grammar of Python is known well enough to say what is not evaluated yet and where; whatever is known but
//! not evaluated is a fault of kind `Unsupported`, everything else a syntax error.

use super::ast::{BinaryOp, Expr, ExprKind, Statement, StatementKind, Target};
use super::lexer::{Token, TokenKind};
use super::source::{Fault, Place};

/// Deepest nesting of expressions, brackets or not (`not not not x`).
const MAX_DEPTH: usize = 110;

/// Statements that begin with a keyword and are not evaluated yet.
const LATER: [&str; 21] = [
    "def", "class", "if", "elif", "else", "for", "while", "try", "except", "finally", "with", "import",
    "from", "raise", "return", "global", "del", "assert", "print", "exec", "lambda",
];

/// Words that can't be variables.
const KEYWORDS: [&str; 31] = [
    "and", "as", "assert", "break", "class", "continue", "def", "del", "elif", "else", "except", "exec",
    "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "not", "or", "pass", "print",
    "raise", "return", "try", "while", "with", "yield",
];

/// Parses a file.
pub fn statements(tokens: &[Token]) -> Result<Vec<Statement>, Fault> {
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let mut found = Vec::new();
    while *parser.kind() != TokenKind::End {
        parser.line(&mut found)?;
    }
    Ok(found)
}

/// Walks over the tokens; `End` is never passed.
pub(super) struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

const END: TokenKind = TokenKind::End;

impl<'a> Parser<'a> {
    pub(super) fn kind(&self) -> &'a TokenKind {
        self.tokens.get(self.at).map_or(&END, |token| &token.kind)
    }

    pub(super) fn next_kind(&self) -> &'a TokenKind {
        self.tokens.get(self.at + 1).map_or(&END, |token| &token.kind)
    }

    pub(super) fn place(&self) -> Place {
        self.tokens.get(self.at).or(self.tokens.last()).map(|token| token.place).unwrap_or_default()
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn is_op(&self, op: &str) -> bool {
        matches!(self.kind(), TokenKind::Op(found) if *found == op)
    }

    pub(super) fn take_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), TokenKind::Name(name) if name == word)
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_op(&mut self, op: &str) -> Result<(), Fault> {
        if self.take_op(op) { Ok(()) } else { Err(self.unexpected(&format!("`{op}`"))) }
    }

    /// "Unexpected this, wanted that", here.
    pub(super) fn unexpected(&self, wanted: &str) -> Fault {
        let found = match self.kind() {
            TokenKind::Name(name) => format!("`{name:.40}`"),
            TokenKind::Int(_) | TokenKind::Long(_) | TokenKind::Float(_) => "a number".to_owned(),
            TokenKind::Text { .. } => "a string".to_owned(),
            TokenKind::Op(op) => format!("`{op}`"),
            TokenKind::Newline => "the end of the line".to_owned(),
            TokenKind::Indent => "a deeper indentation".to_owned(),
            TokenKind::Dedent => "the end of the block".to_owned(),
            TokenKind::End => "the end of the file".to_owned(),
        };
        Fault::syntax(self.place(), format!("unexpected {found}, wanted {wanted}"))
    }

    /// Runs a rule one level deeper.
    pub(super) fn deeper<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= MAX_DEPTH {
            return Err(Fault::limit(
                self.place(),
                format!("this expression is nested deeper than {MAX_DEPTH}"),
            ));
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }

    /// One line: statements with `;` between them.
    fn line(&mut self, found: &mut Vec<Statement>) -> Result<(), Fault> {
        if *self.kind() == TokenKind::Indent {
            return Err(Fault::syntax(self.place(), "this line is indented but belongs to no block"));
        }
        loop {
            let place = self.place();
            let kind = self.statement()?;
            found.push(Statement { place, kind });
            let separated = self.take_op(";");
            if *self.kind() == TokenKind::Newline {
                self.advance();
                return Ok(());
            }
            if !separated {
                return Err(self.unexpected("the end of the line"));
            }
        }
    }

    fn statement(&mut self) -> Result<StatementKind, Fault> {
        if let TokenKind::Name(word) = self.kind() {
            let assigned = matches!(self.next_kind(), TokenKind::Op("="));
            if word == "pass" {
                self.advance();
                return Ok(StatementKind::Nothing);
            }
            if LATER.contains(&word.as_str()) && !assigned {
                let what = format!("`{word}` is Python that this version of xm does not evaluate yet");
                return Err(Fault::unsupported(self.place(), what));
            }
        }
        let first = self.expression_list()?;
        if self.is_op("=") {
            return self.assignment(first);
        }
        if let TokenKind::Op(op) = self.kind()
            && let Some(op) = op.strip_suffix('=').and_then(BinaryOp::of)
        {
            let target = target(first)?;
            if matches!(target, Target::Several(_)) {
                return Err(self.unexpected("the end of the line"));
            }
            self.advance();
            return Ok(StatementKind::Augment(target, op, self.expression_list()?));
        }
        Ok(StatementKind::Value(first))
    }

    fn assignment(&mut self, first: Expr) -> Result<StatementKind, Fault> {
        let mut targets = Vec::new();
        let mut value = first;
        while self.take_op("=") {
            targets.push(target(value)?);
            value = self.expression_list()?;
        }
        Ok(StatementKind::Assign(targets, value))
    }
}

/// May the name be a variable?
pub(super) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// Reads an expression as something that can be assigned to.
fn target(expr: Expr) -> Result<Target, Fault> {
    match expr.kind {
        ExprKind::Name(name) if name == "None" => Err(Fault::syntax(expr.place, "cannot assign to None")),
        ExprKind::Name(name) => Ok(Target::Name(name)),
        ExprKind::Tuple(items) | ExprKind::List(items) => {
            Ok(Target::Several(items.into_iter().map(target).collect::<Result<_, _>>()?))
        }
        ExprKind::Subscript(..) => {
            let what =
                "assigning to a part of a value is Python that this version of xm does not evaluate yet";
            Err(Fault::unsupported(expr.place, what))
        }
        _ => Err(Fault::syntax(expr.place, "only a variable can stand before `=`")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer;
    use super::super::source::FaultKind;
    use super::*;

    fn parse(text: &str) -> Result<Vec<Statement>, Fault> {
        statements(&lexer::tokens(text)?)
    }

    fn fault(text: &str) -> String {
        let fault = parse(text).unwrap_err();
        format!("{} {}", fault.place, fault.what)
    }

    #[test]
    fn statements_share_a_line_with_semicolons() {
        assert_eq!(parse("a = 1; b = 2;\nc = 3").unwrap().len(), 3);
        assert_eq!(parse("# nothing\n\n").unwrap().len(), 0);
    }

    #[test]
    fn faults_say_what_was_found_and_what_was_wanted() {
        assert_eq!(fault("a = = 2"), "1:5 unexpected `=`, wanted a value");
        assert_eq!(fault("a = 1 2"), "1:7 unexpected a number, wanted the end of the line");
        assert_eq!(fault("memory 512"), "1:8 unexpected a number, wanted the end of the line");
        assert_eq!(fault("a = [1, 2"), "1:5 `[` is never closed");
        assert_eq!(fault("a = [1 2]"), "1:8 unexpected a number, wanted `]`");
        assert_eq!(fault("  a = 1"), "1:3 this line is indented but belongs to no block");
        assert_eq!(fault("5 = a"), "1:1 only a variable can stand before `=`");
        assert_eq!(fault("a ="), "1:4 unexpected the end of the line, wanted a value");
    }

    #[test]
    fn python_that_is_not_evaluated_is_named() {
        for text in ["import os", "def f(): pass", "if a: b = 1", "for a in b: pass", "a = f(1)", "a = os.x"]
        {
            assert_eq!(parse(text).unwrap_err().kind, FaultKind::Unsupported, "{text}");
        }
        assert_eq!(
            fault("a = 1\nimport os, re"),
            "2:1 `import` is Python that this version of xm does not evaluate yet"
        );
    }

    #[test]
    fn long_lines_are_fine_and_deep_ones_are_refused() {
        assert!(parse(&format!("a = 1{}", " + 1".repeat(50_000))).is_ok());
        assert!(parse(&format!("a = {}1", "x[0] and ".repeat(5_000))).is_ok());
        for deep in ["not ", "- ", "1 ** ", "1 if 2 else "] {
            assert!(fault(&format!("a = {}1", deep.repeat(20_000))).contains("nested deeper"), "{deep}");
        }
    }
}
