//! Hosts of the field: the card is part of a bond under the bridge of Xen 3.1 and before, and another bridge is one of
//! Open vSwitch.

use anyhow::{Context, Result, ensure};

use super::ground::{Ground, HOST, NEIGHBOUR, Site, on, reach};
use crate::Host;
use crate::cases::extras;
use crate::cases::footprint::Footprint;
use crate::cases::guest::{Guest, SOON, Shell};

const ADDRESS: &str = "198.51.100.70";
/// In VLAN 7 of the second network.
const TAGGED: &str = "192.168.7.2";

/// The bond takes over what the first card was; the second card is a port of a switch.
const ARRANGE: &str = "
ip link add bond0 type bond mode active-backup miimon 100
ip addr flush dev eth0
ip link set eth0 down
ip link set eth0 master bond0
ip link set bond0 up
ip addr add 198.51.100.1/24 dev bond0
ip route add default via 198.51.100.2
ip addr flush dev eth1
[ -e /etc/openvswitch/conf.db ] || ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote=punix:/run/openvswitch/db.sock --pidfile --detach --log-file=/dev/null
ovs-vsctl --no-wait init
/usr/lib/openvswitch-switch/ovs-vswitchd --pidfile --detach --log-file=/dev/null
ovs-vsctl --timeout=60 -- add-br ovsbr0 -- add-port ovsbr0 eth1
ip link set ovsbr0 up";

const RESTORE: &str = "
/usr/lib/xend/scripts/network-bridge stop netdev=bond0
ovs-vsctl --timeout=60 --if-exists del-br ovsbr0
for pid in $(pidof ovs-vswitchd) $(pidof ovsdb-server); do kill $pid; done
for _ in $(seq 600); do pidof ovs-vswitchd ovsdb-server > /dev/null || break; sleep 0.1; done
ip link del ovs-system
ip link del bond0";

pub(super) fn both(host: &Host) -> Result<()> {
    extras::provide(host)?;
    let site = Site {
        arrange: ARRANGE,
        script: "network-bridge netdev=bond0 layout=3.1",
        stop: "/etc/xen/scripts/network-bridge stop netdev=bond0 layout=3.1",
        restore: RESTORE,
    };
    on(host, &site, |ground| {
        ground.says("ip -o link show master xenbr0", "pbond0")?;
        ground.says("ip -o -4 addr show dev bond0", "198.51.100.1/24")?;
        ground.says("ip -o link show master pbond0", "eth0")?;
        ground.host_is_reached(&HOST[..1])?;
        let before = Footprint::of(host)?;
        let guest = Guest {
            vif: "'mac=00:16:3e:00:00:71, bridge=xenbr0', \
                  'mac=00:16:3e:00:00:72, bridge=ovsbr0.7, script=vif-openvswitch'",
            ..Guest::new("field")
        };
        let number = ground.create(&guest, ADDRESS)?;
        let mut shell = Shell::open(host, guest.name)?;
        shell.run(&reach(NEIGHBOUR)).context("over the bond")?;
        ground.neighbour.must(&reach(ADDRESS)).context("the neighbour does not reach the guest")?;
        switched(&mut shell, ground, number)?;
        shell.close()?;
        ground.end(&guest)?;
        before.must_return(host)?;
        Ok(())
    })
}

/// The switch gives the guest's frames their tag, knows whose port it is, and forgets the port when it goes.
fn switched(shell: &mut Shell, ground: &Ground<'_>, number: u32) -> Result<()> {
    let port = format!("vif{number}.1");
    ground.says(&format!("ovs-vsctl get port {port} tag"), "7")?;
    ground.says(&format!("ovs-vsctl get interface {port} external_ids"), "xen-vm-name=field")?;
    shell.run("ip addr add 192.168.7.50/24 dev eth1 && ip link set eth1 up")?;
    ground.neighbour.must(&format!(
        "ip link add link eth1 name eth1.7 type vlan id 7 && ip addr add {TAGGED}/24 dev eth1.7 && ip link set eth1.7 up"
    ))?;
    let reached = shell.run(&reach(TAGGED)).context("over Open vSwitch");
    ground.neighbour.must("ip link del eth1.7")?;
    reached?;
    ground.host.must_within("xm network-detach field 1", SOON)?;
    let ports = ground.host.must("ovs-vsctl list-ports ovsbr0")?;
    ensure!(ports.trim() == "eth1", "the switch still has {ports}");
    Ok(())
}
