//! The files of the workspace, read from disk.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Finding, Source, rules};

/// Folders that hold nothing of ours.
const SKIPPED: &[&str] = &["target", "node_modules", "snapshots", "golden", "fixtures"];

/// A file and its text.
pub struct TextFile {
    /// Relative to the root, with `/`.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// Every text file of the workspace.
pub struct Workspace {
    files: Vec<TextFile>,
}

impl Workspace {
    /// Reads the workspace at `root`; hidden folders, build results and golden files are left out, and what is not
    /// UTF-8 is no text.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                let name = entry.file_name();
                let kind = entry.file_type()?;
                if kind.is_dir() && !is_skipped(&name.to_string_lossy()) {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    files.extend(read_text(root, entry.path())?);
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// A workspace of given files, for tests of the rules.
    pub fn of(files: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        let file = |(path, text): (&str, &str)| TextFile { path: path.to_owned(), text: text.to_owned() };
        Self { files: files.into_iter().map(file).collect() }
    }

    /// The Rust files, lexed, with the modules marked that are declared for tests only.
    pub fn sources(&self) -> Vec<Source<'_>> {
        let rust = self.files.iter().filter(|file| file.path.ends_with(".rs"));
        let mut sources: Vec<_> = rust.map(|file| Source::new(&file.path, &file.text)).collect();
        let test_modules: Vec<String> = sources
            .iter()
            .flat_map(|source| source.test_modules.iter().map(|name| format!("{}{name}", source.children())))
            .collect();
        for source in &mut sources {
            let stem = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
            if test_modules.iter().any(|module| stem == module || stem.starts_with(&format!("{module}/"))) {
                source.mark_as_test();
            }
        }
        sources
    }

    /// Every text file, whatever its kind.
    pub fn files(&self) -> &[TextFile] {
        &self.files
    }

    /// Everything that breaks a rule, in the order of the files.
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let sources = self.sources();
        for source in &sources {
            findings.extend(rules::ALL.iter().flat_map(|rule| rule(source)));
        }
        for file in self.files() {
            findings.extend(rules::check_text(file));
        }
        let text = |path: &str| {
            self.files.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str())
        };
        findings.extend(rules::documents::store_names(&sources, text("docs/store-paths.md")));
        findings.extend(rules::documents::crates(text("Cargo.toml"), text("docs/dependencies.md")));
        findings.sort();
        findings.dedup();
        findings
    }
}

fn is_skipped(folder: &str) -> bool {
    SKIPPED.contains(&folder) || folder.starts_with('.') && folder != ".cargo" && folder != ".ci"
}

fn read_text(root: &Path, path: PathBuf) -> io::Result<Option<TextFile>> {
    let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
    match String::from_utf8(std::fs::read(&path)?) {
        Ok(text) => Ok(Some(TextFile { path: relative, text })),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_declared_for_tests_are_tests() {
        let workspace = Workspace::of([
            ("a/src/lib.rs", "#[cfg(test)]\nmod testing;\nmod b;"),
            ("a/src/testing.rs", "//! x\nfn f() { a.unwrap() }"),
            ("a/src/testing/deep.rs", "//! x"),
            ("a/src/b.rs", "//! x"),
        ]);
        let tests: Vec<_> = workspace.sources().iter().map(Source::is_test).collect();
        assert_eq!(tests, [false, true, true, false]);
    }
}
