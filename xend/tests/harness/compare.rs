//! The corpus of what the original answered, where it lies beside the checkout, and how answers are compared with it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use xend_api::Sxp;

/// The corpus, unless this checkout has none beside it.
pub fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("no corpus beside the checkout: not compared");
    None
}

/// What differs between the original's answer and ours: members of a form in any order, forms of one name in theirs.
/// Those whose name begins with one of `invented` need only be there.
pub fn differences(place: &str, wanted: &Sxp, ours: &Sxp, invented: &[&str]) -> Vec<String> {
    match (wanted, ours) {
        (Sxp::Text(hole), _) if hole.starts_with('@') && hole.ends_with('@') => {
            fits(hole, ours).then(Vec::new).unwrap_or_else(|| vec![format!("{place}: {hole} is {ours:?}")])
        }
        (Sxp::List(wanted), Sxp::List(ours)) if wanted.iter().any(|item| item.name().is_some()) => {
            let (wanted, mut ours) = (members(wanted), members(ours));
            let mut found = Vec::new();
            for (key, value) in wanted {
                let place = format!("{place}/{key}");
                match ours.remove(&key) {
                    None => found.push(format!("{place} is missing")),
                    Some(_) if invented.iter().any(|name| key.starts_with(name)) => {}
                    Some(other) => found.extend(differences(&place, value, other, invented)),
                }
            }
            found.extend(ours.keys().map(|key| format!("{place}/{key} is not in the original's")));
            found
        }
        (Sxp::List(wanted), Sxp::List(ours)) if wanted.len() == ours.len() => {
            let pairs = wanted.iter().zip(ours).enumerate();
            pairs.flat_map(|(at, (a, b))| differences(&format!("{place}[{at}]"), a, b, invented)).collect()
        }
        _ if wanted == ours => Vec::new(),
        _ => vec![format!("{place}: wanted {wanted:?}, is {ours:?}")],
    }
}

/// Items by name (a device also by its class) and number among those of that name.
fn members(items: &[Sxp]) -> BTreeMap<String, &Sxp> {
    let mut counts = BTreeMap::new();
    let mut members = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        let name = match (item.name(), item.items().get(1).and_then(Sxp::name)) {
            (Some("device"), Some(class)) => format!("device {class}"),
            (Some(name), _) => name.to_owned(),
            (None, _) => format!("[{at}]"),
        };
        let count = counts.entry(name.clone()).or_insert(0);
        *count += 1;
        members.insert(format!("{name} {count}"), item);
    }
    members
}

fn fits(hole: &str, ours: &Sxp) -> bool {
    let text = ours.atom().unwrap_or_default();
    match hole {
        "@UUID@" => uuid::Uuid::parse_str(&text).is_ok(),
        "@MAC@" => text.starts_with("00:16:3e:") && text.len() == 17,
        "@DOMID@" => text.parse::<u16>().is_ok(),
        "@TIME@" => ours.float().is_some_and(|seconds| seconds > 1e9),
        _ => !text.is_empty(),
    }
}
