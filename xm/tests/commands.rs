//! The commands against a daemon that answers as told: what they ask, print and return.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod fake;

use fake::{Fake, Folder, Reply, command, ran, tree};
use xend_api::{Fault, Sxp};

fn pv1(state: &str) -> Sxp {
    tree(&format!(
        "(domain (domid 7) (name pv1) (memory 256) (vcpus 2) (online_vcpus 1) (state {state}) (cpu_time 12.34))"
    ))
}

fn ok(result: impl Into<Sxp>) -> Reply {
    Reply::Result(result.into())
}

/// A daemon with the domain pv1, in that state.
fn with_pv1(state: &'static str) -> Fake {
    Fake::new(move |method, params| match (method, params.first().and_then(Sxp::text)) {
        ("domains_with_state", _) => ok(vec![pv1(state), tree("(domain (name m) (memory 64) (vcpus 1))")]),
        ("domains", _) => ok(vec!["Domain-0".into(), "pv1".into()]),
        ("domain", Some("0")) => ok(tree("(domain (domid 0) (name Domain-0))")),
        ("domain", Some("m")) => ok(tree("(domain (name m))")),
        (_, Some("nosuch")) => Reply::Fault(Fault::no_domain("nosuch")),
        ("domain", _) => ok(pv1(state)),
        ("domain.getpauseflag", _) => ok(Sxp::Bool(true)),
        ("domain.getRestartCount", _) => ok("0"),
        _ => ok(Sxp::Nil),
    })
}

#[test]
fn the_life_cycle_commands_ask_what_the_original_asked() {
    let fake = with_pv1("-b----");
    let cases: [(&[&str], &[&str]); 7] = [
        (&["pause", "pv1"], &["xend.domain.pause(pv1)", "xend.domain.setpauseflag(pv1, True)"]),
        (&["unpause", "pv1"], &["xend.domain.unpause(pv1)", "xend.domain.setpauseflag(pv1, False)"]),
        (&["destroy", "pv1"], &["xend.domain.destroy(pv1)"]),
        (
            &["shutdown", "pv1"],
            &["xend.domain(pv1)", "xend.domain.getRestartCount(pv1)", "xend.domain.shutdown(pv1, poweroff)"],
        ),
        (
            &["shutdown", "-H", "7"],
            &["xend.domain(7)", "xend.domain.getRestartCount(pv1)", "xend.domain.shutdown(pv1, halt)"],
        ),
        (
            &["reboot", "pv1"],
            &["xend.domain(pv1)", "xend.domain.getRestartCount(pv1)", "xend.domain.shutdown(pv1, reboot)"],
        ),
        (
            &["shutdown", "-a"],
            &[
                "xend.domain(0)",
                "xend.domains(0)",
                "xend.domain.getRestartCount(pv1)",
                "xend.domain.shutdown(pv1, poweroff)",
            ],
        ),
    ];
    for (args, calls) in cases {
        let ran = fake.run(args);
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", "", 0), "{args:?}");
        assert_eq!(fake.take_calls(), calls, "{args:?}");
    }
}

#[test]
fn a_start_with_a_console_does_not_leave_the_domain_paused_when_the_daemon_is_lost_in_between() {
    for paused in [false, true] {
        let fake = Fake::new(|method, _| match method {
            "domain.start" | "domain.unpause" => Reply::Result(Sxp::Nil),
            _ => Reply::Die,
        });
        let ran = fake.run(if paused { &["start", "-cp", "pv1"][..] } else { &["start", "-c", "pv1"][..] });
        assert_eq!(ran.status, 1, "{}", ran.err);
        let calls = fake.take_calls();
        assert_eq!(calls.first().map(String::as_str), Some("xend.domain.start(pv1, True)"));
        let let_run = calls.iter().any(|call| call == "xend.domain.unpause(pv1)");
        assert_eq!(let_run, !paused, "{calls:?}");
    }
}

#[test]
fn managed_domains_are_started_and_deleted_with_the_calls_of_the_original() {
    let fake = with_pv1("-b----");
    let cases: [(&[&str], &str); 7] = [
        (&["start", "pv1"], "xend.domain.start(pv1, False)"),
        (&["start", "-p", "pv1"], "xend.domain.start(pv1, True)"),
        (&["start", "pv1", "--paused", "--vncviewer-autopass"], "xend.domain.start(pv1, True)"),
        (&["delete", "pv1"], "xend.domain.delete(pv1)"),
        (&["suspend", "pv1"], "xend.domain.suspend(pv1)"),
        (&["resume", "pv1"], "xend.domain.resume(pv1, False)"),
        (&["resume", "-p", "pv1"], "xend.domain.resume(pv1, True)"),
    ];
    for (args, call) in cases {
        let ran = fake.run(args);
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", "", 0), "{args:?}");
        assert_eq!(fake.take_calls(), [call], "{args:?}");
    }
    let refusals: [(&[&str], &str, i32); 5] = [
        (&["start"], "Error: Expects 1 argument\n", 1),
        (&["start", "a", "b"], "Error: Expects 1 argument\n", 1),
        (&["start", "nosuch"], "Error: Domain 'nosuch' does not exist.\n", 3),
        (&["resume", "a", "b"], "Error: Wrong number of parameters\n", 1),
        (&["delete"], "Error: 'xm delete' requires 1 arguments.\n\n", 1),
    ];
    for (args, err, status) in refusals {
        let ran = fake.run(args);
        assert_eq!((ran.err.as_str(), ran.status), (err, status), "{args:?}");
        let usage = format!("Usage: xm {}", args[0]);
        assert_eq!(ran.out.starts_with(&usage), status == 1, "{args:?}: {}", ran.out);
    }
}

#[test]
fn a_new_domain_is_only_defined() {
    let folder = Folder::new();
    let file = folder.path().join("a.cfg");
    std::fs::write(&file, "kernel = '/bin/true'\nmemory = 64\nname = 'a'\n").unwrap();
    let file = file.to_str().unwrap();
    let fake = Fake::new(|method, _| match method {
        "domain.new" => ok(Sxp::Nil),
        _ => Reply::Unknown,
    });
    let ran = fake.run(&["new", file]);
    assert_eq!((ran.out, ran.err.as_str(), ran.status), (format!("Using config file \"{file}\".\n"), "", 0));
    let calls = fake.take_calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(calls[0].starts_with("xend.domain.new((vm (name a) "), "{calls:?}");
    let ran = fake.run(&["new", "-q", "-n", file]);
    assert!(ran.out.starts_with("(vm\n"), "{}", ran.out);
    assert!(fake.take_calls().is_empty(), "a dry run asks nothing");
    let fake = Fake::new(|_, _| Reply::Fault(Fault::generic("VM name 'a' already exists")));
    let ran = fake.run(&["new", "-q", file]);
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str(), ran.status),
        ("", "Error: VM name 'a' already exists\n", 1)
    );
}

#[test]
fn names_numbers_and_states_are_printed_alone() {
    let cases = [
        (vec!["domid", "pv1"], "7\n"),
        (vec!["domid", "m"], "None\n"),
        (vec!["domname", "7"], "pv1\n"),
        (vec!["domstate", "pv1"], "paused by admin\n"),
        (vec!["domstate", "m"], "shutoff\n"),
    ];
    let fake = with_pv1("--p---");
    for (args, expected) in cases {
        let ran = fake.run(&args);
        assert_eq!((ran.out.as_str(), ran.status), (expected, 0), "{args:?}");
    }
    let ran = with_pv1("r-----").run(&["domstate", "pv1"]);
    assert_eq!((ran.out.as_str(), ran.status), ("", 0));
}

#[test]
fn an_unknown_domain_has_status_3_and_no_usage() {
    let fake = with_pv1("-b----");
    for args in [
        vec!["list", "nosuch"],
        vec!["list", "pv1", "nosuch"],
        vec!["destroy", "nosuch"],
        vec!["pause", "nosuch"],
        vec!["domid", "nosuch"],
        vec!["uptime", "nosuch"],
        vec!["shutdown", "nosuch"],
        vec!["console", "nosuch"],
    ] {
        let ran = fake.run(&args);
        assert_eq!(ran.err, "Error: Domain 'nosuch' does not exist.\n", "{args:?}");
        assert_eq!((ran.out.as_str(), ran.status), ("", 3), "{args:?}");
    }
    let ran = fake.run(&["console", "-q", "nosuch"]);
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", "", 1));
}

#[test]
fn other_faults_are_followed_by_the_usage_and_nothing_of_ours_off_a_terminal() {
    let fake = Fake::new(|_, _| Reply::Fault(Fault::generic("it is broken").because("why").hint("do this")));
    let ran = fake.run(&["pause", "x"]);
    assert_eq!((ran.err.as_str(), ran.status), ("Error: it is broken\n", 1));
    assert!(ran.out.starts_with("Usage: xm pause <Domain>\n\n"), "{}", ran.out);
}

#[test]
fn answers_that_are_none_are_told_as_a_crash() {
    let ran = Fake::new(|_, _| Reply::Die).run(&["list"]);
    assert_eq!(ran.err, "Xend has probably crashed!  Invalid or missing HTTP status code.\n");
    let ran = Fake::new(|_, _| Reply::Http(500)).run(&["list"]);
    assert_eq!(ran.err, "Xend has probably crashed!  ProtocolError(500, Internal Server Error).\n");
    assert_eq!(ran.status, 1);
    let ran = Fake::new(|_, _| Reply::Unknown).run(&["list"]);
    assert_eq!(ran.err, "Error: method \"xend.domains_with_state\" is not supported\n");
}

#[test]
fn without_a_daemon_the_text_depends_on_the_user() {
    let folder = Folder::new();
    let ran = ran(command(folder.path(), &["list"]));
    let expected = if nix::unistd::geteuid().is_root() {
        "Error: Unable to connect to xend: No such file or directory. Is xend running?\n"
    } else {
        "Error: Most commands need root access. Please try again as root.\n"
    };
    assert_eq!((ran.err.as_str(), ran.out.as_str(), ran.status), (expected, "", 1));
}

#[test]
fn wrong_numbers_of_arguments_and_wrong_options_are_told_before_anything_is_asked() {
    let folder = Folder::new();
    let cases = [
        (vec!["pause"], "'xm pause' requires 1 arguments.\n"),
        (vec!["pause", "-x", "d"], "'xm pause' requires 1 arguments.\n"),
        (vec!["info", "-c", "-n"], "'xm info' requires between 0 and 1 arguments.\n"),
        (vec!["console"], "'xm console' requires between 1 and 3 arguments.\n"),
        (vec!["console", "-q"], "No domain given"),
        (vec!["log", "x"], "'xm log' requires 0 arguments.\n"),
        (vec!["list", "-x"], "option -x not recognized"),
        (vec!["list", "--state"], "option --state requires argument"),
        (vec!["dmesg", "x"], "No parameter required"),
        (
            vec!["list", "--state=running", "d"],
            "You may specify either a state or a particular VM, but not both",
        ),
        (vec!["list", "--pool=p", "d"], "You may specify either a pool or a particular VM, but not both"),
    ];
    for (args, text) in cases {
        let ran = ran(command(folder.path(), &args));
        assert_eq!((ran.err, ran.status), (format!("Error: {text}\n"), 1), "{args:?}");
        assert!(ran.out.starts_with(&format!("Usage: xm {} ", args[0])), "{args:?}: {}", ran.out);
    }
    for (args, text) in [
        (vec!["shutdown", "-a", "-H", "-R"], "Can't specify halt and reboot"),
        (vec!["shutdown", "-w"], "No domain parameter given"),
        (vec!["reboot", "a", "b"], "No multiple domain parameters allowed"),
    ] {
        let ran = ran(command(folder.path(), &args));
        assert_eq!(
            (ran.err, ran.out, ran.status),
            (format!("Error: {text}\n"), String::new(), 1),
            "{args:?}"
        );
    }
}

#[test]
fn help_is_printed_for_whoever_asks() {
    let folder = Folder::new();
    let run = |args: &[&str]| ran(command(folder.path(), args));
    assert_eq!(run(&[]).status, 1);
    assert!(run(&[]).out.contains("Common 'xm' commands:"));
    for args in [vec!["help"], vec!["help", "nosuch"], vec!["help", "--long"], vec!["--help"], vec!["-h"]] {
        let ran = run(&args);
        assert_eq!(ran.status, 0, "{args:?}");
        assert!(ran.out.contains("xm full list of subcommands:"), "{args:?}");
    }
    let ran = run(&["list", "a", "-h"]);
    assert_eq!(ran.status, 1);
    assert!(ran.out.starts_with("Usage: xm list [options] [Domain, ...]\n\n"), "{}", ran.out);
    assert!(run(&["create", "-h"]).out.contains("\nOptions:\n\n-h, --help           Print"));
    assert!(run(&["nosuch", "--help"]).out.contains("Common 'xm' commands:"));
    let ran = run(&["create", "--help_config"]);
    assert_eq!(ran.status, 0);
    assert!(ran.out.starts_with("\nValues:\n\nname=VAL"), "{}", ran.out);
    let ran = run(&["nosuch"]);
    assert_eq!((ran.err.as_str(), ran.status), ("Error: Subcommand nosuch not found!\n", 1));
}

#[test]
fn old_names_are_understood_with_a_notice_and_what_is_not_built_never_succeeds() {
    let folder = Folder::new();
    let run = |args: &[&str]| ran(command(folder.path(), args));
    let ran = run(&["balloon", "d", "64"]);
    assert_eq!(
        ran.err,
        "Command balloon is deprecated.  Please use xm mem-set instead.\n\
         Error: xm mem-set is not there yet in this version of xend-rs\n"
    );
    let built = [
        "block-attach",
        "block-configure",
        "block-detach",
        "block-list",
        "console",
        "create",
        "delete",
        "destroy",
        "dmesg",
        "domid",
        "domname",
        "domstate",
        "info",
        "list",
        "log",
        "network-attach",
        "network-detach",
        "network-list",
        "new",
        "pause",
        "reboot",
        "resume",
        "shutdown",
        "start",
        "suspend",
        "unpause",
        "uptime",
    ];
    for command in xm::table::COMMANDS.iter().filter(|command| !built.contains(&command.name)) {
        let ran = run(&[command.name, "a", "b"]);
        let name = command.name;
        let expected = format!("Error: xm {name} is not there yet in this version of xend-rs\n");
        assert_eq!((ran.err, ran.out.as_str(), ran.status), (expected, "", 1), "{name}");
    }
}

#[test]
fn the_configuration_file_names_the_server() {
    let fake = with_pv1("-b----");
    let socket = fake.folder.path().join("sock");
    let xml = format!("<xm>\n <server type='Odd' uri='httpu://{}'/>\n</xm>\n", socket.display());
    let config = fake.folder.write("xm-config.xml", &xml);
    let mut command = command(fake.folder.path(), &["domid", "pv1"]);
    command.env("XM_CONFIG_FILE", &config);
    let result = ran(command);
    assert_eq!(result.out, "7\n");
    assert_eq!(result.err, "Invalid server type Odd; using LegacyXMLRPC.\n");
    let broken = fake.folder.write("broken.xml", "<xm><server");
    let mut command = fake.command(&["domid", "pv1"]);
    command.env("XM_CONFIG_FILE", &broken);
    let result = ran(command);
    assert_eq!(
        (result.out.as_str(), result.err),
        ("7\n", format!("Ignoring invalid configuration file {broken}.\n"))
    );
}

/// A daemon whose domain runs for two looks; the rest of its life is a state a look, as long as there are any.
fn ending(after: &'static [&'static str], on_poweroff: &'static str) -> Fake {
    let (mut looks, mut after) = (0, after.iter());
    Fake::new(move |method, _| match method {
        "domain" if looks == 0 => ok(pv1("-b----")),
        "domain" => match after.next() {
            Some(state) => ok(tree(&format!(
                "(domain (domid 7) (name pv1) (on_poweroff {on_poweroff}) (state {state}))"
            ))),
            None => Reply::Fault(Fault::no_domain("pv1")),
        },
        "domains" => {
            looks += 1;
            ok(if looks < 3 { vec!["Domain-0".into(), "pv1".into()] } else { vec![Sxp::from("Domain-0")] })
        }
        "domain.getRestartCount" => ok("0"),
        _ => ok(Sxp::Nil),
    })
}

#[test]
fn waiting_for_a_shutdown_ends_when_the_domain_is_gone() {
    // One whose guest has ended still has its name; one that is to be preserved keeps it.
    for (after, on_poweroff, asked) in [
        (&[][..], "destroy", 1),
        (&["---s--", "---s--"], "destroy", 3),
        (&["---s--", "---s--"], "preserve", 1),
    ] {
        let fake = ending(after, on_poweroff);
        let ran = fake.run(&["shutdown", "-w", "pv1"]);
        assert_eq!((ran.out.as_str(), ran.status), ("Domain pv1 terminated\nAll domains terminated\n", 0));
        // The first is what finds the domain.
        let looks = fake.take_calls().iter().filter(|call| call.starts_with("xend.domain(")).count() - 1;
        assert_eq!(looks, asked, "{on_poweroff} {after:?}");
    }
}

#[test]
fn waiting_for_a_reboot_ends_when_the_restart_count_changes() {
    let mut asked = 0;
    let fake = Fake::new(move |method, _| match method {
        "domain" => ok(pv1("-b----")),
        "domains" => ok(vec![Sxp::from("pv1")]),
        "domain.getRestartCount" => {
            asked += 1;
            ok(if asked < 3 { "0" } else { "1" })
        }
        _ => ok(Sxp::Nil),
    });
    let ran = fake.run(&["reboot", "-w", "pv1"]);
    assert_eq!((ran.out.as_str(), ran.status), ("Domain pv1 rebooted\nAll domains rebooted\n", 0));
}

#[test]
fn a_closed_pipe_does_not_make_a_panic() {
    let fake = with_pv1("-b----");
    let sock = fake.folder.path().join("sock");
    let script = format!("XM_SERVER=httpu://{} '{}' list | true", sock.display(), env!("CARGO_BIN_EXE_xm"));
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
