//! Single variables: what the daemon would refuse, what would silently not be what was meant, and programs that are not
//! there.

use std::path::Path;

use xend_api::Sxp;

use super::file::{Context, Kind};
use crate::domfile::convert::cpuid;

/// Where `device_model = "qemu-dm"` is looked for.
const HELPERS: [&str; 6] = [
    "/usr/lib/xen/bin",
    "/usr/lib64/xen/bin",
    "/usr/libexec/xen/bin",
    "/usr/local/lib/xen/bin",
    "/usr/bin",
    "/usr/sbin",
];

/// Variables that hold whole numbers, with the least that makes sense.
const NUMBERS: [(&str, i64); 6] =
    [("memory", 1), ("maxmem", 1), ("vcpus", 1), ("maxvcpus", 1), ("cpu_weight", 1), ("shadow_memory", 0)];

/// Scripts of ours for interfaces; the first is the default.
const SCRIPTS: [&str; 4] = ["vif-bridge", "vif-route", "vif-nat", "vif-openvswitch"];

/// What an event can do.
const ACTIONS: [&str; 6] =
    ["destroy", "restart", "preserve", "rename-restart", "coredump-destroy", "coredump-restart"];

/// Notes what is wrong with single variables.
pub(super) fn check(context: &mut Context<'_>) {
    identity(context);
    numbers(context);
    words(context);
    interfaces(context);
    programs(context);
    interrupts(context);
    leaves(context);
}

fn identity(context: &mut Context<'_>) {
    let settings = context.settings;
    let name = settings.text("name").unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.:+".contains(&b);
    if !name.bytes().all(plain) {
        let hint = Some("use letters, digits and _ - . : + only".to_owned());
        context.note("name", ("name", None), format!("{name} cannot be the name of a domain"), hint);
    }
    context.claim(Kind::Name, ("name", None), (name.clone(), &name), true);
    let Some(uuid) = settings.text("uuid").filter(|uuid| !uuid.is_empty()) else { return };
    match uuid::Uuid::parse_str(&uuid) {
        Ok(parsed) => context.claim(Kind::Uuid, ("uuid", None), (parsed.to_string(), &uuid), true),
        Err(_) => {
            let hint = Some("`uuidgen` makes one; without the line xend does".to_owned());
            context.note("uuid", ("uuid", None), format!("{uuid} is not a UUID"), hint);
        }
    }
}

fn numbers(context: &mut Context<'_>) {
    let settings = context.settings;
    for (variable, least) in NUMBERS {
        let value = settings.get(variable);
        // `memory = ''` and `maxmem = 0` are ways to say nothing.
        if !settings.truthy(variable) && !matches!(variable, "memory" | "vcpus") {
            continue;
        }
        if value.int().is_none_or(|n| n < least) {
            let hint = Some(format!("write a whole number from {least}"));
            context.note("number", (variable, None), format!("{variable} cannot be {value}"), hint);
        }
    }
    let (memory, most) = (settings.get("memory").int(), settings.get("maxmem").int());
    if let (Some(memory), Some(most)) = (memory, most)
        && most > 0
        && memory > most
    {
        let hint = Some("make maxmem at least memory".to_owned());
        context.note("number", ("maxmem", None), format!("maxmem {most} is less than memory {memory}"), hint);
    }
    let (online, most) = (settings.get("vcpus").int(), settings.get("maxvcpus").int());
    if let (Some(online), Some(most)) = (online, most)
        && most > 0
        && online > most
    {
        let hint = Some("make maxvcpus at least vcpus".to_owned());
        context.note(
            "number",
            ("maxvcpus", None),
            format!("maxvcpus {most} is less than vcpus {online}"),
            hint,
        );
    }
}

fn words(context: &mut Context<'_>) {
    let allowed: [(&'static str, &[&str]); 7] = [
        ("on_poweroff", &ACTIONS),
        ("on_reboot", &ACTIONS),
        ("on_crash", &ACTIONS),
        ("restart", &["onreboot", "always"]),
        ("on_xend_start", &["ignore", "start"]),
        ("on_xend_stop", &["ignore", "shutdown", "suspend"]),
        ("builder", &["linux", "hvm"]),
    ];
    for (variable, allowed) in allowed {
        let value = context.settings.text(variable).unwrap_or_default();
        if !value.is_empty() && !allowed.contains(&value.as_str()) {
            let hint = Some(format!("write one of {}", allowed.join(", ")));
            context.note("word", (variable, None), format!("{variable} cannot be {value}"), hint);
        }
    }
}

fn interfaces(context: &mut Context<'_>) {
    for (at, text) in context.entries("vif") {
        addresses(context, at, &text);
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        for (key, value) in pairs.map(|(key, value)| (key.trim(), value.trim())) {
            match key {
                "mac" if is_of_no_interface(value) => {
                    let hint = Some("write one that begins with 00:16:3e, or leave mac out".to_owned());
                    let message = format!("{value} is the address of a group, or of nothing");
                    context.note("mac", ("vif", Some(at)), message, hint);
                }
                "mac" if is_mac(value) => {
                    context.claim(Kind::Mac, ("vif", Some(at)), (value.to_ascii_lowercase(), value), true);
                }
                "mac" => {
                    let hint = Some("write six bytes such as 00:16:3e:00:00:01, or leave mac out".to_owned());
                    context.note("mac", ("vif", Some(at)), format!("{value} is not a MAC address"), hint);
                }
                "rate" if !is_rate(value) => {
                    let hint = Some("write it as 10Mb/s or 250KB/s@20ms".to_owned());
                    let message = format!("the rate {value} cannot be read: xend refuses it");
                    context.note("rate", ("vif", Some(at)), message, hint);
                }
                _ => {}
            }
        }
    }
}

/// The `ip=` list, for scripts of ours; what it means to a site's own is not known here.
fn addresses(context: &mut Context<'_>, at: usize, text: &str) {
    let value = |wanted: &str| {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        let mut pairs = pairs.map(|(key, value)| (key.trim(), value.trim()));
        pairs.rfind(|(key, _)| *key == wanted)
    };
    let script = value("script").map_or(SCRIPTS[0], |(_, script)| script);
    if !SCRIPTS.contains(&script.rsplit('/').next().unwrap_or(script)) {
        return;
    }
    let list = value("ip").map_or("", |(_, list)| list);
    if let Some(word) = list.split_ascii_whitespace().find(|word| !is_network(word)) {
        let hint = Some("write addresses with blanks between them: ip=192.0.2.7 2001:db8::7".to_owned());
        context.note("ip", ("vif", Some(at)), format!("{word} is not an address"), hint);
    }
}

fn is_mac(text: &str) -> bool {
    let byte = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    text.split(':').count() == 6 && text.split(':').all(byte)
}

/// A group's address has an odd first byte.
fn is_of_no_interface(mac: &str) -> bool {
    let first = mac.get(..2).and_then(|byte| u8::from_str_radix(byte, 16).ok());
    is_mac(mac) && (first.is_some_and(|byte| byte & 1 == 1) || mac.bytes().all(|b| matches!(b, b'0' | b':')))
}

/// `ADDRESS` or `ADDRESS/PREFIX`; a plain word such as `dhcp` may mean something to a site's script.
fn is_network(word: &str) -> bool {
    let (address, prefix) = word.split_once('/').map_or((word, None), |(a, p)| (a, Some(p)));
    let is_meant = word.contains(|c: char| ".:/".contains(c) || c.is_ascii_digit());
    let Ok(address) = address.parse::<std::net::IpAddr>() else { return !is_meant };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u8>());
    prefix.is_none_or(|digits| matches!(number(digits), Some(Ok(bits)) if bits <= longest))
}

/// `N[G|M|K](B|b)/s[@T[m|u]s]`.
fn is_rate(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (amount, interval) = text.split_once('@').map_or((text, None), |(a, b)| (a, Some(b)));
    let amount = amount.strip_suffix("B/s").or_else(|| amount.strip_suffix("b/s"));
    let amount = amount.map(|amount| amount.strip_suffix(['G', 'M', 'K']).unwrap_or(amount));
    let interval = interval.is_none_or(|interval| {
        let time = interval.strip_suffix('s').map(|time| time.strip_suffix(['m', 'u']).unwrap_or(time));
        time.is_some_and(number)
    });
    amount.is_some_and(|amount| number(amount) && amount.bytes().any(|b| b != b'0')) && interval
}

fn programs(context: &mut Context<'_>) {
    let (settings, exists) = (context.settings, context.exists);
    let hvm = settings.text("builder").as_deref() == Some("hvm");
    if !hvm && !settings.truthy("kernel") && !settings.truthy("bootloader") {
        let hint = Some("set kernel, or bootloader if the kernel is on the guest's disk".to_owned());
        context.note(
            "kernel",
            ("kernel", None),
            "there is neither a kernel nor a boot loader".to_owned(),
            hint,
        );
    }
    let loader = settings.text("bootloader").unwrap_or_default();
    let missing = if loader == "pygrub" {
        crate::domfile::convert::bootloader_dirs().all(|dir| !exists(&dir.join("pygrub")))
    } else {
        !loader.is_empty() && !exists(Path::new(&loader))
    };
    if missing {
        let hint = Some("give the full path of the program".to_owned());
        context.note("missing-file", ("bootloader", None), format!("there is no boot loader {loader}"), hint);
    }
    let model = settings.text("device_model").unwrap_or_default();
    let found = if model.contains('/') {
        exists(Path::new(&model))
    } else {
        HELPERS.iter().any(|dir| exists(&Path::new(dir).join(&model)))
    };
    if hvm && !model.is_empty() && !found {
        let hint = Some("give the full path, or remove device_model".to_owned());
        context.note(
            "missing-file",
            ("device_model", None),
            format!("there is no device model {model}"),
            hint,
        );
    }
}

fn interrupts(context: &mut Context<'_>) {
    for (at, item) in context.settings.get("irq").items().iter().enumerate() {
        if !matches!(item, Sxp::Int(0..)) {
            let hint = Some("write whole numbers without quotes: irq = [7]".to_owned());
            let shown = item.text().map_or_else(|| item.to_string(), xend_api::python::repr);
            context.note("irq", ("irq", Some(at)), format!("irq {shown} is refused by xend"), hint);
        }
    }
}

fn leaves(context: &mut Context<'_>) {
    for variable in ["cpuid", "cpuid_check"] {
        for (at, text) in context.entries(variable) {
            if cpuid::split(&text).is_none() {
                let hint = Some("begin with LEAF: in hexadecimal, as in '1:ecx=0x0'".to_owned());
                let message = format!("this entry of {variable} is dropped: it begins with no leaf");
                context.note("cpuid", (variable, Some(at)), message, hint);
            }
        }
    }
    if context.settings.truthy("cpuid_check") && !context.settings.truthy("cpuid") {
        let hint = Some("set cpuid as well, for example cpuid = ['1:eax=0x0']".to_owned());
        let message = "cpuid_check has no effect without cpuid".to_owned();
        context.note("cpuid", ("cpuid_check", None), message, hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_the_daemon_reads_them() {
        for rate in ["10Mb/s", "250KB/s@20ms", "1b/s@1s", "5GB/s@10us"] {
            assert!(is_rate(rate), "{rate}");
        }
        for rate in
            ["", "10", "10M", "10mb/s", "Mb/s", "10Mb/s@", "10Mb/s@20", "10Mb/s@ms", "-1Mb/s", "0Mb/s"]
        {
            assert!(!is_rate(rate), "{rate}");
        }
    }

    #[test]
    fn addresses_are_read_as_the_daemon_reads_them() {
        for word in ["192.0.2.7", "10.0.0.0/8", "2001:db8::7/64", "dhcp"] {
            assert!(is_network(word), "{word}");
        }
        for word in ["192.0.2", "192.0.2.256", "10.0.0.0/33", "10.0.0.0/", "::g", "1", "10.0.0.0/+8"] {
            assert!(!is_network(word), "{word}");
        }
    }

    #[test]
    fn a_group_and_nothing_have_no_interface() {
        assert!(is_of_no_interface("01:00:5e:00:00:01") && is_of_no_interface("00:00:00:00:00:00"));
        assert!(!is_of_no_interface("00:16:3e:00:00:01") && !is_of_no_interface("01:xx"));
    }

    #[test]
    fn a_mac_address_is_six_bytes_with_colons() {
        assert!(is_mac("00:16:3e:00:00:Ff"));
        for mac in ["", "00:16:3e:00:00", "00-16-3e-00-00-01", "0:16:3e:00:00:01", "00:16:3e:00:00:0g"] {
            assert!(!is_mac(mac), "{mac}");
        }
    }
}
