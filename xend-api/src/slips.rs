//! How far a mistyped word is from the one that was meant: for hints that name the nearest.

/// How many letters have to be changed, added, left out, or swapped with their neighbour. Time grows with the product of
/// the lengths: callers bound one of them.
pub fn between(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut now = vec![row + 1];
        for (column, wanted) in to.iter().enumerate() {
            let changed = last[column] + usize::from(letter != wanted);
            let mut least = changed.min(last[column + 1] + 1).min(now[column] + 1);
            if row > 0 && column > 0 && *letter == to[column - 1] && from[row - 1] == *wanted {
                least = least.min(before[column - 1] + 1);
            }
            now.push(least);
        }
        before = std::mem::replace(&mut last, now);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_a_letter_changed_added_left_out_or_swapped() {
        let table = [
            ("", "", 0),
            ("", "ab", 2),
            ("disc", "disk", 1),
            ("vifs", "vif", 1),
            ("memroy", "memory", 1),
            ("a", "b", 1),
        ];
        for (from, to, wanted) in table {
            assert_eq!((between(from, to), between(to, from)), (wanted, wanted), "{from} {to}");
        }
    }
}
