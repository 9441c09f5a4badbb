//! The answer to a request that failed: the numbers and texts of the original, and our reasons and hints beside
//! them. On the wire `because` and `hint` are extra members of the fault struct, which Python clients ignore.

use std::fmt;

use crate::python;

/// What sort of failure a fault reports; the numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An error that is not one of the daemon's own, a wrong number of arguments included.
    Internal = 1,
    /// The daemon refused or failed.
    Generic = 2,
    /// No domain of that name, number or UUID.
    NoDomain = 3,
}

impl FaultKind {
    /// The number on the wire.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The kind behind a number; numbers that the original never sent count as `Generic`.
    pub fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Internal,
            3 => Self::NoDomain,
            _ => Self::Generic,
        }
    }
}

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The sort of failure.
    pub kind: FaultKind,
    /// The classic text, one of `classic` where the original had one; of `NoDomain` the designator as typed.
    pub text: String,
    /// Why, outermost cause first.
    pub because: Vec<String>,
    /// What the person may do about it.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault without reasons or hint.
    pub fn new(kind: FaultKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), because: Vec::new(), hint: None }
    }

    /// An error that is not one of the daemon's own.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::new(FaultKind::Internal, text)
    }

    /// A refusal or failure of the daemon.
    pub fn generic(text: impl Into<String>) -> Self {
        Self::new(FaultKind::Generic, text)
    }

    /// No such domain; `designator` is what the caller sent.
    pub fn no_domain(designator: impl Into<String>) -> Self {
        Self::new(FaultKind::NoDomain, designator)
    }

    /// The same fault with one more reason below those it has.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.because.push(reason.into());
        self
    }

    /// The same fault with every cause of `error`, outermost first, as its reasons.
    pub fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            self.because.push(cause.to_string());
            next = cause.source();
        }
        self
    }

    /// The same fault with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// How Python shows a fault, which some texts of the original contain: `<Fault 3: 'X'>`.
    pub fn python_repr(&self) -> String {
        format!("<Fault {}: {}>", self.kind.code(), python::repr(&self.text))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_shows_as_python_shows_it() {
        assert_eq!(Fault::no_domain("nosuch").python_repr(), "<Fault 3: 'nosuch'>");
        assert_eq!(Fault::generic("it's").python_repr(), "<Fault 2: \"it's\">");
    }

    #[test]
    fn numbers_of_the_wire_survive_the_way_there_and_back() {
        for kind in [FaultKind::Internal, FaultKind::Generic, FaultKind::NoDomain] {
            assert_eq!(FaultKind::from_code(kind.code()), kind);
        }
        assert_eq!(FaultKind::from_code(-32601), FaultKind::Generic);
    }
}
