//! Programs that a host of the field may have, put where they belong by the cases that want them.

use anyhow::{Context, Result};

use crate::Host;

/// From dom0's disk to its root, once. A module that is in the kernel already stays.
const PROVIDE: &str = "
[ -e /run/extras ] && exit 0
cp -a /srv/extra/. / && cd /lib/modules || exit 1
for module in $(cat extra); do insmod $module 2> /dev/null; done
ldconfig 2> /dev/null
# Its driver makes one that nobody asked for.
ip link del bond0
for module in bonding openvswitch iscsi_tcp sd_mod; do
  [ -d /sys/module/$module ] || { echo no module $module; exit 1; }
done
mkdir -p /run/lock/iscsi /run/openvswitch /etc/openvswitch /var/lib/iscsi /var/log/openvswitch
for user in nobody dnsmasq; do echo \"$user:x:65534:65534::/:/bin/false\" >> /etc/passwd; done
echo nogroup:x:65534: >> /etc/group
touch /run/extras";

/// Makes sure that dnsmasq, open-iscsi, Open vSwitch and the kernel's part of them are there.
pub(super) fn provide(host: &Host) -> Result<()> {
    host.must(PROVIDE).context("cannot provide the extras")?;
    Ok(())
}
