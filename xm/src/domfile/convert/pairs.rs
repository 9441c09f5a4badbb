//! `key=value,key=value`, and the lists that hold such texts.

use xend_api::Sxp;

use super::super::pydict::PyDict;
use super::super::settings::Settings;
use super::ConvertError;
use super::faults::Faults;

/// One entry of a list variable: which it is, and its text. The letters of a string that stands where a list belongs
/// have no number.
pub(super) type Entry = (Option<usize>, String);

/// The strings of a list variable. A string instead of a list counts as the list of its characters, as Python has it;
/// the message that this leads to is the original's.
pub(super) fn entries(settings: &Settings, variable: &'static str, faults: &mut Faults) -> Vec<Entry> {
    match settings.get(variable) {
        Sxp::List(items) => {
            let mut entries = Vec::new();
            for (at, item) in items.iter().enumerate() {
                match item.text() {
                    Some(text) => entries.push((Some(at), text.to_owned())),
                    None => {
                        let found = item.to_string();
                        let error = ConvertError::NotText { variable, entry: at + 1, found };
                        faults.entry(variable, Some(at), error);
                    }
                }
            }
            entries
        }
        Sxp::Text(text) => text.chars().map(|c| (None, c.to_string())).collect(),
        Sxp::Nil => Vec::new(),
        other => {
            faults.variable(variable, ConvertError::NotAList { variable, found: other.to_string() });
            Vec::new()
        }
    }
}

/// The text of a variable that takes nothing else; an unset one has none.
pub(super) fn string(settings: &Settings, variable: &'static str) -> Result<String, ConvertError> {
    match settings.get(variable) {
        Sxp::Text(text) => Ok(text.clone()),
        Sxp::Nil => Ok(String::new()),
        other => Err(ConvertError::NotAString { variable, found: other.to_string() }),
    }
}

/// Makes something of each entry; entries that are no good are noted and left out.
pub(super) fn each<T>(
    settings: &Settings,
    variable: &'static str,
    faults: &mut Faults,
    mut make: impl FnMut(&str) -> Result<T, ConvertError>,
) -> Vec<T> {
    let entries = entries(settings, variable, faults);
    entries.iter().filter_map(|(at, text)| faults.check((variable, *at), make(text))).collect()
}

/// Was a string written where a list is wanted?
pub(super) fn is_string(settings: &Settings, variable: &str) -> bool {
    matches!(settings.get(variable), Sxp::Text(_))
}

/// The pairs of a text; blanks around keys and values do not count, the later of two equal keys does.
pub(super) fn dict(settings: &Settings, variable: &'static str, text: &str) -> Result<PyDict, ConvertError> {
    let mut dict = PyDict::default();
    let text = text.trim_ascii();
    if text.is_empty() {
        return Ok(dict);
    }
    for item in text.split(',') {
        let (key, value) = item.split_once('=').ok_or_else(|| ConvertError::NotAPair {
            variable,
            item: item.trim_ascii().to_owned(),
            whole_string: is_string(settings, variable),
        })?;
        dict.set(key.trim_ascii(), value.trim_ascii());
    }
    Ok(dict)
}

/// `(name (key value)…)`.
pub(super) fn form(name: &str, dict: &PyDict) -> Sxp {
    Sxp::form(name, dict.iter().map(|(key, value)| Sxp::pair(key, value)))
}
