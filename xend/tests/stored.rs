//! What the original showed of each example after `xm new`, held against what we show: at once, and again when the next
//! daemon has read it from the disk.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use std::{fs, path::Path};

use harness::{Daemon, Host, corpus, differences, tree};
use xend_api::Sxp;

/// Examples that differ, with the reason.
const PINNED: [(&str, &str); 0] = [];

struct Example {
    stem: String,
    sent: Sxp,
    shown: Sxp,
    row: Vec<String>,
}

/// All of them; two may have the same name or UUID.
fn examples(corpus: &Path) -> Vec<Example> {
    let folder = corpus.join("expected");
    let mut examples = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(stem) = file.strip_suffix(".new-long") else { continue };
        let text = |end: &str| fs::read_to_string(folder.join(format!("{stem}.{end}"))).unwrap();
        let sent = text("sxp");
        examples.push(Example {
            stem: stem.to_owned(),
            sent: tree(&sent[sent.find("(vm").unwrap()..]),
            shown: tree(&text("new-long")),
            row: text("new-list").lines().nth(1).unwrap().split_whitespace().map(str::to_owned).collect(),
        });
    }
    examples.sort_by(|a, b| a.stem.cmp(&b.stem));
    examples
}

fn name(tree: &Sxp) -> String {
    tree.value("name").and_then(Sxp::atom).unwrap()
}

/// Members in any order; and the devices of a class in theirs, which `differences` numbers.
fn compare(daemon: &Daemon, example: &Example, when: &str) -> Vec<String> {
    let shown = daemon.tree(&name(&example.sent)).unwrap();
    let shown = tree(&shown.to_pretty(80));
    let found = differences("", &example.shown, &shown, &[]);
    found.into_iter().map(|text| format!("{} ({when}): {text}", example.stem)).collect()
}

fn row(daemon: &Daemon, name: &str) -> Vec<String> {
    let params = [Sxp::from("rows"), Sxp::from("halted"), Sxp::Int(0)];
    let rows = daemon.call("xend.domains_with_state", &params).unwrap();
    let row = rows.items().iter().find(|row| row.items()[1].text() == Some(name)).unwrap();
    let cells = [1, 3, 4, 6].map(|at| row.items()[at].atom().unwrap());
    assert_eq!((&row.items()[2], row.items()[5].text()), (&Sxp::Nil, Some("")), "{row}");
    cells.to_vec()
}

#[test]
fn every_example_is_defined_and_shown_as_the_original_did() {
    let Some(corpus) = corpus() else { return };
    let examples = examples(&corpus);
    assert_eq!(examples.len(), 55);
    let host = Host::new();
    let mut differing = Vec::new();
    for example in &examples {
        let daemon = host.daemon();
        let name = name(&example.sent);
        let defined = daemon.call("xend.domain.new", std::slice::from_ref(&example.sent));
        assert_eq!(defined, Ok(Sxp::Nil), "{}", example.stem);
        let mut found = compare(&daemon, example, "defined");
        assert_eq!(row(&daemon, &name), example.row, "{}", example.stem);
        daemon.kill();
        let daemon = host.daemon();
        found.extend(compare(&daemon, example, "read again"));
        if PINNED.iter().any(|(stem, _)| *stem == example.stem) {
            assert!(!found.is_empty(), "{} agrees now: unpin it", example.stem);
        } else {
            differing.extend(found);
        }
        daemon.ask("xend.domain.delete", &name).unwrap();
        daemon.kill();
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    println!("{} compared, {} pinned", examples.len(), PINNED.len());
}
