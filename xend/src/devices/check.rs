//! Asking `xen-hotplug check` whether devices that are to come could be connected, before there is a domain: one
//! process for all of them. It uses what the scripts use, and its texts are theirs.
//!
//! ```text
//! to it    CLASS/DEVID 0  script NAME 0  argument WORD 0 …  node NAME=VALUE 0 …  vm PATH 0  0
//! from it  CLASS/DEVID 0  status error|busy 0  text TEXT 0  because TEXT 0  try TEXT 0  0
//! ```
//!
//! A check that cannot be made is a warning: the scripts look again.

use std::{io, path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::Command,
};
use xend_api::classic::daemon as classic;

use super::wiring::DeviceFault;

/// After this long it is killed. A look at a disk may wait for a sleeping drive, not for a dead server.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Longest answer.
const ANSWER_MAX: u64 = 1 << 20;

/// Longest complaint.
const COMPLAINT_MAX: u64 = 4096;

/// A device that is to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePlan {
    /// `vbd` or `vif`.
    pub class: &'static str,
    /// Number inside its class.
    pub devid: u32,
    /// Path of the script that will connect it, and words in front of its command.
    pub script: String,
    /// `/vm/UUID` of the guest.
    pub vm_path: String,
    /// The nodes that its backend will have.
    pub backend: Vec<(&'static str, String)>,
}

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The program could not be run or spoken to.
    #[error("cannot run {program} check")]
    Run {
        /// Its path.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It did not end with 0.
    #[error("{program} check ended with {status}: {said}")]
    Failed {
        /// Its path.
        program: String,
        /// How.
        status: String,
        /// What it complained of.
        said: String,
    },
    /// It took too long.
    #[error("{program} check was killed after {TIME_LIMIT:?}")]
    TimedOut {
        /// Its path.
        program: String,
    },
    /// Its answer is none.
    #[error("cannot read the answer of {program} check: {part:?}")]
    Answer {
        /// Its path.
        program: String,
        /// The part that is not understood.
        part: String,
    },
}

/// Runs `program` for all of `plans`: the devices that could not be connected, in the order of the plans.
pub(super) async fn check(
    program: &Path,
    env: &[(String, String)],
    plans: &[DevicePlan],
) -> Result<Vec<DeviceFault>, CheckError> {
    let name = || program.display().to_string();
    let failed = |source| CheckError::Run { program: name(), source };
    let mut child = Command::new(program)
        .arg("check")
        .env_clear()
        .env("PATH", super::scripts::PATH)
        .env("LANG", "POSIX")
        .envs(env.iter().map(|(key, value)| (key, value)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let input = question(plans);
    let ends = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = ends else {
        return Err(failed(io::ErrorKind::BrokenPipe.into()));
    };
    let talk = async {
        let write = async {
            // One that does not read it to its end says why.
            let _ = stdin.write_all(input.as_bytes()).await;
            drop(stdin);
        };
        let ((), answer, said) = tokio::join!(write, read(stdout, ANSWER_MAX), read(stderr, COMPLAINT_MAX));
        Ok((answer?, said?, child.wait().await?))
    };
    let (answer, said, status) = match tokio::time::timeout(TIME_LIMIT, talk).await {
        Ok(ended) => ended.map_err(failed)?,
        Err(_) => return Err(CheckError::TimedOut { program: name() }),
    };
    if !status.success() {
        let said = said.replace(char::is_control, " ").trim().to_owned();
        return Err(CheckError::Failed { program: name(), status: status.to_string(), said });
    }
    read_answer(&answer, plans).map_err(|part| CheckError::Answer { program: name(), part })
}

/// Reads the end of a pipe, and closes it after `most` bytes: its writer must not wait for us.
async fn read(pipe: impl AsyncRead + Unpin, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    pipe.take(most).read_to_end(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn question(plans: &[DevicePlan]) -> String {
    let mut text = String::new();
    // What the store would not take either ends no field.
    let mut field = |words: &str| {
        text.extend(words.chars().filter(|c| *c != '\0'));
        text.push('\0');
    };
    for plan in plans {
        field(&format!("{}/{}", plan.class, plan.devid));
        let mut words = plan.script.split_ascii_whitespace();
        let script = words.next().unwrap_or_default();
        field(&format!("script {}", script.rsplit('/').next().unwrap_or_default()));
        words.for_each(|word| field(&format!("argument {word}")));
        plan.backend.iter().for_each(|(key, value)| field(&format!("node {key}={value}")));
        field(&format!("vm {}", plan.vm_path));
        field("");
    }
    text
}

/// The faults in the order of the plans, or the part of the answer that is none.
fn read_answer(answer: &str, plans: &[DevicePlan]) -> Result<Vec<DeviceFault>, String> {
    let mut found = Vec::new();
    let mut fields = answer.split_terminator('\0');
    while let Some(name) = fields.next() {
        let place = plans.iter().position(|plan| format!("{}/{}", plan.class, plan.devid) == name);
        let place = place.ok_or_else(|| name.to_owned())?;
        let (mut told, mut is_busy) = (None, false);
        let (mut because, mut hint) = (Vec::new(), None);
        loop {
            let field = fields.next().ok_or_else(|| name.to_owned())?;
            match field.split_once(' ') {
                _ if field.is_empty() => break,
                Some(("status", word)) => is_busy = word == "busy",
                Some(("text", text)) => told = Some(text),
                Some(("because", text)) => because.push(text.to_owned()),
                Some(("try", text)) => hint = Some(text.to_owned()),
                _ => return Err(field.to_owned()),
            }
        }
        let told = told.ok_or_else(|| name.to_owned())?;
        let (devid, class) = (u64::from(plans[place].devid), plans[place].class);
        let text = if is_busy {
            classic::busy(devid, class, told)
        } else {
            classic::could_not_connect(devid, class, told)
        };
        found.push((place, DeviceFault { text, because, hint }));
    }
    found.sort_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, fault)| fault).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn plans() -> Vec<DevicePlan> {
        let plan = |class, devid, script: &str, backend| DevicePlan {
            class,
            devid,
            script: script.to_owned(),
            vm_path: "/vm/x".to_owned(),
            backend,
        };
        vec![
            plan("vbd", 768, "/s/block", vec![("type", "phy".to_owned()), ("params", "a=b\0c".to_owned())]),
            plan("vif", 0, "/s/vif-bridge bridge=br1 x", vec![("mac", "00:16:3e:00:00:01".to_owned())]),
        ]
    }

    #[test]
    fn the_question_has_a_field_for_everything() {
        let expected = "vbd/768|script block|node type=phy|node params=a=bc|vm /vm/x||\
                        vif/0|script vif-bridge|argument bridge=br1|argument x|node mac=00:16:3e:00:00:01|vm /vm/x||";
        assert_eq!(question(&plans()).replace('\0', "|"), expected);
    }

    #[test]
    fn the_answer_becomes_the_faults_that_the_scripts_would_have_given() {
        let answer = "vif/0|status error|text Could not find bridge device br1|try look||\
                      vbd/768|status busy|text Device /dev/a is mounted|because sda1 is mounted|because b|try c||";
        let faults = read_answer(&answer.replace('|', "\0"), &plans()).unwrap();
        assert_eq!(faults[0].text, "Device 768 (vbd) could not be connected.\nDevice /dev/a is mounted");
        assert_eq!(faults[0].because, ["sda1 is mounted", "b"]);
        assert_eq!(faults[0].hint.as_deref(), Some("c"));
        assert_eq!(faults[1].text, "Device 0 (vif) could not be connected. Could not find bridge device br1");
        assert!(read_answer("", &plans()).unwrap().is_empty());
        for bad in ["vbd/769\0\0", "vbd/768\0", "vbd/768\0\0", "vbd/768\0text x\0", "vbd/768\0what\0\0", "\0"]
        {
            assert!(read_answer(bad, &plans()).is_err(), "{bad:?}");
        }
    }

    fn program(name: &str, text: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xend-check-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("xen-hotplug");
        // Written by another process: see `scripts`.
        let write = "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\"";
        let written = std::process::Command::new("sh").args(["-c", write]).arg(&path).arg(text).status();
        assert!(written.unwrap().success());
        path
    }

    async fn ask(name: &str, text: &str) -> Result<Vec<DeviceFault>, CheckError> {
        let program = program(name, text);
        let answer = check(&program, &[], &plans()).await;
        std::fs::remove_dir_all(program.parent().unwrap()).unwrap();
        answer
    }

    #[tokio::test]
    async fn a_program_is_asked_once_for_all() {
        let text = "#!/bin/sh\n[ \"$1\" = check ] && grep -qa vbd/768 && printf 'vif/0\\0text no\\0\\0'\n";
        let faults = ask("asked", text).await.unwrap();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].text, "Device 0 (vif) could not be connected. no");
    }

    #[tokio::test]
    async fn one_that_cannot_check_is_an_error_of_its_own() {
        let error = ask("fails", "#!/bin/sh\necho no store >&2\nexit 1\n").await.unwrap_err();
        assert!(
            error.to_string().ends_with("/xen-hotplug check ended with exit status: 1: no store"),
            "{error}"
        );
        let error = ask("babbles", "#!/bin/sh\nyes | head -c 3000000\n").await.unwrap_err();
        assert!(matches!(error, CheckError::Failed { .. } | CheckError::Answer { .. }), "{error}");
        let error = check(Path::new("/nosuch/xen-hotplug"), &[], &plans()).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot run /nosuch/xen-hotplug check");
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended() {
        let program = program("hangs", "#!/bin/sh\nexec sleep 1000\n");
        tokio::time::pause();
        let error = check(&program, &[], &plans()).await.unwrap_err();
        assert!(matches!(error, CheckError::TimedOut { .. }), "{error}");
        std::fs::remove_dir_all(program.parent().unwrap()).unwrap();
    }
}
