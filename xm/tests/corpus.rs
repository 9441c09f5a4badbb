//! The domain files of the corpus, where it is present, against what the original made of them.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::fs;
use std::path::{Path, PathBuf};

use xm::domfile::convert::{self, Surroundings};
use xm::domfile::{self, Scope, Settings, Source, Value};

/// Files that need `if`, functions, imports or calls: an issue of its own. A file that begins to pass must leave this
/// list, a file that fails and is not on it is a fault.
const LATER: [&str; 9] = [
    "xen3.3.0-rc7__xmexample.hvm",
    "xen3.3.0-rc7__xmexample.vti",
    "xen3.3.0-rc7__xmexample2",
    "xen3.3.0-rc7__xmexample3",
    "xen4.2__xmexample2",
    "xen4.2__xmexample3",
    "xen4.3__xmexample.vti",
    "xen4.4__xmexample2",
    "xen4.4__xmexample3",
];

const HERE: &str = "/an/empty/folder";

/// The corpus beside the checkout; `None` (and a word about it) where there is none.
fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if folder.join("cfg").is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no corpus at {}", folder.display());
    None
}

fn converted(cfg: &Path, words: &str) -> Result<String, String> {
    let bytes = fs::read(cfg).map_err(|error| error.to_string())?;
    let mut settings = Settings::new();
    let mut scope = Scope::default();
    for word in words.split_whitespace() {
        let (name, value) = word.split_once('=').ok_or("a word without =")?;
        if !settings.specify(name, value).map_err(|error| error.to_string())? {
            scope.set(name, Value::text(value));
        }
    }
    domfile::run(&Source::new("a.cfg", &bytes), &mut scope).map_err(|error| error.to_string())?;
    settings.absorb(&scope).map_err(|error| error.to_string())?;
    if !settings.truthy("name") {
        settings.set("name", cfg.file_name().unwrap().to_string_lossy().into_owned());
    }
    let around = Surroundings {
        current_dir: HERE.into(),
        display: None,
        xauthority: "/home/.Xauthority".to_owned(),
        console: false,
        exists: |_| true,
        real_path: |_| None,
        pci_functions: |_| Vec::new(),
        scsi_units: Vec::new,
    };
    let domain = convert::domain(&settings, &around).map_err(|found| found[0].error.to_string())?;
    Ok(format!("{}\n", domain.sxp.to_pretty(80)))
}

#[test]
fn domain_files_become_the_sxp_of_the_original_byte_for_byte() {
    let Some(corpus) = corpus() else { return };
    let mut failed = Vec::new();
    let mut reports = String::new();
    let mut seen = 0;
    for entry in fs::read_dir(corpus.join("cfg")).unwrap() {
        let cfg = entry.unwrap().path();
        let name = cfg.file_stem().unwrap().to_string_lossy().into_owned();
        let expected = fs::read_to_string(corpus.join(format!("expected/{name}.sxp"))).unwrap();
        let expected = expected.split_once('\n').unwrap().1.replace("@CWD@", HERE);
        let words = fs::read_to_string(corpus.join(format!("expected/{name}.args"))).unwrap_or_default();
        seen += 1;
        let result = converted(&cfg, &words);
        if result.as_ref() != Ok(&expected) {
            if !LATER.contains(&name.as_str()) {
                reports +=
                    &format!("--- {name}: wanted\n{expected}--- found\n{}\n", result.unwrap_or_else(|e| e));
            }
            failed.push(name);
        }
    }
    failed.sort();
    assert!(seen >= 55, "the corpus has only {seen} files");
    assert_eq!(failed, LATER, "{reports}");
}
