//! Where a file sets its variables: found in its tokens, not by running it, so that it also works for files that
//! cannot be run. A variable that is set in several places (in both branches of an `if`) is shown where its text
//! stands, else where it is set last.

use std::collections::{HashMap, HashSet};

use super::lexer::{Token, TokenKind};
use super::source::{Place, Source, text_of};

/// An entry of a list that is written out.
#[derive(Clone, Debug)]
struct Item {
    place: Place,
    /// Its characters, if it is a plain string.
    text: Option<String>,
}

/// All assignments to a variable.
#[derive(Clone, Debug, Default)]
struct Assigned {
    /// The last one, and the places of its entries.
    place: Place,
    entries: Vec<Place>,
    /// Where an entry with this text stands, in whichever assignment.
    by_text: HashMap<String, Place>,
}

/// The places of a file.
#[derive(Clone, Debug, Default)]
pub struct Places {
    assigned: HashMap<String, Assigned>,
    read: HashSet<String>,
}

impl Places {
    /// Those of a file; none if it is not even made of tokens.
    pub fn of(source: &Source) -> Self {
        let mut places = Self::default();
        let tokens = super::lexer::tokens(source.bytes()).0;
        let mut rest = tokens.as_slice();
        while !rest.is_empty() {
            let length = statement_length(rest);
            places.statement(&rest[..length]);
            rest = &rest[length..];
        }
        places
    }

    /// Where a variable is set last.
    pub fn variable(&self, name: &str) -> Option<Place> {
        self.assigned.get(name).map(|assigned| assigned.place)
    }

    /// Where an entry of a list stands, else the list.
    pub fn entry(&self, name: &str, at: usize, text: Option<&str>) -> Option<Place> {
        let assigned = self.assigned.get(name)?;
        let written = text.and_then(|text| assigned.by_text.get(text));
        Some(*written.or_else(|| assigned.entries.get(at)).unwrap_or(&assigned.place))
    }

    /// The names that are set and never read again: what the file says to others.
    pub fn results(&self) -> impl Iterator<Item = (&str, Place)> {
        let results = self.assigned.iter().filter(|(name, _)| !self.read.contains(*name));
        results.map(|(name, assigned)| (name.as_str(), assigned.place))
    }

    fn statement(&mut self, tokens: &[Token]) {
        let mut rest = tokens;
        let mut targets: Vec<(&str, Place)> = Vec::new();
        // `a = b = value`: everything up to the last `=` outside brackets is a target.
        while let Some(equals) = assignment_sign(rest) {
            targets.extend(rest[..equals].iter().filter_map(name_of));
            rest = &rest[equals + 1..];
        }
        let items = items(rest);
        for (name, place) in targets {
            let assigned = self.assigned.entry(name.to_owned()).or_default();
            assigned.place = place;
            assigned.entries = items.iter().map(|item| item.place).collect();
            let texts = items.iter().filter_map(|item| Some((item.text.clone()?, item.place)));
            // The same text twice in one list: the first of them.
            let texts: Vec<_> = texts.collect();
            assigned.by_text.extend(texts.into_iter().rev());
        }
        let reads = rest.iter().filter_map(name_of).map(|(name, _)| name.to_owned());
        self.read.extend(reads);
    }
}

fn name_of(token: &Token) -> Option<(&str, Place)> {
    match &token.kind {
        TokenKind::Name(name) => Some((name, token.place)),
        _ => None,
    }
}

/// 1 for an opening bracket, -1 for a closing one.
fn nesting(token: &Token) -> i32 {
    match token.kind {
        TokenKind::Op("(" | "[" | "{") => 1,
        TokenKind::Op(")" | "]" | "}") => -1,
        _ => 0,
    }
}

/// Up to and with the end of the line, a `;`, or the `:` of an `if`.
fn statement_length(tokens: &[Token]) -> usize {
    let mut depth = 0;
    let ends = |token: &Token| {
        depth += nesting(token);
        let ends_line = matches!(token.kind, TokenKind::Newline | TokenKind::Indent | TokenKind::Dedent);
        depth == 0 && (ends_line || matches!(token.kind, TokenKind::Op(";" | ":")))
    };
    tokens.iter().position(ends).map_or(tokens.len(), |at| at + 1)
}

/// The next `=` or `+=` outside brackets; what stands before it must be nothing but names.
fn assignment_sign(tokens: &[Token]) -> Option<usize> {
    let at = tokens.iter().position(|token| {
        !matches!(token.kind, TokenKind::Name(_) | TokenKind::Op("," | "(" | ")" | "[" | "]"))
    })?;
    matches!(tokens[at].kind, TokenKind::Op("=" | "+=")).then_some(at)
}

/// The entries of a value that is a list and nothing else.
fn items(value: &[Token]) -> Vec<Item> {
    let mut items = Vec::new();
    if !matches!(value.first().map(|token| &token.kind), Some(TokenKind::Op("["))) {
        return items;
    }
    let mut depth = 0;
    let mut at_start = false;
    for (at, token) in value.iter().enumerate() {
        let before = depth;
        depth += nesting(token);
        if at_start && !(before == 1 && depth == 0) {
            let alone = matches!(value.get(at + 1).map(|token| &token.kind), Some(TokenKind::Op("," | "]")));
            let text = match &token.kind {
                TokenKind::Text(value) if alone => Some(text_of(value)),
                _ => None,
            };
            items.push(Item { place: token.place, text });
        }
        at_start = depth == 1 && matches!(token.kind, TokenKind::Op("[" | ","));
        if before == 1 && depth == 0 {
            break;
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "memory = 64; vcpus = 2\n\
        disk = [ 'a',\n  'b' + x, # [\n  f(1, 2), 'c' ]\n\
        if memory > 3:\n    vif = ['one']\nelse:\n    vif = ['two', 'three']\n\
        a = b = 'x'\ncount += 1\nx = '%d' % memory\n";

    fn place(found: Option<Place>) -> String {
        found.map_or_else(|| "-".to_owned(), |place| place.to_string())
    }

    #[test]
    fn variables_and_entries_are_found_where_they_are_written() {
        let places = Places::of(&Source::new("a", FILE.as_bytes()));
        assert_eq!(place(places.variable("vcpus")), "1:14");
        assert_eq!(place(places.variable("b")), "9:5");
        assert_eq!(place(places.variable("count")), "10:1");
        assert_eq!(place(places.variable("none")), "-");
        let entry = |name, at, text| place(places.entry(name, at, text));
        assert_eq!(entry("disk", 0, Some("a")), "2:10");
        assert_eq!(entry("disk", 1, Some("by")), "3:3");
        assert_eq!(entry("disk", 2, None), "4:3");
        assert_eq!(entry("disk", 3, Some("c")), "4:12");
        assert_eq!(entry("disk", 9, None), "2:1");
        // The branch that was taken, though the other one is written later.
        assert_eq!(entry("vif", 0, Some("one")), "6:12");
    }

    #[test]
    fn what_is_read_again_is_no_result() {
        let places = Places::of(&Source::new("a", FILE.as_bytes()));
        let mut names: Vec<&str> = places.results().map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "b", "count", "disk", "vcpus", "vif"]);
    }

    #[test]
    fn files_that_cannot_be_read_have_no_places() {
        for text in ["a = 'x", "= = =\n[", "a = [", "a[0] = 1", "((((", "]]]] = 3", "a = [,]"] {
            let _ = Places::of(&Source::new("a", text.as_bytes())).entry("a", 0, None);
        }
    }
}
