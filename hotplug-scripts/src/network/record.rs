//! What `network-bridge` has to know to take back what it does, on disk before the first change.
//!
//! One file for each interface that carries dom0's addresses, below `/var/run/xend/network`:
//!
//! ```text
//! starting ──> bridged ──> stopping ──> (no file)
//!     └── after a failure or a crash: back to plain, (no file)
//! ```
//!
//! The file is text: an administrator can read from it which address and route belonged where. The same data
//! follows each of them in the kernel's form, which is what is read back.

use crate::host::Host;
use crate::netlink::{Address, Route, Switch};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where records and other notes of the network scripts lie.
pub(super) const FOLDER: &str = "/var/run/xend/network";
const HEADING: &str = "network-bridge 1";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A record that could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The disk did not do its part.
    #[error("cannot {verb} {path}")]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is not one of ours.
    #[error("cannot read {path}: line {line} is not one of a record; remove the file if you made it")]
    Odd {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
}

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Becoming bridged.
    Starting,
    /// Bridged.
    Bridged,
    /// Becoming plain.
    Stopping,
}

impl Phase {
    const ALL: [(&'static str, Phase); 3] =
        [("starting", Phase::Starting), ("bridged", Phase::Bridged), ("stopping", Phase::Stopping)];

    fn word(self) -> &'static str {
        Phase::ALL.iter().find(|(_, phase)| *phase == self).map_or("", |(word, _)| word)
    }
}

/// A pair of interfaces between dom0 and the bridge, as Xen up to 3.1 had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// Dom0's end while it has no other name.
    pub(super) dom0: String,
    /// The bridge's end.
    pub(super) port: String,
    /// Hardware addresses of both ends, when the pair was there before; `None` when it is ours.
    pub(super) before: Option<(Vec<u8>, Vec<u8>)>,
}

/// One bridge and how the host was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) phase: Phase,
    /// The interface's name before.
    pub(super) netdev: String,
    /// The interface's name as a port.
    pub(super) pdev: String,
    pub(super) bridge: String,
    /// The kernel's number of the interface, which renaming leaves alone.
    pub(super) index: u32,
    pub(super) address: Vec<u8>,
    pub(super) switch: Switch,
    /// `disable_ipv6` before.
    pub(super) without_ipv6: Option<String>,
    pub(super) pair: Option<Pair>,
    /// Number and name of the interface that had the addresses and routes.
    pub(super) holder: (u32, String),
    pub(super) addresses: Vec<Address>,
    pub(super) routes: Vec<Route>,
}

impl Record {
    /// All records of this boot, also unfinished ones. Those of an earlier boot are removed.
    pub(super) fn all(host: &Host) -> Result<Vec<Record>, RecordError> {
        let folder = host.path(FOLDER);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(RecordError::File { verb: "list", path: folder, source }),
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "bridge"));
        paths.sort();
        let mut records = Vec::new();
        for path in paths {
            match read(host, &path)? {
                Some(record) => records.push(record),
                None => remove(&path)?,
            }
        }
        Ok(records)
    }

    /// Writes it; on return it is on disk.
    pub(super) fn keep(&self, host: &Host) -> Result<(), RecordError> {
        let path = self.path(host);
        let fail = |source| RecordError::File { verb: "write", path: path.clone(), source };
        fs::create_dir_all(host.path(FOLDER)).map_err(fail)?;
        let aside = path.with_extension("new");
        let mut file = File::create(&aside).map_err(fail)?;
        file.write_all(self.text(&boot(host)).as_bytes()).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        fs::rename(&aside, &path).map_err(fail)
    }

    /// Removes it.
    pub(super) fn forget(&self, host: &Host) -> Result<(), RecordError> {
        remove(&self.path(host))
    }

    fn path(&self, host: &Host) -> PathBuf {
        host.path(FOLDER).join(format!("{}.bridge", self.netdev))
    }

    fn text(&self, boot: &str) -> String {
        let switch = if self.switch == Switch::On { "on" } else { "off" };
        let mut lines = vec![
            HEADING.to_owned(),
            format!("boot {boot}"),
            format!("phase {}", self.phase.word()),
            format!("netdev {}", self.netdev),
            format!("pdev {}", self.pdev),
            format!("bridge {}", self.bridge),
            format!("index {}", self.index),
            format!("address {}", mac(&self.address)),
            format!("switch {switch}"),
            format!("holder {} {}", self.holder.0, self.holder.1),
        ];
        lines.extend(self.without_ipv6.iter().map(|value| format!("disable_ipv6 {value}")));
        lines.extend(self.pair.iter().map(|pair| {
            let before = pair.before.as_ref();
            let before =
                before.map_or("ours".to_owned(), |(dom0, port)| format!("{},{}", mac(dom0), mac(port)));
            format!("pair {} {} {before}", pair.dom0, pair.port)
        }));
        lines.extend(self.addresses.iter().map(|address| format!("ip {} # {address}", address.to_hex())));
        lines.extend(self.routes.iter().map(|route| format!("route {} # {route}", route.to_hex())));
        lines.push("end\n".to_owned());
        lines.join("\n")
    }

    /// The record of a text, or the number of the line that is wrong.
    fn parse(text: &str) -> Result<(String, Record), usize> {
        let mut record = Record {
            phase: Phase::Starting,
            netdev: String::new(),
            pdev: String::new(),
            bridge: String::new(),
            index: 0,
            address: Vec::new(),
            switch: Switch::On,
            without_ipv6: None,
            pair: None,
            holder: (0, String::new()),
            addresses: Vec::new(),
            routes: Vec::new(),
        };
        let mut boot = String::new();
        let mut lines = text.lines().enumerate();
        if lines.next().map(|(_, line)| line) != Some(HEADING) {
            return Err(1);
        }
        for (at, line) in lines {
            let line = line.split(" # ").next().unwrap_or_default();
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            if key == "end" {
                return Ok((boot, record));
            }
            if key == "boot" {
                boot = value.to_owned();
            } else {
                record.take(key, value).ok_or(at + 1)?;
            }
        }
        Err(text.lines().count())
    }

    fn take(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "phase" => self.phase = Phase::ALL.iter().find(|(word, _)| *word == value)?.1,
            "netdev" => self.netdev = value.to_owned(),
            "pdev" => self.pdev = value.to_owned(),
            "bridge" => self.bridge = value.to_owned(),
            "index" => self.index = value.parse().ok()?,
            "address" => self.address = parse_mac(value)?,
            "switch" => self.switch = if value == "on" { Switch::On } else { Switch::Off },
            "disable_ipv6" => self.without_ipv6 = Some(value.to_owned()),
            "holder" => {
                let (index, name) = value.split_once(' ')?;
                self.holder = (index.parse().ok()?, name.to_owned());
            }
            "pair" => {
                let words: Vec<&str> = value.split(' ').collect();
                let &[dom0, port, before] = words.as_slice() else { return None };
                let before = match before.split_once(',') {
                    Some((dom0, port)) => Some((parse_mac(dom0)?, parse_mac(port)?)),
                    None => None,
                };
                self.pair = Some(Pair { dom0: dom0.to_owned(), port: port.to_owned(), before });
            }
            "ip" => self.addresses.push(Address::from_hex(value)?),
            "route" => self.routes.push(Route::from_hex(value)?),
            _ => return None,
        }
        Some(())
    }
}

/// `None` when it is of an earlier boot, whose interfaces are gone.
fn read(host: &Host, path: &Path) -> Result<Option<Record>, RecordError> {
    let text = fs::read_to_string(path).map_err(|source| RecordError::File {
        verb: "read",
        path: path.to_owned(),
        source,
    })?;
    let (of_boot, record) =
        Record::parse(&text).map_err(|line| RecordError::Odd { path: path.to_owned(), line })?;
    Ok((of_boot == boot(host)).then_some(record))
}

fn remove(path: &Path) -> Result<(), RecordError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(|source| RecordError::File { verb: "remove", path: path.to_owned(), source }),
    }
}

fn boot(host: &Host) -> String {
    fs::read_to_string(host.path(BOOT_ID)).map(|id| id.trim().to_owned()).unwrap_or_default()
}

fn mac(address: &[u8]) -> String {
    address.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn parse_mac(text: &str) -> Option<Vec<u8>> {
    text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    fn record() -> Record {
        Record {
            phase: Phase::Stopping,
            netdev: "eth0".into(),
            pdev: "peth0".into(),
            bridge: "xenbr0".into(),
            index: 7,
            address: vec![0, 0x16, 0x3e, 1, 2, 0xff],
            switch: Switch::Off,
            without_ipv6: Some("0".into()),
            pair: Some(Pair { dom0: "veth0".into(), port: "vif0.0".into(), before: None }),
            holder: (9, "xenbr0".into()),
            addresses: Vec::new(),
            routes: Vec::new(),
        }
    }

    #[test]
    fn a_record_comes_back_from_disk_and_one_of_another_boot_does_not() {
        let folder = Folder::new("record");
        let host = Host::new(folder.path());
        assert_eq!(Record::all(&host).unwrap(), []);
        record().keep(&host).unwrap();
        assert_eq!(Record::all(&host).unwrap(), [record()]);
        fs::create_dir_all(host.path("/proc/sys/kernel/random")).unwrap();
        fs::write(host.path(BOOT_ID), "another\n").unwrap();
        assert_eq!(Record::all(&host).unwrap(), []);
        assert!(!record().path(&host).exists());
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_named_with_its_line() {
        let good = record().text("");
        for (bad, line) in [("", 1), ("x", 1), (good.replace("index 7", "index x").as_str(), 7)] {
            assert_eq!(Record::parse(bad), Err(line), "{bad}");
        }
        let cut = good.replace("end\n", "");
        assert!(Record::parse(&cut).is_err(), "a text without its end was taken");
    }
}
