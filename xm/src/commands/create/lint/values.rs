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

/// What an event can do.
const ACTIONS: [&str; 6] =
    ["destroy", "restart", "preserve", "rename-restart", "coredump-destroy", "coredump-restart"];

/// Notes what is wrong with single variables.
pub(super) fn check(context: &mut Context<'_>) {
    identity(context);
    numbers(context);
    words(context);
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
