//! Dictionaries and sets of values, and the hashes that give them Python 2's order.

use super::super::ops;
use super::super::room::Room;
use super::super::source::Fault;
use super::super::table::{self, Found, Table};
use super::Value;

/// Nesting beyond which a tuple is no key.
const MAX_DEPTH: usize = 40;

/// The entries of a `dict`, or of a `set` (whose values are all `None`).
#[derive(Clone, Debug, Default)]
pub struct Dict(Table<Value, Value>);

impl Dict {
    /// Room for the entries of a literal.
    pub(in super::super) fn with_room(room: &mut Room, keys: usize) -> Result<Self, Fault> {
        room.charge(keys.saturating_mul(64))?;
        Ok(Self(Table::with_room(keys)))
    }

    /// The number of entries.
    pub(in super::super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Removes all entries.
    pub(in super::super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Keys and values in Python's order.
    pub(in super::super) fn iter(&self) -> impl Iterator<Item = (&Value, &Value)> {
        self.0.iter()
    }

    /// The keys in Python's order.
    pub(in super::super) fn keys(&self) -> Vec<Value> {
        self.0.iter().map(|(key, _)| key.clone()).collect()
    }

    /// The value of a key.
    pub(in super::super) fn get(&self, room: &mut Room, key: &Value) -> Result<Option<Value>, Fault> {
        let (_, found) = self.find(room, key)?;
        Ok(self.0.get(found).map(|(_, value)| value.clone()))
    }

    /// Sets a key.
    pub(in super::super) fn set(&mut self, room: &mut Room, key: Value, value: Value) -> Result<(), Fault> {
        let (hash, found) = self.find(room, &key)?;
        if self.0.get(found).is_none() {
            room.charge_entry()?;
        }
        self.0.put(found, hash, key, value);
        Ok(())
    }

    /// Removes a key and tells its entry.
    pub(in super::super) fn remove(
        &mut self,
        room: &mut Room,
        key: &Value,
    ) -> Result<Option<(Value, Value)>, Fault> {
        let (_, found) = self.find(room, key)?;
        Ok(self.0.take(found))
    }

    fn find(&self, room: &mut Room, key: &Value) -> Result<(u64, Found), Fault> {
        let hash = hash_of(room, key)?;
        let found = self.0.find(hash, |known| ops::equal(room, known, key))?;
        room.steps(found.looked / 8)?;
        Ok((hash, found))
    }
}

/// `hash(value)`, or the error that it can be no key.
pub(in super::super) fn hash_of(room: &mut Room, value: &Value) -> Result<u64, Fault> {
    deep_hash(room, value, 0)
}

fn deep_hash(room: &mut Room, value: &Value, depth: usize) -> Result<u64, Fault> {
    room.step()?;
    if depth > MAX_DEPTH {
        return Err(room.limit(format!("a key of tuples nested deeper than {MAX_DEPTH}")));
    }
    Ok(match value {
        Value::List(_) | Value::Dict(_) | Value::Set(_) => {
            return Err(room.type_error(format!("unhashable type: '{}'", value.type_name())));
        }
        Value::Bool(_) | Value::Int(_) | Value::Long(_) => whole(value.as_whole().unwrap_or(0)),
        Value::Float(n) => float(*n),
        Value::Text(text) => {
            room.work(text.len())?;
            table::hash(text.iter().copied().map(u64::from))
        }
        Value::Unicode(text) => {
            room.work(text.len())?;
            table::hash(text.chars().map(|c| u64::from(u32::from(c))))
        }
        Value::Tuple(items) => tuple(room, &items.borrow(), depth)?,
        other => table::hash(other.type_name().bytes().map(u64::from)),
    })
}

fn whole(n: i128) -> u64 {
    let hash = i64::try_from(n).map_or((n ^ (n >> 64)) as u64, |n| n as u64);
    table::never_all_ones(hash)
}

fn float(n: f64) -> u64 {
    if n.fract() == 0.0 && n.abs() < 1e18 {
        return whole(n as i128);
    }
    if !n.is_finite() {
        return if n > 0.0 { 314_159 } else { 0 };
    }
    // Mantissa in [0.5, 1) and exponent, both as C's frexp has them.
    let exponent = ((n.to_bits() >> 52) & 0x7ff) as i64 - 1022;
    let mantissa = f64::from_bits(n.to_bits() & !(0x7ff << 52) | (1022 << 52)) * 2_147_483_648.0;
    let high = mantissa.trunc();
    let low = (mantissa - high) * 2_147_483_648.0;
    table::never_all_ones((high as i64).wrapping_add(low as i64).wrapping_add(exponent << 15) as u64)
}

fn tuple(room: &mut Room, items: &[Value], depth: usize) -> Result<u64, Fault> {
    let mut hash = 0x34_5678u64;
    let mut factor = 1_000_003u64;
    for (at, item) in items.iter().enumerate() {
        hash = (hash ^ deep_hash(room, item, depth + 1)?).wrapping_mul(factor);
        let left = (items.len() - at - 1) as u64;
        factor = factor.wrapping_add(82_520 + left + left);
    }
    Ok(table::never_all_ones(hash.wrapping_add(97_531)))
}
