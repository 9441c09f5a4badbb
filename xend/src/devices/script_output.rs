//! What a script prints: copied to `xen-hotplug.log` up to a bound, its last lines kept for an error.
//!
//! ```text
//! script ── pipe ──> copier ──> Log    whole lines, LOG_LIMIT bytes a run, then how much was left out
//!    |                  └─────> Tail   last lines, cleaned
//!    └── a child that it leaves behind may hold the pipe
//! ```
//!
//! The copier reads until the last writer is gone, whether the script has ended or not: a pipe that nobody reads would
//! end a program that the script left behind on purpose at its first word. Nobody waits for it longer than [`GRACE`].

use std::{
    collections::VecDeque,
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{io::AsyncReadExt, net::unix::pipe::Receiver, sync::oneshot, task::JoinHandle};
use tracing::warn;

/// As much of one run's output goes to the log.
const LOG_LIMIT: usize = 64 * 1024;
/// As much is held back until its line is whole.
const LINE_LIMIT: usize = 4 * 1024;
/// As many lines are kept for an error.
const TAIL_LINES: usize = 5;
/// As much is kept of each, in bytes.
const TAIL_WIDTH: usize = 200;
/// After its script has ended in failure the pipe may be held open this long until the last lines are told: on a busy host
/// the thread that reads them may not get its turn at once.
const GRACE: Duration = Duration::from_secs(3);
/// Read at once.
const CHUNK: usize = 16 * 1024;

/// The last lines of a script, cleaned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Said(Vec<String>);

impl Said {
    /// Its lines, the last one last.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it said: {}", self.0.join(" / "))
    }
}

/// The output of one run.
pub(super) struct Output {
    tail: Arc<Mutex<Tail>>,
    ended: oneshot::Sender<()>,
    copier: JoinHandle<()>,
}

/// Both ends that the script writes to.
pub(super) struct Ends {
    pub(super) stdout: Stdio,
    pub(super) stderr: Stdio,
}

impl Output {
    /// Makes the pipe and starts to copy. `run` names the run where output of it is left out.
    pub(super) fn capture(log: &Path, run: String) -> io::Result<(Self, Ends)> {
        let (reader, writer) = io::pipe()?;
        let ends = Ends { stdout: writer.try_clone()?.into(), stderr: writer.into() };
        let pipe = Receiver::from_owned_fd(reader.into())?;
        let tail = Arc::new(Mutex::new(Tail::default()));
        let (ended, end) = oneshot::channel();
        let log = Log { path: log.to_owned(), run, room: LOG_LIMIT, left_out: 0, broken: false };
        let copier = tokio::spawn(copy(pipe, log, tail.clone(), end));
        Ok((Self { tail, ended, copier }, ends))
    }

    /// The script did its work: nobody needs its words, and it may have left a program running.
    pub(super) fn let_go(self) {
        // Fails only where the copier is done.
        let _ = self.ended.send(());
    }

    /// The last lines, once all writers are gone, or have been given time to go.
    pub(super) async fn last_lines(mut self) -> Option<Said> {
        let _ = tokio::time::timeout(GRACE, &mut self.copier).await;
        let said = self.tail.lock().unwrap_or_else(PoisonError::into_inner).said();
        self.let_go();
        said
    }
}

async fn copy(mut pipe: Receiver, mut log: Log, tail: Arc<Mutex<Tail>>, mut end: oneshot::Receiver<()>) {
    let mut buffer = vec![0; CHUNK];
    let mut pending = Vec::new();
    let mut is_over = false;
    loop {
        let read = tokio::select! {
            biased;
            read = pipe.read(&mut buffer) => read,
            _ = &mut end, if !is_over => {
                is_over = true;
                log = log.append(std::mem::take(&mut pending)).await.close().await;
                continue;
            }
        };
        let read = match read {
            Ok(0) | Err(_) => break,
            Ok(read) => &buffer[..read],
        };
        tail.lock().unwrap_or_else(PoisonError::into_inner).push(read);
        pending.extend_from_slice(read);
        let whole = match pending.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            None if pending.len() >= LINE_LIMIT => pending.len(),
            None => 0,
        };
        if whole > 0 {
            let rest = pending.split_off(whole);
            log = log.append(std::mem::replace(&mut pending, rest)).await;
        }
    }
    log.append(pending).await.close().await;
}

/// The scripts' log, as far as one run may write to it.
struct Log {
    path: PathBuf,
    run: String,
    room: usize,
    left_out: u64,
    /// It could not be written, which was said once.
    broken: bool,
}

impl Log {
    /// Adds `text`, or as much of it as there is room for.
    async fn append(mut self, mut text: Vec<u8>) -> Self {
        let fits = text.len().min(self.room);
        self.left_out += (text.len() - fits) as u64;
        text.truncate(fits);
        self.room -= fits;
        self.write(text).await
    }

    /// Says how much was left out since this was last said.
    async fn close(mut self) -> Self {
        let left_out = std::mem::take(&mut self.left_out);
        if left_out == 0 {
            return self;
        }
        let text = format!("{}: {left_out} more bytes of output were left out\n", self.run);
        self.write(text.into_bytes()).await
    }

    /// On a worker thread: a disk may keep us waiting.
    async fn write(mut self, text: Vec<u8>) -> Self {
        if text.is_empty() || self.broken {
            return self;
        }
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut file: File = OpenOptions::new().append(true).create(true).open(path)?;
            file.write_all(&text)
        });
        if let Ok(Err(error)) = written.await {
            warn!(log = %self.path.display(), script = %self.run, "cannot write a script's output: {error}");
            self.broken = true;
        }
        self
    }
}

/// The last lines of what was printed so far.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    /// The line that is not whole yet, as far as it is kept.
    open: Vec<u8>,
    /// It was longer than that.
    is_cut: bool,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let last = last_lines_of(bytes);
        if last.len() < bytes.len() {
            *self = Self::default();
        }
        for part in last.split_inclusive(is_break) {
            let (text, is_whole) = match part {
                [text @ .., b'\n' | b'\r'] => (text, true),
                text => (text, false),
            };
            let fits = text.len().min(TAIL_WIDTH - self.open.len());
            self.open.extend_from_slice(&text[..fits]);
            self.is_cut |= fits < text.len();
            if is_whole {
                if let Some(line) = self.open_line() {
                    self.lines.push_back(line);
                }
                if self.lines.len() > TAIL_LINES {
                    self.lines.pop_front();
                }
                self.open.clear();
                self.is_cut = false;
            }
        }
    }

    /// The open line without what a terminal would obey; none where nothing is left.
    fn open_line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.open).replace(char::is_control, " ");
        let text = text.trim();
        let end = if self.is_cut { "…" } else { "" };
        (!text.is_empty()).then(|| format!("{text}{end}"))
    }

    fn said(&self) -> Option<Said> {
        let mut lines: Vec<String> = self.lines.iter().cloned().chain(self.open_line()).collect();
        lines.drain(..lines.len().saturating_sub(TAIL_LINES));
        (!lines.is_empty()).then_some(Said(lines))
    }
}

fn is_break(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The end of `bytes`, before which nothing can be kept: found from the end, whatever the script's speed.
fn last_lines_of(bytes: &[u8]) -> &[u8] {
    let (mut start, mut lines) = (bytes.len() + 1, 0);
    for part in bytes.rsplit(is_break) {
        start -= part.len() + 1;
        lines += usize::from(!part.trim_ascii().is_empty());
        if lines > TAIL_LINES {
            break;
        }
    }
    &bytes[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(parts: &[&[u8]]) -> Vec<String> {
        let mut tail = Tail::default();
        for part in parts {
            tail.push(part);
        }
        tail.said().map(|said| said.lines().to_vec()).unwrap_or_default()
    }

    #[test]
    fn the_last_lines_are_kept_however_they_arrive() {
        assert_eq!(said(&[b"a\nb", b"c\n", b"\n\n", b"open"]), ["a", "bc", "open"]);
        assert_eq!(said(&[b"1\n2\n3\n4\n5\n6\n7"]), ["3", "4", "5", "6", "7"]);
        assert_eq!(said(&[b"10%\r20%\r", b"30%\r\n"]), ["10%", "20%", "30%"]);
        assert_eq!(said(&[]), [""; 0]);
    }

    #[test]
    fn many_lines_at_once_are_as_good_as_one_by_one() {
        let text: Vec<u8> = (0..1_000).flat_map(|n| format!("\n \n{n}\r\n").into_bytes()).collect();
        let parts: Vec<&[u8]> = text.chunks(7).collect();
        assert_eq!(said(&[b"before", &text]), said(&parts));
        assert_eq!(said(&[&text, b"\n", b"x"]), ["996", "997", "998", "999", "x"]);
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_kept() {
        assert_eq!(said(&[b"\x1b[31mred\x07\x00\xff\n"]), ["[31mred  \u{fffd}"]);
        assert_eq!(said(&["\u{9b}2J x".as_bytes()]), ["2J x"]);
    }

    #[test]
    fn a_long_line_is_cut() {
        let line = &said(&[&[b'x'; 5_000], &[b'x'; 5_000], b"\n"])[0];
        assert_eq!(line.chars().count(), TAIL_WIDTH + 1);
        assert!(line.ends_with("x…"));
    }
}
