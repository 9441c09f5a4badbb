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

/// What the completion offers at the end of these words, as bash splits them, where `xm` answers as told.
fn completed(words: &[&str]) -> Option<String> {
    let program = r#"
        xm() {
            case $1 in
                list) printf '%s\n' 'Name ID Mem' 'Domain-0 0 512' 'mail 7 256' ;;
                block-list) [ "$2" = mail ] && printf '%s\n' 'Vdev BE handle' '51712 0 0' '768 0 0' ;;
                network-list) [ "$2" = mail ] && printf '%s\n' 'Idx BE MAC' '0 0 00:16:3e:00:00:01' ;;
            esac
        }
        . "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _xm
        printf '%s' "${COMPREPLY[*]}"
    "#;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/completions/xm.bash");
    let mut command = std::process::Command::new("bash");
    command.args(["-c", program, "bash"]).arg(path).args(words);
    let Ok(output) = command.output() else {
        println!("skipped: there is no bash");
        return None;
    };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn behind_the_commands_of_devices_the_domains_and_their_devices_are_offered() {
    let cases: [(&[&str], &str); 18] = [
        (&["xm", "block-attach", ""], "Domain-0 mail"),
        (&["xm", "block-attach", "mail", "t"], "tap: tap2:"),
        (&["xm", "block-attach", "mail", "file", ":", "/etc/host.conf.no"], ""),
        (&["xm", "block-attach", "mail", "file", ":", "/proc/self/maps"], "/proc/self/maps"),
        (&["xm", "block-attach", "mail", "tap", ":", "aio", ":", "/proc/self/maps"], "/proc/self/maps"),
        (&["xm", "block-attach", "mail", "file", ":", "/a", "x"], "xvd"),
        (&["xm", "block-configure", "mail", "file", ":", "/a", "hdc", ":", "c"], "cdrom"),
        (&["xm", "block-configure", "mail", "file", ":", "/a", "hdc", ":"], "disk cdrom"),
        (&["xm", "block-attach", "mail", "file", ":", "/a", "hdc", ":", "cdrom", ""], "r w w!"),
        (&["xm", "block-attach", "mail", "phy", ":", "/a", "xvdb", "w", "m"], "mail"),
        (&["xm", "block-detach", "mail", ""], "51712 768"),
        (&["xm", "block-detach", "mail", "51712", "-"], "-f --force"),
        (&["xm", "block-detach", "Domain-0", ""], ""),
        (&["xm", "network-detach", "mail", ""], "0"),
        (&["xm", "network-attach", "mail", "b"], "bridge= backend="),
        (&["xm", "network-attach", "mail", "type", "="], "ioemu netfront"),
        (&["xm", "network-attach", "mail", "type", "=", "n"], "netfront"),
        (&["xm", "network-attach", "mail", "mac", "=", "00", ":", "16", "ra"], "rate="),
    ];
    for (words, offered) in cases {
        let Some(completed) = completed(words) else { return };
        assert_eq!(completed.split_whitespace().collect::<Vec<_>>().join(" "), offered, "{words:?}");
    }
}
