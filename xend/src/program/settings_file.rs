//! The settings file on disk: opened without waiting for anybody, bounded, and told about in the log. What is in it is
//! the business of `settings`.

use std::{
    fs::{FileType, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use tracing::{error, warn};

use crate::settings::{Finding, Places, Reading, Settings, Weight};

/// No settings file is longer; the original's, comments and all, has eleven KiB.
const MAX_BYTES: u64 = 1 << 20;

/// Why a settings file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// In the original's words.
    #[error("Config file does not exist: {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A folder, a FIFO, a socket.
    #[error("cannot read {}: it is {found}, wanted a file of text", path.display())]
    NoFile {
        /// What was to be read.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// More than `MAX_BYTES`.
    #[error("cannot read {}: it has more than {MAX_BYTES} bytes, which no settings file has", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The system said no.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// In the original's words; the daemon does not guess what the rest was to be.
    #[error("Reading config file {}: {text} (line {line}, column {column}; `xend check-config` tells all)", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        text: String,
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
}

/// The file that counts: `XEND_CONFIG`, or the usual one.
pub(super) fn path(places: &Places) -> PathBuf {
    std::env::var_os("XEND_CONFIG").map_or_else(|| places.config(), Into::into)
}

/// The bytes of a file of text.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing { path: path.to_owned() },
        _ => FileError::Read { path: path.to_owned(), source },
    };
    // A FIFO that nobody writes to would be waited for.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(failed)?;
    let kind = file.metadata().map_err(failed)?.file_type();
    if let Some(found) = no_file(kind) {
        return Err(FileError::NoFile { path: path.to_owned(), found });
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(FileError::TooLong { path: path.to_owned() });
    }
    Ok(text)
}

/// What is there instead of a file. `/dev/null` is as good as an empty one.
fn no_file(kind: FileType) -> Option<&'static str> {
    if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_block_device() {
        Some("a disk")
    } else {
        None
    }
}

/// Settings, and what the log is to say about them once there is one.
pub(super) struct Loaded {
    /// The settings.
    pub(super) settings: Settings,
    faults: Vec<String>,
    warnings: Vec<String>,
}

/// Reads the settings for the daemon. Without a file all options have their defaults.
pub(super) fn load(places: &Places) -> Result<Loaded, FileError> {
    let path = path(places);
    let text = match read(&path) {
        Ok(text) => text,
        Err(missing @ FileError::Missing { .. }) => {
            let warnings = vec![format!("{missing}; all options are at their defaults")];
            return Ok(Loaded { settings: Settings::default(), faults: Vec::new(), warnings });
        }
        Err(error) => return Err(error),
    };
    let reading = Reading::of(&text);
    if let Some(Finding { text, place: Some(place), .. }) = reading.findings.broken().cloned() {
        return Err(FileError::Broken { path, text, line: place.line, column: place.column });
    }
    let mut loaded = Loaded { settings: reading.settings, faults: Vec::new(), warnings: Vec::new() };
    let mut idle = Vec::new();
    for finding in reading.findings.iter() {
        let hint = finding.hint.as_deref().map_or_else(String::new, |hint| format!(" ({hint})"));
        let line = format!("{}:{finding}{hint}", path.display());
        match finding.weight {
            Weight::Broken | Weight::Fault => loaded.faults.push(format!("{line}; the default is used")),
            Weight::Warning => loaded.warnings.push(line),
            Weight::NoEffect => idle.extend(finding.option),
        }
    }
    if !idle.is_empty() {
        let names = idle.join(", ");
        let text = "this version does not obey these options yet";
        loaded
            .warnings
            .push(format!("{}: {text}: {names}; `xend check-config` says what holds", path.display()));
    }
    Ok(loaded)
}

impl Loaded {
    /// Tells the log.
    pub(super) fn tell(self) -> Settings {
        for fault in self.faults {
            error!("{fault}");
        }
        for warning in self.warnings {
            warn!("{warning}");
        }
        self.settings
    }
}
