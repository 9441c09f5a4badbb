//! Statements with blocks.

use std::rc::Rc;

use super::super::ast::{
    Block, Body, Expr, ExprKind, For, FunctionDef, Handler, Name, Params, StatementKind, Try,
};
use super::super::lexer::TokenKind;
use super::super::source::Fault;
use super::{Parser, target};

impl Parser<'_> {
    /// The compound statement that begins here, if one does.
    pub(super) fn compound(&mut self) -> Result<Option<StatementKind>, Fault> {
        let TokenKind::Name(word) = self.kind() else { return Ok(None) };
        let parse: fn(&mut Self) -> Result<StatementKind, Fault> = match &**word {
            "if" => Self::if_statement,
            "while" => Self::while_statement,
            "for" => Self::for_statement,
            "def" => Self::function,
            "try" => Self::try_statement,
            _ => return Ok(None),
        };
        self.deeper(|parser| {
            parser.at += 1;
            parse(parser).map(Some)
        })
    }

    /// `: statement` on the same line, or an indented block.
    fn block(&mut self) -> Result<Block, Fault> {
        self.expect_op(":")?;
        let mut block = Block::new();
        if !self.take_kind(&TokenKind::Newline) {
            self.statement(&mut block)?;
            return Ok(block);
        }
        if !self.take_kind(&TokenKind::Indent) {
            return Err(self.unexpected("an indented block"));
        }
        while !matches!(self.kind(), TokenKind::Dedent | TokenKind::End) {
            self.one(&mut block);
        }
        self.take_kind(&TokenKind::Dedent);
        Ok(block)
    }

    fn loop_block(&mut self) -> Result<Block, Fault> {
        self.loops += 1;
        let block = self.block();
        self.loops -= 1;
        block
    }

    fn otherwise(&mut self) -> Result<Block, Fault> {
        if self.take_word("else") { self.block() } else { Ok(Block::new()) }
    }

    fn if_statement(&mut self) -> Result<StatementKind, Fault> {
        let mut branches = Vec::new();
        loop {
            let condition = self.condition()?;
            branches.push((condition, self.block()?));
            if !self.take_word("elif") {
                break;
            }
        }
        Ok(StatementKind::If(branches, self.otherwise()?))
    }

    /// A condition; `if a = 1` deserves a better word than "unexpected `=`".
    fn condition(&mut self) -> Result<Expr, Fault> {
        let condition = self.expression()?;
        if self.is_op("=") {
            return Err(Fault::syntax(self.place(), "`=` sets a variable; write `==` to compare"));
        }
        Ok(condition)
    }

    fn while_statement(&mut self) -> Result<StatementKind, Fault> {
        let condition = self.condition()?;
        let body = self.loop_block()?;
        Ok(StatementKind::While(condition, body, self.otherwise()?))
    }

    fn for_statement(&mut self) -> Result<StatementKind, Fault> {
        let target = self.for_target()?;
        self.expect_word("in")?;
        let values = self.expressions()?;
        let body = self.loop_block()?;
        let otherwise = self.otherwise()?;
        Ok(StatementKind::For(Box::new(For { target, values, body, otherwise })))
    }

    fn function(&mut self) -> Result<StatementKind, Fault> {
        let name = self.expect_name()?;
        self.expect_op("(")?;
        let params = self.params(")")?;
        self.expect_op(")")?;
        if self.take_op("->") {
            self.expression()?;
        }
        let loops = std::mem::take(&mut self.loops);
        self.functions += 1;
        let body = self.block();
        self.functions -= 1;
        self.loops = loops;
        Ok(StatementKind::Function(Rc::new(FunctionDef { name, params, body: Body::Block(body?) })))
    }

    /// Parameters up to a closing sign.
    pub(super) fn params(&mut self, close: &str) -> Result<Params, Fault> {
        let mut params = Params::default();
        let typed = close == ")";
        while !self.is_op(close) {
            let place = self.place();
            if self.take_op("**") {
                params.keywords = Some(self.param(typed)?);
            } else if self.take_op("*") {
                params.rest = Some(self.param(typed)?);
            } else {
                if self.is_op("(") {
                    let what = "parameters in brackets are not provided; unpack them in the function";
                    return Err(Fault::unsupported(place, what));
                }
                if params.rest.is_some() || params.keywords.is_some() {
                    return Err(Fault::syntax(place, "`*` and `**` parameters come last"));
                }
                params.names.push(self.param(typed)?);
                if self.take_op("=") {
                    params.defaults.push(self.expression()?);
                } else if !params.defaults.is_empty() {
                    return Err(Fault::syntax(
                        place,
                        "a parameter without default behind one with a default",
                    ));
                }
            }
            if !self.take_op(",") {
                break;
            }
        }
        Ok(params)
    }

    fn param(&mut self, typed: bool) -> Result<Name, Fault> {
        let name = self.expect_name()?;
        if typed && self.take_op(":") {
            self.expression()?;
        }
        Ok(name)
    }

    fn try_statement(&mut self) -> Result<StatementKind, Fault> {
        let place = self.place();
        let body = self.block()?;
        let mut handlers = Vec::new();
        while self.take_word("except") {
            handlers.push(self.handler()?);
        }
        let otherwise = if handlers.is_empty() { Block::new() } else { self.otherwise()? };
        let finally = if self.take_word("finally") { self.block()? } else { Block::new() };
        if handlers.is_empty() && finally.is_empty() {
            return Err(Fault::syntax(place, "`try` without `except` or `finally`"));
        }
        Ok(StatementKind::Try(Box::new(Try { body, handlers, otherwise, finally })))
    }

    fn handler(&mut self) -> Result<Handler, Fault> {
        let (mut classes, mut target) = (None, None);
        if !self.is_op(":") {
            let first = self.expression()?;
            if self.take_word("as") || self.take_op(",") {
                target = Some(target::of(self.expression()?)?);
            }
            classes = Some(first);
        }
        if let Some(Expr { place, kind: ExprKind::Text(_) }) = &classes {
            return Err(Fault::unsupported(*place, "errors that are strings are not provided"));
        }
        Ok(Handler { classes, target, body: self.block()? })
    }
}
