//! Bit streams: most are written forwards and read from their end, the descriptions of tables are read forwards.

use super::Broken;

/// Reads a stream from its last bit to its first. Bits before the first are zero, and `left` tells that they were read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backward<'a> {
    /// The stream and at least 8 bytes behind it.
    data: &'a [u8],
    /// Bits that are not read yet; negative after reading too many.
    pub(super) left: isize,
}

impl<'a> Backward<'a> {
    /// The stream in the first `len` bytes of `data`. Its highest set bit marks the end.
    pub(super) fn new(data: &'a [u8], len: usize) -> Result<Self, Broken> {
        let last = len.checked_sub(1).and_then(|last| data.get(last)).copied().unwrap_or(0);
        if last == 0 || data.len() < len + 8 {
            return Err(Broken("a bit stream has no end mark"));
        }
        let padding = last.leading_zeros() as isize + 1;
        Ok(Self { data, left: len as isize * 8 - padding })
    }

    /// The next `count` bits, at most 56.
    #[inline(always)]
    pub(super) fn read(&mut self, count: u32) -> u64 {
        self.left -= count as isize;
        if self.left >= 0 {
            return self.at(self.left) & ((1 << count) - 1);
        }
        let there = self.left + count as isize;
        let short = (-self.left).min(count as isize) as u32;
        if there <= 0 { 0 } else { (self.at(0) & ((1 << there) - 1)) << short }
    }

    /// At least 56 bits from bit number `at` on, upwards.
    #[inline(always)]
    pub(super) fn at(&self, at: isize) -> u64 {
        let byte = (at >> 3) as usize;
        let word = self.data.get(byte..).and_then(|rest| rest.first_chunk::<8>());
        word.map_or(0, |bytes| u64::from_le_bytes(*bytes) >> (at & 7))
    }
}

/// Reads from the first bit on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forward<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Forward<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The next `count` bits, at most 16; zeros behind the end.
    pub(super) fn read(&mut self, count: u32) -> u32 {
        let byte = |index: usize| u32::from(self.data.get(self.at / 8 + index).copied().unwrap_or(0));
        let word = byte(0) | byte(1) << 8 | byte(2) << 16;
        let value = word >> (self.at % 8) & ((1 << count) - 1);
        self.at += count as usize;
        value
    }

    pub(super) fn unread(&mut self) {
        self.at -= 1;
    }

    /// Bytes that were read from, the last one perhaps in part; an error when there are not so many.
    pub(super) fn bytes(&self) -> Result<usize, Broken> {
        let bytes = self.at.div_ceil(8);
        if bytes <= self.data.len() { Ok(bytes) } else { Err(Broken("a table's description is cut short")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_from_the_end_and_zeros_before_the_start() {
        // 1 marks the end; below it 0b0110_1010_1100.
        let mut data = vec![0b1010_1100, 0b0001_0110];
        data.resize(10, 0xff);
        let mut bits = Backward::new(&data, 2).unwrap();
        assert_eq!(bits.left, 12);
        assert_eq!(bits.read(3), 0b011);
        assert_eq!(bits.read(0), 0);
        assert_eq!(bits.read(5), 0b01010);
        assert_eq!(bits.read(6), 0b110000);
        assert_eq!(bits.left, -2);
        assert_eq!(bits.read(4), 0);
        assert!(Backward::new(&[0; 16], 2).is_err());
        assert!(Backward::new(&data, 0).is_err());
        assert!(Backward::new(&data, 3).is_err(), "no room behind the stream");
    }

    #[test]
    fn forward_bits_come_from_the_low_end() {
        let mut bits = Forward::new(&[0b1010_1100, 0b0001_0110]);
        assert_eq!(bits.read(4), 0b1100);
        assert_eq!(bits.read(6), 0b101010);
        bits.unread();
        assert_eq!(bits.read(3), 0b111 & (0b0001_0110 >> 1));
        assert_eq!(bits.bytes(), Ok(2));
        bits.read(8);
        assert!(bits.bytes().is_err());
    }
}
