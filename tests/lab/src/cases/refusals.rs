//! Bad input: the original's text and exit code, what is wrong with what, and nothing left behind.

use anyhow::{Context, Result, ensure};

use super::footprint::Footprint;
use super::guest::{Guest, refused, start_xend};
use super::{Case, Needs};
use crate::Host;

pub(super) const CASES: &[Case] = &[
    Case { name: "bad_kernels_are_refused", needs: Needs::Xend, run: kernels },
    Case { name: "bad_devices_are_refused", needs: Needs::Xend, run: devices },
    Case { name: "too_much_memory_and_used_names_are_refused", needs: Needs::Xend, run: memory_and_names },
    Case { name: "bad_command_lines_are_refused", needs: Needs::Xend, run: command_lines },
    Case { name: "without_daemon_or_rights_xm_says_so", needs: Needs::Xend, run: without_daemon },
];

/// Tries to create the guest and wants a refusal with these words; afterwards the host is as before.
fn create_is_refused(host: &Host, guest: &Guest, words: &str) -> Result<()> {
    guest.install(host)?;
    let before = Footprint::of(host)?;
    refused(host, &format!("cd /root && xm create {}.cfg", guest.name), 1, words)?;
    before.must_return(host).with_context(|| format!("after the refusal {words:?}"))?;
    Ok(())
}

fn kernels(host: &Host) -> Result<()> {
    start_xend(host)?;
    let bad = |kernel| Guest { kernel, ..Guest::new("badkernel") };
    create_is_refused(host, &bad("/boot/nowhere"), "Error: Cannot find kernel \"/boot/nowhere\"")?;
    host.put("/tmp/text", b"this is not a kernel\n")?;
    create_is_refused(host, &bad("/tmp/text"), "/tmp/text")?;
    host.must("head -c 3000000 /boot/vmlinuz > /tmp/half")?;
    create_is_refused(host, &bad("/tmp/half"), "/tmp/half")?;
    host.must(": > /tmp/empty")?;
    create_is_refused(host, &bad("/tmp/empty"), "/tmp/empty")
}

fn devices(host: &Host) -> Result<()> {
    start_xend(host)?;
    let disk = |disk| Guest { disk, ..Guest::new("baddisk") };
    create_is_refused(
        host,
        &disk("'phy:/dev/nowhere,xvda1,w'"),
        "Device 51713 (vbd) could not be connected.",
    )?;
    create_is_refused(
        host,
        &disk("'file:/srv/nowhere,xvda1,w'"),
        "Device 51713 (vbd) could not be connected.",
    )?;
    create_is_refused(host, &disk("'nonsense'"), "Error: Invalid disk specifier: nonsense")?;
    let vif = Guest { vif: "'bridge=nowhere0'", ..Guest::new("badvif") };
    create_is_refused(host, &vif, "Device 0 (vif) could not be connected.")?;
    let first = Guest { vif: "", ..Guest::new("first") };
    first.install(host)?;
    let before = Footprint::of(host)?;
    host.must("cd /root && xm create -q -p first.cfg")?;
    create_is_refused(host, &Guest::new("second"), "Device 51713 (vbd) could not be connected.")?;
    host.must("xm destroy first")?;
    before.must_return(host)?;
    Ok(())
}

fn memory_and_names(host: &Host) -> Result<()> {
    start_xend(host)?;
    let big = Guest { memory: 500_000, ..Guest::new("big") };
    create_is_refused(host, &big, "Error: Not enough free memory")?;
    let before = Footprint::of(host)?;
    Guest::new("twice").install(host)?;
    host.must("cd /root && xm create -q -p twice.cfg")?;
    let number = host.must("xm domid twice")?;
    let words = format!("Error: Domain 'twice' already exists with ID '{}'", number.trim());
    refused(host, "cd /root && xm create twice.cfg", 1, &words)?;
    host.must("xm destroy twice")?;
    before.must_return(host)?;
    Ok(())
}

fn command_lines(host: &Host) -> Result<()> {
    start_xend(host)?;
    let before = Footprint::of(host)?;
    for (command, status, words) in [
        ("xm list --nonsense", 1, "Error: option --nonsense not recognized"),
        ("xm nonsense", 1, "Error: Subcommand nonsense not found!"),
        ("xm destroy nobody", 3, "Error: Domain 'nobody' does not exist."),
        ("xm pause nobody", 3, "Error: Domain 'nobody' does not exist."),
        ("xm domid nobody", 3, "Error: Domain 'nobody' does not exist."),
        ("xm create nowhere.cfg", 1, "Error: Unable to open config file: nowhere.cfg"),
        ("xm shutdown", 1, "Error:"),
    ] {
        refused(host, command, status, words)?;
    }
    host.put("/etc/xen/broken.cfg", b"name = 'x'\nmemory = [1,\nvcpus = = 2\n")?;
    refused(host, "xm create broken.cfg", 1, "broken.cfg")?;
    before.must_return(host)?;
    Ok(())
}

fn without_daemon(host: &Host) -> Result<()> {
    start_xend(host)?;
    refused(
        host,
        "setpriv --reuid 1000 --regid 1000 --clear-groups xm list",
        1,
        "Error: Most commands need root access.",
    )?;
    host.must("xend stop")?;
    let status = host.run("xend status")?.status;
    ensure!(status == 3, "xend status gives {status} when it does not run");
    refused(host, "xm list", 1, "Error: Unable to connect to xend: ")?;
    refused(host, "xm list", 1, "Is xend running?")?;
    start_xend(host)?;
    host.must("xm list")?;
    Ok(())
}
