//! Every case on our own server, and on the daemon that `XENSTORED_SOCKET` names.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use conformance::Target;
use conformance::cases::{self, Case};
use tokio::net::UnixListener;
use xenstore::server::{Limits, Server};

/// Runs `work` while a server of ours listens on a socket.
fn with_server<T>(work: impl FnOnce(&Path, &Server) -> T) -> T {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let socket = std::env::temp_dir().join(format!("xenstore-{}-{number}", std::process::id()));
    // Left by a process that was killed and had the same number.
    let _ = std::fs::remove_file(&socket);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime needs nothing special");
    let server = Server::new(Limits::default());
    let listener = {
        let _context = runtime.enter();
        UnixListener::bind(&socket).expect("the temporary directory takes a socket")
    };
    runtime.spawn(server.clone().serve(listener));
    let result = catch_unwind(AssertUnwindSafe(|| work(&socket, &server)));
    std::fs::remove_file(&socket).expect("the socket is there");
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn on_ours(case: Case) {
    with_server(|socket, server| {
        let before = server.snapshot();
        let target = Target::new(socket);
        case(&target);
        target.clean_up();
        let _ = target.connect().ask(xenstore::wire::Op::Rm, &["/local/domain/0"]);
        assert_eq!(server.snapshot().to_string(), before.to_string(), "left behind");
    });
}

macro_rules! tests {
    ($($module:ident $name:ident),*) => {
        $(#[test] fn $name() { on_ours(cases::$module::$name); })*
    };
}

conformance::for_each_case!(tests);

#[test]
fn the_daemon_under_test_answers_the_same() {
    let Some(socket) = std::env::var_os("XENSTORED_SOCKET").map(PathBuf::from) else {
        eprintln!("skipped: XENSTORED_SOCKET names no daemon");
        return;
    };
    let mut failed = Vec::new();
    for (name, case) in cases::ALL {
        let target = Target::new(&socket);
        if catch_unwind(|| case(&target)).is_err() {
            failed.push(*name);
        }
        target.clean_up();
    }
    assert!(failed.is_empty(), "failed on {}: {failed:#?}", socket.display());
}

/// A tool of Debian's on our socket: whether it succeeded, and what it printed.
fn tool(socket: &Path, line: &[&str]) -> Option<(bool, String)> {
    let output = match Command::new(line[0]).args(&line[1..]).env("XENSTORED_PATH", socket).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("cannot run {}: {error}", line[0]),
    };
    Some((output.status.success(), String::from_utf8(output.stdout).expect("the tools print text")))
}

#[test]
fn debians_tools_read_and_change_our_store() {
    with_server(|socket, server| {
        let table: &[(&[&str], bool, &str)] = &[
            (&["xenstore-write", "/a/b", "hello", "/a/c", "x y"], true, ""),
            (&["xenstore-read", "/a/b", "/a/c"], true, "hello\nx y\n"),
            (&["xenstore-read", "/absent"], false, ""),
            (&["xenstore-exists", "/a"], true, ""),
            (&["xenstore-exists", "/absent"], false, ""),
            (&["xenstore-chmod", "-r", "/a", "n0", "r5"], true, ""),
            (&["xenstore-list", "/a"], true, "b\nc\n"),
            (
                &["xenstore-ls", "-f", "-p", "/a"],
                true,
                "/a/b = \"hello\"   (n0,r5)\n/a/c = \"x y\"   (n0,r5)\n",
            ),
            (&["xenstore-ls", "/a"], true, "b = \"hello\"\nc = \"x y\"\n"),
            (&["xenstore-rm", "/a/b"], true, ""),
            (&["xenstore-watch", "-n", "1", "/a"], true, "/a\n"),
        ];
        for (line, succeeds, prints) in table {
            let Some((success, text)) = tool(socket, line) else {
                eprintln!("skipped: {} is not installed", line[0]);
                return;
            };
            assert_eq!((success, text.as_str()), (*succeeds, *prints), "{line:?}");
        }
        assert!(!server.snapshot().contains("/a/b"));
    });
}

#[test]
fn debians_ls_shows_a_directory_that_needs_many_answers() {
    with_server(|socket, _| {
        let names: Vec<_> = (0..600).map(|number| format!("/many/quite-a-long-name-{number}")).collect();
        let line: Vec<_> = std::iter::once("xenstore-write")
            .chain(names.iter().flat_map(|name| [name.as_str(), "v"]))
            .collect();
        let Some((written, _)) = tool(socket, &line) else {
            eprintln!("skipped: xenstore-write is not installed");
            return;
        };
        assert!(written);
        let (_, text) = tool(socket, &["xenstore-ls", "-f", "/many"]).unwrap();
        assert_eq!(text.lines().count(), 600);
    });
}
