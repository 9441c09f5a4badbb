//! The bounds of an evaluation: steps and bytes of values. Charged before anything is done or allocated.

use super::source::{Fault, Place};

/// Most steps (nodes evaluated) of a file.
pub(super) const MAX_STEPS: usize = 100_000;
/// Most bytes of values that a file makes.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// What an item of a list costs.
const ITEM: usize = 32;

/// What is left to spend.
#[derive(Debug)]
pub(super) struct Budget {
    steps: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: MAX_STEPS, bytes: MAX_BYTES }
    }
}

impl Budget {
    /// One node is about to be evaluated.
    pub(super) fn step(&mut self, place: Place) -> Result<(), Fault> {
        self.steps = self
            .steps
            .checked_sub(1)
            .ok_or_else(|| Fault::limit(place, format!("this file takes more than {MAX_STEPS} steps")))?;
        Ok(())
    }

    /// Text of that many bytes is about to be made.
    pub(super) fn charge(&mut self, place: Place, bytes: usize) -> Result<(), Fault> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            Fault::limit(place, format!("the values of this file need more than {} MiB", MAX_BYTES >> 20))
        })?;
        Ok(())
    }

    /// A list of that many items is about to be made.
    pub(super) fn charge_items(&mut self, place: Place, items: usize) -> Result<(), Fault> {
        self.charge(place, items.saturating_mul(ITEM))
    }
}
