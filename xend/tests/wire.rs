//! What clients of the original see on the wire, held against what the original answered (the corpus beside the
//! checkout, where it is present), and the socket itself.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use harness::{Daemon, Host, corpus, differences, eventually, tree};
use hypervisor::sim::HostConfig;
use xend_api::{FaultKind, Sxp, client::Client, sxp, xmlrpc};

/// Values that the stand-in of the corpus invented, or that differ from run to run.
const INVENTED: [&str; 8] =
    ["store_mfn", "console_mfn", "location", "cpu_time", "state", "notes", "running", "blocked"];

/// A tree in which texts are replaced, as a whole or at their beginning.
fn replaced(tree: &Sxp, with: &[(&str, &str)]) -> Sxp {
    match tree {
        Sxp::Text(text) => {
            let found = with.iter().find_map(|(from, to)| Some(format!("{to}{}", text.strip_prefix(from)?)));
            Sxp::Text(found.unwrap_or_else(|| text.clone()))
        }
        Sxp::List(items) => Sxp::List(items.iter().map(|item| replaced(item, with)).collect()),
        other => other.clone(),
    }
}

/// Texts of the corpus and what they are on this host.
struct Names(Vec<(String, String)>);

impl Names {
    fn of(host: &Host) -> Self {
        let scripts = host.places.script_folders()[1].display().to_string();
        let pair = |theirs: &str, ours: String| (theirs.to_owned(), ours);
        let ramdisk = host.folder().file("initrd.img", b"ramdisk");
        Self(vec![
            pair("/boot/vmlinuz", host.folder().path().join("vmlinuz").display().to_string()),
            pair("/boot/initrd.img", ramdisk),
            pair("/etc/xen/scripts", scripts),
            pair("phy:/dev/vg/pv1", format!("phy:{}", host.disk("pv1"))),
            pair("file:/srv/xen/swap.img", format!("file:{}", host.disk("swap.img"))),
        ])
    }

    fn add(&mut self, theirs: &str, ours: &str) {
        self.0.insert(0, (theirs.to_owned(), ours.to_owned()));
    }

    fn to_ours(&self, tree: &Sxp) -> Sxp {
        let pairs: Vec<_> = self.0.iter().map(|(theirs, ours)| (theirs.as_str(), ours.as_str())).collect();
        replaced(tree, &pairs)
    }

    fn to_theirs(&self, tree: &Sxp) -> Sxp {
        let pairs: Vec<_> = self.0.iter().map(|(theirs, ours)| (ours.as_str(), theirs.as_str())).collect();
        replaced(tree, &pairs)
    }
}

/// One exchange of the corpus: title, request, answer.
fn exchanges(text: &str) -> Vec<(String, String, String)> {
    let blocks = text.split(">>> ").skip(1);
    let exchange = |block: &str| {
        let (title, rest) = block.split_once('\n')?;
        let (request, answer) = rest.split_once("</methodCall>")?;
        let end = answer.find("</methodResponse>")? + "</methodResponse>".len();
        Some((title.to_owned(), format!("{request}</methodCall>"), answer[..end].trim_start().to_owned()))
    };
    blocks.filter_map(exchange).collect()
}

/// The domain that was running when the exchanges were recorded.
fn pv1(host: &Host, daemon: &Daemon, names: &Names) {
    let theirs = tree(
        "(vm (name pv1) (memory 256) (maxmem 512) (uuid 11111111-2222-3333-4444-555555555555) (vcpus 2)
             (on_crash preserve)
             (image (linux (kernel /boot/vmlinuz) (ramdisk /boot/initrd.img) (root '/dev/xvda ro') (videoram 4)
                           (args 4) (tsc_mode 0) (nomigrate 0)))
             (device (vbd (uname phy:/dev/vg/pv1) (dev xvda) (mode w)))
             (device (vbd (uname file:/srv/xen/swap.img) (dev hda2) (mode r)))
             (device (vif (bridge xenbr0) (mac 00:16:3e:11:22:33)))
             (device (vif (ip 192.0.2.9) (mac 00:16:3e:11:22:34) (script vif-route))))",
    );
    daemon.call("xend.domain.create", &[names.to_ours(&theirs)]).unwrap();
    daemon.ask("xend.domain.waitForDevices", "pv1").unwrap();
    daemon.ask("xend.domain.unpause", "pv1").unwrap();
    let domid = host.domid_of("pv1").unwrap();
    daemon.devices_connect(host, domid, 4);
}

#[test]
fn exchanges_of_the_original_s_clients_have_the_original_s_answers() {
    let Some(corpus) = corpus() else { return };
    let host = Host::with(HostConfig { nr_cpus: 4, dom0_memory_mib: 2048, ..HostConfig::default() });
    let daemon = host.daemon();
    fs::create_dir_all(host.places.log_folder()).unwrap();
    fs::write(host.places.log(), "a line\n").unwrap();
    let names = Names::of(&host);
    pv1(&host, &daemon, &names);
    let ours = daemon.call("system.listMethods", &[]).unwrap();
    let ours: Vec<String> = ours.items().iter().filter_map(Sxp::atom).collect();
    let text = fs::read_to_string(corpus.join("wire/xmlrpc-legacy.txt")).unwrap();
    let mut compared = 0;
    for (title, request, answer) in exchanges(&text) {
        let call = xmlrpc::parse_call(request.as_bytes()).unwrap();
        let unknown = answer.contains("MESSAGE_METHOD_UNKNOWN");
        let by_itself = ["system.listMethods", "xend.node.info", "xend.node.dmesg.info"];
        if !unknown && !ours.contains(&call.method) || by_itself.contains(&call.method.as_str()) {
            continue;
        }
        let params: Vec<Sxp> = call.params.iter().map(|param| names.to_ours(param)).collect();
        let given = xmlrpc::write_response(&daemon.call(&call.method, &params));
        let answer = answer.replace("<double>@TIME@</double>", "<string>@TIME@</string>");
        let wanted = xmlrpc::parse_response(answer.as_bytes()).unwrap();
        match (wanted, xmlrpc::parse_response(given.as_bytes()).unwrap()) {
            (Ok(wanted), Ok(given)) => {
                let found = differences("", &wanted, &names.to_theirs(&given), &INVENTED);
                let own = |text: &String| call.method == "xend.domain.getDeviceSxprs" && is_guests_own(text);
                let found: Vec<_> =
                    found.into_iter().filter(|text| !is_domain_0(text) && !own(text)).collect();
                assert!(found.is_empty(), "{title}\n{}", found.join("\n"));
            }
            (Err(wanted), Err(given)) => {
                assert_eq!((wanted.kind, wanted.text), (given.kind, given.text), "{title}");
            }
            (wanted, given) => panic!("{title}\nwanted {wanted:?}\nis {given:?}"),
        }
        compared += 1;
    }
    assert!(compared >= 20, "{compared} exchanges compared");
}

/// What a guest writes into its frontend: numbers of its own choice, and one node that only some guests write.
fn is_guests_own(difference: &str) -> bool {
    ["/event-channel ", "/ring-ref ", "/tx-ring-ref ", "/rx-ring-ref ", "/request-rx-copy "]
        .iter()
        .any(|node| difference.contains(node))
}

/// Domain 0, the first of a list, is another one here: its vcpus are not tied to processors one by one.
fn is_domain_0(difference: &str) -> bool {
    difference.starts_with("/domain 1/")
        && ["cpus", "maxmem", "online_vcpus", "description", "image", "features"]
            .iter()
            .any(|key| difference.starts_with(&format!("/domain 1/{key}")))
}

#[test]
fn the_keys_of_node_info_come_in_the_original_s_order() {
    let Some(corpus) = corpus() else { return };
    let host = Host::new();
    let daemon = host.daemon();
    let text = fs::read_to_string(corpus.join("wire/xmlrpc-legacy.txt")).unwrap();
    let answer = exchanges(&text).into_iter().find(|(title, ..)| title == "xend.node.info()").unwrap().2;
    let wanted = xmlrpc::parse_response(answer.as_bytes()).unwrap().unwrap();
    let ours = daemon.call("xend.node.info", &[]).unwrap();
    let keys =
        |tree: &Sxp| tree.items().iter().map(|pair| pair.name().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(&ours), keys(&wanted));
    let kinds = |tree: &Sxp| {
        let kind = |pair: &Sxp| std::mem::discriminant(&pair.items()[1]);
        tree.items().iter().map(kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&ours), kinds(&wanted), "numbers are numbers");
}

#[test]
fn every_method_of_ours_is_one_of_the_original_s_but_for_those_it_could_not_have() {
    let Some(corpus) = corpus() else { return };
    let text = fs::read_to_string(corpus.join("wire/xmlrpc-legacy.txt")).unwrap();
    let answer = exchanges(&text).remove(0).2;
    let theirs = xmlrpc::parse_response(answer.as_bytes()).unwrap().unwrap();
    let host = Host::new();
    let ours = host.daemon().call("system.listMethods", &[]).unwrap();
    let own: Vec<_> = ours.items().iter().filter(|name| !theirs.items().contains(name)).collect();
    assert_eq!(own, [&Sxp::from("xend.domain.console_tty")]);
}

#[test]
fn example_files_end_in_the_original_s_trees() {
    let Some(corpus) = corpus() else { return };
    let mut compared = Vec::new();
    for entry in fs::read_dir(corpus.join("expected")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(stem) = name.strip_suffix(".create-long") else { continue };
        let sent = fs::read_to_string(path.with_file_name(format!("{stem}.sxp"))).unwrap();
        if compare_example(stem, &sent, &fs::read_to_string(&path).unwrap()) {
            compared.push(stem.to_owned());
        }
    }
    assert!(compared.iter().any(|stem| stem == "xen4.2__xmexample1"), "{compared:?}");
    println!("{} compared: {compared:?}", compared.len());
}

/// Answers `false` for a configuration that this version refuses by name.
fn compare_example(stem: &str, sent: &str, shown: &str) -> bool {
    let at = sent.find("(vm").unwrap();
    let sent = tree(&sent[at..]);
    let image = sent.value("image").unwrap();
    if image.name() != Some("linux") {
        return false;
    }
    let host = Host::new();
    let daemon = host.daemon();
    let mut names = Names::of(&host);
    for (key, file) in [("kernel", "vmlinuz"), ("ramdisk", "initrd.img")] {
        if let Some(path) = image.value(key).and_then(Sxp::text) {
            names.add(path, &host.folder().path().join(file).display().to_string());
        }
    }
    let name = sent.value("name").and_then(Sxp::atom).unwrap();
    if let Err(fault) = daemon.call("xend.domain.create", &[names.to_ours(&sent)]) {
        let because = fault.because.join(" ");
        assert!(format!("{} {because}", fault.text).contains("not there yet"), "{stem}: {fault:?}");
        return false;
    }
    daemon.ask("xend.domain.unpause", &name).unwrap();
    let ours = eventually("it runs", || {
        daemon.tree(&name).filter(|tree| tree.value("online_vcpus") == tree.value("vcpus"))
    });
    // Printed and read again: in a file every atom is a text.
    let ours = tree(&names.to_theirs(&ours).to_string());
    let wanted = tree(shown);
    let found = differences("", &wanted, &ours, &INVENTED);
    assert!(found.is_empty(), "{stem}\n{}", found.join("\n"));
    true
}

#[test]
fn a_method_that_is_not_there_yet_is_a_fault_and_an_unknown_one_a_struct() {
    let host = Host::new();
    let daemon = host.daemon();
    let fault = daemon.call("xend.domain.save", &[]).unwrap_err();
    assert!(fault.text.contains("xend.domain.save is not there yet"), "{fault:?}");
    let answer = daemon.call("xend.vnets", &[]).unwrap();
    assert!(matches!(answer, Sxp::Struct(_)), "{answer:?}");
    let fault = daemon.call("xend.domain.pause", &[]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Internal);
}

/// Serves a daemon's socket.
fn serve(host: &Host, daemon: &Daemon) -> PathBuf {
    let socket = host.places.xmlrpc_socket();
    let (api, path) = (daemon.api.clone(), socket.clone());
    let (ready, told) = std::sync::mpsc::channel();
    daemon.spawn(async move { xend::api::serve(api, &path, || ready.send(()).unwrap()).await.unwrap() });
    told.recv_timeout(harness::LIMIT).unwrap();
    socket
}

#[test]
fn a_client_speaks_to_the_daemon_through_its_socket() {
    let host = Host::new();
    let daemon = host.daemon();
    let socket = serve(&host, &daemon);
    let client = Client::new(&format!("httpu://{}", socket.display())).unwrap();
    let config = host.config("vm1").with("(description 'a <b> & \"c\"')").tree();
    host.block_on(async {
        client.call("xend.domain.create", [config]).await.unwrap();
        let told = client.call("xend.domain", [Sxp::from("vm1"), Sxp::Int(1)]).await.unwrap();
        assert_eq!(told.value("description"), Some(&Sxp::from("a <b> & \"c\"")));
        let fault = client.call("xend.domain.destroy", [Sxp::from("nosuch")]).await.unwrap_err();
        assert_eq!(fault.fault().unwrap().kind, FaultKind::NoDomain);
        let params = [host.config("vm1").kernel("/no/kernel").tree()];
        let fault = client.call("xend.domain.create", params).await.unwrap_err();
        assert!(fault.fault().unwrap().hint.is_some(), "reasons and hints cross the wire: {fault:?}");
    });
}

/// What the socket answers to raw bytes.
fn raw(socket: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(harness::LIMIT)).unwrap();
    // The daemon may have enough before it has read all.
    let _cut_off = stream.write_all(request);
    let mut answer = Vec::new();
    let _end = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /RPC2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn whatever_is_sent_to_the_socket_the_daemon_lives_on() {
    let host = Host::new();
    let daemon = host.daemon();
    let socket = serve(&host, &daemon);
    let deep = "<array><data><value>".repeat(100_000);
    let deep = format!("<methodCall><methodName>xend.domain</methodName><params><param><value>{deep}");
    let bodies: [&[u8]; 7] = [
        b"",
        b"nonsense",
        b"<methodCall>",
        b"\xff\xfe\x00\x00",
        b"<methodCall><methodName>xend.domain</methodName><params><param><value><int>9999999999999999999</int></value></param></params></methodCall>",
        b"<!DOCTYPE x [<!ENTITY a \"b\">]><methodCall><methodName>&a;</methodName></methodCall>",
        deep.as_bytes(),
    ];
    for body in bodies {
        let answer = raw(&socket, &post(body));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("<name>faultCode</name>"), "{answer}");
    }
    let get = raw(&socket, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(get.starts_with("HTTP/1.1 405 "), "{get}");
    let large = raw(&socket, &post(&vec![b' '; xmlrpc::MAX_BYTES + 1]));
    assert!(large.starts_with("HTTP/1.1 413 "), "{large}");
    raw(&socket, &[0; 100_000]);
    let call = b"<?xml version='1.0'?><methodCall><methodName>xend.domains</methodName></methodCall>";
    assert!(raw(&socket, &post(call)).contains("Domain-0"));
}

#[test]
fn a_client_that_goes_away_does_not_stop_what_it_began() {
    let host = Host::new();
    let daemon = host.daemon();
    let socket = serve(&host, &daemon);
    let config = host.config("vm1").disk(&host.disk("a.img"), "xvda").tree();
    let body = xmlrpc::write_call("xend.domain.create", &[config]).unwrap();
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(&post(body.as_bytes())).unwrap();
    let begun = || fs::read_dir(host.places.records()).unwrap().next();
    eventually("the domain is begun", begun).unwrap();
    drop(stream);
    let made = eventually("the domain is made", || {
        daemon.tree("vm1").filter(|tree| tree.child("store_mfn").is_some())
    });
    assert_eq!(sxp::parse(&made.to_string()).unwrap().len(), 1);
    daemon.ask("xend.domain.waitForDevices", "vm1").unwrap();
}
