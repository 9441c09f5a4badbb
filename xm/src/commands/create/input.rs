//! Reads a file that may turn out to be anything: far too long, a folder, a pipe that nobody writes to.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long a pipe may keep silent.
const PATIENCE: Duration = Duration::from_millis(900);

/// The file, or a little more than so many bytes of it: whoever parses it then tells that it is too long.
pub(super) fn read_bounded(path: &str, most: usize) -> Result<Vec<u8>, Errno> {
    let errno = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
    // Without `O_NONBLOCK`, opening a pipe would wait for a writer.
    let mut options = File::options();
    let file = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(errno)?;
    let most = most.saturating_add(1);
    let regular = file.metadata().map_err(errno)?.is_file();
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 << 10];
    let deadline = Instant::now() + PATIENCE;
    while bytes.len() < most {
        if !regular {
            wait(&file, deadline)?;
        }
        match (&file).read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if matches!(errno_of(&error), Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => return Err(errno(error)),
        }
    }
    bytes.truncate(most);
    Ok(bytes)
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// Waits until there is something to read, or its end.
fn wait(file: &File, deadline: Instant) -> Result<(), Errno> {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, timeout) {
        Ok(0) => Err(Errno::ETIMEDOUT),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1 << 20;

    #[test]
    fn pipes_without_a_writer_endless_files_and_folders_end() {
        let folder = std::env::temp_dir().join(format!("xm-input-{}", std::process::id()));
        // Left by a process that was killed and had the same number.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let pipe = folder.join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert_eq!(read_bounded(pipe.to_str().unwrap(), MOST), Err(Errno::ETIMEDOUT));
        assert_eq!(read_bounded(folder.to_str().unwrap(), MOST), Err(Errno::EISDIR));
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read_bounded("/dev/zero", MOST).unwrap().len(), MOST + 1);
        assert_eq!(read_bounded("/dev/null", MOST), Ok(Vec::new()));
    }
}
