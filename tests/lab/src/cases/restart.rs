//! The daemon goes and comes back: by request, and by `kill -9` in the middle of a creation.

use anyhow::{Context, Result, bail, ensure};

use super::footprint::Footprint;
use super::guest::{Guest, domid, hears, refused, start_xend};
use super::{Case, Needs};
use crate::Host;

pub(super) const CASES: &[Case] = &[
    Case { name: "a_guest_outlives_a_restart_of_xend_and_stays_managed", needs: Needs::Xend, run: adopted },
    Case {
        name: "kill_9_after_the_domain_exists_leaves_all_or_nothing",
        needs: Needs::Xend,
        run: killed_early,
    },
    Case {
        name: "kill_9_while_a_disk_is_wired_leaves_all_or_nothing",
        needs: Needs::Xend,
        run: killed_at_disk,
    },
    Case {
        name: "kill_9_while_a_vif_is_wired_leaves_all_or_nothing",
        needs: Needs::Xend,
        run: killed_at_vif,
    },
    Case { name: "a_domain_of_xl_is_listed_and_left_alone", needs: Needs::Xend, run: foreign },
];

const KILL: &str = "kill -9 $(pidof xend)";

fn adopted(host: &Host) -> Result<()> {
    let guest = Guest::new("stays");
    guest.install(host)?;
    host.must(&format!("rm -f {}", guest.log()))?;
    start_xend(host)?;
    let before = Footprint::of(host)?;
    host.must("cd /root && xm create -q stays.cfg")?;
    hears(host, "stays", "MARK host debian1 up", 1)?;
    let number = domid(host, "stays")?;
    host.must("xend restart > /dev/null 2>&1 < /dev/null; xend status")?;
    ensure!(domid(host, "stays")? == number, "the domain has another number after a restart of xend");
    host.must(KILL)?;
    start_xend(host)?;
    ensure!(domid(host, "stays")? == number, "the domain has another number after kill -9 of xend");
    host.must_within("xm shutdown -w stays", 2 * super::guest::SOON)?;
    before.must_return(host)?;
    Ok(())
}

/// Nothing but the store's word is waited for, and nothing but `kill` done then: a creation takes a second only.
const KILL_AT_DOMAIN: &str = "rm -f /run/watching
daemon=$(pidof xend)
(xenstore-watch /local/domain | while read -r path; do
  case $path in
    /local/domain) touch /run/watching ;;
    /local/domain/[1-9]*) kill -9 $daemon; exit ;;
  esac
done) > /dev/null 2>&1 &
for _ in $(seq 600); do [ -e /run/watching ] && exit 0; sleep 0.1; done; exit 1";

/// As soon as Xen has the domain, the daemon is gone.
fn killed_early(host: &Host) -> Result<()> {
    all_or_nothing(host, &Guest::new("early"), KILL_AT_DOMAIN)
}

fn killed_at_disk(host: &Host) -> Result<()> {
    let mut guest = Guest::new("disk");
    guest.disk = "'phy:/dev/vda,xvda1,w'";
    killed_by_script(host, &guest, "block")
}

fn killed_at_vif(host: &Host) -> Result<()> {
    killed_by_script(host, &Guest::new("vif"), "vif-bridge")
}

/// A site's own script comes first in the search: this one ends the daemon, then does what it should.
fn killed_by_script(host: &Host, guest: &Guest, script: &str) -> Result<()> {
    let path = format!("/etc/xend/scripts/{script}");
    let text = format!(
        "#!/bin/sh\n[ -e /run/kill-xend ] && rm /run/kill-xend && {KILL}\nexec /usr/lib/xend/scripts/{script} \"$@\"\n"
    );
    host.put(&path, text.as_bytes())?;
    host.must(&format!("chmod 755 {path}"))?;
    let result = all_or_nothing(host, guest, "touch /run/kill-xend");
    host.must(&format!("rm -f {path} /run/kill-xend"))?;
    result
}

/// After the kill and a new start the domain is complete or gone, and its name can be used again.
fn all_or_nothing(host: &Host, guest: &Guest, arrange: &str) -> Result<()> {
    let name = guest.name;
    guest.install(host)?;
    host.must(&format!("rm -f {}", guest.log()))?;
    start_xend(host)?;
    let before = Footprint::of(host)?;
    host.must(arrange)?;
    let output = host.run(&format!("cd /root && xm create -q {name}.cfg"))?;
    if host.run("pidof xend")?.status == 0 {
        bail!("the daemon was not killed; xm create ended with {}: {}", output.status, output.stderr);
    }
    ensure!(output.status != 0, "xm create succeeded without its daemon: {}", output.stdout);
    start_xend(host)?;
    if domid(host, name).is_ok() {
        hears(host, name, "MARK host debian1 up", 1).context("the domain is there, but not complete")?;
        host.must(&format!("xm destroy {name}"))?;
    }
    before.must_return(host).context("after the restart")?;
    host.must(&format!("cd /root && xm create -q -p {name}.cfg")).context("the name cannot be used again")?;
    host.must(&format!("xm destroy {name}"))?;
    before.must_return(host)?;
    Ok(())
}

fn foreign(host: &Host) -> Result<()> {
    Guest::new("theirs").install(host)?;
    start_xend(host)?;
    let before = Footprint::of(host)?;
    host.must("xl create -p /etc/xen/theirs.cfg")?;
    let with = Footprint::of(host)?;
    let list = host.must("xm list")?;
    ensure!(list.lines().any(|line| line.starts_with("theirs ")), "xm list does not show it:\n{list}");
    host.must("xend restart > /dev/null 2>&1 < /dev/null; xend status")?;
    with.must_return(host).context("a restart of xend changed a foreign domain")?;
    host.must("xend stop")?;
    with.must_return(host).context("the end of xend changed a foreign domain")?;
    start_xend(host)?;
    refused(host, "cd /root && xm create theirs.cfg", 1, "Domain 'theirs' already exists with ID")?;
    host.must("xl destroy theirs")?;
    before.must_return(host)?;
    Ok(())
}
