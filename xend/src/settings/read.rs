//! Text to settings. Nothing stops it: what is wrong is told, and the option is at its default. The first of several
//! wins, as in the original.

use std::collections::{BTreeMap, HashMap};

use xend_api::sxp::{Located, Place, Source, Sxp};

use super::{
    finding::{Finding, Findings, Weight, shown},
    nearest::nearest,
    obsolete::OBSOLETE,
    options::Settings,
    table::{Effect, ROWS, Row, row},
    values::{Given, Slot},
};

/// What a file comes to.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The options.
    pub settings: Settings,
    /// What there is to say.
    pub findings: Findings,
    /// Where each option that the file gives has its value.
    pub given: BTreeMap<&'static str, Place>,
}

impl Reading {
    /// Reads the text of a settings file.
    pub fn of(text: &[u8]) -> Self {
        let source = Source::read(text);
        let findings = Findings::of_source(&source);
        let mut reading = Self { settings: Settings::default(), findings, given: BTreeMap::new() };
        let mut seen = HashMap::new();
        let (mut loose, mut loose_line) = (None, 0);
        for form in source.forms() {
            if matches!(form.tree(), Sxp::List(_)) {
                reading.form(form, &mut seen);
                continue;
            }
            let place = form.place();
            loose.get_or_insert(place);
            // A sentence whose # is missing is told once, not word by word.
            if place.line != loose_line && !reading.findings.is_full() {
                let text = format!("{} stands outside of any list and has no effect", shown(form.tree()));
                let finding = Finding::new(Weight::Warning, Some(place), text);
                reading
                    .findings
                    .push(finding.hint("an option is written (NAME VALUE), a comment begins with #"));
            }
            loose_line = place.line;
        }
        if loose.is_some() && seen.is_empty() {
            reading.findings = Findings::of_source(&source);
            let finding = Finding::new(Weight::Fault, loose, "this is no settings file, no option is in it");
            reading.findings.push(finding.hint("an option is written (NAME VALUE), a comment begins with #"));
        }
        reading.hold_together();
        reading.findings.sort();
        reading
    }

    fn form<'a>(&mut self, form: Located<'a>, seen: &mut HashMap<&'a str, Place>) {
        let place = form.place();
        let Some(name) = form.tree().name() else {
            let text = "a list that does not begin with an option's name has no effect";
            let finding = Finding::new(Weight::Warning, Some(place), text);
            return self.findings.push(finding.hint("an option is written (NAME VALUE)"));
        };
        if let Some(first) = seen.get(name) {
            let text =
                format!("{} is given again, the first one (line {}) counts", shown(&name.into()), first.line);
            return self
                .findings
                .push(Finding::new(Weight::Warning, Some(place), text).hint("remove one of them"));
        }
        seen.insert(name, place);
        match row(name) {
            Some(row) => self.option(row, form),
            None if self.findings.is_full() => self.findings.push(Finding::new(Weight::Warning, None, "")),
            None => self.findings.push(unknown(name, place)),
        }
    }

    fn option(&mut self, row: &'static Row, form: Located<'_>) {
        let mut values = form.values();
        let Some(value) = values.next() else {
            let text = format!("{} has no value and is at its default", row.name);
            let finding = Finding::new(Weight::Warning, Some(form.place()), text).about(row.name);
            return self.findings.push(finding.hint("give it one or take the line out"));
        };
        let place = value.place();
        self.given.insert(row.name, place);
        let given = Given { name: row.name, value };
        let findings = &mut self.findings;
        let put = given.put(&row.slot, &mut self.settings, &mut |finding| findings.push(finding));
        if let Some(second) = values.next() {
            let hidden = matches!(row.slot, Slot::Secret(_));
            let word = if hidden { "what follows".to_owned() } else { shown(second.tree()) };
            let text = format!("{} takes one value, {word} is not read", row.name);
            let finding = Finding::new(Weight::Warning, Some(second.place()), text).about(row.name);
            self.findings.push(finding.hint(match second.tree() {
                Sxp::List(_) => "is a ) missing in front of it?",
                _ => "put a text with blanks into quotes",
            }));
        }
        match (put, row.effect) {
            (Err(problem), _) => {
                let hidden = matches!(row.slot, Slot::Secret(_));
                let text = if hidden {
                    "invalid xend config vncpasswd: expected text".to_owned()
                } else {
                    problem.text
                };
                let finding = Finding::new(Weight::Fault, Some(problem.place), text);
                self.findings.push(finding.about(row.name).hint(problem.hint));
            }
            (Ok(canonical), Effect::NotYet { idle, instead }) if idle != Some(canonical.as_str()) => {
                let text = format!("{} has no effect yet: {instead}", row.name);
                self.findings.push(Finding::new(Weight::NoEffect, Some(place), text).about(row.name));
            }
            (Ok(_), _) => {}
        }
    }

    /// Options that mean something only together.
    fn hold_together(&mut self) {
        let (relocation, tcp) = (&self.settings.relocation, &self.settings.servers.tcp_xmlrpc_tls);
        let mut told = Vec::new();
        let tls_files = [
            ("xend-relocation-server-ssl-key-file", relocation.tls.key.is_some()),
            ("xend-relocation-server-ssl-cert-file", relocation.tls.certificate.is_some()),
        ];
        for (name, is_there) in tls_files.into_iter().filter(|_| relocation.tls_server) {
            if !is_there {
                let text = format!("invalid xend config {name}: xend-relocation-ssl-server needs it");
                told.push((
                    Weight::Fault,
                    "xend-relocation-ssl-server",
                    text,
                    format!("add ({name} 'FILE')"),
                ));
            }
        }
        let listens = relocation.server || relocation.tls_server;
        if listens && relocation.hosts_allow.is_empty() {
            let name =
                if relocation.server { "xend-relocation-server" } else { "xend-relocation-ssl-server" };
            let text = "every host that reaches the port could send a domain".to_owned();
            let hint = "name those that may: (xend-relocation-hosts-allow '^host\\\\.example$')".to_owned();
            told.push((Weight::Warning, name, text, hint));
        }
        if tcp.key.is_some() != tcp.certificate.is_some() {
            let (name, other) = match tcp.key {
                Some(_) => ("xend-tcp-xmlrpc-server-ssl-key-file", "xend-tcp-xmlrpc-server-ssl-cert-file"),
                None => ("xend-tcp-xmlrpc-server-ssl-cert-file", "xend-tcp-xmlrpc-server-ssl-key-file"),
            };
            let text = format!("{name} alone does not switch TLS on");
            told.push((Weight::Warning, name, text, format!("add ({other} 'FILE')")));
        }
        let network = self.settings.network_script.as_ref().and_then(|words| words.first());
        if network.is_some_and(|script| script == "network") {
            let text = "network is what network-bridge was called until 2005".to_owned();
            told.push((
                Weight::Warning,
                "network-script",
                text,
                "(network-script network-bridge)".to_owned(),
            ));
        }
        let memory = &self.settings.memory;
        if memory.reserved_asked_gib != memory.reserved_gib() {
            let text = "total_available_memory is 0 when domain 0 is not ballooned".to_owned();
            let hint = "(enable-dom0-ballooning yes) goes with it".to_owned();
            told.push((Weight::Warning, "total_available_memory", text, hint));
        }
        for (weight, name, text, hint) in told {
            let place = self.given.get(name).copied();
            self.findings.push(Finding::new(weight, place, text).about(name).hint(hint));
        }
    }
}

fn unknown(name: &str, place: Place) -> Finding {
    let shown_name = shown(&name.into());
    if let Some((_, instead)) = OBSOLETE.iter().find(|(known, _)| *known == name) {
        let text = format!("{shown_name} has no effect, and had none in Xen 4.4");
        return Finding::new(Weight::Warning, Some(place), text).hint(*instead);
    }
    let known = ROWS.iter().map(|row| row.name).chain(OBSOLETE.iter().map(|(name, _)| *name));
    let hint = match nearest(name, known) {
        _ if name == "xend-config" => {
            "take the list around the options away, each stands on its own".to_owned()
        }
        Some(meant) => format!("is {meant} meant?"),
        None => "xend-config.sxp(5) lists all options".to_owned(),
    };
    let text = format!("no option is called {shown_name}, it has no effect");
    Finding::new(Weight::Warning, Some(place), text).hint(hint)
}
