//! What the cases of networks stand on: the host's two cards, the daemon's settings, and the host as it was.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::Host;
use crate::cases::guest::{BOOT, Guest, SOON, domid, hears};
use crate::neighbour::Neighbour;

/// The host's addresses on both.
pub(super) const HOST: [&str; 2] = ["198.51.100.1", "203.0.113.1"];
/// The neighbour on the first network.
pub(super) const NEIGHBOUR: &str = "198.51.100.2";
/// The neighbour on the second network.
pub(super) const NEIGHBOUR1: &str = "203.0.113.2";

/// The bridge of the other cases goes; the cards get what a distribution would give them.
const ARRANGE: &str = "set -e
cp /etc/xen/xend-config.sxp /root/delivered.sxp
ip link del xenbr0
# Down and up: the kernel then gives each its address of IPv6, whatever was flushed before.
for card in eth0 eth1; do ip link set $card down; ip link set $card up; done
ip addr add 198.51.100.1/24 dev eth0
ip addr add 203.0.113.1/24 dev eth1
ip route add default via 198.51.100.2";

/// What is there is to be there for good: the kernel finds out in its own time whether an interface has a cable, and tries
/// the address that it then gives it for a second.
const SETTLE: &str = "
settled() {
  ip -o addr | grep -q tentative && return 1
  ip -o link show up | grep -q NO-CARRIER && return 1
  for link in $(ip -o -4 addr show scope global | awk '{ print $2 }'); do
    ip -o -6 addr show dev $link | grep -q fe80 || return 1
  done
}
for _ in $(seq 1200); do settled && exit 0; sleep 0.1; done
ip addr; exit 1";

/// No daemon, no guest.
const END: &str = "
for name in $(xm list | awk 'NR > 2 { print $1 }'); do xm destroy $name; done
xend stop";

/// As it was, whatever the case left.
const RESTORE: &str = "
cp /root/delivered.sxp /etc/xen/xend-config.sxp
rm -f /etc/xen/scripts/puentes.sh
if [ -n \"$(ls /var/run/xend/network)\" ]; then
  scripts=/usr/lib/xend/scripts
  for netdev in eth0 eth1; do
    $scripts/network-nat stop netdev=$netdev; $scripts/network-route stop netdev=$netdev
  done
  for bridge in xenbr0 xenbr1 eth0; do $scripts/network-bridge stop bridge=$bridge; done
fi
for card in eth0 eth1; do ip addr flush dev $card; ip link set $card down; ip link set $card up; done
ip link add xenbr0 type bridge
ip addr add 10.0.0.1/24 dev xenbr0
ip addr add 192.0.2.1/24 dev xenbr0
ip link set xenbr0 up
";

/// The host's network, as far as a network script may change it. Whether an interface has a cable is found out by the
/// kernel in its own time, and is not compared.
const PICTURE: &str = "
ip -o link | sed -e 's/ state [A-Z]*//' -e 's/<[^>]*>//'
for link in /sys/class/net/*; do echo $link $(($(cat $link/flags) & 1)); done
ip -o addr
ip route show table all | sed -e 's/ expires [^ ]*//' -e 's/ linkdown//' -e 's/ dead//' | sort
nft list ruleset
grep . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/proxy_arp /proc/sys/net/ipv6/conf/all/forwarding
ls -d /var/run/xend/network/* /var/run/xend-dhcp/* 2> /dev/null || :";

/// A case's host and neighbour.
pub(super) struct Ground<'a> {
    pub(super) host: &'a Host,
    pub(super) neighbour: &'a Neighbour,
}

/// A way to make a host's network ready.
#[derive(Debug, Default)]
pub(super) struct Site<'a> {
    /// The host has it before the daemon comes, whatever the cards' addresses were for.
    pub(super) arrange: &'a str,
    /// The settings' `network-script`.
    pub(super) script: &'a str,
    /// What takes it back.
    pub(super) stop: &'a str,
    /// Takes back what `arrange` did, and does no harm where nothing was done.
    pub(super) restore: &'a str,
}

/// Runs `body` on a host that `network-script` has made ready, then `stop`; the host must then be as before.
pub(super) fn on(host: &Host, site: &Site<'_>, body: impl FnOnce(&Ground<'_>) -> Result<()>) -> Result<()> {
    let neighbour = host.neighbour()?;
    let Site { arrange, script, stop, restore } = site;
    host.must("xend stop")?;
    let done = host.must(&format!("{ARRANGE}\n{arrange}")).and_then(|_| {
        let before = settled(host)?;
        let settings = format!("(network-script '{script}')\n(vif-script vif-bridge)\n");
        host.put("/etc/xen/xend-config.sxp", settings.as_bytes())?;
        host.must("xend check-config && xend start > /dev/null 2>&1 < /dev/null && xend status")?;
        body(&Ground { host, neighbour })?;
        host.must("xend stop")?;
        host.must(stop)?;
        must_return(host, &before)
    });
    let restored = host.run(&format!("{END}\n{restore}\n{RESTORE}"));
    done.and(restored.map(drop))
}

/// The host's network, once it stays as it is.
pub(super) fn settled(host: &Host) -> Result<String> {
    host.must(SETTLE).context("the host's network does not come to rest")?;
    host.must(PICTURE)
}

/// Waits until the network looks as it did.
pub(super) fn must_return(host: &Host, before: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(240);
    loop {
        let now = host.must(PICTURE)?;
        if now == before {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let lines = |one: &str, other: &str, sign: char| -> String {
                let other: Vec<&str> = other.lines().collect();
                let new = one.lines().filter(|line| !other.contains(line));
                new.map(|line| format!("  {sign} {line}\n")).collect()
            };
            bail!(
                "the host's network is not as it was:\n{}{}",
                lines(&now, before, '+'),
                lines(before, &now, '-')
            );
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// A line of shell that succeeds as soon as an address answers: a packet may be lost, the first ones often are.
pub(super) fn reach(address: &str) -> String {
    format!("(for _ in $(seq 30); do ping -c 1 -W 3 {address} > /dev/null 2>&1 && exit 0; done; exit 1)")
}

/// A line of shell that fails when nothing of several pings comes back.
pub(super) fn touch(words: &str) -> String {
    format!("ping -c 3 -W 3 {words} > /dev/null 2>&1")
}

impl Ground<'_> {
    /// Creates a guest that gives its first interface this address, and waits until it is up; its number.
    pub(super) fn create(&self, guest: &Guest, address: &str) -> Result<u32> {
        let name = guest.name;
        guest.install(self.host)?;
        self.host.must(&format!("rm -f {}", guest.log()))?;
        let extra = format!("quiet mitigations=off ip={address}");
        self.host.must_within(&format!("cd /root && xm create -q {name}.cfg extra='{extra}'"), BOOT)?;
        hears(self.host, name, "MARK host debian1 up", 1)?;
        domid(self.host, name)
    }

    /// Ends a guest and waits until it is gone.
    pub(super) fn end(&self, guest: &Guest) -> Result<()> {
        self.host.must_within(&format!("xm destroy {}", guest.name), SOON)?;
        Ok(())
    }

    /// The hardware address that the neighbour knows for an address.
    pub(super) fn hardware_of(&self, address: &str) -> Result<String> {
        let known = self.neighbour.must(&format!("arp -n {address}"))?;
        let found = known.split_whitespace().find(|word| word.matches(':').count() == 5);
        found.map(str::to_owned).with_context(|| format!("the neighbour knows no {address}: {known}"))
    }

    /// Dom0 must still be reached over the interfaces that the script changed.
    pub(super) fn host_is_reached(&self, addresses: &[&str]) -> Result<()> {
        for address in addresses {
            self.neighbour.must(&reach(address)).context("dom0 is cut off")?;
        }
        Ok(())
    }

    /// What a command in dom0 says.
    pub(super) fn says(&self, command: &str, wanted: &str) -> Result<()> {
        let said = self.host.must(command)?;
        ensure!(said.contains(wanted), "{command} says {said:?}, wanted {wanted:?}");
        Ok(())
    }
}
