//! Trees of managed domains: read, stored, shown, started.

use super::*;
use crate::domain::{Devices, PowerState};

fn read(text: &str) -> ManagedConfig {
    ManagedConfig::from_sxp(&xend_api::sxp::parse(text).unwrap()[0]).unwrap()
}

fn faults(text: &str) -> Vec<String> {
    let read = ManagedConfig::from_sxp(&xend_api::sxp::parse(text).unwrap()[0]);
    read.unwrap_err().iter().map(ToString::to_string).collect()
}

/// Everything that this version can't start, and texts that look like numbers.
const EVERYTHING: &str = "(vm (name 007) (memory 64) (maxmem 128) (vcpus 2) (cpus '0-1') (on_crash rename_restart)
    (on_xend_start start) (bootloader /usr/bin/pygrub) (security_label 'ACM:p:l') (vcpu_avail 1) (oos 1)
    (image (hvm (kernel hvmloader) (boot cda) (vnc 1) (vncpasswd 007) (usb 0) (memory_sharing 1) (fda '')
                (pci ((0x0000 0x01 0x00 0x0 0x100 () 01:00.0))) (cpuid ((1 ((eax x)))))))
    (device (vbd (uname phy:/dev/vg/a) (dev ioemu:hda) (mode w))) (device (tap (uname tap:aio:/b) (dev hdb) (mode r)))
    (device (vif (bridge xenbr0) (rate 10Mb/s))) (device (pci (dev (bus 0x01) (slot 0x00) (func 0x0))))
    (device (vusb (usb-ver 2) (num-ports 8))))";

#[test]
fn what_is_stored_reads_back_as_it_was() {
    for text in [
        EVERYTHING,
        "(vm (name a) (memory 64) (image (linux (kernel /k) (root '/dev/hda1 ro'))))",
        "(vm (name a) (memory 64) (vcpus 3) (description 'x \\'y\\' \\n #') (image (linux (kernel '/k l') (args '#'))))",
    ] {
        let config = read(text);
        let stored = config.to_text();
        assert_eq!(read(&stored), config, "{stored}");
        assert_eq!(read(&stored).to_text(), stored);
    }
}

#[test]
fn what_cannot_be_started_yet_is_accepted_and_refused_by_name_at_its_start() {
    let config = read(EVERYTHING);
    let refused = config.to_config().unwrap_err();
    let texts: Vec<String> = refused.iter().map(ToString::to_string).collect();
    for part in
        ["HVM", "boot loader", "pinning", "rename-restart", "pci device", "vusb device", "CPUID", "security"]
    {
        assert!(texts.iter().any(|text| text.contains(part)), "{part}: {texts:?}");
    }
    assert!(config.starts_with_xend());
    let shown = config.shown(PowerState::Halted, Devices::Shown).to_string();
    assert!(shown.contains("(vncpasswd 007)") && shown.contains("(driver ioemu) (dev hda)"), "{shown}");
    assert!(shown.contains("(on_crash rename-restart)") && shown.contains("(cpus ((0 1) (0 1)))"), "{shown}");
}

#[test]
fn a_plain_pv_domain_can_be_started_as_it_was_defined() {
    let config = read(
        "(vm (name a) (memory 64) (vcpus 2) (vcpu_avail 1) (image (linux (kernel /k) (ramdisk /r) (root /dev/hda1)))
             (device (vbd (uname phy:a) (dev hda1) (mode w))) (device (vif)))",
    );
    let started = config.to_config().unwrap();
    assert_eq!((started.uuid, started.vcpus, started.vcpu_avail), (config.uuid, 2, Some(1)));
    assert_eq!(started.image.args, "root=/dev/hda1 ");
    let vif = started.vifs().next().unwrap().clone();
    let again = read(&config.to_text()).to_config().unwrap();
    assert_eq!(again.vifs().next().unwrap(), &vif, "its address and uuid are for life");
}

/// As the original left it of a domain that was running: keys of the Xen-API, live values, devices read back.
#[test]
fn a_file_of_the_original_is_read_without_what_was_true_only_then() {
    let config = read(
        "(domain (domid 9) (vcpus_params ((cap 50) (weight 512))) (PV_args 3) (PV_bootloader '') (name_label vm1)
            (cpus (() ())) (VCPUs_live 1) (actions_after_crash restart) (uuid 11111111-2222-3333-4444-555555555555)
            (PV_ramdisk '') (VCPUs_at_startup 2) (HVM_boot_params ()) (platform ((videoram 4))) (PV_kernel /k)
            (memory_static_min 0) (HVM_boot_policy '') (VCPUs_max 2) (memory_static_max 536870912)
            (actions_after_shutdown destroy) (memory_dynamic_max 268435456) (is_a_template False) (target 0)
            (other_config ()) (auto_power_on False) (actions_after_reboot restart) (s3_integrity 1)
            (security_label '') (on_crash preserve) (vcpus 2) (name vm1) (maxmem 512) (memory 256) (vcpu_avail '3')
            (start_time 1300000000.93) (image (linux (kernel /k) (args 3) (notes (FEATURES 'a|b')))) (status 2)
            (state -b----) (store_mfn 7) (console_mfn 8)
            (device (vif (bridge eth0) (mac 00:16:3e:01:02:03) (script /etc/xen/scripts/vif-bridge)
                         (uuid 8c12ab6e-0000-0000-0000-000000000001) (backend 0)))
            (device (console (protocol vt100) (location 2) (uuid 8c12ab6e-0000-0000-0000-000000000002)))
            (device (vbd (protocol x86_64-abi) (uuid 8c12ab6e-0000-0000-0000-000000000003) (bootable 1)
                         (dev xvda:disk) (uname phy:/dev/vg/a) (mode w) (backend 0) (VDI ''))))",
    );
    let shown = config.shown(PowerState::Halted, Devices::Shown).to_string();
    for gone in ["domid", "state ", "store_mfn", "start_time", "notes"] {
        assert!(!shown.contains(gone), "{gone}: {shown}");
    }
    for there in
        ["(cpu_weight 512)", "(cpu_cap 50)", "(on_crash preserve)", "(s3_integrity 1)", "(vcpu_avail '3')"]
    {
        let anywhere = format!("{shown}{}", config.to_text().replace("(vcpu_avail 3)", "(vcpu_avail '3')"));
        assert!(anywhere.contains(there), "{there}: {anywhere}");
    }
    let refused = config.to_config().unwrap_err();
    assert!(refused.iter().all(|fault| fault.to_string().contains("cpu_")), "{refused:?}");
}

#[test]
fn keys_of_the_xen_api_are_enough() {
    let config = read(
        "(domain (uuid 11111111-2222-3333-4444-555555555555) (name_label x) (memory_static_max 268435456)
            (memory_dynamic_max 134217728) (VCPUs_max 2) (actions_after_reboot destroy) (PV_kernel /k) (PV_args a))",
    );
    assert_eq!((config.memory_mib, config.maxmem_mib, config.vcpus), (128, 256, 2));
    let started = config.to_config().unwrap();
    assert_eq!((started.image.kernel.as_str(), started.image.args.as_str()), ("/k", "a"));
    let hvm = read(
        "(domain (name_label x) (memory_static_max 268435456) (memory_dynamic_max 134217728) (VCPUs_max 2)
            (HVM_boot_policy 'BIOS order') (HVM_boot_params ((order dc))) (platform ((acpi 1))))",
    );
    let shown = hvm.shown(PowerState::Suspended, Devices::LeftOut).to_string();
    assert!(shown.contains("(image (hvm ") && shown.contains("(boot dc)"), "{shown}");
    assert!(shown.contains("(status 3)"), "{shown}");
}

#[test]
fn what_the_original_refused_is_refused_with_its_texts() {
    assert_eq!(
        faults(
            "(vm (name 'a b') (memory 9) (maxmem 8) (vcpus 2) (cpus (0)) (on_poweroff never)
                (device (floppy)) (device (vif (mac 00:16:3e:00:00:01))) (device (vif (mac 00:16:3E:00:00:01))))"
        ),
        [
            "Invalid VM Name",
            "memory_dynamic_max must be less than or equal to memory_static_max",
            "Invalid event handling mode: shutdown",
            "vcpus and the item number of cpus are not same",
            "XendConfig: floppy not a valid device type",
            "The mac \"00:16:3E:00:00:01\" is already defined",
        ]
    );
    assert_eq!(faults("()")[0], "memory_dynamic_max must be greater than zero");
}

#[test]
fn a_stored_domain_is_not_lost_for_what_older_versions_did_not_refuse() {
    let text = "(domain (name a) (memory 64) (vcpus 2) (cpus (0 1 2)) (image (linux (kernel /k)))
        (device (vbd (uname phy:a) (dev hda) (mode r))) (device (vbd (uname phy:a) (dev hda) (mode r)))
        (device (vtpm (instance 1))))";
    let tree = &xend_api::sxp::parse(text).unwrap()[0];
    assert_eq!(ManagedConfig::from_sxp(tree).unwrap_err().len(), 4);
    let config = ManagedConfig::from_stored(tree).unwrap();
    let shown = config.shown(PowerState::Halted, Devices::Shown).to_string();
    assert!(shown.contains("(device (vtpm (instance 1) (uuid "), "{shown}");
    let texts: Vec<String> = config.to_config().unwrap_err().iter().map(ToString::to_string).collect();
    assert!(texts.iter().any(|text| text.contains("vtpm")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("already defined")), "{texts:?}");
}
