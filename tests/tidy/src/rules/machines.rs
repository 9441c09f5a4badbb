//! Nothing in the workspace knows the machine on which it was written.

use crate::Finding;

/// Beginnings of paths and names of the machines on which we write, in two halves so that this file has none.
const FOREIGN: &[(&str, &str)] =
    &[("/wo", "rk/"), ("/fa", "rm/"), (".cargo/regi", "stry/src"), ("index.cra", "tes.io-")];

/// Paths that exist on the writer's machine only.
pub(super) fn paths(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for (first, second) in FOREIGN {
            let foreign = format!("{first}{second}");
            if line.match_indices(&foreign).any(|(start, _)| begins_a_path(&line[..start])) {
                findings.push(Finding::new(path, at + 1, format!("`{foreign}` is a path of one machine")));
            }
        }
    }
    findings
}

/// Whether what stands before is not itself part of a path: behind `target` it is a folder of our own.
fn begins_a_path(before: &str) -> bool {
    !before.ends_with(|character: char| {
        character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '}' | ')')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_machine_is_found() {
        let text = format!("a\n\"{}{}main\"\nxtarget{}{}x\n", "/wo", "rk/", "/wo", "rk/");
        assert_eq!(paths("a.md", &text).iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
    }
}
