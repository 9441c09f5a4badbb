//! Statements.

use std::rc::Rc;

use super::super::ast::{Block, Ending, Expr, For, FunctionDef, Name, Print, Statement, StatementKind};
use super::super::class::Class;
use super::super::modules;
use super::super::source::Place;
use super::super::value::{Function, Value, to_text};
use super::super::world::Stream;
use super::{Interp, Outcome};

/// How a statement ends.
#[derive(Debug)]
pub(super) enum Flow {
    /// The next one follows.
    Next,
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// `return`.
    Return(Value),
}

impl Interp<'_> {
    /// Statements one after the other.
    pub(super) fn block(&mut self, block: &Block) -> Outcome<Flow> {
        for statement in block {
            match self.statement(statement)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, statement: &Statement) -> Outcome<Flow> {
        self.room.place = statement.place;
        self.deeper(|interp| match &statement.kind {
            StatementKind::If(branches, otherwise) => interp.branch(branches, otherwise),
            StatementKind::While(condition, body, otherwise) => interp.while_loop(condition, body, otherwise),
            StatementKind::For(parts) => interp.for_loop(parts),
            StatementKind::Try(parts) => interp.try_block(parts),
            StatementKind::Break => Ok(Flow::Break),
            StatementKind::Continue => Ok(Flow::Continue),
            StatementKind::Return(None) => Ok(Flow::Return(Value::None)),
            StatementKind::Return(Some(value)) => Ok(Flow::Return(interp.expr(value)?)),
            _ => interp.simple(statement).map(|()| Flow::Next),
        })
    }

    fn simple(&mut self, statement: &Statement) -> Outcome<()> {
        let place = statement.place;
        match &statement.kind {
            StatementKind::Assign(targets, value) => {
                let value = self.expr(value)?;
                targets.iter().try_for_each(|target| self.assign(place, target, value.clone()))
            }
            StatementKind::Augment(target, op, value) => self.augment(place, target, *op, value),
            StatementKind::Value(value) => self.expr(value).map(drop),
            StatementKind::Delete(targets) => {
                targets.iter().try_for_each(|target| self.delete(place, target))
            }
            StatementKind::Print(print) => self.print_values(print),
            StatementKind::Function(def) => self.define(def),
            StatementKind::Import(names) => self.import(names),
            StatementKind::ImportFrom(module, names) => self.import_from(module, names),
            StatementKind::Global(names) => self.declare_global(names),
            StatementKind::Raise(class, argument) => {
                Err(self.raise(place, class.as_ref(), argument.as_ref()))
            }
            StatementKind::Assert(condition, text) => self.assert(place, condition, text.as_ref()),
            _ => Ok(()),
        }
    }

    fn branch(&mut self, branches: &[(Expr, Block)], otherwise: &Block) -> Outcome<Flow> {
        for (condition, block) in branches {
            if self.expr(condition)?.truth() {
                return self.block(block);
            }
        }
        self.block(otherwise)
    }

    fn while_loop(&mut self, condition: &Expr, body: &Block, otherwise: &Block) -> Outcome<Flow> {
        loop {
            self.room.step()?;
            if !self.expr(condition)?.truth() {
                return self.block(otherwise);
            }
            match self.block(body)? {
                Flow::Next | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Next),
                flow @ Flow::Return(_) => return Ok(flow),
            }
        }
    }

    fn for_loop(&mut self, parts: &For) -> Outcome<Flow> {
        let values = self.expr(&parts.values)?;
        self.room.place = parts.values.place;
        let mut cursor = self.cursor(&values)?;
        while let Some(value) = cursor.next() {
            self.room.step()?;
            self.assign(parts.values.place, &parts.target, value)?;
            match self.block(&parts.body)? {
                Flow::Next | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Next),
                flow @ Flow::Return(_) => return Ok(flow),
            }
        }
        self.block(&parts.otherwise)
    }

    fn define(&mut self, def: &Rc<FunctionDef>) -> Outcome<()> {
        let function = self.function(def)?;
        Ok(self.set_name(&def.name, function)?)
    }

    /// A function of the file, its defaults worked out.
    pub(super) fn function(&mut self, def: &Rc<FunctionDef>) -> Outcome {
        let defaults = self.all(&def.params.defaults)?;
        let defaults = self.room.tuple(defaults)?;
        let frame = self.frame.clone();
        Ok(Value::Function(Rc::new(Function { def: Rc::clone(def), defaults, frame })))
    }

    fn print_values(&mut self, print: &Print) -> Outcome<()> {
        let to = match &print.to {
            Some(to) => self.expr(to)?,
            None => Value::None,
        };
        let stream = modules::stream(&to)
            .ok_or_else(|| self.room.unsupported("print can only write to sys.stdout and sys.stderr"))?;
        let mut line = Vec::new();
        for (at, value) in print.values.iter().enumerate() {
            let value = self.expr(value)?;
            if at > 0 || (self.blank_due && stream == Stream::Out) {
                line.push(b' ');
            }
            line.extend(to_text(&mut self.room, &value)?);
        }
        if print.ending == Ending::Line {
            line.push(b'\n');
        }
        self.blank_due = print.ending == Ending::Blank && stream == Stream::Out;
        Ok(self.print(stream, &line)?)
    }

    fn import(&mut self, names: &[(Name, Name)]) -> Outcome<()> {
        for (dotted, name) in names {
            let module = modules::import(&self.room, dotted)?;
            let first = dotted.split('.').next().unwrap_or_default();
            // `import os.path` gives `os`, `import os.path as p` gives the part itself.
            let value = if **name == *first { modules::import(&self.room, first)? } else { module };
            self.set_name(name, value)?;
        }
        Ok(())
    }

    fn import_from(&mut self, dotted: &str, names: &[(Name, Name)]) -> Outcome<()> {
        if dotted == "__future__" {
            return Ok(());
        }
        let module = modules::import(&self.room, dotted)?;
        for (member, name) in names {
            if &**member == "*" {
                for (name, value) in modules::all_members(self, &module)? {
                    self.set_name(&name.into(), value)?;
                }
                continue;
            }
            let value = self.attribute(&module, member)?;
            self.set_name(name, value)?;
        }
        Ok(())
    }

    fn declare_global(&mut self, names: &[Name]) -> Outcome<()> {
        self.room.charge_items(names.len())?;
        match &self.frame {
            Some(env) => env.global.borrow_mut().extend(names.iter().cloned()),
            None => self.global_names.extend(names.iter().cloned()),
        }
        Ok(())
    }

    fn assert(&mut self, place: Place, condition: &Expr, text: Option<&Expr>) -> Outcome<()> {
        if self.expr(condition)?.truth() {
            return Ok(());
        }
        let args = match text {
            Some(text) => vec![self.expr(text)?],
            None => Vec::new(),
        };
        Err(self.error(place, Class::Assertion, args))
    }
}
