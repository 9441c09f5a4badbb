//! `network-bridge`, run as a program in a network namespace of each test's own, judged by the kernel.

#![allow(clippy::unwrap_used, reason = "tests")]

mod stage;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;

use stage::net::{Net, addresses, exists, ip, is_installed, link, on_network, routes};

/// What the scripts' folder is for wrappers: the shipped scripts, and the program that was built.
fn wrapper(net: &Net, text: &str) -> std::process::Command {
    let scripts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let folder = net.stage.path("etc/xen/scripts");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["network-bridge", "network-route", "network-nat"] {
        let _ = std::os::unix::fs::symlink(scripts.join(name), folder.join(name));
    }
    let path = net.stage.script("etc/xen/scripts/puentes.sh", text);
    let mut command = std::process::Command::new(path);
    command.env("XEN_HOTPLUG", env!("CARGO_BIN_EXE_xen-hotplug"));
    command.env("XEN_HOTPLUG_ROOT", net.stage.path("")).env("XEN_HOTPLUG_OWN_NETWORK", "yes");
    command
}

#[test]
fn an_interface_becomes_the_bridge_under_its_own_name_and_comes_back() {
    on_network(&["ping"], |net| {
        let (before, own, ways) = (net.picture(), addresses("eth0"), routes());
        for _ in 0..2 {
            net.must(&["network-bridge", "start"]);
            assert_eq!(link("peth0", "master").as_deref(), Some("eth0"));
            assert_eq!(addresses("eth0"), own);
            assert_eq!(routes(), ways);
            assert_eq!(link("eth0", "mtu").as_deref(), Some("9000"));
            assert_eq!(link("eth0", "link/ether").as_deref(), Some("00:16:3e:aa:bb:cc"));
            assert!(addresses("peth0").is_empty());
        }
        for address in ["192.0.2.1", "192.0.2.99", "2001:db8::1", "2001:db8::2"] {
            assert!(net.outside.reaches(address), "{address}");
        }
        let output = net.stage.command(&["network-bridge", "status"], None).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for line in [
            "eth0: bridge up mtu 9000 address 00:16:3e:aa:bb:cc",
            "    192.0.2.99/24",
            "    port peth0",
            "route default via 192.0.2.254 dev eth0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
        for _ in 0..2 {
            net.must(&["network-bridge", "stop"]);
            net.is_like(&before, "after stop");
        }
        assert!(net.outside.reaches("192.0.2.1"));
    });
}

#[test]
fn a_bridge_of_another_name_gets_the_addresses() {
    on_network(&["ping"], |net| {
        let (before, own, ways) = (net.picture(), addresses("eth0"), routes());
        let words = ["network-bridge", "start", "vifnum=0", "netdev=eth0", "bridge=xenbr0"];
        net.must(&words);
        assert!(!exists("eth0"));
        assert_eq!(link("peth0", "master").as_deref(), Some("xenbr0"));
        let renamed = |lines: Vec<String>| -> Vec<String> {
            lines.into_iter().map(|line| line.replace("eth0", "xenbr0")).collect()
        };
        assert_eq!(addresses("xenbr0"), renamed(own));
        assert_eq!(routes(), renamed(ways));
        assert!(net.outside.reaches("192.0.2.1"));
        net.must(&["network-bridge", "stop", "netdev=eth0", "bridge=xenbr0"]);
        net.is_like(&before, "after stop");
    });
}

#[test]
fn the_oldest_layout_has_a_pair_between_dom0_and_the_bridge() {
    on_network(&["ping"], |net| {
        let (before, own) = (net.picture(), addresses("eth0"));
        net.must(&["network-bridge", "start", "bridge=xenbr0", "layout=3.1"]);
        assert_eq!(link("peth0", "master").as_deref(), Some("xenbr0"));
        assert_eq!(link("vif0.0", "master").as_deref(), Some("xenbr0"));
        assert_eq!(link("vif0.0", "link/ether").as_deref(), Some("fe:ff:ff:ff:ff:ff"));
        assert_eq!(link("eth0", "link/ether").as_deref(), Some("00:16:3e:aa:bb:cc"));
        assert_eq!(addresses("eth0"), own);
        assert!(addresses("xenbr0").is_empty() && addresses("peth0").is_empty());
        assert!(net.outside.reaches("192.0.2.1") && net.outside.reaches("2001:db8::1"));
        net.must(&["network-bridge", "stop", "bridge=xenbr0", "layout=3.1"]);
        net.is_like(&before, "after stop");
        ip("link add veth0 type veth peer name vif0.0");
        let before = net.picture();
        net.must(&["network-bridge", "start", "bridge=xenbr0", "layout=3.1"]);
        net.must(&["network-bridge", "stop"]);
        net.is_like(&before, "a pair that was there stays");
    });
}

#[test]
fn a_wrapper_for_two_interfaces_works_unchanged_and_twice_is_harmless() {
    on_network(&[], |net| {
        let before = net.picture();
        let text = "#!/bin/sh\n\
                    dir=$(dirname \"$0\")\n\
                    \"$dir/network-bridge\" \"$@\" vifnum=0 netdev=eth0 bridge=xenbr0\n\
                    \"$dir/network-bridge\" \"$@\" vifnum=1 netdev=eth1 bridge=xenbr1\n";
        let mut pictures = Vec::new();
        for _ in 0..2 {
            assert!(wrapper(net, text).arg("start").status().unwrap().success(), "{}", net.stage.log());
            assert_eq!(link("peth0", "master").as_deref(), Some("xenbr0"));
            assert_eq!(link("peth1", "master").as_deref(), Some("xenbr1"));
            pictures.push((addresses("xenbr0"), routes()));
        }
        assert_eq!(pictures[0], pictures[1]);
        assert!(wrapper(net, text).arg("stop").status().unwrap().success(), "{}", net.stage.log());
        net.is_like(&before, "after stop");
    });
}

/// The shapes, as words for `start`.
const SHAPES: [&[&str]; 3] =
    [&["netdev=eth0"], &["netdev=eth0", "bridge=xenbr0"], &["netdev=eth0", "bridge=xenbr0", "layout=3.1"]];

fn words<'a>(command: &'a str, shape: &[&'a str]) -> Vec<&'a str> {
    [&["network-bridge", command], shape].concat()
}

/// Asks for a fault at each step in turn until a run has fewer; `body` gets the run's outcome.
fn at_each_step(net: &Net, kind: &str, words: &[&str], mut body: impl FnMut(u32, stage::Ended)) {
    for number in 1.. {
        let ended = net.script_with(&format!("{kind}:{number}"), words);
        if ended.code == Some(0) {
            assert!(number > 5, "the run had no steps");
            return;
        }
        body(number, ended);
    }
}

#[test]
fn a_start_that_fails_at_any_step_leaves_the_host_as_it_was() {
    on_network(&[], |net| {
        let before = net.picture();
        for shape in SHAPES {
            at_each_step(net, "fail", &words("start", shape), |number, ended| {
                assert!(ended.stderr.contains("a test let it fail"), "{ended:?}");
                net.is_like(&before, &format!("{shape:?} {number} {}", ended.stderr));
            });
            net.must(&words("stop", shape));
            net.is_like(&before, "after stop");
        }
    });
}

#[test]
fn a_stop_that_fails_at_any_step_leaves_the_bridge_or_the_host_without() {
    on_network(&[], |net| {
        let before = net.picture();
        for shape in SHAPES {
            net.must(&words("start", shape));
            net.must(&["network-bridge", "status"]);
            let bridged = net.picture();
            at_each_step(net, "fail", &words("stop", shape), |number, ended| {
                let when = format!("{shape:?} {number} {}", ended.stderr);
                if exists("peth0") {
                    net.has_lines(bridged.len(), &when);
                } else {
                    net.must(&words("start", shape));
                }
            });
            net.is_like(&before, "after stop");
        }
    });
}

/// Kills every process of a start and of a stop at each step; then another run of either heals.
fn kill_everywhere(shape: &'static [&'static str]) {
    on_network(&[], move |net| {
        let before = net.picture();
        for healer in ["stop", "start"] {
            at_each_step(net, "kill", &words("start", shape), |number, _| {
                net.must(&words(healer, shape));
                if healer == "start" {
                    assert!(exists("peth0"), "{shape:?} {number}");
                    net.must(&words("stop", shape));
                }
                net.is_like(&before, &format!("start, {shape:?} killed at {number}, then {healer}"));
            });
            net.must(&words("stop", shape));
            net.is_like(&before, "after stop");
        }
        net.must(&words("start", shape));
        at_each_step(net, "kill", &words("stop", shape), |number, _| {
            net.must(&words("stop", shape));
            net.is_like(&before, &format!("stop, {shape:?} killed at {number}, then stop"));
            net.must(&words("start", shape));
        });
        net.is_like(&before, "after stop");
    });
}

#[test]
fn after_a_kill_at_any_step_another_run_heals_the_bridge_of_the_same_name() {
    kill_everywhere(SHAPES[0]);
}

#[test]
fn after_a_kill_at_any_step_another_run_heals_the_bridge_of_another_name() {
    kill_everywhere(SHAPES[1]);
}

#[test]
fn after_a_kill_at_any_step_another_run_heals_the_oldest_layout() {
    kill_everywhere(SHAPES[2]);
}

#[test]
fn a_worker_that_is_killed_at_any_step_costs_nobody_the_way_to_the_host() {
    on_network(&[], |net| {
        let before = net.picture();
        for shape in SHAPES {
            at_each_step(net, "kill-worker", &words("start", shape), |number, ended| {
                assert!(ended.stderr.contains("was killed"), "{ended:?}");
                net.is_like(&before, &format!("start, {shape:?} killed at {number}"));
            });
            at_each_step(net, "kill-worker", &words("stop", shape), |number, _| {
                if exists("peth0") {
                    assert_eq!(number, 1, "only before the first change");
                } else {
                    net.is_like(&before, &format!("stop, {shape:?} killed at {number}"));
                    net.must(&words("start", shape));
                }
            });
            net.is_like(&before, "after stop");
        }
    });
}

#[test]
fn a_script_that_is_ended_with_its_group_does_not_stop_halfway() {
    on_network(&[], |net| {
        let before = net.picture();
        let own: Vec<_> = addresses("eth0").iter().map(|line| line.replace("eth0", "xenbr0")).collect();
        let mut command = net.stage.command(&["network-bridge", "start", "bridge=xenbr0"], None);
        // Long enough for the signal to arrive halfway, however late.
        command.env("XEN_HOTPLUG_FAULT", "pause:4,pause:5,pause:6,pause:7");
        let mut script = command.process_group(0).spawn().unwrap();
        net.until(|| exists("xenbr0"));
        killpg(Pid::from_raw(i32::try_from(script.id()).unwrap()), Signal::SIGKILL).unwrap();
        assert_eq!(script.wait().unwrap().code(), None);
        net.until(|| net.stage.log().contains("is a port of the bridge"));
        assert_eq!(addresses("xenbr0"), own);
        net.must(&["network-bridge", "stop", "bridge=xenbr0"]);
        net.is_like(&before, "after stop");
    });
}

#[test]
fn a_kill_while_a_failure_is_taken_back_is_healed_too() {
    on_network(&[], |net| {
        let before = net.picture();
        let start = words("start", SHAPES[0]);
        for failing in [4, 7, 10] {
            for later in 1..10 {
                let fault = format!("fail:{failing},kill:{}", failing + later);
                let ended = net.script_with(&fault, &start);
                assert_ne!(ended.code, Some(0), "{fault}");
                net.must(&words("stop", SHAPES[0]));
                net.is_like(&before, &fault);
            }
        }
    });
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_changed() {
    on_network(&[], |net| {
        ip("link add br0 type bridge");
        ip("link add bond type veth peer name bondpeer");
        ip("link set bond master br0");
        ip("link add peth1 type bridge");
        ip("link add fifteen-letters type bridge");
        ip("link add other type veth peer name otherpeer");
        let before = net.picture();
        for (words, text) in [
            (&["netdev=eth9"][..], "cannot find the interface eth9"),
            (&["netdev=a-name-of-sixteen"], "cannot use netdev=a-name-of-sixteen"),
            (&["netdev=fourteenletter", "bridge=a-name-of-sixteen"], "cannot use bridge=a-name-of-sixteen"),
            (&["netdev=fifteen-letters", "bridge=xenbr0"], "with the p that is put in front"),
            (&["netdev=br0", "bridge=xenbr0"], "it is a bridge itself"),
            (&["netdev=bond", "bridge=xenbr0"], "it is part of br0 already"),
            (&["netdev=lo", "bridge=xenbr0"], "its frames are not Ethernet's"),
            (&["netdev=eth0", "bridge=other"], "cannot use the name other for bridge"),
            (&["netdev=eth1", "bridge=xenbr1"], "cannot use the name peth1"),
            (&["netdev=eth0", "antispoof=perhaps"], "cannot use antispoof=perhaps"),
            (&["netdev=eth0", "vifnum=-"], "cannot use vifnum=-"),
        ] {
            let ended = net.script(&[&["network-bridge", "start"], words].concat());
            assert_eq!(ended.code, Some(1), "{words:?}");
            assert!(ended.stderr.contains(text), "{words:?}: {}", ended.stderr);
            net.is_like(&before, text);
        }
        let ended = net.script(&["network-bridge", "restart"]);
        let text = "Unknown command: restart\nValid commands are: start, stop, status\n";
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), text));
    });
}

#[test]
fn a_bridge_that_is_there_already_is_respected() {
    on_network(&[], |net| {
        // As a distribution makes it: eth0 is a port, the bridge has the addresses and the default route.
        ip("link add br0 type bridge forward_delay 0");
        ip("address flush dev eth0");
        ip("link set eth0 master br0");
        ip("link set br0 up");
        ip("address add 192.0.2.1/24 dev br0");
        ip("route add default via 192.0.2.254");
        net.until(|| link("br0", "state").as_deref() == Some("UP"));
        let before = net.picture();
        for words in
            [&["start"][..], &["start", "bridge=br0"], &["start", "netdev=eth0"], &["start", "bridge=null"]]
        {
            net.must(&[&["network-bridge"], words].concat());
            net.is_like(&before, &format!("{words:?}"));
        }
        for words in [&["stop"][..], &["stop", "bridge=br0"], &["stop", "netdev=eth0", "bridge=br0"]] {
            net.must(&[&["network-bridge"], words].concat());
            net.is_like(&before, &format!("{words:?}"));
        }
    });
}

#[test]
fn an_interface_that_is_down_is_switched_on_and_is_down_again_later() {
    on_network(&[], |net| {
        let before = net.picture();
        let words = ["netdev=eth1", "bridge=xenbr1"];
        net.must(&[&["network-bridge", "start"][..], &words].concat());
        assert!(ip("link show xenbr1").contains(",UP") && ip("link show peth1").contains(",UP"));
        net.must(&[&["network-bridge", "stop"][..], &words].concat());
        net.is_like(&before, "after stop");
    });
}

#[test]
fn addresses_that_came_later_go_along_and_other_ports_do_not_hinder() {
    on_network(&["ping"], |net| {
        net.must(&["network-bridge", "start"]);
        ip("link add vif7.0 type veth peer name seven");
        ip("link set vif7.0 master eth0");
        ip("address add 192.0.2.7/24 dev eth0");
        ip("route add 203.0.114.0/24 via 192.0.2.253");
        net.must(&["network-bridge", "stop"]);
        assert!(addresses("eth0").iter().any(|line| line.contains("192.0.2.7/24")));
        assert!(routes().iter().any(|line| line.starts_with("203.0.114.0/24")));
        assert_eq!(link("vif7.0", "master"), None);
        assert!(net.outside.reaches("192.0.2.7"));
    });
}

#[test]
fn starts_at_the_same_time_make_one_bridge() {
    on_network(&[], |net| {
        let before = net.picture();
        let start = ["network-bridge", "start", "netdev=eth0", "bridge=xenbr0"];
        let run = || net.stage.command(&start, None).env("XEN_HOTPLUG_FAULT", "pause:3").spawn().unwrap();
        let mut children = [run(), run(), run()];
        for child in &mut children {
            assert_eq!(child.wait().unwrap().code(), Some(0), "{}", net.stage.log());
        }
        assert_eq!(link("peth0", "master").as_deref(), Some("xenbr0"));
        net.must(&["network-bridge", "stop", "bridge=xenbr0"]);
        net.is_like(&before, "after stop");
    });
}

#[test]
fn a_bridge_of_the_old_scripts_can_be_stopped() {
    on_network(&["ping"], |net| {
        net.must(&["network-bridge", "start"]);
        // They kept no record.
        std::fs::remove_dir_all(net.stage.path("var/run/xend/network")).unwrap();
        net.must(&["network-bridge", "stop"]);
        assert!(!exists("peth0"));
        assert!(net.outside.reaches("192.0.2.1") && net.outside.reaches("2001:db8::1"));
    });
}

#[test]
fn what_lies_upon_an_interface_keeps_its_addresses_and_routes() {
    on_network(&[], |net| {
        if stage::net::try_ip("link add link eth0 name eth0.7 type vlan id 7").is_err() {
            eprintln!("skipped: this kernel has no VLANs");
            return;
        }
        for words in [
            "link set eth0.7 up",
            "address add 2001:db8:7::1/64 dev eth0.7",
            "address add 192.0.7.1/24 dev eth0.7",
            "route add 203.0.7.0/24 via 192.0.7.2",
        ] {
            ip(words);
        }
        let (before, own) = (net.picture(), addresses("eth0.7"));
        net.must(&["network-bridge", "start"]);
        assert_eq!(addresses("eth0.7"), own);
        net.must(&["network-bridge", "stop"]);
        net.is_like(&before, "after stop");
        net.must(&["network-bridge", "start", "netdev=eth0.7", "bridge=xenbr7"]);
        assert_eq!(link("peth0.7", "master").as_deref(), Some("xenbr7"));
        net.must(&["network-bridge", "stop", "netdev=eth0.7", "bridge=xenbr7"]);
        net.is_like(&before, "after stop");
    });
}

#[test]
fn a_host_in_a_folder_never_moves_the_machines_own_interfaces() {
    let stage = stage::Stage::new();
    for script in ["network-bridge", "network-route", "network-nat"] {
        // An interface that no machine has, should this test ever fail.
        let mut command = stage.command(&[script, "start", "netdev=no-such-netdev"], None);
        let ended = stage::Ended::of(command.output().unwrap());
        assert!(ended.stderr.contains("cannot change the network of the machine"), "{ended:?}");
    }
}

#[test]
fn a_guard_needs_nft_and_goes_with_the_bridge() {
    on_network(&[], |net| {
        let before = net.picture();
        let start = ["network-bridge", "start", "antispoof=yes"];
        if is_installed("nft") {
            net.must(&start);
            net.must(&["network-bridge", "stop"]);
            net.is_like(&before, "after stop");
        } else {
            let ended = net.script(&start);
            assert_eq!(ended.code, Some(1));
            assert!(ended.stderr.contains("install the package nftables"), "{ended:?}");
            net.is_like(&before, "without nft");
        }
    });
}
