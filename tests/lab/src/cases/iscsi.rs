//! A disk of iSCSI: the neighbour's kernel is the target, open-iscsi in dom0 the initiator.

use anyhow::{Context, Result};

use super::extras;
use crate::Host;
use crate::neighbour::Neighbour;

/// The neighbour serves a file of 4 MiB to whoever comes over the first network.
const SERVE: &str = "set -e
[ -e /run/serves ] && exit 0
truncate -s 4M /run/disk.img
grep -q configfs /proc/mounts || mount -t configfs configfs /sys/kernel/config
cd /sys/kernel/config/target
mkdir -p core/fileio_0/disk iscsi
echo fd_dev_name=/run/disk.img,fd_dev_size=4194304 > core/fileio_0/disk/control
echo 1 > core/fileio_0/disk/enable
group=$PWD/iscsi/iqn.2001-04.test.neighbour:disk/tpgt_1
mkdir -p iscsi/iqn.2001-04.test.neighbour:disk && mkdir $group && mkdir $group/lun/lun_0
ln -s $PWD/core/fileio_0/disk $group/lun/lun_0/disk
mkdir $group/np/198.51.100.2:3260
for attribute in authentication=0 generate_node_acls=1 cache_dynamic_acls=1 demo_mode_write_protect=0; do
  echo ${attribute#*=} > $group/attrib/${attribute%=*}
done
echo 1 > $group/enable
touch /run/serves";

const INITIATE: &str = "set -e
ip addr add 198.51.100.1/24 dev eth0
echo InitiatorName=iqn.2001-04.test.host:dom0 > /etc/iscsi/initiatorname.iscsi
iscsid
iscsiadm -m session > /dev/null 2>&1 || [ $? = 21 ]";

const RESTORE: &str = "
for pid in $(pidof iscsid); do kill $pid; done
for _ in $(seq 600); do pidof iscsid > /dev/null || break; sleep 0.1; done
rm -rf /var/lib/iscsi/nodes /var/lib/iscsi/send_targets /etc/iscsi/nodes /etc/iscsi/send_targets
ip addr del 198.51.100.1/24 dev eth0";

/// The target, while dom0 can reach it.
pub(super) struct Target<'a> {
    neighbour: &'a Neighbour,
}

/// Runs `body` on a host that can reach the target.
pub(super) fn with_target(host: &Host, body: impl FnOnce(&Target<'_>) -> Result<()>) -> Result<()> {
    extras::provide(host)?;
    let neighbour = host.neighbour()?;
    neighbour.must(SERVE).context("no target")?;
    let done = host.must(INITIATE).and_then(|_| body(&Target { neighbour })).with_context(|| {
        let log = neighbour.run("dmesg | tail -n 20").map(|output| output.stdout).unwrap_or_default();
        format!("the target's kernel says:\n{log}")
    });
    let restored = host.run(RESTORE);
    done.and(restored.map(drop))
}

impl Target<'_> {
    /// The checksum of the disk's first MiB, as it lies in the neighbour.
    pub(super) fn sum(&self) -> Result<String> {
        self.neighbour.must("head -c 1048576 /run/disk.img | sha256sum")
    }
}
