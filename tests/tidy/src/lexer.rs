//! Rust text to tokens and comments, just exactly enough that a bracket in a string is no bracket and a word in a
//! comment is no code.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A word, keywords included; a raw identifier without its `r#`.
    Word,
    /// One character of punctuation.
    Mark,
    /// A string of any sort; the text is what stands between the quotes.
    Text,
    /// A character, a number or a lifetime.
    Other,
}

/// A piece of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text.
    pub text: &'a str,
    /// Where it begins, in bytes.
    pub at: usize,
    /// The line on which it begins, from one.
    pub line: usize,
}

/// A comment, with its slashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment<'a> {
    /// Its text, slashes included.
    pub text: &'a str,
    /// Where it begins, in bytes.
    pub at: usize,
    /// The line on which it begins, from one.
    pub line: usize,
}

/// Tokens and comments of a file, each in order.
pub fn lex(text: &str) -> (Vec<Token<'_>>, Vec<Comment<'_>>) {
    let mut lexer = Lexer { text, at: 0, line: 1, tokens: Vec::new(), comments: Vec::new() };
    while lexer.at < text.len() {
        lexer.step();
    }
    (lexer.tokens, lexer.comments)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    tokens: Vec<Token<'a>>,
    comments: Vec<Comment<'a>>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn step(&mut self) {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return };
        if rest.starts_with("//") {
            self.comment(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.comment(block_comment(rest));
        } else if first.is_whitespace() {
            self.advance(first.len_utf8());
        } else if let Some((open, hashes)) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            let inside = rest[open..].find(&close).unwrap_or(rest.len() - open);
            self.string(open, inside, close.len());
        } else if let Some(open) = plain_string(rest) {
            self.string(open, quoted(&rest[open..], '"'), 1);
        } else if first == '\'' || rest.starts_with("b'") {
            self.character(usize::from(first == 'b') + 1);
        } else if first.is_alphabetic() || first == '_' {
            let skip = if rest.starts_with("r#") { 2 } else { 0 };
            let length = skip + word(&rest[skip..]);
            self.push(Kind::Word, skip, length - skip, length);
        } else if first.is_ascii_digit() {
            let length = number(rest);
            self.push(Kind::Other, 0, length, length);
        } else {
            self.push(Kind::Mark, 0, first.len_utf8(), first.len_utf8());
        }
    }

    /// A token whose text is `length` bytes from `skip` on, and which uses up `total` bytes.
    fn push(&mut self, kind: Kind, skip: usize, length: usize, total: usize) {
        let start = self.at + skip;
        self.tokens.push(Token {
            kind,
            text: &self.text[start..start + length],
            at: self.at,
            line: self.line,
        });
        self.advance(total);
    }

    fn comment(&mut self, length: usize) {
        let text = &self.text[self.at..self.at + length];
        self.comments.push(Comment { text, at: self.at, line: self.line });
        self.advance(length);
    }

    fn string(&mut self, open: usize, inside: usize, close: usize) {
        let total = (open + inside + close).min(self.rest().len());
        self.push(Kind::Text, open, inside, total);
    }

    /// A character, or else a lifetime: `'a'` against `'a`.
    fn character(&mut self, open: usize) {
        let inside = &self.rest()[open..];
        let first = inside.chars().next().unwrap_or('\'');
        let after = &inside[first.len_utf8().min(inside.len())..];
        let length = if first == '\\' || after.starts_with('\'') {
            open + quoted(inside, '\'') + 1
        } else {
            open + word(inside)
        };
        let length = length.min(self.rest().len());
        self.push(Kind::Other, 0, length, length);
    }

    fn advance(&mut self, length: usize) {
        self.line += self.text[self.at..self.at + length].matches('\n').count();
        self.at += length;
    }
}

/// The length of a block comment, comments inside it included.
fn block_comment(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut depth, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of the opening of a raw string and its number of `#`.
fn raw_string(rest: &str) -> Option<(usize, usize)> {
    let after = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then(|| (rest.len() - after.len() + hashes + 1, hashes))
}

/// The length of the opening of a string with escapes.
fn plain_string(rest: &str) -> Option<usize> {
    ["\"", "b\"", "c\""].iter().find(|open| rest.starts_with(**open)).map(|open| open.len())
}

/// The bytes before the closing quote.
fn quoted(inside: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in inside.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at,
            _ => {}
        }
    }
    inside.len()
}

fn word(rest: &str) -> usize {
    rest.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(rest.len())
}

/// A number with its suffix; of `1..2` only the `1`, of `1.5` all.
fn number(rest: &str) -> usize {
    let whole = word(rest);
    match rest[whole..].strip_prefix('.') {
        Some(after) if after.starts_with(|character: char| character.is_ascii_digit()) => {
            whole + 1 + word(after)
        }
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        lex(text).0.into_iter().filter(|token| token.kind == Kind::Word).map(|token| token.text).collect()
    }

    fn strings(text: &str) -> Vec<&str> {
        lex(text).0.into_iter().filter(|token| token.kind == Kind::Text).map(|token| token.text).collect()
    }

    #[test]
    fn words_in_comments_and_strings_are_no_code() {
        let text =
            "a // b\n /* c /* d */ e */ f \"g \\\" h\" i r#\"j \" k\"# l b\"m\" n '\\'' o 'p' q \"r\\\\\" s";
        assert_eq!(words(text), ["a", "f", "i", "l", "n", "o", "q", "s"]);
        assert_eq!(strings(text), ["g \\\" h", "j \" k", "m", "r\\\\"]);
        assert_eq!(lex(text).1.len(), 2);
    }

    #[test]
    fn lifetimes_are_no_characters() {
        assert_eq!(
            words("fn f<'a>(x: &'a str, y: &'static T) -> '{' { 'b: loop {} }"),
            ["fn", "f", "x", "str", "y", "T", "loop"]
        );
    }

    #[test]
    fn raw_identifiers_and_numbers_stay_whole() {
        assert_eq!(words("r#type rest 1.5e3_f64 0..9 x.0"), ["type", "rest", "x"]);
    }

    #[test]
    fn lines_count_through_strings_and_comments() {
        let (tokens, comments) = lex("\"a\nb\" c\n/*\n*/ d // e");
        let lines: Vec<_> = tokens.iter().map(|token| (token.text, token.line)).collect();
        assert_eq!(lines, [("a\nb", 1), ("c", 2), ("d", 4)]);
        assert_eq!(comments.iter().map(|comment| comment.line).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn unfinished_text_ends_at_its_end() {
        for text in ["\"a", "r#\"a", "/* a", "'", "'\\", "b'", "'é", "r#", "\"\\"] {
            lex(text);
        }
    }
}
