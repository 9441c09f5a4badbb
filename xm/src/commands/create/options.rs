//! The words of `xm create`: options, `name=value`, and the name of the domain file, in any order (`xm-commands` §4.1,
//! §4.2).

use crate::domfile::{SettingError, Settings, variables};
use crate::getopt::{self, Given, Spec};
use crate::report::Failure;
use crate::table::help;

const SPEC: Spec = Spec {
    short: "hqf:F:nxspc",
    long: &[
        "help",
        "help_config",
        "quiet",
        "path=",
        "defconfig=",
        "config=",
        "dryrun",
        "xmldryrun",
        "skipdtd",
        "paused",
        "console_autoconnect",
        "vncviewer",
        "vncviewer-autopass",
        "lint",
        "json",
    ],
};

/// Keys and texts of the options, as `-h` lists them.
const HELP: [(&str, &str); 14] = [
    ("-h, --help", "Print this help."),
    ("--help_config", "Print the variables that a domain file can set."),
    ("-q, --quiet", "Do not print which file is used and that the domain was started."),
    ("--path=PATH", "Folders in which the domain file is looked for, with colons between them."),
    ("-f=FILE, --defconfig=FILE", "The domain file. The same as its bare name."),
    ("-F=FILE, --config=FILE", "A file of SXP instead of a domain file; nothing is looked for or filled in."),
    ("-n, --dryrun", "Print the SXP of the domain and create nothing."),
    ("-x, --xmldryrun", "Print XML for a Xen-API server and create nothing."),
    ("-s, --skipdtd", "Do not check XML files against their DTD."),
    ("-p, --paused", "Leave the domain paused."),
    ("-c, --console_autoconnect", "Attach to the domain's console."),
    ("--vncviewer, --vncviewer-autopass", "Accepted, without effect; see the variable vncconsole."),
    ("--lint", "Check the domain files, any number of them, and create nothing."),
    ("--json", "With --lint: print the findings as JSON."),
];

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The domain files, as typed; only `--lint` takes more than the last one.
    pub files: Vec<String>,
    /// A file of SXP instead.
    pub sxp_file: Option<String>,
    /// Where domain files are looked for.
    pub path: String,
    /// What else is wanted.
    pub wants: Wants,
    /// List the variables and nothing else.
    pub help_config: bool,
    /// Check the files and nothing else.
    pub lint: bool,
    /// Print the findings as JSON.
    pub json: bool,
    /// The variables, those of the command line set.
    pub settings: Settings,
    /// Names that are no variables, with their values: strings that the file can use.
    pub strings: Vec<(String, String)>,
}

/// Switches that the file can set too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Say little.
    pub quiet: bool,
    /// Create nothing.
    pub dry_run: bool,
    /// Print XML.
    pub xml_dry_run: bool,
    /// Leave it paused.
    pub paused: bool,
    /// Attach to its console.
    pub console: bool,
}

impl Request {
    /// Reads the words: options, one other word, options, one other word and so on.
    pub fn parse(args: &[String]) -> Result<Self, Failure> {
        let mut request = Self {
            files: Vec::new(),
            sxp_file: None,
            path: ".:/etc/xen".to_owned(),
            wants: Wants::default(),
            help_config: false,
            lint: false,
            json: false,
            settings: Settings::new(),
            strings: Vec::new(),
        };
        let mut rest = args;
        while !rest.is_empty() {
            let mut given = Vec::new();
            rest = getopt::switches(rest, SPEC, &mut given)?;
            given.into_iter().for_each(|option| request.option(option));
            rest = rest.strip_prefix(["--".to_owned()].as_slice()).unwrap_or(rest);
            if let Some((word, after)) = rest.split_first() {
                request.word(word)?;
                rest = after;
            }
        }
        if request.json && !request.lint {
            return Err(Failure::option("option --json needs --lint"));
        }
        Ok(request)
    }

    fn option(&mut self, given: Given) {
        let Given { name, value } = given;
        match name.as_str() {
            "-q" | "--quiet" => self.wants.quiet = true,
            "-n" | "--dryrun" => self.wants.dry_run = true,
            "-x" | "--xmldryrun" => self.wants.xml_dry_run = true,
            "-p" | "--paused" => self.wants.paused = true,
            "-c" | "--console_autoconnect" => self.wants.console = true,
            "-f" | "--defconfig" => self.files.push(value),
            "-F" | "--config" => self.sxp_file = Some(value),
            "--path" => self.path = value,
            "--help_config" => self.help_config = true,
            "--lint" => self.lint = true,
            "--json" => self.json = true,
            // -s and the two viewer options have had no effect with the classic server.
            _ => {}
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Failure> {
        let Some((name, value)) = word.split_once('=') else {
            self.files.push(word.to_owned());
            return Ok(());
        };
        let known = self.settings.specify(name, value).map_err(setting)?;
        if !known {
            self.strings.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        Ok(())
    }
}

/// A bad value, as it is told.
pub(super) fn setting(error: SettingError) -> Failure {
    let hint = error.hint();
    Failure::error(error.to_string()).hint(Some(hint))
}

/// What follows the usage of `create`.
pub fn options_help() -> String {
    let entries: String = HELP.iter().map(|(keys, text)| help::entry(keys, text)).collect();
    format!("\nOptions:\n\n{entries}\n")
}

/// What `--help_config` prints.
pub(super) fn variables_help() -> String {
    let entry = |one: &variables::Variable| help::entry(&format!("{}=VAL", one.name), one.help);
    let entries: String = variables::all().iter().map(entry).collect();
    format!("\nValues:\n\n{entries}\n")
}

#[cfg(test)]
mod tests {
    use xend_api::Sxp;

    use super::*;

    fn parse(text: &str) -> Result<Request, Failure> {
        Request::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn words_stand_in_any_order_and_the_last_file_counts() {
        let request = parse("a.cfg -n memory=64 b.cfg -q vif=x vif=y vmid=3").unwrap();
        assert_eq!(request.files, ["a.cfg", "b.cfg"]);
        assert_eq!(request.wants, Wants { quiet: true, dry_run: true, ..Wants::default() });
        assert_eq!(*request.settings.get("memory"), Sxp::Int(64));
        assert_eq!(*request.settings.get("vif"), Sxp::List(vec!["x".into(), "y".into()]));
        assert_eq!(request.strings, [("vmid".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn abbreviated_options_and_their_values_are_understood() {
        let request = parse("--pau --path /a:/b --def=c.cfg -cp -F d.sxp").unwrap();
        assert!(request.wants.paused && request.wants.console);
        assert_eq!((request.path.as_str(), request.files[0].as_str()), ("/a:/b", "c.cfg"));
        assert_eq!(request.sxp_file.as_deref(), Some("d.sxp"));
    }

    #[test]
    fn errors_have_the_texts_of_the_original() {
        let text = |words| parse(words).unwrap_err().text.unwrap();
        assert_eq!(text("--vcpus=3"), "Error: option --vcpus not recognized");
        assert_eq!(text("-F"), "Error: option -F requires argument");
        assert_eq!(text("memory=lots"), "Error: Invalid value: lots");
        assert_eq!(text("usb=true"), "Error: Invalid value:true");
    }
}
