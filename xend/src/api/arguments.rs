//! Reading the arguments of a call. A wrong number of them, or a wrong kind, is an internal fault as it was in the
//! original; the text says what is wanted.

use xend_api::{Fault, Sxp};

/// The arguments of one call.
pub(super) struct Arguments<'a> {
    method: &'a str,
    params: &'a [Sxp],
}

impl<'a> Arguments<'a> {
    /// Checks their number.
    pub(super) fn new(method: &'a str, params: &'a [Sxp], least: usize, most: usize) -> Result<Self, Fault> {
        let count = params.len();
        if count < least || count > most {
            let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
            return Err(Fault::internal(format!("{method} takes {wanted} arguments ({count} given)")));
        }
        Ok(Self { method, params })
    }

    /// A domain as clients name it: text, or a number.
    pub(super) fn designator(&self, at: usize) -> Result<String, Fault> {
        let param = self.params.get(at).and_then(Sxp::atom);
        param.ok_or_else(|| self.wrong(at, "a domain's name, number or UUID"))
    }

    /// A text.
    pub(super) fn text(&self, at: usize) -> Result<String, Fault> {
        self.params.get(at).and_then(Sxp::atom).ok_or_else(|| self.wrong(at, "a text"))
    }

    /// Python's idea of truth; `default` when it is left out.
    pub(super) fn truth(&self, at: usize, default: Truth) -> Truth {
        let is = match self.params.get(at) {
            None => return default,
            Some(Sxp::Nil) => false,
            Some(Sxp::Bool(b)) => *b,
            Some(Sxp::Int(n)) => *n != 0,
            Some(Sxp::Float(f)) => *f != 0.0,
            Some(Sxp::Text(text)) => !text.is_empty(),
            Some(Sxp::List(list)) => !list.is_empty(),
            Some(Sxp::Struct(pairs)) => !pairs.is_empty(),
        };
        if is { Truth::Yes } else { Truth::No }
    }

    /// A tree.
    pub(super) fn tree(&self, at: usize) -> Result<&'a Sxp, Fault> {
        self.params.get(at).ok_or_else(|| self.wrong(at, "an S-expression"))
    }

    fn wrong(&self, at: usize, wanted: &str) -> Fault {
        Fault::internal(format!("argument {} of {} must be {wanted}", at + 1, self.method))
    }
}

/// A flag of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
}
