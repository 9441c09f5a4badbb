//! The classes of errors that a file can raise and catch, and which of them are kinds of which others.

/// A class of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Everything that can be raised.
    Base,
    /// What `sys.exit` raises.
    Exit,
    /// `KeyboardInterrupt`.
    Interrupt,
    /// `Exception`.
    Exception,
    /// `StopIteration`.
    StopIteration,
    /// `StandardError`, Python 2's root of the built-in errors.
    Standard,
    /// `ArithmeticError`.
    Arithmetic,
    /// `ZeroDivisionError`.
    ZeroDivision,
    /// `OverflowError`.
    Overflow,
    /// `LookupError`.
    Lookup,
    /// `IndexError`.
    Index,
    /// `KeyError`.
    Key,
    /// `NameError`.
    Name,
    /// `UnboundLocalError`.
    UnboundLocal,
    /// `TypeError`.
    Type,
    /// `ValueError`.
    Value,
    /// `UnicodeError`.
    Unicode,
    /// `AttributeError`.
    Attribute,
    /// `ImportError`.
    Import,
    /// `EnvironmentError`.
    Environment,
    /// `IOError`.
    Io,
    /// `OSError`.
    Os,
    /// `socket.error`.
    Socket,
    /// `RuntimeError`.
    Runtime,
    /// `NotImplementedError`.
    NotImplemented,
    /// `AssertionError`.
    Assertion,
    /// `SyntaxError`.
    Syntax,
    /// `re.error`.
    Regex,
}

/// Every class, its name and the class that it is a kind of; a parent stands before its children.
const CLASSES: [(Class, &str, Class); 28] = [
    (Class::Base, "BaseException", Class::Base),
    (Class::Exit, "SystemExit", Class::Base),
    (Class::Interrupt, "KeyboardInterrupt", Class::Base),
    (Class::Exception, "Exception", Class::Base),
    (Class::StopIteration, "StopIteration", Class::Exception),
    (Class::Standard, "StandardError", Class::Exception),
    (Class::Arithmetic, "ArithmeticError", Class::Standard),
    (Class::ZeroDivision, "ZeroDivisionError", Class::Arithmetic),
    (Class::Overflow, "OverflowError", Class::Arithmetic),
    (Class::Lookup, "LookupError", Class::Standard),
    (Class::Index, "IndexError", Class::Lookup),
    (Class::Key, "KeyError", Class::Lookup),
    (Class::Name, "NameError", Class::Standard),
    (Class::UnboundLocal, "UnboundLocalError", Class::Name),
    (Class::Type, "TypeError", Class::Standard),
    (Class::Value, "ValueError", Class::Standard),
    (Class::Unicode, "UnicodeError", Class::Value),
    (Class::Attribute, "AttributeError", Class::Standard),
    (Class::Import, "ImportError", Class::Standard),
    (Class::Environment, "EnvironmentError", Class::Standard),
    (Class::Io, "IOError", Class::Environment),
    (Class::Os, "OSError", Class::Environment),
    (Class::Socket, "error", Class::Io),
    (Class::Runtime, "RuntimeError", Class::Standard),
    (Class::NotImplemented, "NotImplementedError", Class::Runtime),
    (Class::Assertion, "AssertionError", Class::Standard),
    (Class::Syntax, "SyntaxError", Class::Standard),
    (Class::Regex, "error", Class::Exception),
];

impl Class {
    /// The built-in class of that name.
    pub fn of(name: &str) -> Option<Self> {
        let known = CLASSES.iter().find(|(class, known, _)| *known == name && !class.in_module());
        known.map(|(class, ..)| *class)
    }

    /// Its name in Python.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Is it that class, or a kind of it?
    pub fn is(self, other: Class) -> bool {
        let mut class = self;
        while class != other && class != Class::Base {
            class = class.row().2;
        }
        class == other
    }

    /// Does a module hold it, and not the language itself?
    fn in_module(self) -> bool {
        matches!(self, Class::Socket | Class::Regex)
    }

    fn row(self) -> &'static (Class, &'static str, Class) {
        CLASSES.iter().find(|(class, ..)| *class == self).unwrap_or(&CLASSES[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_of_its_own_class_and_of_those_above() {
        assert!(Class::Key.is(Class::Lookup) && Class::Key.is(Class::Standard) && Class::Key.is(Class::Base));
        assert!(!Class::Key.is(Class::Index) && !Class::Exit.is(Class::Exception));
        assert!(!Class::Exception.is(Class::Standard));
        assert_eq!(Class::of("ValueError"), Some(Class::Value));
        assert_eq!(Class::of("error"), None);
    }
}
