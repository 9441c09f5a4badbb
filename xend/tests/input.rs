//! Bad input: the original's text, what was seen, what to do, and nothing left behind.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use harness::{Config, Host, XZ_KERNEL, tree};
use hypervisor::sim::HostConfig;
use xend_api::{Fault, FaultKind, Sxp};

/// Refused without a trace; the same name can be used right after.
fn refused(host: &Host, config: &Config) -> Fault {
    let daemon = host.daemon();
    let before = host.traces();
    let fault = daemon.create_fault(config);
    assert_eq!(fault.kind, FaultKind::Generic, "{fault:?}");
    host.is_as(&before, "after the refusal");
    daemon.create(&host.config("vm1"));
    daemon.destroy("vm1");
    daemon.kill();
    fault
}

#[test]
fn a_missing_kernel_is_named_in_the_original_s_words() {
    let host = Host::new();
    let fault = refused(&host, &host.config("vm1").kernel("/boot/no-such-vmlinuz"));
    assert_eq!(fault.text, "Kernel image does not exist: /boot/no-such-vmlinuz");
    assert_eq!(fault.because, ["No such file or directory (os error 2)"]);
    assert!(fault.hint.unwrap().contains("`kernel`"));
}

#[test]
fn a_missing_ramdisk_is_named_in_the_original_s_words() {
    let host = Host::new();
    let fault = refused(&host, &host.config("vm1").ramdisk("/boot/no-such-initrd"));
    assert_eq!(fault.text, "Kernel ramdisk does not exist: /boot/no-such-initrd");
    assert!(fault.hint.unwrap().contains("`ramdisk`"));
}

#[test]
fn what_is_not_a_kernel_is_refused_with_what_it_begins_with() {
    let host = Host::new();
    let script = host.folder().file("script", b"#!/bin/sh\nexit 0\n");
    let fault = refused(&host, &host.config("vm1").kernel(&script));
    assert!(fault.text.starts_with("cannot build domain vm1: cannot use "), "{fault:?}");
    assert!(fault.text.contains("script as a kernel: it begins with 23"), "{fault:?}");
    assert!(fault.hint.unwrap().contains("vmlinuz"));
    let folder = host.folder().path().to_str().unwrap();
    let fault = refused(&host, &host.config("vm1").kernel(folder));
    assert!(fault.text.ends_with("it is not a regular file"), "{fault:?}");
    let empty = host.folder().file("empty", b"");
    let fault = refused(&host, &host.config("vm1").kernel(&empty));
    assert!(fault.text.contains("as a kernel"), "{fault:?}");
}

#[test]
fn a_truncated_xz_stream_is_refused_with_its_length() {
    let host = Host::new();
    let cut = host.folder().file("vmlinuz.xz", &XZ_KERNEL[..XZ_KERNEL.len() / 2]);
    let fault = refused(&host, &host.config("vm1").kernel(&cut));
    let wanted = format!("its xz stream is truncated after {} bytes", XZ_KERNEL.len() / 2);
    assert!(fault.text.contains(&wanted), "{fault:?}");
    assert!(fault.hint.is_some(), "{fault:?}");
}

#[test]
fn too_little_memory_says_how_much_there_is() {
    let config = HostConfig { memory_mib: 1024 + 128, dom0_memory_mib: 1024, ..HostConfig::default() };
    let host = Host::with(config);
    let daemon = host.daemon();
    let before = host.traces();
    let fault = daemon.create_fault(&host.config("vm1").memory("256"));
    let start =
        "Not enough free memory and enable-dom0-ballooning is False, so I cannot release any more.  I need ";
    let numbers = fault.text.strip_prefix(start).unwrap_or_else(|| panic!("{fault:?}"));
    let (need, have) = numbers.split_once(" KiB but only have ").unwrap();
    assert!(need.parse::<u64>().unwrap() >= 256 * 1024, "{need}");
    let have = have.strip_suffix('.').unwrap().parse::<u64>().unwrap();
    assert!((120 * 1024..=128 * 1024).contains(&have), "{have}");
    let hint = fault.hint.unwrap();
    let mib: u64 = hint.split("at most ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    host.is_as(&before, "after the refusal");
    // What the hint promises is true.
    daemon.create(&host.config("vm1").memory(&mib.to_string()));
}

#[test]
fn memory_that_is_taken_meanwhile_has_the_same_text_and_is_given_back() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    host.machine().faults().populate_at_most(700);
    let fault = daemon.create_fault(&host.config("vm1"));
    assert!(
        fault.text.starts_with("Not enough free memory and enable-dom0-ballooning is False"),
        "{fault:?}"
    );
    host.is_as(&before, "after the refusal");
}

#[test]
fn a_name_or_a_uuid_in_use_is_refused_with_the_number_of_its_domain() {
    let host = Host::new();
    let daemon = host.daemon();
    let domid = daemon.create(&host.config("vm1").with("(uuid 00000000-0000-0000-0000-00000000abcd)"));
    daemon.ask("xend.domain.console_tty", "vm1").unwrap();
    let before = host.traces();
    let fault = daemon.create_fault(&host.config("vm1"));
    assert_eq!(fault.text, format!("Domain 'vm1' already exists with ID '{domid}'"));
    assert!(fault.hint.unwrap().contains("xm destroy vm1"));
    let other = host.config("vm2").with("(uuid 00000000-0000-0000-0000-00000000abcd)");
    assert_eq!(daemon.create_fault(&other).text, format!("Domain 'vm2' already exists with ID '{domid}'"));
    let fault = daemon.create_fault(&host.config("Domain-0"));
    assert_eq!(fault.text, "Domain 'Domain-0' already exists with ID '0'");
    host.is_as(&before, "after the refusals");
    assert_eq!(daemon.names(), ["Domain-0", "vm1"]);
}

/// The domain is made, a device of it is not connected: what a client hears, and that the domain can go.
fn device_fault(host: &Host, config: &Config) -> Fault {
    let daemon = host.daemon();
    let before = host.traces();
    daemon.create(config);
    let fault = daemon.ask("xend.domain.waitForDevices", "vm1").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Generic);
    assert!(fault.hint.is_some(), "{fault:?}");
    daemon.destroy("vm1");
    host.is_as(&before, "destroyed");
    daemon.kill();
    fault
}

#[test]
fn a_missing_disk_is_named() {
    let host = Host::new();
    let fault = device_fault(&host, &host.config("vm1").disk("/no/such.img", "xvda1"));
    assert_eq!(fault.text, "Device 51713 (vbd) could not be connected. /no/such.img does not exist.");
    let config = host.config("vm1").with("(device (vbd (uname phy:nosuch/lv) (dev hda1) (mode w)))");
    let fault = device_fault(&host, &config);
    assert_eq!(fault.text, "Device 769 (vbd) could not be connected. /dev/nosuch/lv does not exist.");
}

#[test]
fn a_disk_in_use_by_another_domain_is_refused_and_left_to_it() {
    let host = Host::new();
    let disk = host.disk("shared.img");
    let daemon = host.daemon();
    let other = daemon.start_domain(&host.config("other").disk(&disk, "xvda"), "other");
    daemon.devices_connect(&host, other, 1);
    daemon.kill();
    let fault = device_fault(&host, &host.config("vm1").disk(&disk, "xvda1"));
    let wanted = format!(
        "Device 51713 (vbd) could not be connected.\nFile {disk} is loopback-mounted through /dev/loop0,\n\
         which is mounted in a guest domain,\nand so cannot be mounted now."
    );
    assert_eq!(fault.text, wanted);
    let daemon = host.daemon();
    daemon.devices_connect(&host, other, 1);
    // The destruction of the one that was refused has not set the disk free.
    daemon.create(&host.config("vm1").disk(&disk, "xvda1"));
    assert!(daemon.ask("xend.domain.waitForDevices", "vm1").is_err());
}

#[test]
fn a_disk_of_an_unknown_type_or_driver_is_refused_before_anything_is_made() {
    let host = Host::new();
    let with =
        |uname: &str| host.config("vm1").with(&format!("(device (vbd (uname {uname}) (dev xvda) (mode w)))"));
    assert_eq!(refused(&host, &with("enbd:h:1")).text, "Block device type \"enbd\" is invalid.");
    assert_eq!(refused(&host, &with("qcow2:/srv/a")).text, "Block device type \"qcow2\" is invalid.");
    assert_eq!(refused(&host, &with("tap:bogus:/a")).text, "tap:bogus not a valid disk type");
}

#[test]
fn an_image_is_shared_by_readers_whatever_serves_it_and_keeps_its_class_in_the_tree() {
    let host = Host::new();
    let disk = host.disk("shared.img");
    let tap = |name: &str, mode: &str| {
        let form = format!("(device (tap2 (uname tap2:tapdisk:aio:{disk}) (dev xvdb) (mode {mode})))");
        host.config(name).with(&form)
    };
    let daemon = host.daemon();
    for name in ["one", "two"] {
        let domid = daemon.start_domain(&tap(name, "r"), name);
        daemon.devices_connect(&host, domid, 1);
        let shown = daemon.tree(name).unwrap().to_string();
        assert!(shown.contains("(tap2 (protocol x86_64-abi) (uuid "), "{shown}");
        assert!(
            shown.contains(&format!("(dev xvdb:disk) (uname tap2:tapdisk:aio:{disk}) (mode r)")),
            "{shown}"
        );
    }
    daemon.kill();
    let fault = device_fault(&host, &tap("vm1", "w"));
    let wanted = format!("Device 51728 (vbd) could not be connected.\n{disk} already in use by other domain");
    assert_eq!(fault.text, wanted);
}

#[test]
fn a_bridge_that_does_not_exist_is_named() {
    let host = Host::new();
    let fault = device_fault(&host, &host.config("vm1").vif("br77"));
    assert_eq!(fault.text, "Device 0 (vif) could not be connected. Could not find bridge device br77");
    assert!(fault.hint.unwrap().contains("ip link"));
}

#[test]
fn a_script_that_does_not_exist_is_refused_before_anything_is_made() {
    let host = Host::new();
    let config = host.config("vm1").with("(device (vif (script vif-nosuch)))");
    let fault = refused(&host, &config);
    assert!(fault.text.starts_with("cannot find the script vif-nosuch: looked in "), "{fault:?}");
    assert!(fault.hint.is_some(), "{fault:?}");
}

#[test]
fn a_configuration_with_bad_values_is_refused_in_the_original_s_words() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let config = || host.config("vm1");
    let vbd = |form: &str| config().with(&format!("(device (vbd {form}))"));
    let mac = "(device (vif (mac 00:16:3e:00:00:01)))";
    let table = [
        (host.config(""), "Missing VM Name"),
        (host.config("a b"), "Invalid VM Name"),
        (config().memory("0"), "memory_dynamic_max must be greater than zero"),
        (config().memory("lots"), "memory_dynamic_max must be greater than zero"),
        (config().with("(maxmem 16)"), "memory_dynamic_max must be less than or equal to memory_static_max"),
        (config().vcpus("0"), "Zero or less VCPUs is invalid"),
        (config().with("(on_poweroff explode)"), "Invalid event handling mode: shutdown"),
        (config().with("(on_reboot explode)"), "Invalid event handling mode: reboot"),
        (config().with("(on_crash explode)"), "Invalid event handling mode: crash"),
        (config().with("(restart never)"), "Invalid event handling mode: shutdown"),
        (vbd("(uname '') (dev hda1) (mode w)"), "Block device must have physical details specified"),
        (vbd("(uname phy:a) (dev hda1) (mode x)"), "Invalid mode"),
        (vbd("(uname phy:a) (dev floppy) (mode w)"), "Unable to find number for device (floppy)"),
        (config().disk("a", "xvda").disk("b", "xvda"), "The device \"xvda\" is already defined"),
        (config().disk("a", "xvda").disk("a", "xvdb"), "The uname \"file:a\" is already defined"),
        (config().with(mac).with(mac), "The mac \"00:16:3e:00:00:01\" is already defined"),
        (config().with("(device (floppy (x y)))"), "XendConfig: floppy not a valid device type"),
    ];
    for (config, text) in table {
        let fault = daemon.create_fault(&config);
        assert_eq!((fault.kind, fault.text.as_str()), (FaultKind::Generic, text), "{}", config.tree());
    }
    host.is_as(&before, "after the refusals");
}

#[test]
fn every_mistake_of_a_configuration_is_told_at_once() {
    let host = Host::new();
    let daemon = host.daemon();
    let fault = daemon.create_fault(&host.config("a b").memory("0").vcpus("0"));
    assert_eq!(fault.text, "Invalid VM Name");
    assert_eq!(
        fault.because,
        ["also: memory_dynamic_max must be greater than zero", "also: Zero or less VCPUs is invalid"]
    );
}

#[test]
fn what_is_no_configuration_at_all_is_refused() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let odd = [
        Sxp::Nil,
        Sxp::Int(7),
        Sxp::from("vm"),
        Sxp::List(Vec::new()),
        Sxp::Struct(vec![("name".to_owned(), Sxp::from("vm1"))]),
        tree("(vm (vm (vm (name vm1))))"),
        tree("(vm (name (a b)) (memory (1 2)) (vcpus ()) (image 7) (device) (device ()) (device vbd))"),
        tree("(vm (name vm1) (memory 99999999999999999999) (vcpus -1) (image (linux (kernel ()))))"),
    ];
    for config in odd {
        let fault = daemon.call("xend.domain.create", std::slice::from_ref(&config)).unwrap_err();
        assert!(!fault.text.is_empty(), "{config}");
    }
    assert_eq!(daemon.call("xend.domain.create", &[]).unwrap_err().kind, FaultKind::Internal);
    host.is_as(&before, "after the refusals");
}

#[test]
fn requests_about_a_domain_that_is_not_there_name_it_as_it_was_typed() {
    let host = Host::new();
    let daemon = host.daemon();
    for method in [
        "xend.domain",
        "xend.domain.pause",
        "xend.domain.unpause",
        "xend.domain.destroy",
        "xend.domain.waitForDevices",
        "xend.domain.getVCPUInfo",
        "xend.domain.console_tty",
    ] {
        for name in ["nosuch", "77", ""] {
            let fault = daemon.ask(method, name).unwrap_err();
            assert_eq!((fault.kind, fault.text.as_str()), (FaultKind::NoDomain, name), "{method}");
        }
    }
    let reason = [Sxp::from("nosuch"), Sxp::from("poweroff")];
    assert_eq!(daemon.call("xend.domain.shutdown", &reason).unwrap_err().kind, FaultKind::NoDomain);
}

#[test]
fn domain_0_is_protected() {
    let host = Host::new();
    let daemon = host.daemon();
    for verb in ["pause", "unpause", "destroy"] {
        let fault = daemon.ask(&format!("xend.domain.{verb}"), "Domain-0").unwrap_err();
        assert_eq!(fault.text, format!("Cannot {verb} privileged domain Domain-0"));
        let fault = daemon.call(&format!("xend.domain.{verb}"), &[Sxp::Int(0)]).unwrap_err();
        assert_eq!(fault.text, format!("Cannot {verb} privileged domain 0"));
    }
    let params = [Sxp::from("Domain-0"), Sxp::from("poweroff")];
    let fault = daemon.call("xend.domain.shutdown", &params).unwrap_err();
    assert_eq!(fault.text, "Domain 0 cannot be shutdown");
}

#[test]
fn a_shutdown_needs_a_reason_that_exists_and_a_domain_that_lives() {
    let host = Host::new();
    let daemon = host.daemon();
    let domid = daemon.start_domain(&host.config("vm1").with("(on_poweroff preserve)"), "vm1");
    let shutdown = |reason: &str| daemon.call("xend.domain.shutdown", &[Sxp::from("vm1"), Sxp::from(reason)]);
    assert_eq!(shutdown("nap").unwrap_err().text, "Invalid reason: nap");
    host.guest_ends(domid, hypervisor::ShutdownCode::Poweroff);
    assert_eq!(shutdown("poweroff").unwrap_err().text, "Domain cannot be shutdown");
    assert_eq!(daemon.ask("xend.domain.pause", "vm1").unwrap_err().text, "Domain 'vm1' is not started");
}

#[test]
fn an_unknown_hypervisor_interface_can_be_looked_at_and_nothing_more() {
    let host = Host::with(HostConfig { domctl: 0x99, ..HostConfig::release(22) });
    let daemon = host.daemon();
    assert_eq!(daemon.names(), ["Domain-0"]);
    let info = daemon.call("xend.node.info", &[]).unwrap();
    assert_eq!(Sxp::List([&[Sxp::Nil], info.items()].concat()).value("xen_minor"), Some(&Sxp::Int(22)));
    daemon.call("xend.node.dmesg.info", &[]).unwrap();
    let before = host.traces();
    let fault = daemon.create_fault(&host.config("vm1"));
    assert_eq!(fault.text, "Creating domain failed: name=vm1");
    let told = "Xen 4.22 speaks domctl interface 0x99, which this program does not know";
    assert_eq!(fault.because, [told]);
    assert!(fault.hint.is_some(), "{fault:?}");
    host.is_as(&before, "after the refusal");
}
