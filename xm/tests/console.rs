//! `xm console` and `xm create -c` between two pseudo-terminals: one for the person, one for the domain.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod fake;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use fake::{Fake, Reply, tree};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::{Pid, ttyname};
use xend_api::{Fault, Sxp};

const LIMIT: Duration = Duration::from_secs(20);

/// The two ends of a pseudo-terminal.
struct Pty {
    master: File,
    slave: OwnedFd,
}

impl Pty {
    fn new() -> Self {
        // Not `openpty`, whose ends every child of every test would inherit: a console then never hangs up.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname_r(&master).unwrap();
        let slave = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(path);
        Self { master: File::from(OwnedFd::from(master)), slave: slave.unwrap().into() }
    }

    fn path(&self) -> String {
        ttyname(&self.slave).unwrap().to_string_lossy().into_owned()
    }

    fn cooked(&self) -> bool {
        tcgetattr(&self.slave).unwrap().local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO)
    }
}

/// Reads until the text has come.
fn expect(from: &mut File, wanted: &str) {
    let deadline = Instant::now() + LIMIT;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(wanted) {
        let mut fds = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(200u8)).unwrap();
        if fds[0].any() == Some(true) {
            let mut buffer = [0; 1024];
            let length = from.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..length]);
        }
        assert!(Instant::now() < deadline, "wanted {wanted:?}, saw {:?}", String::from_utf8_lossy(&seen));
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::yield_now();
    }
}

/// The exit status, within the limit.
fn status(child: &mut Child) -> i32 {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("xm did not end");
        }
        std::thread::yield_now();
    }
}

fn with_console(path: String) -> Fake {
    Fake::new(move |method, _| {
        Reply::Result(match method {
            "domain" | "domain.create" => tree("(domain (domid 5) (name a))"),
            "domain.console_tty" => Sxp::from(path.as_str()),
            _ => Sxp::Nil,
        })
    })
}

fn at_a_terminal(fake: &Fake, person: &Pty, args: &[&str]) -> Child {
    let mut command = fake.command(args);
    let end = || Stdio::from(person.slave.try_clone().unwrap());
    command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap()
}

#[test]
fn bytes_pass_both_ways_until_the_escape_key_and_the_terminal_is_put_back() {
    let (mut person, mut guest) = (Pty::new(), Pty::new());
    let fake = with_console(guest.path());
    let mut child = at_a_terminal(&fake, &person, &["console", "a"]);
    until("the person's terminal is raw", || !person.cooked());
    guest.master.write_all(b"login: ").unwrap();
    expect(&mut person.master, "login: ");
    person.master.write_all(b"root\r\x03").unwrap();
    expect(&mut guest.master, "root\r\x03");
    person.master.write_all(b"\x1d").unwrap();
    assert_eq!(status(&mut child), 0);
    assert!(person.cooked());
}

#[test]
fn the_session_ends_with_the_domain() {
    let (mut person, guest) = (Pty::new(), Pty::new());
    let fake = with_console(guest.path());
    let mut child = at_a_terminal(&fake, &person, &["console", "a"]);
    until("the person's terminal is raw", || !person.cooked());
    let Pty { mut master, slave } = guest;
    drop(slave);
    master.write_all(b"bye").unwrap();
    expect(&mut person.master, "bye");
    drop(master);
    assert_eq!(status(&mut child), 0);
    assert!(person.cooked());
}

#[test]
fn a_signal_ends_the_session_and_the_terminal_is_put_back() {
    let (person, guest) = (Pty::new(), Pty::new());
    let fake = with_console(guest.path());
    let mut child = at_a_terminal(&fake, &person, &["console", "a"]);
    until("the person's terminal is raw", || !person.cooked());
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(status(&mut child), 128 + 15);
    assert!(person.cooked());
}

#[test]
fn without_a_terminal_the_output_goes_on_after_the_input_ended() {
    let guest = Pty::new();
    let fake = with_console(guest.path());
    let mut command = fake.command(&["console", "a"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let Pty { mut master, slave } = guest;
    until("xm opened the console", || !fake.take_calls().is_empty());
    master.write_all(b"booting\n").unwrap();
    let mut out = File::from(OwnedFd::from(child.stdout.take().unwrap()));
    expect(&mut out, "booting");
    drop((master, slave));
    assert_eq!(status(&mut child), 0);
}

#[test]
fn create_with_a_console_opens_it_before_the_domain_runs() {
    let (mut person, guest) = (Pty::new(), Pty::new());
    let fake = with_console(guest.path());
    fake.folder.write("a.cfg", "kernel = '/bin/sh'\nname = 'a'\n");
    let mut child = at_a_terminal(&fake, &person, &["create", "-c", "a.cfg"]);
    expect(&mut person.master, "Started domain a (id=5)");
    until("the person's terminal is raw", || !person.cooked());
    person.master.write_all(b"\x1d").unwrap();
    assert_eq!(status(&mut child), 0);
    let methods: Vec<_> =
        fake.take_calls().iter().map(|call| call.split('(').next().unwrap().to_owned()).collect();
    let expected = [
        "xend.domain.create",
        "xend.domain.waitForDevices",
        "xend.domain.console_tty",
        "xend.domain.unpause",
    ];
    assert_eq!(methods, expected);
}

#[test]
fn a_console_that_cannot_be_had_does_not_undo_the_creation() {
    let fake = Fake::new(|method, _| match method {
        "domain.console_tty" => Reply::Fault(Fault::generic("no console")),
        "domain.create" => Reply::Result(tree("(domain (domid 5) (name a))")),
        _ => Reply::Result(Sxp::Nil),
    });
    fake.folder.write("a.cfg", "kernel = '/bin/sh'\nname = 'a'\n");
    let ran = fake.run(&["create", "-qc", "a.cfg"]);
    assert_eq!((ran.out.as_str(), ran.status), ("Could not start console\n\n", 0));
}

#[test]
fn a_domain_that_is_not_running_has_no_console() {
    let fake = Fake::new(|_, _| Reply::Result(tree("(domain (name m))")));
    let ran = fake.run(&["console", "m"]);
    assert_eq!((ran.err.as_str(), ran.status), ("Error: Domain 'm' is not started\n", 1));
    assert!(ran.out.starts_with("Usage: xm console "), "{}", ran.out);
    let ran = fake.run(&["console", "-q", "m"]);
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", "", 1));
}

#[test]
fn an_original_daemon_leaves_the_console_to_xenconsole() {
    let fake = Fake::new(|method, _| match method {
        "domain" => Reply::Result(tree("(domain (domid 5) (name a))")),
        _ => Reply::Unknown,
    });
    let bin = fake.folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let program = bin.join("xenconsole");
    // Another process writes it: what this one has open for writing, a child of a parallel test has too for a moment,
    // and nobody can run it.
    let write = "printf '#!/bin/sh\\necho xenconsole \"$@\"\\nexit 7\\n' > \"$0\" && chmod +x \"$0\"";
    let written = std::process::Command::new("sh").args(["-c", write]).arg(&program).status();
    assert!(written.unwrap().success());
    if std::path::Path::new("/usr/lib/xen/bin/xenconsole").exists() {
        println!("skipped: this host has a real xenconsole, which is found first");
        return;
    }
    // Only the first character of the number ever counted.
    let mut command = fake.command(&["console", "-n", "12", "a"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    let ran = fake::ran(command);
    assert_eq!((ran.out.as_str(), ran.status), ("xenconsole 5 --num 1\n", 7));
}

/// Everything that comes until the other end is closed.
fn everything(mut person: Pty, mut child: Child) -> String {
    drop(person.slave);
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    // A terminal that is closed on the other end reports an error.
    while let Ok(length @ 1..) = person.master.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..length]);
    }
    status(&mut child);
    String::from_utf8(seen).unwrap().replace('\r', "")
}

#[test]
fn at_a_terminal_reasons_and_hints_follow_the_error() {
    let fault =
        || Fault::generic("it is broken").because("the \u{9b}31mbackend is gone").hint("look at the log");
    let fake = Fake::new(move |_, _| Reply::Fault(fault()));
    let person = Pty::new();
    let child = at_a_terminal(&fake, &person, &["pause", "a"]);
    let seen = everything(person, child);
    let expected = "Error: it is broken\n  because: the  31mbackend is gone\n  try: look at the log\nUsage: xm pause <Domain>";
    assert!(seen.starts_with(expected), "{seen}");
}

#[test]
fn at_a_terminal_a_daemon_that_is_not_there_comes_with_advice() {
    let fake = Fake::new(|_, _| Reply::Die);
    std::fs::remove_file(fake.folder.path().join("sock")).unwrap();
    let person = Pty::new();
    let child = at_a_terminal(&fake, &person, &["list"]);
    let seen = everything(person, child);
    assert!(seen.contains("\n  try: "), "{seen}");
}

#[test]
fn at_a_terminal_values_that_count_for_nothing_are_pointed_out() {
    let fake = Fake::new(|_, _| Reply::Die);
    fake.folder.write("a.cfg", "kernel = '/bin/sh'\nvnc = True\ndisk = ('phy:a,xvda,w',)\n");
    let person = Pty::new();
    let child = at_a_terminal(&fake, &person, &["create", "-nq", "a.cfg"]);
    let seen = everything(person, child);
    assert!(
        seen.contains("Warning: ./a.cfg: disk has no effect, because its value is of type tuple"),
        "{seen}"
    );
    assert!(
        seen.contains("Warning: ./a.cfg: vnc has no effect, because its value is of type bool"),
        "{seen}"
    );
    let ran = fake.run(&["create", "-nq", "a.cfg"]);
    assert_eq!((ran.err.as_str(), ran.status), ("", 0));
}

#[test]
fn at_a_terminal_the_log_cannot_steer_it() {
    let fake = Fake::new(|_, _| Reply::Result(Sxp::from("a\u{1b}[2Jb\tc\n")));
    let person = Pty::new();
    let child = at_a_terminal(&fake, &person, &["log"]);
    assert!(everything(person, child).starts_with("a?[2Jb"));
    assert_eq!(fake.run(&["dmesg"]).out, "a\u{1b}[2Jb\tc\n");
}
