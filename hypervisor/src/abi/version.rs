//! `xen_version`: the only hypercall that any release answers to any caller (`hypervisor-interface` §2.2).

use super::bytes::View;
use super::request::{Reply, Request, hypercall};

const VERSION: u64 = 0;
const COMPILE_INFO: u64 = 2;
const PLATFORM_PARAMETERS: u64 = 5;
const PAGESIZE: u64 = 7;

/// Something said in one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// `.4-pre`
    Extra,
    /// `xen-3.0-x86_64 …`
    Capabilities,
    /// Source revision.
    Changeset,
    /// Xen's boot line.
    CommandLine,
}

impl Text {
    fn number(self) -> u64 {
        match self {
            Self::Extra => 1,
            Self::Capabilities => 3,
            Self::Changeset => 4,
            Self::CommandLine => 9,
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Extra => 16,
            Self::Changeset => 64,
            Self::Capabilities | Self::CommandLine => 1024,
        }
    }
}

fn with_room(number: u64, size: usize) -> Request {
    Request::new(hypercall::XEN_VERSION).value(number).structure(&vec![0; size])
}

/// Asks for the release.
pub fn release() -> Request {
    Request::new(hypercall::XEN_VERSION).value(VERSION).value(0)
}

/// Major and minor number that [`release`] has shown.
pub fn release_answer(reply: &Reply) -> (u32, u32) {
    let number = reply.value as u32;
    (number >> 16, number & 0xffff)
}

/// Asks for a text.
pub fn text(which: Text) -> Request {
    with_room(which.number(), which.size())
}

/// The text that [`text`] has shown; a full field has no terminator.
pub fn text_answer(reply: &Reply) -> String {
    until_nul(&reply.image)
}

/// Who built Xen, where, when, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Compiler.
    pub compiler: String,
    /// User.
    pub by: String,
    /// Domain.
    pub domain: String,
    /// Time.
    pub date: String,
}

/// Asks how Xen was built.
pub fn build() -> Request {
    with_room(COMPILE_INFO, 144)
}

/// What [`build`] has shown.
pub fn build_answer(reply: &Reply) -> Build {
    let view = View::new(&reply.image, 0);
    Build {
        compiler: until_nul(view.bytes(0, 64)),
        by: until_nul(view.bytes(64, 16)),
        domain: until_nul(view.bytes(80, 32)),
        date: until_nul(view.bytes(112, 32)),
    }
}

/// Asks where the hypervisor's hole begins.
pub fn virt_start() -> Request {
    with_room(PLATFORM_PARAMETERS, 8)
}

/// What [`virt_start`] has shown.
pub fn virt_start_answer(reply: &Reply) -> u64 {
    View::new(&reply.image, 0).u64(0)
}

/// Asks for the size of a page, which is the reply's value.
pub fn page_size() -> Request {
    Request::new(hypercall::XEN_VERSION).value(PAGESIZE).value(0)
}

fn until_nul(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_fills_its_field_is_read_whole() {
        let reply = Reply { value: 0, image: b"0123456789abcdef".to_vec() };
        assert_eq!(text_answer(&reply), "0123456789abcdef");
    }

    #[test]
    fn the_release_is_split_in_the_middle() {
        assert_eq!(release_answer(&Reply { value: 0x0004_0014, image: vec![] }), (4, 20));
    }
}
