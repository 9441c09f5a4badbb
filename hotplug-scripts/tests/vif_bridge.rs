//! `vif-bridge`, run as a program in a network namespace of each test's own, judged by kernel and store.

#![allow(clippy::unwrap_used, reason = "tests")]

mod stage;

use stage::{Device, Ended, Stage, connected, failed};
use std::process::Command;
use xenstore::paths;

/// Runs `body` in a fresh namespace that has the pair `vif5.0`, `guest` and the bridge `xenbr0`.
fn on_host(body: impl FnOnce(&Stage) + Send + 'static) {
    let thread = std::thread::spawn(|| {
        if let Err(error) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
            eprintln!("skipped: no network namespace of our own: {error}");
            return;
        }
        let make = ["link add vif5.0 type veth peer name guest", "link add xenbr0 type bridge"];
        if let Some(error) = make.into_iter().find_map(|words| try_ip(words).err()) {
            eprintln!("skipped: no interfaces of our own: {error}");
            return;
        }
        body(&Stage::new());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn ip(words: &str) -> String {
    try_ip(words).unwrap()
}

/// Runs iproute2 with these words: its output, or what it complained of.
fn try_ip(words: &str) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match Command::new("ip").args(words.split(' ')).output() {
        Ok(output) if output.status.success() => Ok(text(&output.stdout)),
        Ok(output) => Err(format!("ip {words}: {}", text(&output.stderr))),
        Err(error) => Err(format!("ip: {error}")),
    }
}

fn exists(name: &str) -> bool {
    Command::new("ip").args(["link", "show", name]).output().unwrap().status.success()
}

/// What `ip link` says of an interface: bridge, size, address, switch.
fn port(name: &str) -> (Option<String>, u32, String, bool) {
    let text = ip(&format!("-oneline link show {name}"));
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |word| words.iter().position(|one| *one == word).map(|at| words[at + 1].to_owned());
    let up = words[2].trim_matches(['<', '>']).split(',').any(|flag| flag == "UP");
    (after("master"), after("mtu").unwrap().parse().unwrap(), after("link/ether").unwrap(), up)
}

/// Makes the backend and runs a command for `vif5.0`, with further words.
fn run(stage: &Stage, nodes: &[(&str, &str)], words: &[&str]) -> Ended {
    let device = Device::vif(5);
    stage.backend(&device, nodes);
    let mut command = stage.command(&["vif-bridge"], Some(&device));
    Ended::of(command.args(words).env("vif", "vif5.0").output().unwrap())
}

const CONNECTED: (Option<&str>, bool) = (Some("xenbr0"), true);

fn wired(name: &str) -> (Option<String>, bool) {
    let (bridge, _, _, up) = port(name);
    (bridge, up)
}

fn is_connected(name: &str) -> bool {
    let (bridge, up) = wired(name);
    (bridge.as_deref(), up) == CONNECTED
}

#[test]
fn an_interface_becomes_a_silent_port_of_its_bridge() {
    on_host(|stage| {
        ip("link set xenbr0 mtu 1400");
        ip("address add 192.0.2.1/24 dev vif5.0");
        let ended = run(stage, &[("bridge", "xenbr0")], &["online", "type_if=vif"]);
        assert_eq!(ended.code, Some(0), "{ended:?} {}", stage.log());
        let expected = (Some("xenbr0".to_owned()), 1400, "fe:ff:ff:ff:ff:ff".to_owned(), true);
        assert_eq!(port("vif5.0"), expected);
        assert!(!ip("address show dev vif5.0").contains("192.0.2.1"));
        assert_eq!(stage.answer(&Device::vif(5)), connected());
        assert!(
            stage.log().contains("Successful vif-bridge online for vif5.0, bridge xenbr0."),
            "{}",
            stage.log()
        );
        assert_eq!(run(stage, &[("bridge", "xenbr0")], &["online"]).code, Some(0));
        assert_eq!(port("vif5.0"), expected);
    });
}

#[test]
fn offline_takes_it_away_and_does_not_mind_that_it_is_gone() {
    on_host(|stage| {
        assert_eq!(run(stage, &[("bridge", "xenbr0")], &["online"]).code, Some(0));
        for _ in 0..2 {
            assert_eq!(run(stage, &[], &["offline"]).code, Some(0));
            assert_eq!(wired("vif5.0"), (None, false));
        }
        ip("link del xenbr0");
        ip("link del vif5.0");
        assert_eq!(run(stage, &[], &["offline"]).code, Some(0), "{}", stage.log());
        let device = Device::vif(5);
        stage.remove(&device.path());
        let ended = stage.command(&["vif-bridge", "offline"], Some(&device)).output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{}", stage.log());
        assert_eq!(stage.read(&device.path()), None, "offline made nodes");
    });
}

#[test]
fn a_bridge_that_does_not_exist_is_refused_by_name() {
    on_host(|stage| {
        let ended = run(stage, &[("bridge", "xenbr7")], &["online"]);
        assert_eq!(ended.code, Some(1));
        let answer = failed("error", "Could not find bridge device xenbr7");
        assert_eq!(stage.answer(&Device::vif(5)), answer);
        assert_eq!(wired("vif5.0"), (None, false));
    });
}

#[test]
fn hostile_bridge_names_are_no_bridges() {
    on_host(|stage| {
        for name in ["a-name-of-more-than-15", "../x", "a b", "x\u{e9}", "vif5.0/..", "%d", "xenbr"] {
            assert_eq!(run(stage, &[("bridge", name)], &["online"]).code, Some(1), "{name:?}");
            let answer = failed("error", &format!("Could not find bridge device {name}"));
            assert_eq!(stage.answer(&Device::vif(5)), answer);
        }
    });
}

#[test]
fn an_interface_that_is_no_bridge_is_refused() {
    on_host(|stage| {
        assert_eq!(run(stage, &[("bridge", "guest")], &["online"]).code, Some(1));
        assert_eq!(stage.answer(&Device::vif(5)), failed("error", "Device guest is not a bridge"));
    });
}

#[test]
fn without_a_name_the_first_bridge_serves_and_without_a_bridge_none() {
    on_host(|stage| {
        ip("link add zbr type bridge");
        assert_eq!(run(stage, &[], &["online"]).code, Some(0));
        assert!(is_connected("vif5.0"));
        ip("link del xenbr0");
        ip("link del zbr");
        assert_eq!(run(stage, &[], &["online"]).code, Some(1));
        let answer = failed("error", "Could not find bridge, and none was specified");
        assert_eq!(stage.answer(&Device::vif(5)), answer);
    });
}

#[test]
fn the_store_beats_an_argument_and_an_argument_the_environment() {
    on_host(|stage| {
        ip("link add abr type bridge");
        ip("link add bbr type bridge");
        let bridge = |nodes: &[(&str, &str)], words: &[&str]| {
            let device = Device::vif(5);
            stage.backend(&device, nodes);
            let mut command = stage.command(&["vif-bridge"], Some(&device));
            let status = command.args(words).env("vif", "vif5.0").env("bridge", "xenbr0").status().unwrap();
            assert_eq!(status.code(), Some(0), "{}", stage.log());
            wired("vif5.0").0.unwrap()
        };
        assert_eq!(bridge(&[], &["online"]), "xenbr0");
        assert_eq!(bridge(&[], &["online", "bridge=abr"]), "abr");
        assert_eq!(bridge(&[("bridge", "bbr")], &["bridge=abr", "online"]), "bbr");
    });
}

#[test]
fn an_old_bridge_name_leads_to_the_interface_that_is_the_bridge_now() {
    on_host(|stage| {
        ip("link add eth1 type bridge");
        assert_eq!(run(stage, &[("bridge", "xenbr1")], &["online"]).code, Some(0), "{}", stage.log());
        assert_eq!(wired("vif5.0"), (Some("eth1".to_owned()), true));
        ip("link add eth2 type veth peer name peer2");
        assert_eq!(run(stage, &[("bridge", "xenbr2")], &["online"]).code, Some(1));
        assert_eq!(stage.answer(&Device::vif(5)).1.as_deref(), Some("Could not find bridge device xenbr2"));
    });
}

#[test]
fn an_interface_gets_the_name_that_the_domain_wants() {
    on_host(|stage| {
        let nodes = [("bridge", "xenbr0"), ("vifname", "mail0")];
        for _ in 0..2 {
            assert_eq!(run(stage, &nodes, &["online"]).code, Some(0), "{}", stage.log());
            assert!(is_connected("mail0"));
            assert!(!exists("vif5.0"));
        }
        assert_eq!(run(stage, &nodes, &["offline"]).code, Some(0));
        assert_eq!(wired("mail0"), (None, false));
    });
}

#[test]
fn a_name_that_is_taken_is_refused() {
    on_host(|stage| {
        let nodes = [("bridge", "xenbr0"), ("vifname", "guest")];
        assert_eq!(run(stage, &nodes, &["online"]).code, Some(1));
        let text = "Cannot rename interface vif5.0. An interface with name guest already exists.";
        assert_eq!(stage.answer(&Device::vif(5)), failed("error", text));
        assert_eq!(wired("vif5.0"), (None, false));
    });
}

#[test]
fn an_impossible_name_is_an_error_with_its_cause() {
    on_host(|stage| {
        let nodes = [("bridge", "xenbr0"), ("vifname", "a-name-of-more-than-15")];
        assert_eq!(run(stage, &nodes, &["online"]).code, Some(1));
        let (status, text) = stage.answer(&Device::vif(5));
        let text = text.unwrap();
        assert_eq!(status.as_deref(), Some("error"));
        assert!(text.starts_with("cannot use vifname="), "{text}");
        assert!(text.contains("1 to 15 characters"), "{text}");
    });
}

#[test]
fn an_interface_that_never_comes_is_an_error() {
    on_host(|stage| {
        ip("link del vif5.0");
        assert_eq!(run(stage, &[("bridge", "xenbr0")], &["online"]).code, Some(1));
        assert_eq!(stage.answer(&Device::vif(5)), failed("error", "Interface vif5.0 does not exist."));
    });
}

#[test]
fn an_interface_that_comes_while_the_script_runs_is_connected() {
    on_host(|stage| {
        ip("link del vif5.0");
        let device = Device::vif(5);
        stage.backend(&device, &[("bridge", "xenbr0")]);
        let mut child = stage.command(&["vif-bridge", "online"], Some(&device)).spawn().unwrap();
        ip("link add vif5.0 type veth peer name guest");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{}", stage.log());
        assert!(is_connected("vif5.0"), "the kernel's own name serves without the variable");
    });
}

#[test]
fn an_emulated_interface_is_connected_by_add_and_tells_the_store_nothing() {
    on_host(|stage| {
        ip("link add vif5.0-emu type veth peer name qemu");
        let device = Device::vif(5);
        stage.backend(&device, &[("bridge", "xenbr0"), ("vifname", "mail0")]);
        let tap = |words: &[&str]| {
            let mut command = stage.command(&["vif-bridge", "type_if=tap"], None);
            command.args(words).env("INTERFACE", "vif5.0-emu").status().unwrap().code()
        };
        assert_eq!(tap(&["online"]), Some(0));
        assert!(exists("vif5.0-emu"), "online is for the other side");
        assert_eq!(tap(&["add"]), Some(0), "{}", stage.log());
        assert!(is_connected("mail0-emu"));
        assert_eq!(stage.answer(&device), (None, None));
        assert_eq!(tap(&["remove"]), Some(0));
        assert_eq!(wired("mail0-emu"), (None, false));
        assert_eq!(run(stage, &[], &["add"]).code, Some(0));
        assert_eq!(wired("vif5.0"), (None, false), "add is for the other side");
        assert_eq!(run(stage, &[], &["online", "type_if=sit"]).code, Some(1));
        assert!(stage.log().contains("unknown interface type sit"));
    });
}

#[test]
fn hooks_run_after_the_work_with_our_variables() {
    on_host(|stage| {
        let seen = stage.path("seen");
        let text = format!("echo \"$1 $command $dev $bridge $XENBUS_PATH\" >>{}\n", seen.display());
        stage.script("etc/xen/scripts/vif-post.d/10-site.hook", &text);
        stage.script("etc/xen/scripts/vif-post.d/20-bad.hook", "exit 7\n");
        stage.script("etc/xen/scripts/vif-post.d/not-a-hook.sh", &text);
        stage.file("etc/xen/scripts/vif-post.d/off.hook", &text);
        assert_eq!(run(stage, &[("bridge", "xenbr0")], &["online"]).code, Some(0), "{}", stage.log());
        let seen = std::fs::read_to_string(seen).unwrap();
        assert_eq!(seen, "online online vif5.0 xenbr0 backend/vif/5/0\n");
        assert!(stage.log().contains("20-bad.hook: exit status: 7"), "{}", stage.log());
    });
}

#[test]
fn filter_rules_are_made_where_the_tool_works_and_not_twice() {
    on_host(|stage| {
        let rules = stage.path("rules");
        let tool = r#"#!/bin/sh
            rule=$(echo "$*" | cut -c 4-)
            case $1 in
                -L) exit 0 ;;
                -C) grep -qxF -e "$rule" FILE ;;
                -I) echo "$rule" >>FILE ;;
                -D) grep -vxF -e "$rule" FILE >FILE.new; mv FILE.new FILE ;;
            esac"#;
        stage.script("bin/iptables", &tool.replace("FILE", rules.to_str().unwrap()));
        let path = format!("{}:/usr/bin:/bin", stage.path("bin").display());
        let device = Device::vif(5);
        stage.backend(&device, &[("bridge", "xenbr0"), ("ip", "192.0.2.7 2001:db8::7")]);
        let run = |word: &str| {
            let mut command = stage.command(&["vif-bridge", word], Some(&device));
            command.env("PATH", &path).env("vif", "vif5.0").status().unwrap().code()
        };
        for _ in 0..2 {
            assert_eq!(run("online"), Some(0), "{}", stage.log());
            let physdev = "FORWARD -m physdev --physdev-is-bridged";
            let expected = format!(
                "{physdev} --physdev-in vif5.0 -s 192.0.2.7 -j ACCEPT\n\
                 {physdev} --physdev-in vif5.0 -p udp --sport 68 --dport 67 -j ACCEPT\n\
                 {physdev} --physdev-out vif5.0 -j ACCEPT\n"
            );
            assert_eq!(std::fs::read_to_string(&rules).unwrap(), expected);
        }
        assert_eq!(run("offline"), Some(0));
        assert_eq!(std::fs::read_to_string(&rules).unwrap(), "");
        assert!(!stage.log().contains("left out"), "{}", stage.log());
    });
}

#[test]
fn an_answer_comes_only_while_the_backend_is_there() {
    on_host(|stage| {
        let device = Device::vif(5);
        let mut command = stage.command(&["vif-bridge", "online", "bridge=xenbr0"], Some(&device));
        assert_eq!(command.env("vif", "vif5.0").status().unwrap().code(), Some(1));
        assert_eq!(stage.read(&paths::backends(0)), None);
    });
}

#[test]
fn an_interface_that_is_to_come_is_checked_as_it_will_be_connected() {
    on_host(|stage| {
        let plan = |script: &str, nodes: &[&str]| {
            let nodes: String = nodes.iter().map(|node| format!("node {node}|")).collect();
            let (code, told) =
                stage.check(&format!("vif/3|script {script}|node mac=00:16:3e:00:00:01|{nodes}|"));
            assert_eq!(code, Some(0));
            told.split('|')
                .nth(2)
                .and_then(|field| field.strip_prefix("text "))
                .unwrap_or_default()
                .to_owned()
        };
        let before = ip("link show");
        assert_eq!(plan("vif-bridge", &[]), "");
        assert_eq!(plan("vif-bridge", &["bridge=xenbr0"]), "");
        assert_eq!(plan("vif-bridge", &["bridge=br7"]), "Could not find bridge device br7");
        assert_eq!(plan("vif-bridge|argument bridge=br8", &[]), "Could not find bridge device br8");
        assert_eq!(plan("vif-bridge", &["bridge=guest"]), "Device guest is not a bridge");
        assert!(
            plan("vif-bridge", &["bridge=xenbr0.7"])
                .starts_with("cannot use bridge=xenbr0.7: xenbr0 does not")
        );
        assert_eq!(
            plan("vif-bridge", &["vifname=guest"]),
            "Cannot rename interface vif#.3. An interface with name guest already exists."
        );
        assert_eq!(plan("vif-bridge", &["vifname=web"]), "");
        assert!(
            plan("vif-bridge", &["ip=dhcp"]).starts_with("cannot use ip=dhcp: it is an IPv4 or IPv6 address")
        );
        assert!(plan("vif-route", &[]).starts_with("eth0 is not up."));
        assert_eq!(plan("vif-nat", &["ip=192.0.2.1"]), "");
        assert!(plan("vif-openvswitch", &["bridge=ovs0"]).contains("Open vSwitch bridge ovs0: "));
        assert_eq!(plan("vif-site", &["bridge=br7"]), "", "what a site's own script does only that knows");
        assert_eq!(ip("link show"), before);
    });
}
