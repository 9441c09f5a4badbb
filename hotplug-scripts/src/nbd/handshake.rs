//! The client's side of the NBD handshake: which export, how large, what the server can do.
//!
//! ```text
//! server: NBDMAGIC IHAVEOPT flags        client: flags
//! client: option GO, the export's name   server: replies INFO (size, flags) …, then ACK or an error
//! client: option EXPORT_NAME, where the server knows no GO: size and flags come without more words
//! ```
//!
//! A server of the first kind, without options, is understood too. Everything that is read has a bound.

use std::io::{self, Read, Write};

const GREETING: [u8; 8] = *b"NBDMAGIC";
const NEW_STYLE: [u8; 8] = *b"IHAVEOPT";
const OLD_STYLE: u64 = 0x0000_4202_8186_1253;
const REPLY: u64 = 0x0003_e889_0455_65a9;

const FIXED_NEW_STYLE: u16 = 1;
const NO_ZEROES: u16 = 2;

const OPTION_EXPORT_NAME: u32 = 1;
const OPTION_GO: u32 = 7;

const REPLY_ACK: u32 = 1;
const REPLY_INFO: u32 = 3;
const REPLY_ERROR: u32 = 1 << 31;
const ERROR_UNSUPPORTED: u32 = REPLY_ERROR | 1;
const ERROR_POLICY: u32 = REPLY_ERROR | 2;
const ERROR_TLS: u32 = REPLY_ERROR | 5;
const ERROR_UNKNOWN: u32 = REPLY_ERROR | 6;

const INFO_EXPORT: u16 = 0;
/// Zeros behind the size of an export, for a server that does not leave them out.
const ZEROES: usize = 124;
/// Longest reply to an option that is read, and how many.
const REPLY_MAX: u32 = 4096;
const REPLIES_MAX: u32 = 64;
/// Longest name of an export, by the protocol.
const NAME_MAX: usize = 4096;

/// The server refuses writes.
const FLAG_READ_ONLY: u16 = 1 << 1;

/// What a server offers under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its size.
    pub bytes: u64,
    /// What the server can do with it, as the kernel takes it.
    pub flags: u16,
}

impl Export {
    /// Whether nobody may write it through this server.
    pub fn is_read_only(self) -> bool {
        self.flags & FLAG_READ_ONLY != 0
    }

    /// The same for somebody who may not write.
    pub fn read_only(self) -> Self {
        Export { flags: self.flags | FLAG_READ_ONLY, ..self }
    }
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection ended, or nothing came in time.
    #[error("the connection broke")]
    Broken {
        /// What the kernel said.
        source: io::Error,
    },
    /// It speaks something else.
    #[error("it does not speak NBD: {what} is {seen:#x}")]
    Foreign {
        /// Which part.
        what: &'static str,
        /// What came.
        seen: u64,
    },
    /// The name of the export is too long to be sent.
    #[error("the export's name has more than {NAME_MAX} bytes")]
    NameTooLong,
    /// It has no such export.
    #[error("it has no export {name:?}")]
    NoExport {
        /// The name.
        name: String,
    },
    /// It wants encryption.
    #[error("it wants TLS, which kernel devices cannot speak")]
    Tls,
    /// It refused otherwise.
    #[error("it refused the export {name:?} (error {code})")]
    Refused {
        /// The name.
        name: String,
        /// Number of the protocol.
        code: u32,
    },
    /// The size makes no device.
    #[error("its size is {bytes} bytes, which is no number of sectors")]
    Size {
        /// What it said.
        bytes: u64,
    },
}

/// Agrees with the server at the other end on `name`. Afterwards the stream carries blocks.
pub fn negotiate(stream: &mut (impl Read + Write), name: &str) -> Result<Export, HandshakeError> {
    if name.len() > NAME_MAX {
        return Err(HandshakeError::NameTooLong);
    }
    let mut talk = Talk(stream);
    let greeting = talk.bytes::<8>()?;
    if greeting != GREETING {
        return Err(HandshakeError::Foreign { what: "its greeting", seen: u64::from_be_bytes(greeting) });
    }
    let style = talk.bytes::<8>()?;
    let export = match u64::from_be_bytes(style) {
        OLD_STYLE => old_style(&mut talk)?,
        _ if style == NEW_STYLE => new_style(&mut talk, name)?,
        seen => return Err(HandshakeError::Foreign { what: "its second word", seen }),
    };
    if export.bytes == 0 || export.bytes % 512 != 0 || i64::try_from(export.bytes).is_err() {
        return Err(HandshakeError::Size { bytes: export.bytes });
    }
    Ok(export)
}

fn old_style<S: Read + Write>(talk: &mut Talk<'_, S>) -> Result<Export, HandshakeError> {
    let bytes = u64::from_be_bytes(talk.bytes()?);
    let [_, _, high, low] = talk.bytes::<4>()?;
    talk.bytes::<ZEROES>()?;
    Ok(Export { bytes, flags: u16::from_be_bytes([high, low]) })
}

fn new_style<S: Read + Write>(talk: &mut Talk<'_, S>, name: &str) -> Result<Export, HandshakeError> {
    let offered = u16::from_be_bytes(talk.bytes()?);
    let ours = offered & (FIXED_NEW_STYLE | NO_ZEROES);
    talk.send(&u32::from(ours).to_be_bytes())?;
    if offered & FIXED_NEW_STYLE != 0
        && let Some(export) = go(talk, name)?
    {
        return Ok(export);
    }
    talk.option(OPTION_EXPORT_NAME, name.as_bytes())?;
    let bytes = u64::from_be_bytes(talk.bytes()?);
    let flags = u16::from_be_bytes(talk.bytes()?);
    if ours & NO_ZEROES == 0 {
        talk.bytes::<ZEROES>()?;
    }
    Ok(Export { bytes, flags })
}

/// `None` when the server does not know the option.
fn go<S: Read + Write>(talk: &mut Talk<'_, S>, name: &str) -> Result<Option<Export>, HandshakeError> {
    let mut data = u32::try_from(name.len()).unwrap_or_default().to_be_bytes().to_vec();
    data.extend(name.as_bytes());
    // No wishes: the size always comes.
    data.extend(0u16.to_be_bytes());
    talk.option(OPTION_GO, &data)?;
    let mut export = None;
    let named = || name.to_owned();
    for _ in 0..REPLIES_MAX {
        let (kind, data) = talk.reply()?;
        match kind {
            REPLY_INFO => export = info(&data).or(export),
            REPLY_ACK => {
                return export.map(Some).ok_or(HandshakeError::Foreign { what: "its answer", seen: 1 });
            }
            ERROR_UNSUPPORTED => return Ok(None),
            ERROR_UNKNOWN => return Err(HandshakeError::NoExport { name: named() }),
            ERROR_TLS => return Err(HandshakeError::Tls),
            // A server whose only rule is TLS says so with either.
            ERROR_POLICY => return Err(HandshakeError::Refused { name: named(), code: 2 }),
            error if error & REPLY_ERROR != 0 => {
                return Err(HandshakeError::Refused { name: named(), code: error & !REPLY_ERROR });
            }
            other => return Err(HandshakeError::Foreign { what: "its reply", seen: other.into() }),
        }
    }
    Err(HandshakeError::Foreign { what: "the number of its replies", seen: REPLIES_MAX.into() })
}

fn info(data: &[u8]) -> Option<Export> {
    let (kind, rest) = data.split_first_chunk::<2>()?;
    let (bytes, rest) = rest.split_first_chunk::<8>()?;
    let (flags, _) = rest.split_first_chunk::<2>()?;
    let export = Export { bytes: u64::from_be_bytes(*bytes), flags: u16::from_be_bytes(*flags) };
    (u16::from_be_bytes(*kind) == INFO_EXPORT).then_some(export)
}

struct Talk<'a, S>(&'a mut S);

impl<S: Read + Write> Talk<'_, S> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], HandshakeError> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).map_err(|source| HandshakeError::Broken { source })?;
        Ok(bytes)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), HandshakeError> {
        let sent = self.0.write_all(bytes).and_then(|()| self.0.flush());
        sent.map_err(|source| HandshakeError::Broken { source })
    }

    fn option(&mut self, option: u32, data: &[u8]) -> Result<(), HandshakeError> {
        let mut message = NEW_STYLE.to_vec();
        message.extend(option.to_be_bytes());
        message.extend(u32::try_from(data.len()).unwrap_or_default().to_be_bytes());
        message.extend(data);
        self.send(&message)
    }

    fn reply(&mut self) -> Result<(u32, Vec<u8>), HandshakeError> {
        let magic = u64::from_be_bytes(self.bytes()?);
        if magic != REPLY {
            return Err(HandshakeError::Foreign { what: "a reply's first word", seen: magic });
        }
        let _option = self.bytes::<4>()?;
        let kind = u32::from_be_bytes(self.bytes()?);
        let length = u32::from_be_bytes(self.bytes()?);
        if length > REPLY_MAX {
            return Err(HandshakeError::Foreign { what: "a reply's length", seen: length.into() });
        }
        let mut data = vec![0; length as usize];
        self.0.read_exact(&mut data).map_err(|source| HandshakeError::Broken { source })?;
        Ok((kind, data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that has said all beforehand.
    struct Scripted {
        says: io::Cursor<Vec<u8>>,
        heard: Vec<u8>,
    }

    impl Read for Scripted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.says.read(buffer)
        }
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.heard.extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn talk(says: &[&[u8]], name: &str) -> (Result<Export, HandshakeError>, Vec<u8>) {
        let mut server = Scripted { says: io::Cursor::new(says.concat()), heard: Vec::new() };
        let result = negotiate(&mut server, name);
        (result, server.heard)
    }

    fn reply(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut reply = REPLY.to_be_bytes().to_vec();
        reply.extend(OPTION_GO.to_be_bytes());
        reply.extend(kind.to_be_bytes());
        reply.extend((data.len() as u32).to_be_bytes());
        reply.extend(data);
        reply
    }

    fn size(bytes: u64, flags: u16) -> Vec<u8> {
        [&bytes.to_be_bytes()[..], &flags.to_be_bytes()].concat()
    }

    const HELLO: &[u8] = b"NBDMAGICIHAVEOPT\0\x03";

    #[test]
    fn an_export_is_asked_for_by_name_and_its_size_believed() {
        let info = [&0u16.to_be_bytes()[..], &size(1 << 20, 0x65)].concat();
        let block = reply(REPLY_INFO, &[0, 3, 0, 0, 0, 1, 0, 0, 16, 0, 0, 0, 0, 0]);
        let (export, heard) =
            talk(&[HELLO, &block, &reply(REPLY_INFO, &info), &reply(REPLY_ACK, b"")], "disk");
        assert_eq!(export.unwrap(), Export { bytes: 1 << 20, flags: 0x65 });
        assert_eq!(heard, b"\0\0\0\x03IHAVEOPT\0\0\0\x07\0\0\0\x0a\0\0\0\x04disk\0\0");
    }

    #[test]
    fn older_servers_are_understood() {
        let (export, heard) = talk(&[HELLO, &reply(ERROR_UNSUPPORTED, b"no"), &size(512, 1)], "x");
        assert_eq!(export.unwrap(), Export { bytes: 512, flags: 1 });
        assert!(heard.ends_with(b"IHAVEOPT\0\0\0\x01\0\0\0\x01x"), "{heard:?}");
        // Neither fixed nor without zeros.
        let (export, heard) = talk(&[b"NBDMAGICIHAVEOPT\0\0", &size(1024, 3), &[0; 124]], "x");
        assert_eq!(export.unwrap(), Export { bytes: 1024, flags: 3 });
        assert!(heard.starts_with(b"\0\0\0\0IHAVEOPT\0\0\0\x01"), "{heard:?}");
        let old =
            [&OLD_STYLE.to_be_bytes()[..], &2048u64.to_be_bytes(), &3u32.to_be_bytes(), &[0; 124]].concat();
        let (export, heard) = talk(&[b"NBDMAGIC", &old], "");
        assert_eq!((export.unwrap(), heard.len()), (Export { bytes: 2048, flags: 3 }, 0));
    }

    #[test]
    fn refusals_are_told_apart() {
        for (kind, words) in [
            (ERROR_UNKNOWN, "no export \"x\""),
            (ERROR_TLS, "TLS"),
            (ERROR_POLICY, "error 2"),
            (REPLY_ERROR | 99, "error 99"),
            (17, "its reply is 0x11"),
            (REPLY_ACK, "its answer"),
        ] {
            let text = talk(&[HELLO, &reply(kind, b"")], "x").0.unwrap_err().to_string();
            assert!(text.contains(words), "{kind:#x}: {text}");
        }
        let text = talk(&[b"SSH-2.0-OpenSSH_9.2\r\n"], "x").0.unwrap_err().to_string();
        assert!(text.starts_with("it does not speak NBD"), "{text}");
        assert!(matches!(talk(&[HELLO], "x").0, Err(HandshakeError::Broken { .. })));
        let huge = [&REPLY.to_be_bytes()[..], &[0; 4], &[0; 4], &[0xff; 4]].concat();
        let text = talk(&[HELLO, &huge], "x").0.unwrap_err().to_string();
        assert!(text.contains("length is 0xffffffff"), "{text}");
        let endless = reply(REPLY_INFO, b"").repeat(1000);
        assert!(talk(&[HELLO, &endless], "x").0.unwrap_err().to_string().contains("number of its replies"));
        assert!(matches!(talk(&[HELLO], &"x".repeat(4097)).0, Err(HandshakeError::NameTooLong)));
    }

    #[test]
    fn a_size_that_makes_no_device_is_refused() {
        for bytes in [0, 511, 513, u64::MAX, 1 << 63] {
            let (result, _) = talk(&[HELLO, &reply(ERROR_UNSUPPORTED, b""), &size(bytes, 1)], "x");
            assert!(matches!(result, Err(HandshakeError::Size { .. })), "{bytes}");
        }
    }
}
