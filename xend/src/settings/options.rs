//! The options of `xend-config.sxp` that this version obeys (`xend-daemon` §1.4). The first of several wins.

use std::{collections::BTreeSet, time::Duration};

use xend_api::Sxp;

/// Options with their defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `vif-script`: what a vif without a script of its own runs.
    pub vif_script: String,
    /// `device-create-timeout`.
    pub device_create_timeout: Duration,
    /// `device-destroy-timeout`.
    pub device_destroy_timeout: Duration,
    /// `console-limit`, KiB.
    pub console_limit_kib: u64,
    /// A domain that ends sooner than this after its start is not started again.
    pub restart_floor: Duration,
    /// After this long without an answer to a shutdown request the log says so.
    pub shutdown_notice: Duration,
}

/// Options that have an effect.
const OBEYED: [&str; 4] = ["vif-script", "device-create-timeout", "device-destroy-timeout", "console-limit"];

impl Default for Settings {
    fn default() -> Self {
        Self {
            vif_script: "vif-bridge".to_owned(),
            device_create_timeout: Duration::from_secs(100),
            device_destroy_timeout: Duration::from_secs(100),
            console_limit_kib: 1024,
            restart_floor: Duration::from_secs(60),
            shutdown_notice: Duration::from_secs(300),
        }
    }
}

impl Settings {
    /// From the forms of the file; a value that can't be read is left at its default and named in the second part.
    pub fn from_forms(forms: &[Sxp]) -> (Self, Vec<String>) {
        let mut settings = Self::default();
        let mut complaints = Vec::new();
        let mut number = |name: &str, slot: &mut u64| {
            let Some(value) = option(forms, name) else { return };
            // 32 bits: more seconds than that can't be added to a clock, and KiB become bytes.
            match value.int().and_then(|n| u32::try_from(n).ok()) {
                Some(n) => *slot = n.into(),
                None => complaints.push(format!("cannot read the number in ({name} …)")),
            }
        };
        let mut create = settings.device_create_timeout.as_secs();
        let mut destroy = settings.device_destroy_timeout.as_secs();
        number("device-create-timeout", &mut create);
        number("device-destroy-timeout", &mut destroy);
        number("console-limit", &mut settings.console_limit_kib);
        settings.device_create_timeout = Duration::from_secs(create);
        settings.device_destroy_timeout = Duration::from_secs(destroy);
        if let Some(script) = option(forms, "vif-script").and_then(Sxp::atom) {
            settings.vif_script = script;
        }
        let ignored = forms.iter().filter_map(Sxp::name).filter(|name| !OBEYED.contains(name));
        let ignored: BTreeSet<&str> = ignored.collect();
        if !ignored.is_empty() {
            let names: Vec<&str> = ignored.into_iter().collect();
            complaints.push(format!("this version does not obey these options yet: {}", names.join(", ")));
        }
        (settings, complaints)
    }
}

fn option<'a>(forms: &'a [Sxp], name: &str) -> Option<&'a Sxp> {
    forms.iter().find(|form| form.name() == Some(name)).and_then(|form| form.items().get(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_an_entry_for_every_option_that_is_obeyed() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/man/xend-config.sxp.5");
        let page = std::fs::read_to_string(page).unwrap().replace("\\-", "-");
        let entries: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".BI (")).collect();
        let names: Vec<&str> = entries.iter().filter_map(|entry| entry.split(' ').next()).collect();
        assert_eq!(names, OBEYED);
    }

    #[test]
    fn a_number_that_no_clock_can_hold_is_named() {
        let forms =
            xend_api::sxp::parse("(device-create-timeout 9223372036854775807) (console-limit -1)").unwrap();
        let (settings, complaints) = Settings::from_forms(&forms);
        assert_eq!((settings, complaints.len()), (Settings::default(), 2));
    }

    #[test]
    fn the_first_of_several_options_wins_and_bad_numbers_are_named() {
        let forms = xend_api::sxp::parse(
            "(vif-script vif-route) (vif-script vif-nat) (device-create-timeout 7) (console-limit lots) (dom0-cpus 1)",
        )
        .unwrap();
        let (settings, complaints) = Settings::from_forms(&forms);
        assert_eq!(settings.vif_script, "vif-route");
        assert_eq!(settings.device_create_timeout, Duration::from_secs(7));
        assert_eq!(settings.console_limit_kib, 1024);
        assert_eq!(
            complaints,
            [
                "cannot read the number in (console-limit …)",
                "this version does not obey these options yet: dom0-cpus"
            ]
        );
    }
}
