//! Trees that know where in their text they stand, for files that people write: what is said about an option names its
//! line and column. Reading goes on behind what cannot be parsed, so that all faults of a file are told at once.
//! Neighbours: `parse` does the reading, `tree` is what comes out.

use crate::sxp::{
    MAX_BYTES, Sxp, SxpError,
    parse::{Notes, Parser},
};

/// A file with more faults than this is not what it is taken for; reading ends there.
const MAX_FAULTS: usize = 20;

/// A place in a text. Lines and columns count from one; columns count bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The byte in its line.
    pub column: usize,
}

/// The forms of a text, with their places.
#[derive(Debug)]
pub struct Source {
    forms: Vec<Sxp>,
    notes: Notes,
    lines: Vec<usize>,
    faults: Vec<SxpError>,
}

impl Source {
    /// Reads as much as can be. Behind a fault it goes on with the next line that begins with `(`, which is where
    /// people begin their forms.
    pub fn read(text: &[u8]) -> Self {
        let mut source =
            Self { forms: Vec::new(), notes: Notes::default(), lines: vec![0], faults: Vec::new() };
        if text.len() > MAX_BYTES {
            source.faults.push(SxpError::TooLong { bytes: text.len() });
            return source;
        }
        source
            .lines
            .extend(text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1));
        let mut at = 0;
        for _ in 0..MAX_FAULTS {
            let mut parser = Parser { text, at, form_at: at, notes: Some(&mut source.notes) };
            let Err(mut fault) = parser.run(&mut source.forms) else { break };
            let (reached, form_at) = (parser.at, parser.form_at);
            let next = match fault {
                SxpError::StrayBracket { .. } => Some(reached),
                _ => next_form(text, form_at),
            };
            // The form has swallowed others, and the fault is of one of them: it is met again from there.
            if next.is_some_and(|next| fault.place().is_some_and(|place| place >= source.place(next)))
                && !matches!(fault, SxpError::StrayBracket { .. })
            {
                let Place { line, column } = source.place(form_at);
                fault = SxpError::UnexpectedEnd { line, column };
            }
            source.faults.push(fault);
            let Some(next) = next else { break };
            at = next;
        }
        source
    }

    /// What could not be parsed, in order.
    pub fn faults(&self) -> &[SxpError] {
        &self.faults
    }

    /// The forms, in order.
    pub fn forms(&self) -> impl Iterator<Item = Located<'_>> {
        siblings(self, &self.forms, 0)
    }

    /// The trees alone.
    pub fn trees(&self) -> &[Sxp] {
        &self.forms
    }

    /// Escapes in quoted texts that are none and lose their character, such as the dot of `'\.'`.
    pub fn lossy_escapes(&self) -> impl Iterator<Item = Place> {
        self.notes.lossy.iter().map(|at| self.place(*at))
    }

    /// A ctrl-D, behind which nothing is read.
    pub fn cut(&self) -> Option<Place> {
        self.notes.cut.map(|at| self.place(at))
    }

    fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= at);
        Place { line, column: 1 + at - self.lines[line - 1] }
    }
}

/// Where behind `form_at` the next line begins with a bracket.
fn next_form(text: &[u8], form_at: usize) -> Option<usize> {
    let rest = text.get(form_at + 1..)?;
    rest.windows(2).position(|pair| pair == b"\n(").map(|at| form_at + 2 + at)
}

/// An item and its place.
#[derive(Clone, Copy, Debug)]
pub struct Located<'a> {
    source: &'a Source,
    tree: &'a Sxp,
    number: usize,
}

impl<'a> Located<'a> {
    /// The item.
    pub fn tree(&self) -> &'a Sxp {
        self.tree
    }

    /// Where it begins.
    pub fn place(&self) -> Place {
        self.source
            .notes
            .starts
            .get(self.number)
            .map_or(Place { line: 1, column: 1 }, |at| self.source.place(*at))
    }

    /// The items of a list.
    pub fn items(&self) -> impl Iterator<Item = Located<'a>> + use<'a> {
        siblings(self.source, self.tree.items(), self.number + 1)
    }

    /// As `Sxp::values`.
    pub fn values(&self) -> impl Iterator<Item = Located<'a>> + use<'a> {
        let left_out = self.tree.items().len() - self.tree.values().len();
        self.items().skip(left_out)
    }
}

fn siblings<'a>(
    source: &'a Source,
    trees: &'a [Sxp],
    first: usize,
) -> impl Iterator<Item = Located<'a>> + use<'a> {
    trees.iter().scan(first, move |next, tree| {
        let number = *next;
        *next += nodes(tree);
        Some(Located { source, tree, number })
    })
}

/// How many items a tree is, itself included. No deeper than the parser allows.
fn nodes(tree: &Sxp) -> usize {
    1 + tree.items().iter().map(nodes).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Place {
        Place { line, column }
    }

    #[test]
    fn each_item_knows_its_line_and_column() {
        let source = Source::read(b"# first\n(a 'b\nc' (d e))  f\n (g (@ x) h)");
        let forms: Vec<_> = source.forms().collect();
        let places: Vec<_> = forms.iter().map(Located::place).collect();
        assert_eq!(places, [at(2, 1), at(3, 12), at(4, 2)]);
        let items: Vec<_> = forms[0].items().collect();
        assert_eq!(items.iter().map(Located::place).collect::<Vec<_>>(), [at(2, 2), at(2, 4), at(3, 4)]);
        assert_eq!(items[2].items().nth(1).map(|item| item.place()), Some(at(3, 7)));
        let values: Vec<_> = forms[2].values().map(|value| (value.tree().clone(), value.place())).collect();
        assert_eq!(values, [(Sxp::from("h"), at(4, 11))]);
    }

    #[test]
    fn reading_goes_on_behind_what_cannot_be_parsed() {
        let text = b"(a 1)\n) e\n(f '\\400')\n(g 3)\n(b (c)\n(h 'x\n(i 4)";
        let source = Source::read(text);
        let names: Vec<_> = source.trees().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["(a 1)", "e", "(g 3)", "(i 4)"]);
        let places: Vec<_> = source.forms().map(|form| form.place()).collect();
        assert_eq!(places, [at(1, 1), at(2, 3), at(4, 1), at(7, 1)]);
        let faults: Vec<_> = source.faults().iter().filter_map(SxpError::place).collect();
        assert_eq!(faults, [at(2, 1), at(3, 5), at(5, 1), at(6, 4)]);
    }

    #[test]
    fn escapes_that_lose_their_character_are_told() {
        let source = Source::read(br"(a '^x\.y$') (b 'x\\.y')".as_slice());
        assert_eq!(source.lossy_escapes().collect::<Vec<_>>(), [at(1, 7)]);
        assert_eq!(Source::read(b"(a)\n\x04(b)").cut(), Some(at(2, 1)));
    }

    #[test]
    fn a_text_that_is_wrong_everywhere_is_given_up_soon() {
        let unclosed = "(a\n".repeat(200_000);
        let clock = std::time::Instant::now();
        assert_eq!(Source::read(unclosed.as_bytes()).faults().len(), MAX_FAULTS);
        assert!(clock.elapsed().as_secs() < 60, "{:?}", clock.elapsed());
    }
}
