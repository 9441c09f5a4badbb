//! Namespaces for one test: the host's is the thread's own, others stand for guests and for the world outside.

#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use super::{Ended, Stage};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before it counts as never happening.
const LIMIT: Duration = Duration::from_secs(30);

/// A network namespace that ends with this value.
pub struct Namespace(Child);

impl Namespace {
    pub fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["-n", "sh", "-c", "echo; exec sleep 1000"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        let namespace = Namespace(child);
        namespace.sh("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad; ip link set lo up");
        namespace
    }

    /// Moves an interface from the host into it.
    pub fn take(&self, link: &str) {
        ip(&format!("link set {link} netns {}", self.0.id()));
    }

    pub fn file(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }

    pub fn ip(&self, words: &str) -> String {
        self.sh(&format!("ip {words}"))
    }

    /// Runs a line of shell inside.
    pub fn sh(&self, line: &str) -> String {
        let output = self.command(&["sh", "-c", line]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.file())).args(words);
        command
    }

    /// Whether an address answers; the kernel takes its time to answer ARP in another's place.
    pub fn reaches(&self, address: &str) -> bool {
        (0..8).any(|_| self.ping(&["-c", "1", "-W", "1", address]))
    }

    /// Whether an address does not answer.
    pub fn misses(&self, address: &str) -> bool {
        !self.ping(&["-c", "3", "-i", "0.2", "-W", "1", address])
    }

    fn ping(&self, words: &[&str]) -> bool {
        self.command(&[&["ping", "-n"], words].concat()).output().unwrap().status.success()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A host with `eth0` to the world outside, as an administrator would have it, and a spare `eth1`.
pub struct Net {
    pub stage: Stage,
    pub outside: Namespace,
}

/// Runs `body` on a thread in a namespace of its own; says so when that is not allowed.
pub fn on_network(needs: &[&str], body: impl FnOnce(&Net) + Send + 'static) {
    for program in needs {
        if !is_installed(program) {
            eprintln!("skipped: {program} is not installed");
            return;
        }
    }
    let thread = std::thread::spawn(|| {
        if let Err(error) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
            eprintln!("skipped: no network namespace of our own: {error}");
            return;
        }
        if let Err(error) = try_ip("link add eth0 type veth peer name wire") {
            eprintln!("skipped: no interfaces of our own: {error}");
            return;
        }
        body(&Net::new());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

pub fn is_installed(program: &str) -> bool {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|folder| std::path::Path::new(folder).join(program).exists())
}

impl Net {
    fn new() -> Self {
        let mut stage = Stage::new();
        stage.own_network = true;
        std::fs::remove_dir_all(stage.path("proc/sys")).ok();
        std::os::unix::fs::symlink("/proc/sys", stage.path("proc/sys")).unwrap();
        let outside = Namespace::new();
        sysctl("ipv6/conf/default/accept_dad", "0");
        sysctl("ipv6/conf/all/accept_dad", "0");
        sysctl("ipv6/conf/eth0/accept_dad", "0");
        outside.take("wire");
        outside.ip("link set wire up mtu 9000");
        for address in ["192.0.2.254/24", "192.0.2.253/24", "2001:db8::fe/64"] {
            outside.ip(&format!("address add {address} dev wire"));
        }
        for words in [
            "link set lo up",
            "link set eth0 mtu 9000 address 00:16:3e:aa:bb:cc up",
            "address add 192.0.2.1/24 brd + dev eth0",
            "address add 192.0.2.99/24 dev eth0 label eth0:1",
            "address add 198.51.100.1/32 dev eth0",
            "address add 2001:db8::1/64 dev eth0",
            "address add 2001:db8::2/64 dev eth0",
            "address add 2001:db8:1::1/128 dev eth0",
            "route add default via 192.0.2.254",
            "route add 203.0.113.0/24 via 192.0.2.253 metric 50 mtu 1400",
            "route add 203.0.113.128/25 dev eth0 scope link src 192.0.2.99",
            "route add default via 192.0.2.253 table 100",
            "route add 198.18.0.0/15 nexthop via 192.0.2.254 weight 2 nexthop via 192.0.2.253",
            "rule add from 192.0.2.99 lookup 100",
            "-6 route add default via 2001:db8::fe metric 10",
            "-6 route add 2001:db8:2::/48 via 2001:db8::fd",
            "link add eth1 type veth peer name wire1",
        ] {
            ip(words);
        }
        outside.take("wire1");
        outside.ip("link set wire1 up");
        Net { stage, outside }
    }

    /// A script about the host, run with these words.
    pub fn script(&self, words: &[&str]) -> Ended {
        Ended::of(self.stage.command(words, None).output().unwrap())
    }

    /// The same, with a fault.
    pub fn script_with(&self, fault: &str, words: &[&str]) -> Ended {
        Ended::of(self.stage.command(words, None).env("XEN_HOTPLUG_FAULT", fault).output().unwrap())
    }

    pub fn must(&self, words: &[&str]) {
        let ended = self.script(words);
        assert_eq!(ended.code, Some(0), "{words:?} {ended:?} {}", self.stage.log());
    }

    /// Everything that the scripts may change, line by line.
    pub fn picture(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for words in [
            "-o link show",
            "-o address show",
            "-4 -d route show table all",
            "-6 -d route show table all",
            "rule show",
            "-6 rule show",
        ] {
            lines.extend(ip(words).lines().map(|line| format!("{words}: {}", line.trim())));
        }
        // What the state of the cable says about a route comes and goes.
        lines.iter_mut().for_each(|line| *line = line.replace(" linkdown", "").replace(" dead", ""));
        // An interface that was never on has another name for the same.
        lines.iter_mut().for_each(|line| *line = line.replace(" noop ", " noqueue "));
        for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            lines.push(format!("{setting} {}", read_sysctl(setting)));
        }
        for link in ["eth0", "eth1"] {
            for setting in ["ipv4/conf/*/proxy_arp", "ipv6/conf/*/disable_ipv6", "ipv4/conf/*/forwarding"] {
                let setting = setting.replace('*', link);
                lines.push(format!("{setting} {}", read_sysctl(&setting)));
            }
        }
        if is_installed("nft") {
            let rules = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
            lines.extend(String::from_utf8_lossy(&rules.stdout).lines().map(|line| format!("nft {line}")));
        }
        let notes = ["xend/network", "xend-dhcp"].iter().flat_map(|below| {
            std::fs::read_dir(self.stage.path(&format!("var/run/{below}"))).into_iter().flatten().flatten()
        });
        lines.extend(notes.map(|note| format!("note {}", note.file_name().to_string_lossy())));
        lines.sort();
        lines
    }

    /// Waits until the picture is that one: an interface takes a moment to be up.
    pub fn is_like(&self, before: &[String], when: &str) {
        let Err(now) = self.settles(|now| now == before) else { return };
        let only = |one: &[String], other: &[String]| {
            one.iter().filter(|line| !other.contains(line)).cloned().collect::<Vec<_>>().join("\n  ")
        };
        panic!(
            "{when}: gone:\n  {}\nnew:\n  {}\nlog:\n{}",
            only(before, &now),
            only(&now, before),
            self.stage.log()
        );
    }

    /// Waits until the picture has so many lines.
    pub fn has_lines(&self, count: usize, when: &str) {
        if let Err(now) = self.settles(|now| now.len() == count) {
            panic!("{when}: wanted {count} lines:\n  {}\nlog:\n{}", now.join("\n  "), self.stage.log());
        }
    }

    /// Waits until the picture is as wanted; in vain: the last one.
    fn settles(&self, is_so: impl Fn(&[String]) -> bool) -> Result<(), Vec<String>> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let now = self.picture();
            if is_so(&now) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(now);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it is so.
    pub fn until(&self, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !is_so() {
            assert!(Instant::now() < deadline, "{}", self.stage.log());
            std::thread::yield_now();
        }
    }
}

/// Addresses of an interface, without its number and name.
pub fn addresses(name: &str) -> Vec<String> {
    let text = ip(&format!("-o address show dev {name}"));
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().skip(2).collect();
        words.join(" ").replace('\\', "")
    };
    let mut all: Vec<String> = text.lines().map(line).collect();
    all.sort();
    all
}

/// The routes that people make, IPv4 and IPv6.
pub fn routes() -> Vec<String> {
    let mut all = Vec::new();
    for words in ["-4 route show table all", "-6 route show table all"] {
        let text = ip(words);
        let lines = text.lines().filter(|line| !line.contains("table local"));
        all.extend(lines.map(|line| line.trim().replace(" linkdown", "").replace(" dead", "")));
    }
    all.sort();
    all
}

/// One word of `ip link` about an interface.
pub fn link(name: &str, key: &str) -> Option<String> {
    let text = ip(&format!("-o link show {name}"));
    let words: Vec<&str> = text.split_whitespace().collect();
    words.iter().position(|word| *word == key).map(|at| words[at + 1].to_owned())
}

pub fn exists(name: &str) -> bool {
    Command::new("ip").args(["link", "show", name]).output().unwrap().status.success()
}

pub fn sysctl(name: &str, value: &str) {
    let _ = std::fs::write(format!("/proc/sys/net/{name}"), value);
}

pub fn read_sysctl(name: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/{name}")).unwrap_or_default().trim().to_owned()
}

pub fn ip(words: &str) -> String {
    try_ip(words).unwrap()
}

/// Runs iproute2 with these words: its output, or what it complained of.
pub fn try_ip(words: &str) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match Command::new("ip").args(words.split(' ')).output() {
        Ok(output) if output.status.success() => Ok(text(&output.stdout)),
        Ok(output) => Err(format!("ip {words}: {}", text(&output.stderr))),
        Err(error) => Err(format!("ip: {error}")),
    }
}
