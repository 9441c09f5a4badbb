//! What `xm` itself prints: the mapping of failures to texts (`xm-commands` §2.6, §2.3, §2.4, §2.9). The texts come
//! without `Error: ` unless they say otherwise.

/// What precedes every error on stderr.
pub const ERROR: &str = "Error: ";

/// Not root and no daemon reached.
pub const NEEDS_ROOT: &str = "Most commands need root access. Please try again as root.";

/// Not root and an I/O error: two blanks, as the original had them.
pub const NEEDS_ROOT_IO: &str = "Most commands need root access.  Please try again as root.";

/// A bad integer.
pub const INVALID_ARGUMENT: &str = "Invalid argument.";

/// No domain where one is wanted.
pub const NO_DOMAIN_GIVEN: &str = "No domain parameter given";

/// Several domains where one is wanted.
pub const SEVERAL_DOMAINS_GIVEN: &str = "No multiple domain parameters allowed";

/// No HTTP status in the answer; printed without `Error: `.
pub const CRASHED_NO_STATUS: &str = "Xend has probably crashed!  Invalid or missing HTTP status code.";

/// The server speaks Xen-API.
pub const NOT_WITH_XEN_API: &str = "This function is not supported by Xen-API";

/// The server does not speak Xen-API.
pub const ONLY_WITH_XEN_API: &str = "This function is only supported by Xen-API";

/// Nobody listens; `reason` is the text of the errno.
pub fn cannot_connect(reason: &str) -> String {
    format!("Unable to connect to xend: {reason}. Is xend running?")
}

/// An I/O error as root.
pub fn connection_failed(reason: &str) -> String {
    format!("Unable to connect to xend: {reason}.")
}

/// Another HTTP status than 200; printed without `Error: `.
pub fn crashed_with_status(code: u16, message: &str) -> String {
    format!("Xend has probably crashed!  ProtocolError({code}, {message}).")
}

/// Fault 3 of most commands.
pub fn domain_does_not_exist(designator: &str) -> String {
    format!("Domain '{designator}' does not exist.")
}

/// Fault 3 of `create` and `new`.
pub fn the_domain_does_not_exist(designator: &str) -> String {
    format!("the domain '{designator}' does not exist.")
}

/// No such command.
pub fn subcommand_not_found(name: &str) -> String {
    format!("Subcommand {name} not found!")
}

/// A word that is no `KEY=VALUE` that the command knows.
pub fn invalid_argument(word: &str) -> String {
    format!("Invalid argument: {word}")
}

/// The domain has no such device.
pub fn cannot_find_device(device: &str, domain: &str) -> String {
    format!("Cannot find device '{device}' in domain '{domain}'")
}

/// A third word of a detach that does not force it; printed without `Error: `, on standard output.
pub fn ignoring_option(word: &str) -> String {
    format!("Ignoring option {word}")
}

/// A fixed number of arguments was wanted; always with its plural `s`.
pub fn requires_arguments(command: &str, wanted: usize) -> String {
    format!("'xm {command}' requires {wanted} arguments.")
}

/// A range of numbers of arguments was wanted.
pub fn requires_arguments_between(command: &str, low: usize, high: usize) -> String {
    format!("'xm {command}' requires between {low} and {high} arguments.")
}

/// An unknown option, with its dashes.
pub fn option_not_recognized(option: &str) -> String {
    format!("option {option} not recognized")
}

/// An option without its value.
pub fn option_requires_argument(option: &str) -> String {
    format!("option {option} requires argument")
}

/// A value for an option that takes none.
pub fn option_takes_no_argument(option: &str) -> String {
    format!("option {option} must not have an argument")
}

/// A shortened long option that could be several.
pub fn option_not_unique(option: &str) -> String {
    format!("option {option} not a unique prefix")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_those_of_the_reference() {
        assert_eq!(
            cannot_connect("No such file or directory"),
            "Unable to connect to xend: No such file or directory. Is xend running?"
        );
        assert_eq!(
            crashed_with_status(500, "Internal Server Error"),
            "Xend has probably crashed!  ProtocolError(500, Internal Server Error)."
        );
        assert_eq!(requires_arguments("pause", 1), "'xm pause' requires 1 arguments.");
        assert_eq!(NEEDS_ROOT_IO.replacen("  ", " ", 1), NEEDS_ROOT);
    }
}
