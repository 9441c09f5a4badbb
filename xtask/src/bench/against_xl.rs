//! The same work by `xm` and by `xl`, in turns, on one host.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use lab::Host;

use super::{Figure, Wanted, median};

const FILE: &str = "name = 'bench'\nkernel = 'KERNEL'\nramdisk = '/boot/initrd.img'\nmemory = 256\n\
    disk = ['phy:/dev/vda,xvda1,w']\nvif = ['mac=00:16:3e:00:00:41,bridge=xenbr0']\nroot = '/dev/xvda1 ro'\n";

/// Prints `what microseconds` a line: the time of the tool's own process, which a shell's way of starting it would hide. A round of either tool begins when the last one's traces are gone.
const SCRIPT: &str = r#"
cd /root
took() {
  local what=$1 micros; shift
  micros=$(lab-agent time "$@") || { echo "$* failed" >&2; exit 1; }
  echo "$what $micros"
}
settle() {
  for i in $(seq 600); do
    [ $(xenstore-list /local/domain | wc -l) = 1 ] && [ -z "$(ls /sys/class/net/xenbr0/brif)" ] && return
    sleep 0.1
  done
  echo "a domain does not go" >&2; exit 1
}
xm list > /dev/null; xl list > /dev/null
for round in $(seq 9); do
  took xm-list xm list
  took xl-list xl list
done
for tool in xm xl; do $tool create -p /etc/xen/bench.cfg > /dev/null 2>&1; $tool destroy bench; settle; done
for round in $(seq 5); do
  for tool in xm xl; do
    took $tool-create $tool create -p /etc/xen/bench.cfg
    took $tool-destroy $tool destroy bench
    settle
  done
done
for round in $(seq 5); do
  for tool in xm xl; do
    cp /boot/vmlinuz /tmp/kernel-$tool-$round
    sed "s,/boot/vmlinuz,/tmp/kernel-$tool-$round," /etc/xen/bench.cfg > /tmp/first.cfg
    took $tool-first $tool create -p /tmp/first.cfg
    $tool destroy bench
    settle
    rm /tmp/kernel-$tool-$round
  done
done
# Each tool's own guest, without a disk: its ramdisk has the drivers.
for tool in xm xl; do
  sed "s,'bench','guest-$tool',; s/^memory.*/memory = 96/; s/^root.*//; s/^disk.*/disk = []/; s/^vif.*/vif = []/" \
    /etc/xen/bench.cfg > /etc/xen/guest-$tool.cfg
  $tool create /etc/xen/guest-$tool.cfg > /dev/null || exit 1
  lab-agent hear /var/log/xen/console/guest-guest-$tool.log 'MARK noroot' 1 300 > /dev/null || exit 1
done
# A detached device's nodes go a little later with xl: the next round begins without them.
without() {
  for i in $(seq 600); do
    [ -z "$(xenstore-list $1 2> /dev/null)" ] && return
    sleep 0.1
  done
  echo "a device does not go" >&2; exit 1
}
for round in $(seq 5); do
  for tool in xm xl; do
    domid=$(xl domid guest-$tool)
    took $tool-vbd $tool block-attach guest-$tool phy:/dev/vdb xvdb w
    sleep 1
    took $tool-vbd-detach $tool block-detach guest-$tool 51728
    without /local/domain/0/backend/vbd/$domid
    took $tool-vif $tool network-attach guest-$tool bridge=xenbr0
    sleep 1
    number=$(xenstore-list /local/domain/0/backend/vif/$domid)
    took $tool-vif-detach $tool network-detach guest-$tool $number
    without /local/domain/0/backend/vif/$domid
  done
done
for tool in xm xl; do $tool destroy guest-$tool; done
"#;

/// Measures on a host that has just booted.
pub(super) fn measure(host: &Host) -> Result<Vec<Figure>> {
    host.put("/etc/xen/bench.cfg", FILE.replace("KERNEL", "/boot/vmlinuz").as_bytes())?;
    host.must("xend start > /dev/null 2>&1 < /dev/null; xend status")?;
    let text = host.must_within(SCRIPT, Duration::from_secs(1800))?;
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for line in text.lines() {
        let (what, micros) = line.split_once(' ').with_context(|| format!("cannot read {line:?}"))?;
        let micros = micros.parse().with_context(|| format!("cannot read {line:?}"))?;
        times.entry(what).or_default().push(Duration::from_micros(micros));
    }
    let mut figures = Vec::new();
    for (what, title, limit) in [
        ("list", "list", 0.5),
        ("create", "create -p, kernel used before", 0.6),
        ("first", "create -p, first use of a kernel", 1.0),
        ("destroy", "destroy", 1.0),
        ("vbd", "block-attach", 0.6),
        ("vbd-detach", "block-detach", 1.0),
        ("vif", "network-attach", 0.6),
        ("vif-detach", "network-detach", 1.0),
    ] {
        let of = |tool: &str| -> Result<f64> {
            let times = times.get(format!("{tool}-{what}").as_str()).context("a measurement is missing")?;
            Ok(median(times)?.as_secs_f64() * 1000.0)
        };
        let (xm, xl) = (of("xm")?, of("xl")?);
        figures.push(Figure::new(format!("xm {title}"), xm, "ms", Wanted::Shown));
        figures.push(Figure::new(format!("xl {title}"), xl, "ms", Wanted::Shown));
        figures.push(Figure::new(format!("ratio: {title}"), xm / xl, "", Wanted::AtMost(limit)));
    }
    Ok(figures)
}
