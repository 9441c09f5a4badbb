//! The transcripts of the corpus, where it is present, command by command: the same words to `xm`, a daemon that is in
//! the state of the original's, the same lines and the same exit status.
//!
//! Commands that are not built yet are passed over, though what they change is done to the daemon's state.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod fake;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fake::{Fake, Reply, tree};
use xend_api::{Fault, Sxp, xmlrpc};

const BUILT: [&str; 15] = [
    "console", "create", "destroy", "dmesg", "domid", "domname", "domstate", "info", "list", "log", "pause",
    "reboot", "shutdown", "unpause", "uptime",
];

/// Lines with placeholders for what differs between runs are compared piece by piece.
fn matches(pattern: &str, line: &str) -> bool {
    let pieces: Vec<&str> = pattern.split('@').collect();
    if pieces.len() < 3 {
        return pattern == line;
    }
    let fixed: Vec<&str> = pieces.iter().step_by(2).copied().collect();
    let (first, last) = (fixed[0], fixed[fixed.len() - 1]);
    if !line.starts_with(first) || !line.ends_with(last) {
        return false;
    }
    let mut rest = line;
    fixed.iter().all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

/// One command of a transcript.
struct Step {
    command: String,
    lines: Vec<String>,
    status: i32,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("$ xm ") else { continue };
        let mut printed = Vec::new();
        let status = loop {
            let line = lines.next().unwrap();
            match line.strip_prefix("rc=") {
                Some(status) => break status.parse().unwrap(),
                None => printed.push(line.to_owned()),
            }
        };
        steps.push(Step { command: command.to_owned(), lines: printed, status });
    }
    steps
}

/// The first thing that a command of the transcript prints, as trees.
fn printed_tree(steps: &[Step], command: &str) -> Sxp {
    let step = steps.iter().find(|step| step.command == command).unwrap();
    tree(&step.lines.join("\n"))
}

/// The daemon's domains and facts.
struct State {
    domains: Vec<Sxp>,
    /// What `pv1` looks like when it runs.
    pv1: Sxp,
    /// `node.info` without and with the topology.
    info: [Sxp; 2],
}

fn set(domain: &mut Sxp, name: &str, value: Sxp) {
    let Sxp::List(members) = domain else { panic!("a domain is a list") };
    let member = members.iter_mut().find(|member| member.name() == Some(name)).unwrap();
    *member = Sxp::pair(name, value);
}

fn state_of(domain: &Sxp) -> String {
    domain.value("state").and_then(Sxp::atom).unwrap_or_default()
}

impl State {
    fn find(&mut self, designator: &str) -> Result<&mut Sxp, Fault> {
        let is = |domain: &&mut Sxp| {
            let atom = |name| domain.value(name).and_then(Sxp::atom);
            ["name", "domid", "uuid"].iter().any(|name| atom(name).as_deref() == Some(designator))
        };
        self.domains.iter_mut().find(is).ok_or_else(|| Fault::no_domain(designator))
    }

    fn pause(&mut self, designator: &str, letter: &str) -> Result<Sxp, Fault> {
        let domain = self.find(designator)?;
        let state = state_of(domain);
        let blocked = if letter == "p" && state == "--p---" { "-" } else { "b" };
        set(domain, "state", format!("-{blocked}{letter}---").into());
        Ok(Sxp::Nil)
    }

    fn create(&mut self, request: &Sxp) -> Result<Sxp, Fault> {
        let text = |name| request.value(name).and_then(Sxp::atom).unwrap_or_default();
        let clash = [text("name"), text("uuid")].iter().find_map(|known| self.find(known).ok().cloned());
        if let Some(other) = clash {
            let domid = other.value("domid").unwrap();
            return Err(Fault::generic(format!(
                "Domain '{}' already exists with ID '{domid}'",
                text("name")
            )));
        }
        let mut domain = self.pv1.clone();
        set(&mut domain, "state", "--p---".into());
        set(&mut domain, "name", text("name").into());
        self.domains.push(domain.clone());
        Ok(domain)
    }

    fn listed(&self, state: &str) -> Sxp {
        let wanted = |domain: &&Sxp| match state {
            "all" => true,
            "paused" => state_of(domain).contains('p'),
            "running" => !state_of(domain).contains('p'),
            _ => false,
        };
        Sxp::List(self.domains.iter().filter(wanted).cloned().collect())
    }

    fn answer(&mut self, method: &str, params: &[Sxp]) -> Result<Sxp, Fault> {
        let word = params.first().and_then(Sxp::atom).unwrap_or_default();
        match method {
            "domain" => self.find(&word).cloned(),
            "domains_with_state" => Ok(self.listed(params[1].text().unwrap())),
            "domain.create" => self.create(&params[0]),
            "domain.waitForDevices" => self.find(&word).map(|_| Sxp::Nil),
            "domain.unpause" => self.pause(&word, "-"),
            "domain.pause" => self.pause(&word, "p"),
            "domain.setpauseflag" => self.find(&word).map(|_| Sxp::Nil),
            "domain.getpauseflag" => self.find(&word).map(|_| Sxp::Bool(false)),
            "domain.destroy" if matches!(word.as_str(), "0" | "Domain-0") => {
                Err(Fault::generic(format!("Cannot destroy privileged domain {word}")))
            }
            "domain.destroy" => {
                let domain = self.find(&word)?.clone();
                self.domains.retain(|other| *other != domain);
                Ok(Sxp::Int(0))
            }
            "node.info" => Ok(self.info[usize::from(params[0] == Sxp::Bool(true))].clone()),
            "node.dmesg.info" => Ok("(XEN) Xen version 4.4.0 (oracle)\n(XEN) fake console ring\n".into()),
            "node.dmesg.clear" => Ok(Sxp::Nil),
            other => panic!("nobody should ask for {other}"),
        }
    }
}

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if folder.join("transcripts").is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no corpus at {}", folder.display());
    None
}

/// `node.info` as the original sent it, without and with the two members of `-n`.
fn node_info(corpus: &Path) -> [Sxp; 2] {
    let wire = fs::read_to_string(corpus.join("wire/xmlrpc-legacy.txt")).unwrap();
    let exchange = wire.split(">>> xend.node.info()").nth(1).unwrap();
    let answer = exchange.split("<?xml").nth(2).unwrap().split("\n\n").next().unwrap();
    let full = xmlrpc::parse_response(format!("<?xml{answer}").as_bytes()).unwrap().unwrap();
    let plain = |pair: &&Sxp| !matches!(pair.name(), Some("cpu_topology" | "numa_info"));
    let mut full: Vec<Sxp> = full.items().to_vec();
    // The exchange is from a later moment than the transcript.
    full.iter_mut().filter(|pair| pair.name() == Some("free_memory")).for_each(|pair| {
        *pair = Sxp::pair("free_memory", 6144);
    });
    let short = full.iter().filter(plain).cloned().collect();
    [Sxp::List(short), Sxp::List(full)]
}

/// Replays a transcript and tells how many commands were compared.
fn replay(fake: &Fake, state: &Mutex<State>, steps: &[Step], renamed: &[(&str, &str)]) -> usize {
    let mut compared = 0;
    for step in steps {
        let words: Vec<&str> = step.command.split_whitespace().collect();
        if words.first() == Some(&"rename") && step.status == 0 {
            set(state.lock().unwrap().find(words[1]).unwrap(), "name", words[2].into());
        }
        // Without a name, or with one that does not exist, `xm` answers by itself.
        let by_itself = words.first().is_none_or(|name| xm::table::find(name).is_none());
        let built = words.first().is_some_and(|name| BUILT.contains(name));
        let later = matches!(step.command.as_str(), "info -c" | "info --config" | "log");
        if later || !(built || by_itself) {
            continue;
        }
        let ours =
            |text: &str| renamed.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        let command = ours(&step.command).replace("extra=a b", "extra=a\u{a0}b");
        let words: Vec<String> =
            command.split(' ').filter(|word| !word.is_empty()).map(|w| w.replace('\u{a0}', " ")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (printed, status) = fake.run_merged(&words);
        assert_eq!(status, step.status, "xm {}: {printed}", step.command);
        let mut lines = printed.lines();
        for expected in &step.lines {
            if expected == "@HELP@" {
                lines.by_ref().for_each(drop);
                break;
            }
            let line = lines.next().unwrap_or("");
            assert!(
                matches(&ours(expected), line),
                "xm {}\nwanted {:?}\nfound  {line:?}\nin {printed}",
                step.command,
                ours(expected)
            );
        }
        assert_eq!(lines.next(), None, "xm {} prints more", step.command);
        compared += 1;
    }
    compared
}

#[test]
fn host_and_lifecycle_print_what_the_original_printed() {
    let Some(corpus) = corpus() else { return };
    let read = |name: &str| {
        let text = fs::read_to_string(corpus.join("transcripts").join(name)).unwrap();
        text.replace("@UUID@", "99999999-8888-7777-6666-555555555555").replace("@TIME@", "1400000000.12")
    };
    let (host, lifecycle) = (steps(&read("host.txt")), steps(&read("lifecycle.txt")));
    let dom0 = printed_tree(&host, "list --long Domain-0");
    let pv1 = printed_tree(&lifecycle, "list pv1 -l");
    let state = State { domains: vec![dom0], pv1, info: node_info(&corpus) };
    let state = Arc::new(Mutex::new(state));
    let shared = Arc::clone(&state);
    let fake = Fake::new(move |method, params| match shared.lock().unwrap().answer(method, params) {
        Ok(result) => Reply::Result(result),
        Err(fault) => Reply::Fault(fault),
    });
    // The file names a kernel that exists on the original's host; two files of ours stand for it.
    let kernel = fake.folder.write("vmlinuz", "");
    let ramdisk = fake.folder.write("initrd.img", "");
    let cfg = read("pv1.cfg").replace("/boot/vmlinuz", &kernel).replace("/boot/initrd.img", &ramdisk);
    let cfg = fake.folder.write("pv1.cfg", &cfg);
    let renamed =
        [("/etc/xen/pv1.cfg", cfg.as_str()), ("/boot/vmlinuz", &kernel), ("/boot/initrd.img", &ramdisk)];
    assert!(replay(&fake, &state, &host, &[]) >= 30);
    // What the host transcript changes by a command that is not built yet.
    set(&mut state.lock().unwrap().domains[0], "cpu_weight", Sxp::Int(512));
    // The answer to `list -l` shows the kernel of the original's host.
    let paths = &renamed[..1];
    let dry = |step: &&Step| step.command.contains("-n") || step.command.contains("-q");
    let (dry_runs, others): (Vec<Step>, Vec<Step>) = lifecycle.into_iter().partition(|step| dry(&step));
    assert!(replay(&fake, &state, &dry_runs, &renamed) >= 7);
    assert!(replay(&fake, &state, &others, paths) >= 25);
}

#[test]
fn the_comparison_itself_tells_lines_apart() {
    assert!(matches("a @UUID@ b", "a 123 b"));
    assert!(!matches("a @UUID@ b", "a 123 c"));
    assert!(!matches("a @UUID@ b", "c 123 b"));
    assert!(matches("host : @HOST@", "host : @HOST@"));
    assert!(!matches("plain", "plain "));
}
