//! Faults with the variable that they come from. A conversion goes on after a fault, so that a person sees all of them
//! at once; the first one is the one that the original stopped at.

use super::ConvertError;

/// More findings help nobody, and a file could make a million of them.
const MOST: usize = 1000;

/// Something wrong, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The variable.
    pub variable: &'static str,
    /// Which entry of a list; the first is 0.
    pub entry: Option<usize>,
    /// What is wrong.
    pub error: ConvertError,
}

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: Vec<Finding>,
}

impl Faults {
    /// Notes a fault of a whole variable; further ones of the same variable say the same, so the first is kept. (A
    /// string instead of a list would give one for each of its letters.)
    pub(super) fn variable(&mut self, variable: &'static str, error: ConvertError) {
        self.entry(variable, None, error);
    }

    /// Notes a fault of an entry of a list.
    pub(super) fn entry(&mut self, variable: &'static str, entry: Option<usize>, error: ConvertError) {
        let same = |known: &Finding| known.variable == variable && known.entry.is_none();
        if self.found.len() < MOST && (entry.is_some() || !self.found.iter().any(same)) {
            self.found.push(Finding { variable, entry, error });
        }
    }

    /// The value of a result; a fault is noted.
    pub(super) fn check<T>(
        &mut self,
        (variable, entry): (&'static str, Option<usize>),
        result: Result<T, ConvertError>,
    ) -> Option<T> {
        result.map_err(|error| self.entry(variable, entry, error)).ok()
    }

    /// All of them, in the order of noting.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.found
    }
}
