//! Files of the daemon: records of live domains here, managed domains in `managed`. Every write is atomic and durable
//! before it counts: a temporary file, fsync, rename, fsync of the folder. Blocking; callers use worker threads.

mod managed;

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use uuid::Uuid;

pub use managed::{ManagedError, ManagedStore};

use crate::domain::{DomainRecord, RecordFault};

/// Asked before every act that changes something outside this process; when it says no, the act fails. It lets a
/// test stop the daemon between any two acts, as `kill -9` would.
pub type Gate = Arc<dyn Fn() -> bool + Send + Sync>;

/// A record that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The folder or a file in it.
    #[error("cannot {act} {path}")]
    Io {
        /// Verb.
        act: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in it.
    #[error("cannot use {path}")]
    Record {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: RecordFault,
    },
}

/// The folder of records.
#[derive(Clone)]
pub struct Records {
    folder: PathBuf,
    gate: Gate,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Records {
    /// Makes the folder (mode 0700) if it is not there.
    pub fn open(folder: PathBuf, gate: Gate) -> Result<Self, StateError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|source| StateError::Io { act: "make the folder", path: folder.clone(), source })?;
        Ok(Self { folder, gate })
    }

    /// Puts a record in place of the one with the same UUID, if any. On disk when this returns.
    pub fn write(&self, record: &DomainRecord) -> Result<(), StateError> {
        let path = self.path(record.config.uuid);
        let temporary = path.with_extension("new");
        let io = |act, path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io { act, path, source }
        };
        self.ask().map_err(io("write", &path))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(io("create", &temporary))?;
        file.write_all(record.to_text().as_bytes()).map_err(io("write", &temporary))?;
        file.sync_all().map_err(io("sync", &temporary))?;
        self.ask().map_err(io("rename", &temporary))?;
        fs::rename(&temporary, &path).map_err(io("replace", &path))?;
        self.sync_folder()
    }

    /// Takes a record away; one that is not there is no error.
    pub fn remove(&self, uuid: Uuid) -> Result<(), StateError> {
        let path = self.path(uuid);
        let failed = |source| StateError::Io { act: "remove", path: path.clone(), source };
        self.ask().map_err(failed)?;
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed(source)),
            _ => self.sync_folder(),
        }
    }

    /// Every record, and what is wrong with those that can't be used. Leftovers of interrupted writes are removed.
    pub fn read_all(&self) -> Result<(Vec<DomainRecord>, Vec<StateError>), StateError> {
        let folder = |source| StateError::Io { act: "read", path: self.folder.clone(), source };
        let (mut records, mut faults) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.folder).map_err(folder)? {
            let path = entry.map_err(folder)?.path();
            match path.extension().and_then(|end| end.to_str()) {
                Some("new") => drop(fs::remove_file(&path)),
                Some("sxp") => match read(&path) {
                    Ok(record) => records.push(record),
                    Err(fault) => faults.push(fault),
                },
                _ => {}
            }
        }
        records.sort_by_key(|record| record.config.uuid);
        Ok((records, faults))
    }

    fn path(&self, uuid: Uuid) -> PathBuf {
        self.folder.join(format!("{uuid}.sxp"))
    }

    fn ask(&self) -> io::Result<()> {
        if (self.gate)() { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EIO)) }
    }

    fn sync_folder(&self) -> Result<(), StateError> {
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(|source| StateError::Io {
            act: "sync",
            path: self.folder.clone(),
            source,
        })
    }
}

fn read(path: &Path) -> Result<DomainRecord, StateError> {
    let text = fs::read_to_string(path).map_err(|source| StateError::Io {
        act: "read",
        path: path.to_owned(),
        source,
    })?;
    DomainRecord::from_text(&text).map_err(|source| StateError::Record { path: path.to_owned(), source })
}

/// The gate of a daemon that nobody tests.
pub fn open_gate() -> Gate {
    Arc::new(|| true)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::domain::{DomainConfig, Phase};

    fn record(name: &str) -> DomainRecord {
        let text = format!("(vm (name {name}) (memory 64) (vcpus 1) (image (linux (kernel /k))))");
        DomainRecord::creating(DomainConfig::from_sxp(&xend_api::sxp::parse(&text).unwrap()[0]).unwrap())
    }

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xend-state-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir
    }

    #[test]
    fn a_write_that_is_stopped_anywhere_leaves_the_old_record_or_the_new_one() {
        let dir = folder("stop");
        let old = record("old");
        Records::open(dir.clone(), open_gate()).unwrap().write(&old).unwrap();
        for stop_at in 0..2 {
            let acts = AtomicUsize::new(0);
            let gate: Gate = Arc::new(move || acts.fetch_add(1, Ordering::SeqCst) < stop_at);
            let mut new = old.clone();
            new.phase = Phase::Live;
            assert!(Records::open(dir.clone(), gate).unwrap().write(&new).is_err());
            let (records, faults) = Records::open(dir.clone(), open_gate()).unwrap().read_all().unwrap();
            assert_eq!((records, faults.len()), (vec![old.clone()], 0), "stopped before act {stop_at}");
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_record_that_is_not_one_is_reported_and_the_others_are_read() {
        let dir = folder("bad");
        let records = Records::open(dir.clone(), open_gate()).unwrap();
        let good = record("good");
        records.write(&good).unwrap();
        fs::write(dir.join("bad.sxp"), "(((").unwrap();
        let (read, faults) = records.read_all().unwrap();
        assert_eq!((read, faults.len()), (vec![good.clone()], 1));
        records.remove(good.config.uuid).unwrap();
        records.remove(good.config.uuid).unwrap();
        assert_eq!(records.read_all().unwrap().0, []);
        fs::remove_dir_all(dir).unwrap();
    }
}
