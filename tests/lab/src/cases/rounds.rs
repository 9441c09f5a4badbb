//! The same again and again: nothing may grow.

use anyhow::{Result, ensure};

use super::footprint::Footprint;
use super::guest::{Guest, hears, start_xend};
use super::{Case, Needs};
use crate::Host;

pub(super) const CASES: &[Case] = &[
    Case { name: "fifty_rounds_of_create_and_destroy_leave_nothing", needs: Needs::Xend, run: fifty_rounds },
    Case { name: "five_boots_of_many_sizes_leave_nothing", needs: Needs::Xend, run: five_boots },
];

/// The daemon may hold this much more than half the rounds before: its allocator breathes.
const BREATH_KIB: i64 = 1024;
/// Connections that are just being closed; one leaked at each round would be twenty-five.
const CLOSING: i64 = 5;

fn fifty_rounds(host: &Host) -> Result<()> {
    let mut guest = Guest::new("rounds");
    guest.disk = "'phy:/dev/vda,xvda1,w', 'file:/srv/xen/domains/web1/swap.img,xvda2,w'";
    guest.install(host)?;
    start_xend(host)?;
    let round = "xm create -q -p rounds.cfg > /dev/null && xm destroy rounds";
    let many = |count: u32| format!("cd /root; for i in $(seq {count}); do {round} || exit 1; done");
    let begin = Footprint::of(host)?;
    host.must_within(&many(25), 15 * super::guest::SOON)?;
    let warm = begin.must_return(host)?;
    host.must_within(&many(25), 15 * super::guest::SOON)?;
    let end = begin.must_return(host)?;
    ensure!(end.fds <= warm.fds + CLOSING, "the daemon had {} files open, now {}", warm.fds, end.fds);
    ensure!(
        end.rss_kib <= warm.rss_kib + BREATH_KIB,
        "the daemon had {} KiB, now {}",
        warm.rss_kib,
        end.rss_kib
    );
    Ok(())
}

/// Every boot is of another size, as the builder's layouts are.
fn five_boots(host: &Host) -> Result<()> {
    start_xend(host)?;
    let before = Footprint::of(host)?;
    for (memory, vcpus) in [(96, 1), (200, 2), (512, 3), (1024, 4), (97, 1)] {
        let guest = Guest { memory, vcpus, ..Guest::new("boots") };
        guest.install(host)?;
        host.must(&format!("rm -f {}", guest.log()))?;
        host.must("cd /root && xm create -q boots.cfg")?;
        let boot = hears(host, "boots", "MARK host debian1 up", 1)?;
        ensure!(boot.contains(&format!("vcpus {vcpus} MemTotal:")), "{vcpus} vcpus are not there:\n{boot}");
        let kib: u32 = boot
            .lines()
            .find_map(|line| line.split_once("MemTotal:")?.1.split_whitespace().next()?.parse().ok())
            .unwrap_or(0);
        let wanted = memory * 1024;
        ensure!(kib < wanted && kib > wanted / 2, "a guest of {memory} MiB sees {kib} KiB");
        host.must_within("xm shutdown -w boots", 2 * super::guest::SOON)?;
        before.must_return(host)?;
    }
    Ok(())
}
