//! Rules in nftables, by scripts to `nft -f -`: one script is done wholly or not at all.
//!
//! Everything of ours lies in tables of our own, so removing is exact and nobody else's rule is touched:
//!
//! ```text
//! bridge xend      what bridged guests may send        chain per interface, found by a map: as fast with 200
//! inet xend        what routed guests may send
//! ip xend_nat      which interfaces masquerade
//! ```

use crate::invocation::Invocation;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::{Command, Stdio};

/// A table of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Guests that are ports of bridges.
    Bridged,
    /// Guests that dom0 routes for.
    Routed,
    /// Masquerading.
    Nat,
}

impl Table {
    /// Its family and name.
    pub fn name(self) -> &'static str {
        match self {
            Table::Bridged => "bridge xend",
            Table::Routed => "inet xend",
            Table::Nat => "ip xend_nat",
        }
    }

    /// The map or set that says whether it is still needed.
    fn members(self) -> &'static str {
        match self {
            Table::Bridged | Table::Routed => "map",
            Table::Nat => "set",
        }
    }
}

/// What can go wrong with rules.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// The program is not installed.
    #[error("cannot run nft, which {purpose} needs: install the package nftables")]
    Missing {
        /// What for.
        purpose: &'static str,
    },
    /// The program could not be run.
    #[error("cannot run nft")]
    Run {
        /// Why.
        source: io::Error,
    },
    /// It refused the rules.
    #[error("cannot set the rules of table {table}: nft says {says}")]
    Refused {
        /// The table.
        table: &'static str,
        /// What it said.
        says: String,
    },
    /// A name that rules cannot hold.
    #[error("cannot make rules for the interface {name}: its name has characters that nft reads otherwise")]
    Name {
        /// The name.
        name: String,
    },
}

/// The program.
#[derive(Clone, Debug)]
pub struct Nft {
    environment: BTreeMap<String, String>,
}

impl Nft {
    /// The program as this call finds it.
    pub fn of(call: &Invocation) -> Self {
        Nft { environment: call.environment() }
    }

    /// Makes sure that it is there, before anything is changed.
    pub fn require(&self, purpose: &'static str) -> Result<(), NftError> {
        match self.run(&["--version"], "") {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(NftError::Missing { purpose }),
            Err(source) => Err(NftError::Run { source }),
        }
    }

    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        self.require("").is_ok()
    }

    /// Does a script.
    pub fn apply(&self, table: Table, script: &str) -> Result<(), NftError> {
        let (done, says) = self.run(&["-f", "-"], script).map_err(|source| NftError::Run { source })?;
        let refused = || NftError::Refused { table: table.name(), says: says.trim().replace('\n', " ") };
        if done { Ok(()) } else { Err(refused()) }
    }

    /// Removes a table with everything in it. Being gone is fine.
    pub fn remove(&self, table: Table) -> Result<(), NftError> {
        let name = table.name();
        self.apply(table, &format!("add table {name}\ndelete table {name}\n"))
    }

    /// Removes a table when nothing is left in its map or set.
    pub fn remove_if_empty(&self, table: Table, members: &str) -> Result<(), NftError> {
        let name: Vec<&str> = table.name().split(' ').collect();
        let words = [&["list", table.members()], name.as_slice(), &[members]].concat();
        match self.run(&words, "").map_err(|source| NftError::Run { source })? {
            (true, says) if says.contains("elements") => Ok(()),
            (true, _) => self.remove(table),
            // There is no such table.
            (false, _) => Ok(()),
        }
    }

    /// Whether it succeeded, and what it printed.
    fn run(&self, arguments: &[&str], input: &str) -> io::Result<(bool, String)> {
        let mut command = Command::new("nft");
        command.args(arguments).env_clear().envs(&self.environment);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends without reading says why; scripts of ours fit into the pipe.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output()?;
        let text = if output.status.success() { output.stdout } else { output.stderr };
        Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
    }
}

/// An interface's name as rules hold it.
pub fn quoted(name: &str) -> Result<String, NftError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte);
    match name.bytes().all(is_plain) {
        true => Ok(format!("\"{name}\"")),
        false => Err(NftError::Name { name: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_end_a_string_or_match_others_are_refused() {
        assert_eq!(quoted("vif5.0").unwrap(), "\"vif5.0\"");
        for name in ["a\"b", "vif*", "a\\", "a;b", "\u{e9}"] {
            assert!(quoted(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let path = ("PATH".to_owned(), "/nowhere".to_owned());
        let mut nft = Nft::of(&Invocation::new("network-nat", ["start".to_owned()], [path]));
        nft.environment.insert("PATH".to_owned(), "/nowhere".to_owned());
        let text = nft.require("masquerading").unwrap_err().to_string();
        assert_eq!(text, "cannot run nft, which masquerading needs: install the package nftables");
    }
}
