//! The variables of a domain: their defaults, how the command line sets them, and what a file's values mean.
//!
//! A value given on the command line stays, whatever the file says. From the file count only values of type `str`,
//! `int`, `float` and `list`; the original ignored all others without a word, and so do we, but [`Ignored`] lets a
//! person at a terminal know.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;
use xend_api::Sxp;

use super::eval::Scope;
use super::value::Value;
use super::variables::{self, Setter};

/// Nesting of lists beyond which a value is refused.
const MAX_DEPTH: usize = 60;
/// Longest list, all nested ones counted: lists can share their parts, so a small file could write an endless one.
const MAX_ITEMS: usize = 100_000;

/// The values of all variables.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, Sxp>,
    specified: BTreeSet<String>,
}

/// A variable whose value has a type that counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ignored {
    /// The variable.
    pub name: String,
    /// The type's name in Python.
    pub type_name: &'static str,
}

/// What is wrong with `name=value` on the command line, or with a value of the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingError {
    /// Not a whole number.
    #[error("Invalid value: {value}")]
    NotANumber {
        /// The variable.
        name: String,
        /// What was given.
        value: String,
    },
    /// Neither yes nor no.
    #[error("Invalid value:{value}")]
    NotYesOrNo {
        /// The variable.
        name: String,
        /// What was given.
        value: String,
    },
    /// A list that never ends, or nearly so.
    #[error(
        "cannot use the value of {name}: it has more than {MAX_ITEMS} parts or nests deeper than {MAX_DEPTH}"
    )]
    TooBig {
        /// The variable.
        name: String,
    },
}

impl SettingError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NotANumber { name, .. } => format!("write a whole number, for example {name}=1"),
            Self::NotYesOrNo { name, .. } => format!("write {name}=yes or {name}=no"),
            Self::TooBig { name } => format!("make {name} a plain list of strings"),
        }
    }
}

const NIL: &Sxp = &Sxp::Nil;

impl Settings {
    /// All variables at their defaults.
    pub fn new() -> Self {
        let defaults = variables::all().iter().map(|known| (known.name.to_owned(), known.initial.value()));
        Self { values: defaults.collect(), specified: BTreeSet::new() }
    }

    /// The value of a variable, nil if it has none.
    pub fn get(&self, name: &str) -> &Sxp {
        self.values.get(name).unwrap_or(NIL)
    }

    /// Is the value neither 0, nor empty, nor nil?
    pub fn truthy(&self, name: &str) -> bool {
        truthy(self.get(name))
    }

    /// Did the command line set it?
    pub fn is_specified(&self, name: &str) -> bool {
        self.specified.contains(name)
    }

    /// The value as text; nil is no text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).atom()
    }

    /// Gives a variable a value.
    pub fn set(&mut self, name: &str, value: impl Into<Sxp>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// `name=value` of the command line; false if no such variable is known.
    pub fn specify(&mut self, name: &str, text: &str) -> Result<bool, SettingError> {
        let Some(variable) = variables::find(name) else { return Ok(false) };
        let value = match variable.setter {
            Setter::Text => Sxp::from(text),
            Setter::Int => {
                Sxp::Int(whole(text).ok_or_else(|| SettingError::NotANumber {
                    name: name.to_owned(),
                    value: text.to_owned(),
                })?)
            }
            Setter::YesNo => match text {
                "yes" | "y" => Sxp::Int(1),
                "no" | "n" => Sxp::Int(0),
                _ => {
                    return Err(SettingError::NotYesOrNo { name: name.to_owned(), value: text.to_owned() });
                }
            },
            Setter::Append => {
                let mut items = match self.values.get(name) {
                    Some(Sxp::List(items)) if self.specified.contains(name) => items.clone(),
                    _ => Vec::new(),
                };
                items.push(text.into());
                Sxp::List(items)
            }
        };
        self.set(name, value);
        self.specified.insert(name.to_owned());
        Ok(true)
    }

    /// Takes over what a file left in its scope.
    pub fn absorb(&mut self, scope: &Scope) -> Result<Vec<Ignored>, SettingError> {
        let mut ignored = Vec::new();
        for (name, value) in scope.iter() {
            let counts = matches!(value, Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::List(_));
            if !counts {
                if variables::is_used(name) {
                    ignored.push(Ignored { name: name.to_owned(), type_name: value.type_name() });
                }
            } else if !self.specified.contains(name) {
                let mut left = MAX_ITEMS;
                let value = plain(value, 0, &mut left)
                    .ok_or_else(|| SettingError::TooBig { name: name.to_owned() })?;
                self.set(name, value);
            }
        }
        ignored.sort();
        Ok(ignored)
    }
}

/// Is the value neither 0, nor empty, nor nil?
pub fn truthy(value: &Sxp) -> bool {
    match value {
        Sxp::Nil => false,
        Sxp::Bool(b) => *b,
        Sxp::Int(n) => *n != 0,
        Sxp::Float(n) => *n != 0.0,
        Sxp::Text(text) => !text.is_empty(),
        Sxp::List(items) => !items.is_empty(),
        Sxp::Struct(members) => !members.is_empty(),
    }
}

/// Python's `int('…')`: blanks around it, a sign and blanks behind the sign are fine, nothing else.
fn whole(text: &str) -> Option<i64> {
    let text = text.trim_ascii();
    let digits = text.trim_start_matches(['+', '-']);
    match &text[..text.len() - digits.len()] {
        "" | "+" => digits.trim_ascii().parse().ok(),
        "-" => format!("-{}", digits.trim_ascii()).parse().ok(),
        _ => None,
    }
}

fn plain(value: &Value, depth: usize, left: &mut usize) -> Option<Sxp> {
    *left = left.checked_sub(1)?;
    if depth > MAX_DEPTH {
        return None;
    }
    Some(match value {
        Value::None => Sxp::Nil,
        Value::Bool(b) => Sxp::Bool(*b),
        Value::Int(n) => Sxp::Int(*n),
        Value::Long(n) => i64::try_from(*n).map_or_else(|_| Sxp::Text(n.to_string()), Sxp::Int),
        Value::Float(n) => Sxp::Float(*n),
        Value::Text(_) | Value::Unicode(_) => Sxp::Text(value.to_text()),
        Value::List(_) | Value::Tuple(_) => {
            let items = value.items().unwrap_or_default();
            Sxp::List(items.iter().map(|item| plain(item, depth + 1, left)).collect::<Option<_>>()?)
        }
        Value::Dict(_) => {
            let member =
                |(key, value): (Value, Value)| Some((key.to_text(), plain(&value, depth + 1, left)?));
            Sxp::Struct(value.entries().unwrap_or_default().into_iter().map(member).collect::<Option<_>>()?)
        }
        other => Sxp::Text(other.to_text()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_over_the_file() {
        let mut settings = Settings::new();
        assert_eq!(settings.specify("memory", " 256 "), Ok(true));
        let mut scope = Scope::default();
        scope.set("memory", Value::Int(64));
        scope.set("name", Value::text("a"));
        scope.set("maxvcpus", Value::text("4"));
        settings.absorb(&scope).unwrap();
        assert_eq!(*settings.get("memory"), Sxp::Int(256));
        assert_eq!(*settings.get("name"), Sxp::from("a"));
        assert_eq!(*settings.get("maxvcpus"), Sxp::from("4"));
    }

    #[test]
    fn types_that_never_counted_do_not_count() {
        let mut settings = Settings::new();
        let mut scope = Scope::default();
        scope.set("vnc", Value::Bool(true));
        scope.set("memory", Value::Long(4096));
        scope.set("disk", Value::tuple(vec![Value::text("phy:a,hda,w")]));
        scope.set("helper", Value::None);
        let ignored = settings.absorb(&scope).unwrap();
        let names: Vec<_> = ignored.iter().map(|one| (one.name.as_str(), one.type_name)).collect();
        assert_eq!(names, [("disk", "tuple"), ("memory", "long"), ("vnc", "bool")]);
        assert_eq!((settings.get("vnc"), settings.get("memory")), (&Sxp::Nil, &Sxp::Int(128)));
    }

    #[test]
    fn words_of_the_command_line_are_checked_as_the_original_did() {
        let mut settings = Settings::new();
        let error = |result: Result<bool, SettingError>| result.unwrap_err().to_string();
        assert_eq!(error(settings.specify("memory", "0x10")), "Invalid value: 0x10");
        for (text, number) in [("- 5", -5), (" +07 ", 7), ("-9223372036854775808", i64::MIN)] {
            assert_eq!(settings.specify("memory", text), Ok(true));
            assert_eq!(*settings.get("memory"), Sxp::Int(number));
        }
        for text in ["--5", "+-5", "-", "", "\u{a0}5"] {
            assert_eq!(error(settings.specify("memory", text)), format!("Invalid value: {text}"));
        }
        assert_eq!(error(settings.specify("usb", "1")), "Invalid value:1");
        assert_eq!(settings.specify("usb", "y"), Ok(true));
        assert_eq!(settings.specify("vmid", "1"), Ok(false));
        settings.specify("vif", "").unwrap();
        settings.specify("vif", "mac=a=b").unwrap();
        assert_eq!(*settings.get("vif"), Sxp::List(vec!["".into(), "mac=a=b".into()]));
    }

    #[test]
    fn a_list_that_shares_its_parts_cannot_grow_without_end() {
        let mut value = Value::list(vec![Value::Int(1)]);
        for _ in 0..40 {
            value = Value::list(vec![value.clone(), value]);
        }
        let mut scope = Scope::default();
        scope.set("disk", value);
        let error = Settings::new().absorb(&scope).unwrap_err();
        assert_eq!(error, SettingError::TooBig { name: "disk".to_owned() });
    }
}
