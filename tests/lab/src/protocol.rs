//! What travels between a host's agent and the test that drives it: frames on one serial line.
//!
//! ```text
//!   u32 length of the rest | u32 channel | u8 kind | payload
//! ```
//! Every command has a channel of its own, so a console can stay open while others come and go.
//! Both ends are ours and of the same build; the format has no version.

use std::io::{self, Read, Write};

/// The name of the virtio-serial port in dom0.
pub const PORT: &str = "lab.agent";

/// No frame is longer.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// What a frame means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Agent: I am there.
    Hello = 1,
    /// Host: run this script, its streams being pipes.
    Run = 2,
    /// Host: run this script on a terminal of its own.
    RunOnTerminal = 3,
    /// Host: input; agent: standard output.
    Data = 4,
    /// Agent: standard error.
    Error = 5,
    /// Host: the input has ended.
    End = 6,
    /// Host: end this command. Agent: it has ended, with this status (i32).
    Exit = 7,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Kind::Hello, Kind::Run, Kind::RunOnTerminal, Kind::Data, Kind::Error, Kind::End, Kind::Exit]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which command it belongs to.
    pub channel: u32,
    /// What it means.
    pub kind: Kind,
    /// The rest.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame of these parts.
    pub fn new(channel: u32, kind: Kind, payload: impl Into<Vec<u8>>) -> Self {
        Self { channel, kind, payload: payload.into() }
    }

    /// Writes the frame in one piece.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(self.payload.len() + 9);
        bytes.extend_from_slice(&(self.payload.len() as u32 + 5).to_le_bytes());
        bytes.extend_from_slice(&self.channel.to_le_bytes());
        bytes.push(self.kind as u8);
        bytes.extend_from_slice(&self.payload);
        out.write_all(&bytes)?;
        out.flush()
    }

    /// Reads the next frame.
    pub fn read(input: &mut dyn Read) -> io::Result<Self> {
        let mut head = [0; 9];
        input.read_exact(&mut head)?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = (word(0) as usize).wrapping_sub(5);
        let kind = Kind::from_byte(head[8]).filter(|_| length <= MAX_PAYLOAD);
        let kind =
            kind.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a frame of the lab"))?;
        let mut payload = vec![0; length];
        input.read_exact(&mut payload)?;
        Ok(Self { channel: word(4), kind, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let frame = Frame::new(7, Kind::Data, *b"\0binary\xff");
        let mut bytes = Vec::new();
        frame.write(&mut bytes).unwrap();
        Frame::new(8, Kind::End, *b"").write(&mut bytes).unwrap();
        let mut input = bytes.as_slice();
        assert_eq!(Frame::read(&mut input).unwrap(), frame);
        assert_eq!(Frame::read(&mut input).unwrap().kind, Kind::End);
    }

    #[test]
    fn noise_on_the_line_is_an_error() {
        assert!(Frame::read(&mut [0xffu8; 32].as_slice()).is_err());
        assert!(Frame::read(&mut [0u8; 32].as_slice()).is_err());
    }
}
