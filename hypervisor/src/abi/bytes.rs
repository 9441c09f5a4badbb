//! Little-endian fields at fixed offsets: what every encoder and decoder of this module is made of.
//!
//! The offsets are constants of the callers, within the size they name; one outside is a bug of this crate and panics.

/// A structure being filled in; all bytes that nobody sets stay zero, which Xen insists on for reserved fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<const N: usize>([u8; N]);

impl<const N: usize> Record<N> {
    /// All zero.
    pub const fn new() -> Self {
        Self([0; N])
    }

    /// Puts bytes at an offset.
    #[must_use]
    pub fn bytes(mut self, at: usize, value: &[u8]) -> Self {
        self.0[at..at + value.len()].copy_from_slice(value);
        self
    }

    /// Puts one byte.
    #[must_use]
    pub fn u8(self, at: usize, value: u8) -> Self {
        self.bytes(at, &[value])
    }

    /// Puts 16 bits.
    #[must_use]
    pub fn u16(self, at: usize, value: u16) -> Self {
        self.bytes(at, &value.to_le_bytes())
    }

    /// Puts 32 bits.
    #[must_use]
    pub fn u32(self, at: usize, value: u32) -> Self {
        self.bytes(at, &value.to_le_bytes())
    }

    /// Puts 64 bits.
    #[must_use]
    pub fn u64(self, at: usize, value: u64) -> Self {
        self.bytes(at, &value.to_le_bytes())
    }

    /// The finished structure.
    pub const fn done(self) -> [u8; N] {
        self.0
    }
}

impl<const N: usize> Default for Record<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// A structure being read.
#[derive(Clone, Copy, Debug)]
pub struct View<'a>(&'a [u8]);

impl<'a> View<'a> {
    /// Over a structure that begins at `at`.
    pub fn new(image: &'a [u8], at: usize) -> Self {
        Self(&image[at..])
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.0[at..at + N]);
        out
    }

    /// Some bytes.
    pub fn bytes(&self, at: usize, len: usize) -> &'a [u8] {
        &self.0[at..at + len]
    }

    /// One byte.
    pub fn u8(&self, at: usize) -> u8 {
        self.0[at]
    }

    /// 16 bits.
    pub fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    /// 32 bits.
    pub fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    /// 64 bits.
    pub fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }

    /// 16 bytes, as of a UUID.
    pub fn handle(&self, at: usize) -> [u8; 16] {
        self.array(at)
    }
}
