//! Programs of the host that are asked something, for a time at most.

use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Most of what a program says is read.
const OUTPUT_MAX: u64 = 256 << 10;

/// What a program did instead of ending well.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is not there, or cannot be started.
    #[error("cannot run {program}")]
    Start {
        /// The program.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// It took too long, and was killed.
    #[error("{program} was killed after {limit:?}")]
    Late {
        /// The program.
        program: String,
        /// How long it had.
        limit: Duration,
    },
    /// It ended with an error.
    #[error("{program} failed: {said}")]
    Failed {
        /// The program.
        program: String,
        /// Its exit code.
        code: Option<i32>,
        /// The end of what it complained.
        said: String,
    },
}

/// Runs a program to its end. The answer is what it said.
pub async fn run(program: &str, words: &[&str], limit: Duration) -> Result<String, ProgramError> {
    let named = || program.to_owned();
    let mut command = Command::new(program);
    command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "POSIX");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let start = |source| ProgramError::Start { program: named(), source };
    let mut child = command.spawn().map_err(start)?;
    let (said, complained) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let (said, complained) = tokio::join!(read(said), read(complained));
        (child.wait().await, said, complained)
    };
    let Ok((status, said, complained)) = tokio::time::timeout(limit, work).await else {
        return Err(ProgramError::Late { program: named(), limit });
    };
    let status = status.map_err(start)?;
    if status.success() {
        return Ok(said);
    }
    let lines: Vec<&str> = complained.lines().filter(|line| !line.trim().is_empty()).collect();
    let said = lines[lines.len().saturating_sub(3)..].join("; ");
    Err(ProgramError::Failed { program: named(), code: status.code(), said })
}

async fn read(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let _ = stream.take(OUTPUT_MAX).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Result<String, ProgramError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run("sh", &["-c", script], limit))
    }

    #[test]
    fn a_program_is_heard_bounded_and_its_error_told() {
        let long = Duration::from_secs(60);
        assert_eq!(sh("echo a; echo b >&2", long).unwrap(), "a\n");
        let text = sh("echo one >&2; echo two >&2; exit 3", long).unwrap_err().to_string();
        assert_eq!(text, "sh failed: one; two");
        assert!(matches!(sh("sleep 100", Duration::from_millis(50)), Err(ProgramError::Late { .. })));
        // Reading no more than that, we must not let it wait for us for ever either.
        assert!(sh("yes | head -c 9000000; exit 5", long).is_err());
    }
}
