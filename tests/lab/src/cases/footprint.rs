//! What a domain leaves on a host: taken before and after, the two must be the same.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::Host;

/// The state of a host at one moment.
#[derive(Debug, Clone)]
pub(super) struct Footprint {
    facts: BTreeSet<String>,
    /// MiB that Xen has to give.
    pub(super) free_mib: i64,
    /// Open files of the daemon.
    pub(super) fds: i64,
    /// Resident memory of the daemon, without the pages of its program: those come as they are first needed.
    pub(super) rss_kib: i64,
}

impl Footprint {
    /// Looks now.
    pub(super) fn of(host: &Host) -> Result<Self> {
        let text = host.must("exec lab-agent facts")?;
        let number = |key: &str| -> Result<i64> {
            let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
            value.and_then(|v| v.trim().parse().ok()).with_context(|| format!("no {key} in the footprint"))
        };
        let is_number = |line: &str| ["free ", "fds ", "rss "].iter().any(|key| line.starts_with(key));
        Ok(Self {
            facts: text.lines().filter(|line| !is_number(line)).map(str::to_owned).collect(),
            free_mib: number("free")?,
            fds: number("fds")?,
            rss_kib: number("rss")?,
        })
    }

    /// Waits until the host looks as it did in `self`: the last pages of a domain are freed after its name is gone.
    pub(super) fn must_return(&self, host: &Host) -> Result<Footprint> {
        let deadline = Instant::now() + Duration::from_secs(240);
        loop {
            let now = Self::of(host)?;
            match self.difference(&now) {
                None => return Ok(now),
                Some(difference) if Instant::now() >= deadline => {
                    bail!("the host is not as it was:\n{difference}")
                }
                Some(_) => std::thread::sleep(Duration::from_millis(500)),
            }
        }
    }

    /// What is new and what is gone; a MiB of Xen's own accounting is not counted.
    fn difference(&self, now: &Footprint) -> Option<String> {
        let new = now.facts.difference(&self.facts).map(|fact| format!("  + {fact}\n"));
        let gone = self.facts.difference(&now.facts).map(|fact| format!("  - {fact}\n"));
        let mut text: String = new.chain(gone).collect();
        if (self.free_mib - now.free_mib).abs() > 1 {
            text += &format!("  free memory was {} MiB, is {} MiB\n", self.free_mib, now.free_mib);
        }
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footprint(facts: &[&str], free_mib: i64) -> Footprint {
        Footprint { facts: facts.iter().map(|f| (*f).to_owned()).collect(), free_mib, fds: 1, rss_kib: 1 }
    }

    #[test]
    fn what_is_left_and_what_is_lost_is_named() {
        let before = footprint(&["domain 0", "loop a"], 100);
        let after = footprint(&["domain 0", "port vif1.0"], 90);
        let difference = before.difference(&after).unwrap();
        assert!(difference.contains("+ port vif1.0") && difference.contains("- loop a"));
        assert!(difference.contains("was 100 MiB, is 90 MiB"));
        assert_eq!(before.difference(&footprint(&["domain 0", "loop a"], 101)), None);
    }
}
