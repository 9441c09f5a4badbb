//! What is known of a disk besides the store, in a folder of its own: which process serves it, which files it uses.
//!
//! It is written before the thing that it names is there, so whoever comes after a crash looks for the right thing.
//! The store may lose a tree at any time; this goes only with the disk, or with the host's start.

use super::Process;
use crate::host::Host;
use crate::image::{Access, Key, Layer};
use crate::vbd::Mode;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The folder of all disks.
const DISKS: &str = "/var/run/xend/disks";
/// Longest record that is read.
const SIZE_MAX: u64 = 256 << 10;

/// A file that a disk uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Which file.
    pub key: Key,
    /// How.
    pub mode: Mode,
    /// Its name, for people.
    pub path: PathBuf,
}

impl Use {
    /// Of the file at place `at` of a chain that a guest has in `mode`.
    pub fn of(layer: &Layer, at: usize, mode: Mode) -> Self {
        let mode = match (at, layer.access) {
            (0, Access::Write) => mode,
            _ => Mode::Read,
        };
        Use { key: layer.key, mode, path: layer.path.clone() }
    }
}

/// What is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The process that serves it.
    pub server: Option<Process>,
    /// The process that attached its device, or was about to.
    pub connector: Option<u32>,
    /// The target and the portal of an iSCSI session that was opened for it.
    pub session: Option<(String, String)>,
    /// The files that its server has open.
    pub uses: Vec<Use>,
}

impl Record {
    /// Reads the record in a folder, if there is one; lines that make no sense are left out.
    pub fn read(folder: &Path) -> Option<Self> {
        let mut bytes = Vec::new();
        File::open(folder.join("record")).ok()?.take(SIZE_MAX).read_to_end(&mut bytes).ok()?;
        let mut record = Record::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            record.read_line(line);
        }
        Some(record)
    }

    fn read_line(&mut self, line: &[u8]) -> Option<()> {
        let mut words = line.splitn(5, |byte| *byte == b' ');
        let kind = words.next()?;
        let mut text = || std::str::from_utf8(words.next()?).ok();
        match kind {
            b"server" => {
                self.server = Some(Process { pid: text()?.parse().ok()?, started: text()?.parse().ok()? });
            }
            b"connector" => self.connector = Some(text()?.parse().ok()?),
            b"session" => self.session = Some((text()?.to_owned(), text()?.to_owned())),
            b"file" | b"device" => {
                let mode = Mode::parse(text()?);
                let (one, two) = (text()?.parse().ok()?, text()?.parse().ok()?);
                let key = match kind {
                    b"file" => Key::File { device: one, inode: two },
                    _ => Key::Device { number: one },
                };
                let path = PathBuf::from(OsString::from_vec(words.next()?.to_vec()));
                self.uses.push(Use { key, mode, path });
            }
            _ => {}
        }
        Some(())
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = Vec::new();
        if let Some(Process { pid, started }) = self.server {
            writeln!(text, "server {pid} {started}")?;
        }
        if let Some(pid) = self.connector {
            writeln!(text, "connector {pid}")?;
        }
        if let Some((target, portal)) = &self.session {
            writeln!(text, "session {target} {portal}")?;
        }
        for Use { key, mode, path } in &self.uses {
            let mode = mode.word();
            match key {
                Key::File { device, inode } => write!(text, "file {mode} {device} {inode} ")?,
                Key::Device { number } => write!(text, "device {mode} {number} 0 ")?,
            }
            // A name is for people only: a line of its own it must not begin.
            text.extend(
                path.as_os_str().as_bytes().iter().map(|byte| if *byte == b'\n' { b'?' } else { *byte }),
            );
            text.push(b'\n');
        }
        fs::create_dir_all(folder)?;
        let aside = folder.join("record.new");
        fs::write(&aside, text)?;
        fs::rename(aside, folder.join("record"))
    }

    /// Whether it says anything: the others are of a disk that was given up before anything was taken.
    pub fn is_live(&self) -> bool {
        self.server.is_some_and(Process::is_alive)
    }
}

/// The folder of the disk `name`.
pub fn folder(host: &Host, name: &str) -> PathBuf {
    host.path(DISKS).join(name)
}

/// The name of the disk behind a backend: class, domain and device, `vbd-5-51713`.
pub fn name_of(xenbus_path: &str) -> Option<String> {
    let mut parts: Vec<&str> = xenbus_path.trim_end_matches('/').rsplit('/').take(3).collect();
    parts.reverse();
    let name = parts.join("-");
    (parts.len() == 3 && is_name(&name)).then_some(name)
}

/// Whether a folder may be called so: names come from the environment.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain)
}

/// Every disk with a record.
pub fn all(host: &Host) -> Vec<(String, Record)> {
    let entries = fs::read_dir(host.path(DISKS)).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| entry.file_name().into_string().ok());
    named.filter_map(|name| Some((name.clone(), Record::read(&folder(host, &name))?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let folder = Folder::new("record");
        let one =
            Use { key: Key::File { device: 1, inode: 2 }, mode: Mode::Write, path: "/srv/a b.img".into() };
        let two =
            Use { key: Key::Device { number: 64_769 }, mode: Mode::Unchecked, path: "/dev/vg/x".into() };
        let three =
            Use { mode: Mode::Read, path: OsString::from_vec(b"/\xff\xfe".to_vec()).into(), ..one.clone() };
        let record = Record {
            server: Some(Process { pid: 7, started: 8 }),
            connector: Some(9),
            session: Some(("iqn.2001-04.com.example:a".into(), "192.0.2.1:3260".into())),
            uses: vec![one.clone(), two, three],
        };
        record.write(folder.path()).unwrap();
        assert_eq!(Record::read(folder.path()), Some(record));
        let odd = Record { uses: vec![Use { path: "/a\nserver 1 1".into(), ..one }], ..Record::default() };
        odd.write(folder.path()).unwrap();
        assert_eq!(Record::read(folder.path()).unwrap().server, None);
        fs::write(folder.path().join("record"), b"server x\nfile w 1\nfile r a b c\n\xff\n\nconnector 5")
            .unwrap();
        assert_eq!(Record::read(folder.path()), Some(Record { connector: Some(5), ..Record::default() }));
    }

    #[test]
    fn a_name_cannot_lead_out_of_the_folder() {
        assert_eq!(name_of("backend/vbd/5/51713").as_deref(), Some("vbd-5-51713"));
        assert_eq!(name_of("/local/domain/0/backend/vbd/5/51713/").as_deref(), Some("vbd-5-51713"));
        for path in
            ["", "vbd/5", "backend/../../x", "backend/vbd/5/..", "a/b c/d", "a/b\0/c", &"x/".repeat(80)]
        {
            assert_ne!(name_of(path).as_deref(), Some(".."), "{path:?}");
            assert!(name_of(path).is_none_or(|name| is_name(&name)), "{path:?}");
        }
    }
}
