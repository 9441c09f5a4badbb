//! Which processors each vcpu may run on: lists, or texts of ranges (`xend-daemon` §4.10, `xm-commands` §5.8).

use std::collections::BTreeSet;

use xend_api::Sxp;

use crate::domain::ConfigFault;

/// Beyond the processors that Xen knows.
const MOST: u32 = 8192;

/// One list for each vcpu; an empty one means any processor.
pub(super) fn read(tree: &Sxp, vcpus: u32, faults: &mut Vec<ConfigFault>) -> Vec<Sxp> {
    let given = tree.value("cpus");
    // The deprecated `cpu` stands before everything else.
    let first = tree.value("cpu").and_then(Sxp::int).filter(|cpu| *cpu >= 0).map(|cpu| cpu.to_string());
    let one_text = match (given.and_then(Sxp::atom), given.map(Sxp::items).unwrap_or_default(), first) {
        (Some(text), _, Some(first)) if !text.is_empty() => Some(format!("{first},{text}")),
        (Some(text), _, None) if !text.is_empty() => Some(text),
        (_, [], Some(first)) => Some(first),
        _ => None,
    };
    let mut list = |text: &str| {
        ranges(text).unwrap_or_else(|| {
            faults.push(ConfigFault::Cpus { text: text.to_owned() });
            Sxp::List(Vec::new())
        })
    };
    if let Some(text) = one_text {
        return vec![list(&text); vcpus as usize];
    }
    let items = given.map(Sxp::items).unwrap_or_default();
    if items.is_empty() {
        return vec![Sxp::List(Vec::new()); vcpus as usize];
    }
    let texts = items.iter().filter(|item| item.atom().is_some()).count();
    let lists = items
        .iter()
        .map(|item| match item.atom() {
            Some(text) => list(&text),
            None => Sxp::List(item.items().iter().map(number).collect()),
        })
        .collect();
    if texts > 0 && items.len() != vcpus as usize {
        faults.push(ConfigFault::CpusNotVcpus);
    }
    lists
}

fn number(item: &Sxp) -> Sxp {
    item.int().map_or_else(|| item.clone(), Sxp::Int)
}

/// `0-3,^1,7`; `^N` takes N away from what stands before it.
fn ranges(text: &str) -> Option<Sxp> {
    let mut cpus = BTreeSet::new();
    let cpu = |text: &str| text.trim().parse::<u32>().ok().filter(|cpu| *cpu < MOST);
    for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
        if let Some(without) = piece.strip_prefix('^') {
            cpus.remove(&cpu(without)?);
        } else if let Some((first, last)) = piece.split_once('-') {
            cpus.extend(cpu(first)?..=cpu(last)?);
        } else {
            cpus.insert(cpu(piece)?);
        }
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
    }
}
