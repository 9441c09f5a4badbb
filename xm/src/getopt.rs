//! Option parsing as Python's `getopt` did it, whose error texts `xm` printed (`xm-commands` §2.4).

use thiserror::Error;
use xend_api::classic::client as texts;

/// Which options there are: short ones as letters, a `:` behind those that take a value; long ones by name, a `=`
/// behind those that take a value.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// `"lvn:"`.
    pub short: &'static str,
    /// `["long", "num="]`.
    pub long: &'static [&'static str],
}

/// An option that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// With its dashes, long ones in full: `-l`, `--long`.
    pub name: String,
    /// Its value, empty for options without.
    pub value: String,
}

/// Options and what is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The options in order.
    pub options: Vec<Given>,
    /// The operands in order.
    pub operands: Vec<String>,
}

impl Parsed {
    /// Was any of these options given?
    pub fn has(&self, names: &[&str]) -> bool {
        self.options.iter().any(|given| names.contains(&given.name.as_str()))
    }

    /// The last value given to any of these options.
    pub fn value(&self, names: &[&str]) -> Option<&str> {
        let last = self.options.iter().rev().find(|given| names.contains(&given.name.as_str()));
        last.map(|given| given.value.as_str())
    }
}

/// What is wrong with the options.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GetoptError {
    /// No such option.
    #[error("{}", texts::option_not_recognized(option))]
    Unknown {
        /// With its dashes.
        option: String,
    },
    /// The value is missing.
    #[error("{}", texts::option_requires_argument(option))]
    NeedsValue {
        /// With its dashes.
        option: String,
    },
    /// A value where none is taken.
    #[error("{}", texts::option_takes_no_argument(option))]
    TakesNoValue {
        /// With its dashes.
        option: String,
    },
    /// The beginning of several long options.
    #[error("{}", texts::option_not_unique(option))]
    NotUnique {
        /// With its dashes.
        option: String,
    },
}

/// Options and operands in any order; `--` ends the options.
pub fn gnu(args: &[String], spec: Spec) -> Result<Parsed, GetoptError> {
    let mut parsed = Parsed::default();
    let mut rest = args;
    while !rest.is_empty() {
        rest = switches(rest, spec, &mut parsed.options)?;
        if rest.first().is_some_and(|word| word == "--") {
            parsed.operands.extend_from_slice(&rest[1..]);
            break;
        }
        if let Some((word, after)) = rest.split_first() {
            parsed.operands.push(word.clone());
            rest = after;
        }
    }
    Ok(parsed)
}

/// Options up to the first operand.
pub fn posix(args: &[String], spec: Spec) -> Result<Parsed, GetoptError> {
    let mut parsed = Parsed::default();
    let rest = switches(args, spec, &mut parsed.options)?;
    let rest = rest.strip_prefix(["--".to_owned()].as_slice()).unwrap_or(rest);
    parsed.operands = rest.to_vec();
    Ok(parsed)
}

/// Takes options off the front; stops before `--` and before the first word that is none.
pub fn switches<'a>(
    args: &'a [String],
    spec: Spec,
    found: &mut Vec<Given>,
) -> Result<&'a [String], GetoptError> {
    let mut rest = args;
    while let Some((word, after)) = rest.split_first() {
        if word == "--" || word == "-" || !word.starts_with('-') {
            break;
        }
        rest = match word.strip_prefix("--") {
            Some(long) => self::long(long, after, spec, found)?,
            None => short(&word[1..], after, spec, found)?,
        };
    }
    Ok(rest)
}

fn long<'a>(
    word: &str,
    rest: &'a [String],
    spec: Spec,
    found: &mut Vec<Given>,
) -> Result<&'a [String], GetoptError> {
    let (typed, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
    let option = format!("--{typed}");
    let bare = |known: &&'static str| known.trim_end_matches('=');
    let exact = spec.long.iter().find(|known| bare(known) == typed);
    let known = match exact {
        Some(known) => known,
        None => {
            let mut starting = spec.long.iter().filter(|known| known.starts_with(typed));
            let first = starting.next().ok_or_else(|| GetoptError::Unknown { option: option.clone() })?;
            if starting.next().is_some() {
                return Err(GetoptError::NotUnique { option });
            }
            first
        }
    };
    let name = format!("--{}", bare(known));
    if !known.ends_with('=') {
        if value.is_some() {
            return Err(GetoptError::TakesNoValue { option: name });
        }
        found.push(Given { name, value: String::new() });
        return Ok(rest);
    }
    match (value, rest.split_first()) {
        (Some(value), _) => {
            found.push(Given { name, value: value.to_owned() });
            Ok(rest)
        }
        (None, Some((value, after))) => {
            found.push(Given { name, value: value.clone() });
            Ok(after)
        }
        (None, None) => Err(GetoptError::NeedsValue { option: name }),
    }
}

fn short<'a>(
    word: &str,
    rest: &'a [String],
    spec: Spec,
    found: &mut Vec<Given>,
) -> Result<&'a [String], GetoptError> {
    for (at, letter) in word.char_indices() {
        let name = format!("-{letter}");
        let place = spec.short.find(letter).filter(|_| letter != ':');
        let place = place.ok_or_else(|| GetoptError::Unknown { option: name.clone() })?;
        if !spec.short[place + letter.len_utf8()..].starts_with(':') {
            found.push(Given { name, value: String::new() });
            continue;
        }
        let attached = &word[at + letter.len_utf8()..];
        if !attached.is_empty() {
            found.push(Given { name, value: attached.to_owned() });
            return Ok(rest);
        }
        let (value, after) = rest.split_first().ok_or(GetoptError::NeedsValue { option: name.clone() })?;
        found.push(Given { name, value: value.clone() });
        return Ok(after);
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: Spec = Spec { short: "lvn:", long: &["long", "vcpus", "label", "state=", "pool="] };

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn shown(parsed: &Parsed) -> String {
        let options = parsed.options.iter().map(|given| format!("{}={}", given.name, given.value));
        options.chain(parsed.operands.iter().cloned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn options_and_operands_mix() {
        let cases = [
            ("a -l b --state=running", "-l= --state=running a b"),
            ("--state running --lon", "--state=running --long="),
            ("-lv -n3 -n 4", "-l= -v= -n=3 -n=4"),
            ("-l -- -v", "-l= -v"),
            ("- a", "- a"),
            ("--pool= x", "--pool= x"),
        ];
        for (typed, expected) in cases {
            assert_eq!(shown(&gnu(&words(typed), SPEC).unwrap()), expected, "{typed}");
        }
    }

    #[test]
    fn a_posix_parser_stops_at_the_first_operand() {
        let parsed = posix(&words("-l dom -v"), SPEC).unwrap();
        assert_eq!((shown(&parsed).as_str(), parsed.operands.len()), ("-l= dom -v", 2));
    }

    #[test]
    fn errors_have_the_texts_of_python() {
        let cases = [
            ("-x", "option -x not recognized"),
            ("-:", "option -: not recognized"),
            ("--vcpus=3", "option --vcpus must not have an argument"),
            ("--nosuch", "option --nosuch not recognized"),
            ("-n", "option -n requires argument"),
            ("--state", "option --state requires argument"),
            ("--l", "option --l not a unique prefix"),
        ];
        for (typed, expected) in cases {
            assert_eq!(gnu(&words(typed), SPEC).unwrap_err().to_string(), expected);
        }
    }
}
