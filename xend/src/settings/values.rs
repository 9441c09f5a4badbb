//! Values of options as the original read them: everything is text, and each option makes of it what it needs.

use std::{path::PathBuf, time::Duration};

use xend_api::sxp::{Located, Place, Sxp};

use super::{
    finding::{Finding, Weight, shown},
    nearest::nearest,
    options::{LogLevel, Password, Settings},
    xen_api::XenApiServer,
};

/// Where an option's value goes, and with it what it may be.
pub(super) enum Slot {
    /// `yes` or `no` and their synonyms.
    YesNo(fn(&mut Settings) -> &mut bool),
    /// The same, with a default that depends on another option.
    Choice(fn(&mut Settings) -> &mut Option<bool>),
    /// Any text but the empty one is yes.
    Truth(fn(&mut Settings) -> &mut bool),
    /// A TCP port.
    Port(fn(&mut Settings) -> &mut u16),
    /// A number; 32 bits, because KiB become bytes and GiB become pages.
    Number(fn(&mut Settings) -> &mut u64),
    /// Seconds; 32 bits, because more can't be added to a clock.
    Seconds(fn(&mut Settings) -> &mut Duration),
    /// How much is logged.
    Level(fn(&mut Settings) -> &mut LogLevel),
    /// One of some words.
    Word(fn(&mut Settings) -> &mut String, &'static [&'static str]),
    /// Any text.
    Text(fn(&mut Settings) -> &mut String),
    /// Any text; none by default.
    MaybeText(fn(&mut Settings) -> &mut Option<String>),
    /// A text that no message shows.
    Secret(fn(&mut Settings) -> &mut Option<Password>),
    /// Patterns of hosts.
    Patterns(fn(&mut Settings) -> &mut String),
    /// A path.
    Path(fn(&mut Settings) -> &mut PathBuf),
    /// A path; a bare name lies in `/etc/xen`.
    EtcPath(fn(&mut Settings) -> &mut PathBuf),
    /// The same; none by default.
    EtcFile(fn(&mut Settings) -> &mut Option<PathBuf>),
    /// A script, perhaps with words behind it; there has to be one.
    Script(fn(&mut Settings) -> &mut String),
    /// A script and its words; none by default.
    ScriptWords(fn(&mut Settings) -> &mut Option<Vec<String>>),
    /// Entries of `xen-api-server`.
    XenApi(fn(&mut Settings) -> &mut Vec<XenApiServer>),
    /// Patterns of SCSI devices, a list of them.
    Masks(fn(&mut Settings) -> &mut Vec<String>),
}

/// Why a value is none.
pub(super) struct Problem {
    /// What was seen against what was wanted.
    pub(super) text: String,
    /// What to write.
    pub(super) hint: String,
    /// Where.
    pub(super) place: Place,
}

/// An option and the value that it was given.
pub(super) struct Given<'a> {
    pub(super) name: &'static str,
    pub(super) value: Located<'a>,
}

impl Given<'_> {
    /// Puts the value where it belongs. The answer is what it comes to, to be held against what happens anyway.
    pub(super) fn put(
        &self,
        slot: &Slot,
        settings: &mut Settings,
        warn: &mut dyn FnMut(Finding),
    ) -> Result<String, Problem> {
        match slot {
            Slot::YesNo(to) => {
                *to(settings) = self.yes_no()?;
                Ok(word(*to(settings)))
            }
            Slot::Choice(to) => {
                *to(settings) = Some(self.yes_no()?);
                Ok(word(*to(settings) == Some(true)))
            }
            Slot::Truth(to) => {
                *to(settings) = self.truth(warn)?;
                Ok(word(*to(settings)))
            }
            Slot::Port(to) => {
                let port = self.number(1, u16::MAX.into())?;
                *to(settings) = u16::try_from(port).expect("the number is not above u16::MAX");
                Ok(port.to_string())
            }
            Slot::Number(to) => {
                *to(settings) = self.number(0, u32::MAX)?.into();
                Ok(to(settings).to_string())
            }
            Slot::Seconds(to) => {
                *to(settings) = Duration::from_secs(self.number(0, u32::MAX)?.into());
                Ok(to(settings).as_secs().to_string())
            }
            Slot::Level(to) => {
                *to(settings) = self.level()?;
                Ok(String::new())
            }
            Slot::Word(to, words) => {
                let text = self.one_of(words)?;
                text.clone_into(to(settings));
                Ok(text.to_owned())
            }
            _ => self.put_text(slot, settings, warn),
        }
    }

    fn put_text(
        &self,
        slot: &Slot,
        settings: &mut Settings,
        warn: &mut dyn FnMut(Finding),
    ) -> Result<String, Problem> {
        match slot {
            Slot::XenApi(to) => *to(settings) = XenApiServer::entries(self.value, warn)?,
            Slot::Masks(to) => *to(settings) = self.masks()?,
            Slot::Text(to) => self.text()?.clone_into(to(settings)),
            Slot::Patterns(to) => self.patterns(warn)?.clone_into(to(settings)),
            Slot::MaybeText(to) => *to(settings) = Some(self.text()?.to_owned()),
            Slot::Secret(to) => *to(settings) = Some(Password(self.text()?.to_owned())),
            Slot::Path(to) => *to(settings) = self.path(warn)?,
            Slot::EtcPath(to) => *to(settings) = in_etc(self.some_text("a path")?),
            Slot::EtcFile(to) => {
                *to(settings) = Some(self.text()?).filter(|text| !text.is_empty()).map(in_etc)
            }
            Slot::Script(to) => self.some_text("a script")?.clone_into(to(settings)),
            Slot::ScriptWords(to) => {
                let text = Some(self.text()?).filter(|text| !text.is_empty());
                *to(settings) = text.map(|text| text.split(' ').map(str::to_owned).collect());
            }
            // `put` has taken the others.
            _ => {}
        }
        Ok(self.value.tree().text().unwrap_or("a list").to_owned())
    }

    fn yes_no(&self) -> Result<bool, Problem> {
        let text = self.value.tree().text().unwrap_or_default().to_ascii_lowercase();
        match text.as_str() {
            "yes" | "y" | "1" | "on" | "true" | "t" => Ok(true),
            "no" | "n" | "0" | "off" | "false" | "f" => Ok(false),
            _ => Err(self.problem("expected bool", "write yes or no")),
        }
    }

    fn truth(&self, warn: &mut dyn FnMut(Finding)) -> Result<bool, Problem> {
        let text = self.text()?;
        let says_no = ["no", "n", "0", "off", "false", "f"].contains(&text.to_ascii_lowercase().as_str());
        if says_no {
            let told = format!("{} {text} switches it on, as every text but the empty one does", self.name);
            let finding = Finding::new(Weight::Warning, Some(self.value.place()), told).about(self.name);
            warn(finding.hint("to switch it off, take the line out"));
        }
        Ok(!text.is_empty())
    }

    fn number(&self, least: u32, most: u32) -> Result<u32, Problem> {
        let hint = format!("write a number from {least} to {most}");
        let number = self.value.tree().text().and_then(python_int);
        let number = number.ok_or_else(|| self.problem("expected int", &hint))?;
        let inside = u32::try_from(number).ok().filter(|number| (least..=most).contains(number));
        inside.ok_or_else(|| self.problem(&format!("expected {least} to {most}"), &hint))
    }

    fn level(&self) -> Result<LogLevel, Problem> {
        let text = self.one_of(&LogLevel::WORDS.map(|(word, _)| word))?;
        let found = LogLevel::WORDS.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        Ok(found.map_or(LogLevel::Debug, |(_, level)| level))
    }

    fn one_of(&self, words: &[&'static str]) -> Result<&str, Problem> {
        let text = self.value.tree().text();
        if let Some(text) = text.filter(|text| words.iter().any(|word| word.eq_ignore_ascii_case(text))) {
            return Ok(text);
        }
        let meant = text.and_then(|text| nearest(text, words.iter().copied()));
        let hint = match meant {
            Some(meant) => format!("is {meant} meant?"),
            None => "write one of these words".to_owned(),
        };
        let words = words.join(", ");
        let wanted =
            words.rsplit_once(", ").map_or(words.clone(), |(some, last)| format!("{some} or {last}"));
        Err(self.problem(&format!("expected {wanted}"), &hint))
    }

    fn text(&self) -> Result<&str, Problem> {
        let quoted = format!("write ({} 'TEXT')", self.name);
        self.value.tree().text().ok_or_else(|| self.problem("expected text", &quoted))
    }

    fn some_text(&self, what: &str) -> Result<&str, Problem> {
        let text = self.text()?;
        if text.trim().is_empty() {
            let hint = format!("name {what}, or take the line out for the default");
            return Err(self.problem(&format!("expected {what}"), &hint));
        }
        Ok(text)
    }

    fn path(&self, warn: &mut dyn FnMut(Finding)) -> Result<PathBuf, Problem> {
        let text = self.some_text("a path")?;
        if text.contains('\0') {
            return Err(self.problem("expected a path", "a path has no byte 0 in it"));
        }
        if !text.starts_with('/') {
            let told = format!("{} does not begin with / and is taken from there", shown(self.value.tree()));
            let finding = Finding::new(Weight::Warning, Some(self.value.place()), told).about(self.name);
            warn(finding.hint("write the whole path"));
        }
        Ok(PathBuf::from("/").join(text))
    }

    fn patterns(&self, warn: &mut dyn FnMut(Finding)) -> Result<&str, Problem> {
        let text = self.text()?;
        if !text.is_empty() && text.split(' ').any(str::is_empty) {
            let told = format!("{} has an empty pattern, which let every host in once", self.name);
            let finding = Finding::new(Weight::Warning, Some(self.value.place()), told).about(self.name);
            warn(
                finding
                    .hint("put one blank between two patterns, and none before the first or behind the last"),
            );
        }
        Ok(text)
    }

    fn masks(&self) -> Result<Vec<String>, Problem> {
        let mask = |tree: &Sxp| tree.text().map(str::to_owned);
        let masks = match self.value.tree() {
            Sxp::List(masks) => masks.iter().map(mask).collect(),
            tree => mask(tree).map(|mask| vec![mask]),
        };
        masks.ok_or_else(|| self.problem("expected a list of texts", "write ('*'), or ('0:*' '1:*')"))
    }

    /// In the original's words.
    fn problem(&self, wanted: &str, hint: &str) -> Problem {
        Problem {
            text: format!("invalid xend config {}: {wanted}: {}", self.name, shown(self.value.tree())),
            hint: hint.to_owned(),
            place: self.value.place(),
        }
    }
}

fn word(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

/// A name without a slash lies in `/etc/xen`.
fn in_etc(text: &str) -> PathBuf {
    if text.contains('/') { text.into() } else { PathBuf::from("/etc/xen").join(text) }
}

/// What Python's `int` makes of a text; numbers beyond all bounds are as good as the largest.
pub(super) fn python_int(text: &str) -> Option<i128> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(sign * digits.parse().unwrap_or(i128::MAX))
}
