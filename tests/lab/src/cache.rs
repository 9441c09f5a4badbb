//! The cache folder: packages by digest, images by the digest of what they are made from.
//!
//! `.lab/` beside the workspace's `Cargo.toml`, or `$XDG_CACHE_HOME/xend-lab` when that is set. Several
//! processes may use it at once: whoever builds holds the lock of that suite.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The folder that keeps what was downloaded and built.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache of this checkout, or of this user.
    pub fn open() -> Result<Self> {
        let root = match std::env::var_os("XDG_CACHE_HOME") {
            Some(home) if !home.is_empty() => PathBuf::from(home).join("xend-lab"),
            _ => workspace().join(".lab"),
        };
        Self::at(&root)
    }

    /// A cache in a folder of the caller's choice.
    pub fn at(root: &Path) -> Result<Self> {
        fs::create_dir_all(root)
            .with_context(|| format!("cannot make the cache folder {}", root.display()))?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// A path inside the cache; its parent folder exists afterwards.
    pub fn path(&self, below: &str) -> Result<PathBuf> {
        let path = self.root.join(below);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        Ok(path)
    }

    /// Holds off other processes that would make the same thing, until the file is dropped.
    pub fn lock(&self, name: &str) -> Result<File> {
        let path = self.path(&format!("locks/{name}"))?;
        let file = File::create(&path).with_context(|| format!("cannot open lock {}", path.display()))?;
        file.lock().with_context(|| format!("cannot take lock {}", path.display()))?;
        Ok(file)
    }
}

/// The folder of the workspace's `Cargo.toml`.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// SHA-256 of a file, by coreutils.
pub fn digest_of_file(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let output = Command::new("sha256sum").stdin(file).output().context("cannot run sha256sum")?;
    first_word(&output.stdout)
}

/// SHA-256 of some bytes, by coreutils.
pub fn digest(bytes: &[u8]) -> Result<String> {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run sha256sum")?;
    let mut stdin = child.stdin.take().context("sha256sum has no input")?;
    stdin.write_all(bytes).context("cannot write to sha256sum")?;
    drop(stdin);
    first_word(&child.wait_with_output().context("cannot read from sha256sum")?.stdout)
}

fn first_word(output: &[u8]) -> Result<String> {
    match String::from_utf8_lossy(output).split_whitespace().next() {
        Some(word) if word.len() == 64 => Ok(word.to_owned()),
        _ => bail!("cannot read a digest from the output of sha256sum"),
    }
}

/// Runs a program to its end; its error output becomes the error.
pub fn run(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("cannot finish {program}: {}: {}", output.status, said.trim());
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        let known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(b"").unwrap(), known);
    }

    #[test]
    fn a_failing_program_is_reported_with_its_words() {
        let error = run(Command::new("sh").args(["-c", "echo no such luck >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("no such luck"), "{error}");
    }
}
