//! Managed domains on real Xen: defined by a file that is a program, started, outliving their daemon, stopped, forgotten.

use anyhow::{Context, Result, ensure};

use super::footprint::Footprint;
use super::guest::{SOON, domid, hears, log_of, refused, start_xend};
use super::{Case, Needs};
use crate::Host;

pub(super) const CASES: &[Case] = &[
    Case { name: "a_managed_domain_is_defined_started_and_forgotten", needs: Needs::Xend, run: lives },
    Case {
        name: "a_store_of_the_original_is_read_and_its_hvm_guest_refused",
        needs: Needs::Xend,
        run: old_store,
    },
];

const NAME: &str = "kept";

/// As users wrote them: the file works out what it needs.
const FILE: &str = "import os, re\n\
    name = 'kept'\nuuid = '0b7a5d5e-51b5-4d7c-9c2f-7a63d3c1a001'\n\
    kernel, ramdisk = ['/boot/%s' % file for file in ('vmlinuz', 'initrd.img')]\n\
    if re.search('64', os.uname()[4]):\n    memory = 96\nelse:\n    memory = 1\n\
    def drive(letter, mode='w'):\n    return 'phy:/dev/vda,xvd%s1,%s' % (letter, mode)\n\
    disk = [drive('a')]\nvif = ['mac=00:16:3e:00:00:32, bridge=xenbr0']\n\
    root = '/dev/xvda1 ro'\nextra = 'quiet mitigations=off'\n";

/// The row of `xm list` for one that does not run.
fn inactive(host: &Host) -> Result<()> {
    let row = host.must(&format!("xm list {NAME} | tail -n 1"))?;
    let wanted = format!("{NAME:<40} {:>5} {:>5} {:>5} {:>10} {:>8}\n", "", 96, 1, "", "0.0");
    ensure!(row == wanted, "an inactive domain is listed so:\n{row}wanted:\n{wanted}");
    Ok(())
}

fn lives(host: &Host) -> Result<()> {
    host.put(&format!("/etc/xen/{NAME}.cfg"), FILE.as_bytes())?;
    host.must(&format!("rm -f {}", log_of(NAME)))?;
    start_xend(host)?;
    host.must("xend check-config").context("the delivered settings are not clean")?;
    let before = Footprint::of(host)?;
    host.must(&format!("cd /root && xm new {NAME}.cfg"))?;
    inactive(host)?;
    before.must_return(host).context("a definition touched more than the disk")?;
    let words = format!("Error: VM name '{NAME}' already exists");
    refused(
        host,
        &format!("cd /root && xm create {NAME}.cfg uuid=0b7a5d5e-51b5-4d7c-9c2f-7a63d3c1a002"),
        1,
        &words,
    )?;
    host.must("kill -9 $(pidof xend)")?;
    start_xend(host)?;
    inactive(host)?;
    host.must(&format!("xm start {NAME}"))?;
    let number = domid(host, NAME)?;
    let boot = hears(host, NAME, "MARK host debian1 up", 1)?;
    ensure!(boot.contains("MARK ping answered"), "the guest does not reach the bridge:\n{boot}");
    refused(host, &format!("xm delete {NAME}"), 1, "Error:")?;
    host.must("kill -9 $(pidof xend)")?;
    start_xend(host)?;
    ensure!(domid(host, NAME)? == number, "the domain has another number after kill -9 of xend");
    host.must_within(&format!("xm shutdown -w {NAME}"), 2 * SOON)?;
    inactive(host)?;
    host.must(&format!("xm start -p {NAME} && xm destroy {NAME}"))?;
    inactive(host)?;
    host.must(&format!("xm delete {NAME}"))?;
    refused(host, &format!("xm start {NAME}"), 3, "does not exist")?;
    let left = host.must("ls /var/lib/xend/domains | wc -l")?;
    ensure!(left.trim() == "0", "the store still has {left}");
    before.must_return(host)?;
    Ok(())
}

/// What a host that is moved over from the original has on its disk.
fn old_store(host: &Host) -> Result<()> {
    let uuid = "0b7a5d5e-51b5-4d7c-9c2f-7a63d3c1a003";
    let config = format!(
        "(domain (on_crash restart) (uuid {uuid}) (bootloader_args '') (vcpus 2) (name oldwin) (on_poweroff destroy)\n\
         (on_reboot restart) (cpus (() ())) (bootloader '') (maxmem 128) (memory 128) (shadow_memory 9)\n\
         (cpu_weight 256) (cpu_cap 0) (features ()) (on_xend_start ignore) (on_xend_stop ignore)\n\
         (image (hvm (kernel '') (loader /usr/lib/xen/boot/hvmloader) (boot cd) (acpi 1) (apic 1) (pae 1)\n\
         (device_model /usr/lib/xen/bin/qemu-dm) (serial pty) (vnc 1))) (status 0)\n\
         (device (vif (bridge xenbr0) (mac 00:16:3e:00:00:33) (type ioemu) (uuid 0b7a5d5e-51b5-4d7c-9c2f-7a63d3c1a004))))\n"
    );
    start_xend(host)?;
    let before = Footprint::of(host)?;
    host.must("xend stop")?;
    let folder = format!("/var/lib/xend/domains/{uuid}");
    host.put(&format!("{folder}/config.sxp"), config.as_bytes())?;
    // Damaged ones beside it cost it nothing, and stay for whoever mends them.
    host.put("/var/lib/xend/domains/0b7a5d5e-51b5-4d7c-9c2f-7a63d3c1a005/config.sxp", b"(domain (name")?;
    start_xend(host)?;
    let list = host.must("xm list --state=halted")?;
    ensure!(list.lines().count() == 2 && list.contains("oldwin"), "xm list --state=halted says:\n{list}");
    let long = host.must("xm list --long oldwin")?;
    ensure!(long.contains("(device_model /usr/lib/xen/bin/qemu-dm)"), "xm list --long says:\n{long}");
    refused(host, "xm start oldwin", 1, "HVM")?;
    host.must("xm delete oldwin")?;
    let left = host.must("ls /var/lib/xend/domains")?;
    ensure!(left.trim() == "0b7a5d5e-51b5-4d7c-9c2f-7a63d3c1a005", "the store has {left}");
    host.must("rm -r /var/lib/xend/domains/*")?;
    before.must_return(host)?;
    Ok(())
}
