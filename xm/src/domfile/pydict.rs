//! A dictionary that lists its keys in the order of Python 2's.
//!
//! The members of a `(vif …)` come in the order in which a 64-bit CPython 2.7 walked its hash table. Nobody should
//! depend on it, but people compare dry runs of old and new hosts, and the same order costs sixty lines: the string
//! hash, a table of 8 slots that is rebuilt four times as large when two thirds are in use, and open addressing.

/// One place of the table.
#[derive(Clone, Debug)]
enum Slot {
    Empty,
    /// A removed key: walked over when searching, used again when inserting.
    Removed,
    Used(String, String),
}

/// Text to text, in the order of a Python 2 dictionary.
#[derive(Clone, Debug)]
pub(super) struct PyDict {
    slots: Vec<Slot>,
    /// Slots that are not `Empty`.
    filled: usize,
    used: usize,
}

impl Default for PyDict {
    fn default() -> Self {
        Self { slots: vec![Slot::Empty; 8], filled: 0, used: 0 }
    }
}

impl PyDict {
    /// Sets a key.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        let at = self.find(key);
        match &mut self.slots[at] {
            Slot::Used(_, old) => value.clone_into(old),
            slot => {
                self.filled += usize::from(matches!(slot, Slot::Empty));
                *slot = Slot::Used(key.to_owned(), value.to_owned());
                self.used += 1;
                if self.filled * 3 >= self.slots.len() * 2 {
                    self.grow();
                }
            }
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        match &self.slots[self.find(key)] {
            Slot::Used(_, value) => Some(value),
            Slot::Empty | Slot::Removed => None,
        }
    }

    /// Removes a key and tells its value.
    pub(super) fn remove(&mut self, key: &str) -> Option<String> {
        let at = self.find(key);
        if !matches!(self.slots[at], Slot::Used(..)) {
            return None;
        }
        self.used -= 1;
        match std::mem::replace(&mut self.slots[at], Slot::Removed) {
            Slot::Used(_, value) => Some(value),
            Slot::Empty | Slot::Removed => None,
        }
    }

    /// Keys and values in Python's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Used(key, value) => Some((key.as_str(), value.as_str())),
            Slot::Empty | Slot::Removed => None,
        })
    }

    /// The slot of the key, or the one where it belongs.
    fn find(&self, key: &str) -> usize {
        let hash = hash(key);
        let mask = self.slots.len() - 1;
        let mut at = hash;
        let mut perturb = hash;
        let mut removed = None;
        loop {
            let slot = usize::try_from(at & mask as u64).unwrap_or(0);
            match &self.slots[slot] {
                Slot::Empty => return removed.unwrap_or(slot),
                Slot::Removed => removed = removed.or(Some(slot)),
                Slot::Used(known, _) if known == key => return slot,
                Slot::Used(..) => {}
            }
            at = (at << 2).wrapping_add(at).wrapping_add(perturb).wrapping_add(1);
            perturb >>= 5;
        }
    }

    fn grow(&mut self) {
        let wanted = self.used * 4;
        let size = std::iter::successors(Some(8usize), |size| Some(size * 2)).find(|size| *size > wanted);
        let old = std::mem::replace(&mut self.slots, vec![Slot::Empty; size.unwrap_or(8)]);
        (self.filled, self.used) = (0, 0);
        for slot in old {
            if let Slot::Used(key, value) = slot {
                self.set(&key, &value);
            }
        }
    }
}

/// The hash of a string in a 64-bit Python 2 without `-R`.
fn hash(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let Some(first) = bytes.first() else { return 0 };
    let start = u64::from(*first) << 7;
    let mixed = bytes.iter().fold(start, |hash, byte| hash.wrapping_mul(1_000_003) ^ u64::from(*byte));
    let hash = mixed ^ bytes.len() as u64;
    if hash == u64::MAX { u64::MAX - 1 } else { hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(keys: &[&str]) -> Vec<String> {
        let mut dict = PyDict::default();
        keys.iter().for_each(|key| dict.set(key, ""));
        dict.iter().map(|(key, _)| key.to_owned()).collect()
    }

    #[test]
    fn keys_come_in_the_order_that_the_original_printed() {
        assert_eq!(order(&["mac", "bridge"]), ["bridge", "mac"]);
        assert_eq!(order(&["mac", "bridge", "script", "model"]), ["bridge", "mac", "model", "script"]);
        assert_eq!(order(&["model", "mac", "ip", "bridge"]), ["ip", "model", "mac", "bridge"]);
        assert_eq!(order(&["mac", "ip", "script"]), ["ip", "mac", "script"]);
    }

    #[test]
    fn a_key_that_is_set_again_has_the_later_value() {
        let mut dict = PyDict::default();
        dict.set("mac", "a");
        dict.set("mac", "b");
        assert_eq!(dict.iter().collect::<Vec<_>>(), [("mac", "b")]);
        assert_eq!(dict.remove("mac").as_deref(), Some("b"));
        assert_eq!(dict.get("mac"), None);
        assert_eq!(dict.remove("mac"), None);
    }

    #[test]
    fn many_keys_and_removals_end() {
        let mut dict = PyDict::default();
        for n in 0..1000 {
            dict.set(&format!("key{n}"), "x");
            if n % 3 == 0 {
                dict.remove(&format!("key{n}"));
            }
        }
        assert_eq!(dict.iter().count(), 666);
    }
}
