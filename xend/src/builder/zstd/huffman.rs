//! The literals of a block: as they are, one byte repeated, or Huffman coded in one or four streams.

use super::{
    Broken, MAX_BLOCK, PADDING,
    bits::Backward,
    fse::{self, Bounds},
};

const MAX_BITS: u32 = 11;
const TABLE: usize = 1 << MAX_BITS;
const WEIGHTS: Bounds = Bounds { max_log: 6, max_symbol: 255 };
/// Symbols that one load of 56 bits holds for certain.
const AT_ONCE: usize = 5;

/// The literals of the current block, and the code that the next one may use again.
#[derive(Default)]
pub(super) struct Literals {
    bytes: Vec<u8>,
    len: usize,
    code: Option<Box<Code>>,
}

struct Code {
    /// Symbol and length, by the next `bits` bits.
    table: [(u8, u8); TABLE],
    bits: u32,
}

/// Sizes in the head of a literals section.
struct Head {
    kind: u8,
    streams: usize,
    unpacked: usize,
    packed: usize,
    /// Bytes of the head itself.
    len: usize,
}

impl Head {
    fn read(data: &[u8]) -> Self {
        // There is padding behind every block.
        let byte = |index: usize| u64::from(data.get(index).copied().unwrap_or(0));
        let word = (0..5).fold(0, |word, index| word | byte(index) << (8 * index));
        let (kind, format) = ((word & 3) as u8, word >> 2 & 3);
        if kind < 2 {
            let (shift, width, len) = match format {
                1 => (4, 12, 2),
                3 => (4, 20, 3),
                _ => (3, 5, 1),
            };
            let unpacked = (word >> shift & ((1 << width) - 1)) as usize;
            let packed = if kind == 0 { unpacked } else { 1 };
            return Self { kind, streams: 1, unpacked, packed, len };
        }
        let (width, len) = match format {
            0 | 1 => (10, 3),
            2 => (14, 4),
            _ => (18, 5),
        };
        let mask = (1 << width) - 1;
        let (unpacked, packed) = ((word >> 4 & mask) as usize, (word >> (4 + width) & mask) as usize);
        Self { kind, streams: if format == 0 { 1 } else { 4 }, unpacked, packed, len }
    }
}

impl Literals {
    /// The literals, with padding behind them.
    pub(super) fn bytes(&self) -> (&[u8], usize) {
        (&self.bytes, self.len)
    }

    /// Reads the section that begins a block of `size` bytes. Returns how many of them it has.
    pub(super) fn read(&mut self, packed: &[u8], size: usize) -> Result<usize, Broken> {
        let head = Head::read(packed);
        let end = head.len + head.packed;
        if end > size || head.unpacked > MAX_BLOCK {
            return Err(Broken("literals are larger than their block"));
        }
        self.len = head.unpacked;
        if self.bytes.len() < self.len + PADDING {
            self.bytes.resize(self.len + PADDING, 0);
        }
        let source = &packed[head.len..];
        match head.kind {
            0 => self.bytes[..self.len].copy_from_slice(&source[..self.len]),
            1 => self.bytes[..self.len].fill(source[0]),
            kind => {
                let mut used = 0;
                if kind == 2 {
                    let (code, len) = Code::read(source, head.packed)?;
                    (self.code, used) = (Some(code), len);
                }
                let code = self.code.as_ref().ok_or(Broken("literals use a code that was never given"))?;
                let out = &mut self.bytes[..self.len];
                code.decode_all(&source[used..], head.packed - used, head.streams, out)?;
            }
        }
        Ok(end)
    }
}

impl Code {
    /// Reads the description that begins `data`, at most `size` bytes. Returns its length too.
    fn read(data: &[u8], size: usize) -> Result<(Box<Self>, usize), Broken> {
        let cut = Broken("a code's description is cut short");
        let first = usize::from(*data.first().ok_or(cut)?);
        let (weights, used) = if first < 128 {
            let len = first;
            if len + 1 > size {
                return Err(cut);
            }
            (packed_weights(&data[1..], len)?, 1 + len)
        } else {
            let count = first - 127;
            let len = count.div_ceil(2);
            if len + 1 > size {
                return Err(cut);
            }
            let halves = data[1..=len].iter().flat_map(|byte| [byte >> 4, byte & 15]);
            (halves.take(count).collect(), 1 + len)
        };
        Ok((Self::build(weights)?, used))
    }

    /// The last symbol's weight is not told: it is what completes the code.
    fn build(mut weights: Vec<u8>) -> Result<Box<Self>, Broken> {
        let impossible = Broken("a code is impossible");
        if weights.iter().any(|weight| u32::from(*weight) > MAX_BITS) || weights.len() > 255 {
            return Err(impossible);
        }
        let sum: u32 = weights.iter().map(|weight| (1 << weight) >> 1).sum();
        let bits = sum.checked_ilog2().ok_or(impossible)? + 1;
        let rest = (1 << bits) - sum;
        if bits > MAX_BITS || !rest.is_power_of_two() {
            return Err(impossible);
        }
        weights.push(rest.ilog2() as u8 + 1);
        let mut code = Box::new(Self { table: [(0, 0); TABLE], bits });
        let mut at = 0;
        for weight in 1..=bits as u8 {
            for (symbol, _) in weights.iter().enumerate().filter(|(_, one)| **one == weight) {
                let end = at + (1 << (weight - 1));
                let entries = code.table.get_mut(at..end).ok_or(impossible)?;
                entries.fill((symbol as u8, (bits + 1 - u32::from(weight)) as u8));
                at = end;
            }
        }
        Ok(code)
    }

    fn decode_all(&self, data: &[u8], size: usize, streams: usize, out: &mut [u8]) -> Result<(), Broken> {
        if streams == 1 {
            return self.decode(Backward::new(data, size)?, out);
        }
        let wrong = Broken("the streams of the literals do not fit their section");
        let mut rest = size.checked_sub(6).ok_or(wrong)?;
        let mut start = 6;
        let part = out.len().div_ceil(4);
        let mut parts = out.chunks_mut(part.max(1));
        for index in 0..4 {
            let len = match data.get(index * 2..index * 2 + 2) {
                Some(bytes) if index < 3 => usize::from(u16::from_le_bytes([bytes[0], bytes[1]])),
                _ => rest,
            };
            rest = rest.checked_sub(len).ok_or(wrong)?;
            // Less than four literals leave the last streams without any, which no encoder does.
            let part = parts.next().ok_or(wrong)?;
            self.decode(Backward::new(&data[start..], len)?, part)?;
            start += len;
        }
        Ok(())
    }

    fn decode(&self, mut stream: Backward<'_>, out: &mut [u8]) -> Result<(), Broken> {
        let bits = self.bits;
        let shift = 56 - bits;
        let (groups, tail) = out.as_chunks_mut::<AT_ONCE>();
        let mut groups = groups.iter_mut();
        while stream.left >= 56 {
            let Some(group) = groups.next() else { break };
            let word = stream.at(stream.left - 56);
            let mut used = 0;
            for byte in group {
                let (symbol, len) =
                    self.table[(word >> (shift - used)) as usize & ((1 << bits) - 1) & (TABLE - 1)];
                *byte = symbol;
                used += u32::from(len);
            }
            stream.left -= used as isize;
        }
        for byte in groups.flatten().chain(tail) {
            let before = stream.left;
            let (symbol, len) = self.table[stream.read(bits) as usize & (TABLE - 1)];
            *byte = symbol;
            stream.left = before - isize::from(len);
            if stream.left < 0 {
                return Err(Broken("a stream of literals is cut short"));
            }
        }
        if stream.left == 0 { Ok(()) } else { Err(Broken("a stream of literals is too long")) }
    }
}

/// Weights that are FSE coded: two states take turns until the bits run out.
fn packed_weights(data: &[u8], len: usize) -> Result<Vec<u8>, Broken> {
    let description = data.get(..len).ok_or(Broken("weights are cut short"))?;
    let (table, used) = fse::read_table(description, WEIGHTS)?;
    let mut stream = Backward::new(&data[used..], len - used)?;
    let log = table.len().ilog2();
    let mut states = [stream.read(log) as usize, stream.read(log) as usize];
    let mut weights = Vec::new();
    if stream.left < 0 {
        return Err(Broken("weights are cut short"));
    }
    for turn in (0..2).cycle() {
        let state = table[states[turn]];
        weights.push(state.symbol);
        states[turn] = usize::from(state.base) + stream.read(state.bits.into()) as usize;
        if stream.left < 0 {
            weights.push(table[states[1 - turn]].symbol);
            break;
        }
        if weights.len() > 255 {
            return Err(Broken("there are too many weights"));
        }
    }
    Ok(weights)
}
