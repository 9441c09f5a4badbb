//! `xm create --lint FILE…`: what is wrong with domain files, found without a daemon and without creating anything.
//!
//! ```text
//!   file (runs and converts one) -> values, vifs, disks, refused (its variables) -> doubles (all files together) -> print
//! ```
//!
//! A finding is one line `FILE:LINE:COLUMN: MESSAGE`, then what to do about it. With `--json` it is an object; the shape
//! is described in xm(1) and has a version.

mod disks;
mod doubles;
mod file;
mod nearest;
mod refused;
mod values;
mod vifs;

use serde_json::{Value, json};

use super::load::DEFAULT_FILE;
use super::options::Request;
use crate::domfile::source::Place;
use crate::report::Failure;
use crate::screen::{Screen, harmless};

/// Version of the shape of the JSON.
const JSON_VERSION: u32 = 1;

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Note {
    file: String,
    /// Where; nothing for what the file does not say or the command line says.
    place: Option<Place>,
    /// A word for programs.
    code: &'static str,
    message: String,
    hint: Option<String>,
}

pub(super) fn lint(screen: &mut Screen, request: &Request) -> Result<(), Failure> {
    if request.sxp_file.is_some() {
        return Err(Failure::option("option --config cannot be checked by --lint"));
    }
    let mut files: Vec<&str> = Vec::new();
    for file in &request.files {
        if !files.contains(&file.as_str()) {
            files.push(file);
        }
    }
    if files.is_empty() {
        files.push(DEFAULT_FILE);
    }
    let mut checked: Vec<file::Checked> = files.into_iter().map(|name| file::check(name, request)).collect();
    doubles::check(&mut checked);
    checked.iter_mut().for_each(tidy);
    let notes: Vec<&Note> = checked.iter().flat_map(|one| &one.notes).collect();
    if request.json {
        let files: Vec<&str> = checked.iter().map(|one| one.path.as_str()).collect();
        let findings: Vec<Value> = notes.iter().map(|note| note.to_json()).collect();
        let whole = json!({ "version": JSON_VERSION, "files": files, "findings": findings });
        screen.line(&whole.to_string());
    } else {
        notes.iter().for_each(|note| screen.out(&note.to_text()));
    }
    if notes.is_empty() { Ok(()) } else { Err(Failure::silent(1)) }
}

/// Puts the notes of a file in the order of its lines; of very many the rest is only counted.
fn tidy(checked: &mut file::Checked) {
    let file::Checked { path, notes, left_out, .. } = checked;
    notes.sort_by_key(|note| note.place.map(|place| (place.line, place.column)));
    let left_out = *left_out + notes.len().saturating_sub(file::MOST_NOTES);
    notes.truncate(file::MOST_NOTES);
    if left_out > 0 {
        let message = format!("at least {left_out} more findings are not shown");
        notes.push(Note { file: path.clone(), place: None, code: "more", message, hint: None });
    }
}

impl Note {
    fn to_text(&self) -> String {
        let Self { file, place, message, hint, .. } = self;
        let place = place.map_or_else(String::new, |place| format!("{place}:"));
        let hint = hint.as_ref().map_or_else(String::new, |hint| format!("\n  try: {}", one_line(hint)));
        format!("{}:{place} {}{hint}\n", one_line(file), one_line(message))
    }

    fn to_json(&self) -> Value {
        let Self { file, place, code, message, hint } = self;
        let line = place.map(|place| place.line);
        let column = place.map(|place| place.column);
        json!({ "file": file, "line": line, "column": column, "code": code, "message": message, "hint": hint })
    }
}

/// Text from a file on one line, and unable to steer a terminal.
fn one_line(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
}
