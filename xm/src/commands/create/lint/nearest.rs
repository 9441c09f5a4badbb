//! The known name that a mistyped one probably means.

use xend_api::slips;

/// Longer words are nobody's slip.
const LONGEST: usize = 64;

/// The nearest of the names, if one is near enough: a slip or two, fewer in short names.
pub(super) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if typed.len() > LONGEST {
        return None;
    }
    let typed = typed.to_ascii_lowercase();
    let allowed = match typed.len() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    let measured = names.map(|name| (slips::between(&typed, name), name));
    measured.filter(|(distance, _)| *distance <= allowed).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_lead_to_the_name_that_was_meant() {
        let names = || ["memory", "maxmem", "name", "vif", "vif2", "disk", "vcpus"].into_iter();
        let cases = [
            ("memroy", Some("memory")),
            ("Memory", Some("memory")),
            ("disc", Some("disk")),
            ("vcpu", Some("vcpus")),
            ("vifs", Some("vif")),
            ("xy", None),
            ("kernel", None),
            ("", None),
        ];
        for (typed, expected) in cases {
            assert_eq!(nearest(typed, names()), expected, "{typed}");
        }
    }
}
