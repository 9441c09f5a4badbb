//! Disks and interfaces that come and go while a guest runs; media of a drive; what the guest keeps.

use anyhow::{Context, Result, ensure};

use super::footprint::Footprint;
use super::guest::{Guest, SOON, Shell, answers, hears, log_of, refused, start_xend};
use super::{Case, Needs};
use crate::Host;

pub(super) const CASES: &[Case] = &[
    Case { name: "disks_come_and_go_with_their_data", needs: Needs::Xend, run: disks },
    Case { name: "interfaces_come_and_go", needs: Needs::Xend, run: interfaces },
    Case { name: "a_drive_takes_other_media", needs: Needs::Xend, run: media },
    Case { name: "what_the_guest_keeps_goes_when_it_lets_go", needs: Needs::Xend, run: kept },
];

const NAME: &str = "plugged";
/// Bytes that are written and read back: more than a ring holds at once.
const BLOCKS: u32 = 24;

/// A running guest with a shell on its console.
fn boot(host: &Host, disk: &'static str) -> Result<Shell> {
    let guest = Guest { disk, ..Guest::new(NAME) };
    guest.install(host)?;
    host.must(&format!("rm -f {}", log_of(NAME)))?;
    host.must(&format!("xm create {}", guest.path()))?;
    hears(host, NAME, "MARK host debian1 up", 1)?;
    Shell::open(host, NAME)
}

/// A file of eight MiB with content of its own.
fn image(host: &Host, name: &str) -> Result<String> {
    let path = format!("/srv/{name}");
    host.must(&format!("dd if=/dev/urandom of={path} bs=64k count=128 2> /dev/null && sync"))?;
    Ok(path)
}

/// The checksum of the beginning of a file or device in dom0.
fn sum_of(host: &Host, path: &str) -> Result<String> {
    let text = host.must(&format!("dd if={path} bs=64k count={BLOCKS} 2> /dev/null | busybox md5sum"))?;
    Ok(text.split_whitespace().next().unwrap_or_default().to_owned())
}

/// The same of a device in the guest, past its cache.
fn sum_in(shell: &mut Shell, device: &str) -> Result<String> {
    let script = format!(
        "until [ -b {device} ]; do sleep 0.1; done; echo 3 > /proc/sys/vm/drop_caches; \
         dd if={device} bs=64k count={BLOCKS} 2> /dev/null | md5sum"
    );
    let text = shell.run(&script)?;
    let sum =
        text.split_whitespace().find(|word| word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit()));
    sum.map(str::to_owned).with_context(|| format!("no checksum in {text:?}"))
}

fn disks(host: &Host) -> Result<()> {
    start_xend(host)?;
    let (a, b) = (image(host, "hot-a.img")?, image(host, "hot-b.img")?);
    let before = Footprint::of(host)?;
    let mut shell = boot(host, "'phy:/dev/vda,xvda1,w'")?;
    let running = Footprint::of(host)?;
    for (source, file, device) in [
        (format!("file:{a}"), a.as_str(), "xvdb"),
        ("phy:/dev/vdb".to_owned(), "/dev/vdb", "xvdc"),
        ("phy:vg0/debian1-swap".to_owned(), "/dev/vdb", "sdd1"),
    ] {
        // Linux gives an sd disk the next free xvd letter of the same name and drops the partition.
        let inside = if device == "sdd1" { "xvdd1" } else { device };
        host.must(&format!("xm block-attach {NAME} {source} {device} w"))?;
        let path = format!("/dev/{inside}");
        shell.run(&format!("until [ -b {path} ]; do sleep 0.1; done"))?;
        shell.run(&format!("dd if=/dev/urandom of=/tmp/data bs=64k count={BLOCKS} && dd if=/tmp/data of={path} bs=64k && sync"))?;
        let written = sum_in(&mut shell, &path)?;
        let listed = host.must(&format!("xm block-list {NAME}"))?;
        ensure!(listed.lines().count() == 3, "block-list shows:\n{listed}");
        host.must(&format!("xm block-detach {NAME} {device}"))?;
        ensure!(
            sum_of(host, file)? == written,
            "{source} as {device}: dom0 reads other data than the guest wrote"
        );
        shell.run(&format!("[ ! -e {path} ]")).context("the guest still has the disk")?;
        running.must_return(host).context("a detached disk left something")?;
        host.must(&format!("xm block-attach {NAME} {source} xvdf r"))?;
        ensure!(
            sum_in(&mut shell, "/dev/xvdf")? == written,
            "{source}: other data after it was attached again"
        );
        let refused = shell.run("dd if=/dev/zero of=/dev/xvdf bs=4k count=1 conv=fsync");
        ensure!(refused.is_err(), "a disk attached r takes writes");
        host.must(&format!("xm block-detach {NAME} xvdf"))?;
    }
    host.must(&format!("xm block-attach {NAME} file:{a} xvdb w"))?;
    let by = |source: &str, device: &str| format!("xm block-attach {NAME} {source} {device} w");
    refused(host, &by("file:/srv/nosuch", "xvdc"), 1, "/srv/nosuch does not exist.")?;
    refused(host, &by("phy:/dev/null", "xvdc"), 1, "/dev/null is not a block device.")?;
    refused(host, &by(&format!("file:{b}"), "xvdb"), 1, "The device \"xvdb\" is already defined")?;
    refused(host, &by("phy:/dev/vdc", "xvdc"), 1, "/dev/vdc is mounted")?;
    refused(host, &format!("xm block-attach {NAME} file:{b} xvdc rw"), 1, "Invalid mode")?;
    refused(host, &format!("xm block-detach {NAME} xvdc"), 1, "Device xvdc not connected")?;
    shell.close()?;
    // The daemon is killed while a disk is attached: it is there or it is not, and the guest lives.
    host.must(&format!(
        "(xm block-attach {NAME} file:{b} xvdc w > /dev/null 2>&1 &) ; usleep 60000; kill -9 $(pidof xend)"
    ))?;
    start_xend(host)?;
    let listed = host.must(&format!("xm block-list {NAME}"))?;
    let word = if listed.contains("51744") { "already defined" } else { "" };
    let again = host.run(&format!("xm block-attach {NAME} file:{b} xvdc w"))?;
    ensure!(
        (again.status == 0) == word.is_empty() && again.stderr.contains(word),
        "after kill -9: {again:?}\n{listed}"
    );
    host.must(&format!("xm destroy {NAME}"))?;
    before.must_return(host)?;
    host.must(&format!("rm {a} {b}"))?;
    Ok(())
}

fn interfaces(host: &Host) -> Result<()> {
    start_xend(host)?;
    let before = Footprint::of(host)?;
    let mut shell = boot(host, "'phy:/dev/vda,xvda1,w'")?;
    let running = Footprint::of(host)?;
    let mac = "00:16:3e:00:00:51";
    for (round, detach) in ["1", "00:16:3E:00:00:51", "3"].into_iter().enumerate() {
        let number = round + 1;
        host.must(&format!("xm network-attach {NAME} mac={mac} bridge=xenbr0"))?;
        // Another network than eth0's, so that the way is clear.
        shell.run("until [ -e /sys/class/net/eth1 ]; do sleep 0.1; done; ip addr add 192.0.2.41/24 dev eth1; ip link set eth1 up")?;
        answers(host, "192.0.2.41").context("the guest does not answer on the new interface")?;
        let listed = host.must(&format!("xm network-list {NAME}"))?;
        ensure!(listed.contains(&format!("{number:<3} 0  {mac}")), "network-list shows:\n{listed}");
        host.must(&format!("test -e /sys/class/net/xenbr0/brif/vif$(xm domid {NAME}).{number}"))?;
        host.must(&format!("xm network-detach {NAME} {detach}"))?;
        shell.run("[ ! -e /sys/class/net/eth1 ]").context("the guest still has the interface")?;
        running.must_return(host).context("a detached interface left something")?;
    }
    refused(
        host,
        &format!("xm network-attach {NAME} bridge=nosuch"),
        1,
        "Could not find bridge device nosuch",
    )?;
    refused(host, &format!("xm network-attach {NAME} mac=00:16:3e:00"), 1, "MAC address is not valid!")?;
    refused(host, &format!("xm network-detach {NAME} 7"), 1, "Device 7 not connected")?;
    running.must_return(host).context("refused interfaces left something")?;
    answers(host, "10.0.0.69").context("the guest lost its first interface")?;
    shell.close()?;
    host.must(&format!("xm destroy {NAME}"))?;
    before.must_return(host)?;
    Ok(())
}

fn media(host: &Host) -> Result<()> {
    start_xend(host)?;
    let (one, two) = (image(host, "one.iso")?, image(host, "two.iso")?);
    let before = Footprint::of(host)?;
    let mut shell = boot(host, "'phy:/dev/vda,xvda1,w'")?;
    host.must(&format!("xm block-attach {NAME} file:{one} xvdd:cdrom r"))?;
    ensure!(sum_in(&mut shell, "/dev/xvdd")? == sum_of(host, &one)?, "the guest reads another medium");
    host.must(&format!("xm block-configure {NAME} file:{two} xvdd:cdrom r"))?;
    ensure!(sum_in(&mut shell, "/dev/xvdd")? == sum_of(host, &two)?, "the guest reads the old medium");
    refused(
        host,
        &format!("xm block-configure {NAME} file:/srv/none.iso xvdd:cdrom r"),
        1,
        "does not exist",
    )?;
    ensure!(sum_in(&mut shell, "/dev/xvdd")? == sum_of(host, &two)?, "the old medium is lost");
    host.must(&format!("xm block-configure {NAME} '' xvdd:cdrom r"))?;
    shell.run("until ! dd if=/dev/xvdd bs=4k count=1 2> /dev/null; do sleep 0.1; done")?;
    host.must(&format!("xm block-configure {NAME} file:{one} xvdd:cdrom r"))?;
    ensure!(sum_in(&mut shell, "/dev/xvdd")? == sum_of(host, &one)?, "the empty drive takes no medium");
    refused(
        host,
        &format!("xm block-configure {NAME} file:{one} xvda1 w"),
        1,
        "Refusing to reconfigure device vbd:51713",
    )?;
    shell.close()?;
    host.must(&format!("xm destroy {NAME}"))?;
    before.must_return(host)?;
    host.must(&format!("rm {one} {two}"))?;
    Ok(())
}

/// A short limit for what the guest keeps, in the settings.
fn with_limit(host: &Host, script: &str) -> Result<()> {
    let file = "/etc/xen/xend-config.sxp";
    host.must(&format!("cp {file} /tmp/settings && {script} && xend stop && xend start < /dev/null > /dev/null 2>&1; xend status"))?;
    Ok(())
}

fn kept(host: &Host) -> Result<()> {
    start_xend(host)?;
    let a = image(host, "hot-a.img")?;
    with_limit(host, "echo '(device-destroy-timeout 4)' >> /etc/xen/xend-config.sxp")?;
    let before = Footprint::of(host)?;
    let mut shell = boot(host, "'phy:/dev/vda,xvda1,w'")?;
    let running = Footprint::of(host)?;
    // Linux of today lets go of a disk even while it is open; a guest that is paused answers nobody.
    host.must(&format!("xm block-attach {NAME} file:{a} xvdb w"))?;
    shell.run("until [ -b /dev/xvdb ]; do sleep 0.1; done")?;
    host.must(&format!("xm pause {NAME}"))?;
    let words = "Device 51728 (vbd) could not be disconnected.";
    refused(host, &format!("xm block-detach {NAME} xvdb"), 1, words)?;
    host.must("kill -9 $(pidof xend)")?;
    start_xend(host)?;
    let there = host.must(&format!("xm block-list {NAME} | grep -c 51728"))?;
    ensure!(there.trim() == "1", "the disk went before the guest let go of it");
    host.must(&format!("xm unpause {NAME}"))?;
    running.must_return(host).context("the disk did not go when the guest let go of it")?;
    host.must(&format!("xm block-attach {NAME} file:{a} xvdb w"))?;
    shell.run("until [ -b /dev/xvdb ]; do sleep 0.1; done")?;
    host.must(&format!("xm pause {NAME}"))?;
    host.must_within(&format!("xm block-detach {NAME} xvdb -f"), SOON)?;
    host.must(&format!("xm unpause {NAME}"))?;
    running.must_return(host).context("a disk taken by force left something")?;
    shell.run("[ ! -e /dev/xvdb ]").context("the guest still has the disk")?;
    shell.close()?;
    host.must(&format!("xm destroy {NAME}"))?;
    before.must_return(host)?;
    host.must(&format!("rm {a} && cp /tmp/settings /etc/xen/xend-config.sxp && xend stop"))?;
    Ok(())
}
