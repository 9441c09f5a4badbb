//! What the daemon of this version refuses by name. A test holds the list of classes against the daemon's own.

use xend_api::Sxp;

use super::file::Context;

/// Variables that make devices of a class which the daemon does not build yet.
const DEVICES: [&str; 7] = ["vfb", "pci", "vif2", "vscsi", "vusb", "ioports", "irq"];

/// Drivers of `tap:` disks that the daemon refuses.
const TAP_DRIVERS: [&str; 3] = ["ram", "ioemu", "remus"];

/// Other variables with the values that are not refused; behind them the daemon's word.
const OTHERS: [(&str, &[&str], &str); 15] = [
    ("pool", &["Pool-0"], "pool_name"),
    ("access_control", &[], "security"),
    ("cpu", &[], "cpu"),
    ("cpus", &[], "cpus"),
    ("cpuid", &[], "cpuid"),
    ("cpuid_check", &[], "cpuid_check"),
    ("on_xend_stop", &["ignore", "shutdown"], "on_xend_stop"),
    ("cpu_weight", &["256"], "cpu_weight"),
    ("cpu_cap", &[], "cpu_cap"),
    ("localtime", &[], "localtime"),
    ("machine_address_size", &[], "machine_address_size"),
    ("superpages", &[], "superpages"),
    ("tsc_mode", &[], "tsc_mode"),
    ("memory_sharing", &[], "memory_sharing"),
    ("suppress_spurious_page_faults", &[], "suppress_spurious_page_faults"),
];

/// Notes every part of the domain that is refused today.
pub(super) fn check(context: &mut Context<'_>) {
    let settings = context.settings;
    if settings.text("builder").as_deref() == Some("hvm") {
        refuse(context, "builder", None, "an HVM guest");
    }
    if settings.truthy("bootloader") {
        refuse(context, "bootloader", None, "a boot loader");
    }
    for variable in DEVICES {
        if settings.truthy(variable) {
            let article = if variable.starts_with('i') { "an" } else { "a" };
            refuse(context, variable, Some(0), &format!("{article} {variable} device"));
        }
    }
    for (variable, fine, _) in OTHERS {
        // Processor 0 is a wish, too; every other 0 says nothing.
        let said = settings.truthy(variable) || (variable == "cpu" && *settings.get("cpu") != Sxp::Nil);
        let value = settings.text(variable).unwrap_or_default();
        if said && (variable == "cpu" || value != "0") && !fine.contains(&value.as_str()) {
            let what = if value.is_empty() { variable.to_owned() } else { format!("{variable} = {value}") };
            refuse(context, variable, None, &what);
        }
    }
    for variable in ["vtpm", "tpmif"] {
        if settings.truthy(variable) {
            let message = format!("{variable} is a thing of Xen up to 4.2; xend knows no such device");
            context.note("refused", (variable, None), message, Some("remove it".to_owned()));
        }
    }
    for (at, disk) in settings.get("disk").items().iter().enumerate() {
        let source = disk.text().and_then(|text| text.split(',').next()).unwrap_or_default();
        let Some((kind @ ("tap" | "tap2"), rest)) = source.split_once(':') else { continue };
        let rest = ["tapdisk:", "ioemu:"].iter().find_map(|word| rest.strip_prefix(word)).unwrap_or(rest);
        let driver = rest.split(':').next().unwrap_or_default();
        if TAP_DRIVERS.contains(&driver) {
            let message = format!("{kind}:{driver}: disks are refused by this version of xend");
            context.note("refused", ("disk", Some(at)), message, None);
        }
    }
}

fn refuse(context: &mut Context<'_>, variable: &'static str, entry: Option<usize>, what: &str) {
    let entry = entry.filter(|_| matches!(context.settings.get(variable), Sxp::List(_)));
    let message = format!("{what} is refused by this version of xend");
    let hint = "`xm create -n` works with it; the daemon will once CHANGELOG.md says so".to_owned();
    context.note("refused", (variable, entry), message, Some(hint));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the daemon learns a class, this test says that `xm` must, too.
    #[test]
    fn the_classes_are_those_that_the_daemon_refuses() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../xend/src/domain/config.rs");
        let source = std::fs::read_to_string(path).unwrap();
        let arm = source.split("class @ (").nth(1).unwrap().split(')').next().unwrap();
        let mut theirs: Vec<&str> = arm.split('"').skip(1).step_by(2).collect();
        let mut ours: Vec<&str> = DEVICES.into_iter().chain(["vkbd"]).collect();
        theirs.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, theirs, "xend/src/domain/config.rs and this file no longer agree");
        let rest = source.split("fn refuse_what_is_not_there").nth(1).unwrap().split("\n}\n").next().unwrap();
        for (_, _, word) in OTHERS {
            assert!(rest.contains(&format!("\"{word}\"")), "the daemon no longer refuses {word}");
        }
        assert!(source.contains("an HVM guest") && source.contains("a boot loader"));
    }
}
