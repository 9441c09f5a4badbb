//! Manifests: which crate uses which of ours, versions at the workspace only, the workspace's lints everywhere.

use crate::Finding;

/// Our crates and which of ours they may use. Crates under `tests/` and `xtask` may use all.
const CRATES: &[(&str, &[&str])] = &[
    ("hypervisor", &[]),
    ("xenstore", &[]),
    ("xend-api", &[]),
    ("hotplug", &["xenstore"]),
    ("xend", &["hypervisor", "xenstore", "xend-api"]),
    ("xm", &["xend-api"]),
];

/// The rules over one manifest.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    // The root declares versions; the fuzz targets are a workspace of their own.
    if path == "Cargo.toml" || path.starts_with("tests/fuzz/") {
        return Vec::new();
    }
    let manifest = Manifest::read(text);
    let mut findings = Vec::new();
    for entry in &manifest.dependencies {
        if !entry.from_workspace && !entry.is_itself {
            let text = format!("the version of `{}` belongs into the workspace's table", entry.name);
            findings.push(Finding::new(path, entry.line, text));
        }
        if entry.is_dev || is_allowed(manifest.name, entry.name) {
            continue;
        }
        let text = format!("`{}` may not use `{}`: it does not lie below it", manifest.name, entry.name);
        findings.push(Finding::new(path, entry.line, text));
    }
    if !manifest.has_lints {
        findings.push(Finding::new(path, 1, "`[lints] workspace = true` is missing"));
    }
    findings
}

fn is_allowed(user: &str, used: &str) -> bool {
    let is_ours = CRATES.iter().any(|(name, _)| *name == used);
    match CRATES.iter().find(|(name, _)| *name == user) {
        Some((_, allowed)) => !is_ours || allowed.contains(&used) || user == used,
        None => true,
    }
}

struct Entry<'a> {
    name: &'a str,
    line: usize,
    is_dev: bool,
    from_workspace: bool,
    is_itself: bool,
}

struct Manifest<'a> {
    name: &'a str,
    dependencies: Vec<Entry<'a>>,
    has_lints: bool,
}

impl<'a> Manifest<'a> {
    fn read(text: &'a str) -> Self {
        let mut manifest = Self { name: "", dependencies: Vec::new(), has_lints: false };
        let mut section = "";
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
                if let Some(entry) = own_section(section, at + 1) {
                    manifest.dependencies.push(entry);
                }
            } else if let Some((key, value)) = line.split_once('=') {
                manifest.take(section, at + 1, key.trim(), value.trim());
            }
        }
        manifest
    }

    fn take(&mut self, section: &'a str, line: usize, key: &'a str, value: &'a str) {
        match section {
            "package" if key == "name" => self.name = value.trim_matches('"'),
            "lints" if key == "workspace" && value == "true" => self.has_lints = true,
            _ if is_dependencies(section) => self.dependencies.push(Entry {
                name: key.split('.').next().unwrap_or(key),
                line,
                is_dev: section.contains("dev-"),
                from_workspace: key.ends_with(".workspace") || value.contains("workspace = true"),
                is_itself: value.contains("path = \".\""),
            }),
            _ if own_section(section, line).is_some() && key == "workspace" => {
                if let Some(entry) = self.dependencies.last_mut() {
                    entry.from_workspace = value == "true";
                }
            }
            _ => {}
        }
    }
}

fn is_dependencies(section: &str) -> bool {
    let last = section.rsplit('.').next().unwrap_or(section);
    matches!(last, "dependencies" | "dev-dependencies" | "build-dependencies")
}

/// The dependency that a section of its own describes: `[dependencies.nix]`.
fn own_section(section: &str, line: usize) -> Option<Entry<'_>> {
    let (kind, name) = section.rsplit_once('.')?;
    let is_dev = kind.contains("dev-");
    is_dependencies(kind).then_some(Entry { name, line, is_dev, from_workspace: false, is_itself: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check("a/Cargo.toml", text).iter().map(|finding| finding.line).collect()
    }

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn a_version_outside_the_workspace_is_found() {
        let text = format!(
            "{LINTS}[dependencies]\na = \"1\"\nb.workspace = true\nc = {{ workspace = true, features = [\"x\"] }}\n\
             d = {{ path = \".\" }} # itself\n[dev-dependencies.e]\nversion = \"1\"\n[build-dependencies.f]\nworkspace = true\n"
        );
        assert_eq!(lines(&text), [4, 8]);
    }

    #[test]
    fn a_crate_that_uses_one_above_it_is_found() {
        let of = |name: &str, used: &str| {
            lines(&format!("{LINTS}[package]\nname = \"{name}\"\n[dependencies]\n{used}.workspace = true\n"))
        };
        assert_eq!(of("xm", "xenstore"), [6]);
        assert_eq!(of("hypervisor", "xend-api"), [6]);
        assert_eq!(of("xend", "hotplug"), [6]);
        assert_eq!(of("xend", "hypervisor"), [0; 0]);
        assert_eq!(of("lab", "xend"), [0; 0]);
        let dev = format!("{LINTS}[package]\nname = \"xm\"\n[dev-dependencies]\nxenstore.workspace = true\n");
        assert_eq!(lines(&dev), [0; 0]);
    }

    #[test]
    fn missing_lints_are_found() {
        assert_eq!(lines("[package]\nname = \"x\"\n"), [1]);
    }
}
