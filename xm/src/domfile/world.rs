//! What a domain file can learn of the host. The evaluator opens nothing itself: it asks a [`World`].

use std::collections::BTreeMap;

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link that leads nowhere.
    Link,
    /// A device, a socket, a pipe.
    Other,
}

/// Where a file's `print` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// The host, as a domain file sees it. `xm` has the real one; tests have [`Imagined`].
pub trait World {
    /// System, host name, release, version, machine.
    fn uname(&self) -> [String; 5];
    /// The environment variables.
    fn environ(&self) -> BTreeMap<Vec<u8>, Vec<u8>>;
    /// The current folder.
    fn current_dir(&self) -> Vec<u8>;
    /// What stands at a path; `None` for nothing.
    fn file_type(&self, path: &[u8]) -> Option<FileType>;
    /// Seconds since 1970.
    fn now(&self) -> f64;
    /// Seconds by which local time was ahead of UTC at that time.
    fn utc_offset(&self, seconds: i64) -> i64;
    /// A random number.
    fn random(&mut self) -> u64;
    /// Takes what the file prints.
    fn print(&mut self, stream: Stream, text: &[u8]);
    /// Gateway and device of the default route.
    fn default_route(&self) -> Option<(String, String)>;
    /// Address and mask of a network device.
    fn address(&self, device: &str) -> Option<(String, String)>;
}

/// A host of fixed answers.
#[derive(Clone, Debug)]
pub struct Imagined {
    /// What `uname` says.
    pub uname: [String; 5],
    /// The environment.
    pub environ: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The paths that exist, all of them files but those that end with `/`.
    pub paths: Vec<String>,
    /// What was printed, to whichever stream.
    pub printed: Vec<u8>,
    /// The last random number.
    pub random: u64,
}

impl Default for Imagined {
    fn default() -> Self {
        let uname = ["Linux", "dom0", "4.14.0", "#1 SMP", "x86_64"].map(str::to_owned);
        Self { uname, environ: BTreeMap::new(), paths: Vec::new(), printed: Vec::new(), random: 1 }
    }
}

impl World for Imagined {
    fn uname(&self) -> [String; 5] {
        self.uname.clone()
    }

    fn environ(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.environ.clone()
    }

    fn current_dir(&self) -> Vec<u8> {
        b"/an/empty/folder".to_vec()
    }

    fn file_type(&self, path: &[u8]) -> Option<FileType> {
        let is = |known: &String, end: &[u8]| known.as_bytes() == [path, end].concat();
        if self.paths.iter().any(|known| is(known, b"/")) {
            return Some(FileType::Folder);
        }
        self.paths.iter().any(|known| is(known, b"")).then_some(FileType::File)
    }

    fn now(&self) -> f64 {
        1_400_000_000.5
    }

    fn utc_offset(&self, _: i64) -> i64 {
        0
    }

    fn random(&mut self) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random.rotate_left(32)
    }

    fn print(&mut self, _: Stream, text: &[u8]) {
        self.printed.extend_from_slice(text);
    }

    fn default_route(&self) -> Option<(String, String)> {
        Some(("192.168.0.1".to_owned(), "eth0".to_owned()))
    }

    fn address(&self, device: &str) -> Option<(String, String)> {
        (device == "eth0").then(|| ("192.168.0.7".to_owned(), "255.255.255.0".to_owned()))
    }
}
