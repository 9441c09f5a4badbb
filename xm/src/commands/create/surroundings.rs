//! What a conversion needs to know of this process and of the host: the environment, files, PCI functions, SCSI units.

use std::fs;
use std::path::{Path, PathBuf};

use crate::domfile::convert::{PciSlot, ScsiUnit, Surroundings};

/// Where the kernel lists the functions of the PCI devices.
const PCI_DEVICES: &str = "/sys/bus/pci/devices";
/// Where the kernel lists the SCSI units.
const SCSI_DEVICES: &str = "/sys/bus/scsi/devices";
/// Links to disks by their ids.
const BY_ID: &str = "/dev/disk/by-id";

/// That of this process; `console` if one will be attached.
pub(super) fn surroundings(console: bool) -> Surroundings {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Surroundings {
        current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        display: set("DISPLAY"),
        xauthority: set("XAUTHORITY")
            .unwrap_or_else(|| format!("{}/.Xauthority", set("HOME").unwrap_or_else(home_of_user))),
        console,
        exists: Path::exists,
        real_path: |path| fs::canonicalize(path).ok(),
        pci_functions: |slot| pci_functions(Path::new(PCI_DEVICES), slot),
        scsi_units: || scsi_units(Path::new(SCSI_DEVICES), &ids(Path::new(BY_ID))),
    }
}

/// The home folder as the list of users has it.
fn home_of_user() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    user.map_or_else(|| "/".to_owned(), |user| user.dir.to_string_lossy().into_owned())
}

/// Names in a folder, sorted; none if it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn pci_functions(folder: &Path, slot: PciSlot) -> Vec<u8> {
    let PciSlot { domain, bus, slot } = slot;
    let beginning = format!("{domain:04x}:{bus:02x}:{slot:02x}.");
    names(folder).iter().filter_map(|name| name.strip_prefix(&beginning)?.parse().ok()).collect()
}

/// Ids and the names of the devices that they mean.
fn ids(folder: &Path) -> Vec<(String, String)> {
    let id_and_device = |name: &String| {
        let id = name.strip_prefix("scsi-")?;
        let device = fs::read_link(folder.join(name)).ok()?;
        Some((id.to_owned(), device.file_name()?.to_string_lossy().into_owned()))
    };
    names(folder).iter().filter_map(id_and_device).collect()
}

fn scsi_units(folder: &Path, ids: &[(String, String)]) -> Vec<ScsiUnit> {
    let is_address =
        |name: &&String| name.split(':').count() == 4 && name.split(':').all(|n| n.parse::<u32>().is_ok());
    let unit = |address: &String| {
        let device = folder.join(address);
        let tapes = names(&device.join("scsi_tape")).into_iter();
        // A tape also has nst0, st0a and others, which are modes of it.
        let tapes = tapes.filter(|name| {
            name.strip_prefix("st").is_some_and(|n| n.bytes().all(|digit| digit.is_ascii_digit()))
        });
        let found = names(&device.join("block")).into_iter().chain(tapes);
        let found: Vec<String> = found.chain(names(&device.join("scsi_generic"))).collect();
        let id = ids.iter().find(|(_, device)| found.contains(device)).map(|(id, _)| id.clone());
        ScsiUnit { address: address.clone(), names: found, id }
    };
    names(folder).iter().filter(is_address).map(unit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_s_devices_are_read_from_its_folders() {
        let folder = std::env::temp_dir().join(format!("xm-host-{}", std::process::id()));
        // Left by a process that was killed and had the same number.
        let _ = fs::remove_dir_all(&folder);
        let make = |path: &str| fs::create_dir_all(folder.join(path)).unwrap();
        for path in [
            "pci/0000:03:00.2",
            "pci/0000:03:00.0",
            "pci/0000:04:00.1",
            "scsi/host2",
            "scsi/2:0:0:0/block/sdb",
            "scsi/2:0:0:0/scsi_generic/sg1",
            "scsi/3:0:0:0/scsi_tape/nst0",
            "scsi/3:0:0:0/scsi_tape/st0",
            "scsi/3:0:0:0/scsi_tape/st0a",
        ] {
            make(path);
        }
        make("ids");
        std::os::unix::fs::symlink("../../sdb", folder.join("ids/scsi-3600")).unwrap();
        let slot = PciSlot { domain: 0, bus: 3, slot: 0 };
        let functions = pci_functions(&folder.join("pci"), slot);
        let units = scsi_units(&folder.join("scsi"), &ids(&folder.join("ids")));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(functions, [0, 2]);
        let unit = |address: &str, names: &[&str], id: Option<&str>| ScsiUnit {
            address: address.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            id: id.map(str::to_owned),
        };
        assert_eq!(units, [unit("2:0:0:0", &["sdb", "sg1"], Some("3600")), unit("3:0:0:0", &["st0"], None)]);
    }
}
