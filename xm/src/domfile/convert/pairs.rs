//! `key=value,key=value`, and the lists that hold such texts.

use xend_api::Sxp;

use super::super::pydict::PyDict;
use super::super::settings::{Settings, truthy};
use super::ConvertError;

/// The strings of a list variable. A string instead of a list counts as the list of its characters, as Python has it;
/// the message that this leads to is the original's.
pub(super) fn texts(settings: &Settings, variable: &'static str) -> Result<Vec<String>, ConvertError> {
    let value = settings.get(variable);
    match value {
        Sxp::List(items) => items
            .iter()
            .enumerate()
            .map(|(at, item)| {
                let found = || ConvertError::NotText { variable, entry: at + 1, found: item.to_string() };
                item.text().map(str::to_owned).ok_or_else(found)
            })
            .collect(),
        Sxp::Text(text) => Ok(text.chars().map(String::from).collect()),
        other if !truthy(other) => Ok(Vec::new()),
        other => Err(ConvertError::NotAList { variable, found: other.to_string() }),
    }
}

/// Was a string written where a list is wanted?
pub(super) fn is_string(settings: &Settings, variable: &str) -> bool {
    matches!(settings.get(variable), Sxp::Text(_))
}

/// The pairs of a text; blanks around keys and values do not count, the later of two equal keys does.
pub(super) fn dict(settings: &Settings, variable: &'static str, text: &str) -> Result<PyDict, ConvertError> {
    let mut dict = PyDict::default();
    let text = text.trim();
    if text.is_empty() {
        return Ok(dict);
    }
    for item in text.split(',') {
        let (key, value) = item.split_once('=').ok_or_else(|| ConvertError::NotAPair {
            variable,
            item: item.trim().to_owned(),
            whole_string: is_string(settings, variable),
        })?;
        dict.set(key.trim(), value.trim());
    }
    Ok(dict)
}

/// `(name (key value)…)`.
pub(super) fn form(name: &str, dict: &PyDict) -> Sxp {
    Sxp::form(name, dict.iter().map(|(key, value)| Sxp::pair(key, value)))
}
