//! The sequences of a block: which literals to take, and what to repeat of the output.

use super::{
    Broken, MAX_BLOCK, Output, PADDING,
    bits::Backward,
    fse::{self, Bounds, State},
};

/// Bytes of a copy that needs no loop.
const WORD: usize = 16;

/// Base and extra bits of each code: how many literals.
const LITERALS: [(u32, u8); 36] = [
    (0, 0),
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 0),
    (12, 0),
    (13, 0),
    (14, 0),
    (15, 0),
    (16, 1),
    (18, 1),
    (20, 1),
    (22, 1),
    (24, 2),
    (28, 2),
    (32, 3),
    (40, 3),
    (48, 4),
    (64, 6),
    (128, 7),
    (256, 8),
    (512, 9),
    (1024, 10),
    (2048, 11),
    (4096, 12),
    (8192, 13),
    (16384, 14),
    (32768, 15),
    (65536, 16),
];
/// The same for how much to repeat.
const MATCHES: [(u32, u8); 53] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 0),
    (12, 0),
    (13, 0),
    (14, 0),
    (15, 0),
    (16, 0),
    (17, 0),
    (18, 0),
    (19, 0),
    (20, 0),
    (21, 0),
    (22, 0),
    (23, 0),
    (24, 0),
    (25, 0),
    (26, 0),
    (27, 0),
    (28, 0),
    (29, 0),
    (30, 0),
    (31, 0),
    (32, 0),
    (33, 0),
    (34, 0),
    (35, 1),
    (37, 1),
    (39, 1),
    (41, 1),
    (43, 2),
    (47, 2),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 5),
    (131, 7),
    (259, 8),
    (515, 9),
    (1027, 10),
    (2051, 11),
    (4099, 12),
    (8195, 13),
    (16387, 14),
    (32771, 15),
    (65539, 16),
];
const LITERAL_SHARES: [i16; 36] = [
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1,
    -1, -1,
];
const MATCH_SHARES: [i16; 53] = [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
];
const OFFSET_SHARES: [i16; 29] =
    [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1];

/// A state of one of the three tables, with the value it stands for.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    value: u32,
    extra: u8,
    bits: u8,
    base: u16,
}

/// Which of the three tables.
#[derive(Clone, Copy)]
enum Of {
    Literals,
    Offsets,
    Matches,
}

impl Of {
    fn bounds(self) -> Bounds {
        match self {
            Self::Literals => Bounds { max_log: 9, max_symbol: 35 },
            Self::Offsets => Bounds { max_log: 8, max_symbol: 31 },
            Self::Matches => Bounds { max_log: 9, max_symbol: 52 },
        }
    }

    fn predefined(self) -> Result<Vec<State>, Broken> {
        match self {
            Self::Literals => fse::build_table(6, &LITERAL_SHARES),
            Self::Offsets => fse::build_table(5, &OFFSET_SHARES),
            Self::Matches => fse::build_table(6, &MATCH_SHARES),
        }
    }

    fn step(self, state: State) -> Result<Step, Broken> {
        let symbol = usize::from(state.symbol);
        let known = match self {
            Self::Literals => LITERALS.get(symbol).copied(),
            Self::Offsets => (symbol < 32).then(|| (1 << symbol, state.symbol)),
            Self::Matches => MATCHES.get(symbol).copied(),
        };
        let (value, extra) = known.ok_or(Broken("a sequence has a code that does not exist"))?;
        Ok(Step { value, extra, bits: state.bits, base: state.base })
    }
}

/// The tables, by literals, offsets, matches, and the last three offsets.
pub(super) struct Sequences {
    tables: [Vec<Step>; 3],
    offsets: [usize; 3],
}

impl Default for Sequences {
    fn default() -> Self {
        Self { tables: [const { Vec::new() }; 3], offsets: [1, 4, 8] }
    }
}

impl Sequences {
    /// Reads the section in the first `size` bytes of `data` and does what it says.
    pub(super) fn execute(
        &mut self,
        data: &[u8],
        size: usize,
        literals: (&[u8], usize),
        output: &mut Output,
    ) -> Result<(), Broken> {
        let cut = Broken("sequences are cut short");
        let (count, mut used) = match *data.first_chunk::<3>().ok_or(cut)? {
            [first @ 0..128, ..] => (usize::from(first), 1),
            [255, low, high] => (usize::from(low) + (usize::from(high) << 8) + 0x7f00, 3),
            [first, low, _] => (((usize::from(first) - 128) << 8) + usize::from(low), 2),
        };
        let limit = output.len + MAX_BLOCK;
        let mut taken = 0;
        if count > 0 {
            let modes = *data.get(used).ok_or(cut)?;
            used += 1;
            if modes & 3 != 0 || used > size {
                return Err(Broken("sequences have a reserved bit set"));
            }
            for (index, of) in [Of::Literals, Of::Offsets, Of::Matches].into_iter().enumerate() {
                let rest = data.get(used..size).ok_or(cut)?;
                used += self.read_table(index, of, modes >> (6 - 2 * index) & 3, rest)?;
            }
            let stream = Backward::new(data.get(used..).ok_or(cut)?, size.checked_sub(used).ok_or(cut)?)?;
            taken = self.run(stream, count, literals, output)?;
        } else if used != size {
            return Err(Broken("a block goes on behind its end"));
        }
        let rest =
            literals.0.get(taken..literals.1).ok_or(Broken("sequences take more literals than there are"))?;
        if output.len + rest.len() > limit {
            return Err(Broken("a block unpacks to more than allowed"));
        }
        output.take(rest.len()).copy_from_slice(rest);
        Ok(())
    }

    /// Returns the bytes used.
    fn read_table(&mut self, index: usize, of: Of, mode: u8, data: &[u8]) -> Result<usize, Broken> {
        let (states, used) = match mode {
            0 => (of.predefined()?, 0),
            1 => {
                let symbol = *data.first().ok_or(Broken("sequences are cut short"))?;
                (vec![State { base: 0, bits: 0, symbol }], 1)
            }
            2 => fse::read_table(data, of.bounds())?,
            _ if self.tables[index].is_empty() => {
                return Err(Broken("sequences use a table that was never given"));
            }
            _ => return Ok(0),
        };
        self.tables[index] = states.into_iter().map(|state| of.step(state)).collect::<Result<_, _>>()?;
        Ok(used)
    }

    /// Executes `count` sequences. Returns how many literals they took.
    fn run(
        &mut self,
        mut stream: Backward<'_>,
        count: usize,
        (literals, nr_literals): (&[u8], usize),
        output: &mut Output,
    ) -> Result<usize, Broken> {
        let Self { tables, offsets } = self;
        let [of_literals, of_offsets, of_matches] = tables.each_ref().map(Vec::as_slice);
        let mut states =
            [of_literals, of_offsets, of_matches].map(|table| stream.read(table.len().ilog2()) as usize);
        let limit = output.len + MAX_BLOCK;
        let mut taken = 0;
        for index in 0..count {
            let step = (of_literals[states[0]], of_offsets[states[1]], of_matches[states[2]]);
            let offset = step.1.value + stream.read(step.1.extra.into()) as u32;
            // Match first, then literals: their extra bits fit one read.
            let extra = stream.read(u32::from(step.0.extra) + u32::from(step.2.extra));
            let length = (step.2.value as u64 + (extra >> step.0.extra)) as usize;
            let fresh = (step.0.value as u64 + (extra & ((1 << step.0.extra) - 1))) as usize;
            if index + 1 < count {
                let bits = [step.0.bits, step.2.bits, step.1.bits].map(u32::from);
                let word = stream.read(bits[0] + bits[1] + bits[2]);
                let low = |count: u32, word: u64| (word & ((1 << count) - 1)) as usize;
                states[0] = usize::from(step.0.base) + low(bits[0], word >> (bits[1] + bits[2]));
                states[2] = usize::from(step.2.base) + low(bits[1], word >> bits[2]);
                states[1] = usize::from(step.1.base) + low(bits[2], word);
            }
            if stream.left < 0 {
                return Err(Broken("sequences are cut short"));
            }
            if fresh > nr_literals - taken {
                return Err(Broken("sequences take more literals than there are"));
            }
            if output.len + fresh + length > limit {
                return Err(Broken("a block unpacks to more than allowed"));
            }
            output.append(&literals[taken..], fresh);
            taken += fresh;
            let back = resolve(offsets, offset as usize, fresh);
            if back == 0 || back > output.len {
                return Err(Broken("a sequence refers to something before the start"));
            }
            output.repeat(back, length);
        }
        if stream.left == 0 { Ok(taken) } else { Err(Broken("sequences are too long")) }
    }
}

/// Turns an offset's value into a distance: small values name one of the last three.
fn resolve(last: &mut [usize; 3], value: usize, fresh: usize) -> usize {
    let index = if value > 3 { 3 } else { value - 1 + usize::from(fresh == 0) };
    let back = match (value, index) {
        (4.., _) => value - 3,
        (_, 3) => last[0].wrapping_sub(1),
        (_, index) => last[index],
    };
    match index {
        0 => {}
        1 => *last = [back, last[0], last[2]],
        _ => *last = [back, last[0], last[1]],
    }
    back
}

impl Output {
    /// Appends the first `count` of `bytes`, behind which there is padding.
    #[inline(always)]
    fn append(&mut self, bytes: &[u8], count: usize) {
        debug_assert!(self.len + count + PADDING <= self.buffer.len());
        if count <= WORD {
            if let (Some(to), Some(from)) =
                (self.buffer[self.len..].first_chunk_mut::<WORD>(), bytes.first_chunk::<WORD>())
            {
                *to = *from;
            }
        } else {
            self.buffer[self.len..self.len + count].copy_from_slice(&bytes[..count]);
        }
        self.len += count;
    }

    /// Appends `count` bytes that begin `back` before the end, and may reach into what is being appended.
    #[inline(always)]
    pub(super) fn repeat(&mut self, back: usize, count: usize) {
        let (start, end) = (self.len - back, self.len + count);
        if back >= WORD && count <= 4 * WORD {
            // May write up to a word too much, which the next bytes or nobody overwrites.
            let mut done = 0;
            while done < count {
                let from: [u8; WORD] = self.buffer[start + done..].first_chunk().copied().unwrap_or_default();
                if let Some(to) = self.buffer[self.len + done..].first_chunk_mut::<WORD>() {
                    *to = from;
                }
                done += WORD;
            }
        } else if back >= count {
            self.buffer.copy_within(start..start + count, self.len);
        } else if back == 1 {
            let byte = self.buffer[start];
            self.buffer[self.len..end].fill(byte);
        } else {
            // Each round doubles what can be copied.
            let mut at = self.len;
            while at < end {
                let len = (at - start).min(end - at);
                self.buffer.copy_within(start..start + len, at);
                at += len;
            }
        }
        self.len = end;
    }
}
