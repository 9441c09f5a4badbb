//! Finite state entropy: a table of states, each of which stands for a symbol and names its successors.

use super::{Broken, bits::Forward};

/// A state: the symbol it stands for, and where the next one is: `base` plus so many bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) base: u16,
    pub(super) bits: u8,
    pub(super) symbol: u8,
}

/// Bounds of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) max_log: u32,
    pub(super) max_symbol: usize,
}

/// Reads the description of a table, which begins `data`, and builds the table. Returns it with the bytes used.
pub(super) fn read_table(data: &[u8], bounds: Bounds) -> Result<(Vec<State>, usize), Broken> {
    let mut bits = Forward::new(data);
    let log = bits.read(4) + 5;
    if log > bounds.max_log {
        return Err(Broken("a table is larger than allowed"));
    }
    let mut shares: Vec<i16> = Vec::with_capacity(bounds.max_symbol + 1);
    let mut left = 1_u32 << log;
    while left > 0 {
        if shares.len() > bounds.max_symbol {
            return Err(Broken("a table has too many symbols"));
        }
        let share = read_share(&mut bits, left);
        left =
            left.checked_sub(share.unsigned_abs().into()).ok_or(Broken("a table's shares are too large"))?;
        shares.push(share);
        if share == 0 {
            loop {
                let zeros = bits.read(2);
                shares.resize(shares.len() + zeros as usize, 0);
                if zeros < 3 || shares.len() > bounds.max_symbol {
                    break;
                }
            }
        }
    }
    if shares.len() > bounds.max_symbol + 1 {
        return Err(Broken("a table has too many symbols"));
    }
    let used = bits.bytes()?;
    Ok((build_table(log, &shares)?, used))
}

/// One symbol's share of the states, -1 for less than one. Small values take a bit less than large ones.
fn read_share(bits: &mut Forward<'_>, left: u32) -> i16 {
    let width = u32::BITS - (left + 1).leading_zeros();
    let mut value = bits.read(width);
    let low = (1 << (width - 1)) - 1;
    let threshold = (1 << width) - 1 - (left + 1);
    if value & low < threshold {
        bits.unread();
        value &= low;
    } else if value > low {
        value -= threshold;
    }
    value as i16 - 1
}

/// Spreads the symbols over the states.
pub(super) fn build_table(log: u32, shares: &[i16]) -> Result<Vec<State>, Broken> {
    let size = 1_usize << log;
    let mut table = vec![State::default(); size];
    let mut next = vec![0_u32; shares.len()];
    let mut high = size;
    for (symbol, share) in shares.iter().enumerate().filter(|(_, share)| **share == -1) {
        high = high.checked_sub(1).ok_or(Broken("a table has more symbols than states"))?;
        table[high].symbol = symbol as u8;
        next[symbol] = share.unsigned_abs().into();
    }
    let (step, mask) = ((size >> 1) + (size >> 3) + 3, size - 1);
    let mut position = 0;
    for (symbol, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0) {
        next[symbol] = share.unsigned_abs().into();
        for _ in 0..*share {
            table[position].symbol = symbol as u8;
            position = (position + step) & mask;
            while position >= high && high > 0 {
                position = (position + step) & mask;
            }
        }
    }
    if position != 0 {
        return Err(Broken("a table's shares do not fill it"));
    }
    for state in &mut table {
        let count = &mut next[usize::from(state.symbol)];
        let bits = log.checked_sub(count.checked_ilog2().unwrap_or(u32::MAX));
        let bits = bits.ok_or(Broken("a table's shares are wrong"))?;
        state.bits = bits as u8;
        state.base = ((*count << bits) - size as u32) as u16;
        *count += 1;
    }
    Ok(table)
}
