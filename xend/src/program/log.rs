//! `xend.log` in the original's format: `[YYYY-MM-DD HH:MM:SS PID] LEVEL (Module:LINE) message`, local time, rotated at
//! 1 MiB with five old files (`xend-daemon` §2.8).

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tracing::{Event, Level, Subscriber, field::Visit};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer},
    registry::LookupSpan,
};

use crate::settings::LogLevel;

const ROTATE_AT: u64 = 1 << 20;
const OLD_FILES: u32 = 5;

/// Sends everything from now on to the log, or to standard error. The answer is where it went. The environment's
/// `XEND_LOG` wins over the level of the settings.
pub(super) fn start(path: &Path, level: LogLevel, foreground: Foreground) -> PathBuf {
    let filter = EnvFilter::try_from_env("XEND_LOG").unwrap_or_else(|_| EnvFilter::new(directives(level)));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).event_format(ClassicLine(foreground));
    if foreground == Foreground::Yes {
        // A second subscriber in the same process is a test's; the first one stays.
        let _ = builder.with_writer(io::stderr).try_init();
        return path.to_owned();
    }
    let (file, path) = open(path);
    let _ = builder.with_writer(RotatingFile(Mutex::new(file))).try_init();
    path
}

/// The libraries' own lines are for those who look for a fault in them.
fn directives(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace,hyper=warn,axum=warn,mio=warn,tokio=warn",
        LogLevel::Debug => "debug,hyper=warn,axum=warn",
        LogLevel::Info => "info,hyper=warn,axum=warn",
        LogLevel::Warning => "warn",
        LogLevel::Error | LogLevel::Critical => "error",
    }
}

/// Whether people watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreground {
    Yes,
    No,
}

/// The file, or one in the temporary folder where the file can't be written.
fn open(path: &Path) -> (LogFile, PathBuf) {
    if let Some(folder) = path.parent() {
        let _ = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    }
    match LogFile::open(path) {
        Ok(file) => (file, path.to_owned()),
        Err(error) => {
            let other = std::env::temp_dir().join(format!("{}-xend.log", std::process::id()));
            eprintln!("cannot write {}: {error}; logging to {}", path.display(), other.display());
            match LogFile::open_new(&other) {
                Ok(file) => (file, other),
                Err(_) => (LogFile { path: other.clone(), file: None, length: 0 }, other),
            }
        }
    }
}

struct LogFile {
    path: PathBuf,
    file: Option<File>,
    length: u64,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file: Some(file), length })
    }

    /// A file that is not there yet, in a folder that others can write to.
    fn open_new(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self { path: path.to_owned(), file: Some(file), length: 0 })
    }

    fn line(&mut self, text: &[u8]) -> io::Result<()> {
        if self.length > 0 && self.length + text.len() as u64 > ROTATE_AT {
            self.rotate();
        }
        match &mut self.file {
            Some(file) => file.write_all(text)?,
            None => io::stderr().write_all(text)?,
        }
        self.length += text.len() as u64;
        Ok(())
    }

    /// `.4` becomes `.5` … the file becomes `.1`. A file that can't be moved is written on.
    fn rotate(&mut self) {
        let old = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..OLD_FILES).rev() {
            let _ = fs::rename(old(number), old(number + 1));
        }
        let _ = fs::rename(&self.path, old(1));
        if let Ok(fresh) = Self::open(&self.path) {
            *self = fresh;
        }
    }
}

struct RotatingFile(Mutex<LogFile>);

impl<'a> MakeWriter<'a> for RotatingFile {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &RotatingFile {
    /// One call is one line: the subscriber writes each event in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).line(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct ClassicLine(Foreground);

impl<S, N> FormatEvent<S, N> for ClassicLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let file = Path::new(metadata.file().unwrap_or("xend"));
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("xend");
        // `mod.rs` says nothing; its folder does.
        let folder = file.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let module = if stem == "mod" { folder.unwrap_or(stem) } else { stem };
        let (level, line) = (word(*metadata.level()), metadata.line().unwrap_or(0));
        match self.0 {
            Foreground::Yes => write!(writer, "[xend] {level} ({module}:{line}) ")?,
            Foreground::No => {
                let now = jiff::Zoned::now();
                let pid = std::process::id();
                write!(writer, "[{} {pid}] {level} ({module}:{line}) ", now.strftime("%Y-%m-%d %H:%M:%S"))?;
            }
        }
        let mut fields = Fields { message: String::new(), rest: String::new() };
        event.record(&mut fields);
        writeln!(writer, "{}{}", fields.message, fields.rest)
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

/// The message, then the fields. Newlines of guests and files must not make lines of their own.
struct Fields {
    message: String,
    rest: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        let text = one_line(&format!("{value:?}"));
        if field.name() == "message" {
            self.message = text;
        } else {
            let _ = write!(self.rest, " {}={text}", field.name());
        }
    }
}

/// Control characters as escapes: a newline must not make a line of its own, nor an escape sequence move the cursor of
/// whoever reads the log.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\t' { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_a_reader_s_terminal() {
        assert_eq!(one_line("a\nb\r\u{1b}[2J\u{9b}é\t"), "a\\nb\\r\\u{1b}[2J\\u{9b}é\t");
    }

    #[test]
    fn the_log_is_rotated_by_size_and_keeps_five_old_files() {
        let dir = std::env::temp_dir().join(format!("xend-log-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("xend.log");
        let mut log = LogFile::open(&path).unwrap();
        let line = vec![b'x'; 700 << 10];
        for _ in 0..9 {
            log.line(&line).unwrap();
        }
        let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 6, "{names:?}");
        assert!(path.with_extension("log.5").exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
