//! Finds the domain file, runs it and converts it (`xm-commands` §4.3, §4.4).

use std::path::Path;

use nix::errno::Errno;
use xend_api::{Sxp, sxp};

use super::host::Host;
use super::input::read_bounded;
use super::options::{self, Request, Wants};
use super::surroundings::surroundings;
use crate::domfile::convert::{self, Finding};
use crate::domfile::source::Place;
use crate::domfile::{self, FileError, Ignored, Places, Scope, Settings, Source, Value, World, lexer};
use crate::report::{Failure, strerror};
use crate::screen::Screen;

/// The file that is looked for when none is named.
pub(super) const DEFAULT_FILE: &str = "xmdefconfig";

/// Of more faults in a file only the number is told.
const MOST_TOLD: usize = 20;

/// A domain that is ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    /// What the daemon gets.
    pub(super) sxp: Sxp,
    /// What else is wanted.
    pub(super) wants: Wants,
    /// Is a viewer to be started?
    pub(super) viewer: bool,
}

pub(super) fn load(screen: &mut Screen, request: Request) -> Result<Loaded, Failure> {
    match &request.sxp_file {
        Some(file) => {
            let viewer = request.settings.truthy("vncconsole");
            Ok(Loaded { sxp: read_sxp(file)?, wants: request.wants, viewer })
        }
        None => load_domain_file(screen, request),
    }
}

fn load_domain_file(screen: &mut Screen, request: Request) -> Result<Loaded, Failure> {
    let Request { path, mut wants, mut settings, strings, .. } = request;
    let file = request.files.last().map_or(DEFAULT_FILE, String::as_str);
    let found = find(file, &path).ok_or_else(|| not_found(file, &path))?;
    if !wants.quiet {
        screen.line(&format!("Using config file \"{found}\"."));
    }
    let source = read(&found)?;
    let scope = run(&source, &strings, &mut Host::new(screen)).map_err(|error| stopped(&error))?;
    let ignored = settings.absorb(&scope).map_err(options::setting)?;
    if screen.err_is_terminal() {
        ignored.iter().for_each(|one| screen.err(&ignored_text(&found, one)));
    }
    for (name, wanted) in [
        ("quiet", &mut wants.quiet),
        ("dryrun", &mut wants.dry_run),
        ("xmldryrun", &mut wants.xml_dry_run),
        ("paused", &mut wants.paused),
        ("console_autoconnect", &mut wants.console),
    ] {
        *wanted |= settings.truthy(name);
    }
    default_name(&mut settings, file);
    let around = surroundings(wants.console);
    let converted =
        convert::domain(&settings, &around).map_err(|findings| conversion(&findings, &source, &settings))?;
    converted.warnings.iter().for_each(|warning| screen.err(warning));
    Ok(Loaded { sxp: converted.sxp, wants, viewer: settings.truthy("vncconsole") })
}

/// Runs a file with what it can expect to be there.
pub(super) fn run(
    source: &Source,
    strings: &[(String, String)],
    world: &mut dyn World,
) -> Result<Scope, FileError> {
    let mut scope = Scope::default();
    scope.set("xm_file", Value::text(source.path()));
    scope.set("xm_help", Value::Int(0));
    strings.iter().for_each(|(name, value)| scope.set(name, Value::text(value)));
    domfile::run(source, &mut scope, world)?;
    Ok(scope)
}

/// A domain without a name has that of its file, or of the file that `defconfig` in it names.
pub(super) fn default_name(settings: &mut Settings, file: &str) {
    if !settings.truthy("name") {
        let named = settings.text("defconfig").filter(|named| !named.is_empty());
        let named = named.unwrap_or_else(|| file.to_owned());
        settings.set("name", named.rsplit('/').next().unwrap_or(&named));
    }
}

/// The name itself, then in each folder; what has no slash at its front is looked for from here.
pub(super) fn find(name: &str, path: &str) -> Option<String> {
    let candidates =
        std::iter::once(name.to_owned()).chain(path.split(':').map(|dir| format!("{dir}/{name}")));
    let mut candidates =
        candidates.map(|path| if path.starts_with('/') { path } else { format!("./{path}") });
    candidates.find(|path| Path::new(path).exists())
}

pub(super) fn not_found(file: &str, path: &str) -> Failure {
    let failure = Failure::option(format!("Unable to open config file: {file}"));
    let hint = if file.starts_with('/') {
        "check the path of the domain file".to_owned()
    } else {
        format!("domain files are looked for here and in {path}; `xm create -h` shows the options")
    };
    failure.hint(Some(hint))
}

pub(super) fn read(path: &str) -> Result<Source, Failure> {
    let bytes = read_bounded(path, lexer::MAX_FILE).map_err(|errno| {
        let path = xend_api::python::repr(path);
        let failure = Failure::error(format!("[Errno {}] {}: {path}", errno as i32, strerror(errno)));
        failure.hint(silent_pipe(errno))
    })?;
    if bytes.starts_with(b"<") {
        let failure =
            Failure::error(format!("{path} is an XML domain file, which only a Xen-API server takes"));
        return Err(failure.hint(Some("write a domain file of name = value lines, see xmdomain.cfg(5)")));
    }
    Ok(Source::new(path, &bytes))
}

/// What a time limit that is over means for a file.
fn silent_pipe(errno: Errno) -> Option<&'static str> {
    (errno == Errno::ETIMEDOUT)
        .then_some("it is a pipe that nobody writes to: name a file, or start its writer first")
}

fn read_sxp(file: &str) -> Result<Sxp, Failure> {
    let bytes = read_bounded(file, sxp::MAX_BYTES).map_err(|errno| {
        Failure::option(format!("Cannot read file {file}: {}", strerror(errno))).hint(silent_pipe(errno))
    })?;
    let hint = Some("-F takes what `xm create -nq` or `xm list -l` printed; a domain file needs no option");
    let parsed = sxp::parse_bytes(&bytes)
        .map_err(|error| Failure::error(format!("cannot read {file}: {error}")).hint(hint))?;
    match parsed.into_iter().next() {
        Some(first @ Sxp::List(_)) => Ok(first),
        _ => Err(Failure::error(format!("cannot read {file}: it holds no (vm …)")).hint(hint)),
    }
}

/// The first fault in the original's words; behind it where it is, or all of them where there are several.
fn conversion(findings: &[Finding], source: &Source, settings: &Settings) -> Failure {
    let Some(first) = findings.first() else { return Failure::error("cannot use this domain file") };
    let places = Places::of(source);
    let places_of = |one: &Finding| where_it_is(one, source, &places, settings);
    let reasons: Vec<String> = match findings {
        [only] => vec![places_of(only)],
        all => {
            let more = all.len().saturating_sub(MOST_TOLD);
            let told = all.iter().take(MOST_TOLD).map(|one| format!("{}: {}", places_of(one), one.error));
            told.chain((more > 0).then(|| format!("and {more} more"))).collect()
        }
    };
    Failure::error(first.error.to_string()).because(reasons).hint(first.error.hint())
}

/// `./a.cfg:3:9: vif, entry 1`.
fn where_it_is(finding: &Finding, source: &Source, places: &Places, settings: &Settings) -> String {
    let Finding { variable, entry, .. } = finding;
    let what = entry.map_or_else(|| (*variable).to_owned(), |at| format!("{variable}, entry {}", at + 1));
    if settings.is_specified(variable) {
        return format!("command line: {what}");
    }
    match place_of(finding, places, settings) {
        Some(place) => format!("{}:{place}: {what}", source.path()),
        None => format!("{}: {what}", source.path()),
    }
}

/// Where the file writes what a finding speaks of.
pub(super) fn place_of(finding: &Finding, places: &Places, settings: &Settings) -> Option<Place> {
    let Finding { variable, entry, .. } = finding;
    match entry {
        Some(at) => places.entry(variable, *at, settings.get(variable).items().get(*at).and_then(Sxp::text)),
        None => places.variable(variable),
    }
}

/// A file that ended before its end, by a fault or because it asked for it.
fn stopped(error: &FileError) -> Failure {
    let text = error.to_string();
    match error.exit {
        None => Failure::error(text),
        Some(status) if text.is_empty() => Failure::silent(status),
        Some(status) => Failure { status, ..Failure::raw(text) },
    }
}

fn ignored_text(path: &str, ignored: &Ignored) -> String {
    let Ignored { name, type_name } = ignored;
    format!(
        "Warning: {path}: {name} has no effect, because its value is of type {type_name}; write {}",
        instead_of(ignored)
    )
}

/// What to write instead of a value whose type counts for nothing.
pub(super) fn instead_of(ignored: &Ignored) -> String {
    let name = &ignored.name;
    match ignored.type_name {
        "bool" => format!("{name} = 1 or {name} = 0"),
        "long" => "the number without L".to_owned(),
        "tuple" => format!("a list: {name} = [ … ]"),
        "unicode" => "the string without u".to_owned(),
        _ => "a string, a number or a list".to_owned(),
    }
}
