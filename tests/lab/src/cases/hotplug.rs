//! Disks and interfaces that come and go while a guest runs; media of a drive; what the guest keeps.

use anyhow::{Context, Result, ensure};

use super::footprint::Footprint;
use super::guest::{Guest, SOON, Shell, answers, hears, log_of, refused, start_xend};
use super::{Case, Needs};
use crate::Host;

pub(super) const CASES: &[Case] =
    &[Case { name: "devices_come_and_go_under_a_running_guest", needs: Needs::Xend, run: all }];

const NAME: &str = "plugged";
/// Bytes that are written and read back: more than a ring holds at once.
const BLOCKS: u32 = 24;

/// One guest for all of it: under emulation its boot would be the longest part of each.
fn all(host: &Host) -> Result<()> {
    start_xend(host)?;
    let before = Footprint::of(host)?;
    let guest = Guest::new(NAME);
    guest.install(host)?;
    host.must(&format!("rm -f {}", log_of(NAME)))?;
    host.must(&format!("xm create {}", guest.path()))?;
    hears(host, NAME, "MARK host debian1 up", 1)?;
    let mut plugged = Plugged { host, shell: Shell::open(host, NAME)?, running: Footprint::of(host)? };
    plugged.disks()?;
    plugged.interfaces()?;
    plugged.media()?;
    plugged.kept()?;
    plugged.killed()?;
    plugged.shell.close()?;
    host.must(&format!("xm destroy {NAME}"))?;
    before.must_return(host)?;
    Ok(())
}

/// The guest, and what the host looks like while it has only what it was created with.
struct Plugged<'a> {
    host: &'a Host,
    shell: Shell,
    running: Footprint,
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

impl Plugged<'_> {
    /// `xm`, about this guest.
    fn xm(&self, command: &str, rest: &str) -> Result<String> {
        self.host.must_within(&format!("xm {command} {NAME} {rest}"), SOON)
    }

    fn refused(&self, command: &str, rest: &str, words: &str) -> Result<()> {
        refused(self.host, &format!("xm {command} {NAME} {rest}"), 1, words)
    }

    fn is_as_before(&self, what: &'static str) -> Result<()> {
        self.running.must_return(self.host).context(what)?;
        Ok(())
    }

    /// The guest's driver takes its end down a little after it has let go.
    fn goes(&mut self, path: &str) -> Result<()> {
        let gone =
            format!("for _ in $(seq 300); do [ ! -e {path} ] && break; sleep 0.1; done; [ ! -e {path} ]");
        self.shell.run(&gone).with_context(|| format!("the guest still has {path}"))?;
        Ok(())
    }

    fn disks(&mut self) -> Result<()> {
        let file = image(self.host, "hot.img")?;
        // Every kind of disk is the case of `disks`. Linux gives an sd disk the xvd name of the same letter.
        let (source, device, path) = ("phy:vg0/debian1-swap", "sdd1", "/dev/xvdd1");
        self.xm("block-attach", &format!("{source} {device} w"))?;
        self.shell.run(&format!("until [ -b {path} ]; do sleep 0.1; done"))?;
        self.shell.run(&format!("dd if=/dev/urandom of={path} bs=64k count={BLOCKS} && sync"))?;
        let written = sum_in(&mut self.shell, path)?;
        let listed = self.xm("block-list", "")?;
        ensure!(listed.lines().count() == 3, "block-list shows:\n{listed}");
        self.xm("block-detach", device)?;
        ensure!(sum_of(self.host, "/dev/vdb")? == written, "dom0 reads other data than the guest wrote");
        self.goes(path)?;
        self.is_as_before("a detached disk left something")?;
        self.xm("block-attach", &format!("{source} xvdf r"))?;
        ensure!(sum_in(&mut self.shell, "/dev/xvdf")? == written, "other data when attached again");
        let write = self.shell.run("dd if=/dev/zero of=/dev/xvdf bs=4k count=1 conv=fsync");
        ensure!(write.is_err(), "a disk attached r takes writes");
        self.xm("block-detach", "xvdf")?;
        self.refused("block-attach", "file:/srv/nosuch xvdc w", "/srv/nosuch does not exist.")?;
        self.refused("block-attach", "phy:/dev/null xvdc w", "/dev/null is not a block device.")?;
        self.refused(
            "block-attach",
            &format!("file:{file} xvda1 w"),
            "The device \"xvda1\" is already defined",
        )?;
        self.refused("block-attach", "phy:/dev/vdc xvdc w", "/dev/vdc is mounted")?;
        self.refused("block-attach", &format!("file:{file} xvdc rw"), "Invalid mode")?;
        self.refused("block-detach", "xvdc", "Device xvdc not connected")?;
        self.host.must(&format!("rm {file}"))?;
        Ok(())
    }

    fn interfaces(&mut self) -> Result<()> {
        let mac = "00:16:3e:00:00:51";
        for (number, detach) in [(1, "1"), (2, "00:16:3E:00:00:51")] {
            self.xm("network-attach", &format!("mac={mac} bridge=xenbr0"))?;
            // Another network than eth0's, so that the way is clear.
            self.shell.run(
                "until [ -e /sys/class/net/eth1 ]; do sleep 0.1; done; \
                 ip addr add 192.0.2.41/24 dev eth1; ip link set eth1 up",
            )?;
            answers(self.host, "192.0.2.41").context("the guest does not answer on the new interface")?;
            let listed = self.xm("network-list", "")?;
            ensure!(listed.contains(&format!("{number:<3} 0  {mac}")), "network-list shows:\n{listed}");
            self.host.must(&format!("test -e /sys/class/net/xenbr0/brif/vif$(xm domid {NAME}).{number}"))?;
            self.xm("network-detach", detach)?;
            self.goes("/sys/class/net/eth1")?;
        }
        self.refused("network-attach", "bridge=nosuch", "Could not find bridge device nosuch")?;
        self.refused("network-attach", "mac=00:16:3e:00", "MAC address is not valid!")?;
        self.refused("network-detach", "7", "Device 7 not connected")?;
        answers(self.host, "10.0.0.69").context("the guest lost its first interface")?;
        self.is_as_before("interfaces that came and went left something")
    }

    fn media(&mut self) -> Result<()> {
        let host = self.host;
        let (one, two) = (image(host, "one.iso")?, image(host, "two.iso")?);
        let drive = "/dev/xvdd";
        self.xm("block-attach", &format!("file:{one} xvdd:cdrom r"))?;
        ensure!(sum_in(&mut self.shell, drive)? == sum_of(host, &one)?, "the guest reads another medium");
        self.xm("block-configure", &format!("file:{two} xvdd:cdrom r"))?;
        ensure!(sum_in(&mut self.shell, drive)? == sum_of(host, &two)?, "the guest reads the old medium");
        self.refused("block-configure", "file:/srv/none.iso xvdd:cdrom r", "does not exist")?;
        ensure!(sum_in(&mut self.shell, drive)? == sum_of(host, &two)?, "the old medium is lost");
        self.xm("block-configure", "'' xvdd:cdrom r")?;
        self.shell.run("until ! dd if=/dev/xvdd bs=4k count=1 2> /dev/null; do sleep 0.1; done")?;
        self.xm("block-configure", &format!("file:{one} xvdd:cdrom r"))?;
        ensure!(sum_in(&mut self.shell, drive)? == sum_of(host, &one)?, "the empty drive takes no medium");
        let words = "Refusing to reconfigure device vbd:51713";
        self.refused("block-configure", &format!("file:{one} xvda1 w"), words)?;
        self.xm("block-detach", "xvdd")?;
        host.must(&format!("rm {one} {two}"))?;
        self.is_as_before("a drive left something")
    }

    /// Linux of today lets go of a disk even while it is open; a guest that is paused answers nobody.
    fn kept(&mut self) -> Result<()> {
        let host = self.host;
        let (file, settings) = (image(host, "kept.img")?, "/etc/xen/xend-config.sxp");
        let restart = "xend stop && xend start < /dev/null > /dev/null 2>&1; xend status";
        host.must(&format!(
            "cp {settings} /tmp/settings && echo '(device-destroy-timeout 4)' >> {settings} && {restart}"
        ))?;
        for force in ["", "-f"] {
            self.xm("block-attach", &format!("file:{file} xvdb w"))?;
            self.shell.run("until [ -b /dev/xvdb ]; do sleep 0.1; done")?;
            self.xm("pause", "")?;
            if force.is_empty() {
                self.refused("block-detach", "xvdb", "Device 51728 (vbd) could not be disconnected.")?;
                host.must("kill -9 $(pidof xend)")?;
                start_xend(host)?;
                let there = self.xm("block-list", "| grep -c 51728")?;
                ensure!(there.trim() == "1", "the disk went before the guest let go of it");
            } else {
                self.xm("block-detach", "xvdb -f")?;
            }
            self.xm("unpause", "")?;
            self.is_as_before("a disk that was kept, or taken by force, left something")?;
            self.goes("/dev/xvdb")?;
        }
        host.must(&format!("rm {file} && cp /tmp/settings {settings} && {restart}"))?;
        Ok(())
    }

    /// The daemon is killed while a disk is attached: it is there or it is not, and the guest lives.
    fn killed(&mut self) -> Result<()> {
        let file = image(self.host, "killed.img")?;
        let attach = format!("xm block-attach {NAME} file:{file} xvdc w");
        // It must not find the next daemon.
        let ended = "asked=$!; usleep 60000; kill -9 $(pidof xend); wait $asked || :";
        self.host.must(&format!("{attach} > /dev/null 2>&1 & {ended}"))?;
        start_xend(self.host)?;
        let is_there = self.xm("block-list", "")?.contains("51744");
        let again = self.host.run(&attach)?;
        let words = if is_there { "already defined" } else { "" };
        ensure!((again.status == 0) != is_there && again.stderr.contains(words), "after kill -9: {again:?}");
        self.xm("block-detach", "xvdc")?;
        self.host.must(&format!("rm {file}"))?;
        self.is_as_before("a daemon killed while it attached a disk left something")
    }
}
