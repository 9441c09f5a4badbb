//! `vtpm`, which Xen had up to 4.2, and `access_control` (`xm-commands` §5.7): lists of which one entry counts.

use xend_api::Sxp;

use super::super::settings::Settings;
use super::faults::Faults;
use super::{ConvertError, pairs};

/// `(vtpm …)` of the first entry.
pub(super) fn device(settings: &Settings, faults: &mut Faults) -> Option<Sxp> {
    if !settings.truthy("vtpm") {
        return None;
    }
    let forms = pairs::each(settings, "vtpm", faults, |spec| form(settings, spec));
    forms.into_iter().next()
}

fn form(settings: &Settings, spec: &str) -> Result<Sxp, ConvertError> {
    let wrong = || ConvertError::Vtpm { spec: spec.to_owned() };
    let dict = pairs::dict(settings, "vtpm", spec).map_err(|_| wrong())?;
    if dict.iter().any(|(key, _)| !matches!(key, "instance" | "backend" | "uuid")) {
        return Err(wrong());
    }
    let mut members = Vec::new();
    if let Some(instance) = dict.get("instance") {
        let number = if instance == "VTPMD" { "0" } else { instance };
        match number.parse::<u32>() {
            Err(_) => return Err(ConvertError::VtpmInstance),
            Ok(0) if instance != "VTPMD" => return Err(ConvertError::VtpmInstanceZero),
            Ok(_) => members.push(Sxp::pair("pref_instance", number)),
        }
    }
    members.extend(["backend", "uuid"].into_iter().filter_map(|key| Some(Sxp::pair(key, dict.get(key)?))));
    Ok(Sxp::form("vtpm", members))
}

/// `(security …)`; exactly one label counts.
pub(super) fn security(settings: &Settings, faults: &mut Faults) -> Option<Sxp> {
    let controls = pairs::each(settings, "access_control", faults, control);
    if controls.len() > 1 {
        faults.entry("access_control", Some(1), ConvertError::SeveralAccessControls);
    }
    controls.into_iter().next().map(|control| Sxp::pair("security", vec![control]))
}

fn control(label: &str) -> Result<Sxp, ConvertError> {
    let wrong = || ConvertError::AccessControl { spec: label.to_owned() };
    let mut members = Vec::new();
    for part in label.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(wrong)?;
        if !matches!(key.trim(), "policy" | "label") {
            return Err(wrong());
        }
        members.push((key.trim(), value.trim()));
    }
    let value = |wanted: &str| members.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
    let (Some(policy), Some(label)) = (value("policy"), value("label")) else { return Err(wrong()) };
    Ok(Sxp::form("access_control", [Sxp::pair("policy", policy), Sxp::pair("label", label)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(variable: &'static str, entries: &[&str]) -> (Option<String>, Vec<String>) {
        let mut settings = Settings::new();
        settings.set(variable, entries.iter().map(|entry| Sxp::from(*entry)).collect::<Vec<_>>());
        let mut faults = Faults::default();
        let made = if variable == "vtpm" {
            device(&settings, &mut faults)
        } else {
            security(&settings, &mut faults)
        };
        let texts = faults.into_findings().iter().map(|one| one.error.to_string()).collect();
        (made.map(|sxp| sxp.to_string()), texts)
    }

    #[test]
    fn the_first_vtpm_counts_and_must_have_an_instance_other_than_0() {
        let (made, faults) = told("vtpm", &["instance=1,backend=0", "instance=2"]);
        assert_eq!((made.as_deref(), faults.len()), (Some("(vtpm (pref_instance 1) (backend 0))"), 0));
        assert_eq!(told("vtpm", &["instance=VTPMD"]).0.as_deref(), Some("(vtpm (pref_instance 0))"));
        assert_eq!(told("vtpm", &["instance=0"]).1, ["VM config error: vTPM instance must not be 0."]);
        assert_eq!(told("vtpm", &["instance=a"]).1, ["Vm config error: could not parse instance number."]);
        assert_eq!(told("vtpm", &["type=x"]).1, ["Invalid vtpm specifier: type=x"]);
    }

    #[test]
    fn only_one_label_can_be_given() {
        let (made, faults) = told("access_control", &["policy=p,label=l"]);
        assert_eq!(made.as_deref(), Some("(security ((access_control (policy p) (label l))))"));
        assert!(faults.is_empty());
        let twice = told("access_control", &["policy=p,label=l", "policy=p,label=m"]);
        assert_eq!(twice.1, ["Multiple access_control definitions."]);
        assert_eq!(told("access_control", &["x=p"]).1, ["Invalid access_control specifier: x=p"]);
    }
}
