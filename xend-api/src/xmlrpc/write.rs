//! Calls, results and faults to text, byte for byte as the original's library laid them out.

use std::fmt::Write as _;

use crate::fault::Fault;
use crate::python;
use crate::sxp::Sxp;
use crate::xmlrpc::xml::XmlRpcError;
use crate::xmlrpc::{BECAUSE, HINT};

const HEAD: &str = "<?xml version='1.0'?>\n";

/// A request; fails when a number does not fit into 32 bits.
pub fn write_call(method: &str, params: &[Sxp]) -> Result<String, XmlRpcError> {
    let mut out = format!("{HEAD}<methodCall>\n<methodName>");
    text(method, &mut out);
    out.push_str("</methodName>\n<params>\n");
    for param in params {
        out.push_str("<param>\n");
        value(param, &mut out)?;
        out.push_str("</param>\n");
    }
    out.push_str("</params>\n</methodCall>\n");
    Ok(out)
}

/// An answer. A result with a number beyond 32 bits becomes fault 1, as it did in the original.
pub fn write_response(answer: &Result<Sxp, Fault>) -> String {
    match answer {
        Ok(result) => {
            write_result(result).unwrap_or_else(|error| write_fault(&Fault::internal(error.to_string())))
        }
        Err(fault) => write_fault(fault),
    }
}

fn write_result(result: &Sxp) -> Result<String, XmlRpcError> {
    let mut out = format!("{HEAD}<methodResponse>\n<params>\n<param>\n");
    match result {
        Sxp::Text(plain) => value(&Sxp::Text(python::escape(plain)), &mut out)?,
        other => value(other, &mut out)?,
    }
    out.push_str("</param>\n</params>\n</methodResponse>\n");
    Ok(out)
}

fn write_fault(fault: &Fault) -> String {
    let mut members = vec![
        ("faultCode".to_owned(), Sxp::Int(fault.kind.code())),
        ("faultString".to_owned(), Sxp::from(fault.text.as_str())),
    ];
    if !fault.because.is_empty() {
        let reasons = fault.because.iter().map(|reason| Sxp::from(reason.as_str())).collect();
        members.push((BECAUSE.to_owned(), Sxp::List(reasons)));
    }
    if let Some(hint) = &fault.hint {
        members.push((HINT.to_owned(), Sxp::from(hint.as_str())));
    }
    let mut out = format!("{HEAD}<methodResponse>\n<fault>\n");
    value(&Sxp::Struct(members), &mut out).expect("the only number is a fault code, which is below 4");
    out.push_str("</fault>\n</methodResponse>\n");
    out
}

fn value(tree: &Sxp, out: &mut String) -> Result<(), XmlRpcError> {
    match tree {
        // No newline here: the original's library forgot it.
        Sxp::Nil => out.push_str("<value><nil/></value>"),
        Sxp::Bool(truth) => scalar(format_args!("<boolean>{}</boolean>", u8::from(*truth)), out),
        Sxp::Int(number) => {
            let narrow = i32::try_from(*number).map_err(|_| XmlRpcError::IntRange { value: *number })?;
            scalar(format_args!("<int>{narrow}</int>"), out);
        }
        Sxp::Float(number) => scalar(format_args!("<double>{}</double>", python::float_repr(*number)), out),
        Sxp::Text(plain) => {
            out.push_str("<value><string>");
            text(plain, out);
            out.push_str("</string></value>\n");
        }
        Sxp::List(items) => {
            out.push_str("<value><array><data>\n");
            for item in items {
                value(item, out)?;
            }
            out.push_str("</data></array></value>\n");
        }
        Sxp::Struct(members) => {
            out.push_str("<value><struct>\n");
            for (name, member) in members {
                out.push_str("<member>\n<name>");
                text(name, out);
                out.push_str("</name>\n");
                value(member, out)?;
                out.push_str("</member>\n");
            }
            out.push_str("</struct></value>\n");
        }
    }
    Ok(())
}

fn scalar(inside: std::fmt::Arguments<'_>, out: &mut String) {
    let _ = writeln!(out, "<value>{inside}</value>");
}

/// Character data. A carriage return travels as a number, or readers would turn it into a newline; characters that
/// XML cannot hold at all become U+FFFD, so that one odd byte does not cost the whole answer.
fn text(plain: &str, out: &mut String) {
    let mut rest = plain;
    while let Some(at) = rest.bytes().position(needs_care) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'&' => out.push_str("&amp;"),
            b'<' => out.push_str("&lt;"),
            b'>' => out.push_str("&gt;"),
            b'\r' => out.push_str("&#13;"),
            _ => out.push('\u{fffd}'),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

fn needs_care(byte: u8) -> bool {
    matches!(byte, b'&' | b'<' | b'>') || byte < 0x20 && !matches!(byte, b'\t' | b'\n')
}
