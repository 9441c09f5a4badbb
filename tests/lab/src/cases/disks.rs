//! Disks of every kind: what the guest writes is on the host what it wrote, shared only as far as that is safe, and
//! nothing is left of a disk that is gone or was refused.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::footprint::Footprint;
use super::guest::{Guest, SOON, Shell, hears, refused, start_xend};
use super::iscsi::{self, Target};
use super::{Case, Needs, extras};
use crate::Host;

pub(super) const CASES: &[Case] = &[
    Case { name: "disks_of_seven_kinds_keep_what_a_guest_writes", needs: Needs::Xend, run: seven_kinds },
    Case { name: "an_image_is_shared_by_readers_only", needs: Needs::Xend, run: sharing },
    Case { name: "bad_disks_are_refused", needs: Needs::Xend, run: bad_disks },
    Case { name: "an_image_server_that_is_killed_leaves_nothing", needs: Needs::Xend, run: killed_server },
];

/// Each kind with its letter in the guest, and how dom0 reads it: a program that writes its first MiB to standard
/// output. The last one is read where it lies, in the neighbour.
const KINDS: [(char, &str, &str); 7] = [
    ('b', "phy:/dev/vdb", "dd if=/dev/vdb bs=1M count=1 iflag=direct"),
    ('c', "file:/srv/disks/file.img", "head -c 1M /srv/disks/file.img"),
    ('d', "tap:aio:/srv/disks/raw.img", "head -c 1M /srv/disks/raw.img"),
    ('e', "tap:tapdisk:qcow2:/srv/disks/top.qcow2", "raw qcow2 /srv/disks/top.qcow2"),
    ('f', "tap2:vhd:/srv/disks/disk.vhd", "raw vpc /srv/disks/disk.vhd"),
    ('g', "nbd:127.0.0.1:10809/far", "head -c 1M /srv/disks/far.img"),
    ('h', "iscsi:iqn=iqn.2001-04.test.neighbour:disk;portal=198.51.100.2:3260", ""),
];

/// Images of 4 MiB, one of them on a base that has something in it, and a server on the network.
const MAKE: &str = "
mkdir -p /srv/disks && cd /srv/disks
for name in file raw far; do truncate -s 4M $name.img; done
[ -e base.img ] || yes base | head -c 4M > base.img
[ -e top.qcow2 ] || qemu-img create -q -f qcow2 -b base.img -F raw top.qcow2
[ -e disk.vhd ] || qemu-img create -q -f vpc -o force_size=on disk.vhd 4M
if ! grep -q ':2A39 ' /proc/net/tcp; then
  qemu-storage-daemon --nbd-server addr.type=inet,addr.host=127.0.0.1,addr.port=10809 \\
    --blockdev driver=file,node-name=far,filename=/srv/disks/far.img \\
    --export type=nbd,id=far,node-name=far,name=far,writable=on < /dev/null > /dev/null 2>&1 &
fi
for _ in $(seq 600); do grep -q ':2A39 ' /proc/net/tcp && break; sleep 0.1; done";

/// The first MiB of an image in a format of its own.
const RAW: &str =
    "raw() { qemu-img convert -f $1 -O raw $2 /srv/disks/raw.tmp && head -c 1M /srv/disks/raw.tmp; }";

/// Writes a MiB to each disk of the guest.
const WRITE: &str =
    "for d in b c d e f g h; do dd if=/dev/urandom of=/dev/xvd$d bs=4k count=256 2>/dev/null; done; sync";
/// Says what is there, past the guest's cache.
const LOOK: &str = "for d in b c d e f g h; do until [ -b /dev/xvd$d ]; do sleep 0.1; done; done; \
                    echo 3 > /proc/sys/vm/drop_caches; for d in b c d e f g h; do \
                    echo SUM $d $(dd if=/dev/xvd$d bs=4k count=256 2>/dev/null | sha256sum); done";

fn with_disks(name: &'static str, disks: String) -> Guest {
    // Each disk costs the guest memory, its rings and what they point to.
    Guest { disk: disks.leak(), memory: 192, ..Guest::new(name) }
}

/// Seven disks of seven kinds: what is written in the guest is read outside it when they are detached, and in the guest
/// when they are attached again.
fn seven_kinds(host: &Host) -> Result<()> {
    host.must(MAKE)?;
    start_xend(host)?;
    iscsi::with_target(host, |target| keep_what_is_written(host, target))
}

fn keep_what_is_written(host: &Host, target: &Target<'_>) -> Result<()> {
    let mut disks = "'phy:/dev/vda,xvda1,w'".to_owned();
    for (letter, source, _) in KINDS {
        disks += &format!(", '{source},xvd{letter},w'");
    }
    let guest = Guest {
        vif: "'mac=00:16:3e:00:00:31, bridge=xenbr0', 'mac=00:16:3e:00:00:32, bridge=xenbr0'",
        ..with_disks("disks1", disks)
    };
    guest.install(host)?;
    host.must(&format!("rm -f {}", guest.log()))?;
    let before = Footprint::of(host)?;
    let base = host.must("busybox sha256sum < /srv/disks/base.img")?;
    host.must_within("cd /root && xm create disks1.cfg", SOON)?;
    hears(host, guest.name, "MARK host debian1 up", 1)?;
    let mut shell = Shell::open(host, guest.name)?;
    shell.run("[ -e /sys/class/net/eth0 ] && [ -e /sys/class/net/eth1 ]").context("not two interfaces")?;
    shell.run(WRITE)?;
    let written = sums(&shell.run(LOOK)?);
    ensure!(written.len() == KINDS.len(), "the guest sees {written:?}");
    for (letter, source, read) in KINDS {
        host.must_within(&format!("xm block-detach disks1 xvd{letter}"), SOON)?;
        let sum = match source.starts_with("iscsi:") {
            true => target.sum()?,
            false => host.must(&format!("{RAW}\n{read} 2> /dev/null | busybox sha256sum"))?,
        };
        let (here, there) = (sum.split(' ').next(), written.get(&letter).map(String::as_str));
        ensure!(here == there, "{source}: outside it reads {here:?}, the guest wrote {there:?}");
    }
    let now = host.must("busybox sha256sum < /srv/disks/base.img")?;
    ensure!(now == base, "the base of the qcow2 image was written");
    for (letter, source, _) in KINDS {
        host.must_within(&format!("xm block-attach disks1 '{source}' xvd{letter} w"), SOON)?;
    }
    let read = sums(&shell.run(LOOK)?);
    ensure!(read == written, "attached again the guest reads {read:?}, it wrote {written:?}");
    shell.close()?;
    host.must_within("xm destroy disks1", SOON)?;
    before.must_return(host)?;
    Ok(())
}

/// What a guest reads on its disks, by letter.
fn sums(said: &str) -> BTreeMap<char, String> {
    let sum = |line: &str| {
        let mut words = line.trim().strip_prefix("SUM ")?.split(' ');
        let letter = words.next()?.chars().next()?;
        let sum = words.next().filter(|sum| sum.len() == 64)?;
        Some((letter, sum.to_owned()))
    };
    said.lines().filter_map(sum).collect()
}

fn sharing(host: &Host) -> Result<()> {
    host.must(MAKE)?;
    start_xend(host)?;
    let disk = |source: &str, mode: &str| format!("'{source},xvdb,{mode}'");
    let before = Footprint::of(host)?;
    let image = "tap:qcow2:/srv/disks/top.qcow2";
    let guests = [
        with_disks("reader1", disk(image, "r")),
        with_disks("reader2", disk(image, "r")),
        with_disks("writer1", disk(image, "w")),
        with_disks("writer2", disk("file:/srv/disks/base.img", "w")),
        with_disks("reader3", disk("tap:aio:/srv/disks/base.img", "r")),
    ];
    for guest in &guests {
        guest.install(host)?;
    }
    let [one, two, writer, writer_of_base, reader_of_base] = &guests;
    for guest in [one, two, reader_of_base] {
        host.must_within(&format!("cd /root && xm create -p {}.cfg", guest.name), SOON)?;
    }
    let with_readers = Footprint::of(host)?;
    for (guest, file) in [(writer, "top.qcow2"), (writer_of_base, "base.img")] {
        let create = format!("cd /root && xm create {}.cfg", guest.name);
        let output = host.run_within(&create, SOON)?;
        let text = format!("/srv/disks/{file} already in use by other domain");
        let is_named = output.stderr.contains("(reader1) has it read-only")
            || output.stderr.contains("(reader2) has it read-only")
            || output.stderr.contains("(reader3) has it read-only");
        ensure!(output.status == 1 && output.stderr.contains(&text) && is_named, "{create}: {output:?}");
        with_readers.must_return(host)?;
    }
    for guest in [one, two, reader_of_base] {
        host.must_within(&format!("xm destroy {}", guest.name), SOON)?;
    }
    before.must_return(host)?;
    // The other way round: nobody reads what one writes.
    host.must_within("cd /root && xm create -p writer1.cfg", SOON)?;
    refused(host, "cd /root && xm create reader1.cfg", 1, "(writer1) has it read-write")?;
    host.must_within("xm destroy writer1", SOON)?;
    before.must_return(host)?;
    Ok(())
}

fn bad_disks(host: &Host) -> Result<()> {
    host.must(MAKE)?;
    extras::provide(host)?;
    host.must(
        "cd /srv/disks && rm -f gone.qcow2 one.qcow2 two.qcow2
         qemu-img create -q -u -f qcow2 -b nothing.img -F raw gone.qcow2 4M
         qemu-img create -q -u -f qcow2 -b two.qcow2 -F qcow2 one.qcow2 4M
         qemu-img create -q -u -f qcow2 -b one.qcow2 -F qcow2 two.qcow2 4M",
    )?;
    start_xend(host)?;
    let before = Footprint::of(host)?;
    for (name, disk, words) in [
        ("bad1", "tap:qcow2:/srv/disks/gone.qcow2,xvdb,w", "nothing.img does not exist."),
        (
            "bad2",
            "tap:qcow2:/srv/disks/one.qcow2,xvdb,w",
            "backing files of /srv/disks/one.qcow2 form a loop",
        ),
        ("bad3", "tap:vhd:/srv/disks/top.qcow2,xvdb,w", "it is a qcow2 image"),
        ("bad4", "tap:bogus:/srv/disks/top.qcow2,xvdb,w", "tap:bogus not a valid disk type"),
        ("bad5", "phy:/dev/vdc,xvdb,w", "is mounted in the privileged domain"),
        ("bad6", "tap:aio:/dev/vdc,xvdb,w", "is mounted in the privileged domain"),
        ("bad7", "nbd:127.0.0.1:1,xvdb,w", "cannot connect to 127.0.0.1:1"),
        ("bad8", "nbd:127.0.0.1:10809/none,xvdb,w", "no export"),
        ("bad9", "iscsi:iqn=iqn.a;portal=127.0.0.1:1,xvdb,w", "/usr/sbin/iscsiadm failed: iscsiadm: "),
        ("bad10", "nosuch:127.0.0.1:1,xvdb,w", "Block device type \"nosuch\" is invalid."),
    ] {
        let guest = with_disks(name, format!("'{disk}'"));
        guest.install(host)?;
        refused(host, &format!("cd /root && xm create {name}.cfg"), 1, words)?;
    }
    before.must_return(host).context("after all these refusals")?;
    Ok(())
}

/// The guest has a broken disk then; the host has nothing of it when the guest has gone.
fn killed_server(host: &Host) -> Result<()> {
    host.must(MAKE)?;
    start_xend(host)?;
    let before = Footprint::of(host)?;
    let guest = with_disks("broken", "'tap:qcow2:/srv/disks/top.qcow2,xvdb,w'".to_owned());
    guest.install(host)?;
    host.must_within("cd /root && xm create -p broken.cfg", SOON)?;
    host.must("kill -9 $(awk '/^server/ { print $2 }' /run/xend/disks/*/record)")?;
    host.must_within("xm destroy broken", SOON)?;
    before.must_return(host)?;
    host.must_within("cd /root && xm create -p broken.cfg && xm destroy broken", SOON)?;
    before.must_return(host)?;
    Ok(())
}
