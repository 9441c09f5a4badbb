//! Guests behind dom0 as their router: with an address of the host's network, and with a private one.

use anyhow::{Context, Result, ensure};

use super::ground::{Ground, HOST, NEIGHBOUR, NEIGHBOUR1, Site, on, reach};
use crate::Host;
use crate::cases::extras;
use crate::cases::footprint::Footprint;
use crate::cases::guest::{Guest, Shell};

const ROUTED: &str = "198.51.100.60";
/// The host's card on the first network; it answers in the routed guest's place.
const CARD: &str = "02:00:00:00:01:00";

const BOTH: &str = "#!/bin/sh
dir=$(dirname \"$0\")
\"$dir/network-route\" \"$@\" netdev=eth0
\"$dir/network-nat\" \"$@\" netdev=eth1 dhcp=yes
";
const PUENTES: &str = "/etc/xen/scripts/puentes.sh";

pub(super) fn both(host: &Host) -> Result<()> {
    host.put(PUENTES, BOTH.as_bytes())?;
    host.must(&format!("chmod 755 {PUENTES}"))?;
    extras::provide(host)?;
    let stop = format!("{PUENTES} stop");
    on(host, &Site { script: "puentes.sh", stop: &stop, ..Site::default() }, |ground| {
        ground.host_is_reached(&HOST)?;
        let before = Footprint::of(host)?;
        let guest = Guest {
            vif: "'mac=00:16:3e:00:00:51, script=vif-route, ip=198.51.100.60', \
                  'mac=00:16:3e:00:00:52, script=vif-nat'",
            ..Guest::new("routed")
        };
        let number = ground.create(&guest, ROUTED)?;
        let mut shell = Shell::open(host, guest.name)?;
        routed(&mut shell, ground)?;
        masqueraded(&mut shell, ground, number)?;
        shell.close()?;
        ground.end(&guest)?;
        before.must_return(host)?;
        Ok(())
    })
}

fn routed(shell: &mut Shell, ground: &Ground<'_>) -> Result<()> {
    shell.run(&reach(NEIGHBOUR)).context("over routes")?;
    ground.neighbour.must(&reach(ROUTED)).context("the neighbour does not reach the guest")?;
    let seen = ground.hardware_of(ROUTED)?;
    ensure!(seen == CARD, "the neighbour sees the routed guest as {seen}, not as dom0's card");
    asks_as(shell, NEIGHBOUR, ROUTED)
}

/// What the guest does with what it is told: an address, and the way to the neighbour's second network.
const BOUND: &str = "printf '#!/bin/sh\\n[ $1 = bound ] || exit 0\\nip addr add $ip/$mask dev $interface\\n\
                     ip route add 203.0.113.0/24 via $router\\necho TOLD $ip $router\\n' > /tmp/bound && chmod 755 /tmp/bound";

/// Device 1 of domain N has 10.(N/256).(N mod 256).2, dom0 the same and 127. The guest is told both by DHCP.
fn masqueraded(shell: &mut Shell, ground: &Ground<'_>, number: u32) -> Result<()> {
    let network = format!("10.{}.{}", number / 256, number % 256);
    ground.says("ip -o -4 addr", &format!("inet {network}.129/32"))?;
    shell.run(&format!("ip link set eth1 up && {BOUND}"))?;
    let told = shell.run("udhcpc -i eth1 -n -q -t 30 -s /tmp/bound 2>&1").context("no answer by DHCP")?;
    ensure!(told.contains(&format!("TOLD {network}.2 {network}.129")), "the guest is told {told}");
    shell.run(&reach(NEIGHBOUR1)).context("by masquerading")?;
    asks_as(shell, NEIGHBOUR1, "203.0.113.1")
}

/// The neighbour tells whom it takes the guest for. By hand: wget of Debian 12's static busybox crashes.
fn asks_as(shell: &mut Shell, neighbour: &str, wanted: &str) -> Result<()> {
    let ask = format!("printf 'GET /cgi-bin/who HTTP/1.0\\r\\n\\r\\n' | nc {neighbour} 80");
    let shown = shell.run(&ask)?;
    ensure!(shown.lines().any(|line| line.trim() == wanted), "wanted {wanted}:\n{shown}");
    Ok(())
}
