//! A connection that sends any bytes and shows every byte that comes back.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use xenstore::wire::{Decoder, Frame, Op};

/// An answer's payload, or the name of an error.
pub type Answer = Result<Vec<u8>, String>;

/// No daemon thinks longer about anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to a daemon under test.
#[derive(Debug)]
pub struct Session {
    stream: UnixStream,
    decoder: Decoder,
    events: VecDeque<(String, String)>,
    last_id: u32,
}

/// Strings, each with its NUL.
#[must_use]
pub fn words(words: &[&str]) -> Vec<u8> {
    words.iter().flat_map(|word| word.bytes().chain([0])).collect()
}

/// The answer to a request that has no result.
///
/// # Errors
/// Never: it is the answer to compare with.
pub fn ok() -> Answer {
    Ok(b"OK\0".to_vec())
}

/// The answer that is the error `name`.
///
/// # Errors
/// Always: it is the answer to compare with.
pub fn refused(name: &str) -> Answer {
    Err(name.to_owned())
}

impl Session {
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("somebody listens on the socket under test");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit above zero is accepted");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time limit above zero is accepted");
        Self { stream, decoder: Decoder::for_answers(), events: VecDeque::new(), last_id: 100 }
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// The daemon does not take them.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the daemon takes what is sent");
    }

    /// The next frame, whatever it is; nothing when the daemon closes the connection.
    ///
    /// # Panics
    /// Nothing comes in time.
    pub fn receive(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("the daemon keeps to the size of frames") {
                return Some(frame);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.decoder.push(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing came from the daemon: {error}"),
            }
        }
    }

    /// Sends a request and waits for its answer; news that come first are kept.
    ///
    /// # Panics
    /// The answer's header does not repeat the request's, or no answer comes.
    pub fn call(&mut self, op: Op, tx_id: u32, payload: &[u8]) -> Answer {
        self.last_id += 1;
        let request = Frame::new(op, self.last_id, tx_id, payload.to_vec());
        self.send(&request.to_bytes());
        loop {
            let frame = self.receive().expect("the daemon answers before it closes the connection");
            if frame.op == Op::WatchEvent.number() {
                self.keep(&frame);
                continue;
            }
            assert_eq!(
                (frame.req_id, frame.tx_id),
                (request.req_id, tx_id),
                "header of the answer to {op:?}"
            );
            if frame.op == Op::Error.number() {
                let name = frame.payload.strip_suffix(b"\0").expect("an error's name ends with NUL");
                return Err(String::from_utf8_lossy(name).into_owned());
            }
            assert_eq!(frame.op, op.number(), "type of the answer to {op:?}");
            return Ok(frame.payload);
        }
    }

    /// Sends a request whose arguments are strings.
    ///
    /// # Panics
    /// As [`Session::call`].
    pub fn ask(&mut self, op: Op, arguments: &[&str]) -> Answer {
        self.call(op, 0, &words(arguments))
    }

    /// Writes a value.
    ///
    /// # Panics
    /// As [`Session::call`].
    pub fn write(&mut self, tx_id: u32, path: &str, value: &str) -> Answer {
        self.call(Op::Write, tx_id, &[&words(&[path]), value.as_bytes()].concat())
    }

    /// Reads a value as text.
    ///
    /// # Errors
    /// The name of the daemon's error.
    ///
    /// # Panics
    /// As [`Session::call`].
    pub fn read(&mut self, tx_id: u32, path: &str) -> Result<String, String> {
        let value = self.call(Op::Read, tx_id, &words(&[path]))?;
        Ok(String::from_utf8(value).expect("cases read texts"))
    }

    /// Names of the children, sorted.
    ///
    /// # Errors
    /// The name of the daemon's error.
    ///
    /// # Panics
    /// As [`Session::call`].
    pub fn list(&mut self, tx_id: u32, path: &str) -> Result<Vec<String>, String> {
        let mut names = split(&self.call(Op::Directory, tx_id, &words(&[path]))?);
        names.sort();
        Ok(names)
    }

    /// Begins a transaction.
    ///
    /// # Panics
    /// The daemon does not.
    pub fn begin(&mut self) -> u32 {
        let answer = self.ask(Op::TransactionStart, &[""]).expect("domain 0 may begin a transaction");
        let text = answer.strip_suffix(b"\0").expect("a transaction's number ends with NUL");
        std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).expect("it is a number")
    }

    /// Commits a transaction.
    ///
    /// # Panics
    /// As [`Session::call`].
    pub fn commit(&mut self, tx_id: u32) -> Answer {
        self.call(Op::TransactionEnd, tx_id, b"T\0")
    }

    /// The next news, path and token, in the order in which they came.
    ///
    /// # Panics
    /// None come.
    pub fn event(&mut self) -> (String, String) {
        while self.events.is_empty() {
            let frame = self.receive().expect("news come before the daemon closes the connection");
            assert_eq!(frame.op, Op::WatchEvent.number(), "an answer that nobody asked for: {frame:?}");
            self.keep(&frame);
        }
        self.events.pop_front().expect("there is one by now")
    }

    /// All news up to now: asks for something harmless, as news caused by earlier requests come before or right
    /// behind its answer, and then for it once more.
    ///
    /// # Panics
    /// As [`Session::call`].
    pub fn events_so_far(&mut self) -> Vec<(String, String)> {
        for _ in 0..2 {
            let answer = self.ask(Op::GetDomainPath, &["0"]);
            assert_eq!(answer, Ok(b"/local/domain/0\0".to_vec()));
        }
        self.events.drain(..).collect()
    }

    fn keep(&mut self, frame: &Frame) {
        assert_eq!((frame.req_id, frame.tx_id), (0, 0), "header of news");
        let mut words = split(&frame.payload).into_iter();
        let path = words.next().expect("news have a path");
        self.events.push_back((path, words.next().expect("news have a token")));
    }
}

/// The strings of a payload.
#[must_use]
pub fn split(payload: &[u8]) -> Vec<String> {
    match payload.strip_suffix(b"\0") {
        Some(payload) => {
            payload.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
        }
        None => {
            assert!(payload.is_empty(), "strings end with NUL: {payload:?}");
            Vec::new()
        }
    }
}
