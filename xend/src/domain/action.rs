//! What happens when a domain ends: `on_poweroff`, `on_reboot`, `on_crash` (`xend-daemon` §4.3).

use xend_api::Sxp;

use super::ConfigFault;

/// One action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitAction {
    /// Free everything.
    Destroy,
    /// Free everything and create the same domain again.
    Restart,
    /// Leave the dead domain with its memory and devices for inspection.
    Preserve,
}

/// Words that the original knew and this version does not act on yet; they are refused, not ignored.
const NOT_YET: [&str; 6] = [
    "rename-restart",
    "rename_restart",
    "coredump-destroy",
    "coredump_and_destroy",
    "coredump-restart",
    "coredump_and_restart",
];

impl ExitAction {
    /// The word in configurations and in the store.
    pub fn word(self) -> &'static str {
        match self {
            Self::Destroy => "destroy",
            Self::Restart => "restart",
            Self::Preserve => "preserve",
        }
    }

    fn parse(event: &str, word: &str) -> Result<Self, ConfigFault> {
        match word {
            "destroy" => Ok(Self::Destroy),
            "restart" => Ok(Self::Restart),
            "preserve" => Ok(Self::Preserve),
            _ if NOT_YET.contains(&word) => {
                Err(ConfigFault::NotYet { what: format!("the action {word} (event {event})") })
            }
            _ => Err(ConfigFault::ExitAction { event: event.to_owned() }),
        }
    }
}

/// The three actions of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitActions {
    /// After `poweroff`.
    pub on_poweroff: ExitAction,
    /// After `reboot`.
    pub on_reboot: ExitAction,
    /// After a crash.
    pub on_crash: ExitAction,
}

impl Default for ExitActions {
    fn default() -> Self {
        Self {
            on_poweroff: ExitAction::Destroy,
            on_reboot: ExitAction::Restart,
            on_crash: ExitAction::Restart,
        }
    }
}

impl ExitActions {
    /// From a configuration, the deprecated `restart` included; every fault is added to `faults`.
    pub fn from_sxp(tree: &Sxp, faults: &mut Vec<ConfigFault>) -> Self {
        let mut actions = Self::default();
        match tree.value("restart").and_then(Sxp::text) {
            Some("onreboot") | None => {
                if tree.child("restart").is_some() {
                    actions.on_crash = ExitAction::Destroy;
                }
            }
            Some("always") => {
                actions = Self {
                    on_poweroff: ExitAction::Restart,
                    on_reboot: ExitAction::Restart,
                    on_crash: ExitAction::Restart,
                };
            }
            Some(_) => faults.push(ConfigFault::ExitAction { event: "shutdown".to_owned() }),
        }
        let events = [
            ("on_poweroff", "shutdown", &mut actions.on_poweroff),
            ("on_reboot", "reboot", &mut actions.on_reboot),
            ("on_crash", "crash", &mut actions.on_crash),
        ];
        for (key, event, slot) in events {
            let Some(word) = tree.value(key).and_then(Sxp::text) else { continue };
            match ExitAction::parse(event, word) {
                Ok(action) => *slot = action,
                Err(fault) => faults.push(fault),
            }
        }
        actions
    }
}

/// Every action that the original knew, in the spelling in which it stored them.
const ALL: [(&str, &str); 9] = [
    ("destroy", "destroy"),
    ("restart", "restart"),
    ("preserve", "preserve"),
    ("rename-restart", "rename-restart"),
    ("rename_restart", "rename-restart"),
    ("coredump-destroy", "coredump-destroy"),
    ("coredump_and_destroy", "coredump-destroy"),
    ("coredump-restart", "coredump-restart"),
    ("coredump_and_restart", "coredump-restart"),
];

/// The three actions as words, those included that this version does not act on yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words([&'static str; 3]);

impl Words {
    /// From a configuration, the deprecated `restart` included; every fault is added to `faults`.
    pub(super) fn from_sxp(tree: &Sxp, faults: &mut Vec<ConfigFault>) -> Self {
        let mut words = match tree.value("restart").and_then(Sxp::text) {
            None if tree.child("restart").is_none() => ["destroy", "restart", "restart"],
            None | Some("onreboot") => ["destroy", "restart", "destroy"],
            Some("always") => ["restart"; 3],
            Some(_) => {
                faults.push(ConfigFault::ExitAction { event: "shutdown".to_owned() });
                ["destroy"; 3]
            }
        };
        let events = [("on_poweroff", "shutdown"), ("on_reboot", "reboot"), ("on_crash", "crash")];
        for ((key, event), slot) in events.into_iter().zip(&mut words) {
            let Some(given) = tree.value(key).and_then(Sxp::text) else { continue };
            match ALL.iter().find(|(word, _)| *word == given) {
                Some((_, word)) => *slot = word,
                None => faults.push(ConfigFault::ExitAction { event: event.to_owned() }),
            }
        }
        Self(words)
    }

    /// After `poweroff`, after `reboot`, after a crash.
    pub(super) fn words(self) -> [&'static str; 3] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (ExitActions, Vec<ConfigFault>) {
        let mut faults = Vec::new();
        let tree = xend_api::sxp::parse(text).unwrap().remove(0);
        (ExitActions::from_sxp(&tree, &mut faults), faults)
    }

    #[test]
    fn without_a_word_poweroff_destroys_and_the_rest_restarts() {
        assert_eq!(parse("(vm)").0, ExitActions::default());
    }

    #[test]
    fn the_deprecated_restart_sets_all_three() {
        assert_eq!(parse("(vm (restart always))").0.on_poweroff, ExitAction::Restart);
        assert_eq!(parse("(vm (restart onreboot))").0.on_crash, ExitAction::Destroy);
        let (_, faults) = parse("(vm (restart never))");
        assert_eq!(faults[0].to_string(), "Invalid event handling mode: shutdown");
    }

    #[test]
    fn an_action_that_is_not_there_yet_is_refused_and_a_wrong_one_names_its_event() {
        let (_, faults) = parse("(vm (on_crash coredump-restart) (on_reboot sometimes))");
        assert_eq!(faults[0].to_string(), "Invalid event handling mode: reboot");
        assert!(faults[1].to_string().contains("coredump-restart"), "{}", faults[1]);
    }
}
