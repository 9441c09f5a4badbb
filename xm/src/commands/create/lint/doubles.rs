//! What two domains cannot both have: names, UUIDs, MAC addresses, and disks that one of them writes.

use std::collections::HashMap;

use super::Note;
use super::file::{Checked, Claim, Kind};
use crate::domfile::source::Place;

/// Notes every second claim of the same thing, beside the first.
pub(super) fn check(checked: &mut [Checked]) {
    let mut seen: HashMap<(Kind, String), Vec<(usize, Claim)>> = HashMap::new();
    let mut found = Vec::new();
    for (file, one) in checked.iter().enumerate() {
        for claim in &one.claims {
            let others = seen.entry((claim.kind, claim.thing.clone())).or_default();
            let clash = others.iter().find(|(other, earlier)| clashes(file, claim, *other, earlier));
            if let Some((other, earlier)) = clash {
                let there = &checked[*other].path;
                found.push((file, note(&one.path, claim, &at(there, earlier.place), earlier)));
            }
            // One that says no more than the last is not kept: a long list of the same would be walked again and again.
            let kept = others
                .last()
                .is_some_and(|(other, last)| *other == file && (last.exclusive || !claim.exclusive));
            if !kept {
                others.push((file, claim.clone()));
            }
        }
    }
    for (file, note) in found {
        checked[file].notes.push(note);
    }
}

fn clashes(file: usize, claim: &Claim, other: usize, earlier: &Claim) -> bool {
    match claim.kind {
        // Twice in one file is a fault of its own, which `disks` tells.
        Kind::Disk => file != other && (claim.exclusive || earlier.exclusive),
        Kind::Name | Kind::Uuid | Kind::Mac => true,
    }
}

fn at(file: &str, place: Option<Place>) -> String {
    place.map_or_else(|| file.to_owned(), |place| format!("{file}:{place}"))
}

fn note(file: &str, claim: &Claim, there: &str, earlier: &Claim) -> Note {
    let thing = &claim.shown;
    let (code, message, hint) = match claim.kind {
        Kind::Name => (
            "double-name",
            format!("the name {thing} is also that of {there}"),
            "give each domain a name of its own",
        ),
        Kind::Uuid => {
            ("double-uuid", format!("the UUID {thing} is also that of {there}"), "remove it: one is made up")
        }
        Kind::Mac => (
            "double-mac",
            format!("the MAC address {thing} is also that of {there}"),
            "change one, or leave mac out",
        ),
        Kind::Disk => {
            let writer = if claim.exclusive { "here" } else { "there" };
            let writer = if claim.exclusive && earlier.exclusive { "by both" } else { writer };
            let message = format!("the disk {thing} is also used by {there}, and is written {writer}");
            ("double-disk", message, "use mode r in both, or w! if the guests can share it")
        }
    };
    let (file, hint) = (file.to_owned(), Some(hint.to_owned()));
    Note { file, place: claim.place, code, message, hint }
}
