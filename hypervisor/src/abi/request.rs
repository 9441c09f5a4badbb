//! A hypercall as plain data: an image of all the memory that Xen will read and write, and where addresses belong.
//!
//! ```text
//!   arguments   [ Value(6), Address(0), … ]
//!   image       | structure ........ pointer | payload .............. |
//!   links                            at ------------> target
//! ```
//!
//! An encoder that tells Xen "room for n entries" reserves that room in the same image, in the same function. That is
//! what makes the one `unsafe` call in `xen` sound: Xen never writes outside the copy of the image.

/// Alignment of each part of an image; the strictest that Xen's structures need.
const ALIGN: usize = 8;

/// Hypercall numbers (`hypervisor-interface` §2.1).
pub(super) mod hypercall {
    pub(crate) const MEMORY_OP: u32 = 12;
    pub(crate) const XEN_VERSION: u32 = 17;
    pub(crate) const GRANT_TABLE_OP: u32 = 20;
    pub(crate) const MMUEXT_OP: u32 = 26;
    pub(crate) const SCHED_OP: u32 = 29;
    pub(crate) const EVENT_CHANNEL_OP: u32 = 32;
    pub(crate) const SYSCTL: u32 = 35;
    pub(crate) const DOMCTL: u32 = 36;
}

/// One argument of a hypercall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Passed as it is.
    Value(u64),
    /// Address of this offset of the image.
    Address(usize),
}

/// A pointer inside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Offset of the eight bytes that take the address.
    pub at: usize,
    /// Offset whose address they take.
    pub target: usize,
}

/// A hypercall ready to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    hypercall: u32,
    arguments: Vec<Argument>,
    image: Vec<u8>,
    links: Vec<Link>,
}

impl Request {
    /// Without arguments yet.
    pub(super) fn new(hypercall: u32) -> Self {
        Self { hypercall, arguments: Vec::new(), image: Vec::new(), links: Vec::new() }
    }

    /// Next argument: a number.
    #[must_use]
    pub(super) fn value(mut self, value: u64) -> Self {
        self.arguments.push(Argument::Value(value));
        self
    }

    /// Next argument: the address of these bytes.
    #[must_use]
    pub(super) fn structure(mut self, bytes: &[u8]) -> Self {
        let at = self.append(bytes);
        self.arguments.push(Argument::Address(at));
        self
    }

    /// More memory, whose address goes to offset `at` of the image.
    #[must_use]
    pub(super) fn payload(mut self, at: usize, bytes: &[u8]) -> Self {
        let target = self.append(bytes);
        self.links.push(Link { at, target });
        self
    }

    fn append(&mut self, bytes: &[u8]) -> usize {
        let at = self.image.len().next_multiple_of(ALIGN);
        self.image.resize(at, 0);
        self.image.extend_from_slice(bytes);
        at
    }

    /// Number of the hypercall.
    pub fn hypercall(&self) -> u32 {
        self.hypercall
    }

    /// In the order in which Xen takes them, at most five.
    pub fn arguments(&self) -> &[Argument] {
        &self.arguments
    }

    /// Everything that Xen may read or write; the pointers in it are still zero.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// The pointers.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Offset of the n-th payload in the image.
    pub fn payload_at(&self, n: usize) -> usize {
        self.links[n].target
    }
}

/// What came back: the hypercall's value (never negative, that is an error) and the image as Xen left it. The pointers in
/// it hold addresses that are no longer valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Meaning depends on the call.
    pub value: u64,
    /// As long as the request's.
    pub image: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_image_are_aligned_and_linked() {
        let request = Request::new(1).value(7).structure(&[1; 13]).payload(0, &[2; 4]).structure(&[3; 2]);
        assert_eq!(request.arguments(), [Argument::Value(7), Argument::Address(0), Argument::Address(24)],);
        assert_eq!(request.links(), [Link { at: 0, target: 16 }]);
        assert_eq!(request.image().len(), 26);
        assert_eq!(request.image()[16..20], [2; 4]);
    }
}
