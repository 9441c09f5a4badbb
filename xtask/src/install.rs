//! The installed tree: static programs, scripts, settings, examples, where a package puts them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use lab::cache::workspace;

use crate::progress::Steps;

/// What is built in release form; the target is named so that `+crt-static` leaves build scripts alone.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Programs and the folders that they are installed to.
const PROGRAMS: [(&str, &str); 3] =
    [("xend", "usr/sbin"), ("xm", "usr/sbin"), ("xen-hotplug", "usr/lib/xend/bin")];

/// Packages and their programs that live for milliseconds: at fixed addresses, since moving itself to random ones
/// would be most of what such a program does (in a PV dom0 `xm list` takes a third of the time). The daemon, which lives
/// long and maps the memory of guests, keeps its random addresses.
const STARTED_OFTEN: [(&str, &str); 2] = [("xm", "xm"), ("hotplug", "xen-hotplug")];

/// Folders of the checkout and what becomes of the files in them.
const FOLDERS: [(&str, &str, u32); 3] = [
    ("hotplug-scripts/scripts", "usr/lib/xend/scripts", 0o755),
    ("config-examples", "usr/share/doc/xend/examples", 0o644),
    ("packaging/etc/xen", "etc/xen", 0o644),
];

/// Whether to build first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// Yes.
    Make,
    /// Yes, with what others leave of the processors.
    Beside,
    /// No: what was built last is installed.
    Keep,
    /// Nothing is installed: a host with Debian's own tools only, to look at the lab itself.
    Bare,
}

/// Installs everything below `destdir`.
pub(crate) fn install(destdir: &Path, build: Build, steps: &Steps) -> Result<()> {
    if build != Build::Keep {
        cargo_build(build, (&["build", "-p", "xend", "--bins"], &[]), steps)?;
        for (package, program) in STARTED_OFTEN {
            let flags = ["--", "-C", "relocation-model=static"];
            cargo_build(build, (&["rustc", "-p", package, "--bin", program], &flags), steps)?;
        }
    }
    for (program, folder) in PROGRAMS {
        put(&built(program), &destdir.join(folder).join(program), 0o755)?;
    }
    for (from, to, mode) in FOLDERS {
        for (file, name) in files(from)? {
            let place = destdir.join(to).join(name);
            // Settings that somebody has made stay.
            if !(to.starts_with("etc/") && place.exists()) {
                put(&file, &place, mode)?;
            }
        }
    }
    network_links(destdir)?;
    manuals(destdir)?;
    completions(destdir)?;
    for name in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        put(&workspace().join(name), &destdir.join("usr/share/doc/xend").join(name), 0o644)?;
    }
    Ok(())
}

/// The network scripts, which today's packages of Xen lack, where wrappers of old look for them.
fn network_links(destdir: &Path) -> Result<()> {
    for (_, name) in files("hotplug-scripts/scripts")? {
        let place = destdir.join("etc/xen/scripts").join(&name);
        // What somebody has put there stays, a link to somewhere else too.
        if !name.starts_with("network-") || place.symlink_metadata().is_ok() {
            continue;
        }
        let what = || format!("cannot link {}", place.display());
        fs::create_dir_all(destdir.join("etc/xen/scripts")).with_context(what)?;
        symlink(Path::new("/usr/lib/xend/scripts").join(&name), &place).with_context(what)?;
    }
    Ok(())
}

/// `xm.1` to `man1/xm.1`.
fn manuals(destdir: &Path) -> Result<()> {
    for (file, name) in files("docs/man")? {
        let section = name.rsplit('.').next().unwrap_or_default();
        put(&file, &destdir.join(format!("usr/share/man/man{section}")).join(&name), 0o644)?;
    }
    Ok(())
}

/// `xm.bash` as `xm`, the name under which bash looks for it.
fn completions(destdir: &Path) -> Result<()> {
    for (file, name) in files("packaging/completions")? {
        let program = name.trim_end_matches(".bash");
        put(&file, &destdir.join("usr/share/bash-completion/completions").join(program), 0o644)?;
    }
    Ok(())
}

/// The files of a folder of the checkout, with their names.
fn files(folder: &str) -> Result<Vec<(PathBuf, String)>> {
    let folder = workspace().join(folder);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    Ok(files.map(|file| (file.path(), file.file_name().to_string_lossy().into_owned())).collect())
}

/// The agent of the lab: static too, and no part of the product.
pub(crate) fn agent(build: Build, steps: &Steps) -> Result<PathBuf> {
    if build != Build::Keep {
        cargo_build(build, (&["build", "-p", "lab", "--bin", "lab-agent"], &[]), steps)?;
    }
    let agent = built("lab-agent");
    ensure!(agent.exists(), "the lab's agent has not been built yet: leave out --no-build");
    Ok(agent)
}

/// Where a release build leaves a program.
pub(crate) fn built(program: &str) -> PathBuf {
    target_folder().join(TARGET).join("release").join(program)
}

/// A folder for what xtask itself leaves: logs, the tree that the lab installs.
pub(crate) fn own_folder() -> Result<PathBuf> {
    let folder = target_folder().join("xtask");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// Cargo, the one that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()).stdin(Stdio::null());
    command
}

/// The same command, for when nobody else wants the processor.
fn behind(command: &Command) -> Command {
    let mut nice = Command::new("nice");
    nice.args(["-n", "10"]).arg(command.get_program()).args(command.get_args());
    nice.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    nice.current_dir(workspace()).stdin(Stdio::null());
    nice
}

/// `what` is the subcommand with its arguments; `flags` come last: those behind `--` are for the compiler of the program.
fn cargo_build(build: Build, (what, flags): (&[&str], &[&str]), steps: &Steps) -> Result<()> {
    let mut command = match build {
        Build::Beside => behind(&cargo()),
        _ => cargo(),
    };
    let mut child = command
        .args(what)
        .args(["--release", "--target", TARGET])
        .args(flags)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TERM_PROGRESS_WHEN", "never")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().context("cargo has no output")?).lines() {
        let line = line.context("cannot read what cargo says")?;
        // A cold build takes minutes: whoever waits sees that something happens.
        if let Some(doing) = ["Compiling ", "Downloaded "].iter().find(|word| line.trim().starts_with(*word))
        {
            let package = line.trim().trim_start_matches(doing).split(' ').next().unwrap_or_default();
            steps.detail(package);
        }
        said += &line;
        said.push('\n');
    }
    if !child.wait().context("cannot wait for cargo")?.success() {
        bail!("cannot build {}:\n{said}", what.join(" "));
    }
    Ok(())
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let what = || format!("cannot install {} as {}", from.display(), to.display());
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(what)?;
    }
    // A program that runs cannot be written to, but it can be replaced.
    if to.exists() {
        fs::remove_file(to).with_context(what)?;
    }
    fs::copy(from, to).with_context(what)?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).with_context(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_scripts_are_linked_and_a_sites_own_stay() {
        let folder = std::env::temp_dir().join(format!("xtask-links-{}", std::process::id()));
        let scripts = folder.join("etc/xen/scripts");
        fs::create_dir_all(&scripts).unwrap();
        fs::write(scripts.join("network-nat"), "own").unwrap();
        for _ in 0..2 {
            network_links(&folder).unwrap();
        }
        let to = fs::read_link(scripts.join("network-bridge")).unwrap();
        assert_eq!(to, Path::new("/usr/lib/xend/scripts/network-bridge"));
        assert_eq!(fs::read_to_string(scripts.join("network-nat")).unwrap(), "own");
        assert_eq!(fs::read_dir(&scripts).unwrap().count(), 3, "vif scripts are those of Xen's packages");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn manuals_and_completions_go_where_man_and_bash_look() {
        let folder = std::env::temp_dir().join(format!("xtask-manuals-{}", std::process::id()));
        manuals(&folder).unwrap();
        completions(&folder).unwrap();
        for file in [
            "man/man1/xm.1",
            "man/man5/xmdomain.cfg.5",
            "man/man5/xend-config.sxp.5",
            "man/man5/xend-networks.5",
            "man/man8/xend.8",
        ] {
            assert!(folder.join("usr/share").join(file).is_file(), "{file}");
        }
        assert!(folder.join("usr/share/bash-completion/completions/xm").is_file());
        assert!(folder.join("usr/share/bash-completion/completions/xend").is_file());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_is_replaced_with_the_mode_asked_for() {
        let folder = std::env::temp_dir().join(format!("xtask-install-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a"), "new").unwrap();
        fs::create_dir_all(folder.join("to")).unwrap();
        fs::write(folder.join("to/b"), "old").unwrap();
        put(&folder.join("a"), &folder.join("to/b"), 0o755).unwrap();
        assert_eq!(fs::read_to_string(folder.join("to/b")).unwrap(), "new");
        assert_eq!(fs::metadata(folder.join("to/b")).unwrap().permissions().mode() & 0o777, 0o755);
        fs::remove_dir_all(&folder).unwrap();
    }
}
