//! The tree itself and how to walk it. Neighbours: `parse` makes trees from text, `print` makes text from trees.

use crate::python;

/// One node of a tree. Text parsed from a file is always `Text`; the wire also brings numbers, nil and structs.
#[derive(Clone, Debug, PartialEq)]
pub enum Sxp {
    /// Python's `None`, XML-RPC's `<nil/>`.
    Nil,
    /// `True`, `False`.
    Bool(bool),
    /// An integer; beyond 32 bits it can't cross the wire.
    Int(i64),
    /// A float, printed with 12 significant digits.
    Float(f64),
    /// An atom or a quoted string.
    Text(String),
    /// A list; in a form `(name value …)` the first element is the name.
    List(Vec<Sxp>),
    /// A struct of XML-RPC, pairs in order.
    Struct(Vec<(String, Sxp)>),
}

impl Sxp {
    /// `(name value…)`.
    pub fn form(name: &str, rest: impl IntoIterator<Item = Sxp>) -> Self {
        let mut list = vec![Self::Text(name.to_owned())];
        list.extend(rest);
        Self::List(list)
    }

    /// `(name value)`.
    pub fn pair(name: &str, value: impl Into<Sxp>) -> Self {
        Self::List(vec![Self::Text(name.to_owned()), value.into()])
    }

    /// The elements of a list, empty for everything else.
    pub fn items(&self) -> &[Sxp] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The name of a form.
    pub fn name(&self) -> Option<&str> {
        self.items().first().and_then(Sxp::text)
    }

    /// The text of an atom.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer, also when it is written as text (`'512'`).
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            Self::Bool(b) => Some(i64::from(*b)),
            Self::Float(f) if f.fract() == 0.0 && f.abs() < 9e15 => Some(*f as i64),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A number with a fraction, also when it is written as text (`'0.5'`).
    pub fn float(&self) -> Option<f64> {
        match self {
            Self::Int(n) => Some(*n as f64),
            Self::Float(f) => Some(*f),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// An atom as the text that a file would hold; `None` for nil, lists and structs.
    pub fn atom(&self) -> Option<String> {
        match self {
            Self::Nil | Self::List(_) | Self::Struct(_) => None,
            Self::Bool(b) => Some(if *b { "True" } else { "False" }.to_owned()),
            Self::Int(n) => Some(n.to_string()),
            Self::Float(f) => Some(python::float_str(*f)),
            Self::Text(text) => Some(text.clone()),
        }
    }

    /// The items behind the name of a form. A list of attributes, `(@ …)`, that stands first is not among them.
    pub fn values(&self) -> &[Sxp] {
        match self.items() {
            [_, attributes, rest @ ..] if attributes.name() == Some("@") => rest,
            [_, rest @ ..] => rest,
            [] => &[],
        }
    }

    /// The first sub-form called `name`, whole.
    pub fn child(&self, name: &str) -> Option<&Sxp> {
        self.values().iter().find(|form| form.name() == Some(name))
    }

    /// Every sub-form called `name`, in order.
    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sxp> {
        self.values().iter().filter(move |form| form.name() == Some(name))
    }

    /// The first value of the first sub-form called `name`: `512` of `(vm (memory 512))`.
    pub fn value(&self, name: &str) -> Option<&Sxp> {
        self.child(name).and_then(|form| form.values().first())
    }
}

impl From<&str> for Sxp {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Sxp {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Sxp {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<f64> for Sxp {
    fn from(f: f64) -> Self {
        Self::Float(f)
    }
}

impl From<Vec<Sxp>> for Sxp {
    fn from(items: Vec<Sxp>) -> Self {
        Self::List(items)
    }
}

#[cfg(test)]
mod tests {
    use crate::sxp::parse_one;

    #[test]
    fn attributes_are_no_children_and_no_values() {
        let tree =
            parse_one("(vm (@ (a 1)) (a (@) 2 3) (b (@ (x y))) (c 4 (@)) (d))").expect("it is one form");
        let value = |name: &str| tree.value(name).map(ToString::to_string);
        assert_eq!([value("a"), value("b")], [Some("2".to_owned()), None]);
        assert_eq!([value("c"), value("d"), value("@")], [Some("4".to_owned()), None, None]);
        assert_eq!(tree.children("a").count(), 1);
    }
}
