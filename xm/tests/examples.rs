//! The examples that are shipped: each becomes the SXP that stands in `tests/expected`, together they show every kind of
//! device, and none has anything that `xm create --lint` finds odd.
//!
//! After a change that is meant, `XM_BLESS=1 cargo test -p xm --test examples` writes the expectations anew; read them.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod fake;

use std::fs;
use std::path::{Path, PathBuf};

use xend_api::sxp;
use xm::domfile::convert::{self, ScsiUnit, Surroundings};
use xm::domfile::world::Imagined;
use xm::domfile::{self, Scope, Settings, Source, Value};

const CLASSES: [&str; 13] =
    ["vbd", "tap", "tap2", "vif", "vif2", "vkbd", "vfb", "pci", "vscsi", "vusb", "ioports", "irq", "vtpm"];

fn examples() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config-examples");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "cfg"));
    let mut found: Vec<_> =
        paths.map(|path| (path.clone(), path.file_stem().unwrap().to_string_lossy().into_owned())).collect();
    found.sort();
    assert!(found.len() >= 15, "only {} examples", found.len());
    found
}

/// A host that has everything: every file, two functions in each PCI slot, two SCSI disks.
fn host() -> Surroundings {
    Surroundings {
        current_dir: "/here".into(),
        display: None,
        xauthority: "/home/.Xauthority".to_owned(),
        console: false,
        exists: |_| true,
        real_path: |path| Some(path.to_owned()),
        pci_functions: |_| vec![0, 1],
        scsi_units: || {
            [("2:0:0:0", "sdb"), ("3:0:5:0", "sdc")]
                .map(|(address, name)| ScsiUnit {
                    address: address.to_owned(),
                    names: vec![name.to_owned()],
                    id: None,
                })
                .to_vec()
        },
    }
}

fn converted(path: &Path) -> String {
    let mut scope = Scope::default();
    scope.set("xm_file", Value::text("a.cfg"));
    let source = Source::new(&path.to_string_lossy(), &fs::read(path).unwrap());
    domfile::run(&source, &mut scope, &mut Imagined::default()).unwrap_or_else(|error| panic!("{error}"));
    let mut settings = Settings::new();
    assert_eq!(settings.absorb(&scope).unwrap(), [], "{}", path.display());
    let domain = convert::domain(&settings, &host());
    format!("{}\n", domain.unwrap_or_else(|found| panic!("{}: {found:?}", path.display())).sxp.to_pretty(80))
}

#[test]
fn every_example_becomes_the_sxp_that_is_expected() {
    for (path, name) in examples() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/expected/{name}.sxp"));
        let found = converted(&path);
        if std::env::var_os("XM_BLESS").is_some() {
            fs::write(&file, &found).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(found, expected, "{name}: {} is not met", file.display());
        let read = sxp::parse_one(&found).unwrap();
        assert_eq!(format!("{}\n", read.to_pretty(80)), found, "{name} cannot be read back");
    }
}

#[test]
fn together_the_examples_show_every_kind_of_device() {
    let all: String = examples().iter().map(|(path, _)| converted(path)).collect();
    let flat = all.split_whitespace().collect::<Vec<_>>().join(" ");
    for class in CLASSES {
        let shown = ["", " "].iter().any(|gap| flat.contains(&format!("(device{} ({class}", gap)));
        assert!(shown || flat.contains(&format!("({class})")), "no example has a {class}");
    }
}

#[test]
fn an_example_names_only_variables_that_there_are_and_repeats_nothing() {
    let folder = fake::Folder::new();
    let paths: Vec<String> = examples().iter().map(|(path, _)| path.to_string_lossy().into_owned()).collect();
    let mut args = vec!["create", "--lint", "--json"];
    args.extend(paths.iter().map(String::as_str));
    let ran = fake::ran(fake::command(folder.path(), &args));
    assert_eq!(ran.err, "");
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    for finding in report["findings"].as_array().unwrap() {
        // This host has no kernels, disks and devices for guests, and the daemon cannot do everything yet.
        let code = finding["code"].as_str().unwrap();
        let absent = matches!(code, "missing-file" | "refused")
            || code == "disk-source" && finding["message"].as_str().unwrap().contains("no script")
            || code == "invalid"
                && finding["message"].as_str().unwrap().to_lowercase().contains("cannot find");
        assert!(absent, "{finding}");
    }
}
