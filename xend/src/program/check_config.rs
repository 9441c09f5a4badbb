//! `xend check-config [FILE]`: everything that there is to say about a settings file and the files beside it, at once.
//!
//! ```text
//!   FILE:LINE:COLUMN: fault: what was seen, what was wanted
//!     try: what to do
//! ```

use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    log::one_line,
    settings_file::{self, FileError},
};
use crate::settings::{Finding, Findings, Permissive, Places, Quirks, Reading, Wanted, Weight};

/// The files about PCI devices, which lie beside the settings.
const QUIRKS: &str = "xend-pci-quirks.sxp";
const PERMISSIVE: &str = "xend-pci-permissive.sxp";

/// Checks a file, or the one that counts. Ends with 0 when there is no fault.
pub(super) fn main(words: &[String], places: &Places) -> ExitCode {
    let (path, named) = match words {
        [] => (settings_file::path(places), false),
        [file] => (PathBuf::from(file), true),
        _ => {
            eprintln!("xend: check-config takes one file");
            return ExitCode::from(1);
        }
    };
    let mut report = Report::default();
    match settings_file::read(&path) {
        Ok(text) => report.add(&path, &judge(&text, places)),
        Err(error @ FileError::Missing { .. }) if !named => {
            report.say(&path, &format!(" warning: {error}; all options are at their defaults"), None);
        }
        Err(error) => report.fail(&path, &error),
    }
    for name in [QUIRKS, PERMISSIVE] {
        let beside = path.with_file_name(name);
        match settings_file::read(&beside) {
            Ok(text) => report.add(&beside, &judge_pci(name, &text)),
            Err(FileError::Missing { .. }) => {}
            Err(error) => report.fail(&beside, &error),
        }
    }
    // Nobody may be reading any more.
    let _ = std::io::stdout().write_all(report.text.as_bytes());
    ExitCode::from(u8::from(report.faults > 0))
}

/// What the settings' own text says, and whether what it names is there.
fn judge(text: &[u8], places: &Places) -> Findings {
    let Reading { settings, mut findings, given } = Reading::of(text);
    for (option, wanted) in settings.wanted() {
        let (path, there) = match wanted {
            Wanted::File(path) => (path, places.inside(path).is_file()),
            Wanted::Folder(path) => (path, places.inside(path).is_dir()),
        };
        if there {
            continue;
        }
        // In the original's words, which call a file a directory.
        let text = format!("invalid xend config {option}: directory '{}' does not exist", path.display());
        let place = given.get(option).or_else(|| given.get("vnc-tls")).copied();
        findings.push(Finding::new(Weight::Fault, place, text).about(option).hint("make it or name another"));
    }
    let vif_script = settings.vif_script.split(' ').next().unwrap_or_default();
    let network_script = settings.network_script.as_ref().and_then(|words| words.first());
    let scripts = [("vif-script", Some(vif_script)), ("network-script", network_script.map(String::as_str))];
    for (option, script) in scripts {
        let Some(script) = script.filter(|script| places.find_script(script).is_none()) else { continue };
        // Of a default nobody is told.
        let Some(place) = given.get(option) else { continue };
        let folders = places.script_folders().map(|folder| folder.display().to_string()).join(", ");
        let finding =
            Finding::new(Weight::Warning, Some(*place), format!("the script {script} is not there"));
        findings
            .push(finding.about(option).hint(format!("a name without a slash is looked for in {folders}")));
    }
    findings.sort();
    findings
}

fn judge_pci(name: &str, text: &[u8]) -> Findings {
    let (mut findings, nothing) = if name == QUIRKS {
        let read = Quirks::read(text);
        (read.findings, read.quirks.is_empty())
    } else {
        let read = Permissive::read(text);
        (read.findings, read.ids.is_empty())
    };
    if !nothing {
        let text = "it has no effect yet: PCI devices cannot be passed through yet";
        findings.push(Finding::new(Weight::NoEffect, None, text));
    }
    findings
}

/// What is printed, and how often something is wrong.
#[derive(Default)]
struct Report {
    text: String,
    faults: usize,
}

impl Report {
    fn add(&mut self, path: &Path, findings: &Findings) {
        let (mut faults, mut warnings) = (0, 0);
        for finding in findings.iter() {
            let (count, word) =
                if finding.is_fault() { (&mut faults, "fault") } else { (&mut warnings, "warning") };
            *count += 1;
            let place = finding.place.map(|place| format!("{}:{}:", place.line, place.column));
            let line = format!("{} {word}: {}", place.unwrap_or_default(), finding.text);
            self.say(path, &line, finding.hint.as_deref());
        }
        if findings.omitted() > 0 {
            self.say(path, &format!(" and {} more", findings.omitted()), None);
        }
        let sum = format!(" {}, {}", counted(faults, "fault"), counted(warnings, "warning"));
        self.say(path, &sum, None);
        self.faults += faults;
    }

    fn fail(&mut self, path: &Path, error: &FileError) {
        let because = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        self.say(path, &format!(" fault: {error}{}", because.unwrap_or_default()), None);
        self.faults += 1;
    }

    fn say(&mut self, path: &Path, line: &str, hint: Option<&str>) {
        let _ = writeln!(self.text, "{}:{}", path.display(), one_line(line));
        if let Some(hint) = hint {
            let _ = writeln!(self.text, "  try: {}", one_line(hint));
        }
    }
}

fn counted(count: usize, word: &str) -> String {
    match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}
