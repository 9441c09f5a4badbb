//! Unpacks a kernel's payload into a file, in pieces, and stops at the limit. Hostile streams end in an error here;
//! the decoders' memory is bounded by the window they are allowed.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::FileExt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use hypervisor::PAGE_SIZE;

use super::{
    digest::Digest,
    kernel::{Format, Payload},
    zstd,
};

/// Largest window of a stream: what `zstd --ultra -22` and the kernel's own xz setting use.
const MAX_WINDOW: u64 = 128 << 20;
/// The same for the xz and lzma decoders, in KiB, with room for their tables.
const MAX_LZMA_KIB: u32 = (MAX_WINDOW >> 10) as u32 + 16 * 1024;
const LZ4_BLOCK: usize = 8 << 20;
/// glibc gives memory of this size back when it is freed; that of a block it would keep for the next one. Pages that are
/// not used are not there.
const OWN_MAPPING: usize = 40 << 20;
const LZ4_MAGIC: u32 = 0x184c_2102;
const BUFFER: usize = 256 << 10;
const ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];

/// Why a payload could not be unpacked.
#[derive(Debug)]
pub(super) enum Failure {
    /// Reading the kernel file failed.
    Input(io::Error),
    /// Writing the unpacked kernel failed.
    Output(io::Error),
    /// More came out than the limit allows.
    TooLarge,
    /// The stream wanted more input than there is.
    Truncated,
    /// The stream makes no sense.
    Corrupt(io::Error),
    /// It gives this many bytes, not the announced number.
    Size(u64),
}

/// Reads a file once from the start to the end and digests every byte that goes by. Hands out the payload only.
#[derive(Debug)]
pub(super) struct Source<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    digest: Digest,
    failed: Option<io::Error>,
    starved: bool,
}

impl<'a> Source<'a> {
    /// Stands at the first byte of `payload`, having digested what is before.
    pub(super) fn new(file: &'a File, payload: &Payload) -> io::Result<Self> {
        let digest = Digest::new();
        let mut source =
            Self { file, position: 0, end: payload.offset, digest, failed: None, starved: false };
        source.drain()?;
        source.end = payload.offset + payload.len;
        source.starved = false;
        Ok(source)
    }

    /// Digest of the whole file, read to its end.
    pub(super) fn digest(mut self) -> io::Result<u64> {
        self.end = u64::MAX;
        self.drain()?;
        Ok(self.digest.finish())
    }

    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        while self.read(&mut buffer)? > 0 {}
        Ok(())
    }
}

/// Digest of a whole file, the same that unpacking it gives.
pub(super) fn digest_of(file: &File) -> io::Result<u64> {
    Source::new(file, &Payload { format: Format::Elf, offset: 0, len: 0, announced: None })?.digest()
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end - self.position;
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let got = loop {
            match self.file.read_at(&mut buffer[..wanted], self.position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // The decoder may wrap or replace it: keep the original for the report.
                    self.failed = Some(io::Error::from(error.kind()));
                    return Err(error);
                }
                Ok(got) => break got,
            }
        };
        if got == 0 && !buffer.is_empty() {
            self.starved = true;
        }
        self.digest.update(&buffer[..got]);
        self.position += got as u64;
        Ok(got)
    }
}

/// Where the unpacked kernel goes: a file, from `base` on, with its length and checksum.
pub(super) struct Sink<'a> {
    file: &'a File,
    base: u64,
    limit: u64,
    digest: Digest,
    written: u64,
}

impl<'a> Sink<'a> {
    pub(super) fn new(file: &'a File, base: u64, limit: u64) -> Self {
        Self { file, base, limit, digest: Digest::new(), written: 0 }
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Of all that was written.
    pub(super) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// Half of a kernel is zeros. Where a whole page of them would go, the fresh file gets a hole instead.
    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.len() as u64 > self.limit - self.written {
            return Err(Failure::TooLarge);
        }
        let mut pages = bytes.chunks(PAGE_SIZE).peekable();
        let mut at = 0;
        while let Some(page) = pages.next() {
            let mut end = at + page.len();
            if page != &ZEROS[..page.len()] {
                while let Some(page) = pages.next_if(|page| **page != ZEROS[..page.len()]) {
                    end += page.len();
                }
                let to = self.base + self.written + at as u64;
                self.file.write_all_at(&bytes[at..end], to).map_err(Failure::Output)?;
            }
            at = end;
        }
        self.digest.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Gives the file its length, should it end in a hole.
    fn finish(&mut self) -> Result<(), Failure> {
        self.file.set_len(self.base + self.written).map_err(Failure::Output)
    }
}

/// Unpacks `payload`, which `source` stands at, into `sink`.
pub(super) fn unpack(payload: &Payload, source: &mut Source<'_>, sink: &mut Sink<'_>) -> Result<(), Failure> {
    // Only `source` and `sink` are touched inside, and both are thrown away after a failure. A decoder that panics
    // on a hostile stream must cost its own creation only.
    let outcome = catch_unwind(AssertUnwindSafe(|| decode(payload.format, source, sink)));
    let outcome =
        outcome.unwrap_or_else(|_| Err(Failure::Corrupt(io::Error::other("the decoder gave up on it"))));
    match outcome {
        Err(Failure::Corrupt(error)) => Err(if let Some(failed) = source.failed.take() {
            Failure::Input(failed)
        } else if source.starved {
            Failure::Truncated
        } else {
            Failure::Corrupt(error)
        }),
        Err(other) => Err(other),
        Ok(()) => check_size(payload, sink.written).and_then(|()| sink.finish()),
    }
}

/// The formats without a checksum of their own have at least the announced size.
fn check_size(payload: &Payload, written: u64) -> Result<(), Failure> {
    match (payload.format, payload.announced) {
        (Format::Lz4 | Format::Lzma, Some(announced)) if announced != written => Err(Failure::Size(written)),
        _ => Ok(()),
    }
}

fn decode(format: Format, source: &mut Source<'_>, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let mut input = BufReader::with_capacity(BUFFER, source);
    match format {
        Format::Gzip => copy(flate2::bufread::GzDecoder::new(input), sink),
        Format::Bzip2 => copy(bzip2::bufread::BzDecoder::new(input), sink),
        Format::Xz => copy(lzma_rust2::XzReader::new_mem_limit(input, false, MAX_LZMA_KIB), sink),
        Format::Lzma => {
            let reader = lzma_rust2::LzmaReader::new_mem_limit(input, MAX_LZMA_KIB, None);
            copy(reader.map_err(Failure::Corrupt)?, sink)
        }
        Format::Zstd => decode_zstd(input, sink),
        Format::Lz4 => decode_lz4(&mut input, sink),
        Format::Elf => copy(input, sink),
        Format::Lzo => Err(Failure::Corrupt(io::ErrorKind::Unsupported.into())),
    }
}

fn copy(mut reader: impl Read, sink: &mut Sink<'_>) -> Result<(), Failure> {
    copy_from(&mut reader, sink)
}

/// Fills the buffer before it is passed on: decoders hand out small pieces.
fn copy_from(reader: &mut impl Read, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => return sink.put(&buffer[..filled]),
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                // What came out so far tells how far the stream is good.
                sink.put(&buffer[..filled])?;
                return Err(Failure::Corrupt(error));
            }
        }
        if filled == BUFFER {
            sink.put(&buffer)?;
            filled = 0;
        }
    }
}

fn decode_zstd(mut input: impl BufRead, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let decoded = zstd::decode(&mut input, MAX_WINDOW, &mut |piece| sink.put(piece));
    decoded.map_err(|error| match error {
        zstd::Error::Input(error) => Failure::Corrupt(error),
        zstd::Error::Output(failure) => failure,
    })
}

/// Legacy frames: the magic, then blocks of a u32 length and data that unpacks to at most 8 MiB, to the end of input.
fn decode_lz4(input: &mut impl Read, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let mut packed = Vec::with_capacity(OWN_MAPPING);
    let mut unpacked = vec![0; OWN_MAPPING];
    let mut first = true;
    while let Some(word) = read_word(input)? {
        if word == LZ4_MAGIC {
            first = false;
            continue;
        }
        let len = word as usize;
        if first || len == 0 || len > lz4_flex::block::get_maximum_output_size(LZ4_BLOCK) {
            return Err(Failure::Corrupt(io::Error::other("impossible block length")));
        }
        packed.clear();
        let got = input.take(len as u64).read_to_end(&mut packed).map_err(Failure::Corrupt)?;
        if got < len {
            return Err(Failure::Truncated);
        }
        let size = lz4_flex::block::decompress_into(&packed, &mut unpacked[..LZ4_BLOCK]);
        sink.put(&unpacked[..size.map_err(|error| Failure::Corrupt(io::Error::other(error)))?])?;
    }
    Ok(())
}

fn read_word(input: &mut impl Read) -> Result<Option<u32>, Failure> {
    let mut bytes = Vec::with_capacity(4);
    match input.take(4).read_to_end(&mut bytes).map_err(Failure::Corrupt)? {
        0 => Ok(None),
        4 => Ok(Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))),
        _ => Err(Failure::Truncated),
    }
}

#[cfg(test)]
mod tests;
