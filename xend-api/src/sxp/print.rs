//! Trees to text: `Display` is the compact form (`show`), `to_pretty` the indented one of stored records and
//! `xm list --long`.

use std::fmt;

use crate::python;
use crate::sxp::Sxp;

/// How much deeper the elements of a list stand that doesn't fit on its line.
const INDENT: usize = 4;

impl fmt::Display for Sxp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(items) => {
                f.write_str("(")?;
                for (nr, item) in items.iter().enumerate() {
                    let gap = if nr == 0 { "" } else { " " };
                    write!(f, "{gap}{item}")?;
                }
                f.write_str(")")
            }
            Self::Text(text) if is_bare(text) => f.write_str(text),
            Self::Text(text) => f.write_str(&python::repr(text)),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(value) => f.write_str(&python::float_str(*value)),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Nil | Self::Struct(_) => f.write_str(&python::repr(&repr(self))),
        }
    }
}

impl Sxp {
    /// The indented form for a page of `width` columns, without a newline at its end: a list that fits into the
    /// rest of its line stays there, otherwise each element after the first gets a line of its own.
    pub fn to_pretty(&self, width: usize) -> String {
        let mut out = String::new();
        pretty(self, width, 0, &mut out);
        out
    }
}

fn pretty(tree: &Sxp, width: usize, column: usize, out: &mut String) {
    let Sxp::List(items) = tree else {
        out.push_str(&tree.to_string());
        return;
    };
    if fits(tree, &mut width.saturating_sub(column)) {
        out.push_str(&tree.to_string());
        return;
    }
    out.push('(');
    for (nr, item) in items.iter().enumerate() {
        if nr == 0 {
            pretty(item, width, column + 1, out);
        } else {
            new_line(column + INDENT, out);
            pretty(item, width, column + INDENT, out);
        }
    }
    new_line(column, out);
    out.push(')');
}

/// Takes the columns of the compact form from `left`, as long as there are enough. Gives up at the first element that
/// does not fit: each list is asked this, and writing the rest of it every time would take minutes for a deep one.
fn fits(tree: &Sxp, left: &mut usize) -> bool {
    match tree {
        Sxp::List(items) => take(1 + items.len().max(1), left) && items.iter().all(|item| fits(item, left)),
        // Every byte takes a column at least; a long text is not even quoted.
        Sxp::Text(text) if text.len() > *left => false,
        Sxp::Struct(members) => {
            let mut probe = *left;
            members.iter().all(|(name, value)| take(name.len(), &mut probe) && fits(value, &mut probe))
                && take(tree.to_string().len(), left)
        }
        _ => take(tree.to_string().len(), left),
    }
}

fn take(columns: usize, left: &mut usize) -> bool {
    let enough = *left >= columns;
    *left = left.saturating_sub(columns);
    enough
}

fn new_line(column: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', column));
}

/// Whether a text needs no quotes.
fn is_bare(text: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/' | b'~');
    text == "@" || !text.is_empty() && text.bytes().all(plain)
}

/// A value inside Python's `repr` of a dictionary, list or `None`.
pub(super) fn repr(tree: &Sxp) -> String {
    match tree {
        Sxp::Nil => "None".to_owned(),
        Sxp::Text(text) => python::repr(text),
        Sxp::Float(value) => python::float_repr(*value),
        Sxp::Bool(_) | Sxp::Int(_) => tree.to_string(),
        Sxp::List(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Sxp::Struct(members) => {
            let member = |(name, value): &(String, Sxp)| format!("{}: {}", python::repr(name), repr(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sxp::parse_one;

    #[test]
    fn values_without_a_text_form_are_quoted() {
        let tree = Sxp::from(vec![
            Sxp::Nil,
            Sxp::Bool(true),
            Sxp::Int(-3),
            Sxp::Float(0.5),
            Sxp::from(""),
            Sxp::from("@"),
            Sxp::from("@a"),
            Sxp::Struct(vec![("1".to_owned(), Sxp::from(vec![Sxp::Nil, Sxp::from("x")]))]),
        ]);
        assert_eq!(tree.to_string(), "('None' True -3 0.5 '' @ '@a' \"{'1': [None, 'x']}\")");
    }

    #[test]
    fn a_list_that_does_not_fit_puts_each_element_on_its_line() {
        let text = "(vm (name c.cfg) (memory 128) (image (linux (kernel /bin/true) (videoram 4) (tsc_mode 0) \
                    (nomigrate 0))) (device (vfb (vnc 1) (vncdisplay 3) (keymap de) (xauthority /root/.Xauthority))))";
        let tree = parse_one(text).expect("the text is well formed");
        let wanted = "\
(vm
    (name c.cfg)
    (memory 128)
    (image (linux (kernel /bin/true) (videoram 4) (tsc_mode 0) (nomigrate 0)))
    (device
        (vfb (vnc 1) (vncdisplay 3) (keymap de) (xauthority /root/.Xauthority))
    )
)";
        assert_eq!(tree.to_pretty(80), wanted);
    }

    #[test]
    fn a_list_stays_on_its_line_exactly_as_long_as_its_compact_form_fits() {
        let members = vec![("a".to_owned(), Sxp::from("b c")), ("d".to_owned(), Sxp::from(vec![Sxp::Nil]))];
        let element = Sxp::from(vec![Sxp::Int(-7), Sxp::from("it's"), Sxp::Struct(members), Sxp::from("x")]);
        let tree = Sxp::from(vec![element, Sxp::List(Vec::new()), Sxp::Float(0.5)]);
        let columns = tree.to_string().len();
        assert_eq!(tree.to_pretty(columns), tree.to_string());
        assert!(tree.to_pretty(columns - 1).contains('\n'));
    }

    #[test]
    fn a_deep_list_around_a_long_text_is_written_once_not_at_every_depth() {
        let text = "x y ".repeat(1 << 18);
        let tree = (0..128).fold(Sxp::from(text.clone()), |tree, _| Sxp::List(vec![tree]));
        // What else the machine does may slow one of the two down, hardly three times in a row.
        let is_quick = (0..3).any(|_| {
            let clock = std::time::Instant::now();
            let compact = tree.to_string();
            let once = clock.elapsed();
            let clock = std::time::Instant::now();
            let pretty = tree.to_pretty(78);
            let took = clock.elapsed();
            println!("{took:?}, the compact form {once:?}");
            assert!(pretty.len() > compact.len());
            took < once * 30
        });
        assert!(is_quick);
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["()", "(a)", "((a) ((b)))", "(a 'b c' \"it's\" '' '\\\\' 'x\\ny' '#' '(')"] {
            let tree = parse_one(text).expect("the text is well formed");
            assert_eq!(parse_one(&tree.to_string()).as_ref(), Ok(&tree));
            assert_eq!(parse_one(&tree.to_pretty(4)).as_ref(), Ok(&tree));
        }
    }
}
