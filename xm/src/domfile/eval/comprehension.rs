//! Comprehensions. A generator is worked out at once; nothing that a domain file can do tells the difference.

use super::super::ast::{Clause, Comprehension, Makes};
use super::super::value::{Dict, Value};
use super::{Interp, Outcome};

/// What has been made so far.
struct Made<'a> {
    parts: &'a Comprehension,
    items: Vec<Value>,
    dict: Dict,
}

impl Interp<'_> {
    /// The list, set, dictionary or generator.
    pub(super) fn comprehension(&mut self, parts: &Comprehension) -> Outcome {
        let mut made = Made { parts, items: Vec::new(), dict: Dict::default() };
        // The variables of a list comprehension stay, as in Python 2; those of the others do not.
        let outer = self.frame.clone();
        if parts.makes != Makes::List {
            let frame = self.room.frame(outer.clone())?;
            self.frame = Some(frame);
        }
        let result = self.clauses(&mut made, 0);
        self.frame = outer;
        result?;
        let Made { items, dict, .. } = made;
        Ok(match parts.makes {
            Makes::List => self.room.list(items)?,
            Makes::Generator => self.room.iterator(items)?,
            Makes::Set => self.room.set(dict)?,
            Makes::Dict => self.room.dict(dict)?,
        })
    }

    fn clauses(&mut self, made: &mut Made<'_>, at: usize) -> Outcome<()> {
        let parts = made.parts;
        match parts.clauses.get(at) {
            None => self.produce(made),
            Some(Clause::If(condition)) => {
                if self.expr(condition)?.truth() {
                    self.deeper(|interp| interp.clauses(made, at + 1))?;
                }
                Ok(())
            }
            Some(Clause::For(target, values)) => {
                let place = values.place;
                let values = self.expr(values)?;
                self.room.place = place;
                let mut cursor = self.cursor(&values)?;
                while let Some(value) = cursor.next() {
                    self.assign(place, target, value)?;
                    self.deeper(|interp| interp.clauses(made, at + 1))?;
                }
                Ok(())
            }
        }
    }

    fn produce(&mut self, made: &mut Made<'_>) -> Outcome<()> {
        let item = self.expr(&made.parts.item)?;
        match (made.parts.makes, &made.parts.value) {
            (Makes::List | Makes::Generator, _) => {
                self.room.charge_items(1)?;
                made.items.push(item);
            }
            (_, Some(value)) => {
                let value = self.expr(value)?;
                made.dict.set(&mut self.room, item, value)?;
            }
            (_, None) => made.dict.set(&mut self.room, item, Value::None)?,
        }
        Ok(())
    }
}
