//! The lab itself: with Debian's own tools a guest boots, finds its disk and its bridge, and goes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Case, Needs};
use crate::Host;
use crate::screen::Screen;

pub(super) const CASES: &[Case] = &[Case {
    name: "a_guest_started_by_xl_boots_answers_and_goes",
    needs: Needs::Tools,
    run: boots_answers_and_goes,
}];

const FILE: &str = r#"
name = "plain"
kernel = "/srv/guest/vmlinuz"
ramdisk = "/srv/guest/guest.cpio.gz"
memory = 128
vif = ['mac=00:16:3e:00:00:21,bridge=xenbr0']
disk = ['phy:/dev/vda,xvda1,w']
root = "/dev/xvda1 ro"
"#;

/// Pages that a daemon of Xen still maps keep a domain, and the kernel takes interfaces away in its own time.
const GONE: &str = "for _ in $(seq 240); do
  [ $(xl list | wc -l) = 2 ] && [ -z \"$(ls /sys/class/net/xenbr0/brif)\" ] && exit 0
  sleep 1
done
xl list; ls /sys/class/net/xenbr0/brif; exit 1";

fn boots_answers_and_goes(host: &Host) -> Result<()> {
    host.put("/tmp/plain.cfg", FILE.as_bytes())?;
    let mut screen = Screen::open(host, "xl create -c /tmp/plain.cfg")?;
    let boot = screen.expect("MARK host debian1 up", Duration::from_secs(600))?;
    ensure!(boot.contains("MARK eth0 mac 00:16:3e:00:00:21"), "the guest's interface is wrong:\n{boot}");
    ensure!(boot.contains("MARK ping answered"), "the bridge does not answer:\n{boot}");
    screen.expect("login:", Duration::from_secs(240))?;
    screen.send("root\n")?;
    screen.expect("# ", Duration::from_secs(240))?;
    screen.send("echo sum $((20 + 22))\n")?;
    screen.expect("sum 42", Duration::from_secs(240))?;
    screen.send("\x1d")?;
    screen.end(Duration::from_secs(120))?;
    // The process that would clear the domain away went with its terminal.
    host.must("xl shutdown -w plain; xl destroy plain || :")?;
    host.must(GONE).context("something is left")?;
    Ok(())
}
