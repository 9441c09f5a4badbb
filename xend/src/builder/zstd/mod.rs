//! Unpacks Zstandard (RFC 8878) into one flat buffer, in safe code only.
//!
//! ```text
//! frame   magic · descriptor · window · content size │ blocks … │ checksum
//! block   raw, one byte repeated, or: literals (Huffman) + sequences (three FSE streams) of
//!         "copy so many literals, then so many bytes from so far back"
//! ```
//!
//! Kernels come with windows of 128 MiB, so most of the unpacked kernel has to stay in reach. The general decoders keep
//! it in a ring that they grow and copy out of, and each new page costs a fault. In a PV dom0 a fault takes longer than
//! decoding the page: there, this decoder takes a third of their time.

mod bits;
mod fse;
mod huffman;
mod sequences;

use std::{
    fs::File,
    io::{self, BufRead, Read},
};

use self::{huffman::Literals, sequences::Sequences};
use super::digest::Digest;

const MAGIC: u32 = 0xfd2f_b528;
/// Largest block, packed or unpacked.
const MAX_BLOCK: usize = 128 << 10;
/// Room behind the last byte of a buffer, so that copies and loads of fixed size need no special end.
const PADDING: usize = 32;
/// Output is passed on in pieces of this size.
const PIECE: usize = 256 << 10;
/// The buffer is made present in steps of this size.
const STEP: usize = 1 << 20;

/// Why decoding ended early.
#[derive(Debug)]
pub(super) enum Error<E> {
    /// Reading failed, or the stream makes no sense.
    Input(io::Error),
    /// The receiver of the output does not want more.
    Output(E),
}

/// A stream that makes no sense, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Broken(&'static str);

impl<E> From<Broken> for Error<E> {
    fn from(Broken(what): Broken) -> Self {
        Self::Input(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

/// Unpacks one frame and passes what comes out to `put`, in order. The window may be `max_window` bytes, and so much
/// memory may be taken twice.
pub(super) fn decode<E>(
    input: &mut impl BufRead,
    max_window: u64,
    put: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), Error<E>> {
    let frame = Frame::read(input, max_window)?;
    let mut output = Output::new(frame.window);
    let mut decoder = Decoder::default();
    let mut digest = Digest::new();
    let mut packed = Vec::new();
    let mut total = 0_u64;
    loop {
        let header = read_bytes::<3>(input)?;
        let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let (last, kind, size) = (header & 1 == 1, header >> 1 & 3, (header >> 3) as usize);
        if size > MAX_BLOCK.min(frame.window.max(1024)) {
            return Err(Broken("a block is larger than allowed").into());
        }
        let start = output.make_room(&mut |piece| {
            digest.update(piece);
            put(piece).map_err(Error::Output)
        })?;
        match kind {
            0 => input.read_exact(output.take(size)).map_err(Error::Input)?,
            1 => output.take(size).fill(read_bytes::<1>(input)?[0]),
            2 => {
                packed.clear();
                packed.resize(size + PADDING, 0);
                input.read_exact(&mut packed[..size]).map_err(Error::Input)?;
                decoder.block(&packed, size, &mut output)?;
            }
            _ => return Err(Broken("a block has a reserved type").into()),
        }
        total += (output.len - start) as u64;
        if last {
            break;
        }
    }
    output.finish(&mut |piece| {
        digest.update(piece);
        put(piece).map_err(Error::Output)
    })?;
    if frame.content.is_some_and(|wanted| wanted != total) {
        return Err(Broken("the content has another size than announced").into());
    }
    if frame.checksum && u32::from_le_bytes(read_bytes::<4>(input)?) != digest.finish() as u32 {
        return Err(Broken("checksum of the content does not match").into());
    }
    Ok(())
}

fn read_bytes<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

impl<E> From<io::Error> for Error<E> {
    fn from(error: io::Error) -> Self {
        Self::Input(error)
    }
}

/// What the head of a frame says.
struct Frame {
    window: usize,
    content: Option<u64>,
    checksum: bool,
}

impl Frame {
    fn read<E>(input: &mut impl Read, max_window: u64) -> Result<Self, Error<E>> {
        if u32::from_le_bytes(read_bytes(input)?) != MAGIC {
            return Err(Broken("no frame begins here").into());
        }
        let [descriptor] = read_bytes(input)?;
        if descriptor & 0x08 != 0 {
            return Err(Broken("a reserved bit of the frame is set").into());
        }
        let single = descriptor & 0x20 != 0;
        let mut window = 0;
        if !single {
            let [log] = read_bytes(input)?;
            let base = 1_u64 << (10 + (log >> 3));
            window = base + base / 8 * u64::from(log & 7);
        }
        let mut dictionary = [0; 4];
        input.read_exact(&mut dictionary[..[0, 1, 2, 4][usize::from(descriptor & 3)]])?;
        if dictionary != [0; 4] {
            return Err(Broken("a dictionary is needed").into());
        }
        let mut size = [0; 8];
        let len = [usize::from(single), 2, 4, 8][usize::from(descriptor >> 6)];
        input.read_exact(&mut size[..len])?;
        let content = u64::from_le_bytes(size).saturating_add(if len == 2 { 256 } else { 0 });
        if single {
            window = content;
        }
        if window > max_window {
            return Err(Broken("the window is larger than allowed").into());
        }
        let content = (len > 0).then_some(content);
        Ok(Self { window: window as usize, content, checksum: descriptor & 0x04 != 0 })
    }
}

/// What has been unpacked and may be referred to.
struct Output {
    buffer: Vec<u8>,
    len: usize,
    /// Bytes at the start that were passed on.
    passed: usize,
    /// Bytes at the start whose pages are there.
    present: usize,
    window: usize,
    zeros: Option<File>,
}

impl Output {
    fn new(window: usize) -> Self {
        // Fresh memory of this size takes no pages before they are used.
        let room = window + window.clamp(16 * MAX_BLOCK, 512 * MAX_BLOCK) + MAX_BLOCK + PADDING;
        let zeros = File::open("/dev/zero").ok();
        Self { buffer: vec![0; room], len: 0, passed: 0, present: 0, window, zeros }
    }

    /// Passes on what is due and sees that a whole block fits. Returns where it begins.
    fn make_room<E>(
        &mut self,
        put: &mut impl FnMut(&[u8]) -> Result<(), Error<E>>,
    ) -> Result<usize, Error<E>> {
        let due = (self.len - self.passed) / PIECE * PIECE;
        if due > 0 {
            put(&self.buffer[self.passed..self.passed + due])?;
            self.passed += due;
        }
        if self.buffer.len() - self.len < MAX_BLOCK + PADDING {
            let keep = self.window.max(self.len - self.passed).min(self.len);
            let gone = self.len - keep;
            self.buffer.copy_within(gone..self.len, 0);
            (self.len, self.passed) = (keep, self.passed - gone);
        }
        self.make_present();
        Ok(self.len)
    }

    /// Lets the kernel fill the next pages with zeros in one call, instead of one fault for each. Without that file it is
    /// merely slower.
    fn make_present(&mut self) {
        let wanted = self.len + MAX_BLOCK + PADDING;
        while let Some(zeros) = self.zeros.as_mut().filter(|_| self.present < wanted) {
            let end = self.buffer.len().min(self.present + STEP);
            // What is here already may be part of the window.
            let start = self.present.max(self.len + PADDING).min(end);
            if zeros.read_exact(&mut self.buffer[start..end]).is_err() {
                self.zeros = None;
            }
            self.present = end;
            if end == self.buffer.len() {
                break;
            }
        }
    }

    /// The next `size` bytes, at most a block.
    fn take(&mut self, size: usize) -> &mut [u8] {
        let start = self.len;
        self.len += size;
        &mut self.buffer[start..start + size]
    }

    fn finish<E>(&mut self, put: &mut impl FnMut(&[u8]) -> Result<(), Error<E>>) -> Result<(), Error<E>> {
        for piece in self.buffer[self.passed..self.len].chunks(PIECE) {
            put(piece)?;
        }
        self.passed = self.len;
        Ok(())
    }
}

/// Tables and offsets that blocks leave to their successors.
#[derive(Default)]
struct Decoder {
    literals: Literals,
    sequences: Sequences,
}

impl Decoder {
    /// Unpacks a block of `size` bytes, which are followed by padding.
    fn block(&mut self, packed: &[u8], size: usize, output: &mut Output) -> Result<(), Broken> {
        let used = self.literals.read(packed, size)?;
        self.sequences.execute(&packed[used..], size - used, self.literals.bytes(), output)
    }
}

#[cfg(test)]
mod tests;
