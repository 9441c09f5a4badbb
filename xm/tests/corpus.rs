//! The domain files of the corpus, where it is present, against what the original made of them.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod fake;

use std::fs;
use std::path::{Path, PathBuf};

use xm::domfile::convert::{self, Surroundings};
use xm::domfile::world::Imagined;
use xm::domfile::{self, Scope, Settings, Source, Value};

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
    let source = Source::new("a.cfg", &bytes);
    domfile::run(&source, &mut scope, &mut Imagined::default()).map_err(|error| error.to_string())?;
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

/// A file of `expected/`, empty where the original had nothing to say.
fn expected(corpus: &Path, name: &str, kind: &str) -> String {
    fs::read_to_string(corpus.join(format!("expected/{name}.{kind}"))).unwrap_or_default()
}

/// The domain files of the corpus with their names, sorted.
fn domain_files(corpus: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(corpus.join("cfg")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| (path.clone(), path.file_stem().unwrap().to_string_lossy().into_owned()))
        .collect();
    files.sort();
    assert!(files.len() >= 55, "the corpus has only {} files", files.len());
    files
}

/// Status, stdout and stderr in the form of the `.strict` files.
fn told(ran: &fake::Ran) -> String {
    format!("rc={}\n--stdout--\n{}--stderr--\n{}", ran.status, ran.out, ran.err)
}

/// The whole program, on a host that has none of the kernels: what it prints where, and its exit status.
#[test]
fn a_dry_run_on_a_host_without_the_kernels_is_told_as_the_original_told_it() {
    let Some(corpus) = corpus() else { return };
    let mut compared = 0;
    for (cfg, name) in domain_files(&corpus) {
        let cfg = cfg.to_string_lossy().into_owned();
        let folder = fake::Folder::new();
        let here = folder.path().to_string_lossy().into_owned();
        let fill = |text: &str| text.replace("@CFG@", &cfg).replace("@CWD@", &here);
        let strict = expected(&corpus, &name, "strict");
        let wanted = if strict.is_empty() {
            let (out, err) = (expected(&corpus, &name, "sxp"), expected(&corpus, &name, "err"));
            let status = expected(&corpus, &name, "rc");
            let status = if status.trim().is_empty() { "0" } else { status.trim() };
            format!("rc={status}\n--stdout--\n{}--stderr--\n{}", fill(&out), fill(&err))
        } else {
            fill(&strict)
        };
        let missing =
            wanted.split("Error: Cannot find kernel \"").nth(1).and_then(|rest| rest.split('"').next());
        if missing.is_some_and(|kernel| Path::new(kernel).exists()) {
            println!("skipped: this host has the kernel of {name}");
            continue;
        }
        let words = expected(&corpus, &name, "args");
        let mut args = vec!["create", "-n", cfg.as_str()];
        args.extend(words.split_whitespace());
        let ran = fake::ran(fake::command(folder.path(), &args));
        assert_eq!(told(&ran), wanted, "{name}");
        compared += 1;
    }
    assert!(compared > 40, "only {compared} files compared");
}

#[test]
fn domain_files_become_the_sxp_of_the_original_byte_for_byte() {
    let Some(corpus) = corpus() else { return };
    let mut failed = Vec::new();
    let mut reports = String::new();
    for (cfg, name) in domain_files(&corpus) {
        let sxp = expected(&corpus, &name, "sxp");
        let expected_sxp = sxp.split_once('\n').unwrap().1.replace("@CWD@", HERE);
        let words = expected(&corpus, &name, "args");
        let result = converted(&cfg, &words);
        if result.as_ref() != Ok(&expected_sxp) {
            reports +=
                &format!("--- {name}: wanted\n{expected_sxp}--- found\n{}\n", result.unwrap_or_else(|e| e));
            failed.push(name);
        }
    }
    assert_eq!(failed, Vec::<String>::new(), "{reports}");
}
