//! The completion for bash knows what the table of commands knows.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use xm::table::COMMANDS;

fn script() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/completions/xm.bash");
    fs::read_to_string(path).unwrap()
}

/// The words that `_xm_options` prints for a command.
fn offered<'a>(script: &'a str, command: &str) -> Vec<&'a str> {
    let table = script.split("_xm_options() {").nth(1).unwrap().split("esac").next().unwrap();
    let line = table.lines().filter_map(|line| line.trim().split_once(')')).find(|(names, _)| {
        // `case` takes the first line that fits.
        names.split('|').any(|name| name.trim() == command)
    });
    let words = line.and_then(|(_, rest)| rest.split('"').nth(1)).unwrap_or_default();
    words.split_whitespace().collect()
}

/// An option as it is typed: `--port=` of `--port=<port>`, `-p` of `-p [MS]`, `--slice` of `--slice[=MS]`.
fn typed(option: &str) -> &str {
    let end = match option.find('[') {
        Some(bracket) => bracket,
        None if option.starts_with("--") => option.find('=').map_or(option.len(), |equals| equals + 1),
        None => option.find(['=', ' ']).unwrap_or(option.len()),
    };
    option[..end].trim()
}

#[test]
fn every_command_is_offered_and_nothing_else() {
    let script = script();
    let list = script.split("_xm_commands=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut wanted: BTreeSet<&str> = COMMANDS.iter().map(|command| command.name).collect();
    wanted.insert("help");
    let words: Vec<&str> = list.split_whitespace().collect();
    assert_eq!(words.iter().copied().collect::<BTreeSet<_>>(), wanted);
    assert_eq!(words.len(), wanted.len(), "a command is offered twice");
}

#[test]
fn every_option_of_the_table_is_offered_behind_its_command() {
    let script = script();
    for command in COMMANDS.iter().filter(|command| !command.options.is_empty()) {
        let wanted = command.options.iter().flat_map(|option| [option.short, option.long]);
        let wanted: BTreeSet<&str> = wanted.map(typed).filter(|option| !option.is_empty()).collect();
        let offered: BTreeSet<&str> = offered(&script, command.name).into_iter().collect();
        assert_eq!(offered, wanted, "{}", command.name);
    }
}
