//! A hash table that lists its keys in the order of Python 2's.
//!
//! The members of a `(vif …)`, and whatever a file makes by walking a dictionary, come in the order in which a 64-bit
//! CPython 2.7 walked its table. Nobody should depend on it, but people compare dry runs of old and new hosts, and the
//! same order costs a hundred lines: a table of 8 slots that is rebuilt four times as large when two thirds are in use,
//! and open addressing. The hashes are the caller's.

/// One place of the table.
#[derive(Clone, Debug)]
enum Slot<K, V> {
    Empty,
    /// A removed key: walked over when searching, used again when inserting.
    Removed,
    Used(u64, K, V),
}

/// Keys to values.
#[derive(Clone, Debug)]
pub(super) struct Table<K, V> {
    slots: Vec<Slot<K, V>>,
    /// Slots that are not `Empty`.
    filled: usize,
    used: usize,
}

/// Where a key is, or where it belongs, and how many slots were looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    slot: usize,
    /// Slots looked at.
    pub(super) looked: usize,
}

/// Beyond this many keys a table only doubles.
const LARGE: usize = 50_000;

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { slots: Vec::new(), filled: 0, used: 0 }
    }
}

impl<K, V> Table<K, V> {
    /// A table for that many keys, as a literal makes it.
    pub(super) fn with_room(keys: usize) -> Self {
        let slots = if keys > 5 { size_above(keys) } else { 0 };
        Self { slots: empty(slots), filled: 0, used: 0 }
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Forgets all keys.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Looks for a key.
    pub(super) fn find<E>(&self, hash: u64, mut same: impl FnMut(&K) -> Result<bool, E>) -> Result<Found, E> {
        let Some(mask) = self.slots.len().checked_sub(1) else { return Ok(Found { slot: 0, looked: 0 }) };
        let (mut at, mut perturb, mut removed, mut looked) = (hash, hash, None, 0);
        loop {
            let slot = usize::try_from(at & mask as u64).unwrap_or(0);
            looked += 1;
            match &self.slots[slot] {
                Slot::Empty => return Ok(Found { slot: removed.unwrap_or(slot), looked }),
                Slot::Removed => removed = removed.or(Some(slot)),
                Slot::Used(known, key, _) if *known == hash && same(key)? => {
                    return Ok(Found { slot, looked });
                }
                Slot::Used(..) => {}
            }
            at = (at << 2).wrapping_add(at).wrapping_add(perturb).wrapping_add(1);
            perturb >>= 5;
        }
    }

    /// The entry that was found, if there is one.
    pub(super) fn get(&self, found: Found) -> Option<(&K, &V)> {
        match self.slots.get(found.slot) {
            Some(Slot::Used(_, key, value)) => Some((key, value)),
            _ => None,
        }
    }

    /// Sets what was found or not found.
    pub(super) fn put(&mut self, found: Found, hash: u64, key: K, value: V) {
        if self.slots.is_empty() {
            self.slots = empty(8);
            return self.put_new(hash, key, value);
        }
        match &mut self.slots[found.slot] {
            Slot::Used(_, _, old) => *old = value,
            slot => {
                self.filled += usize::from(matches!(slot, Slot::Empty));
                *slot = Slot::Used(hash, key, value);
                self.used += 1;
                if self.filled * 3 >= self.slots.len() * 2 {
                    self.grow();
                }
            }
        }
    }

    /// Sets a key that is not there.
    fn put_new(&mut self, hash: u64, key: K, value: V) {
        let found = self.find(hash, |_| Ok::<_, std::convert::Infallible>(false));
        let Ok(found) = found;
        self.put(found, hash, key, value);
    }

    /// Removes the entry that was found.
    pub(super) fn take(&mut self, found: Found) -> Option<(K, V)> {
        let slot = self.slots.get_mut(found.slot).filter(|slot| matches!(slot, Slot::Used(..)))?;
        self.used -= 1;
        match std::mem::replace(slot, Slot::Removed) {
            Slot::Used(_, key, value) => Some((key, value)),
            Slot::Empty | Slot::Removed => None,
        }
    }

    /// Keys and values in Python's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Used(_, key, value) => Some((key, value)),
            Slot::Empty | Slot::Removed => None,
        })
    }

    fn grow(&mut self) {
        let wanted = self.used * if self.used > LARGE { 2 } else { 4 };
        let old = std::mem::replace(&mut self.slots, empty(size_above(wanted)));
        (self.filled, self.used) = (0, 0);
        for slot in old {
            if let Slot::Used(hash, key, value) = slot {
                self.put_new(hash, key, value);
            }
        }
    }
}

fn empty<K, V>(slots: usize) -> Vec<Slot<K, V>> {
    std::iter::repeat_with(|| Slot::Empty).take(slots).collect()
}

fn size_above(keys: usize) -> usize {
    let mut size = 8;
    while size <= keys {
        size *= 2;
    }
    size
}

/// The hash of a string in a 64-bit Python 2 without `-R`.
pub(super) fn hash(bytes: impl IntoIterator<Item = u64>) -> u64 {
    let mut count = 0u64;
    let mut hash = 0u64;
    for byte in bytes {
        if count == 0 {
            hash = byte << 7;
        }
        hash = hash.wrapping_mul(1_000_003) ^ byte;
        count += 1;
    }
    never_all_ones(hash ^ count)
}

/// -1 is no hash.
pub(super) fn never_all_ones(hash: u64) -> u64 {
    if hash == u64::MAX { u64::MAX - 1 } else { hash }
}
