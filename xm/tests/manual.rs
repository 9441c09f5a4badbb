//! The manual pages know every command and every variable, and their example works.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod fake;

use std::fs;
use std::path::Path;

use xm::domfile::variables;
use xm::table::COMMANDS;

/// A page as plain text: without the font changes and escapes of roff.
fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/man").join(name);
    let text = fs::read_to_string(path).unwrap();
    text.replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fP", "").replace("\\fR", "")
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).collect()
}

#[test]
fn xm_1_names_every_command() {
    let page = page("xm.1");
    let words = words(&page);
    let missing: Vec<_> =
        COMMANDS.iter().map(|command| command.name).filter(|name| !words.contains(name)).collect();
    assert!(missing.is_empty(), "xm.1 lacks {missing:?}");
}

#[test]
fn what_xm_1_calls_not_there_is_not_there() {
    let page = page("xm.1");
    let later = page.split(".SH NOT THERE YET").nth(1).unwrap().split(".SH ").next().unwrap();
    let later = words(later.split(".PP").nth(1).unwrap());
    let folder = fake::Folder::new();
    for command in COMMANDS {
        let ran = fake::ran(fake::command(folder.path(), &[command.name, "a", "b", "c", "d"]));
        let there = !ran.err.contains("is not there yet");
        assert_eq!(there, !later.contains(&command.name), "{}: {}", command.name, ran.err);
    }
}

#[test]
fn xmdomain_cfg_5_has_an_entry_for_every_variable() {
    let page = page("xmdomain.cfg.5");
    for variable in variables::all() {
        let entry = format!("\n.TP\n.B {}\n", variable.name);
        assert_eq!(page.matches(&entry).count(), 1, "{}", variable.name);
    }
}

#[test]
fn the_example_of_xmdomain_cfg_5_makes_a_domain() {
    let page = page("xmdomain.cfg.5");
    let example = page.split(".SH EXAMPLE\n.nf\n").nth(1).unwrap().split("\n.fi").next().unwrap();
    let folder = fake::Folder::new();
    folder.write("a.cfg", example);
    let args = ["create", "-nq", "a.cfg", "kernel=/bin/sh", "ramdisk=/bin/sh"];
    let ran = fake::ran(fake::command(folder.path(), &args));
    assert_eq!((ran.err.as_str(), ran.status), ("", 0));
    assert!(
        ran.out.contains("(device (vbd (uname phy:/dev/vg0/debian1-disk) (dev hda1) (mode w)))"),
        "{}",
        ran.out
    );
}
