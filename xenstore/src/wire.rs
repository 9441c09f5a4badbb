//! Frames of the store protocol: a header of 16 bytes, then at most [`PAYLOAD_MAX`] bytes.
//!
//! ```text
//!   type u32 | req_id u32 | tx_id u32 | len u32 | payload: len bytes        (little endian, as on x86)
//! ```
//!
//! An answer repeats the type, `req_id` and `tx_id` of its request, or has the type [`Op::Error`] and an
//! error's name as payload. Both ends read with [`Decoder`], which trusts nothing.

use crate::Errno;

/// Bytes of a header.
pub const HEADER_LEN: usize = 16;
/// Most bytes of a payload.
pub const PAYLOAD_MAX: usize = 4096;
/// Most bytes of a payload that a client takes. Debian's default daemon, oxenstored, has no DIRECTORY_PART and
/// lists a long directory in one answer, far above [`PAYLOAD_MAX`].
pub const ANSWER_MAX: usize = 1024 * 1024;
/// Longest absolute path.
pub const ABSOLUTE_PATH_MAX: usize = 3072;
/// Longest path that is relative to a domain's own directory.
pub const RELATIVE_PATH_MAX: usize = 2048;

macro_rules! ops {
    ($($(#[$doc:meta])* $variant:ident = $number:literal,)*) => {
        /// The kinds of message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Op { $($(#[$doc])* $variant = $number,)* }

        impl Op {
            /// Every kind of message.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The kind with this number.
            #[must_use]
            pub fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

ops! {
    /// Commands to the daemon itself.
    Control = 0,
    /// Names of a node's children.
    Directory = 1,
    /// A node's value.
    Read = 2,
    /// A node's permissions.
    GetPerms = 3,
    /// Asks for news of a path and what is below it.
    Watch = 4,
    /// Takes a watch back.
    Unwatch = 5,
    /// Opens a transaction.
    TransactionStart = 6,
    /// Commits (`T`) or drops (`F`) a transaction.
    TransactionEnd = 7,
    /// Makes a domain known, with its ring and event channel.
    Introduce = 8,
    /// Forgets a domain.
    Release = 9,
    /// Where a domain's own directory is.
    GetDomainPath = 10,
    /// Sets a value; creates the node and those above it.
    Write = 11,
    /// Creates a node without value.
    Mkdir = 12,
    /// Removes a node and what is below it.
    Rm = 13,
    /// Sets a node's permissions.
    SetPerms = 14,
    /// News of a watch: path and token.
    WatchEvent = 15,
    /// An error's name in answer to a request.
    Error = 16,
    /// Whether a domain is introduced.
    IsDomainIntroduced = 17,
    /// A domain runs again after its suspend was cancelled.
    Resume = 18,
    /// A domain acts for another one (a stub domain).
    SetTarget = 19,
    /// Drops all watches and transactions of the connection.
    ResetWatches = 21,
    /// A piece of a long directory.
    DirectoryPart = 22,
}

impl Op {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The number of its [`Op`], known or not.
    pub op: u32,
    /// Repeated in the answer.
    pub req_id: u32,
    /// The transaction, or 0.
    pub tx_id: u32,
    /// Arguments or result.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A message of a known kind.
    #[must_use]
    pub fn new(op: Op, req_id: u32, tx_id: u32, payload: Vec<u8>) -> Self {
        Self { op: op.number(), req_id, tx_id, payload }
    }

    /// Appends the frame's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(HEADER_LEN + self.payload.len());
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        for word in [self.op, self.req_id, self.tx_id, length] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.payload);
    }

    /// The frame's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        bytes
    }

    /// The answer that refuses the request `self`.
    #[must_use]
    pub fn refusal(&self, errno: Errno) -> Self {
        Self {
            op: Op::Error.number(),
            req_id: self.req_id,
            tx_id: self.tx_id,
            payload: c_string(errno.name().as_bytes()),
        }
    }

    /// The answer that grants the request `self`.
    #[must_use]
    pub fn answer(&self, payload: Vec<u8>) -> Self {
        Self { op: self.op, req_id: self.req_id, tx_id: self.tx_id, payload }
    }
}

/// A header that announces more than a frame may hold; the stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot accept a store frame of {len} bytes, the limit is {limit}")]
pub struct Oversized {
    /// The length it announced.
    pub len: u32,
    /// The length that is accepted.
    pub limit: usize,
}

/// Cuts a byte stream into frames, whatever pieces it arrives in.
#[derive(Debug)]
pub struct Decoder {
    bytes: Vec<u8>,
    start: usize,
    limit: usize,
}

impl Decoder {
    /// For a daemon: requests are at most [`PAYLOAD_MAX`] long.
    #[must_use]
    pub fn for_requests() -> Self {
        Self { bytes: Vec::new(), start: 0, limit: PAYLOAD_MAX }
    }

    /// For a client: answers are at most [`ANSWER_MAX`] long.
    #[must_use]
    pub fn for_answers() -> Self {
        Self { bytes: Vec::new(), start: 0, limit: ANSWER_MAX }
    }

    /// Adds bytes that have arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > PAYLOAD_MAX {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, or nothing as long as bytes are missing.
    ///
    /// # Errors
    /// A frame that is longer than the protocol allows: close the connection.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Oversized> {
        let bytes = &self.bytes[self.start..];
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let len = word(12);
        if len as usize > self.limit {
            return Err(Oversized { len, limit: self.limit });
        }
        let Some(payload) = rest.get(..len as usize) else { return Ok(None) };
        let frame = Frame { op: word(0), req_id: word(4), tx_id: word(8), payload: payload.to_vec() };
        self.start += HEADER_LEN + len as usize;
        Ok(Some(frame))
    }

    /// Whether the stream stops in the middle of a frame.
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        self.start < self.bytes.len()
    }
}

/// Why a path cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// It has no bytes.
    #[error("it is empty")]
    Empty,
    /// It is longer than the protocol allows.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The limit for a path of its kind.
        limit: usize,
    },
    /// A byte other than ASCII letters, digits and `-/_@`.
    #[error("byte {at} is not a letter, a digit or one of -/_@")]
    Character {
        /// Where.
        at: usize,
    },
    /// The root, where it cannot be meant.
    #[error("it is the root")]
    Root,
    /// `//`, or a slash at the end.
    #[error("it has an empty component")]
    EmptyComponent,
}

/// Checks that `path` is one the store accepts: absolute, or relative to a domain's own directory.
///
/// # Errors
/// What is wrong with it.
pub fn check_path(path: &[u8]) -> Result<(), PathFault> {
    let Some(&first) = path.first() else { return Err(PathFault::Empty) };
    let limit = if first == b'/' { ABSOLUTE_PATH_MAX } else { RELATIVE_PATH_MAX };
    if path.len() > limit {
        return Err(PathFault::TooLong { limit });
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_' | b'@');
    if let Some(at) = path.iter().position(|&byte| !allowed(byte)) {
        return Err(PathFault::Character { at });
    }
    if path.windows(2).any(|pair| pair == b"//") || (path.len() > 1 && path.ends_with(b"/")) {
        return Err(PathFault::EmptyComponent);
    }
    Ok(())
}

/// `text` with a final NUL.
#[must_use]
pub fn c_string(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend_from_slice(text);
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_is_four_little_endian_words() {
        let bytes = Frame::new(Op::Write, 7, 0x0102_0304, b"a\0b".to_vec()).to_bytes();
        assert_eq!(bytes, [&[11, 0, 0, 0, 7, 0, 0, 0, 4, 3, 2, 1, 3, 0, 0, 0][..], b"a\0b"].concat());
    }

    #[test]
    fn numbers_of_messages_are_those_of_the_protocol() {
        assert!(Op::ALL.iter().all(|&op| Op::from_number(op.number()) == Some(op)));
        assert_eq!(Op::from_number(20), None);
        assert_eq!(Op::from_number(u32::MAX), None);
    }

    #[test]
    fn a_frame_longer_than_the_limit_ends_the_stream() {
        let mut decoder = Decoder::for_requests();
        decoder.push(&Frame::new(Op::Read, 1, 0, vec![b'x'; PAYLOAD_MAX]).to_bytes());
        assert_eq!(decoder.next_frame().unwrap().unwrap().payload.len(), PAYLOAD_MAX);
        decoder.push(&Frame::new(Op::Read, 1, 0, vec![b'x'; PAYLOAD_MAX + 1]).to_bytes());
        assert_eq!(decoder.next_frame(), Err(Oversized { len: 4097, limit: PAYLOAD_MAX }));
        let mut decoder = Decoder::for_answers();
        decoder.push(&Frame::new(Op::Directory, 1, 0, vec![b'x'; 12490]).to_bytes());
        assert_eq!(decoder.next_frame().unwrap().unwrap().payload.len(), 12490);
        decoder.push(&Frame::new(Op::Directory, 1, 0, vec![b'x'; ANSWER_MAX + 1]).to_bytes()[..HEADER_LEN]);
        assert!(decoder.next_frame().is_err());
    }

    #[test]
    fn paths_are_accepted_by_the_rules_of_the_protocol() {
        for good in ["/", "/a", "/local/domain/0/@x", "device/vif-0_1", "a"] {
            assert_eq!(check_path(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in ["", "//", "/a/", "a/", "/a//b", "/a b", "/a\0b", "/\u{e9}", "/a.b"] {
            assert!(check_path(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let long = |first: &str, len: usize| check_path(format!("{first}{}", "a".repeat(len - 1)).as_bytes());
        assert_eq!((long("/", 3072), long("b", 2048)), (Ok(()), Ok(())));
        assert_eq!(long("/", 3073), Err(PathFault::TooLong { limit: 3072 }));
        assert_eq!(long("b", 2049), Err(PathFault::TooLong { limit: 2048 }));
    }

    fn any_frame() -> impl Strategy<Value = Frame> {
        let payload = proptest::collection::vec(any::<u8>(), 0..200);
        (any::<u32>(), any::<u32>(), any::<u32>(), payload).prop_map(|(op, req_id, tx_id, payload)| Frame {
            op,
            req_id,
            tx_id,
            payload,
        })
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_whatever_the_pieces(
            frames in proptest::collection::vec(any_frame(), 0..12),
            cuts in proptest::collection::vec(1_usize..97, 1..20),
        ) {
            let mut bytes = Vec::new();
            frames.iter().for_each(|frame| frame.encode(&mut bytes));
            let (mut decoder, mut seen, mut at) = (Decoder::for_requests(), Vec::new(), 0);
            for cut in cuts.iter().cycle() {
                if at == bytes.len() { break; }
                let end = (at + cut).min(bytes.len());
                decoder.push(&bytes[at..end]);
                at = end;
                while let Some(frame) = decoder.next_frame().unwrap() { seen.push(frame); }
            }
            prop_assert_eq!(seen, frames);
            prop_assert!(!decoder.is_mid_frame());
        }

        #[test]
        fn hostile_bytes_never_panic_and_never_grow_a_frame(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut decoder = Decoder::for_requests();
            decoder.push(&bytes);
            while let Ok(Some(frame)) = decoder.next_frame() {
                prop_assert!(frame.payload.len() <= PAYLOAD_MAX);
            }
            let _ = check_path(&bytes);
        }
    }
}
