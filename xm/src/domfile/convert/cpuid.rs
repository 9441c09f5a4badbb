//! `cpuid` and `cpuid_check`: texts become a table of leaves and registers (`xm-commands` §5.12).
//!
//! ```text
//!   LEAF[,SUBLEAF]:REGISTER=BITS,REGISTER=BITS      BITS: 0x… or 32 characters
//! ```
//!
//! An entry whose beginning is no leaf is dropped without a word and `cpuid_check` counts only beside `cpuid`: so it
//! always was, and `xm create --lint` tells it.

use xend_api::Sxp;

use super::super::pydict::PyDict;
use super::super::settings::{self, Settings};
use super::faults::Faults;
use super::{ConvertError, pairs};

/// How many bits a register has, one character each.
const BITS: usize = 32;

/// Replaces both variables by their tables.
pub(super) fn replace(settings: &mut Settings, faults: &mut Faults) {
    for variable in ["cpuid", "cpuid_check"] {
        let table = settings.truthy("cpuid").then(|| table(settings, variable, faults));
        // A list without a single leaf stays what it was.
        if let Some(table) = table.filter(settings::truthy) {
            settings.set(variable, table);
        }
    }
}

fn table(settings: &Settings, variable: &'static str, faults: &mut Faults) -> Sxp {
    let mut order = PyDict::default();
    let mut leaves: Vec<Sxp> = Vec::new();
    for (at, text) in pairs::entries(settings, variable, faults) {
        let Some((leaf, registers)) = split(&text) else { continue };
        let Some(registers) = faults.check((variable, at), self::registers(leaf, registers)) else {
            continue;
        };
        // A leaf that comes again replaces what it said first, and keeps its place.
        order.set(leaf, &leaves.len().to_string());
        leaves.push(registers);
    }
    let place = |place: &str| place.parse::<usize>().ok().and_then(|place| leaves.get(place).cloned());
    Sxp::Struct(order.iter().filter_map(|(leaf, at)| Some((leaf.to_owned(), place(at)?))).collect())
}

/// The leaf and the registers; what stands behind a line's end never counted.
pub(crate) fn split(text: &str) -> Option<(&str, &str)> {
    let (leaf, rest) = text.split_once(':')?;
    let mut numbers = leaf.split(',');
    let hex = |number: &str| {
        let digits = number.strip_prefix("0x").unwrap_or(number);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let fine = numbers.next().is_some_and(hex) && numbers.next().is_none_or(hex) && numbers.next().is_none();
    fine.then(|| (leaf, rest.split('\n').next().unwrap_or_default()))
}

fn registers(leaf: &str, text: &str) -> Result<Sxp, ConvertError> {
    let mut registers = PyDict::default();
    for part in text.split(',') {
        let (name, bits) = part.split_once('=').ok_or(ConvertError::CpuidSyntax)?;
        if !matches!(name, "eax" | "ebx" | "ecx" | "edx") {
            return Err(ConvertError::CpuidSyntax);
        }
        if !bits.starts_with("0x") && bits.chars().count() != BITS {
            return Err(ConvertError::CpuidBits { register: name.to_owned(), leaf: leaf.to_owned() });
        }
        registers.set(name, bits);
    }
    Ok(Sxp::Struct(registers.iter().map(|(name, bits)| (name.to_owned(), Sxp::from(bits))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(cpuid: &[&str], check: &[&str]) -> (Settings, Faults) {
        let list = |texts: &[&str]| texts.iter().map(|text| Sxp::from(*text)).collect::<Vec<_>>();
        let mut settings = Settings::new();
        settings.set("cpuid", list(cpuid));
        settings.set("cpuid_check", list(check));
        let mut faults = Faults::default();
        replace(&mut settings, &mut faults);
        (settings, faults)
    }

    #[test]
    fn leaves_and_registers_become_a_table_in_the_order_of_a_python_dictionary() {
        let bits = "xxxxxxxxxxx00xxxxxxxxxxxxxxxxxxx";
        let (settings, faults) =
            replaced(&[&format!("1:ecx={bits},eax=0x3"), "no leaf", "0x4,1:edx=0x0"], &[]);
        assert!(faults.into_findings().is_empty());
        let expected = format!("\"{{'1': {{'eax': '0x3', 'ecx': '{bits}'}}, '0x4,1': {{'edx': '0x0'}}}}\"");
        let other = format!("\"{{'0x4,1': {{'edx': '0x0'}}, '1': {{'eax': '0x3', 'ecx': '{bits}'}}}}\"");
        let found = settings.get("cpuid").to_string();
        assert!(found == expected || found == other, "{found}");
    }

    #[test]
    fn a_leaf_that_comes_again_replaces_the_first() {
        let (settings, _) = replaced(&["1:eax=0x1", "1:ebx=0x2"], &["2:eax=0x1"]);
        assert_eq!(settings.get("cpuid").to_string(), "\"{'1': {'ebx': '0x2'}}\"");
        assert_eq!(settings.get("cpuid_check").to_string(), "\"{'2': {'eax': '0x1'}}\"");
    }

    #[test]
    fn cpuid_check_without_cpuid_stays_what_it_was() {
        let (settings, faults) = replaced(&[], &["1:eax=1"]);
        assert!(faults.into_findings().is_empty());
        assert_eq!(*settings.get("cpuid_check"), Sxp::List(vec!["1:eax=1".into()]));
        let (settings, _) = replaced(&["none of the kind"], &["1:eax=0x1"]);
        assert_eq!(*settings.get("cpuid"), Sxp::List(vec!["none of the kind".into()]));
        assert_eq!(settings.get("cpuid_check").to_string(), "\"{'1': {'eax': '0x1'}}\"");
        let (settings, _) = replaced(&["1:eax=0x1"], &[]);
        assert_eq!(*settings.get("cpuid_check"), Sxp::List(vec![]));
    }

    #[test]
    fn wrong_registers_and_too_few_bits_are_told_with_the_original_s_texts() {
        let texts = |entry: &str| {
            let findings = replaced(&["2:eax=0x0", entry], &[]).1.into_findings();
            findings.iter().map(|one| (one.entry, one.error.to_string())).collect::<Vec<_>>()
        };
        let syntax = "cpuid's syntax is (eax|ebx|ecx|edx)=value".to_owned();
        assert_eq!(texts("1:efx=0x1"), [(Some(1), syntax.clone())]);
        assert_eq!(texts("1:eax=0x1,\n ebx=0x1"), [(Some(1), syntax)]);
        let bits = "cpuid: We should specify all the bits of the register eax for input 1".to_owned();
        assert_eq!(texts("1:eax=01x"), [(Some(1), bits)]);
    }
}
