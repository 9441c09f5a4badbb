//! `xm create` against a daemon that answers as told, and its dry runs.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod fake;

use std::sync::{Arc, Mutex};

use fake::{Fake, Folder, Ran, Reply, command, ran, tree};
use xend_api::{Fault, Sxp};

/// A kernel that exists everywhere, so that tests need no files of their own.
const CFG: &str = "kernel = '/bin/sh'\nmemory = 64\nname = 'a'\ndisk = ['phy:/dev/null,xvda,w']\n";

fn ok(result: impl Into<Sxp>) -> Reply {
    Reply::Result(result.into())
}

/// The answer to `domain.create` and `domain`: the request's name and UUID with a number.
fn created(request: &Sxp) -> Sxp {
    let text = |name: &str| request.value(name).and_then(Sxp::atom).unwrap_or_default();
    tree(&format!("(domain (domid 5) (name {}) (uuid {}))", text("name"), text("uuid")))
}

/// A daemon that remembers the created domain and asks `then` about every other call.
fn daemon(mut then: impl FnMut(&str, &Mutex<Option<Sxp>>) -> Option<Reply> + Send + 'static) -> Fake {
    let domain = Arc::new(Mutex::new(None));
    Fake::new(move |method, params| {
        if let Some(reply) = then(method, &domain) {
            if method == "domain.create" {
                *domain.lock().unwrap() = params.first().map(created);
            }
            return reply;
        }
        match method {
            "domain.create" => {
                *domain.lock().unwrap() = params.first().map(created);
                ok(created(&params[0]))
            }
            "domain" => match domain.lock().unwrap().clone() {
                Some(domain) => ok(domain),
                None => Reply::Fault(Fault::no_domain(params[0].atom().unwrap_or_default())),
            },
            _ => ok(Sxp::Nil),
        }
    })
}

fn methods(fake: &Fake) -> Vec<String> {
    fake.take_calls().iter().map(|call| call.split('(').next().unwrap().to_owned()).collect()
}

fn create(fake: &Fake, args: &[&str]) -> Ran {
    fake.folder.write("a.cfg", CFG);
    fake.run(&[&["create"], args].concat())
}

#[test]
fn a_domain_is_created_its_devices_awaited_and_let_run() {
    let fake = daemon(|_, _| None);
    let ran = create(&fake, &["a.cfg"]);
    assert_eq!((ran.err.as_str(), ran.status), ("", 0));
    assert_eq!(ran.out, "Using config file \"./a.cfg\".\nStarted domain a (id=5)\n");
    assert_eq!(methods(&fake), ["xend.domain.create", "xend.domain.waitForDevices", "xend.domain.unpause"]);
    let ran = create(&fake, &["-qp", "a.cfg"]);
    assert_eq!((ran.out.as_str(), ran.status), ("", 0));
    assert_eq!(methods(&fake), ["xend.domain.create", "xend.domain.waitForDevices"]);
}

#[test]
fn the_daemon_gets_a_uuid_also_when_the_file_gives_none() {
    let fake = daemon(|_, _| None);
    create(&fake, &["a.cfg"]);
    assert!(fake.take_calls()[0].contains("(vcpus 1) (uuid "));
    create(&fake, &["a.cfg", "uuid=11111111-2222-3333-4444-555555555555"]);
    let call = fake.take_calls().remove(0);
    assert_eq!(call.matches("(uuid ").count(), 1);
    assert!(call.contains("(uuid 11111111-2222-3333-4444-555555555555)"));
}

#[test]
fn a_refusal_is_told_without_usage_and_nothing_is_destroyed() {
    let text = "Domain 'a' already exists with ID '5'";
    let fake = daemon(move |method, _| {
        (method == "domain.create").then(|| Reply::Fault(Fault::generic(text).hint("x")))
    });
    let ran = create(&fake, &["-q", "a.cfg"]);
    assert_eq!((ran.out.as_str(), ran.err, ran.status), ("", format!("Error: {text}\n"), 1));
    assert_eq!(methods(&fake), ["xend.domain.create"]);
    let fake = daemon(|method, _| (method == "domain.create").then(|| Reply::Fault(Fault::no_domain("b"))));
    let ran = create(&fake, &["-q", "a.cfg"]);
    assert_eq!((ran.err.as_str(), ran.status), ("Error: the domain 'b' does not exist.\n", 1));
}

#[test]
fn a_device_that_fails_takes_the_domain_with_it() {
    let text = "Device 51712 (vbd) could not be connected. /dev/null is no disk";
    let fake = daemon(move |method, _| {
        (method == "domain.waitForDevices").then(|| Reply::Fault(Fault::generic(text)))
    });
    let ran = create(&fake, &["-q", "a.cfg", "uuid=11111111-2222-3333-4444-555555555555"]);
    assert_eq!((ran.out.as_str(), ran.err, ran.status), ("", format!("Error: {text}\n"), 1));
    let calls = fake.take_calls();
    assert_eq!(calls.last().unwrap(), "xend.domain.destroy(11111111-2222-3333-4444-555555555555)");
    let fake =
        daemon(|method, _| (method == "domain.waitForDevices").then(|| Reply::Fault(Fault::generic(""))));
    assert_eq!(create(&fake, &["-q", "a.cfg"]).err, "Error: Device creation failed for domain a\n");
}

#[test]
fn a_domain_that_cannot_be_unpaused_is_destroyed() {
    let fake = daemon(|method, _| (method == "domain.unpause").then(|| Reply::Fault(Fault::generic("no"))));
    let ran = create(&fake, &["-q", "a.cfg"]);
    assert_eq!((ran.err.as_str(), ran.status), ("Error: Failed to unpause domain a\n", 1));
    assert_eq!(methods(&fake).last().unwrap(), "xend.domain.destroy");
}

#[test]
fn a_daemon_that_comes_back_is_asked_on() {
    // Dies once at each step; the domain survives, as one that the restarted daemon adopted.
    for fatal in ["domain.create", "domain.waitForDevices", "domain.unpause"] {
        let mut died = false;
        let fake = daemon(move |method, _| {
            let now = method == fatal && !died;
            died |= now;
            now.then_some(Reply::Die)
        });
        let ran = create(&fake, &["a.cfg"]);
        assert_eq!((ran.err.as_str(), ran.status), ("", 0), "{fatal}");
        assert!(ran.out.ends_with("Started domain a (id=5)\n"), "{fatal}: {}", ran.out);
        let methods = methods(&fake);
        assert_eq!(methods.iter().filter(|method| *method == "xend.domain.create").count(), 1, "{fatal}");
        assert_eq!(methods.last().unwrap(), "xend.domain.unpause", "{fatal}");
    }
}

#[test]
fn a_domain_that_is_gone_after_the_daemon_came_back_is_told() {
    let fake = daemon(|method, domain| {
        if method == "domain.waitForDevices" {
            *domain.lock().unwrap() = None;
            return Some(Reply::Die);
        }
        None
    });
    let ran = create(&fake, &["-q", "a.cfg"]);
    let expected = "Error: xend went away while domain a was created, and nothing of it is left\n";
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", expected, 1));
}

#[test]
fn another_domain_of_the_same_name_is_never_touched() {
    let fake = daemon(|method, _| match method {
        "domain.create" => Some(Reply::Die),
        "domain" => Some(ok(tree("(domain (domid 3) (name a) (uuid 99999999-2222-3333-4444-555555555555))"))),
        _ => None,
    });
    let ran = create(&fake, &["-q", "a.cfg"]);
    assert_eq!(ran.status, 1);
    assert_eq!(methods(&fake), ["xend.domain.create", "xend.domain"]);
}

#[test]
fn a_creation_that_is_interrupted_is_taken_back() {
    for waiting in ["domain.create", "domain.waitForDevices"] {
        let (entered, wait) = std::sync::mpsc::channel();
        let fake = daemon(move |method, _| {
            (method == waiting).then(|| {
                entered.send(()).unwrap();
                Reply::Hang
            })
        });
        fake.folder.write("a.cfg", CFG);
        let uuid = "11111111-2222-3333-4444-555555555555";
        let mut command = fake.command(&["create", "-q", "a.cfg", &format!("uuid={uuid}")]);
        let mut child = command.spawn().unwrap();
        wait.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{waiting}");
        assert_eq!(*fake.take_calls().last().unwrap(), format!("xend.domain.destroy({uuid})"), "{waiting}");
    }
}

fn dry(cfg: &str, args: &[&str]) -> Ran {
    let folder = Folder::new();
    folder.write("a.cfg", cfg);
    ran(command(folder.path(), &[&["create", "-nq", "a.cfg"], args].concat()))
}

#[test]
fn a_dry_run_needs_no_daemon_and_prints_what_would_be_sent() {
    let ran = dry(
        "kernel='/bin/sh'\nvif=['mac=00:16:3e:00:00:11,bridge=xenbr0']\nroot='/dev/hda1 ro'\nextra='4'",
        &[],
    );
    let expected = "(vm
    (name a.cfg)
    (memory 128)
    (on_xend_start ignore)
    (on_xend_stop ignore)
    (vcpus 1)
    (oos 1)
    (image
        (linux
            (kernel /bin/sh)
            (root '/dev/hda1 ro')
            (videoram 4)
            (args 4)
            (tsc_mode 0)
            (nomigrate 0)
        )
    )
    (s3_integrity 1)
    (device (vif (bridge xenbr0) (mac 00:16:3e:00:00:11)))
)
";
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), (expected, "", 0));
}

#[test]
fn fragments_come_out_as_the_reference_shows_them() {
    let cases = [
        ("vcpus=2; maxvcpus=4; cpus=['0','1-2']", "(vcpu_avail 3) (vcpus 4) (cpus (0 1-2))"),
        (
            "pci=['05:01.0']",
            "(device (pci (dev (slot 0x01) (domain 0x0000) (key 05:01.0) (bus 0x05) (vdevfn 0x100) (func 0x0))))",
        ),
        (
            "pci=['0000:06:00.1@7,msitranslate=0,power_mgmt=1']",
            "(key '0000:06:00.1@7') (bus 0x06) (vdevfn 0x38) (func 0x1) (opts (msitranslate 0)) (opts (power_mgmt 1))",
        ),
        (
            "vfb=['type=vnc,vncdisplay=3']; keymap='de'",
            "(device (vkbd)) (device (vfb (vnc 1) (vncdisplay 3) (keymap de) (xauthority /home/.Xauthority)))",
        ),
        (
            "vusb=['usbver=1,numports=2,port_1=1-1']",
            "(device (vusb (usb-ver 1) (num-ports 2) (port (1 1-1) (2 ''))))",
        ),
        (
            "ioports=['02f8-02ff','80']; irq=[7]",
            "(device (ioports (from 0x02f8) (to 0x02ff))) (device (ioports (from 0x80) (to 0x80))) (device (irq (irq 7)))",
        ),
        (
            "dhcp='dhcp'; hostname='h'; nfs_root='/r'; nfs_server='1.2.3.4'; extra='foo'",
            "(ip :1.2.3.4:::h:eth0:dhcp)",
        ),
        (
            "dhcp='dhcp'; hostname='h'; nfs_root='/r'; nfs_server='1.2.3.4'; extra='foo'",
            "(args 'nfsroot=1.2.3.4:/r foo')",
        ),
        ("root='root=/dev/xvda1 ro'", "(root '/dev/xvda1 ro')"),
        ("access_control=['policy=p,label=l']", "(security ((access_control (policy p) (label l))))"),
        ("disk=['phy:a,xvda,w,back,x86_64-abi']", "(mode w) (backend back) (protocol x86_64-abi)"),
        ("bootloader='/bin/pg'; kernel='/none'", "(bootloader /bin/pg) (bootloader_args -q)"),
    ];
    for (cfg, expected) in cases {
        let ran = dry(&format!("kernel='/bin/sh'\n{cfg}\n"), &[]);
        assert_eq!((ran.err.as_str(), ran.status), ("", 0), "{cfg}");
        let flat = ran.out.split_whitespace().collect::<Vec<_>>().join(" ").replace(" )", ")");
        assert!(flat.contains(expected), "{cfg}: {flat}");
    }
    let ran = dry("kernel='/bin/sh'", &["vcpus=2", "maxvcpus=4", "vif="]);
    assert!(ran.out.contains("    (vcpu_avail 3)\n    (vcpus 4)\n"), "{}", ran.out);
    assert!(ran.out.contains("    (device (vif))\n"), "{}", ran.out);
    let ran = dry("kernel='/bin/sh'\nname = 'vm%s' % n\n", &["n= 7 "]);
    assert!(ran.out.contains("    (name vm7)\n"), "{}", ran.out);
    let ran = dry("kernel='/bin/sh'\nbootloader='/bin/pg'", &["-c"]);
    assert!(ran.out.contains("(bootloader_args '')"), "{}", ran.out);
}

#[test]
fn bad_files_and_words_are_told_and_end_with_1() {
    let kernel = "kernel='/bin/sh'\n";
    let cases: [(&str, &[&str], &str); 17] = [
        ("kernel = '/no/such'", &[], "Error: Cannot find kernel \"/no/such\"\n"),
        ("kernel='/bin/sh'\nramdisk = 'x'", &[], "Error: Cannot find ramdisk \"x\"\n"),
        ("disk = ['phy:a,xvda']", &[], "Error: Invalid disk specifier: phy:a,xvda\n"),
        ("disk = 'phy:a,xvda,w'", &[], "Error: Invalid disk specifier: p\n"),
        ("disk = [5]", &[], "Error: cannot use disk: entry 1 is not a string but 5\n"),
        ("vif = ['mac=1,colour=red']", &[], "Error: Invalid vif option: colour\n"),
        ("vif = ['mac=1,']", &[], "Error:  should be a pair, separated by an equals sign.\n"),
        ("vif = 'foo'", &[], "Error: f should be a pair, separated by an equals sign.\n"),
        ("vfb = ['a=1']", &[], "Error: configuration option a unknown to vfbs\n"),
        ("vfb = ['vnc=1,type=vfb']", &[], "Error: configuration option vfb unknown to vfbs\n"),
        ("nfs_root = '/r'", &[], "Error: Must set nfs root and nfs server\n"),
        ("ioports = ['xyz']", &[], "Error: Invalid i/o port range specifier: xyz\n"),
        ("pci = ['1']", &[], "Error: Failed to parse pci device: 1\n"),
        ("", &["memory=lots"], "Error: Invalid value: lots\n"),
        (
            "memory = 64\nvif = = 1",
            &[],
            "Error: Errors were found at line 3 while processing ./a.cfg:\n\tvif = = 1\n\t      ^ ./a.cfg:3:7: unexpected `=`, \
             wanted a value\n",
        ),
        (
            "memory = memroy",
            &[],
            "Error: name 'memroy' is not defined\n\tmemory = memroy\n\t         ^ ./a.cfg:2:10\n",
        ),
        (
            "f = open('/etc/passwd')",
            &[],
            "Error: ./a.cfg:2:5: open opens files, which a domain file may not do; write the value into the file or give \
             it on the command line (xm create FILE name=value)\n\tf = open('/etc/passwd')\n\t    ^\n",
        ),
    ];
    for (cfg, args, expected) in cases {
        let cfg = if cfg.starts_with("kernel") { cfg.to_owned() } else { format!("{kernel}{cfg}") };
        let ran = dry(&cfg, args);
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", expected, 1), "{cfg}");
    }
}

#[test]
fn files_are_looked_for_in_the_order_of_the_original() {
    let folder = Folder::new();
    let run = |args: &[&str]| ran(command(folder.path(), args));
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    folder.write("etc/b.cfg", CFG);
    let path = format!("--path=.:{}", folder.path().join("etc").display());
    let found = run(&["create", "-n", &path, "b.cfg"]);
    assert!(
        found
            .out
            .starts_with(&format!("Using config file \"{}/etc/b.cfg\".\n(vm\n", folder.path().display()))
    );
    let missing = run(&["create", "-n", "c.cfg"]);
    assert_eq!((missing.err.as_str(), missing.status), ("Error: Unable to open config file: c.cfg\n", 1));
    assert!(missing.out.starts_with("Usage: xm create <ConfigFile> [options] [vars]\n"));
    assert_eq!(run(&["create", "-n"]).err, "Error: Unable to open config file: xmdefconfig\n");
    let folder_found = run(&["create", "-nq", "etc"]);
    assert_eq!(folder_found.err, "Error: [Errno 21] Is a directory: './etc'\n");
    folder.write("x.xml", "<?xml version='1.0'?><xm/>");
    assert_eq!(run(&["create", "x.xml"]).status, 1);
    // An endless file is read up to the limit and refused.
    let endless = run(&["create", "-nq", "/dev/zero"]);
    assert!(endless.err.contains("the file is longer than 1 MiB"), "{}", endless.err);
}

#[test]
fn a_dry_run_can_be_read_back_with_f() {
    let folder = Folder::new();
    let run = |args: &[&str]| ran(command(folder.path(), args));
    folder.write("a.cfg", CFG);
    let first = run(&["create", "-nq", "a.cfg"]);
    folder.write("a.sxp", &first.out);
    assert_eq!(run(&["create", "-n", "-F", "a.sxp"]), first);
    let missing = run(&["create", "-F", "b.sxp"]);
    assert_eq!(missing.err, "Error: Cannot read file b.sxp: No such file or directory\n");
    assert!(missing.out.starts_with("Usage: xm create "));
    folder.write("bad.sxp", "(vm (name");
    let bad = run(&["create", "-F", "bad.sxp"]);
    assert_eq!((bad.out.as_str(), bad.status), ("", 1));
    assert!(bad.err.starts_with("Error: cannot read bad.sxp: "), "{}", bad.err);
}

#[test]
fn switches_can_stand_in_the_file_too() {
    let ran = dry("kernel='/bin/sh'\ndryrun=1\n", &["paused=0"]);
    assert_eq!(ran.status, 0);
    let fake = daemon(|_, _| None);
    fake.folder.write("b.cfg", &format!("{CFG}paused = 1\nquiet = 1\n"));
    let ran = fake.run(&["create", "b.cfg"]);
    assert_eq!((ran.out.as_str(), ran.status), ("Using config file \"./b.cfg\".\n", 0));
    assert_eq!(methods(&fake), ["xend.domain.create", "xend.domain.waitForDevices"]);
}

#[test]
fn all_faults_of_a_file_are_told_at_a_terminal_and_the_first_alone_elsewhere() {
    let ran = dry("kernel='/none'\ndisk=['a,b']\nvif=['x']\nvusb=['usbver=7']\n", &[]);
    assert_eq!((ran.err.as_str(), ran.status), ("Error: Invalid disk specifier: a,b\n", 1));
}

#[test]
fn xml_is_neither_read_nor_printed_with_the_classic_server() {
    let folder = Folder::new();
    let run = |args: &[&str]| ran(command(folder.path(), args));
    folder.write("a.cfg", CFG);
    let ran = run(&["create", "-x", "a.cfg"]);
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("Using config file \"./a.cfg\".\n", "", 0));
    assert!(run(&["create", "-nqx", "a.cfg"]).out.starts_with("(vm\n"));
    folder.write("a.xml", "<xm><vm name='a'/></xm>");
    let ran = run(&["create", "-q", "a.xml"]);
    let expected = "Error: ./a.xml is an XML domain file, which only a Xen-API server takes\n";
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", expected, 1));
}

#[test]
fn new_has_the_dry_run_of_create_and_needs_a_daemon_for_more() {
    let folder = Folder::new();
    folder.write("a.cfg", CFG);
    let run = |args: &[&str]| ran(command(folder.path(), args));
    assert_eq!(run(&["new", "-nq", "a.cfg", "-p"]), run(&["create", "-nq", "a.cfg"]));
    assert!(run(&["new", "a.cfg"]).err.starts_with("Error: Unable to connect to xend: "));
}

#[test]
fn a_name_comes_from_the_file_s_name_or_from_defconfig() {
    let name = |cfg: &str| dry(cfg, &[]).out.lines().nth(1).unwrap().trim().to_owned();
    assert_eq!(name("kernel='/bin/sh'"), "(name a.cfg)");
    assert_eq!(name("kernel='/bin/sh'\ndefconfig='/x/other.cfg'"), "(name other.cfg)");
    assert_eq!(name("kernel='/bin/sh'\nname=''"), "(name a.cfg)");
}

#[test]
fn odd_sxp_files_are_told() {
    let folder = Folder::new();
    let run = |args: &[&str]| ran(command(folder.path(), args));
    std::fs::create_dir(folder.path().join("dir")).unwrap();
    let ran = run(&["create", "-nF", "dir"]);
    assert_eq!((ran.err.as_str(), ran.status), ("Error: Cannot read file dir: Is a directory\n", 1));
    for (text, expected) in [
        ("", "Error: cannot read a.sxp: it holds no (vm …)\n"),
        ("vm", "Error: cannot read a.sxp: it holds no (vm …)\n"),
        ("# only a comment", "Error: cannot read a.sxp: it holds no (vm …)\n"),
        (")", "Error: cannot read a.sxp: cannot parse line 1, column 1: syntax error: )\n"),
    ] {
        folder.write("a.sxp", text);
        let ran = run(&["create", "-nF", "a.sxp"]);
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", expected, 1), "{text}");
    }
    // Longer than a domain file may be, and no trouble; beyond the limit of trees it is refused.
    let long = format!("(vm (name a) (description '{}'))", "x".repeat(3 << 20));
    folder.write("long.sxp", &long);
    assert_eq!(run(&["create", "-nF", "long.sxp"]).status, 0);
    let endless = run(&["create", "-nF", "/dev/zero"]);
    assert!(endless.err.contains("16777217 bytes, the limit is 16777216"), "{}", endless.err);
    // What a shell's <( ) makes.
    nix::unistd::mkfifo(&folder.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let pipe = folder.path().join("pipe");
    let writer = std::thread::spawn(move || std::fs::write(pipe, "(vm (name p))"));
    assert_eq!(run(&["create", "-nF", "pipe"]).out, "(vm (name p))\n");
    writer.join().unwrap().unwrap();
}

#[test]
fn odd_values_end_in_a_sentence_and_never_in_a_panic() {
    let kernel = "kernel='/bin/sh'\n";
    let fine = [
        "disk=[]",
        "vif=['']",
        "vif=[]",
        "vif=[' ']",
        "disk=''",
        "pci=[]",
        "vfb=['']",
        "memory='256'",
        "irq=7",
    ];
    for cfg in &fine[..8] {
        assert_eq!(dry(&format!("{kernel}{cfg}"), &[]).status, 0, "{cfg}");
    }
    let wrong = [
        ("disk=['']", "Error: Invalid disk specifier: \n"),
        ("disk=[['a']]", "Error: cannot use disk: entry 1 is not a string but (a)\n"),
        ("disk=5", "Error: cannot use disk: it is not a list but 5\n"),
        ("irq=7", "Error: cannot use irq: it is not a list but 7\n"),
        ("vif=['a=b']", "Error: Invalid vif option: a\n"),
        ("vif=['=']", "Error: Invalid vif option: \n"),
        ("vif2=['mac=1']", "Error: Invalid vif2 option: mac\n"),
        (
            "vcpus='x'; maxvcpus=4",
            "Error: cannot use vcpus = x: it is not a number in the range of this variable\n",
        ),
        ("vscsi=['/dev/nosuch,0:0:0:0']", "Error: Cannot find device \"/dev/nosuch\"\n"),
        ("vscsi=['sda']", "Error: vscsi syntax error \"sda\"\n"),
        ("vusb=['numports=17']", "Error: Invalid vusb option: numports\n"),
        (
            "cpuid=['1:eax=1']",
            "Error: cpuid: We should specify all the bits of the register eax for input 1\n",
        ),
        ("builder='hvm'; fda='a.img'", "Error: Floppy file a.img does not exist.\n"),
        ("disk=['k\u{e9},b']", "Error: Invalid disk specifier: k\u{e9},b\n"),
    ];
    for (cfg, expected) in wrong {
        let ran = dry(&format!("{kernel}{cfg}"), &[]);
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), ("", expected, 1), "{cfg}");
    }
    // Words of the command line: a list replaces the file's and adds to itself, other words count last.
    let ran = dry(
        &format!("{kernel}vif=['bridge=a']"),
        &["vif=bridge=b", "vif=", "memory=1", "memory=2", "a=1", "a=2", "=", "name="],
    );
    assert_eq!((ran.err.as_str(), ran.status), ("", 0));
    assert!(
        ran.out.contains("(memory 2)")
            && ran.out.contains("(vif (bridge b))")
            && !ran.out.contains("bridge a")
    );
    assert!(ran.out.contains("(device (vif))") && ran.out.contains("(name a.cfg)"));
    for (word, expected) in [("memory=", "Error: Invalid value: \n"), ("usb=", "Error: Invalid value:\n")] {
        assert_eq!(dry(kernel, &[word]).err, expected);
    }
}

#[test]
fn the_windows_example_finds_the_device_model_of_this_machine() {
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config-examples/windows.cfg");
    let work = Folder::new();
    let ran = ran(command(work.path(), &["create", "-nq", &example.to_string_lossy(), "kernel=/bin/sh"]));
    let libdir = if cfg!(target_pointer_width = "64") { "lib64" } else { "lib" };
    assert!(
        ran.out.contains(&format!("(device_model /usr/{libdir}/xen/bin/qemu-dm)")),
        "{}{}",
        ran.out,
        ran.err
    );
    assert!(ran.out.contains("(uname phy:vg/windows-data)"), "{}", ran.out);
}

#[test]
fn a_file_that_prints_and_ends_itself_does_so() {
    let folder = Folder::new();
    folder.write("a.cfg", "print 'one',\nprint 2\nprint >>sys.stderr, 'three'\nsys.exit(5)\n");
    let ended = ran(command(folder.path(), &["create", "-nq", "a.cfg"]));
    assert_eq!((ended.out.as_str(), ended.err.as_str(), ended.status), ("one 2\n", "three\n", 5));
    folder.write("b.cfg", "raise ValueError, 'no'\n");
    let failed = ran(command(folder.path(), &["create", "-nq", "b.cfg"]));
    assert!(failed.err.starts_with("Error: no\n\traise ValueError, 'no'\n"), "{}", failed.err);
    assert_eq!(failed.status, 1);
    // The environment, the clock and the addresses are the host's; whatever they are, they are there.
    folder.write(
        "c.cfg",
        "import time, random\nassert os.environ.get('PATH') and time.time() > 1e9\n\
                 assert len(get_defaultroute()) == 2 and 0 <= random.random() < 1\n\
                 assert os.path.isdir('/') and not os.path.exists('/no/such')\nsys.exit(0)\n",
    );
    let fine = ran(command(folder.path(), &["create", "-nq", "c.cfg"]));
    assert_eq!((fine.out.as_str(), fine.err.as_str(), fine.status), ("", "", 0));
}
