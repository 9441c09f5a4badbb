//! Managed domains on disk: a folder for each, named after its UUID, in which `config.sxp` is its configuration
//! (`xend-daemon` §4.9). The format and the places are the original's. Every change is whole and on disk when it counts:
//!
//! ```text
//!   new      UUID.new/config.sxp ── rename ──> UUID/config.sxp
//!   change   UUID/config.sxp.new ── rename ──> UUID/config.sxp
//!   delete   UUID ── rename ──> UUID.gone ── removed
//! ```
//!
//! What can't be read is reported and left as it is. Blocking; callers use worker threads.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use uuid::Uuid;
use xend_api::sxp;

use super::Gate;
use crate::domain::{ConfigFault, ManagedConfig};

const CONFIG: &str = "config.sxp";
/// A domain's memory; where it lies the domain is suspended.
const CHECKPOINT: &str = "checkpoint.chk";
/// Ends of the names that only an interrupted change leaves.
const NEW: &str = "new";
const GONE: &str = "gone";
/// More than any configuration has: one number a line, the processors alone of a great domain need a MiB.
const MAX_BYTES: u64 = 4 << 20;

/// A managed domain that could not be read, written or removed.
#[derive(Debug, thiserror::Error)]
pub enum ManagedError {
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
    /// Not what belongs there.
    #[error("cannot use {path}: {wanted} is wanted")]
    Kind {
        /// Which file.
        path: PathBuf,
        /// What should be there.
        wanted: &'static str,
    },
    /// Not an S-expression.
    #[error("cannot parse {path}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where it breaks off.
        source: sxp::SxpError,
    },
    /// Not a configuration.
    #[error("cannot use {path}: {}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config {
        /// Which file.
        path: PathBuf,
        /// All that is wrong.
        faults: Vec<ConfigFault>,
    },
    /// The file of another domain.
    #[error("UUID mismatch in stored configuration: {path}")]
    Uuid {
        /// Which file.
        path: PathBuf,
    },
}

/// The folder of managed domains.
#[derive(Clone)]
pub struct ManagedStore {
    folder: PathBuf,
    gate: Gate,
}

impl fmt::Debug for ManagedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl ManagedStore {
    /// Nothing is looked at yet: a folder that can't be used keeps no daemon from starting.
    pub fn new(folder: PathBuf, gate: Gate) -> Self {
        Self { folder, gate }
    }

    /// Folder of one domain.
    pub fn folder_of(&self, uuid: Uuid) -> PathBuf {
        self.folder.join(uuid.to_string())
    }

    /// Whether the domain's memory lies beside its configuration.
    pub fn is_suspended(&self, uuid: Uuid) -> bool {
        self.folder_of(uuid).join(CHECKPOINT).is_file()
    }

    /// Puts a configuration in place of the one with the same UUID, if any. On disk when this returns.
    pub fn write(&self, config: &ManagedConfig) -> Result<(), ManagedError> {
        let folder = self.folder_of(config.uuid);
        let text = config.to_text();
        if text.len() as u64 > MAX_BYTES {
            return Err(ManagedError::Kind { path: folder, wanted: "a configuration of at most 4 MiB" });
        }
        match fs::symlink_metadata(&folder) {
            Ok(there) if there.is_dir() => self.replace(&folder, &text),
            Ok(_) => Err(ManagedError::Kind { path: folder, wanted: "a folder" }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.add(&folder, &text),
            Err(source) => Err(ManagedError::Io { act: "look at", path: folder, source }),
        }
    }

    fn add(&self, folder: &Path, text: &str) -> Result<(), ManagedError> {
        self.ask("make", folder)?;
        if !self.folder.is_dir() {
            make_folder(&self.folder)?;
            self.folder.parent().map_or(Ok(()), sync_folder)?;
        }
        let aside = beside(folder, NEW);
        remove_folder(&aside)?;
        make_folder(&aside)?;
        self.write_file(&aside.join(CONFIG), text)?;
        sync_folder(&aside)?;
        self.rename(&aside, folder)
    }

    fn replace(&self, folder: &Path, text: &str) -> Result<(), ManagedError> {
        let path = folder.join(CONFIG);
        let aside = beside(&path, NEW);
        self.write_file(&aside, text)?;
        self.rename(&aside, &path)
    }

    /// Takes a domain away with all that lies in its folder; one that is not there is no error.
    pub fn remove(&self, uuid: Uuid) -> Result<(), ManagedError> {
        let folder = self.folder_of(uuid);
        let gone = beside(&folder, GONE);
        match fs::symlink_metadata(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            _ => remove_folder(&gone)?,
        }
        self.rename(&folder, &gone)?;
        // It is gone already; what can't be removed is removed when the folder is read the next time.
        if (self.gate)() {
            let _ = remove_folder(&gone);
        }
        Ok(())
    }

    /// Every domain, by UUID, and what is wrong with those that can't be used. Leftovers of interrupted changes are
    /// removed.
    pub fn read_all(&self) -> (Vec<ManagedConfig>, Vec<ManagedError>) {
        let (mut configs, mut faults) = (Vec::new(), Vec::new());
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (configs, faults),
            Err(source) => {
                let path = self.folder.clone();
                return (configs, vec![ManagedError::Io { act: "read", path, source }]);
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) if self.is_leftover(&entry.path()) => {
                    if (self.gate)() {
                        let _ = remove_folder(&entry.path());
                    }
                }
                Ok(entry) => match read(&entry.path()) {
                    Ok(config) => configs.push(config),
                    Err(fault) => faults.push(fault),
                },
                Err(source) => {
                    let path = self.folder.clone();
                    faults.push(ManagedError::Io { act: "read", path, source });
                }
            }
        }
        configs.sort_by_key(|config| config.uuid);
        (configs, faults)
    }

    fn is_leftover(&self, path: &Path) -> bool {
        let end = path.extension().and_then(|end| end.to_str());
        matches!(end, Some(NEW | GONE)) && uuid_of(&path.with_extension("")).is_some()
    }

    fn write_file(&self, path: &Path, text: &str) -> Result<(), ManagedError> {
        self.ask("write", path)?;
        let failed = |source| ManagedError::Io { act: "write", path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(path).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Renames, and syncs the folder that both names are in.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), ManagedError> {
        self.ask("rename", from)?;
        fs::rename(from, to).map_err(|source| ManagedError::Io {
            act: "replace",
            path: to.to_owned(),
            source,
        })?;
        to.parent().map_or(Ok(()), sync_folder)
    }

    fn ask(&self, act: &'static str, path: &Path) -> Result<(), ManagedError> {
        if (self.gate)() {
            return Ok(());
        }
        let source = io::Error::from_raw_os_error(libc::EIO);
        Err(ManagedError::Io { act, path: path.to_owned(), source })
    }
}

/// `PATH.END`.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    PathBuf::from(name)
}

fn make_folder(path: &Path) -> Result<(), ManagedError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| ManagedError::Io { act: "make the folder", path: path.to_owned(), source })
}

fn remove_folder(path: &Path) -> Result<(), ManagedError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(ManagedError::Io { act: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn sync_folder(path: &Path) -> Result<(), ManagedError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|source| ManagedError::Io { act: "sync", path: path.to_owned(), source })
}

/// The UUID that a path's last name is, in the only spelling that is used.
fn uuid_of(path: &Path) -> Option<Uuid> {
    let name = path.file_name()?.to_str()?;
    Uuid::parse_str(name).ok().filter(|uuid| uuid.to_string() == name)
}

fn read(folder: &Path) -> Result<ManagedConfig, ManagedError> {
    let kind = |path: &Path, wanted| ManagedError::Kind { path: path.to_owned(), wanted };
    let failed = |path: &Path, source| ManagedError::Io { act: "read", path: path.to_owned(), source };
    let there = fs::symlink_metadata(folder).map_err(|source| failed(folder, source))?;
    let uuid = uuid_of(folder).filter(|_| there.is_dir());
    let uuid = uuid.ok_or_else(|| kind(folder, "a folder with a UUID for a name"))?;
    let path = folder.join(CONFIG);
    // Neither followed nor waited for, whatever it is.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(&path).map_err(|source| failed(&path, source))?;
    let size = file.metadata().map_err(|source| failed(&path, source))?;
    if !size.is_file() || size.len() > MAX_BYTES {
        return Err(kind(&path, "a file of at most 4 MiB"));
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).map_err(|source| failed(&path, source))?;
    let forms =
        sxp::parse_bytes(&text).map_err(|source| ManagedError::Syntax { path: path.clone(), source })?;
    let tree = forms.first().filter(|form| !form.items().is_empty());
    let tree = tree.ok_or_else(|| kind(&path, "(domain …)"))?;
    let config = ManagedConfig::from_stored(tree)
        .map_err(|faults| ManagedError::Config { path: path.clone(), faults })?;
    if config.uuid == uuid { Ok(config) } else { Err(ManagedError::Uuid { path }) }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::{PermissionsExt, symlink},
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use super::*;
    use crate::state::open_gate;

    fn config(name: &str, uuid: Uuid) -> ManagedConfig {
        let text = format!("(vm (name {name}) (uuid {uuid}) (memory 64) (image (linux (kernel /k))))");
        ManagedConfig::from_sxp(&sxp::parse(&text).unwrap()[0]).unwrap()
    }

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xend-managed-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir
    }

    /// What the next daemon reads.
    fn names(dir: &Path) -> Vec<String> {
        let (configs, faults) = ManagedStore::new(dir.to_owned(), open_gate()).read_all();
        assert!(faults.is_empty(), "{faults:?}");
        configs.into_iter().map(|config| config.name).collect()
    }

    #[test]
    fn a_change_that_is_stopped_anywhere_leaves_the_store_as_before_or_as_after() {
        let dir = folder("stop");
        let uuid = Uuid::new_v4();
        let open = ManagedStore::new(dir.clone(), open_gate());
        type Act = fn(&ManagedStore, Uuid) -> Result<(), ManagedError>;
        let acts: [(Act, &[&str], &[&str]); 3] = [
            (|store, uuid| store.write(&config("a", uuid)), &[], &["a"]),
            (|store, uuid| store.write(&config("b", uuid)), &["a"], &["b"]),
            (|store, uuid| store.remove(uuid), &["b"], &[]),
        ];
        for (act, before, after) in acts {
            for stop_at in 0..8 {
                let count = AtomicUsize::new(0);
                let gate: Gate = Arc::new(move || count.fetch_add(1, Ordering::SeqCst) < stop_at);
                let done = act(&ManagedStore::new(dir.clone(), gate), uuid);
                let wanted = if done.is_ok() { after } else { before };
                assert_eq!(names(&dir), wanted, "stopped before act {stop_at}");
            }
            act(&open, uuid).unwrap();
        }
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "no leftovers");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_domain_s_folder_is_for_root_alone_and_goes_as_a_whole() {
        let dir = folder("mode");
        let store = ManagedStore::new(dir.clone(), open_gate());
        let uuid = Uuid::new_v4();
        store.write(&config("a", uuid)).unwrap();
        let mode = fs::metadata(store.folder_of(uuid)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(!store.is_suspended(uuid));
        fs::write(store.folder_of(uuid).join(CHECKPOINT), "memory").unwrap();
        assert!(store.is_suspended(uuid));
        store.remove(uuid).unwrap();
        store.remove(uuid).unwrap();
        assert!(!store.folder_of(uuid).exists());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_damaged_is_named_with_its_path_and_left_as_it_is() {
        let dir = folder("damaged");
        let store = ManagedStore::new(dir.clone(), open_gate());
        store.write(&config("good", Uuid::new_v4())).unwrap();
        let good = config("x", Uuid::new_v4()).to_text();
        let damaged: [&[u8]; 7] =
            [b"", b"(domain (na", b")", b"\xff\x00\xfe", b"()", b"(domain (name x))", good.as_bytes()];
        let mut folders = Vec::new();
        for text in damaged {
            let folder = store.folder_of(Uuid::new_v4());
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(CONFIG), text).unwrap();
            folders.push(folder);
        }
        let empty = store.folder_of(Uuid::new_v4());
        fs::create_dir(&empty).unwrap();
        let link = store.folder_of(Uuid::new_v4());
        symlink(&folders[0], &link).unwrap();
        let linked = store.folder_of(Uuid::new_v4());
        fs::create_dir(&linked).unwrap();
        symlink(folders[6].join(CONFIG), linked.join(CONFIG)).unwrap();
        let pipe = store.folder_of(Uuid::new_v4());
        fs::create_dir(&pipe).unwrap();
        nix::unistd::mkfifo(&pipe.join(CONFIG), nix::sys::stat::Mode::S_IRWXU).unwrap();
        folders.extend([empty, link, linked, pipe, dir.join("lost+found"), dir.join("notes.new")]);
        fs::create_dir(dir.join("lost+found")).unwrap();
        fs::write(dir.join("notes.new"), "not ours").unwrap();
        for _ in 0..2 {
            let (configs, faults) = store.read_all();
            assert_eq!(configs.len(), 1);
            assert_eq!(faults.len(), folders.len(), "{faults:?}");
            for folder in &folders {
                let named = faults.iter().any(|fault| fault.to_string().contains(folder.to_str().unwrap()));
                assert!(named && fs::symlink_metadata(folder).is_ok(), "{}: {faults:?}", folder.display());
            }
        }
        assert!(
            store
                .write(&config(
                    "y",
                    Uuid::parse_str(folders[8].file_name().unwrap().to_str().unwrap()).unwrap()
                ))
                .is_err()
        );
        fs::remove_dir_all(dir).unwrap();
    }
}
