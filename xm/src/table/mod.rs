//! The table of commands: names, arguments, one-line descriptions, options and groups. Help, usage and look-up are made
//! from it (`xm-commands` §1, §2.2, §2.3), and so are the man pages and completions.

mod data;
pub mod help;

pub use data::{ALIASES, COMMANDS};

/// Where a command stands in the full list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Domains.
    Domain,
    /// The host.
    Host,
    /// Schedulers.
    Scheduler,
    /// Devices.
    Device,
    /// Virtual networks of long ago.
    Vnet,
    /// Security policies of any kind.
    Policy,
    /// Labels and policies of ACM.
    Acm,
    /// Flask.
    Flask,
    /// Transcendent memory.
    Tmem,
    /// CPU pools.
    CpuPool,
    /// The prompt.
    Shell,
    /// In no list.
    Unlisted,
}

/// The groups in the order of the full list.
pub const GROUPS: [Group; 11] = [
    Group::Domain,
    Group::Host,
    Group::Scheduler,
    Group::Device,
    Group::Vnet,
    Group::Policy,
    Group::Acm,
    Group::Flask,
    Group::Tmem,
    Group::CpuPool,
    Group::Shell,
];

/// An option as the usage shows it.
#[derive(Clone, Copy, Debug)]
pub struct OptionHelp {
    /// `-l`; may be empty.
    pub short: &'static str,
    /// `--long`; may be empty.
    pub long: &'static str,
    /// What it does.
    pub text: &'static str,
}

/// A command.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Its arguments as the usage shows them.
    pub args: &'static str,
    /// What it does, one sentence. Empty for commands that no help mentions.
    pub description: &'static str,
    /// Where it stands in the full list.
    pub group: Group,
    /// Does the short list show it?
    pub common: bool,
    /// Its options.
    pub options: &'static [OptionHelp],
}

impl Command {
    /// Does any help show it?
    pub fn has_help(&self) -> bool {
        !self.description.is_empty()
    }
}

/// What a typed name means.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// A command.
    Command(&'static Command),
    /// An old name of a command; a notice is due.
    Alias(&'static Command),
    /// The literal `help`.
    Help,
}

/// Finds a command: its name, an old name of it, `help`, or the beginning (two letters at least) of exactly one name.
pub fn find(typed: &str) -> Option<Found> {
    if let Some(command) = exact(typed) {
        return Some(Found::Command(command));
    }
    if let Some((_, target)) = ALIASES.iter().find(|(alias, _)| *alias == typed) {
        return exact(target).map(Found::Alias);
    }
    if typed == "help" {
        return Some(Found::Help);
    }
    if typed.len() < 2 {
        return None;
    }
    let mut starting = COMMANDS.iter().filter(|command| command.name.starts_with(typed));
    match (starting.next(), starting.next()) {
        (Some(only), None) => Some(Found::Command(only)),
        _ => None,
    }
}

/// The command whose usage a typed name asks for; for a name that could be several, the first with a help entry.
pub fn find_for_usage(typed: &str) -> Option<&'static Command> {
    let exact = exact(typed).filter(|command| command.has_help());
    exact.or_else(|| COMMANDS.iter().find(|command| command.has_help() && command.name.starts_with(typed)))
}

fn exact(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(typed: &str) -> Option<&'static str> {
        match find(typed)? {
            Found::Command(command) | Found::Alias(command) => Some(command.name),
            Found::Help => Some("help"),
        }
    }

    #[test]
    fn the_table_holds_each_command_of_the_reference_once() {
        let mut names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
        assert_eq!(names.len(), 102);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 102);
    }

    #[test]
    fn look_up_takes_names_old_names_and_unique_beginnings() {
        let cases = [
            ("list", Some("list")),
            ("li", Some("list")),
            ("l", None),
            ("sh", None),
            ("shu", Some("shutdown")),
            ("rese", None),
            ("reset", Some("reset")),
            ("add", Some("addlabel")),
            ("dump", None),
            ("ls", None),
            ("hel", None),
            ("help", Some("help")),
            ("pci-list", Some("pci-list")),
            ("pci-list-", Some("pci-list-assignable-devices")),
            ("balloon", Some("mem-set")),
            ("ballo", None),
            ("pool-cpu-add", Some("cpupool-cpu-add")),
            ("", None),
        ];
        for (typed, expected) in cases {
            assert_eq!(found(typed), expected, "{typed}");
        }
    }

    #[test]
    fn the_shortest_beginnings_of_the_reference_are_unique() {
        let shortest = [
            ("ad", "addlabel"),
            ("co", "console"),
            ("cr", "create"),
            ("cpupool-cpu-a", "cpupool-cpu-add"),
            ("des", "destroy"),
            ("dm", "dmesg"),
            ("domi", "domid"),
            ("dump-", "dump-core"),
            ("dumpp", "dumppolicy"),
            ("gete", "getenforce"),
            ("in", "info"),
            ("lo", "log"),
            ("mem-m", "mem-max"),
            ("network-n", "network-new"),
            ("pa", "pause"),
            ("reb", "reboot"),
            ("sched-s", "sched-sedf"),
            ("tmem-freez", "tmem-freeze"),
            ("tmem-t", "tmem-thaw"),
            ("un", "unpause"),
            ("up", "uptime"),
            ("usb-ad", "usb-add"),
            ("vcpu-p", "vcpu-pin"),
            ("vnc", "vncviewer"),
            ("vnet-l", "vnet-list"),
        ];
        for (typed, expected) in shortest {
            assert_eq!(found(typed), Some(expected), "{typed}");
        }
    }

    #[test]
    fn every_old_name_leads_to_a_command() {
        assert_eq!(ALIASES.len(), 15);
        assert!(ALIASES.iter().all(|(alias, _)| matches!(find(alias), Some(Found::Alias(_)))));
    }
}
