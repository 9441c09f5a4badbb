//! The record of a domain under the state folder. It is written, as an intent, before the domain exists in Xen, and
//! it is what tells our domains from those of other tools after a restart (`docs/architecture.md`).
//!
//! ```text
//! (xend_record (version 1) (phase live) (start_time 1300000000.12) (restart_count 0) (notes …)
//!              (vif_numbers 0 2) (next_vif 3) (changes (detaching vbd 51728)) (domain (name vm1) …))
//! ```

use xend_api::{Sxp, sxp};

use super::{ConfigFault, DeviceChange, DeviceConfig, DomainConfig, tree::config_tree};

/// Version of the format that this program writes; it reads this one only.
const VERSION: i64 = 1;

/// How far a domain has come, for whoever finds the record after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Being made: whatever there is of it goes.
    Creating,
    /// Being made and started: complete once it runs, until then whatever there is of it goes.
    Starting,
    /// Complete: it is adopted.
    Live,
    /// Being taken away for good: the rest of it goes.
    Ending,
    /// Being taken away to be created again: the rest of it goes, then it comes back.
    Restarting,
}

impl Phase {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Creating, "creating"),
        (Self::Starting, "starting"),
        (Self::Live, "live"),
        (Self::Ending, "ending"),
        (Self::Restarting, "restarting"),
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Ending => "ending",
            Self::Restarting => "restarting",
        }
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainRecord {
    /// How far it has come.
    pub phase: Phase,
    /// The configuration, addresses and device uuids that were made for it included.
    pub config: DomainConfig,
    /// Seconds since 1970 at which it was built; 0 before.
    pub start_time: f64,
    /// How often it has been started again.
    pub restart_count: i64,
    /// ELF notes of the kernel it was built from; none before.
    pub notes: Vec<(String, String)>,
    /// Number of the next vif that it is given: none is used twice while it lives.
    pub next_vif: u32,
    /// Changes of its devices that are not over; those that are being attached are in `config` already, those that are
    /// being detached still are.
    pub changes: Vec<DeviceChange>,
}

/// Why a record can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordFault {
    /// Not an S-expression.
    #[error("cannot parse the record")]
    Syntax(#[source] sxp::SxpError),
    /// A later program wrote it.
    #[error("cannot use a record of version {found:?}: this program knows version {}", VERSION)]
    Version {
        /// What it says.
        found: Option<i64>,
    },
    /// Something that must be there is not.
    #[error("cannot use the record: {part} is missing or not understood")]
    Part {
        /// Which.
        part: &'static str,
    },
    /// The configuration in it does not pass the door any more.
    #[error("cannot use the record's configuration: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<ConfigFault>),
}

impl DomainRecord {
    /// A domain that is about to be made.
    pub fn creating(config: DomainConfig) -> Self {
        let mut record = Self {
            phase: Phase::Creating,
            config,
            start_time: 0.0,
            restart_count: 0,
            notes: Vec::new(),
            next_vif: 0,
            changes: Vec::new(),
        };
        record.begin_anew();
        record
    }

    /// Before the domain is made, for the first time or again: what was being detached has gone with the guest that
    /// held it, and the interfaces are numbered from 0.
    pub fn begin_anew(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            match change {
                DeviceChange::Attaching(gone) | DeviceChange::Detaching(gone) => {
                    self.config.devices.retain(|device| device.id() != gone);
                }
                DeviceChange::Changing(_) => {}
            }
        }
        self.config.number_vifs();
        self.next_vif = self.config.vifs().count() as u32;
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let record = Sxp::form(
            "xend_record",
            [
                Sxp::pair("version", VERSION),
                Sxp::pair("phase", self.phase.word()),
                Sxp::pair("start_time", format!("{:.3}", self.start_time)),
                Sxp::pair("restart_count", self.restart_count),
                Sxp::form("notes", self.notes.iter().map(|(name, value)| Sxp::pair(name, value.as_str()))),
                Sxp::form("vif_numbers", self.config.vifs().map(|vif| Sxp::Int(vif.devid.into()))),
                Sxp::pair("next_vif", i64::from(self.next_vif)),
                Sxp::form("changes", self.changes.iter().map(|change| change.to_sxp())),
                config_tree(&self.config),
            ],
        );
        record.to_pretty(78)
    }

    /// From the file's text.
    pub fn from_text(text: &str) -> Result<Self, RecordFault> {
        let forms = sxp::parse(text).map_err(RecordFault::Syntax)?;
        let missing = |part| RecordFault::Part { part };
        let record =
            forms.first().filter(|f| f.name() == Some("xend_record")).ok_or(missing("xend_record"))?;
        let found = record.value("version").and_then(Sxp::int);
        if found != Some(VERSION) {
            return Err(RecordFault::Version { found });
        }
        let word = record.value("phase").and_then(Sxp::text).ok_or(missing("phase"))?;
        let phase = Phase::ALL.iter().find(|(_, w)| *w == word).ok_or(missing("phase"))?.0;
        let start = record.value("start_time").and_then(Sxp::atom).and_then(|text| text.parse().ok());
        let tree = record.child("domain").ok_or(missing("domain"))?;
        let mut config = DomainConfig::from_record(tree).map_err(RecordFault::Config)?;
        if let Some(numbers) = record.child("vif_numbers") {
            set_vif_numbers(&mut config, numbers).ok_or(missing("vif_numbers"))?;
        }
        let highest = config.vifs().map(|vif| vif.devid + 1).max().unwrap_or(0);
        let next_vif = record.value("next_vif").and_then(Sxp::int).and_then(|next| u32::try_from(next).ok());
        let changes = record.child("changes").map(|form| form.items().iter().skip(1)).into_iter().flatten();
        let changes: Option<Vec<DeviceChange>> = changes.map(DeviceChange::from_sxp).collect();
        Ok(Self {
            phase,
            start_time: start.ok_or(missing("start_time"))?,
            restart_count: record.value("restart_count").and_then(Sxp::int).unwrap_or(0),
            notes: record.child("notes").map(notes).unwrap_or_default(),
            next_vif: next_vif.unwrap_or(0).max(highest),
            changes: changes.ok_or(missing("changes"))?,
            config,
        })
    }
}

/// One number for each vif, in their order; `None` when they don't fit.
fn set_vif_numbers(config: &mut DomainConfig, form: &Sxp) -> Option<()> {
    let numbers: Option<Vec<u32>> = form
        .items()
        .iter()
        .skip(1)
        .map(|item| u32::try_from(item.int()?).ok().filter(|n| *n < u32::MAX))
        .collect();
    let mut numbers = numbers?.into_iter();
    for device in &mut config.devices {
        if let DeviceConfig::Vif(vif) = device {
            vif.devid = numbers.next()?;
        }
    }
    numbers.next().is_none().then_some(())
}

/// Only shown to people: what is no pair is left out.
fn notes(form: &Sxp) -> Vec<(String, String)> {
    let pair = |note: &Sxp| Some((note.name()?.to_owned(), note.items().get(1)?.atom()?));
    form.items().iter().skip(1).filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let tree = sxp::parse(
            "(vm (name a) (memory 64) (maxmem 128) (vcpus 2) (vcpu_avail 1) (on_crash preserve) (description 'x y')
               (image (linux (kernel /k) (ramdisk /r) (root '/dev/hda1 ro') (args 4) (videoram 4)))
               (device (vbd (uname phy:a) (dev hda1) (mode w))) (device (vbd (uname '') (dev hdc:cdrom) (mode r)))
               (device (vif (bridge xenbr0) (rate 10Mb/s))) (device (vif (script vif-route) (ip 192.0.2.9))))",
        )
        .unwrap();
        let mut record = DomainRecord::creating(DomainConfig::from_sxp(&tree[0]).unwrap());
        record.phase = Phase::Live;
        record.start_time = 1_300_000_000.125;
        record.restart_count = 3;
        record.config.devices.remove(2);
        record.next_vif = 4;
        record.changes = vec![DeviceChange::Detaching(record.config.devices[0].id())];
        record.notes =
            vec![("GUEST_OS".to_owned(), "linux".to_owned()), ("FEATURES".to_owned(), "!a|b".to_owned())];
        let back = DomainRecord::from_text(&record.to_text()).unwrap();
        // An unset script reads back as unset, so that a later change of the settings still counts.
        assert_eq!(back, record);
    }

    #[test]
    fn whatever_a_client_sends_and_is_not_refused_reads_back() {
        let odd = [
            "x y",
            "a'b",
            "a\"b",
            "\\",
            "\\n",
            "a\nb",
            "\t",
            "\0",
            "\u{1b}[2J",
            "(",
            ")",
            "()",
            "#",
            "; x",
            "é",
            "''",
            "\r\n",
            "@",
            "none",
            "None",
            "007",
            "1e5",
            "True",
            "nil",
            " lead",
            "trail ",
            "%20",
            "\u{feff}x",
            "$(reboot)",
            "<a&b>",
        ];
        let values = odd.into_iter().map(Sxp::from).chain([
            Sxp::Nil,
            Sxp::Bool(true),
            Sxp::Int(i64::MIN),
            Sxp::Float(f64::NAN),
            Sxp::Float(-0.0),
            Sxp::List(vec![]),
            Sxp::List(vec![Sxp::List(vec![]), Sxp::Nil, Sxp::from("a b")]),
            Sxp::Struct(vec![("a'\n".to_owned(), Sxp::Nil)]),
        ]);
        for value in values {
            for key in [
                "description",
                "features",
                "args",
                "ramdisk",
                "strange",
                "uname",
                "bridge",
                "vuuid",
                "rate",
                "dtype",
                "vcpus",
            ] {
                let tree = odd_tree(key, &value);
                let Ok(config) = DomainConfig::from_sxp(&tree) else { continue };
                let record = DomainRecord::creating(config);
                let text = record.to_text();
                let back = DomainRecord::from_text(&text);
                let back = back.unwrap_or_else(|fault| panic!("{key} = {value:?}: {fault:?}\n{text}"));
                assert_eq!(
                    (&back.config.name, back.config.uuid, &back.config.image.args, back.config.vcpus),
                    (&record.config.name, record.config.uuid, &record.config.image.args, record.config.vcpus),
                    "{key} = {value:?}"
                );
                assert_eq!(back.config.devices, record.config.devices, "{key} = {value:?}");
            }
        }
    }

    /// A configuration with one odd value.
    fn odd_tree(key: &str, value: &Sxp) -> Sxp {
        let pair = |name: &str, usual: &str, wanted: &str| {
            Sxp::pair(name, if key == wanted { value.clone() } else { Sxp::from(usual) })
        };
        let uname = match value.atom() {
            Some(text) if key == "uname" => format!("file:{text}"),
            _ => "file:/a".to_owned(),
        };
        let dev = match value.atom() {
            Some(text) if key == "dtype" => format!("hda:{text}"),
            _ => "hda".to_owned(),
        };
        Sxp::form(
            "vm",
            [
                Sxp::pair("name", "007"),
                Sxp::pair("memory", 64),
                pair("vcpus", "1", "vcpus"),
                pair("description", "", "description"),
                pair("features", "", "features"),
                Sxp::pair(
                    "image",
                    Sxp::form(
                        "linux",
                        [
                            Sxp::pair("kernel", "/k"),
                            pair("ramdisk", "", "ramdisk"),
                            pair("args", "", "args"),
                            pair("strange", "", "strange"),
                        ],
                    ),
                ),
                Sxp::pair(
                    "device",
                    Sxp::form(
                        "vbd",
                        [Sxp::pair("uname", uname), Sxp::pair("dev", dev), Sxp::pair("mode", "w")],
                    ),
                ),
                Sxp::pair(
                    "device",
                    Sxp::form(
                        "vif",
                        [
                            pair("bridge", "", "bridge"),
                            pair("uuid", "", "vuuid"),
                            pair("rate", "1Mb/s", "rate"),
                        ],
                    ),
                ),
            ],
        )
    }

    #[test]
    fn a_record_from_before_devices_could_change_has_vifs_numbered_by_their_places() {
        let text = "(xend_record (version 1) (phase live) (start_time 1.0) (restart_count 0) (notes)
            (domain (name a) (memory 64) (image (linux (kernel /k))) (device (vif)) (device (vif))))";
        let record = DomainRecord::from_text(text).unwrap();
        assert_eq!(record.config.vifs().map(|vif| vif.devid).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((record.next_vif, record.changes), (2, vec![]));
        for odd in ["(vif_numbers 0)", "(vif_numbers 0 1 2)", "(vif_numbers 0 -1)", "(changes (lost vbd 1))"]
        {
            assert!(DomainRecord::from_text(&text.replace("(notes)", odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_was_being_detached_does_not_come_back_with_a_restart() {
        let tree = sxp::parse(
            "(vm (name a) (memory 64) (image (linux (kernel /k))) (device (vif)) (device (vif))
               (device (vbd (uname phy:a) (dev xvda) (mode w))))",
        )
        .unwrap();
        let mut record = DomainRecord::creating(DomainConfig::from_sxp(&tree[0]).unwrap());
        record.next_vif = 9;
        record.changes = vec![DeviceChange::Detaching(record.config.devices[0].id())];
        record.begin_anew();
        assert_eq!(record.config.vifs().map(|vif| vif.devid).collect::<Vec<_>>(), [0]);
        assert_eq!((record.config.devices.len(), record.next_vif, record.changes.len()), (2, 1, 0));
    }

    #[test]
    fn a_record_of_another_version_is_refused() {
        let fault = DomainRecord::from_text("(xend_record (version 2))").unwrap_err();
        assert!(fault.to_string().contains("version 1"), "{fault}");
    }

    #[test]
    fn half_a_record_is_refused_not_guessed() {
        assert!(DomainRecord::from_text("(xend_record (version 1) (phase li").is_err());
        assert!(DomainRecord::from_text("").is_err());
    }
}
