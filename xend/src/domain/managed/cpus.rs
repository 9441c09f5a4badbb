//! Which processors each vcpu may run on: lists, or texts of ranges (`xend-daemon` §4.10, `xm-commands` §5.8).

use std::collections::BTreeSet;

use xend_api::Sxp;

use crate::domain::{ConfigFault, config::MAX_VCPUS};

/// Beyond the processors that Xen knows.
const MOST: u32 = 8192;

/// Processors in all lists together: those of a hundred vcpus on a great host. More would only be there to do harm.
const MOST_TOGETHER: usize = 1 << 16;

/// One list for each vcpu; an empty one means any processor.
pub(super) fn read(tree: &Sxp, vcpus: u32, faults: &mut Vec<ConfigFault>) -> Vec<Sxp> {
    let vcpus = vcpus.min(MAX_VCPUS) as usize;
    let any = || vec![Sxp::List(Vec::new()); vcpus];
    let given = tree.value("cpus");
    // The deprecated `cpu` stands before everything else.
    let first = tree.value("cpu").and_then(Sxp::int).filter(|cpu| *cpu >= 0).map(|cpu| cpu.to_string());
    let one_text = match (given.and_then(Sxp::atom), given.map(Sxp::items).unwrap_or_default(), first) {
        (Some(text), _, Some(first)) if !text.is_empty() => Some(format!("{first},{text}")),
        (Some(text), _, None) if !text.is_empty() => Some(text),
        (_, [], Some(first)) => Some(first),
        _ => None,
    };
    let mut left = MOST_TOGETHER;
    let mut list = |text: &str| {
        let list = ranges(text, &mut left);
        if list.is_none() {
            faults.push(ConfigFault::Cpus { text: text.chars().take(80).collect() });
        }
        list
    };
    if let Some(text) = one_text {
        let Some(one) = list(&text) else { return any() };
        if one.items().len() * vcpus > MOST_TOGETHER {
            faults.push(ConfigFault::CpusTooMany { most: MOST_TOGETHER });
            return any();
        }
        return vec![one; vcpus];
    }
    let items = given.map(Sxp::items).unwrap_or_default();
    if items.is_empty() {
        return any();
    }
    if items.iter().any(|item| item.atom().is_some()) && items.len() != vcpus {
        faults.push(ConfigFault::CpusNotVcpus);
        return any();
    }
    let lists = items.iter().map(|item| match item.atom() {
        Some(text) => list(&text),
        None => Some(Sxp::List(item.items().iter().map(number).collect())),
    });
    // One fault is enough: what follows it is not worked out.
    lists.collect::<Option<Vec<Sxp>>>().unwrap_or_else(any)
}

fn number(item: &Sxp) -> Sxp {
    item.int().map_or_else(|| item.clone(), Sxp::Int)
}

/// `0-3,^1,7`; `^N` takes N away from what stands before it. `left` is how many processors may still be named.
fn ranges(text: &str, left: &mut usize) -> Option<Sxp> {
    let mut cpus = BTreeSet::new();
    let cpu = |text: &str| text.trim().parse::<u32>().ok().filter(|cpu| *cpu < MOST);
    for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
        if let Some(without) = piece.strip_prefix('^') {
            cpus.remove(&cpu(without)?);
            continue;
        }
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        let (first, last) = (cpu(first)?, cpu(last)?);
        *left = left.checked_sub((last + 1).saturating_sub(first) as usize)?;
        cpus.extend(first..=last);
    }
    Some(Sxp::List(cpus.into_iter().map(|cpu| Sxp::Int(cpu.into())).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(forms: &str) -> Result<String, String> {
        let tree = xend_api::sxp::parse(&format!("(vm {forms})")).unwrap().remove(0);
        let mut faults = Vec::new();
        let lists = read(&tree, 2, &mut faults);
        match faults.first() {
            None => Ok(Sxp::List(lists).to_string()),
            Some(fault) => Err(fault.to_string()),
        }
    }

    #[test]
    fn every_way_to_write_them_ends_in_a_list_for_each_vcpu() {
        let table = [
            ("", "(() ())"),
            ("(cpus ())", "(() ())"),
            ("(cpus '')", "(() ())"),
            ("(cpus 1)", "((1) (1))"),
            ("(cpus '0-3,^1')", "((0 2 3) (0 2 3))"),
            ("(cpus (0 '1,2'))", "((0) (1 2))"),
            ("(cpus ((0 1) ()))", "((0 1) ())"),
            ("(cpu 3)", "((3) (3))"),
            ("(cpu 3) (cpus 1)", "((1 3) (1 3))"),
            ("(cpu -1)", "(() ())"),
        ];
        for (forms, wanted) in table {
            assert_eq!(cpus(forms).as_deref(), Ok(wanted), "{forms}");
        }
        assert_eq!(cpus("(cpus (0))").unwrap_err(), "vcpus and the item number of cpus are not same");
        assert!(cpus("(cpus 0-99999999)").is_err());
        assert!(cpus("(cpus some)").is_err());
        // Named again and again, or for each of very many: refused before it takes memory or time.
        assert!(cpus(&format!("(cpus '{}')", "0-8191,".repeat(100_000))).is_err());
        let tree = xend_api::sxp::parse("(vm (cpus '0-4000'))").unwrap().remove(0);
        let mut faults = Vec::new();
        assert_eq!(read(&tree, u32::MAX, &mut faults).len(), MAX_VCPUS as usize);
        assert_eq!(faults.len(), 1, "{faults:?}");
    }
}
