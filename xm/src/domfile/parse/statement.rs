//! Statements of one line.

use super::super::ast::{BinaryOp, Block, Ending, Expr, Name, Print, Statement, StatementKind};
use super::super::lexer::TokenKind;
use super::super::source::{Fault, Place};
use super::{Parser, target};

/// Statements that Python has and domain files do not.
const REFUSED: [(&str, &str); 5] = [
    ("class", "classes cannot be defined in a domain file; use functions, lists and dictionaries"),
    ("with", "`with` is not provided in a domain file; there is nothing that could be opened"),
    ("yield", "generators cannot be written in a domain file; return a list instead"),
    ("nonlocal", "`nonlocal` is not provided in a domain file; return the value instead"),
    ("async", "`async` is not provided in a domain file"),
];

impl Parser<'_> {
    /// A compound statement, or a line of simple ones.
    pub(super) fn statement(&mut self, block: &mut Block) -> Result<(), Fault> {
        let place = self.place();
        if let TokenKind::Name(word) = self.kind() {
            let refused = REFUSED.iter().find(|(known, _)| *known == &**word);
            if let Some((_, sentence)) = refused
                && matches!(self.ahead(1), TokenKind::Name(_) | TokenKind::Newline)
            {
                return Err(Fault::unsupported(place, *sentence));
            }
            if let Some(kind) = self.compound()? {
                block.push(Statement { place, kind });
                return Ok(());
            }
        }
        if self.is_op("@") {
            return Err(Fault::unsupported(place, "decorators are not provided in a domain file"));
        }
        loop {
            let place = self.place();
            let kind = self.simple()?;
            block.push(Statement { place, kind });
            if !self.take_op(";") || *self.kind() == TokenKind::Newline {
                break;
            }
        }
        if self.take_kind(&TokenKind::Newline) {
            return Ok(());
        }
        Err(self.unexpected("the end of the line"))
    }

    fn simple(&mut self) -> Result<StatementKind, Fault> {
        let TokenKind::Name(word) = self.kind() else { return self.value_or_assignment() };
        let place = self.place();
        match &**word {
            "print" if self.is_print_statement() => {
                self.at += 1;
                self.print()
            }
            "pass" => self.word(StatementKind::Nothing),
            "break" | "continue" => {
                if self.loops == 0 {
                    return Err(Fault::syntax(place, format!("`{word}` outside a loop")));
                }
                self.word(if &**word == "break" { StatementKind::Break } else { StatementKind::Continue })
            }
            "return" => self.return_value(place),
            "del" => {
                self.at += 1;
                let targets = self.expressions()?;
                Ok(StatementKind::Delete(target::all(targets)?))
            }
            "import" => self.import(),
            "from" => self.import_from(),
            "global" => {
                self.at += 1;
                let mut names = vec![self.expect_name()?];
                while self.take_op(",") {
                    names.push(self.expect_name()?);
                }
                Ok(StatementKind::Global(names))
            }
            "raise" => self.raise(),
            "assert" => {
                self.at += 1;
                let condition = self.expression()?;
                let text = if self.take_op(",") { Some(self.expression()?) } else { None };
                Ok(StatementKind::Assert(condition, text))
            }
            "exec" if !matches!(self.ahead(1), TokenKind::Op("=" | ".")) => Err(Fault::unsupported(
                place,
                "exec runs text as a program, which a domain file may not do; write the statements into the file",
            )),
            _ => self.value_or_assignment(),
        }
    }

    fn word(&mut self, kind: StatementKind) -> Result<StatementKind, Fault> {
        self.at += 1;
        Ok(kind)
    }

    fn return_value(&mut self, place: Place) -> Result<StatementKind, Fault> {
        if self.functions == 0 {
            return Err(Fault::syntax(place, "`return` outside a function"));
        }
        self.at += 1;
        let value = if self.at_end() { None } else { Some(self.expressions()?) };
        Ok(StatementKind::Return(value))
    }

    /// Does the simple statement end here?
    fn at_end(&self) -> bool {
        *self.kind() == TokenKind::Newline || self.is_op(";")
    }

    /// `print` as a statement; `print(…, end='')` is a call, and so is all of it where `__future__` says so.
    fn is_print_statement(&self) -> bool {
        if self.meaning.print_function {
            return false;
        }
        match self.ahead(1) {
            TokenKind::Op("(") => !self.has_named_argument(1),
            TokenKind::Op(op) => matches!(*op, "[" | "{" | "-" | "+" | "~" | "`" | ">>" | ";"),
            _ => true,
        }
    }

    /// Is there a `name=` directly inside the bracket that is so many tokens ahead?
    fn has_named_argument(&self, ahead: usize) -> bool {
        let mut depth = 0usize;
        for at in self.at + ahead..self.tokens.len() {
            match &self.tokens[at].kind {
                TokenKind::Op("(" | "[" | "{") => depth += 1,
                TokenKind::Op(")" | "]" | "}") => depth -= 1,
                TokenKind::Op("=") if depth == 1 => return true,
                TokenKind::Newline | TokenKind::End => return false,
                _ => {}
            }
            if depth == 0 {
                return false;
            }
        }
        false
    }

    fn print(&mut self) -> Result<StatementKind, Fault> {
        let mut print = Print { to: None, values: Vec::new(), ending: Ending::Line };
        if self.take_op(">>") {
            print.to = Some(self.expression()?);
            if !self.take_op(",") {
                return Ok(StatementKind::Print(Box::new(print)));
            }
        }
        while !self.at_end() {
            print.values.push(self.expression()?);
            if !self.take_op(",") {
                break;
            }
            if self.at_end() {
                print.ending = Ending::Blank;
            }
        }
        Ok(StatementKind::Print(Box::new(print)))
    }

    fn import(&mut self) -> Result<StatementKind, Fault> {
        self.at += 1;
        let mut names = Vec::new();
        loop {
            let module = self.expect_dotted()?;
            let first: Name = module.split('.').next().unwrap_or_default().into();
            let name = if self.take_word("as") { self.expect_name()? } else { first };
            names.push((module, name));
            if !self.take_op(",") {
                return Ok(StatementKind::Import(names));
            }
        }
    }

    fn import_from(&mut self) -> Result<StatementKind, Fault> {
        self.at += 1;
        let module = self.expect_dotted()?;
        self.expect_word("import")?;
        let mut names = Vec::new();
        if self.take_op("*") {
            names.push(("*".into(), "*".into()));
            return Ok(StatementKind::ImportFrom(module, names));
        }
        let bracket = self.take_op("(");
        loop {
            let member = self.expect_name()?;
            let name = if self.take_word("as") { self.expect_name()? } else { member.clone() };
            if &*module == "__future__" {
                self.future(&member);
            }
            names.push((member, name));
            if !self.take_op(",") || (bracket && self.is_op(")")) {
                break;
            }
        }
        if bracket {
            self.expect_op(")")?;
        }
        Ok(StatementKind::ImportFrom(module, names))
    }

    fn future(&mut self, feature: &str) {
        match feature {
            "division" => self.meaning.true_division = true,
            "print_function" => self.meaning.print_function = true,
            "unicode_literals" => self.meaning.unicode_literals = true,
            _ => {}
        }
    }

    fn raise(&mut self) -> Result<StatementKind, Fault> {
        self.at += 1;
        if self.at_end() {
            return Ok(StatementKind::Raise(None, None));
        }
        let class = self.expression()?;
        let mut argument = None;
        if self.take_op(",") {
            argument = Some(self.expression()?);
            if self.take_op(",") {
                self.expression()?;
            }
        } else if self.take_word("from") {
            self.expression()?;
        }
        Ok(StatementKind::Raise(Some(class), argument))
    }

    fn value_or_assignment(&mut self) -> Result<StatementKind, Fault> {
        let place = self.place();
        let first = self.expressions()?;
        if self.is_op("=") {
            let mut values = vec![first];
            while self.take_op("=") {
                values.push(self.expressions()?);
            }
            let value = values.pop().unwrap_or(Expr { place, kind: super::expr::nothing() });
            let targets = values.into_iter().map(target::of).collect::<Result<_, _>>()?;
            return Ok(StatementKind::Assign(targets, value));
        }
        if self.is_op(":") && matches!(first.kind, super::super::ast::ExprKind::Name(_)) {
            return self.annotated(first);
        }
        let TokenKind::Op(op) = self.kind() else { return Ok(StatementKind::Value(first)) };
        let Some(op) = op.strip_suffix('=').and_then(BinaryOp::of) else {
            return Ok(StatementKind::Value(first));
        };
        self.at += 1;
        let value = self.expressions()?;
        let target = target::of(first)?;
        if matches!(target, super::super::ast::Target::Several(_)) {
            return Err(Fault::syntax(place, "only one variable can stand before this operator"));
        }
        Ok(StatementKind::Augment(target, self.division(op), value))
    }

    /// `name: type = value`.
    fn annotated(&mut self, first: Expr) -> Result<StatementKind, Fault> {
        let colon = self.place();
        self.at += 1;
        self.expression().map_err(|_| Fault::syntax(colon, "unexpected `:`, wanted the end of the line"))?;
        if !self.take_op("=") {
            return Err(Fault::syntax(colon, "unexpected `:`, wanted `=`"));
        }
        let value = self.expressions()?;
        Ok(StatementKind::Assign(vec![target::of(first)?], value))
    }
}
