//! The two domain files of the old handbooks, unchanged, from `xm create` to nothing left.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::footprint::Footprint;
use super::guest::{BOOT, SOON, answers, domid, hears, log_of, start_xend};
use super::{Case, Needs};
use crate::Host;
use crate::screen::Screen;

pub(super) const CASES: &[Case] = &[
    Case { name: "debian1_of_the_handbooks_lives_its_life", needs: Needs::Xend, run: debian1 },
    Case { name: "a_file_of_xen_tools_lives_its_life", needs: Needs::Xend, run: xen_tools },
];

const DEBIAN1: &str = include_str!("../../../../config-examples/debian1.cfg");
const WEB1: &str = include_str!("../../../../config-examples/xen-tools.cfg");
const HEADER: &str = "Name                                        ID   Mem VCPUs      State   Time(s)";

fn debian1(host: &Host) -> Result<()> {
    host.put("/etc/xen/debian1.cfg", DEBIAN1.as_bytes())?;
    start_xend(host)?;
    let before = Footprint::of(host)?;
    boots_and_has_its_console(host)?;
    let number = domid(host, "debian1")?;
    is_listed(host, number)?;
    is_wired(host, number)?;
    console_attaches_again(host)?;
    pauses(host)?;
    let said = host.must("xm shutdown -w debian1")?;
    ensure!(said == "Domain debian1 terminated\nAll domains terminated\n", "xm shutdown -w said {said:?}");
    before.must_return(host)?;
    Ok(())
}

fn boots_and_has_its_console(host: &Host) -> Result<()> {
    let mut screen = Screen::open(host, "cd /root && xm create -c debian1.cfg")?;
    screen.expect("Using config file \"/etc/xen/debian1.cfg\".", SOON)?;
    let boot = screen.expect("MARK host debian1 up", BOOT)?;
    ensure!(boot.contains("MARK cmdline root=/dev/xvda1 ro"), "the command line is not the file's:\n{boot}");
    ensure!(boot.contains("MARK root xvda1 found as xvda"), "the root disk was not found:\n{boot}");
    ensure!(boot.contains("MARK eth0 mac 00:16:3e:3a:15:01"), "the interface has another address:\n{boot}");
    ensure!(boot.contains("MARK ping answered"), "the guest does not reach the bridge:\n{boot}");
    screen.expect("login:", SOON)?;
    screen.send("root\n")?;
    screen.expect("# ", SOON)?;
    screen.send("echo sum $((20 + 22))\n")?;
    screen.expect("sum 42", SOON)?;
    leave(screen)
}

/// Ctrl-] ends the console and nothing else.
fn leave(mut screen: Screen) -> Result<()> {
    screen.send("\x1d")?;
    let status = screen.end(Duration::from_secs(120))?;
    ensure!(status == 0, "leaving the console gave status {status}:\n{}", screen.shown());
    Ok(())
}

fn is_listed(host: &Host, number: u32) -> Result<()> {
    let list = host.must("xm list")?;
    let mut lines = list.lines();
    ensure!(lines.next() == Some(HEADER), "the header of xm list is another:\n{list}");
    let row = lines.find(|line| line.starts_with("debian1 ")).context("xm list has no debian1")?;
    let begin = format!("{:<40} {number:>5} {:>5} {:>5} ", "debian1", 512, 1);
    ensure!(row.starts_with(&begin), "the row of debian1 is another:\n{row}\n{begin}");
    let name = host.must(&format!("xm domname {number}"))?;
    ensure!(name == "debian1\n", "xm domname says {name:?}");
    let uptime = host.must("xm uptime debian1")?;
    ensure!(uptime.contains("debian1"), "xm uptime says {uptime:?}");
    let long = host.must("xm list -l debian1")?;
    ensure!(long.starts_with("(domain\n") && long.contains("(name debian1)"), "xm list -l says:\n{long}");
    Ok(())
}

fn is_wired(host: &Host, number: u32) -> Result<()> {
    let backend = "/local/domain/0/backend";
    for (node, wanted) in [
        (format!("{backend}/vbd/{number}/769/state"), "4"),
        (format!("{backend}/vbd/{number}/769/hotplug-status"), "connected"),
        (format!("{backend}/vbd/{number}/770/hotplug-status"), "connected"),
        (format!("{backend}/vif/{number}/0/state"), "4"),
        (format!("{backend}/vif/{number}/0/mac"), "00:16:3e:3a:15:01"),
    ] {
        let value = host.must(&format!("xenstore-read {node}"))?;
        ensure!(value.trim() == wanted, "{node} is {value:?}, wanted {wanted}");
    }
    host.must(&format!("test -e /sys/class/net/xenbr0/brif/vif{number}.0"))
        .context("the vif is not on the bridge")?;
    // The guest takes its address from its MAC: 0x01 becomes 21.
    answers(host, "10.0.0.21").context("dom0 does not reach the guest")?;
    Ok(())
}

fn console_attaches_again(host: &Host) -> Result<()> {
    let mut screen = Screen::open(host, "xm console debian1")?;
    screen.send("\n")?;
    screen.expect("# ", SOON)?;
    screen.send("echo again $((40 + 2))\n")?;
    screen.expect("again 42", SOON)?;
    leave(screen)
}

fn pauses(host: &Host) -> Result<()> {
    host.must("xm pause debian1")?;
    // An idle guest keeps its b while it is paused, until an event for it takes the b away; it can't come back. The
    // original's domstate looks at that letter first.
    let is_idle = || -> Result<bool> {
        let list = host.must("xm list debian1")?;
        ensure!(list.contains("--p---") || list.contains("-bp---"), "a paused domain is listed so:\n{list}");
        Ok(list.contains("-bp---"))
    };
    let before = is_idle()?;
    let state = host.must("xm domstate debian1")?;
    let after = is_idle()?;
    let allowed = match state.as_str() {
        "idle\n" => before,
        "paused by admin\n" => !after,
        _ => false,
    };
    ensure!(allowed, "xm domstate says {state:?}; idle by xm list before: {before}, after: {after}");
    host.must("xm unpause debian1")?;
    answers(host, "10.0.0.21").context("the guest does not answer after its pause")
}

fn xen_tools(host: &Host) -> Result<()> {
    let name = "web1";
    host.put(&format!("/etc/xen/{name}.cfg"), WEB1.as_bytes())?;
    host.must(&format!("rm -f {}", log_of(name)))?;
    start_xend(host)?;
    let before = Footprint::of(host)?;
    let said = host.must(&format!("cd /root && xm create {name}.cfg"))?;
    let number = domid(host, name)?;
    let wanted = format!("Using config file \"/etc/xen/{name}.cfg\".\nStarted domain {name} (id={number})\n");
    ensure!(said == wanted, "xm create said {said:?}");
    let boot = hears(host, name, "MARK host web1 up", 1)?;
    ensure!(boot.contains("MARK root xvda2 found as xvda"), "the root disk was not found:\n{boot}");
    ensure!(
        boot.contains("address 192.0.2.10") && boot.contains("MARK ping answered"),
        "no network:\n{boot}"
    );
    let loops = host.must("losetup -a | grep -c /srv/xen/domains/web1/")?;
    ensure!(loops.trim() == "2", "{loops} loop devices instead of two");
    // A domain that ends within a minute of its start is not restarted: the original's guard against loops. The host's
    // clock goes on by that minute instead of being waited for.
    host.must("date -s @$(($(date +%s) + 65))")?;
    let said = host.must_within(&format!("xm reboot -w {name}"), BOOT)?;
    ensure!(said == format!("Domain {name} rebooted\nAll domains rebooted\n"), "xm reboot -w said {said:?}");
    hears(host, name, "MARK host web1 up", 2)?;
    ensure!(domid(host, name)? > number, "the domain has its old number after a reboot");
    host.must(&format!("xm destroy {name}"))?;
    before.must_return(host)?;
    Ok(())
}
