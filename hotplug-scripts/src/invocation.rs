//! How a script was called: its name, its command, and the variables that arguments and environment set.
//!
//! The rules are the original helper's: an argument with `=` anywhere but in front is an assignment, the first
//! argument without is the command, and for every parameter an argument beats the environment and a node of the
//! same name in the backend beats both.

use std::collections::BTreeMap;

/// Where programs are looked for after the folders that the caller names.
const USUAL_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// One call of a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Name of the script, without folder.
    pub script: String,
    /// What to do; `None` when no argument said.
    pub command: Option<String>,
    /// The arguments as they came, for a script that hands them on.
    pub arguments: Vec<String>,
    variables: BTreeMap<String, String>,
}

impl Invocation {
    /// Reads a call of `script`.
    pub fn new(
        script: impl Into<String>,
        arguments: impl IntoIterator<Item = String>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut call = Invocation {
            script: script.into(),
            variables: environment.into_iter().collect(),
            ..Self::default()
        };
        for argument in arguments {
            call.arguments.push(argument.clone());
            match argument.split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    call.variables.insert(name.to_owned(), unquoted(value).to_owned());
                }
                _ if call.command.is_none() => call.command = Some(argument),
                _ => {}
            }
        }
        call
    }

    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The environment of a program that we start: every variable, no language but the plain one (its output may
    /// be read by scripts), and a search path that ends with the usual folders, whatever we were given.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = self.variables.clone();
        environment.retain(|name, _| !name.starts_with("LC_"));
        environment.insert("LANG".to_owned(), "POSIX".to_owned());
        let path = self.variable("PATH").into_iter().chain([USUAL_PATH]).collect::<Vec<_>>().join(":");
        environment.insert("PATH".to_owned(), path);
        environment
    }

    /// The backend that the call is about, as the kernel names it (relative to the own domain's nodes).
    pub fn backend(&self) -> Option<&str> {
        self.variable("XENBUS_PATH").map(|path| path.trim_end_matches('/'))
    }
}

/// The original evaluated assignments in a shell, so people wrote quotes.
fn unquoted(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: &[&str]) -> Invocation {
        let environment = [("bridge", "fromenv"), ("empty", ""), ("XENBUS_PATH", "backend/vif/5/0/")];
        Invocation::new(
            "vif-bridge",
            arguments.iter().map(|argument| (*argument).to_owned()),
            environment.map(|(name, value)| (name.to_owned(), value.to_owned())),
        )
    }

    #[test]
    fn the_first_argument_without_an_equals_sign_is_the_command() {
        let call = call(&["netdev=eth1", "online", "offline", "type_if=vif"]);
        assert_eq!(call.command.as_deref(), Some("online"));
        assert_eq!(call.variable("netdev"), Some("eth1"));
        assert_eq!(call.variable("type_if"), Some("vif"));
    }

    #[test]
    fn an_argument_beats_the_environment_and_the_last_one_wins() {
        assert_eq!(call(&["online"]).variable("bridge"), Some("fromenv"));
        assert_eq!(call(&["bridge=a", "online", "bridge='b'"]).variable("bridge"), Some("b"));
        assert_eq!(call(&["bridge=x=y"]).variable("bridge"), Some("x=y"));
        assert_eq!(call(&["bridge=\"xenbr0\""]).variable("bridge"), Some("xenbr0"));
        assert_eq!(call(&["bridge=\""]).variable("bridge"), Some("\""));
    }

    #[test]
    fn a_leading_equals_sign_makes_no_assignment() {
        assert_eq!(call(&["=x"]).command.as_deref(), Some("=x"));
        assert_eq!(call(&["a=b"]).command, None);
    }

    #[test]
    fn a_program_that_we_start_gets_every_variable_and_plain_language() {
        let variables = [("LC_ALL", "de_DE"), ("LANG", "de_DE"), ("vif", "vif5.0"), ("PATH", "/x")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = Invocation::new("block", ["a=b".to_owned()], variables).environment();
        let all: Vec<_> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(all, ["LANG=POSIX", "PATH=/x:/usr/sbin:/usr/bin:/sbin:/bin", "a=b", "vif=vif5.0"]);
    }

    #[test]
    fn an_empty_variable_is_as_good_as_none() {
        assert_eq!(call(&[]).variable("empty"), None);
        assert_eq!(call(&["bridge="]).variable("bridge"), None);
    }

    #[test]
    fn the_backend_is_named_without_a_closing_slash() {
        assert_eq!(call(&[]).backend(), Some("backend/vif/5/0"));
    }
}
