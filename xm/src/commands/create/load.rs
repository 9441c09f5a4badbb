//! Finds the domain file, runs it and converts it (`xm-commands` §4.3, §4.4).

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use xend_api::{Sxp, sxp};

use super::options::{self, Request, Wants};
use crate::domfile::convert::{self, ConvertError, Surroundings};
use crate::domfile::{self, Ignored, Scope, Source, Value, lexer};
use crate::report::Failure;
use crate::screen::Screen;

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
            let sxp = read_sxp(file)?;
            check_xml(request.wants)?;
            Ok(Loaded { sxp, wants: request.wants, viewer: false })
        }
        None => load_domain_file(screen, request),
    }
}

fn load_domain_file(screen: &mut Screen, request: Request) -> Result<Loaded, Failure> {
    let Request { file, path, mut wants, mut settings, strings, .. } = request;
    let found = find(&file, &path).ok_or_else(|| not_found(&file, &path))?;
    if !wants.quiet {
        screen.line(&format!("Using config file \"{found}\"."));
    }
    let source = read(&found)?;
    let mut scope = Scope::default();
    scope.set("xm_file", Value::text(&found));
    scope.set("xm_help", Value::Int(0));
    strings.iter().for_each(|(name, value)| scope.set(name, Value::text(value)));
    domfile::run(&source, &mut scope).map_err(|error| Failure::error(error.to_string()))?;
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
    check_xml(wants)?;
    if !settings.truthy("name") {
        let base = file.rsplit('/').next().unwrap_or(&file);
        settings.set("name", base);
    }
    let converted = convert::domain(&settings, &surroundings(wants)).map_err(conversion)?;
    converted.warnings.iter().for_each(|warning| screen.err(warning));
    Ok(Loaded { sxp: converted.sxp, wants, viewer: settings.truthy("vncconsole") })
}

/// The name itself, then in each folder; what has no slash at its front is looked for from here.
fn find(name: &str, path: &str) -> Option<String> {
    let candidates =
        std::iter::once(name.to_owned()).chain(path.split(':').map(|dir| format!("{dir}/{name}")));
    let mut candidates =
        candidates.map(|path| if path.starts_with('/') { path } else { format!("./{path}") });
    candidates.find(|path| Path::new(path).exists())
}

fn not_found(file: &str, path: &str) -> Failure {
    let failure = Failure::option(format!("Unable to open config file: {file}"));
    let hint = if file.starts_with('/') {
        "check the path of the domain file".to_owned()
    } else {
        format!("domain files are looked for here and in {path}; `xm create -h` shows the options")
    };
    failure.hint(Some(hint))
}

fn read(path: &str) -> Result<Source, Failure> {
    let bytes = read_bounded(path).map_err(|errno| {
        Failure::error(format!("[Errno {}] {}: {}", errno as i32, errno.desc(), xend_api::python::repr(path)))
    })?;
    if bytes.starts_with(b"<") {
        let failure =
            Failure::error(format!("{path} is an XML domain file, which only a Xen-API server takes"));
        return Err(failure.hint(Some("write a domain file of name = value lines, see xmdomain.cfg(5)")));
    }
    Ok(Source::new(path, &bytes))
}

/// The file, or a little more than the lexer accepts of it: the lexer then tells that it is too long.
fn read_bounded(path: &str) -> Result<Vec<u8>, Errno> {
    let errno = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
    let most = u64::try_from(lexer::MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(path).map_err(errno)?.take(most).read_to_end(&mut bytes).map_err(errno)?;
    Ok(bytes)
}

fn read_sxp(file: &str) -> Result<Sxp, Failure> {
    let bytes = read_bounded(file)
        .map_err(|errno| Failure::option(format!("Cannot read file {file}: {}", errno.desc())))?;
    let text = String::from_utf8_lossy(&bytes);
    let parsed = sxp::parse(&text).map_err(|error| Failure::error(format!("cannot read {file}: {error}")))?;
    match parsed.into_iter().next() {
        Some(first @ Sxp::List(_)) => Ok(first),
        _ => Err(Failure::error(format!("cannot read {file}: it holds no (vm …)"))),
    }
}

fn check_xml(wants: Wants) -> Result<(), Failure> {
    if wants.xml_dry_run && !wants.dry_run {
        return Err(Failure::error("xm create --xmldryrun is not there yet in this version of xend-rs"));
    }
    Ok(())
}

fn conversion(error: ConvertError) -> Failure {
    let hint = error.hint();
    Failure::error(error.to_string()).hint(hint)
}

fn ignored_text(path: &str, ignored: &Ignored) -> String {
    let Ignored { name, type_name } = ignored;
    let instead = match *type_name {
        "bool" => format!("{name} = 1 or {name} = 0"),
        "long" => "the number without L".to_owned(),
        "tuple" => format!("a list: {name} = [ … ]"),
        "unicode" => "the string without u".to_owned(),
        _ => "a string, a number or a list".to_owned(),
    };
    format!(
        "Warning: {path}: {name} has no effect, because its value is of type {type_name}; write {instead}"
    )
}

/// What the conversion needs to know of this process.
fn surroundings(wants: Wants) -> Surroundings {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let home = set("HOME")
        .unwrap_or_else(|| if nix::unistd::geteuid().is_root() { "/root" } else { "/" }.to_owned());
    Surroundings {
        current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        display: set("DISPLAY"),
        xauthority: set("XAUTHORITY").unwrap_or_else(|| format!("{home}/.Xauthority")),
        console: wants.console,
        exists: |path| path.exists(),
    }
}
