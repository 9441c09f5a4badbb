//! Guests as ports of bridges: kept to their own addresses, limited, in a VLAN.

use anyhow::{Context, Result, bail, ensure};

use super::ground::{Ground, HOST, NEIGHBOUR, NEIGHBOUR1, Site, must_return, on, reach, settled, touch};
use crate::Host;
use crate::cases::footprint::Footprint;
use crate::cases::guest::{Guest, Shell};

const ADDRESS: &str = "198.51.100.50";
const MAC: &str = "00:16:3e:00:00:41";

/// The shape of Xen 3.2 and later: `eth0` becomes the bridge. The guest's file still has the bridge's name of before.
pub(super) fn one(host: &Host) -> Result<()> {
    let site = Site {
        script: "network-bridge antispoof=yes",
        stop: "/etc/xen/scripts/network-bridge stop",
        ..Site::default()
    };
    on(host, &site, |ground| {
        ground.says("ip -o link show master eth0", "peth0")?;
        ground.says("ip -o -4 addr show dev eth0", "198.51.100.1/24")?;
        ground.host_is_reached(&HOST)?;
        let before = Footprint::of(host)?;
        let guest = Guest {
            vif: "'mac=00:16:3e:00:00:41, bridge=xenbr0, ip=198.51.100.50'",
            ..Guest::new("bridged")
        };
        ground.create(&guest, ADDRESS)?;
        ground.neighbour.must(&reach(ADDRESS)).context("the neighbour does not reach the guest")?;
        let seen = ground.hardware_of(ADDRESS)?;
        ensure!(seen == MAC, "the neighbour sees the guest as {seen}");
        let mut shell = Shell::open(host, guest.name)?;
        shell.run(&reach(NEIGHBOUR))?;
        pretends(&mut shell, ground)?;
        // A restart of the daemon runs the script again.
        host.must("xend restart > /dev/null 2>&1 < /dev/null; xend status")?;
        shell.run(&reach(NEIGHBOUR)).context("a restart of xend cut the guest off")?;
        shell.close()?;
        ground.end(&guest)?;
        before.must_return(host)?;
        Ok(())
    })
}

/// Neither another's hardware address nor another's network address leaves the guest's interface.
fn pretends(shell: &mut Shell, ground: &Ground<'_>) -> Result<()> {
    let hardware =
        |mac| format!("ip link set eth0 down && ip link set eth0 address {mac} && ip link set eth0 up");
    shell.run(&hardware("00:16:3e:00:00:66"))?;
    shell.fails(&touch(NEIGHBOUR)).context("frames of another's hardware address pass")?;
    shell.run(&hardware(MAC))?;
    shell.run(&reach(NEIGHBOUR)).context("the guest's own address passes no more")?;
    shell.run("ip addr add 198.51.100.99/24 dev eth0")?;
    shell.fails(&touch(&format!("-I 198.51.100.99 {NEIGHBOUR}"))).context("an address not listed passes")?;
    let heard = ground.neighbour.run(&touch("198.51.100.99"))?;
    ensure!(heard.status != 0, "an address not listed answers");
    shell.run("ip addr del 198.51.100.99/24 dev eth0")?;
    shell.run(&reach(NEIGHBOUR)).context("the guest's own address passes no more")?;
    Ok(())
}

/// As it stands in the field, to the letter.
const WRAPPER: &str = "#!/bin/sh
dir=$(dirname \"$0\")
\"$dir/network-bridge\" \"$@\" vifnum=0 netdev=eth0 bridge=xenbr0
\"$dir/network-bridge\" \"$@\" vifnum=1 netdev=eth1 bridge=xenbr1
";
const PUENTES: &str = "/etc/xen/scripts/puentes.sh";

pub(super) fn two(host: &Host) -> Result<()> {
    host.put(PUENTES, WRAPPER.as_bytes())?;
    host.must(&format!("chmod 755 {PUENTES}"))?;
    let stop = format!("{PUENTES} stop");
    on(host, &Site { script: "puentes.sh", stop: &stop, ..Site::default() }, |ground| {
        let before = Footprint::of(host)?;
        for (number, card) in ["eth0", "eth1"].into_iter().enumerate() {
            ground.says(&format!("ip -o link show master xenbr{number}"), &format!("p{card}"))?;
        }
        let once = settled(host)?;
        for _ in 0..2 {
            host.must("xend restart > /dev/null 2>&1 < /dev/null; xend status")?;
        }
        must_return(host, &once).context("after two restarts of xend")?;
        ground.host_is_reached(&HOST)?;
        // The administrator's part: this bridge tells VLANs apart, and the card carries one with its tag.
        host.must("ip link set xenbr1 type bridge vlan_filtering 1 && bridge vlan add vid 7 dev peth1")?;
        let guest = Guest {
            vif: "'mac=00:16:3e:00:00:42, bridge=xenbr0', 'mac=00:16:3e:00:00:43, bridge=xenbr1, rate=2Mb/s@100ms', \
                  'mac=00:16:3e:00:00:44, bridge=xenbr1.7'",
            ..Guest::new("twice")
        };
        let number = ground.create(&guest, ADDRESS)?;
        let mut shell = Shell::open(host, guest.name)?;
        shell.run(&reach(NEIGHBOUR)).context("over the first bridge")?;
        shell.run("ip addr add 203.0.113.50/24 dev eth1 && ip link set eth1 up")?;
        shell.run(&reach(NEIGHBOUR1)).context("over the second bridge")?;
        vlan(&mut shell, ground, number)?;
        rate(&mut shell, ground, number)?;
        shell.close()?;
        ground.end(&guest)?;
        before.must_return(host)?;
        Ok(())
    })
}

/// The guest sends without a tag; on the wire its frames have one.
fn vlan(shell: &mut Shell, ground: &Ground<'_>, number: u32) -> Result<()> {
    let ports = ground.host.must(&format!("bridge vlan show dev vif{number}.2"))?;
    let words: Vec<&str> = ports.split_whitespace().skip_while(|word| !word.starts_with("vif")).collect();
    ensure!(words[1..] == ["7", "PVID", "Egress", "Untagged"], "the port is in other VLANs:\n{ports}");
    shell.run("ip addr add 192.168.7.50/24 dev eth2 && ip link set eth2 up")?;
    let made = "ip link add link eth1 name eth1.7 type vlan id 7 && ip addr add 192.168.7.2/24 dev eth1.7 && \
                ip link set eth1.7 up";
    ground.neighbour.must(made)?;
    let reached = shell.run(&reach("192.168.7.2")).context("over the VLAN");
    ground.neighbour.must("ip link del eth1.7")?;
    reached?;
    // The neighbour's address without a tag is in another VLAN.
    shell.run(
        "ip addr add 203.0.113.51/32 dev eth2 && ip route add 203.0.113.2/32 dev eth2 src 203.0.113.51",
    )?;
    shell.fails(&touch(NEIGHBOUR1)).context("the VLAN leaks")?;
    shell.run(
        "ip addr del 203.0.113.51/32 dev eth2 && ip route del 203.0.113.2/32 dev eth2; ip link set eth2 down",
    )?;
    Ok(())
}

/// Bytes a second of `rate=2Mb/s`. Given in tenths of a second: the kernel's own 50 ms are no whole number of its clock's
/// ticks, which takes four hundredths of the rate, and each time that netback comes late takes some more.
const RATE: f64 = 250_000.0;
/// What the backend lets a guest save up, whatever its rate: room for the largest packets.
const SAVED: f64 = 131_072.0;
/// How often the rate is measured, for ten seconds each: a busy machine does not always let the guest use it up.
const WINDOWS: u32 = 18;

/// The guest sends as fast as it may. What counts is what its frames, with their Ethernet headers, take on the interface
/// in dom0; the time is dom0's too. No window is above the rate, but for what was saved up in the one before, and one
/// is within a tenth below it.
fn rate(shell: &mut Shell, ground: &Ground<'_>, number: u32) -> Result<()> {
    shell.run(&format!("(nc {NEIGHBOUR1} 9 < /dev/zero > /dev/null 2>&1 &)"))?;
    let look = format!(
        "look() {{ read bytes < /sys/class/net/vif{number}.1/statistics/rx_bytes; read seconds _ < /proc/uptime; }}"
    );
    // What was saved up while nobody sent goes first.
    let flows = "look; begin=$bytes; for _ in $(seq 600); do look; [ $((bytes - begin)) -gt 1000000 ] && exit; sleep 0.1; done; exit 1";
    ground.host.must(&format!("{look}; {flows}")).context("the guest does not send")?;
    let mut shares = Vec::new();
    for _ in 0..WINDOWS {
        let window = format!("{look}; look; echo $bytes $seconds; sleep 10; look; echo $bytes $seconds");
        let said = ground.host.must(&window)?;
        let figures: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let &[begin, from, end, to] = figures.as_slice() else { bail!("no figures: {said}") };
        let (bytes, allowed) = (end - begin, RATE * (to - from));
        shares.push(bytes / allowed);
        ensure!(bytes <= allowed + SAVED, "{bytes} bytes in {} s are above the rate: {shares:?}", to - from);
        if (0.9..=1.0).contains(&(bytes / allowed)) {
            shell.run("killall nc")?;
            return Ok(());
        }
    }
    bail!("no window within a tenth below the rate: {shares:?}")
}
