//! The commands of disks and interfaces against a daemon that answers as told: what they ask, print and return.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod fake;

use std::fs;
use std::path::{Path, PathBuf};

use fake::{Fake, Folder, Reply, command, ran, tree};
use xend_api::{Fault, Sxp, xmlrpc};

const BLOCK_HEADER: &str = "Vdev  BE handle state evt-ch ring-ref BE-path\n";
const NETWORK_HEADER: &str = "Idx BE     MAC Addr.     handle state evt-ch tx-/rx-ring-ref BE-path\n";

fn ok(result: impl Into<Sxp>) -> Reply {
    Reply::Result(result.into())
}

/// A daemon whose domains, but for `nosuch`, have these devices of these classes.
fn with_devices(vbds: Sxp, vifs: Sxp) -> Fake {
    Fake::new(move |method, params| {
        let word = |nr: usize| params.get(nr).and_then(Sxp::text);
        match (method, word(0), word(1)) {
            (_, Some("nosuch"), _) => Reply::Fault(Fault::no_domain("nosuch")),
            ("domain.getDeviceSxprs", _, Some("vbd")) => ok(vbds.clone()),
            ("domain.getDeviceSxprs", _, Some("vif")) => ok(vifs.clone()),
            ("domain.getBlockDeviceClass", _, Some("xvdb")) => ok("tap2"),
            ("domain.getBlockDeviceClass", _, Some("xvdz")) => ok(Sxp::Nil),
            ("domain.getBlockDeviceClass", ..) => ok("vbd"),
            ("domain.destroyDevice", ..) if params[2].text() == Some("xvdz") => {
                Reply::Fault(Fault::generic("Device xvdz not connected"))
            }
            ("domain.destroyDevice" | "domain.device_create" | "domain.device_configure", ..) => ok(Sxp::Nil),
            (method, ..) => panic!("nobody should ask for {method}"),
        }
    })
}

fn running() -> Fake {
    with_devices(
        tree(
            "((51712 ((backend /local/domain/0/backend/vbd/7/51712) (backend-id 0) (device-type disk) \
             (event-channel 9) (ring-ref 8) (state 4) (virtual-device 51712))))",
        ),
        tree(
            "((0 ((backend /local/domain/0/backend/vif/7/0) (backend-id 0) (event-channel 10) (handle 0) \
             (mac 00:16:3e:aa:bb:cc) (rx-ring-ref 769) (state 4) (tx-ring-ref 768))) \
             (3 ((backend /local/domain/12/backend/vif/7/3) (backend-id 12) (handle 3) (mac 00:16:3E:AA:BB:CD) (state 1))))",
        ),
    )
}

#[test]
fn devices_are_listed_in_the_columns_of_the_original() {
    let disks = format!(
        "{BLOCK_HEADER}51712  0    0     4      9      8     /local/domain/0/backend/vbd/7/51712  \n"
    );
    let interfaces = format!(
        "{NETWORK_HEADER}\
         0   0  00:16:3e:aa:bb:cc    0     4      10    768  /769     /local/domain/0/backend/vif/7/0  \n\
         3   12 00:16:3E:AA:BB:CD    3     1      -1    -1   /-1      /local/domain/12/backend/vif/7/3  \n"
    );
    let fake = running();
    for (args, table, call) in [
        (["block-list", "pv1"], &disks, "xend.domain.getDeviceSxprs(pv1, vbd)"),
        (["network-list", "7"], &interfaces, "xend.domain.getDeviceSxprs('7', vif)"),
    ] {
        let ran = fake.run(&args);
        assert_eq!((&ran.out, ran.err.as_str(), ran.status), (table, "", 0), "{args:?}");
        assert_eq!(fake.take_calls(), [call.replace('\'', "")], "{args:?}");
    }
    for (alias, name, table) in
        [("vbd-list", "block-list", &disks), ("vif-list", "network-list", &interfaces)]
    {
        let ran = fake.run(&[alias, "pv1"]);
        let notice = format!("Command {alias} is deprecated.  Please use xm {name} instead.\n");
        assert_eq!((&ran.out, ran.err, ran.status), (table, notice, 0));
    }
}

#[test]
fn the_long_list_prints_each_device_whole() {
    let wanted = "\
(51712
    ((backend /local/domain/0/backend/vbd/7/51712)
        (backend-id 0)
        (device-type disk)
        (event-channel 9)
        (ring-ref 8)
        (state 4)
        (virtual-device 51712)
    )
)
";
    let fake = running();
    for args in [
        &["block-list", "-l", "pv1"][..],
        &["block-list", "pv1", "--long"],
        &["block-list", "--lo", "--", "pv1"],
    ] {
        let ran = fake.run(args);
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), (wanted, "", 0), "{args:?}");
    }
    let ran = fake.run(&["network-list", "pv1", "-l"]);
    assert!(ran.out.contains("\n)\n(3\n    ((backend /local/domain/12/backend/vif/7/3)\n"), "{}", ran.out);
}

#[test]
fn a_domain_without_devices_prints_nothing_not_even_a_header() {
    let fake = with_devices(Sxp::List(vec![]), Sxp::Nil);
    for args in [["block-list", "pv1"], ["network-list", "pv1"]] {
        let long = [args[0], args[1], "-l"];
        for args in [&args[..], &long] {
            let ran = fake.run(args);
            assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", "", 0), "{args:?}");
        }
    }
}

#[test]
fn a_managed_domain_that_is_not_running_shows_what_it_is_configured_with() {
    let fake = with_devices(
        tree(
            "((51712 (vbd (uname phy:/dev/vg0/a) (dev xvda:disk) (mode w))) (5632 (vbd (dev hdc:cdrom) (backend 0))))",
        ),
        tree(
            "((0 (vif (mac 00:16:3e:00:00:01) (bridge xenbr0))) (1 (vif (mac 00:16:3e:00:00:02) (backend 0))))",
        ),
    );
    let ran = fake.run(&["block-list", "m"]);
    let rows = "51712  -1   0     -1     -1     -1    ??                              \n\
                5632   -1   0     -1     -1     -1    0                               \n";
    assert_eq!((ran.out, ran.status), (format!("{BLOCK_HEADER}{rows}"), 0));
    let ran = fake.run(&["network-list", "m"]);
    let row =
        "1   -1 00:16:3e:00:00:02    0     -1     -1    -1   /-1      0                               \n";
    assert!(ran.out.ends_with(row), "{}", ran.out);
    let ran = fake.run(&["network-list", "m", "-l"]);
    assert!(ran.out.starts_with("(0 (vif (mac 00:16:3e:00:00:01) (bridge xenbr0)))\n"), "{}", ran.out);
    fake.take_calls();
    let ran = fake.run(&["network-detach", "m", "00:16:3E:00:00:02"]);
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", "", 0));
    assert_eq!(
        fake.take_calls()[1],
        "xend.domain.destroyDevice(m, vif, 1, None, True)".replace("None", "'None'")
    );
}

#[test]
fn a_guest_that_writes_nonsense_into_its_nodes_spoils_no_line_but_its_own_columns() {
    let fake = with_devices(
        tree(
            "((51712 ((state x) (event-channel '') (ring-ref 1e400) (backend 'a\\nb\\177[2J')))  (768 ((state 4))))",
        ),
        tree("((x ((mac 'a\\tb') (handle ((a b))) (tx-ring-ref 99999999999999999999))) y)"),
    );
    let ran = fake.run(&["block-list", "pv1"]);
    let rows = "51712  -1   0     -1     -1     -1    a?b?[2J                         \n\
                768    -1   0     4      -1     -1    ??                              \n";
    assert_eq!((ran.out, ran.err.as_str(), ran.status), (format!("{BLOCK_HEADER}{rows}"), "", 0));
    let ran = fake.run(&["network-list", "pv1"]);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!((lines.len(), ran.status), (3, 0), "{}", ran.out);
    assert!(
        lines[1].starts_with("-1  -1 a?b                  0     -1     -1    -1   /-1  "),
        "{}",
        lines[1]
    );
}

#[test]
fn lists_want_exactly_one_domain_and_say_so_on_standard_output() {
    let folder = Folder::new();
    for name in ["block-list", "network-list"] {
        for (args, text) in [
            (vec![name], "No domain parameter given"),
            (vec![name, "-l"], "No domain parameter given"),
            (vec![name, "a", "b"], "No multiple domain parameters allowed"),
        ] {
            let ran = ran(command(folder.path(), &args));
            let begin = format!("{text}\nUsage: xm {name} <Domain> [--long]\n\n");
            assert_eq!((ran.err.as_str(), ran.status), ("", 1), "{args:?}");
            assert!(ran.out.starts_with(&begin), "{args:?}: {}", ran.out);
        }
        let ran = ran(command(folder.path(), &[name, "-x", "a"]));
        assert_eq!((ran.err.as_str(), ran.status), ("Error: option -x not recognized\n", 1));
        assert!(ran.out.starts_with(&format!("Usage: xm {name} ")), "{}", ran.out);
    }
}

#[test]
fn disks_and_interfaces_are_sent_as_they_were_typed() {
    let fake = running();
    let cases: [(&[&str], &str); 9] = [
        (
            &["block-attach", "pv1", "phy:/dev/vg0/b", "xvdb", "w"],
            "device_create(pv1, (vbd (uname phy:/dev/vg0/b) (dev xvdb) (mode w)))",
        ),
        (
            &["block-attach", "7", "tap:aio:/srv/b.img", "/dev/xvdb", "w!", "driverdom"],
            "device_create(7, (tap (uname tap:aio:/srv/b.img) (dev /dev/xvdb) (mode 'w!') (backend driverdom)))",
        ),
        (
            &["block-attach", "pv1", "tap2:vhd:/srv/b.vhd", "51728", "rw"],
            "device_create(pv1, (tap2 (uname tap2:vhd:/srv/b.vhd) (dev 51728) (mode rw)))",
        ),
        (
            &["block-attach", "pv1", "tap", "--", "xvdb", "r"],
            "device_create(pv1, (vbd (uname tap) (dev xvdb) (mode r)))",
        ),
        (
            &["block-configure", "hvm1", "file:/srv/x.iso", "hdc:cdrom", "r"],
            "device_configure(hvm1, (vbd (uname file:/srv/x.iso) (dev hdc:cdrom) (mode r)))",
        ),
        (
            &["block-configure", "hvm1", "", "hdc:cdrom", "r", "0"],
            "device_configure(hvm1, (vbd (uname '') (dev hdc:cdrom) (mode r) (backend 0)))",
        ),
        (&["network-attach", "pv1"], "device_create(pv1, (vif))"),
        (
            &["network-attach", "pv1", "rate=10Mb/s", "mac=bad", "bridge=xenbr0", "mac=00:16:3e:00:00:01"],
            "device_create(pv1, (vif (rate 10Mb/s) (mac bad) (bridge xenbr0) (mac 00:16:3e:00:00:01)))",
        ),
        (
            &[
                "network-attach",
                "pv1",
                "type=netfront",
                "ip=10.0.0.1/24 10.0.0.2",
                "script=vif-route",
                "backend=0",
                "vifname=v",
                "model=e1000",
                "accel=a",
            ],
            "device_create(pv1, (vif (type netfront) (ip '10.0.0.1/24 10.0.0.2') (script vif-route) (backend 0) \
             (vifname v) (model e1000) (accel a)))",
        ),
    ];
    for (args, call) in cases {
        let ran = fake.run(args);
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", "", 0), "{args:?}");
        assert_eq!(fake.take_calls(), [format!("xend.domain.{call}")], "{args:?}");
    }
    let ran = fake.run(&["vbd-create", "pv1", "file:/b", "xvdb", "w"]);
    assert_eq!(ran.err, "Command vbd-create is deprecated.  Please use xm block-attach instead.\n");
    assert_eq!(
        fake.take_calls(),
        ["xend.domain.device_create(pv1, (vbd (uname file:/b) (dev xvdb) (mode w)))"]
    );
}

#[test]
fn a_detach_is_forced_only_by_the_third_word() {
    let fake = running();
    let class = "xend.domain.getBlockDeviceClass";
    let destroy = "xend.domain.destroyDevice";
    let cases: [(&[&str], &str, &[String]); 9] = [
        (
            &["block-detach", "pv1", "xvdb"],
            "",
            &[format!("{class}(pv1, xvdb)"), format!("{destroy}(pv1, tap2, xvdb, 'None', True)")],
        ),
        (
            &["block-detach", "pv1", "vbd/51712", "-f"],
            "",
            &[format!("{class}(pv1, vbd/51712)"), format!("{destroy}(pv1, vbd, vbd/51712, -f, True)")],
        ),
        (
            &["block-detach", "pv1", "--", "51712", "--force"],
            "",
            &[format!("{class}(pv1, 51712)"), format!("{destroy}(pv1, vbd, 51712, --force, True)")],
        ),
        (
            &["block-detach", "pv1", "51712", "--for"],
            "Ignoring option --for\n",
            &[format!("{class}(pv1, 51712)"), format!("{destroy}(pv1, vbd, 51712, 'None', True)")],
        ),
        (&["network-detach", "pv1", "0"], "", &[format!("{destroy}(pv1, vif, 0, 'None', True)")]),
        (&["network-detach", "pv1", "0", "-f"], "", &[format!("{destroy}(pv1, vif, 0, -f, True)")]),
        (
            &["network-detach", "pv1", "-f", "0"],
            "Ignoring option 0\n",
            &[format!("{destroy}(pv1, vif, -f, 'None', True)")],
        ),
        (
            &["network-detach", "pv1", "00:16:3e:aa:bb:cd", "x"],
            "Ignoring option x\n",
            &[
                "xend.domain.getDeviceSxprs(pv1, vif)".to_owned(),
                format!("{destroy}(pv1, vif, 3, 'None', True)"),
            ],
        ),
        (
            &["network-detach", "pv1", "00:16:3E:AA:BB:CC"],
            "",
            &[
                "xend.domain.getDeviceSxprs(pv1, vif)".to_owned(),
                format!("{destroy}(pv1, vif, 0, 'None', True)"),
            ],
        ),
    ];
    for (args, out, calls) in cases {
        let ran = fake.run(args);
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), (out, "", 0), "{args:?}");
        assert_eq!(fake.take_calls(), calls, "{args:?}");
    }
    let ran = fake.run(&["vbd-destroy", "pv1", "51712"]);
    assert_eq!(ran.err, "Command vbd-destroy is deprecated.  Please use xm block-detach instead.\n");
    assert_eq!(ran.status, 0);
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let fake = running();
    let ran = fake.run(&["block-detach", "pv1", "xvdz"]);
    assert_eq!((ran.err.as_str(), ran.status), ("Error: Device xvdz not connected\n", 1));
    assert!(ran.out.starts_with("Usage: xm block-detach <Domain> <DevId> [-f|--force]\n\n"), "{}", ran.out);
    fake.take_calls();
    let ran = fake.run(&["network-detach", "pv1", "00:16:3e:00:00:09", "-f"]);
    let text = "Error: Cannot find device '00:16:3e:00:00:09' in domain 'pv1'\n";
    assert_eq!((ran.err.as_str(), ran.status), (text, 1));
    assert!(
        ran.out.starts_with("Usage: xm network-detach <Domain> <DevId|mac> [-f|--force]\n\n"),
        "{}",
        ran.out
    );
    assert_eq!(fake.take_calls(), ["xend.domain.getDeviceSxprs(pv1, vif)"], "nothing is taken away");
}

#[test]
fn an_unknown_domain_has_status_3_and_no_usage() {
    let fake = running();
    for args in [
        &["block-list", "nosuch"][..],
        &["network-list", "nosuch", "-l"],
        &["block-attach", "nosuch", "phy:/dev/a", "xvda", "w"],
        &["block-configure", "nosuch", "phy:/dev/a", "xvda", "w"],
        &["block-detach", "nosuch", "xvda", "x"],
        &["network-attach", "nosuch"],
        &["network-detach", "nosuch", "0"],
        &["network-detach", "nosuch", "00:16:3e:00:00:09", "x"],
    ] {
        let ran = fake.run(args);
        assert_eq!(ran.err, "Error: Domain 'nosuch' does not exist.\n", "{args:?}");
        assert_eq!((ran.out.as_str(), ran.status), ("", 3), "{args:?}");
    }
}

#[test]
fn what_the_daemon_refuses_is_told_in_its_words_before_the_usage() {
    for (args, text) in [
        (&["block-attach", "d", "phy:/a", "xvda", "rw"][..], "Invalid mode"),
        (&["block-attach", "d", "phy:/a", "d5", "r"], "Unable to find number for device (d5)"),
        (&["block-configure", "d", "phy:/a", "xvda", "w"], "Refusing to reconfigure device vbd:51712 to {}"),
        (
            &["network-attach", "d", "mac=x"],
            "Cannot create a new virtual network interface - MAC address is not valid!",
        ),
        (&["network-detach", "d", "9"], "Device 9 not connected"),
    ] {
        let ran = Fake::new(move |_, _| Reply::Fault(Fault::generic(text))).run(args);
        assert_eq!((ran.err, ran.status), (format!("Error: {text}\n"), 1), "{args:?}");
        assert!(ran.out.starts_with(&format!("Usage: xm {} <Domain> ", args[0])), "{args:?}: {}", ran.out);
    }
}

#[test]
fn wrong_words_are_told_before_anything_is_asked() {
    let folder = Folder::new();
    let counts = [
        (vec!["block-attach", "d", "phy:/a", "xvda"], "between 4 and 5"),
        (vec!["block-attach", "d", "phy:/a", "xvda", "w", "0", "1"], "between 4 and 5"),
        (vec!["block-configure", "d", "phy:/a", "xvda", "--"], "between 4 and 5"),
        (vec!["block-detach", "d"], "between 2 and 3"),
        (vec!["block-detach", "d", "xvda", "-f", "x"], "between 2 and 3"),
        (vec!["network-attach"], "between 1 and 11"),
        (
            vec!["network-attach", "d", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a"],
            "between 1 and 11",
        ),
        (vec!["network-detach", "d"], "between 2 and 3"),
    ];
    let counts = counts.into_iter().map(|(args, count)| {
        let text = format!("'xm {}' requires {count} arguments.\n", args[0]);
        (args, text)
    });
    let words =
        ["brigde=xenbr0", "policy=x", "mac", "mac=", "=x", "", "ip=a=b", "MAC=00:16:3e:00:00:01", "-f"];
    let words = words
        .map(|word| (vec!["network-attach", "d", "bridge=b", word], format!("Invalid argument: {word}")));
    for (args, text) in counts.chain(words) {
        let ran = ran(command(folder.path(), &args));
        assert_eq!((ran.err, ran.status), (format!("Error: {text}\n"), 1), "{args:?}");
        assert!(ran.out.starts_with(&format!("Usage: xm {} <Domain> ", args[0])), "{args:?}: {}", ran.out);
    }
}

/// The corpus beside the checkout; `None` (and a word about it) where there is none.
fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if folder.join("expected").is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no corpus at {}", folder.display());
    None
}

#[test]
fn the_answers_of_the_original_daemon_are_shown_as_its_client_showed_them() {
    let Some(corpus) = corpus() else { return };
    let wire = fs::read_to_string(corpus.join("wire/xmlrpc-legacy.txt")).unwrap();
    let answer = |class: &str| {
        let exchange =
            wire.split(&format!(">>> xend.domain.getDeviceSxprs('pv1', '{class}')")).nth(1).unwrap();
        let answer = exchange.split("<?xml").nth(2).unwrap().split("\n\n").next().unwrap();
        xmlrpc::parse_response(format!("<?xml{answer}").as_bytes()).unwrap().unwrap()
    };
    let fake = with_devices(answer("vbd"), answer("vif"));
    let rows = "51712  0    0     4      9      8     /local/domain/0/backend/vbd/1/51712  \n\
                770    0    0     4      11     10    /local/domain/0/backend/vbd/1/770  \n";
    assert_eq!(fake.run(&["block-list", "pv1"]).out, format!("{BLOCK_HEADER}{rows}"));
    let rows = "0   0  00:16:3e:11:22:33    0     4      12    12   /13      /local/domain/0/backend/vif/1/0  \n\
                1   0  00:16:3e:11:22:34    1     4      14    14   /15      /local/domain/0/backend/vif/1/1  \n";
    assert_eq!(fake.run(&["network-list", "pv1"]).out, format!("{NETWORK_HEADER}{rows}"));
    fake.take_calls();
    fake.run(&["network-detach", "pv1", "00:16:3e:11:22:34"]);
    assert_eq!(fake.take_calls()[1], "xend.domain.destroyDevice(pv1, vif, 1, 'None', True)");
}

/// The frontends that a table shows.
fn frontends(table: &str, columns: &[&str]) -> Sxp {
    let entries = table.lines().skip(1).map(|line| {
        let (front, path) = line.split_at(line.find("/local").unwrap());
        let values = front.split([' ', '/']).filter(|word| !word.is_empty()).chain([path.trim()]);
        let mut pairs = columns.iter().zip(values);
        let (_, devid) = pairs.next().unwrap();
        let known = pairs.filter(|(_, value)| *value != "??").map(|(name, value)| Sxp::pair(name, value));
        Sxp::List(vec![devid.into(), Sxp::List(known.collect())])
    });
    Sxp::List(entries.collect())
}

/// Every table of the corpus, taken apart and put together again by `xm`.
#[test]
fn the_tables_of_the_corpus_are_met_byte_for_byte() {
    let Some(corpus) = corpus() else { return };
    let transcript = fs::read_to_string(corpus.join("transcripts/hvm.txt")).unwrap();
    let disks = ["id", "backend-id", "handle", "state", "event-channel", "ring-ref", "backend"];
    let interfaces = [
        "id",
        "backend-id",
        "mac",
        "handle",
        "state",
        "event-channel",
        "tx-ring-ref",
        "rx-ring-ref",
        "backend",
    ];
    for (name, columns) in [("block-list", &disks[..]), ("network-list", &interfaces[..])] {
        let entries = fs::read_dir(corpus.join("expected")).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.extension().is_some_and(|kind| kind == name));
        let mut tables: Vec<String> = files.map(|path| fs::read_to_string(path).unwrap()).collect();
        let said = transcript.split(&format!("$ xm {name} hvm1\n")).nth(1).unwrap();
        tables.push(said.split("rc=").next().unwrap().to_owned());
        assert!(tables.len() > 40, "only {} tables of {name}", tables.len());
        for table in tables {
            let found = frontends(&table, columns);
            let fake = Fake::new(move |_, _| Reply::Result(found.clone()));
            let ran = fake.run(&[name, "d"]);
            assert_eq!((ran.out, ran.err.as_str(), ran.status), (table, "", 0), "{name}");
        }
    }
}
