//! Which block devices share bytes with a device: what lies on it and what it lies on.
//!
//! ```text
//! up     its partitions, what device-mapper and md made of it, and so on, each of these too
//! down   the whole disk of a partition, the devices that a mapped device or an array is made of, and so on
//! ```
//!
//! Never down and up again: two volumes of one group share a disk and no byte. The kernel's tree in `/sys` is the only
//! source; where there is none, a device is akin to itself.

use super::sharing::DeviceNumber;
use crate::host::Host;
use std::fs;
use std::path::{Path, PathBuf};

/// More than any host has; a tree that is made to be walked for ever is not.
const MOST: usize = 4096;

/// The device itself, and every one that shares bytes with it.
pub(super) fn kin(host: &Host, number: DeviceNumber) -> Vec<DeviceNumber> {
    let mut found = vec![number];
    let Some(folder) = folder(host, number) else { return found };
    for step in [above, below] {
        let mut folders = vec![folder.clone()];
        let mut next = 0;
        while let Some(folder) = folders.get(next).cloned().filter(|_| next < MOST) {
            next += 1;
            for one in step(&folder) {
                if !folders.contains(&one) {
                    folders.push(one);
                }
            }
        }
        found.extend(folders[1..].iter().filter_map(|folder| number_of(folder)));
    }
    found
}

/// The kernel's name of a device, such as `sda1`.
pub(super) fn name(host: &Host, number: DeviceNumber) -> Option<String> {
    Some(folder(host, number)?.file_name()?.to_string_lossy().into_owned())
}

fn folder(host: &Host, number: DeviceNumber) -> Option<PathBuf> {
    fs::canonicalize(host.path("/sys/dev/block").join(number.decimal())).ok()
}

fn number_of(folder: &Path) -> Option<DeviceNumber> {
    DeviceNumber::parse_in(&fs::read_to_string(folder.join("dev")).ok()?, 10)
}

fn above(folder: &Path) -> Vec<PathBuf> {
    let mut found = linked(&folder.join("holders"));
    found.extend(entries(folder).into_iter().filter(|entry| entry.join("partition").exists()));
    found
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = linked(&folder.join("slaves"));
    if folder.join("partition").exists() {
        found.extend(folder.parent().map(Path::to_path_buf));
    }
    found
}

fn linked(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter_map(|link| fs::canonicalize(link).ok()).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).take(MOST).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::testing::Folder;
    use std::os::unix::fs::symlink;

    /// Makes a tree of `NAME NUMBER [parent PARENT] [on NAME…]` lines.
    pub(in super::super) fn tree(root: &Path, lines: &[&str]) {
        let block = root.join("sys/dev/block");
        fs::create_dir_all(&block).unwrap();
        let devices = root.join("sys/devices");
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let (place, on) = match words.get(2) {
                Some(&"in") => (devices.join(words[3]).join(words[0]), &words[4..]),
                _ => (devices.join(words[0]), &words[2..]),
            };
            fs::create_dir_all(place.join("slaves")).unwrap();
            fs::create_dir_all(place.join("holders")).unwrap();
            fs::write(place.join("dev"), format!("{}\n", words[1])).unwrap();
            if words.get(2) == Some(&"in") {
                fs::write(place.join("partition"), "1\n").unwrap();
            }
            symlink(&place, block.join(words[1])).unwrap();
            for lower in on.iter().filter(|word| **word != "on") {
                let lower_folder = fs::canonicalize(block.join(lower)).unwrap();
                symlink(&lower_folder, place.join("slaves").join(lower)).unwrap();
                symlink(&place, lower_folder.join("holders").join(words[0])).unwrap();
            }
        }
    }

    fn names(host: &Host, number: &str) -> Vec<String> {
        let number = DeviceNumber::parse_in(number, 10).unwrap();
        let mut names: Vec<String> =
            kin(host, number).into_iter().map(|one| name(host, one).unwrap_or_default()).collect();
        names.sort();
        names
    }

    #[test]
    fn kin_are_up_or_down_and_never_down_and_up() {
        let folder = Folder::new("kin");
        tree(
            folder.path(),
            &[
                "sda 8:0",
                "sda1 8:1 in sda",
                "sda2 8:2 in sda",
                "dm-0 253:0 on 8:2",
                "dm-1 253:1 on 8:2",
                "md0 9:0 on 253:0",
                "sdb 8:16",
            ],
        );
        let host = Host::new(folder.path());
        assert_eq!(names(&host, "8:0"), ["dm-0", "dm-1", "md0", "sda", "sda1", "sda2"]);
        assert_eq!(names(&host, "8:1"), ["sda", "sda1"]);
        assert_eq!(names(&host, "8:2"), ["dm-0", "dm-1", "md0", "sda", "sda2"]);
        assert_eq!(names(&host, "253:1"), ["dm-1", "sda", "sda2"]);
        assert_eq!(names(&host, "9:0"), ["dm-0", "md0", "sda", "sda2"]);
        assert_eq!(names(&host, "8:16"), ["sdb"]);
    }

    #[test]
    fn a_tree_that_leads_in_a_circle_ends_and_none_is_fine() {
        let folder = Folder::new("kin");
        tree(folder.path(), &["dm-0 253:0", "dm-1 253:1 on 253:0"]);
        let devices = folder.path().join("sys/devices");
        symlink(devices.join("dm-0"), devices.join("dm-1/holders/dm-0")).unwrap();
        let host = Host::new(folder.path());
        assert_eq!(names(&host, "253:0"), ["dm-0", "dm-1"]);
        let number = DeviceNumber::parse("1:2").unwrap();
        assert_eq!(kin(&Host::new("/nosuch"), number), [number]);
    }
}
