//! Disks: what they are made of, what the guest calls them, how they are opened (`xm-commands` §5.1, §5.2).

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::file::{Context, Kind};

/// Where the scripts of `TYPE:` disks are looked for.
const SCRIPTS: [&str; 3] = ["/etc/xend/scripts", "/usr/lib/xend/scripts", "/etc/xen/scripts"];

/// Notes what is wrong with the disks, and claims what they are made of.
pub(super) fn check(context: &mut Context<'_>) {
    let (mut sources, mut devices) = (HashSet::new(), HashSet::new());
    for (at, text) in context.entries("disk") {
        let fields: Vec<&str> = text.split(',').collect();
        // Anything else is told by the conversion.
        let [source, device, mode] = match fields.as_slice() {
            [source, device, mode, rest @ ..] if rest.len() < 3 => [*source, *device, *mode],
            _ => continue,
        };
        let subject = ("disk", Some(at));
        if !matches!(mode, "r" | "w" | "w!") {
            let hint = Some("write r, w or w! and no blanks".to_owned());
            context.note("disk-mode", subject, format!("the mode {mode:?} is refused by xend"), hint);
        }
        let (name, kind) =
            device.strip_prefix("ioemu:").unwrap_or(device).split_once(':').unwrap_or((device, ""));
        let name = name.strip_prefix("ioemu:").unwrap_or(name);
        if !is_device_name(name) {
            let hint = Some("write a name such as xvda, xvda1, sda1 or hda, and no blanks".to_owned());
            context.note("disk-device", subject, format!("{name:?} is not a name of a disk"), hint);
        }
        if !devices.insert(name.trim_start_matches("/dev/").to_owned()) {
            let hint = Some("give each disk a name of its own".to_owned());
            context.note("disk-device", subject, format!("the device {name} is already defined"), hint);
        }
        if !source.is_empty() && !sources.insert(source.to_owned()) {
            let hint = Some("remove one of them".to_owned());
            context.note("disk-source", subject, format!("the source {source} is already defined"), hint);
        }
        self::source(context, at, (source, kind), mode);
    }
}

fn source(context: &mut Context<'_>, at: usize, (source, kind): (&str, &str), mode: &str) {
    let subject = ("disk", Some(at));
    if source.is_empty() && kind == "cdrom" {
        return;
    }
    let (class, target) = match source.split_once(':') {
        Some((class, target)) if !class.is_empty() && !target.is_empty() => (class, target),
        _ => {
            let hint =
                Some("write phy:DEVICE or file:PATH; empty only for a drive such as hdc:cdrom".to_owned());
            let message = format!("the source {source:?} does not say what the disk is made of");
            return context.note("disk-source", subject, message, hint);
        }
    };
    let Some(path) = file_of(class, target) else { return script(context, at, class, (source, mode)) };
    let real = (context.real_path)(&path);
    if real.is_none() && !(context.exists)(&path) {
        let hint = match class {
            "phy" => "create the device, or write file: if it is an image",
            _ => "create the image, or give its full path",
        };
        let message = format!("there is no {}", path.display());
        context.note("missing-file", subject, message, Some(hint.to_owned()));
    }
    let thing = real.unwrap_or(path).to_string_lossy().into_owned();
    context.claim(Kind::Disk, subject, (thing, source), mode == "w");
}

/// The device or image of a disk, where its type tells.
fn file_of(class: &str, target: &str) -> Option<PathBuf> {
    match class {
        "phy" if target.starts_with('/') => Some(PathBuf::from(target)),
        "phy" => Some(Path::new("/dev").join(target)),
        "file" => Some(PathBuf::from(target)),
        "tap" | "tap2" => {
            let target =
                ["tapdisk:", "ioemu:"].iter().find_map(|word| target.strip_prefix(word)).unwrap_or(target);
            target.split_once(':').map(|(_, path)| PathBuf::from(path))
        }
        _ => None,
    }
}

/// Any other type is a script's business.
fn script(context: &mut Context<'_>, at: usize, class: &str, (source, mode): (&str, &str)) {
    let script = format!("block-{class}");
    if !SCRIPTS.iter().any(|dir| (context.exists)(&Path::new(dir).join(&script))) {
        let hint = Some(format!("write phy: or file:, or install {script} in {}", SCRIPTS[0]));
        context.note(
            "disk-source",
            ("disk", Some(at)),
            format!("there is no script for {class}: disks"),
            hint,
        );
    }
    context.claim(Kind::Disk, ("disk", Some(at)), (source.to_owned(), source), mode == "w");
}

/// `hda` to `hdt`, `sda` to `sdiz`, `xvda` to `xvdiz`, each with a partition; or a number.
fn is_device_name(name: &str) -> bool {
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    let all = |text: &str, fits: fn(u8) -> bool| !text.is_empty() && text.bytes().all(fits);
    if all(name, |b| b.is_ascii_digit()) {
        return true;
    }
    if let Some(digits) = name.strip_prefix("0x") {
        return all(digits, |b| b.is_ascii_hexdigit());
    }
    let families = [("hd", 't', 1, 63), ("sd", 'z', 2, 15), ("xvd", 'z', 2, 255)];
    families.into_iter().any(|(family, last, letters, partitions)| {
        let Some(rest) = name.strip_prefix(family) else { return false };
        let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
        let (letter, partition) = rest.split_at(end);
        let disk = match letter.as_bytes() {
            [one] => char::from(*one) <= last,
            [first, _] => letters == 2 && *first <= b'i',
            _ => false,
        };
        // `xvda` to `xvdp` have 15, as every old name does.
        let most = if family == "xvd" && letter.len() == 1 && letter <= "p" { 15 } else { partitions };
        let number = || partition.parse::<u32>().is_ok_and(|n| (1..=most).contains(&n));
        disk && (partition.is_empty() || (!partition.starts_with(['0', '+']) && number()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_table_of_disk_sources_is_met() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus/devices/uname.tsv");
        let Ok(table) = std::fs::read_to_string(file) else {
            println!("skipped: no corpus beside the checkout");
            return;
        };
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<&str> = line.split('\t').collect();
            let [source, file, kind, ..] = cells[..] else { continue };
            let found = source.split_once(':').and_then(|(class, target)| file_of(class, target));
            match kind {
                "phy" | "file" | "tap" | "tap2" => {
                    assert_eq!(found.as_deref(), Some(Path::new(file)), "{source}");
                }
                // The original failed with an error of Python, or another type is a script's business.
                _ => assert!(found.is_none(), "{source}"),
            }
        }
    }

    #[test]
    fn names_of_disks_are_those_that_have_a_number() {
        for name in [
            "hda",
            "hdt63",
            "sda1",
            "sdiv15",
            "xvda",
            "xvda15",
            "xvdq200",
            "xvdaa1",
            "/dev/xvda",
            "768",
            "0xCA00",
        ] {
            assert!(is_device_name(name), "{name}");
        }
        for name in [
            "",
            "hdu",
            "hda64",
            "sda16",
            "xvda16",
            " hda",
            "d5",
            "c0d0p1",
            "xvda01",
            "xvdja",
            "0x",
            "hda:cdrom",
        ] {
            assert!(!is_device_name(name), "{name}");
        }
    }
}
