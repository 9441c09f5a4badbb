//! Network interfaces in a configuration (`xend-daemon` §9.2, `xm-commands` §5.3).

use xend_api::Sxp;

use super::ConfigFault;

/// Milliseconds in which a rate's bytes may pass, when the text names none.
const DEFAULT_INTERVAL_US: u64 = 50_000;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VifConfig {
    /// Its number while its domain lives: its place at the start, for a later one the next that was never used.
    pub devid: u32,
    /// Its own identity, kept over restarts.
    pub uuid: String,
    /// `00:16:3e:…`, given or made.
    pub mac: String,
    /// Bridge; without one the script takes the first.
    pub bridge: Option<String>,
    /// Addresses for the script, blank-separated.
    pub ip: Option<String>,
    /// Script's name or absolute path; without one the settings decide.
    pub script: Option<String>,
    /// Name of the backend's interface.
    pub vifname: Option<String>,
    /// `BYTES,USECS`.
    pub rate: Option<String>,
    /// `type`, `model`, `accel` as configured: no meaning for a PV guest, shown and stored.
    pub other: Vec<(String, String)>,
}

impl VifConfig {
    /// From `(vif (mac …) (bridge …) …)`; `new_mac` makes an address where none is given.
    pub fn from_sxp(
        form: &Sxp,
        new_uuid: impl FnOnce() -> String,
        new_mac: impl FnOnce() -> String,
    ) -> Result<Self, ConfigFault> {
        let text = |key: &str| form.value(key).and_then(Sxp::atom).filter(|value| !value.is_empty());
        if form.value("backend").and_then(Sxp::int).unwrap_or(0) != 0 {
            return Err(ConfigFault::NotYet { what: "a driver domain as backend of a vif".to_owned() });
        }
        let mac = match text("mac") {
            Some(mac) if is_mac(&mac) => mac,
            Some(mac) => return Err(ConfigFault::VifMac { mac }),
            None => new_mac(),
        };
        let vifname = text("vifname");
        if let Some(name) = vifname.as_deref().filter(|name| !is_interface_name(name)) {
            return Err(ConfigFault::VifName { name: name.to_owned() });
        }
        let other = ["type", "model", "accel"]
            .into_iter()
            .filter_map(|key| text(key).map(|value| (key.to_owned(), value)))
            .collect();
        Ok(Self {
            devid: 0,
            uuid: text("uuid").unwrap_or_else(new_uuid),
            mac,
            bridge: text("bridge"),
            ip: text("ip"),
            script: text("script"),
            vifname,
            rate: rate_of(form)?,
            other,
        })
    }

    /// The form of `xm list --long` and of the stored tree, with `script` as it was found on this host.
    pub fn to_sxp(&self, script: &str) -> Sxp {
        let mut form = vec![Sxp::from("vif")];
        let optional = [("bridge", &self.bridge), ("ip", &self.ip)];
        form.extend(optional.into_iter().filter_map(|(k, v)| v.as_deref().map(|v| Sxp::pair(k, v))));
        form.push(Sxp::pair("mac", self.mac.as_str()));
        form.push(Sxp::pair("script", script));
        form.push(Sxp::pair("uuid", self.uuid.as_str()));
        let optional = [("vifname", &self.vifname), ("rate", &self.rate)];
        form.extend(optional.into_iter().filter_map(|(k, v)| v.as_deref().map(|v| Sxp::pair(k, v))));
        form.extend(self.other.iter().map(|(k, v)| Sxp::pair(k, v.as_str())));
        form.push(Sxp::pair("backend", 0));
        Sxp::List(form)
    }
}

/// Six hexadecimal pairs with colons.
fn is_mac(text: &str) -> bool {
    let mut pairs = 0;
    let hex = |pair: &str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
    text.split(':').inspect(|_| pairs += 1).all(hex) && pairs == 6
}

/// What Linux takes as an interface's name.
fn is_interface_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'/' && b != b':' && b != b'%';
    name.len() < 16 && name != "." && name != ".." && name.bytes().all(plain)
}

/// `10Mb/s` as `62500,50000`; a pair, as it is stored, stays.
fn rate_of(form: &Sxp) -> Result<Option<String>, ConfigFault> {
    let Some(text) = form.value("rate").and_then(Sxp::atom).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let is_pair = text
        .split_once(',')
        .is_some_and(|(bytes, micros)| bytes.parse::<u32>().is_ok() && micros.parse::<u32>().is_ok());
    if is_pair {
        return Ok(Some(text));
    }
    let pair = rate(&text).map(|(bytes, micros)| format!("{bytes},{micros}"));
    pair.map(Some).ok_or(ConfigFault::VifRate { text })
}

fn rate(text: &str) -> Option<(u32, u32)> {
    let (amount, interval) = match text.split_once('@') {
        Some((amount, interval)) => (amount, Some(interval)),
        None => (text, None),
    };
    let amount = amount.strip_suffix("/s")?;
    let (amount, per_byte) = match amount.as_bytes().last()? {
        b'b' => (&amount[..amount.len() - 1], 8),
        b'B' => (&amount[..amount.len() - 1], 1),
        _ => return None,
    };
    let (number, unit) = number_and_unit(amount)?;
    let unit = match unit {
        "" => 1,
        "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => return None,
    };
    let bytes_per_second = number.checked_mul(unit)? / per_byte;
    let micros = match interval.map(number_and_unit) {
        None => DEFAULT_INTERVAL_US,
        Some(None) => return None,
        Some(Some((number, "s"))) => number.checked_mul(1_000_000)?,
        Some(Some((number, "ms"))) => number.checked_mul(1_000)?,
        Some(Some((number, "us"))) => number,
        Some(Some(_)) => return None,
    };
    let bytes = bytes_per_second.checked_mul(micros)? / 1_000_000;
    let (bytes, micros) = (u32::try_from(bytes).ok()?, u32::try_from(micros).ok()?);
    (bytes > 0 && micros > 0).then_some((bytes, micros))
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_decimal_and_default_to_fifty_milliseconds() {
        let table = [
            ("10Mb/s", "62500,50000"),
            ("1MB/s@20ms", "20000,20000"),
            ("250KB/s", "12500,50000"),
            ("62500,50000", "62500,50000"),
            // No limit, as the original stored it.
            ("4294967295,0", "4294967295,0"),
        ];
        for (text, stored) in table {
            let form = Sxp::form("vif", [Sxp::pair("rate", text)]);
            assert_eq!(rate_of(&form), Ok(Some(stored.to_owned())), "{text}");
        }
    }

    #[test]
    fn an_address_that_is_not_one_is_refused_with_its_text() {
        let form = xend_api::sxp::parse("(vif (mac 00-16-3e-00-00-11))").unwrap().remove(0);
        let fault = VifConfig::from_sxp(&form, String::new, String::new).unwrap_err();
        assert!(fault.to_string().contains("00-16-3e-00-00-11"), "{fault}");
    }

    #[test]
    fn an_empty_vif_gets_an_address_of_its_own() {
        let form = xend_api::sxp::parse("(vif)").unwrap().remove(0);
        let vif = VifConfig::from_sxp(&form, String::new, || "00:16:3e:01:02:03".to_owned()).unwrap();
        assert_eq!(vif.mac, "00:16:3e:01:02:03");
        assert_eq!(vif.bridge, None);
    }
}
