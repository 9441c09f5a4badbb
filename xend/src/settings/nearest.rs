//! The known name that a mistyped one is most like.

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
    let measured = known.clone().map(|candidate| (distance(&plain, &self::plain(candidate)), candidate));
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

/// How many letters have to be changed, added, left out, or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut now = vec![row + 1];
        for (column, wanted) in to.iter().enumerate() {
            let changed = last[column] + usize::from(letter != wanted);
            let mut least = changed.min(last[column + 1] + 1).min(now[column] + 1);
            if row > 0 && column > 0 && *letter == to[column - 1] && from[row - 1] == *wanted {
                least = least.min(before[column - 1] + 1);
            }
            now.push(least);
        }
        before = std::mem::replace(&mut last, now);
    }
    last[to.len()]
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
