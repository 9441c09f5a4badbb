//! A file system in memory: put together from folders and bytes, written as a cpio archive or to disk.
//!
//! Merged `/usr` is applied on the way in (`/bin/x` becomes `/usr/bin/x`), as on every current Debian, so
//! packages of both kinds meet in one tree. Everything belongs to root.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Folder,
    File { mode: u32, content: Content },
    Link(String),
    Device { major: u32, minor: u32 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Bytes(Vec<u8>),
    At(PathBuf),
}

impl Content {
    fn read(&self) -> Result<Vec<u8>> {
        match self {
            Content::Bytes(bytes) => Ok(bytes.clone()),
            Content::At(path) => fs::read(path).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// A file system in memory.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

impl Tree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a folder, and those above it.
    pub fn folder(&mut self, path: &str) -> &mut Self {
        let path = merged(path);
        self.parents(&path);
        self.nodes.entry(path).or_insert(Node::Folder);
        self
    }

    /// Adds a file of these bytes.
    pub fn file(&mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.insert(path, Node::File { mode, content: Content::Bytes(bytes.into()) })
    }

    /// Adds a file that is read when the tree is written.
    pub fn file_at(&mut self, path: &str, mode: u32, source: &Path) -> &mut Self {
        self.insert(path, Node::File { mode, content: Content::At(source.to_path_buf()) })
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) -> &mut Self {
        self.insert(path, Node::Link(target.to_owned()))
    }

    /// Adds a character device.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) -> &mut Self {
        self.insert(path, Node::Device { major, minor })
    }

    /// Adds the links `/bin -> usr/bin` and so on.
    pub fn merged_usr(&mut self) -> &mut Self {
        for name in ["bin", "sbin", "lib", "lib64"] {
            self.folder(&format!("usr/{name}"));
            self.nodes.insert(name.to_owned(), Node::Link(format!("usr/{name}")));
        }
        self
    }

    /// True when something is at the path.
    pub fn contains(&self, path: &str) -> bool {
        self.nodes.contains_key(&merged(path))
    }

    /// Adds a folder of this machine with all that is in it, except what `skip` names.
    pub fn absorb(&mut self, folder: &Path, skip: &dyn Fn(&str) -> bool) -> Result<()> {
        let mut open = vec![folder.to_path_buf()];
        while let Some(here) = open.pop() {
            for entry in fs::read_dir(&here).with_context(|| format!("cannot list {}", here.display()))? {
                let path = entry.with_context(|| format!("cannot list {}", here.display()))?.path();
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                if skip(&name) {
                    continue;
                }
                let kind = fs::symlink_metadata(&path).with_context(|| format!("cannot look at {name}"))?;
                if kind.is_symlink() {
                    let target = fs::read_link(&path).with_context(|| format!("cannot read link {name}"))?;
                    self.link(&name, &target.to_string_lossy());
                } else if kind.is_dir() {
                    self.folder(&name);
                    open.push(path);
                } else if kind.is_file() {
                    self.file_at(&name, kind.permissions().mode() & 0o777, &path);
                } else {
                    bail!("cannot take {} into a tree: neither file, folder nor link", path.display());
                }
            }
        }
        Ok(())
    }

    /// Adds another tree below a folder.
    pub fn graft(&mut self, folder: &str, tree: Tree) -> &mut Self {
        self.folder(folder);
        self.nodes.extend(tree.nodes.into_iter().map(|(path, node)| (format!("{folder}/{path}"), node)));
        self
    }

    /// Writes a cpio archive in the format that Linux unpacks (`newc`).
    pub fn write_cpio(&self, out: &mut dyn Write) -> Result<()> {
        for (serial, (path, node)) in (1u32..).zip(&self.nodes) {
            let (mode, content, device) = match node {
                Node::Folder => (0o040755, Vec::new(), (0, 0)),
                Node::File { mode, content } => (0o100000 | mode, content.read()?, (0, 0)),
                Node::Link(target) => (0o120777, target.as_bytes().to_vec(), (0, 0)),
                Node::Device { major, minor } => (0o020600, Vec::new(), (*major, *minor)),
            };
            write_entry(out, &Entry { serial, mode, path, content: &content, device })?;
        }
        write_entry(out, &Entry { serial: 0, mode: 0, path: "TRAILER!!!", content: &[], device: (0, 0) })
    }

    /// Writes everything but devices below a folder of this machine.
    pub fn write_folder(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for (path, node) in &self.nodes {
            let to = folder.join(path);
            let what = || format!("cannot write {}", to.display());
            match node {
                Node::Folder => fs::create_dir_all(&to).with_context(what)?,
                Node::Link(target) => symlink(target, &to).with_context(what)?,
                Node::Device { .. } => {}
                Node::File { mode, content } => {
                    fs::write(&to, content.read()?).with_context(what)?;
                    fs::set_permissions(&to, fs::Permissions::from_mode(*mode)).with_context(what)?;
                }
            }
        }
        Ok(())
    }

    fn insert(&mut self, path: &str, node: Node) -> &mut Self {
        let path = merged(path);
        self.parents(&path);
        self.nodes.insert(path, node);
        self
    }

    fn parents(&mut self, path: &str) {
        for (at, _) in path.match_indices('/') {
            self.nodes.entry(path[..at].to_owned()).or_insert(Node::Folder);
        }
    }
}

/// The path without leading slash, with `/usr` in front of the folders that were merged into it.
fn merged(path: &str) -> String {
    let path = path.trim_start_matches("./").trim_matches('/');
    match path.split('/').next() {
        Some("bin" | "sbin" | "lib" | "lib64") => format!("usr/{path}"),
        _ => path.to_owned(),
    }
}

struct Entry<'a> {
    serial: u32,
    mode: u32,
    path: &'a str,
    content: &'a [u8],
    device: (u32, u32),
}

fn write_entry(out: &mut dyn Write, entry: &Entry<'_>) -> Result<()> {
    let length = u32::try_from(entry.content.len()).with_context(|| format!("{} is too long", entry.path))?;
    let name_length = entry.path.len() as u32 + 1;
    let (major, minor) = entry.device;
    // inode, mode, uid, gid, links, mtime, size, device of the file system (2), device (2), name, check
    let fields = [entry.serial, entry.mode, 0, 0, 1, 0, length, 0, 0, major, minor, name_length, 0]
        .map(|f| format!("{f:08x}"));
    let header = format!("070701{}{}\0", fields.concat(), entry.path);
    let mut bytes = header.into_bytes();
    pad(&mut bytes);
    bytes.extend_from_slice(entry.content);
    pad(&mut bytes);
    out.write_all(&bytes).context("cannot write an archive")
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_aligned_entries_and_a_trailer() {
        let mut tree = Tree::new();
        tree.merged_usr().file("/bin/x", 0o755, *b"12345").device("dev/console", 5, 1);
        let mut bytes = Vec::new();
        tree.write_cpio(&mut bytes).unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("usr/bin/x\0") && text.contains("12345") && text.contains("TRAILER!!!"));
        assert_eq!(text.matches("070701").count(), tree.nodes.len() + 1);
    }

    #[test]
    fn folders_above_a_file_come_before_it() {
        let mut tree = Tree::new();
        tree.file("a/b/c", 0o644, *b"");
        assert_eq!(tree.nodes.keys().cloned().collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
    }

    #[test]
    fn a_tree_is_put_below_a_folder_of_another() {
        let mut below = Tree::new();
        below.file("bin/x", 0o755, *b"x");
        let mut tree = Tree::new();
        tree.graft("extra", below);
        assert!(tree.contains("extra") && tree.contains("extra/usr/bin") && tree.contains("extra/usr/bin/x"));
    }

    #[test]
    fn a_folder_is_absorbed_without_what_is_skipped() {
        let folder = std::env::temp_dir().join(format!("lab-tree-{}", std::process::id()));
        fs::create_dir_all(folder.join("usr/share/doc")).unwrap();
        fs::write(folder.join("usr/share/doc/x"), "").unwrap();
        fs::write(folder.join("usr/y"), "why").unwrap();
        let mut tree = Tree::new();
        tree.absorb(&folder, &|path| path.starts_with("usr/share/doc")).unwrap();
        assert!(tree.contains("usr/y") && !tree.contains("usr/share/doc/x"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
