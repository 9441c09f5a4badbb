//! What several targets share: reading choices from the fuzzer's bytes, a runtime, a folder for sockets and files.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// Longest that one input may keep a target waiting for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The fuzzer's bytes, taken from the front.
#[derive(Clone, Copy, Debug)]
pub struct Choices<'a> {
    left: &'a [u8],
}

impl<'a> Choices<'a> {
    /// All of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// The next byte, 0 behind the end.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// The next `len` bytes, or as many as are left.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, left) = self.left.split_at(len.min(self.left.len()));
        self.left = left;
        taken
    }

    /// A piece of bytes with its length, up to 2 KiB, in front.
    pub fn piece(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()) | usize::from(self.byte() & 7) << 8;
        self.bytes(len)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }
}

/// Runs `work` on this process' runtime and fails when it does not end.
pub fn within_patience<T>(work: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        // Sockets are looked at after every turn, so that turns can be counted.
        let builder = &mut Builder::new_current_thread();
        builder.enable_all().event_interval(1).build().expect("a runtime needs two descriptors")
    });
    runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await.expect("this input makes it hang") })
}

/// A path in a folder of this process, in memory where the machine has such a folder.
pub fn scratch(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = base.join(format!("xend-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the folder for temporary files can be written to");
        folder
    });
    folder.join(name)
}
