//! As much of generic netlink as one family needs: its number, one request at a time, attributes.

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

const HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;
const ATTRIBUTE_HEADER: usize = 4;
const NESTED: u16 = 1 << 15;
const FLAG_REQUEST: u16 = 1;
const FLAG_ACK: u16 = 4;
const TYPE_ERROR: u16 = 2;

/// The family that knows the families.
const CONTROL: u16 = 16;
const CONTROL_GET_FAMILY: u8 = 3;
const CONTROL_FAMILY_ID: u16 = 1;
const CONTROL_FAMILY_NAME: u16 = 2;

/// How long the kernel may take to answer.
const LIMIT_SECONDS: i64 = 30;
/// Most messages that belong to one answer.
const ANSWER_MAX: u32 = 32;

/// Attributes of a request, in the kernel's layout.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// Adds one of raw bytes.
    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).expect("attributes of ours are short");
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a number of 32 bits.
    pub(super) fn u32(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Adds a number of 64 bits.
    pub(super) fn u64(self, kind: u16, value: u64) -> Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Adds a text.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        self.bytes(kind, &[value.as_bytes(), b"\0"].concat())
    }

    /// Adds attributes inside one.
    pub(super) fn nested(self, kind: u16, inside: Attributes) -> Self {
        self.bytes(kind | NESTED, &inside.0)
    }
}

/// The attributes of an answer.
pub(super) fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    while let Some((length, kind)) = Some((u16_at(bytes, 0)?, u16_at(bytes, 2)?)) {
        let value = bytes.get(ATTRIBUTE_HEADER..usize::from(length))?;
        if kind & !NESTED == wanted {
            return Some(value);
        }
        bytes = bytes.get(usize::from(length).next_multiple_of(4)..)?;
    }
    None
}

/// One family of the kernel's.
#[derive(Debug)]
pub(super) struct Family {
    socket: OwnedFd,
    number: u16,
}

impl Family {
    /// Looks up a family by name; `None` while nothing in the kernel serves it.
    pub(super) fn find(name: &str) -> io::Result<Option<Self>> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkGeneric,
        )?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(LIMIT_SECONDS))?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        let mut family = Family { socket, number: CONTROL };
        let wish = Attributes::default().text(CONTROL_FAMILY_NAME, name);
        let answer = match family.request(CONTROL_GET_FAMILY, &wish) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
            answer => answer?,
        };
        let number = attribute(&answer, CONTROL_FAMILY_ID).and_then(|value| u16_at(value, 0));
        family.number = number.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Some(family))
    }

    /// Sends a request and waits for its end. The answer is the attributes that came before it, if any.
    pub(super) fn request(&self, command: u8, attributes: &Attributes) -> io::Result<Vec<u8>> {
        let length = u32::try_from(HEADER + GENERIC_HEADER + attributes.0.len()).expect("requests are short");
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(self.number.to_ne_bytes());
        message.extend((FLAG_REQUEST | FLAG_ACK).to_ne_bytes());
        // Number of the request and of the sender: there is one request at a time, on a socket of its own.
        message.extend([0; 8]);
        message.extend([command, 1, 0, 0]);
        message.extend(&attributes.0);
        send(self.socket.as_raw_fd(), &message, MsgFlags::empty())?;
        let mut answer = Vec::new();
        let mut buffer = vec![0; 32 << 10];
        for _ in 0..ANSWER_MAX {
            let count = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            if let Some(result) = read(&buffer[..count], &mut answer)? {
                return result.map(|()| answer);
            }
        }
        Err(io::Error::from(io::ErrorKind::InvalidData))
    }
}

/// Reads the messages of one datagram; the result when the request is done.
fn read(mut bytes: &[u8], answer: &mut Vec<u8>) -> io::Result<Option<io::Result<()>>> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    while !bytes.is_empty() {
        let length = u32_at(bytes, 0).ok_or_else(damaged)? as usize;
        let message = bytes.get(..length).filter(|message| message.len() >= HEADER).ok_or_else(damaged)?;
        if u16_at(message, 4) == Some(TYPE_ERROR) {
            let code = u32_at(message, HEADER).ok_or_else(damaged)?.cast_signed();
            let failed = || io::Error::from_raw_os_error(code.wrapping_neg());
            return Ok(Some(if code == 0 { Ok(()) } else { Err(failed()) }));
        }
        answer.extend(message.get(HEADER + GENERIC_HEADER..).unwrap_or_default());
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(None)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_filled_up_to_four_bytes_and_found_again() {
        let inside = Attributes::default().u32(1, 7);
        let all = Attributes::default().text(10, "abc").nested(7, inside).u64(2, 1 << 40).0;
        assert_eq!(all.len(), 8 + 12 + 12);
        assert_eq!(attribute(&all, 10), Some(&b"abc\0"[..]));
        assert_eq!(attribute(&all, 2), Some(&(1u64 << 40).to_ne_bytes()[..]));
        assert_eq!(attribute(attribute(&all, 7).unwrap(), 1), Some(&7u32.to_ne_bytes()[..]));
        assert_eq!(attribute(&all, 3), None);
        for cut in 0..all.len() {
            let _ = attribute(&all[..cut], 2);
        }
        assert_eq!(attribute(&[0; 8], 1), None, "a length of 0 does not go round for ever");
    }

    #[test]
    fn the_kernel_knows_its_own_family_and_none_of_an_odd_name() {
        assert_eq!(Family::find("nlctrl").unwrap().unwrap().number, CONTROL);
        assert!(Family::find("no-such-family").unwrap().is_none());
    }
}
