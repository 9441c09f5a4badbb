//! Reads the golden layouts (`README.md`) and builds the bytes that a C compiler would have built.
//!
//! A test says which fields hold which values; [`Expected`] puts them where that release has them, and leaves zero
//! everywhere else. Comparing whole images therefore also finds a field that an encoder puts where none belongs.

use std::collections::BTreeMap;

use hypervisor::abi::{Dialect, Reply, Request};

const RELEASES: [(u32, &str); 9] = [
    (14, include_str!("../golden/4.14.txt")),
    (15, include_str!("../golden/4.15.txt")),
    (16, include_str!("../golden/4.16.txt")),
    (17, include_str!("../golden/4.17.txt")),
    (18, include_str!("../golden/4.18.txt")),
    (19, include_str!("../golden/4.19.txt")),
    (20, include_str!("../golden/4.20.txt")),
    (21, include_str!("../golden/4.21.txt")),
    (22, include_str!("../golden/4.22.txt")),
];

/// A field's place in its structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Bytes from the start.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

/// The layouts of one release.
#[derive(Clone, Debug)]
pub struct Golden {
    /// Minor number of the release; 0 for Linux' own header.
    pub minor: u32,
    fields: BTreeMap<(String, String), Field>,
    values: BTreeMap<String, u64>,
}

impl Golden {
    /// All releases, oldest first.
    pub fn all() -> Vec<Self> {
        RELEASES.iter().map(|(minor, text)| Self::parse(*minor, text)).collect()
    }

    /// Linux' `privcmd.h`.
    pub fn linux() -> Self {
        Self::parse(0, include_str!("../golden/linux-privcmd.txt"))
    }

    fn parse(minor: u32, text: &str) -> Self {
        let (mut fields, mut values) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["value", name, number] => drop(values.insert((*name).to_owned(), decimal(number, line))),
                [structure, field, offset, size] => {
                    let place =
                        Field { offset: decimal(offset, line) as usize, size: decimal(size, line) as usize };
                    fields.insert(((*structure).to_owned(), (*field).to_owned()), place);
                }
                _ => panic!("golden file of 4.{minor}: cannot read line {line:?}"),
            }
        }
        Self { minor, fields, values }
    }

    /// The dialect that the daemon would choose on this release.
    pub fn dialect(&self) -> Dialect {
        Dialect::of_release(4, self.minor).expect("every golden release has a dialect")
    }

    /// A field's place, where the release has the field.
    pub fn find(&self, structure: &str, field: &str) -> Option<Field> {
        self.fields.get(&(structure.to_owned(), field.to_owned())).copied()
    }

    /// A field's place.
    pub fn field(&self, structure: &str, field: &str) -> Field {
        self.find(structure, field).unwrap_or_else(|| panic!("4.{} has no {structure}.{field}", self.minor))
    }

    /// Bytes of a structure.
    pub fn size(&self, structure: &str) -> usize {
        self.field(structure, "-").size
    }

    /// A constant.
    pub fn value(&self, name: &str) -> u64 {
        *self.values.get(name).unwrap_or_else(|| panic!("4.{} has no {name}", self.minor))
    }

    /// A `domctl` with its header filled in; the union follows.
    pub fn domctl(&self, command: &str, domid: u64) -> Expected<'_> {
        Expected::new(self, self.size("domctl"))
            .put("domctl", "cmd", self.value(command))
            .put("domctl", "interface_version", self.value("XEN_DOMCTL_INTERFACE_VERSION"))
            .put("domctl", "domain", domid)
            .from(self.field("domctl", "u").offset)
    }

    /// A `sysctl` with its header filled in; the union follows.
    pub fn sysctl(&self, command: &str) -> Expected<'_> {
        Expected::new(self, self.size("sysctl"))
            .put("sysctl", "cmd", self.value(command))
            .put("sysctl", "interface_version", self.value("XEN_SYSCTL_INTERFACE_VERSION"))
            .from(self.field("sysctl", "u").offset)
    }
}

fn decimal(text: &str, line: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("golden line {line:?}: {text:?} is not a number"))
}

/// Bytes as the C compiler of a release would have laid them out.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    golden: &'a Golden,
    base: usize,
    bytes: Vec<u8>,
}

impl<'a> Expected<'a> {
    /// All zero.
    pub fn new(golden: &'a Golden, size: usize) -> Self {
        Self { golden, base: 0, bytes: vec![0; size] }
    }

    /// Structures named from now on begin at this offset.
    #[must_use]
    pub fn from(mut self, base: usize) -> Self {
        self.base = base;
        self
    }

    /// Sets a field, cut to its size.
    #[must_use]
    pub fn put(self, structure: &str, field: &str, value: u64) -> Self {
        let size = self.golden.field(structure, field).size;
        self.bytes(structure, field, &value.to_le_bytes()[..size.min(8)])
    }

    /// Sets a field where the release has it.
    #[must_use]
    pub fn put_if_there(self, structure: &str, field: &str, value: u64) -> Self {
        if self.golden.find(structure, field).is_some() { self.put(structure, field, value) } else { self }
    }

    /// Sets the first bytes of a field.
    #[must_use]
    pub fn bytes(mut self, structure: &str, field: &str, value: &[u8]) -> Self {
        let field = self.golden.field(structure, field);
        assert!(value.len() <= field.size);
        let at = self.base + field.offset;
        self.bytes[at..at + value.len()].copy_from_slice(value);
        self
    }

    /// The bytes.
    pub fn done(self) -> Vec<u8> {
        self.bytes
    }

    /// Compares with the structure at the start of a request's image.
    pub fn assert_begins(&self, request: &Request) {
        assert_eq!(&request.image()[..self.bytes.len()], self.bytes, "4.{}: {request:?}", self.golden.minor);
    }

    /// As an answer of Xen: this structure, then `payload` where the request had room for it.
    pub fn reply(&self, request: &Request, payload: &[u8]) -> Reply {
        let mut image = request.image().to_vec();
        image[..self.bytes.len()].copy_from_slice(&self.bytes);
        if !payload.is_empty() {
            let at = request.payload_at(0);
            image[at..at + payload.len()].copy_from_slice(payload);
        }
        Reply { value: 0, image }
    }
}
