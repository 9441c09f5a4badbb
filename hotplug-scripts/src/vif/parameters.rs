//! What a vif's configuration says about its guest, checked before anything is changed.

use super::{Port, VifError};
use crate::antispoof::Network;
use crate::netlink::is_name;
use xenstore::paths::node::vif::{IP, MAC, RATE, VIFNAME};

/// A guest's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    /// Hardware address; an emulated card of an old configuration may have none.
    pub(super) mac: Option<[u8; 6]>,
    /// Network addresses.
    pub(super) networks: Vec<Network>,
}

impl Parameters {
    /// Reads and checks all of them.
    pub(super) async fn of(port: &Port<'_>) -> Result<Self, VifError> {
        if let Some(name) = port.backend.read(VIFNAME).await?.filter(|name| !name.is_empty())
            && !is_name(&name)
        {
            let reason = "an interface's name has 1 to 15 characters, no blank, no slash and no colon";
            return Err(parameter("vifname", name, reason));
        }
        if let Some(rate) = port.backend.read(RATE).await?.filter(|rate| !is_rate(rate)) {
            return Err(parameter("rate", rate, "the node is BYTES,MICROSECONDS"));
        }
        Ok(Parameters { mac: mac(port).await?, networks: networks(port).await? })
    }
}

async fn mac(port: &Port<'_>) -> Result<Option<[u8; 6]>, VifError> {
    let Some(text) = port.backend.read(MAC).await?.filter(|text| !text.is_empty()) else { return Ok(None) };
    match parse_mac(&text) {
        None => Err(parameter("mac", text, "it is six pairs of hexadecimal digits, parted by colons")),
        Some(mac) if mac[0] & 1 == 1 => Err(parameter("mac", text, "it is the address of a group")),
        Some(mac) => Ok(Some(mac)),
    }
}

/// The list of the store beats that of an argument; blanks or commas part it.
async fn networks(port: &Port<'_>) -> Result<Vec<Network>, VifError> {
    let stored = port.backend.read(IP).await?;
    let list = stored.as_deref().or_else(|| port.call.variable("ip")).unwrap_or_default().to_owned();
    let words = list.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let reason = "it is an IPv4 or IPv6 address, or one with /PREFIX";
            Network::parse(word).ok_or_else(|| parameter("ip", word.to_owned(), reason))
        })
        .collect()
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let is_pair = |pair: &&str| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
    let pairs: Vec<&str> = text.split(':').filter(is_pair).collect();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
    bytes?.try_into().ok().filter(|_| text.len() == 17)
}

/// As the daemon writes it: `62500,50000`.
fn is_rate(text: &str) -> bool {
    let is_number = |word: &str| word.parse::<u32>().is_ok() && !word.starts_with('+');
    text.split_once(',').is_some_and(|(bytes, interval)| is_number(bytes) && is_number(interval))
}

fn parameter(name: &'static str, value: String, reason: &'static str) -> VifError {
    VifError::Parameter { name, value, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_have_six_pairs() {
        assert_eq!(parse_mac("00:16:3e:01:02:FF"), Some([0, 0x16, 0x3e, 1, 2, 0xff]));
        for bad in ["", "00:16:3e:01:02", "00:16:3e:01:02:0g", "00:16:3e:01:02:03:04", "0:16:3e:01:02:033"] {
            assert_eq!(parse_mac(bad), None, "{bad}");
        }
    }

    #[test]
    fn rates_are_two_numbers() {
        assert!(is_rate("62500,50000") && is_rate("4294967295,0"));
        for bad in ["", "10Mb/s", "1,", ",1", "-1,2", "1,2,3", "4294967296,0"] {
            assert!(!is_rate(bad), "{bad}");
        }
    }
}
