//! The help texts, laid out as the original laid them out (`xm-commands` §2.2).

use super::{COMMANDS, Command, GROUPS, OptionHelp};

/// Width of a description in a list of commands.
const LIST_WIDTH: usize = 50;
/// Width of an option's text in a usage.
const OPTION_WIDTH: usize = 43;
/// Width of a description in the tables of `create`.
const TABLE_WIDTH: usize = 55;
/// Column of the descriptions in the tables of `create`.
const TABLE_COLUMN: usize = 21;

const HEADER: &str = "Usage: xm <subcommand> [args]\n\nControl, list and change Xen guest domains.\n\n";

const FOOTER: &str = "\n<Domain> can either be the Domain Name or Id.\n\
    More about xm: the manual page xm(1).\n\
    More about domain files: the manual page xmdomain.cfg(5).\n\n";

/// The common commands: what bare `xm` prints.
pub fn common() -> String {
    let help = Command {
        name: "help",
        description: "Print the full list of commands.",
        ..*COMMANDS.first().expect("the table has rows")
    };
    let mut rows: Vec<&Command> = COMMANDS.iter().filter(|command| command.common).collect();
    rows.push(&help);
    rows.sort_by_key(|command| command.name);
    let rows: String = rows.into_iter().map(row).collect();
    format!(
        "{HEADER}Common 'xm' commands:\n\n{rows}{FOOTER}For a complete list of subcommands run 'xm help'.\n"
    )
}

/// All commands: what `xm help` prints.
pub fn full() -> String {
    let of = |group| COMMANDS.iter().filter(move |command| command.group == group);
    let rows: String = GROUPS.into_iter().flat_map(of).map(row).collect();
    format!("{HEADER}xm full list of subcommands:\n\n{rows}{FOOTER}")
}

/// The usage of a command: what `xm COMMAND -h` and a wrong call print.
pub fn usage(command: &Command) -> String {
    let Command { name, args, description, .. } = command;
    let options: String = command.options.iter().map(option).collect();
    let options = if options.is_empty() { options } else { format!("\n{options}\n") };
    format!("Usage: xm {name} {args}\n\n{description}\n{options}")
}

fn row(command: &Command) -> String {
    let description = wrapped(command.description, LIST_WIDTH, 22);
    format!(" {:<20} {description:<LIST_WIDTH$}\n", command.name)
}

fn option(option: &OptionHelp) -> String {
    let keys = [option.short, option.long];
    let keys: Vec<&str> = keys.into_iter().filter(|key| !key.is_empty()).collect();
    let text = wrapped(option.text, OPTION_WIDTH, 33);
    format!("  {:<30} {text:<OPTION_WIDTH$}\n", keys.join(", "))
}

/// An entry of the tables of `create`: keys and, at a fixed column, what they do.
pub fn entry(keys: &str, text: &str) -> String {
    let text = wrapped(text, TABLE_WIDTH, TABLE_COLUMN);
    let gap = if keys.len() < TABLE_COLUMN { "" } else { "\n" };
    let indent = if gap.is_empty() { TABLE_COLUMN - keys.len() } else { TABLE_COLUMN };
    format!("{keys}{gap}{:indent$}{text}\n", "")
}

/// Breaks a text into lines shorter than the width; the second and later ones are indented.
fn wrapped(text: &str, width: usize, indent: usize) -> String {
    if text.len() < width {
        return text.to_owned();
    }
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.len() + word.len() + 1 >= width {
            lines.push(format!("{word} "));
        } else {
            line.push_str(word);
            line.push(' ');
        }
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join(&format!("\n{:indent$}", ""))
}

#[cfg(test)]
mod tests {
    use super::super::find_for_usage;
    use super::*;

    #[test]
    fn the_lists_have_the_lines_that_scripts_look_for() {
        let (common, full) = (common(), full());
        assert!(common.starts_with("Usage: xm <subcommand> [args]\n\n"));
        assert!(common.contains("\nCommon 'xm' commands:\n\n console "));
        assert!(common.contains(&format!("\n {:<20} {:<50}\n", "help", "Print the full list of commands.")));
        assert!(common.ends_with("\nFor a complete list of subcommands run 'xm help'.\n"));
        assert!(full.contains("\nxm full list of subcommands:\n\n"));
        assert!(full.contains("\n<Domain> can either be the Domain Name or Id.\n"));
        assert!(!full.contains(" event-monitor") && !full.contains(" tmem-freeable"));
    }

    #[test]
    fn long_descriptions_are_wrapped_and_indented() {
        let full = full();
        let lines: Vec<&str> = full.lines().collect();
        let at = lines.iter().position(|line| line.starts_with(" block-configure")).unwrap();
        assert!(lines[at + 1].starts_with(&" ".repeat(22)));
        assert!(lines.iter().all(|line| line.trim_end().len() <= 22 + 50 + 10));
    }

    #[test]
    fn a_usage_shows_arguments_description_and_options() {
        let usage_of = |name| usage(find_for_usage(name).unwrap());
        assert!(usage_of("top").starts_with("Usage: xm top \n\n"));
        assert!(usage_of("domid").starts_with("Usage: xm domid <DomainName>\n\n"));
        assert!(usage_of("list").contains(&format!("\n  {:<30} Print all that xend knows", "-l, --long")));
    }

    #[test]
    fn table_entries_stand_in_their_column() {
        assert_eq!(entry("-q, --quiet", "Quiet."), format!("{:<21}Quiet.\n", "-q, --quiet"));
        assert_eq!(entry(&"x".repeat(21), "Y."), format!("{}\n{:21}Y.\n", "x".repeat(21), ""));
    }
}
