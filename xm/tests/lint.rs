//! `xm create --lint`: what it finds, what it passes over, and the two forms in which it tells.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod fake;

use std::process::Command;

use fake::{Folder, Ran, command, ran};

/// A file in which nothing is wrong.
const GOOD: &str = "kernel = '/bin/sh'\nname = 'good'\ndisk = [ 'file:/bin/sh,xvda,r' ]\n\
    vif = [ 'mac=00:16:3e:00:00:01, rate=10Mb/s', '' ]\n";

fn lint(files: &[(&str, &str)], args: &[&str]) -> Ran {
    let folder = Folder::new();
    for (name, text) in files {
        folder.write(name, text);
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    ran(command(folder.path(), &[&["create", "--lint"], names.as_slice(), args].concat()))
}

/// The findings without their hints.
fn findings(text: &str) -> Vec<String> {
    let ran = lint(&[("a.cfg", text)], &[]);
    assert_eq!((ran.err.as_str(), ran.status), ("", i32::from(!ran.out.is_empty())), "{text}");
    ran.out.lines().filter(|line| !line.starts_with("  try: ")).map(str::to_owned).collect()
}

#[test]
fn a_good_file_makes_no_noise() {
    let ran = lint(&[("a.cfg", GOOD)], &[]);
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", "", 0));
    let ran = lint(&[("a.cfg", GOOD)], &["--json"]);
    assert_eq!(ran.out, "{\"files\":[\"./a.cfg\"],\"findings\":[],\"version\":1}\n");
    // A name that only helps to write others, one of the command line, and one of old files.
    let helper = format!("{GOOD}base = 'x'\ndescription = base + n\ncdrom = '/dev/cdrom'\n");
    let ran = lint(&[("a.cfg", &helper)], &["n=7"]);
    assert_eq!((ran.out.as_str(), ran.status), ("", 0));
}

#[test]
fn each_class_of_fault_is_found_where_it_stands() {
    let cases = [
        ("memroy = 5", "5:1: memroy is not a variable of domain files, and nothing in this file reads it"),
        ("vnc = True", "5:1: vnc has no effect, because its value is of type bool"),
        ("kernel = '/no/such'", "5:1: Cannot find kernel \"/no/such\""),
        ("ramdisk = 'nosuch'", "5:1: Cannot find ramdisk \"nosuch\""),
        ("name = 'a b'", "5:1: a b cannot be the name of a domain"),
        ("uuid = '1234'", "5:1: 1234 is not a UUID"),
        ("memory = 'much'", "5:1: memory cannot be much"),
        ("maxmem = 64", "5:1: maxmem 64 is less than memory 128"),
        ("vcpus = 0", "5:1: vcpus cannot be 0"),
        ("maxvcpus = 1; vcpus = 2", "5:1: maxvcpus 1 is less than vcpus 2"),
        ("on_reboot = 'reset'", "5:1: on_reboot cannot be reset"),
        ("disk = [\n 'phy:/dev/nosuch,xvda,r' ]", "6:2: there is no /dev/nosuch"),
        ("disk = ['phy:nosuch,xvda,r']", "5:9: there is no /dev/nosuch"),
        ("disk = ['file:/no/such,xvda,r']", "5:9: there is no /no/such"),
        ("disk = ['file:/bin/sh,xvda,rw']", "5:9: the mode \"rw\" is refused by xend"),
        ("disk = ['file:/bin/sh, xvda,r']", "5:9: \" xvda\" is not a name of a disk"),
        ("disk = ['/bin/sh,xvda,r']", "5:9: the source \"/bin/sh\" does not say what the disk is made of"),
        ("disk = ['a,b']", "5:9: Invalid disk specifier: a,b"),
        (
            "disk = ['file:/bin/sh,xvda,r', 'file:/bin/sh,xvdb,r']",
            "5:32: the source file:/bin/sh is already defined",
        ),
        ("disk = ['nosuch:x,xvda,r']", "5:9: there is no script for nosuch: disks"),
        ("vif = ['mac=00-16-3e-00-00-01']", "5:8: 00-16-3e-00-00-01 is not a MAC address"),
        ("vif = ['rate=10mb/s']", "5:8: the rate 10mb/s cannot be read: xend refuses it"),
        (
            "vif = ['mac=01:16:3e:00:00:01']",
            "5:8: 01:16:3e:00:00:01 is the address of a group, or of nothing",
        ),
        ("vif = ['vifname=eth0:1']", "5:8: eth0:1 cannot be the name of an interface: xend refuses it"),
        (
            "vif = ['vifname=web', 'vifname=web,bridge=a']",
            "5:23: the vifname web is that of an interface above",
        ),
        ("vif = [''] * 64", "5:1: 64 network interfaces are refused by xend: the limit is 63"),
        ("vif = ['ip=192.0.2.7 192.0.2']", "5:8: 192.0.2 is not an address"),
        (
            "vif = ['mac=00:16:3e:00:00:0a'] * 2",
            "5:8: the MAC address 00:16:3e:00:00:0a is also that of ./a.cfg:5:8",
        ),
        ("cpus = '0-3'", "5:1: cpus = 0-3 is refused by this version of xend"),
        ("tsc_mode = 1", "5:1: tsc_mode = 1 is refused by this version of xend"),
        ("vfb = ['vnc=1']", "5:8: a vfb device is refused by this version of xend"),
        ("vtpm = ['instance=1']", "5:1: vtpm is a thing of Xen up to 4.2; xend knows no such device"),
        ("x = = 1", "5:5: unexpected `=`, wanted a value"),
        ("memory = memroy", "5:10: name 'memroy' is not defined"),
    ];
    for (text, expected) in cases {
        assert_eq!(findings(&format!("{GOOD}{text}\n")), [format!("./a.cfg:{expected}")], "{text}");
    }
    let hvm =
        findings(&format!("{GOOD}builder = 'hvm'\ndevice_model = '/no/model'\nbootloader = '/no/grub'\n"));
    let told = [
        "5:1: an HVM guest is refused by this version of xend",
        "6:1: there is no device model /no/model",
        "7:1: there is no boot loader /no/grub",
        "7:1: a boot loader is refused by this version of xend",
    ];
    assert_eq!(hvm, told.map(|text| format!("./a.cfg:{text}")));
    assert_eq!(findings(""), ["./a.cfg: there is neither a kernel nor a boot loader"]);
    let cpuid = findings(&format!("{GOOD}cpuid_check = ['1:eax=0x0']\n"));
    assert_eq!(cpuid[0], "./a.cfg:5:1: cpuid_check has no effect without cpuid");
    let cpuid = findings(&format!("{GOOD}cpuid = ['1:eax=0x0', 'z:eax=0x0']\n"));
    assert_eq!(cpuid[1], "./a.cfg:5:23: this entry of cpuid is dropped: it begins with no leaf");
    for usual in
        ["cpu_weight = 256", "cpu_cap = 0", "pool = 'Pool-0'", "on_xend_stop = 'shutdown'", "cpus = ''"]
    {
        assert!(findings(&format!("{GOOD}{usual}\n")).is_empty(), "{usual}");
    }
    let irq = findings(&format!("{GOOD}irq = ['7']\n"));
    assert_eq!(irq[0], "./a.cfg:5:8: irq '7' is refused by xend");
}

#[test]
fn a_mistyped_name_is_told_with_the_nearest_one() {
    let hint = |text: &str| {
        let out = lint(&[("a.cfg", &format!("{GOOD}{text}\n"))], &[]).out;
        out.lines().nth(1).unwrap().trim().to_owned()
    };
    assert_eq!(hint("memroy = 5"), "try: did you mean memory?");
    assert_eq!(hint("vif2s = []"), "try: did you mean vif2?");
    assert_eq!(hint("cmdline = ''"), "try: it is a variable of xl; xm has root and extra");
    assert_eq!(hint("favourite = 1"), "try: remove it; xmdomain.cfg(5) lists the variables");
}

#[test]
fn several_files_may_share_what_they_only_read() {
    let file = |name: &str, more: &str, mode: &str| {
        format!("kernel='/bin/sh'\nname='{name}'\n{more}\ndisk = [ 'file:/bin/ls,xvda,{mode}' ]\n")
    };
    let two = |a: &str, b: &str| lint(&[("a.cfg", a), ("b.cfg", b)], &[]);
    let shared = two(&file("a", "", "r"), &file("b", "", "r"));
    assert_eq!((shared.out.as_str(), shared.status), ("", 0));
    assert_eq!(two(&file("a", "", "w!"), &file("b", "", "w!")).status, 0);
    for (modes, writer) in [(("w", "w"), "by both"), (("w", "r"), "there"), (("r", "w"), "here")] {
        let ran = two(&file("a", "", modes.0), &file("b", "", modes.1));
        let expected = format!(
            "./b.cfg:4:10: the disk file:/bin/ls is also used by ./a.cfg:4:10, and is written {writer}\n"
        );
        assert!(ran.out.starts_with(&expected), "{}", ran.out);
        assert_eq!(ran.status, 1);
    }
    let uuid = "uuid='11111111-2222-3333-4444-555555555555'; vif=['mac=00:16:3E:00:00:01']";
    let ran = two(&file("a", uuid, "r"), &file("a", &uuid.to_lowercase(), "r"));
    let found: Vec<&str> = ran.out.lines().filter(|line| !line.starts_with("  try")).collect();
    let expected = [
        "./b.cfg:2:1: the name a is also that of ./a.cfg:2:1",
        "./b.cfg:3:1: the UUID 11111111-2222-3333-4444-555555555555 is also that of ./a.cfg:3:1",
        "./b.cfg:3:51: the MAC address 00:16:3e:00:00:01 is also that of ./a.cfg:3:51",
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_json_has_the_documented_members() {
    let ran = lint(
        &[("a.cfg", "kernel='/bin/sh'\nmemroy = 5\n"), ("b.cfg", "name='x'\n")],
        &["--json", "memory=x1"],
    );
    // A bad word of the command line is an error of the command line.
    assert_eq!((ran.err.as_str(), ran.status), ("Error: Invalid value: x1\n", 1));
    let ran = lint(&[("a.cfg", "kernel='/bin/sh'\nmemroy = 5\n")], &["--json", "name=a b"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["version"], 1);
    let typo = &report["findings"][1];
    assert_eq!((&typo["file"], &typo["line"], &typo["column"]), (&"./a.cfg".into(), &2.into(), &1.into()));
    assert_eq!((&typo["code"], &typo["hint"]), (&"unknown-variable".into(), &"did you mean memory?".into()));
    // What the command line said has no place in the file.
    let name = &report["findings"][0];
    assert_eq!((&name["code"], &name["line"]), (&"name".into(), &serde_json::Value::Null));
    assert_eq!(ran.status, 1);
}

#[test]
fn files_that_cannot_be_checked_are_findings_too() {
    let folder = Folder::new();
    folder.write("x.xml", "<xm/>");
    folder.write("good.cfg", GOOD);
    std::fs::create_dir(folder.path().join("dir")).unwrap();
    let ran = ran(command(
        folder.path(),
        &["create", "--lint", "none.cfg", "x.xml", "good.cfg", "dir", "good.cfg"],
    ));
    let lines: Vec<&str> = ran.out.lines().filter(|line| !line.starts_with("  try")).collect();
    let expected = [
        "none.cfg: there is no such domain file",
        "./x.xml: ./x.xml is an XML domain file, which only a Xen-API server takes",
        "./dir: [Errno 21] Is a directory: './dir'",
    ];
    assert_eq!((lines.as_slice(), ran.status), (expected.as_slice(), 1));
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let folder = Folder::new();
    let run = |args: &[&str]| ran(command(folder.path(), args));
    assert_eq!(run(&["create", "--json", "a"]).err, "Error: option --json needs --lint\n");
    let sxp = run(&["create", "--lint", "-F", "a"]);
    assert_eq!((sxp.err.as_str(), sxp.status), ("Error: option --config cannot be checked by --lint\n", 1));
    assert_eq!(
        run(&["create", "--lint"]).out.lines().next(),
        Some("xmdefconfig: there is no such domain file")
    );
}

#[test]
fn a_file_with_endless_faults_is_told_in_bounded_time_and_space() {
    let many = |line: &dyn Fn(usize) -> String| (0..30_000).map(line).collect::<String>();
    let texts = [
        format!("{GOOD}disk = [{}]\n", many(&|n| format!("'{n}',"))),
        format!("{GOOD}disk = [{}]\n", many(&|_| "'file:/bin/sh,xvda,r',".to_owned())),
        format!("{GOOD}vif = [{}]\n", many(&|_| "'mac=00:16:3e:00:00:01',".to_owned())),
        format!("{GOOD}pci = [{}]\n", many(&|n| format!("'{:x}:{:x}.0',", n / 32 % 256, n % 32))),
        format!("{GOOD}{}", many(&|n| format!("unknown{n} = 1\n"))),
    ];
    for text in texts {
        let ran = limited(&text);
        assert_eq!((ran.err.as_str(), ran.status), ("", 1));
        assert!(ran.out.lines().count() <= 201, "{}", ran.out.lines().count());
        let told = ran.out.lines().filter(|line| !line.starts_with("  try")).count();
        assert_eq!(told > 100, ran.out.ends_with(" more findings are not shown\n"), "{told}");
    }
}

/// Checks a file by an `xm` that is killed when it has had a minute of the processor, whatever else that has to do. It
/// needs a second, where a square of the length would take minutes.
fn limited(text: &str) -> Ran {
    let folder = Folder::new();
    folder.write("a.cfg", text);
    let unlimited = command(folder.path(), &["create", "--lint", "a.cfg"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -t 60; exec \"$0\" \"$@\""]).arg(unlimited.get_program());
    limited.args(unlimited.get_args()).current_dir(folder.path());
    for (name, value) in unlimited.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    ran(limited)
}
