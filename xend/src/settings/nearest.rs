//! The known name that a mistyped one is most like.

use xend_api::slips;

/// Longer words are nobody's slip.
const LONGEST: usize = 64;
/// A word of this length may stand for a longer name that contains it.
const TELLING: usize = 5;

/// The nearest of `known`, if there is one that is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let plain = plain(name);
    let allowed = 1 + plain.len() / 5;
    let measured =
        known.clone().map(|candidate| (slips::between(&plain, &self::plain(candidate)), candidate));
    if let Some((found, candidate)) = measured.min_by_key(|(found, _)| *found)
        && found <= allowed
        && found < plain.len()
    {
        return Some(candidate);
    }
    let holds = |candidate: &&str| name.len() >= TELLING && self::plain(candidate).contains(plain.as_str());
    known.filter(holds).min_by_key(|candidate| candidate.len())
}

/// Hyphens for underscores and small letters, which is where most slips are.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] =
        ["xend-port", "xend-http-server", "keymap", "total_available_memory", "loglevel"];

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let found = |name| nearest(name, KNOWN.into_iter());
        for (name, wanted) in [
            ("xend-prot", Some("xend-port")),
            ("XEND_PORT", Some("xend-port")),
            ("http-server", Some("xend-http-server")),
            ("total-available-memory", Some("total_available_memory")),
            ("log-level", Some("loglevel")),
            ("key", None),
            ("a", None),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(found(name), wanted, "{name}");
        }
        assert_eq!(found(&"xend-port".repeat(1000)), None);
    }
}
