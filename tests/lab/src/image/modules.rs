//! The kernel modules that a lab's kernel needs, in the order in which `insmod` takes them.
//!
//! Packages come without `modules.dep`; each module names what it depends on in its `.modinfo` section.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Tree;
use crate::cache;

/// Modules of one kernel package.
#[derive(Debug)]
pub(super) struct Modules {
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
}

impl Modules {
    /// Reads an unpacked kernel package.
    pub(super) fn index(kernel: &Path) -> Result<Self> {
        let parent = [kernel.join("usr/lib/modules"), kernel.join("lib/modules")]
            .into_iter()
            .find(|folder| folder.exists())
            .context("cannot find modules in the kernel's package")?;
        let release = super::only(&parent, |_| true)?;
        let mut files = BTreeMap::new();
        let mut open = vec![release.join("kernel")];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
                let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
                if path.is_dir() {
                    open.push(path);
                } else if let Some(name) = module_name(&path) {
                    files.insert(name, path);
                }
            }
        }
        let builtin =
            fs::read_to_string(release.join("modules.builtin")).context("cannot read modules.builtin")?;
        let builtin = builtin.lines().filter_map(|line| module_name(Path::new(line))).collect();
        Ok(Self { files, builtin })
    }

    /// Adds modules with all they depend on, and a file in `lib/modules` with their order. A name with a question
    /// mark may be absent: kernels differ in what is a module.
    pub(super) fn install(&self, wanted: &[&str], list: &str, tree: &mut Tree) -> Result<()> {
        let mut order = Vec::new();
        for name in wanted {
            match name.strip_suffix('?') {
                Some(name) if !self.files.contains_key(name) => {}
                Some(name) => self.add(name, tree, &mut order)?,
                None => self.add(name, tree, &mut order)?,
            }
        }
        tree.file(&format!("lib/modules/{list}"), 0o644, order.join("\n") + "\n");
        Ok(())
    }

    fn add(&self, name: &str, tree: &mut Tree, order: &mut Vec<String>) -> Result<()> {
        let file = format!("{name}.ko");
        if self.builtin.contains(name) || order.contains(&file) {
            return Ok(());
        }
        let path = self.files.get(name).with_context(|| format!("cannot find the kernel module {name}"))?;
        let bytes = match path.extension().and_then(|e| e.to_str()) {
            Some("ko") => fs::read(path).with_context(|| format!("cannot read {}", path.display()))?,
            Some("xz") => cache::run(Command::new("xz").args(["-dc"]).arg(path))?,
            _ => bail!("cannot decompress {}", path.display()),
        };
        for needed in depends(&bytes) {
            self.add(&needed, tree, order)?;
        }
        tree.file(&format!("lib/modules/{file}"), 0o644, bytes);
        order.push(file);
        Ok(())
    }
}

/// `xen-netback.ko.xz` is module `xen_netback`.
fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".xz").unwrap_or(name).strip_suffix(".ko")?;
    Some(stem.replace('-', "_"))
}

fn depends(module: &[u8]) -> Vec<String> {
    let key = b"\0depends=";
    let Some(at) = module.windows(key.len()).position(|window| window == key) else { return Vec::new() };
    let value: Vec<u8> = module[at + key.len()..].iter().copied().take_while(|byte| *byte != 0).collect();
    let value = String::from_utf8_lossy(&value).into_owned();
    value.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_names_what_it_depends_on() {
        assert_eq!(depends(b"x\0depends=jbd2,crc-16\0y"), ["jbd2", "crc_16"]);
        assert!(depends(b"x\0depends=\0y").is_empty());
        assert!(depends(b"").is_empty());
    }

    #[test]
    fn a_module_is_named_by_its_file() {
        assert_eq!(module_name(Path::new("kernel/a/xen-netback.ko.xz")).as_deref(), Some("xen_netback"));
        assert_eq!(module_name(Path::new("modules.order")), None);
    }
}
