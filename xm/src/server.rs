//! Which server `xm` talks to: `xm-config.xml`, `XM_SERVER`, or the usual socket (`xm-commands` §2.8).

use std::path::Path;

use xend_api::client::DEFAULT_URI;

/// The configuration file that is read when `XM_CONFIG_FILE` names none.
const CONFIG_FILE: &str = "/etc/xen/xm-config.xml";
/// Longest configuration file that is read.
const MAX_FILE: usize = 1 << 20;

/// The kinds of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerType {
    /// The classic calls.
    Legacy,
    /// Xen-API.
    XenApi,
}

/// The server and what must be said about the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its kind.
    pub kind: ServerType,
    /// Its address.
    pub uri: String,
    /// A line for standard error.
    pub notice: Option<String>,
}

/// What the process' environment says.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `XM_CONFIG_FILE`.
    pub config_file: Option<String>,
    /// `XM_SERVER`.
    pub server: Option<String>,
}

impl Environment {
    /// That of this process.
    pub fn current() -> Self {
        Self { config_file: std::env::var("XM_CONFIG_FILE").ok(), server: std::env::var("XM_SERVER").ok() }
    }
}

/// Finds the server.
pub fn find(environment: &Environment) -> Server {
    let path = environment.config_file.as_deref().unwrap_or(CONFIG_FILE);
    let uri = environment.server.clone().unwrap_or_else(|| DEFAULT_URI.to_owned());
    let mut server = Server { kind: ServerType::Legacy, uri, notice: None };
    let Ok(bytes) = std::fs::read(Path::new(path)) else { return server };
    let Some(attributes) = std::str::from_utf8(&bytes).ok().and_then(first_server) else {
        server.notice = Some(format!("Ignoring invalid configuration file {path}."));
        return server;
    };
    for (name, value) in attributes {
        match (name.as_str(), value.as_str()) {
            ("uri", _) => server.uri = value,
            ("type", "Xen-API") => server.kind = ServerType::XenApi,
            ("type", "LegacyXMLRPC" | "") => {}
            ("type", other) => {
                server.notice = Some(format!("Invalid server type {other}; using LegacyXMLRPC."));
            }
            _ => {}
        }
    }
    server
}

type Attributes = Vec<(String, String)>;

/// The attributes of the first `server` element, empty without one; `None` if the text is not XML.
fn first_server(text: &str) -> Option<Attributes> {
    if text.len() > MAX_FILE {
        return None;
    }
    let mut rest = text.trim_start();
    let mut open: Vec<&str> = Vec::new();
    let mut found: Option<Attributes> = None;
    let mut elements = 0;
    while let Some(at) = rest.find('<') {
        if open.is_empty() && !rest[..at].trim().is_empty() {
            return None;
        }
        rest = &rest[at..];
        if let Some(skipped) = skip_markup(rest)? {
            rest = skipped;
            continue;
        }
        let end = tag_end(rest)?;
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop()? != name.trim() {
                return None;
            }
            continue;
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = element(tag)?;
        elements += 1;
        if name == "server" && found.is_none() {
            found = Some(attributes);
        }
        if !closed {
            open.push(name);
        }
    }
    (open.is_empty() && elements > 0 && rest.trim().is_empty()).then(|| found.unwrap_or_default())
}

/// What follows a comment, a declaration or an instruction; `Some(None)` if the text begins with none of them.
fn skip_markup(text: &str) -> Option<Option<&str>> {
    let end = if text.starts_with("<!--") {
        "-->"
    } else if text.starts_with("<?") {
        "?>"
    } else if text.starts_with("<!") {
        ">"
    } else {
        return Some(None);
    };
    text.find(end).map(|at| Some(&text[at + end.len()..]))
}

/// The `>` of the tag that the text begins with; one inside quotes does not count.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '>') => return Some(at),
            _ => {}
        }
        None
    })
}

fn element(tag: &str) -> Option<(&str, Attributes)> {
    let end = tag.find(char::is_whitespace).unwrap_or(tag.len());
    let (name, mut rest) = (&tag[..end], tag[end..].trim_start());
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return None;
    }
    let mut attributes = Vec::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (value, after) = after[1..].split_once(quote)?;
        attributes.push((key.trim().to_owned(), unescape(value)));
        rest = after.trim_start();
    }
    Some((name, attributes))
}

fn unescape(text: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(xml: &str) -> Option<Attributes> {
        first_server(xml)
    }

    #[test]
    fn the_first_server_element_counts_and_comments_do_not() {
        let xml = "<?xml version='1.0'?>\n<!-- <server uri='no'/> -->\n<xm>\n <server type='LegacyXMLRPC'\n \
                   uri=\"http://h:1/?a&amp;b\" /><server uri='second'/>\n</xm>\n";
        let expected = [("type", "LegacyXMLRPC"), ("uri", "http://h:1/?a&b")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(server(xml), Some(expected));
        assert_eq!(server("<xm></xm>"), Some(vec![]));
        assert_eq!(server("<xm><!-- <server/> --></xm>"), Some(vec![]));
    }

    #[test]
    fn what_is_not_xml_is_refused() {
        for text in
            ["", "hello", "<xm>", "<xm></other>", "<xm a=b/>", "<xm><server type='x></xm>", "</xm>", "< xm/>"]
        {
            assert_eq!(server(text), None, "{text}");
        }
    }

    #[test]
    fn without_a_file_the_environment_names_the_server() {
        let environment = Environment {
            config_file: Some("/nonexistent/xm".to_owned()),
            server: Some("http://h/".to_owned()),
        };
        let expected = Server { kind: ServerType::Legacy, uri: "http://h/".to_owned(), notice: None };
        assert_eq!(find(&environment), expected);
        let environment = Environment { server: None, ..environment };
        assert_eq!(find(&environment).uri, "httpu:///var/run/xend/xmlrpc.sock");
    }
}
