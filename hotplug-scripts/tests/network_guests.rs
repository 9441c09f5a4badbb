//! The vif scripts with the network scripts they go with: a guest's namespace and the world outside talk through
//! the host's, over a bridge, by routes and masqueraded.

#![allow(clippy::unwrap_used, reason = "tests")]

mod stage;

use nix::sys::socket::sockopt::BindToDevice;
use stage::net::{Namespace, Net, addresses, exists, ip, link, on_network, read_sysctl, routes, sysctl};
use stage::{Device, Ended, connected, failed};
use std::net::UdpSocket;
use std::time::Duration;

const MAC: &str = "00:16:3e:01:02:03";

/// A guest with its interface `vifN.0`, as the backend driver makes it.
struct Guest {
    device: Device,
    namespace: Namespace,
}

impl Guest {
    fn new(net: &Net, domid: u16, nodes: &[(&str, &str)]) -> Self {
        let device = Device::vif(domid);
        let namespace = Namespace::new();
        ip(&format!("link add vif{domid}.0 type veth peer name guest"));
        namespace.take("guest");
        namespace.ip(&format!("link set guest address {MAC} name eth0"));
        namespace.sh("echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad");
        namespace.ip("link set eth0 up");
        net.stage.backend(&device, &[&[("mac", MAC)], nodes].concat());
        Guest { device, namespace }
    }

    fn script(&self, net: &Net, words: &[&str]) -> Ended {
        let vif = format!("vif{}.0", self.device.domid);
        let mut command = net.stage.command(words, Some(&self.device));
        Ended::of(command.env("vif", vif).output().unwrap())
    }

    /// Asks for an address as a guest that boots does: the server's offer.
    fn discover(&self) -> Vec<u8> {
        let namespace = std::fs::File::open(self.namespace.file()).unwrap();
        let asked = std::thread::spawn(move || {
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let socket = UdpSocket::bind("0.0.0.0:68").unwrap();
            socket.set_broadcast(true).unwrap();
            nix::sys::socket::setsockopt(&socket, BindToDevice, &"eth0".into()).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            let mut question = vec![0; 236];
            question[..8].copy_from_slice(&[1, 1, 6, 0, 1, 2, 3, 4]);
            question[10] = 0x80; // answer to everybody: we have no address
            question[28..34].copy_from_slice(&[0x00, 0x16, 0x3e, 0x01, 0x02, 0x03]);
            question.extend([99, 130, 83, 99, 53, 1, 1, 55, 4, 1, 3, 6, 12, 255]);
            question.resize(300, 0);
            for _ in 0..20 {
                socket.send_to(&question, "255.255.255.255:67").unwrap();
                let mut answer = vec![0; 1500];
                if let Ok(length) = socket.recv(&mut answer) {
                    answer.truncate(length);
                    return answer;
                }
            }
            panic!("nobody offered an address");
        });
        asked.join().unwrap()
    }

    fn must(&self, net: &Net, words: &[&str]) {
        let ended = self.script(net, words);
        assert_eq!(ended.code, Some(0), "{words:?} {}", net.stage.log());
        if words.contains(&"online") {
            assert_eq!(net.stage.answer(&self.device), connected());
        }
    }
}

#[test]
fn a_guest_on_a_bridge_and_the_world_outside_reach_each_other() {
    on_network(&["ping"], |net| {
        let before = net.picture();
        net.must(&["network-bridge", "start", "netdev=eth0", "bridge=xenbr0"]);
        let guest = Guest::new(net, 5, &[("bridge", "xenbr0"), ("ip", "192.0.2.5")]);
        guest.must(net, &["vif-bridge", "online"]);
        guest.namespace.ip("address add 192.0.2.5/24 dev eth0");
        guest.namespace.ip("address add 2001:db8::5/64 dev eth0");
        assert!(net.outside.reaches("192.0.2.5") && net.outside.reaches("2001:db8::5"));
        assert!(guest.namespace.reaches("192.0.2.1"), "dom0");
        assert_eq!(link("vif5.0", "mtu").as_deref(), Some("9000"));
        guest.must(net, &["vif-bridge", "offline"]);
        assert!(net.outside.misses("192.0.2.5"));
        ip("link del vif5.0");
        net.must(&["network-bridge", "stop", "netdev=eth0", "bridge=xenbr0"]);
        net.is_like(&before, "after stop");
    });
}

#[test]
fn a_guest_behind_routes_and_the_world_outside_reach_each_other() {
    on_network(&["ping"], |net| {
        let before = net.picture();
        for _ in 0..2 {
            net.must(&["network-route", "start"]);
        }
        assert_eq!(read_sysctl("ipv4/ip_forward"), "1");
        let guest = Guest::new(net, 5, &[("ip", "192.0.2.5 198.51.100.64/28")]);
        for _ in 0..2 {
            guest.must(net, &["vif-route", "online"]);
            assert!(addresses("vif5.0").iter().any(|line| line.contains("192.0.2.1/32")));
            for route in ["192.0.2.5 dev vif5.0 scope link src 192.0.2.1", "198.51.100.64/28 dev vif5.0"] {
                assert!(routes().iter().any(|line| line.starts_with(route)), "{route}: {:?}", routes());
            }
        }
        assert_eq!(read_sysctl("ipv4/conf/vif5.0/proxy_arp"), "1");
        guest.namespace.ip("address add 192.0.2.5/24 dev eth0");
        guest.namespace.ip("route add default via 192.0.2.1");
        assert!(net.outside.reaches("192.0.2.5"), "by proxy ARP on both sides");
        assert!(guest.namespace.reaches("192.0.2.254"));
        guest.must(net, &["vif-route", "offline"]);
        assert!(!routes().iter().any(|line| line.contains("vif5.0")), "{:?}", routes());
        assert!(addresses("vif5.0").is_empty());
        ip("link del vif5.0");
        guest.must(net, &["vif-route", "offline"]);
        net.must(&["network-route", "stop"]);
        net.is_like(&before, "after stop");
    });
}

#[test]
fn forwarding_stays_as_long_as_a_script_needs_it() {
    on_network(&["nft"], |net| {
        let before = net.picture();
        net.must(&["network-route"]);
        net.must(&["network-nat", "start", "netdev=eth1"]);
        net.must(&["network-route", "stop"]);
        assert_eq!(read_sysctl("ipv4/ip_forward"), "1");
        net.must(&["network-nat", "stop", "netdev=eth1"]);
        net.is_like(&before, "after stop");
    });
    on_network(&[], |net| {
        sysctl("ipv4/ip_forward", "1");
        let before = net.picture();
        net.must(&["network-route", "start"]);
        net.must(&["network-route", "stop"]);
        net.is_like(&before, "a host that forwarded before goes on");
    });
}

#[test]
fn a_guest_behind_nat_reaches_the_world_outside_with_dom0s_address() {
    on_network(&["ping", "nft"], |net| {
        let before = net.picture();
        for _ in 0..2 {
            net.must(&["network-nat", "start"]);
        }
        let rules = std::process::Command::new("nft").args(["list", "ruleset"]).output().unwrap();
        let rules = String::from_utf8_lossy(&rules.stdout).into_owned();
        assert_eq!(rules.matches("masquerade").count(), 1, "{rules}");
        let guest = Guest::new(net, 5, &[]);
        for _ in 0..2 {
            guest.must(net, &["vif-nat", "online"]);
            assert!(addresses("vif5.0").iter().any(|line| line.contains("10.0.5.128/32")));
            let route = "10.0.5.1 dev vif5.0 scope link src 10.0.5.128";
            assert!(routes().iter().any(|line| line.starts_with(route)), "{:?}", routes());
        }
        guest.namespace.ip("address add 10.0.5.1/16 dev eth0");
        guest.namespace.ip("route add default via 10.0.5.128");
        assert!(guest.namespace.reaches("192.0.2.254"), "the outside knows no way to 10.0.5.1");
        guest.must(net, &["vif-nat", "offline"]);
        assert!(!routes().iter().any(|line| line.contains("vif5.0")));
        ip("link del vif5.0");
        for _ in 0..2 {
            net.must(&["network-nat", "stop"]);
            net.is_like(&before, "after stop");
        }
    });
}

#[test]
fn a_bridged_guest_cannot_send_from_addresses_that_are_not_its_own() {
    on_network(&["ping", "nft"], |net| {
        let before = net.picture();
        net.must(&["network-bridge", "start", "netdev=eth0", "bridge=xenbr0", "antispoof=yes"]);
        let nodes = [("bridge", "xenbr0"), ("ip", "192.0.2.5, 192.0.2.16/28")];
        let guest = Guest::new(net, 5, &nodes);
        let take = |address: &str| {
            guest.namespace.ip("address flush dev eth0");
            guest.namespace.ip(&format!("address add {address}/24 dev eth0"));
        };
        let reaches = |address: &str| {
            take(address);
            guest.namespace.reaches("192.0.2.254")
        };
        let misses = |address: &str| {
            take(address);
            guest.namespace.misses("192.0.2.254")
        };
        guest.must(net, &["vif-bridge", "online"]);
        guest.must(net, &["vif-bridge", "online"]);
        assert!(reaches("192.0.2.5") && reaches("192.0.2.17"));
        assert!(misses("192.0.2.6"), "an address of somebody else");
        guest.namespace.ip("address add 2001:db8::5/64 dev eth0");
        assert!(guest.namespace.misses("2001:db8::fe"), "an IPv6 address that is not listed");
        assert!(reaches("192.0.2.5"));
        guest.namespace.ip("link set eth0 address 00:16:3e:0f:0f:0f");
        assert!(misses("192.0.2.5"), "another hardware address");
        guest.namespace.ip(&format!("link set eth0 address {MAC}"));
        assert!(reaches("192.0.2.5"));
        // A guest without a list is kept to its hardware address only.
        let other = Guest::new(net, 6, &[("bridge", "xenbr0"), ("mac", "00:16:3e:01:02:04")]);
        other.must(net, &["vif-bridge", "online"]);
        other.namespace.ip("address add 192.0.2.6/24 dev eth0");
        assert!(other.namespace.misses("192.0.2.254"));
        other.namespace.ip("link set eth0 address 00:16:3e:01:02:04");
        assert!(other.namespace.reaches("192.0.2.254"));
        for guest in [&guest, &other] {
            guest.must(net, &["vif-bridge", "offline"]);
            ip(&format!("link del vif{}.0", guest.device.domid));
        }
        net.must(&["network-bridge", "stop", "netdev=eth0", "bridge=xenbr0"]);
        net.is_like(&before, "after stop");
    });
}

#[test]
fn a_routed_guest_cannot_send_from_addresses_that_are_not_its_own() {
    on_network(&["ping", "nft"], |net| {
        let before = net.picture();
        net.must(&["network-route", "start", "antispoof=yes"]);
        let guest = Guest::new(net, 5, &[("ip", "192.0.2.5")]);
        guest.must(net, &["vif-route", "online"]);
        ip("route add 192.0.2.6 dev vif5.0");
        guest.namespace.ip("address add 192.0.2.5/24 dev eth0");
        guest.namespace.ip("address add 192.0.2.6/24 dev eth0");
        assert!(net.outside.reaches("192.0.2.5"));
        assert!(net.outside.misses("192.0.2.6"), "an answer from an address that is not listed");
        guest.namespace.ip("link set eth0 address 00:16:3e:0f:0f:0f");
        guest.namespace.ip("link set eth0 up");
        assert!(net.outside.misses("192.0.2.5"), "another hardware address");
        guest.must(net, &["vif-route", "offline"]);
        ip("link del vif5.0");
        net.must(&["network-route", "stop"]);
        net.is_like(&before, "after stop");
    });
}

#[test]
fn guards_of_many_interfaces_at_the_same_time_do_not_meet() {
    on_network(&["nft"], |net| {
        ip("link add br0 address 00:16:3e:00:00:01 type bridge");
        let before = net.picture();
        let devices: Vec<Device> = (1..=20).map(Device::vif).collect();
        for device in &devices {
            ip(&format!("link add vif{0}.0 type veth peer name guest{0}", device.domid));
            net.stage.backend(device, &[("bridge", "br0"), ("mac", MAC), ("ip", "192.0.2.5")]);
        }
        let start = |device: &Device, word: &str| {
            let mut command = net.stage.command(&["vif-bridge", word, "antispoof=yes"], Some(device));
            command.env("vif", format!("vif{}.0", device.domid)).spawn().unwrap()
        };
        let rules = || {
            let output = std::process::Command::new("nft").args(["list", "ruleset"]).output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        // The first half comes, then goes while the second comes.
        let (first, second) = devices.split_at(10);
        let mut children: Vec<_> = first.iter().map(|device| start(device, "online")).collect();
        children.iter_mut().for_each(|child| assert!(child.wait().unwrap().success(), "{}", net.stage.log()));
        children = first.iter().map(|device| start(device, "offline")).collect();
        children.extend(second.iter().map(|device| start(device, "online")));
        children.iter_mut().for_each(|child| assert!(child.wait().unwrap().success(), "{}", net.stage.log()));
        assert_eq!(rules().matches("ether saddr !=").count(), 10, "{}", rules());
        children = second.iter().map(|device| start(device, "offline")).collect();
        children.iter_mut().for_each(|child| assert!(child.wait().unwrap().success(), "{}", net.stage.log()));
        for device in &devices {
            ip(&format!("link del vif{}.0", device.domid));
        }
        net.is_like(&before, "after all are gone");
    });
}

#[test]
fn a_guard_of_one_interface_needs_no_network_script() {
    on_network(&["nft"], |net| {
        ip("link add br0 address 00:16:3e:00:00:01 type bridge");
        let before = net.picture();
        let guest = Guest::new(net, 5, &[("bridge", "br0")]);
        guest.must(net, &["vif-bridge", "online", "antispoof=yes"]);
        let tables = std::process::Command::new("nft").args(["list", "tables"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&tables.stdout).trim(), "table bridge xend");
        guest.must(net, &["vif-bridge", "offline"]);
        ip("link del vif5.0");
        net.is_like(&before, "after offline");
    });
}

#[test]
fn malformed_values_are_refused_before_anything_is_changed() {
    on_network(&[], |net| {
        ip("link add br0 type bridge");
        let device = Device::vif(5);
        ip("link add vif5.0 type veth peer name guest");
        let before = net.picture();
        for (script, node, value, text) in [
            ("vif-bridge", "mac", "00:16:3e:01:02", "six pairs"),
            ("vif-bridge", "mac", "01:00:5e:01:02:03", "a group"),
            ("vif-bridge", "ip", "192.0.2.7 -evil", "cannot use ip=-evil"),
            ("vif-bridge", "rate", "10Mb/s", "cannot use rate=10Mb/s"),
            ("vif-bridge", "vifname", "a-name-of-sixteen", "1 to 15 characters"),
            ("vif-bridge", "bridge", "xenbr7", "Could not find bridge device xenbr7"),
            ("vif-bridge", "bridge", "br0.7", "does not tell VLANs apart"),
            ("vif-route", "ip", "192.0.2.333", "cannot use ip=192.0.2.333"),
            ("vif-nat", "mac", "x", "six pairs"),
            ("vif-openvswitch", "bridge", "ovs.7", "ovs-vsctl is not there"),
        ] {
            net.stage.remove(&device.path());
            net.stage.backend(&device, &[("bridge", "br0"), (node, value)]);
            let mut command = net.stage.command(&[script, "online"], Some(&device));
            command.env("vif", "vif5.0").env("PATH", "/nowhere");
            assert_eq!(command.status().unwrap().code(), Some(1), "{script} {node}={value}");
            let (status, error) = net.stage.answer(&device);
            assert_eq!(status.as_deref(), Some("error"));
            assert!(error.as_deref().unwrap_or_default().contains(text), "{error:?}");
            net.is_like(&before, text);
        }
        net.stage.backend(&device, &[]);
        let mut command = net.stage.command(&["vif-route", "online", "netdev=eth9"], Some(&device));
        net.stage.remove(&device.path());
        net.stage.backend(&device, &[]);
        assert_eq!(command.env("vif", "vif5.0").status().unwrap().code(), Some(1));
        let text = "eth9 is not up.  Bring it up or specify another interface with netdev=<if> \
                    as a parameter to vif-route";
        assert_eq!(net.stage.answer(&device), failed("error", text));
    });
}

#[test]
fn a_vif_script_that_fails_at_any_step_leaves_nothing_connected() {
    on_network(&["nft"], |net| {
        ip("link add br0 type bridge");
        let guest = Guest::new(net, 5, &[("bridge", "br0"), ("ip", "192.0.2.5"), ("vifname", "mail0")]);
        for script in ["vif-bridge", "vif-route", "vif-nat"] {
            for kind in ["fail", "kill"] {
                for number in 1.. {
                    let mut command =
                        net.stage.command(&[script, "online", "antispoof=yes"], Some(&guest.device));
                    command.env("vif", "vif5.0").env("XEN_HOTPLUG_FAULT", format!("{kind}:{number}"));
                    if command.status().unwrap().success() {
                        assert!(number > 3, "the run had no steps");
                        break;
                    }
                    if kind == "kill" {
                        guest.must(net, &[script, "offline"]);
                    }
                    let name = if exists("mail0") { "mail0" } else { "vif5.0" };
                    assert_eq!(link(name, "master"), None, "{script} {kind} {number}");
                    assert!(!routes().iter().any(|line| line.contains(name)), "{script} {kind} {number}");
                    let tables = std::process::Command::new("nft").args(["list", "tables"]).output().unwrap();
                    assert!(tables.stdout.is_empty(), "{script} {kind} {number}");
                }
                guest.must(net, &[script, "offline"]);
            }
        }
    });
}

#[test]
fn routes_and_nat_that_fail_or_are_killed_at_any_step_are_healed_by_stop() {
    on_network(&["nft"], |net| {
        let before = net.picture();
        for words in [&["network-route", "antispoof=yes", "ipv6=yes"][..], &["network-nat", "antispoof=yes"]]
        {
            let call = |word: &'static str| [&words[..1], &[word], &words[1..]].concat();
            for kind in ["fail", "kill"] {
                for number in 1.. {
                    if net.script_with(&format!("{kind}:{number}"), &call("start")).code == Some(0) {
                        assert!(number > 3, "the run had no steps");
                        break;
                    }
                    if kind == "kill" {
                        net.must(&call("stop"));
                    }
                    net.is_like(&before, &format!("{words:?} {kind} {number}"));
                }
                for number in 1.. {
                    if net.script_with(&format!("{kind}:{number}"), &call("stop")).code == Some(0) {
                        break;
                    }
                    net.must(&call("stop"));
                    net.is_like(&before, &format!("{words:?} stop {kind} {number}"));
                    net.must(&call("start"));
                }
                net.is_like(&before, "after stop");
            }
        }
        for (words, text) in [
            (&["network-route", "start", "netdev=eth9"][..], "cannot find the interface eth9"),
            (&["network-nat", "start", "netdev=a-name-of-sixteen"], "cannot use netdev="),
            (&["network-nat", "start", "dhcp=perhaps"], "cannot use dhcp=perhaps"),
        ] {
            let ended = net.script(words);
            assert!(ended.code == Some(1) && ended.stderr.contains(text), "{ended:?}");
            net.is_like(&before, text);
        }
    });
}

#[test]
fn a_guest_behind_nat_gets_its_address_by_dhcp() {
    on_network(&["nft", "dnsmasq"], |net| {
        let before = net.picture();
        net.stage.file("etc/resolv.conf", "nameserver 192.0.2.53\n");
        for _ in 0..2 {
            net.must(&["network-nat", "start", "dhcp=yes"]);
        }
        let guest = Guest::new(net, 5, &[]);
        net.stage.write("/local/domain/5/name", "mail_1");
        guest.must(net, &["vif-nat", "online"]);
        let offer = guest.discover();
        let text = |bytes: &[u8]| offer.windows(bytes.len()).any(|window| window == bytes);
        assert_eq!(offer[16..20], [10, 0, 5, 1], "the address");
        assert!(text(&[3, 4, 10, 0, 5, 128]), "the router");
        assert!(text(&[6, 4, 192, 0, 2, 53]), "the name server");
        assert!(text(b"mail-1"), "the host's name");
        guest.must(net, &["vif-nat", "offline"]);
        ip("link del vif5.0");
        let pid = std::fs::read_to_string(net.stage.path("var/run/xend-dhcp/dnsmasq.pid")).unwrap();
        let process = std::path::PathBuf::from(format!("/proc/{}", pid.trim()));
        assert!(process.exists(), "dnsmasq serves");
        net.must(&["network-nat", "stop"]);
        net.is_like(&before, "after stop");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while process.exists() {
            assert!(std::time::Instant::now() < deadline, "dnsmasq goes when it is told to");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    });
    on_network(&["nft"], |net| {
        let mut command = net.stage.command(&["network-nat", "start", "dhcp=yes"], None);
        net.stage.script("bin/nft", "#!/bin/sh\nexit 0\n");
        net.stage.script("bin/dnsmasq", "#!/bin/sh\nexit 1\n");
        let before = net.picture();
        let output = command.env("PATH", net.stage.path("bin")).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("install dnsmasq"), "{text}");
        net.is_like(&before, "without dnsmasq");
    });
}

#[test]
fn two_hundred_interfaces_come_and_go() {
    on_network(&[], |net| {
        ip("link add xenbr0 address 00:16:3e:00:00:01 type bridge");
        let before = net.picture();
        let batch = net.stage.path("batch");
        let lines =
            |text: &str| (1..=200).map(|domid| text.replace('N', &domid.to_string())).collect::<String>();
        std::fs::write(&batch, lines("link add vifN.0 type veth peer name guestN\n")).unwrap();
        ip(&format!("-batch {}", batch.display()));
        let devices: Vec<Device> = (1..=200).map(Device::vif).collect();
        for device in &devices {
            net.stage.backend(device, &[("bridge", "xenbr0"), ("mac", MAC), ("ip", "192.0.2.5")]);
        }
        let start = std::time::Instant::now();
        for word in ["online", "offline"] {
            for device in &devices {
                let mut command = net.stage.command(&["vif-bridge", word], Some(device));
                command.env("vif", format!("vif{}.0", device.domid));
                assert_eq!(command.status().unwrap().code(), Some(0), "{}", net.stage.log());
            }
            let ports = ip("-o link show master xenbr0").lines().count();
            assert_eq!(ports, if word == "online" { 200 } else { 0 });
        }
        eprintln!("200 interfaces added and removed in {:?}", start.elapsed());
        std::fs::write(&batch, lines("link del vifN.0\n")).unwrap();
        ip(&format!("-batch {}", batch.display()));
        net.is_like(&before, "after all are gone");
    });
}

#[test]
fn vif_setup_becomes_the_script_that_the_device_names() {
    on_network(&[], |net| {
        let seen = net.stage.path("seen");
        let text = format!("#!/bin/sh\necho \"$(basename $0) $*\" >>{}\n", seen.display());
        net.stage.script("etc/xend/scripts/vif-own", &text);
        net.stage.script("usr/lib/xend/scripts/vif-bridge", &text);
        let setup = |script: &str| {
            let mut command = net.stage.command(&["vif-setup", "online", "type_if=vif"], None);
            command.env("script", script).status().unwrap().code()
        };
        assert_eq!(setup("vif-own netdev=eth1"), Some(0), "{}", net.stage.log());
        assert_eq!(setup(""), Some(0));
        assert_eq!(setup(&format!("{}/etc/xend/scripts/vif-own", net.stage.path("").display())), Some(0));
        assert_eq!(setup("../../bin/none"), Some(1));
        let seen = std::fs::read_to_string(seen).unwrap();
        let expected = "vif-own netdev=eth1 online type_if=vif\n\
                        vif-bridge online type_if=vif\n\
                        vif-own online type_if=vif\n";
        assert_eq!(seen, expected);
    });
}

#[test]
fn cleanup_removes_a_devices_nodes_and_no_empty_directory_stays() {
    let stage = stage::Stage::new();
    let device = Device::vif(5);
    stage.backend(&device, &[]);
    stage.write("/local/domain/5/device/vif/0/state", "6");
    let vm = stage.read("/local/domain/5/vm").unwrap();
    stage.write(&format!("{vm}/device/vif/0/backend-id"), "0");
    stage.write(&format!("{vm}/name"), "mail");
    for _ in 0..2 {
        assert_eq!(stage.run(&["xen-hotplug-cleanup"], &device).code, Some(0), "{}", stage.log());
    }
    for gone in ["/local/domain/5/device", "/local/domain/0/backend", &format!("{vm}/device")] {
        assert_eq!(stage.read(gone), None, "{gone}");
    }
    assert_eq!(stage.read(&format!("{vm}/name")).as_deref(), Some("mail"));
}

#[test]
fn open_vswitch_is_told_bridge_vlan_and_guest() {
    on_network(&[], |net| {
        let seen = net.stage.path("seen");
        net.stage.script("bin/ovs-vsctl", &format!("#!/bin/sh\necho \"$*\" >>{}\n", seen.display()));
        let guest = Guest::new(net, 5, &[("bridge", "ovs0.7:8:9")]);
        net.stage.write("/local/domain/5/name", "mail");
        let path = format!("{}:/usr/bin:/bin", net.stage.path("bin").display());
        for word in ["online", "offline"] {
            let mut command = net.stage.command(&["vif-openvswitch", word], Some(&guest.device));
            command.env("vif", "vif5.0").env("PATH", &path);
            assert_eq!(command.status().unwrap().code(), Some(0), "{}", net.stage.log());
        }
        let seen = std::fs::read_to_string(seen).unwrap();
        let lines: Vec<&str> = seen.lines().filter(|line| *line != "--version").collect();
        let uuid = format!("{:036}", 5);
        let set =
            |key: &str, value: &str| format!(" -- set interface vif5.0 external-ids:\"{key}\"=\"{value}\"");
        let expected = format!(
            "--timeout=30 -- --if-exists del-port vif5.0 -- add-port ovs0 vif5.0 tag=7 trunk=8,9{}{}{}",
            set("xen-vm-name", "mail"),
            set("xen-vm-uuid", &uuid),
            set("attached-mac", MAC)
        );
        assert_eq!(lines, [expected.as_str(), "--timeout=30 -- --if-exists del-port vif5.0"]);
        assert_eq!(net.stage.answer(&guest.device), connected());
    });
}

#[test]
fn an_interface_gets_the_vlan_behind_the_bridges_name() {
    on_network(&["ping"], |net| {
        if stage::net::try_ip("link add xenbr0 type bridge vlan_filtering 1").is_err() {
            eprintln!("skipped: this kernel's bridges do not tell VLANs apart");
            return;
        }
        ip("link set xenbr0 up");
        let guest = |domid, bridge: &str| {
            let guest = Guest::new(net, domid, &[("bridge", bridge)]);
            guest.must(net, &["vif-bridge", "online"]);
            guest.namespace.ip(&format!("link set eth0 address 00:16:3e:00:00:0{domid}"));
            guest.namespace.ip(&format!("address add 10.9.9.{domid}/24 dev eth0"));
            guest
        };
        let (one, _two, _three) = (guest(1, "xenbr0.7"), guest(2, "xenbr0.7"), guest(3, "xenbr0.8"));
        assert!(one.namespace.reaches("10.9.9.2"));
        assert!(one.namespace.misses("10.9.9.3"));
    });
}
