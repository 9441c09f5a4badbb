//! Paths of the store are spelled in `xenstore::paths` only.

use crate::lexer::Kind;
use crate::{Finding, Source};

/// Where they are spelled.
const HOME: &str = "xenstore/src/paths";

/// What such a path contains.
const INSIDE: &[&str] = &["/local/domain"];

/// How such a path begins, a slash before it or not.
const BEGINS: &[&str] = &[
    "vm/",
    "backend/",
    "device/vbd",
    "device/vif",
    "device/vfb",
    "device/vkbd",
    "device/pci",
    "device/console",
    "device-misc/",
    "console/",
    "control/",
    "cpu/",
    "image/",
    "memory/",
    "store/",
    "xend/restart",
    "xend/shutdown",
    "xend/last_shutdown",
    "tool/xen",
    "@introduceDomain",
    "@releaseDomain",
];

/// A string outside `xenstore::paths` that looks like a path of the store. Tests say what they expect, so they and
/// the lab, whose scripts run on the guest's side of the world, may spell paths out.
pub(super) fn spelled_at_home(source: &Source<'_>) -> Vec<Finding> {
    if [HOME, "tests/", "xtask/"].iter().any(|home| source.path.starts_with(home)) {
        return Vec::new();
    }
    let strings =
        source.tokens.iter().filter(|token| token.kind == Kind::Text && !source.is_test_line(token.line));
    strings
        .filter(|token| is_store_path(token.text))
        .map(|token| {
            let text = format!("\"{}\" is a path of the store: spell it in xenstore::paths", token.text);
            Finding::new(source.path, token.line, text)
        })
        .collect()
}

fn is_store_path(text: &str) -> bool {
    let relative = text.strip_prefix('/').unwrap_or(text);
    // A sentence that mentions a path is no path.
    !text.contains(' ')
        && (INSIDE.iter().any(|part| text.contains(part))
            || BEGINS.iter().any(|start| relative.starts_with(start)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::lines;

    #[test]
    fn a_path_away_from_home_is_found() {
        let text = "f(\"/local/domain/{domid}\");\nf(\"backend/vbd/\");\nf(r\"/vm/x\");\nf(\"/var/vm/\");\nf(\"no /local/domain here\");\n// \"/vm/\"\n";
        assert_eq!(lines(spelled_at_home, "xend/src/devices/vbd.rs", text), [1, 2, 3]);
        assert_eq!(lines(spelled_at_home, "xenstore/src/paths.rs", text), [0; 0]);
        assert_eq!(lines(spelled_at_home, "xend/tests/create.rs", text), [0; 0]);
    }
}
