//! One file: it is found, run and converted as `xm create` does it, but goes on after a fault where it can.

use std::path::PathBuf;

use super::super::host::Host;
use super::super::load;
use super::super::options::Request;
use super::super::surroundings::surroundings;
use super::{Note, disks, refused, values, vifs};
use crate::domfile::convert::{self, Finding};
use crate::domfile::source::Place;
use crate::domfile::{FileError, Ignored, Places, Scope, Settings, variables};

/// Names that old files set and that never mattered to this `xm`.
const TOLERATED: [&str; 8] =
    ["cdrom", "ne2000", "memmap", "audio", "ssidref", "usbport", "acm_ssidref", "vncviewer"];

/// Names that `xl` reads and `xm` does not, and what `xm` has instead.
const OF_XL: [(&str, &str); 14] = [
    ("type", "xm has builder = 'hvm'"),
    ("cmdline", "xm has root and extra"),
    ("bootloader_args", "xm has bootargs"),
    ("firmware", "xm has loader"),
    ("firmware_override", "xm has loader"),
    ("device_model_override", "xm has device_model"),
    ("device_model_version", "xm has device_model"),
    ("device_model_args", ""),
    ("seclabel", "xm has access_control"),
    ("vga", "xm has stdvga"),
    ("spice", ""),
    ("usbctrl", "xm has vusb"),
    ("channel", ""),
    ("vnuma", ""),
];

/// Notes about one file beyond which the rest is only counted.
pub(super) const MOST_NOTES: usize = 100;

/// What was found in a file.
#[derive(Debug)]
pub(super) struct Checked {
    /// As it was opened, else as typed.
    pub(super) path: String,
    pub(super) notes: Vec<Note>,
    /// How many more there would be.
    pub(super) left_out: usize,
    /// What the domain wants for itself.
    pub(super) claims: Vec<Claim>,
}

/// A thing that two domains may not both have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The domain's name.
    Name,
    /// Its UUID.
    Uuid,
    /// The address of an interface.
    Mac,
    /// What a disk is made of.
    Disk,
}

/// What a domain wants for itself.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) kind: Kind,
    /// In a form that is equal for equal things.
    pub(super) thing: String,
    /// As it is written.
    pub(super) shown: String,
    pub(super) place: Option<Place>,
    /// Does it exclude others that only read?
    pub(super) exclusive: bool,
}

/// A file's variables and the notes about them.
pub(super) struct Context<'a> {
    path: &'a str,
    places: &'a Places,
    pub(super) settings: &'a Settings,
    pub(super) exists: fn(&std::path::Path) -> bool,
    pub(super) real_path: fn(&std::path::Path) -> Option<PathBuf>,
    notes: Vec<Note>,
    /// How many notes are not among them.
    left_out: usize,
    claims: Vec<Claim>,
}

/// A variable, or an entry of one.
pub(super) type Subject = (&'static str, Option<usize>);

impl Context<'_> {
    /// Notes something about a variable.
    pub(super) fn note(
        &mut self,
        code: &'static str,
        subject: Subject,
        message: String,
        hint: Option<String>,
    ) {
        self.note_at(code, self.place(subject), message, hint);
    }

    /// Notes something about a place of the file.
    fn note_at(&mut self, code: &'static str, place: Option<Place>, message: String, hint: Option<String>) {
        if self.notes.len() < MOST_NOTES {
            self.notes.push(Note { file: self.path.to_owned(), place, code, message, hint });
        } else {
            self.left_out += 1;
        }
    }

    /// Notes what the domain wants for itself.
    pub(super) fn claim(
        &mut self,
        kind: Kind,
        subject: Subject,
        (thing, shown): (String, &str),
        exclusive: bool,
    ) {
        let place = self.place(subject);
        self.claims.push(Claim { kind, thing, shown: shown.to_owned(), place, exclusive });
    }

    /// The strings of a list variable with their numbers.
    pub(super) fn entries(&self, variable: &str) -> Vec<(usize, String)> {
        let items = self.settings.get(variable).items().iter().enumerate();
        items.filter_map(|(at, item)| Some((at, item.text()?.to_owned()))).collect()
    }

    fn place(&self, (variable, entry): Subject) -> Option<Place> {
        if self.settings.is_specified(variable) {
            return None;
        }
        match entry {
            Some(at) => {
                let text = self.settings.get(variable).items().get(at).and_then(xend_api::Sxp::text);
                self.places.entry(variable, at, text)
            }
            None => self.places.variable(variable),
        }
    }
}

/// Checks one file.
pub(super) fn check(name: &str, request: &Request) -> Checked {
    let only = |path: &str, place, code, message: String, hint: Option<String>| {
        let note = Note { file: path.to_owned(), place, code, message, hint };
        Checked { path: path.to_owned(), notes: vec![note], left_out: 0, claims: Vec::new() }
    };
    let Some(path) = load::find(name, &request.path) else {
        let failure = load::not_found(name, &request.path);
        return only(name, None, "file", "there is no such domain file".to_owned(), failure.hint);
    };
    let source = match load::read(&path) {
        Ok(source) => source,
        Err(failure) => {
            let text = failure.text.unwrap_or_default();
            let text = text.strip_prefix("Error: ").unwrap_or(&text).to_owned();
            return only(&path, None, "file", text, failure.hint);
        }
    };
    let scope = match load::run(&source, &request.strings, &mut Host::silent()) {
        Ok(scope) => scope,
        Err(error) => return stopped(path, error),
    };
    let places = Places::of(&source);
    let mut settings = request.settings.clone();
    let ignored = match settings.absorb(&scope) {
        Ok(ignored) => ignored,
        Err(error) => return only(&path, None, "type", error.to_string(), Some(error.hint())),
    };
    load::default_name(&mut settings, name);
    let around = surroundings(false);
    let mut context = Context {
        path: &path,
        places: &places,
        settings: &settings,
        exists: around.exists,
        real_path: around.real_path,
        notes: Vec::new(),
        left_out: 0,
        claims: Vec::new(),
    };
    unknown_names(&mut context, &scope, request);
    without_effect(&mut context, &ignored);
    if let Err(findings) = convert::domain(&settings, &around) {
        findings.into_iter().for_each(|finding| conversion(&mut context, finding));
    }
    values::check(&mut context);
    vifs::check(&mut context);
    disks::check(&mut context);
    refused::check(&mut context);
    let Context { notes, left_out, claims, .. } = context;
    Checked { path, notes, left_out, claims }
}

/// A file that could not be run to its end: what the language has against it, all of it at once.
fn stopped(path: String, error: FileError) -> Checked {
    let all = std::iter::once(*error.first).chain(error.more).map(|shown| Note {
        file: path.clone(),
        place: Some(shown.fault.place),
        code: "language",
        message: if error.exit.is_some() { "the file ends itself here".to_owned() } else { shown.fault.what },
        hint: None,
    });
    let notes = all.collect();
    Checked { path, notes, left_out: 0, claims: Vec::new() }
}

fn unknown_names(context: &mut Context<'_>, scope: &Scope, request: &Request) {
    let given = |name: &str| request.strings.iter().any(|(string, _)| string == name);
    let mut unknown: Vec<(&str, Place)> = context.places.results().collect();
    unknown.retain(|(name, _)| {
        !variables::is_used(name) && !TOLERATED.contains(name) && !given(name) && !name.starts_with('_')
    });
    // A name that the file removed again, or never came to, is not there.
    unknown.retain(|(name, _)| scope.get(name).is_some());
    unknown.sort_by_key(|(_, place)| (place.line, place.column));
    context.left_out += unknown.len().saturating_sub(MOST_NOTES);
    for (name, place) in unknown.into_iter().take(MOST_NOTES) {
        let of_xl = OF_XL.iter().find(|(known, _)| *known == name);
        let near = super::nearest::nearest(name, variables::names());
        let hint = match (of_xl, near) {
            (Some((_, "")), _) => "it is a variable of xl; xm has nothing of the kind".to_owned(),
            (Some((_, instead)), _) => format!("it is a variable of xl; {instead}"),
            (None, Some(near)) => format!("did you mean {near}?"),
            (None, None) => "remove it; xmdomain.cfg(5) lists the variables".to_owned(),
        };
        let message = format!("{name} is not a variable of domain files, and nothing in this file reads it");
        context.note_at("unknown-variable", Some(place), message, Some(hint));
    }
}

fn without_effect(context: &mut Context<'_>, ignored: &[Ignored]) {
    for one in ignored {
        let place = context.places.variable(&one.name);
        let Ignored { name, type_name } = one;
        let message = format!("{name} has no effect, because its value is of type {type_name}");
        let hint = Some(format!("write {}", load::instead_of(one)));
        context.note_at("type", place, message, hint);
    }
}

fn conversion(context: &mut Context<'_>, finding: Finding) {
    let Finding { variable, entry, error } = finding;
    context.note("invalid", (variable, entry), error.to_string(), error.hint());
}
