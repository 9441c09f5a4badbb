//! What there is to say about a settings file: how bad it is, where it stands, what is wrong, what to do.

use std::fmt;

use xend_api::sxp::{MAX_DEPTH, Place, Source, Sxp, SxpError};

/// Findings that are kept; a file with more of them is told how many there were.
const MAX_FINDINGS: usize = 200;
/// Characters of a value that a text shows.
const MAX_SHOWN: usize = 60;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The text cannot be parsed here; the daemon does not start with it.
    Broken,
    /// The option cannot mean what it says; it is at its default.
    Fault,
    /// It is read, but perhaps not as it was meant.
    Warning,
    /// An option that this version understands and does not obey yet.
    NoEffect,
}

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// Where; `None` for what the file as a whole is about.
    pub place: Option<Place>,
    /// The option that it is about.
    pub option: Option<&'static str>,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Finding {
    /// Of a place in the file.
    pub fn new(weight: Weight, place: Option<Place>, text: impl Into<String>) -> Self {
        Self { weight, place, option: None, text: text.into(), hint: None }
    }

    /// The same, about an option.
    pub fn about(mut self, option: &'static str) -> Self {
        self.option = Some(option);
        self
    }

    /// The same with what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether it is more than a warning.
    pub fn is_fault(&self) -> bool {
        matches!(self.weight, Weight::Broken | Weight::Fault)
    }
}

impl fmt::Display for Finding {
    /// `LINE:COLUMN: TEXT`, to stand behind a file's name and a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(Place { line, column }) => write!(f, "{line}:{column}: {}", self.text),
            None => write!(f, " {}", self.text),
        }
    }
}

/// All that there is to say about a file, in the file's order once it is sorted.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    omitted: usize,
}

impl Findings {
    /// What the parser itself has to say.
    pub(super) fn of_source(source: &Source) -> Self {
        let mut findings = Self::default();
        for fault in source.faults() {
            let finding = Finding::new(Weight::Broken, fault.place(), parser_text(fault));
            findings.push(match parser_hint(fault) {
                Some(hint) => finding.hint(hint),
                None => finding,
            });
        }
        for place in source.lossy_escapes() {
            let text = "a backslash in quotes stays alone here, the character behind it is dropped";
            let finding = Finding::new(Weight::Warning, Some(place), text);
            findings.push(finding.hint("write two backslashes for one that stays"));
        }
        if let Some(place) = source.cut() {
            let text = "a byte 4 (ctrl-D) ends the text here, what follows is not read";
            findings.push(Finding::new(Weight::Warning, Some(place), text).hint("remove it"));
        }
        findings
    }

    /// One more.
    pub fn push(&mut self, finding: Finding) {
        if self.kept.len() < MAX_FINDINGS { self.kept.push(finding) } else { self.omitted += 1 }
    }

    /// Whether one more would be kept.
    pub(super) fn is_full(&self) -> bool {
        self.kept.len() == MAX_FINDINGS
    }

    /// Into the order of the file, what is about the whole file last.
    pub fn sort(&mut self) {
        self.kept.sort_by_key(|finding| (finding.place.is_none(), finding.place));
    }

    /// Those that are kept.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.kept.iter()
    }

    /// How many more there were.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// The first place that cannot be parsed.
    pub fn broken(&self) -> Option<&Finding> {
        self.iter().find(|finding| finding.weight == Weight::Broken)
    }
}

/// The original's words; ours where it had none. The place stands beside it.
fn parser_text(fault: &SxpError) -> String {
    match fault {
        SxpError::HexDigits { .. } => "invalid hex escape, wanted two digits behind \\x".to_owned(),
        SxpError::TooDeep { .. } => format!("more than {MAX_DEPTH} nested lists"),
        _ => fault.classic(),
    }
}

fn parser_hint(fault: &SxpError) -> Option<&'static str> {
    match fault {
        SxpError::StrayBracket { .. } => Some("remove it, or look for a ( that is missing in front of it"),
        SxpError::UnexpectedEnd { .. } => {
            Some("the list or text that begins here has no end: add its ) or its quote")
        }
        SxpError::InvalidCharacter { code: 0xef, line: 1, column: 1 } => {
            Some("save it without the mark that an editor put in front of it (UTF-8 without BOM)")
        }
        SxpError::InvalidCharacter { code: 0xfe | 0xff, .. } => Some("save it as plain text, not as UTF-16"),
        SxpError::InvalidCharacter { code: 0..0x20 | 0x7f, .. } => Some("it is no file of text"),
        SxpError::InvalidCharacter { .. } => {
            Some("only ASCII may stand outside of quotes; a word processor's quotes are not ASCII")
        }
        SxpError::OctalRange { .. } => Some("write \\\\ for a backslash, or at most \\377"),
        SxpError::HexDigits { .. } => Some("write \\\\ for a backslash, or two digits behind \\x"),
        SxpError::TooDeep { .. } => Some("no option needs more than three lists inside each other"),
        SxpError::TooLong { .. } | SxpError::NotOne { .. } => None,
    }
}

/// A value as a text shows it: one line, not too long.
pub(super) fn shown(tree: &Sxp) -> String {
    let whole = tree.to_string();
    match whole.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}
