//! The system packages that the lab and the tests need: installed when we may, named with the exact command otherwise.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

/// A program (or file) and the Debian package that has it.
const NEEDED: [(&str, &str); 9] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
    ("mke2fs", "e2fsprogs"),
    ("xz", "xz-utils"),
    ("cc", "gcc"),
    // The tests of the network scripts; they skip, visibly, what lacks.
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("ping", "iputils-ping"),
    ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
];

const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// `cargo xtask deps`.
pub(crate) fn run() -> Result<ExitCode> {
    let lacking = lacking();
    if lacking.is_empty() {
        println!("all system packages are there");
    } else {
        provide()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes sure that everything is there: installs it as root, names the command for anybody else.
pub(crate) fn provide() -> Result<()> {
    let lacking = lacking();
    if lacking.is_empty() {
        return Ok(());
    }
    ensure!(
        exists("apt-get") && exists("dpkg-deb"),
        "this machine has no apt: the lab needs Debian's, and these packages: {}",
        lacking.join(" ")
    );
    let command = format!("apt-get install --yes --no-install-recommends {}", lacking.join(" "));
    if !nix::unistd::geteuid().is_root() {
        bail!("this machine lacks some packages; please run: sudo {command}");
    }
    eprintln!("installing {}", lacking.join(" "));
    apt(&["update", "--quiet"])?;
    let mut arguments = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    arguments.extend(&lacking);
    apt(&arguments).with_context(|| format!("cannot install; please run: {command}"))
}

fn apt(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        // Another may be installing, and a mirror may be busy.
        .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=5"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(std::process::Stdio::null())
        .output()
        .context("cannot run apt-get")?;
    ensure!(output.status.success(), "apt-get says: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

fn lacking() -> Vec<&'static str> {
    NEEDED.into_iter().filter(|(needed, _)| !exists(needed)).map(|(_, package)| package).collect()
}

/// System programs lie in folders that a user's path may not have.
fn exists(needed: &str) -> bool {
    if needed.starts_with('/') {
        return Path::new(needed).exists();
    }
    FOLDERS.iter().any(|folder| Path::new(folder).join(needed).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_and_an_invented_one_is_not() {
        assert!(exists("sh"));
        assert!(!exists("no-such-program-anywhere"));
    }
}
