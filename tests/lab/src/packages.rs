//! Debian packages of any release, fetched by apt into a folder of our own.
//!
//! The machine's sources, lists and status stay untouched: apt runs with every `Dir::…` turned into the
//! cache. The mirror is the one that the machine itself uses (or `LAB_MIRROR`), the signatures are checked
//! by Debian's keyring. What was chosen is written to a lock file, and used from there while it is fresh.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use crate::cache::{self, Cache};
use crate::{Progress, Suite};

/// How long a choice of packages is kept before the archive is asked again.
const FRESH: Duration = Duration::from_secs(14 * 24 * 3600);

/// How long to wait for an archive that did not answer well.
const PAUSES: [Duration; 2] = [Duration::from_secs(15), Duration::from_secs(45)];

/// Libraries that apt wants and the lab's programs do not.
const UNWANTED: [&str; 8] =
    ["libpython", "libssl", "libpam-", "libsystemd-shared", "libsemanage", "libdb5", "libnsl", "libkrb5"];

/// One package in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the file.
    pub digest: String,
    /// Where its files go.
    pub place: Place,
}

/// Where the files of a package go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Into what the host boots from.
    Boot,
    /// On dom0's disk, for the cases that want them: each MiB of the initial file system is paid for at each boot.
    Extra,
}

const EXTRA: &str = "extra";

/// The packages of one suite, all of them in the cache.
#[derive(Debug, Clone)]
pub struct Packages {
    /// What was chosen.
    pub chosen: Vec<Package>,
    folder: PathBuf,
}

impl Packages {
    /// Chooses and fetches the packages of a suite; from the cache alone where that suffices.
    pub fn fetch(suite: Suite, cache: &Cache, progress: &dyn Progress) -> Result<Self> {
        let folder = cache.path("packages/x")?.with_file_name("");
        let lock = cache.path(&format!("{suite}/packages.lock"))?;
        // A choice of an older list of ours lacks what is new on it.
        let is_whole = |chosen: &Vec<Package>| {
            let listed = suite.bare().iter().copied().chain(suite.extras()).map(str::to_owned);
            suite.userland().into_iter().chain(listed).all(|name| chosen.iter().any(|p| p.name == name))
        };
        if let Some(chosen) = fresh(&lock).filter(is_whole) {
            let packages = Self { chosen, folder: folder.clone() };
            if packages.missing().is_empty() {
                return Ok(packages);
            }
        }
        progress.step(&format!("{suite}: asking the archive"));
        let apt = Apt::new(suite, cache)?;
        let packages = tried(progress, || Self::ask(suite, &apt, &folder, progress))?;
        let text: String = packages.chosen.iter().map(line_of_lock).collect();
        fs::write(&lock, text).with_context(|| format!("cannot write {}", lock.display()))?;
        Ok(packages)
    }

    /// Chooses among what the archive has now, and downloads what is missing.
    fn ask(suite: Suite, apt: &Apt, folder: &Path, progress: &dyn Progress) -> Result<Self> {
        apt.ask(suite)?;
        let packages = Self { chosen: apt.choose(suite)?, folder: folder.to_path_buf() };
        let missing = packages.missing();
        if !missing.is_empty() {
            progress.step(&format!("{suite}: downloading {} packages", missing.len()));
            apt.download(&missing, &packages)?;
        }
        Ok(packages)
    }

    /// The file of a package.
    pub fn file(&self, package: &Package) -> PathBuf {
        self.folder.join(format!("{}.deb", package.digest))
    }

    /// The package whose name begins so.
    pub fn named(&self, prefix: &str) -> Result<&Package> {
        self.chosen
            .iter()
            .find(|p| p.name.starts_with(prefix))
            .with_context(|| format!("cannot find a package named {prefix}…"))
    }

    fn missing(&self) -> Vec<Package> {
        self.chosen.iter().filter(|p| !self.file(p).exists()).cloned().collect()
    }
}

/// A mirror that is just being brought up to date has lists that do not fit its files: what fails then does not fail a
/// little later.
fn tried<T>(progress: &dyn Progress, work: impl Fn() -> Result<T>) -> Result<T> {
    for pause in PAUSES {
        match work() {
            Ok(done) => return Ok(done),
            Err(error) => progress.step(&format!("once more in {} s: {error:#}", pause.as_secs())),
        }
        thread::sleep(pause);
    }
    work()
}

fn line_of_lock(package: &Package) -> String {
    let place = match package.place {
        Place::Boot => "",
        Place::Extra => EXTRA,
    };
    let line = format!("{} {} {} {place}", package.digest, package.name, package.version);
    line.trim_end().to_owned() + "\n"
}

/// Reads a lock file, unless it is older than [`FRESH`].
fn fresh(lock: &Path) -> Option<Vec<Package>> {
    let age = SystemTime::now().duration_since(fs::metadata(lock).ok()?.modified().ok()?).unwrap_or_default();
    if age > FRESH {
        return None;
    }
    read_lock(&fs::read_to_string(lock).ok()?)
}

fn read_lock(text: &str) -> Option<Vec<Package>> {
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let digest = words.next()?.to_owned();
        let (name, version) = (words.next()?.to_owned(), words.next()?.to_owned());
        let place = if words.next() == Some(EXTRA) { Place::Extra } else { Place::Boot };
        Some(Package { digest, name, version, place })
    };
    text.lines().map(parse).collect()
}

/// Debian mirrors, as the machine's own sources name them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mirrors {
    main: String,
    security: Option<String>,
}

impl Mirrors {
    fn of_this_machine() -> Result<Self> {
        if let Ok(mirror) = std::env::var("LAB_MIRROR") {
            return Ok(Self { main: mirror, security: std::env::var("LAB_SECURITY_MIRROR").ok() });
        }
        let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
        if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
            files.extend(entries.flatten().map(|e| e.path()));
        }
        let text: String = files.iter().filter_map(|f| fs::read_to_string(f).ok()).collect();
        Self::parse(&text).context(
            "cannot find a Debian mirror among this machine's apt sources; set LAB_MIRROR to the address of one",
        )
    }

    /// Both notations of apt: any address that ends in `/debian` or `/debian-security`.
    fn parse(sources: &str) -> Option<Self> {
        let mut main = None;
        let mut security = None;
        for line in sources.lines().filter(|l| !l.trim_start().starts_with('#')) {
            for word in line.split_whitespace().filter(|w| w.contains("://")) {
                let address = word.trim_end_matches('/').to_owned();
                if address.ends_with("/debian") {
                    main.get_or_insert(address);
                } else if address.ends_with("/debian-security") {
                    security.get_or_insert(address);
                }
            }
        }
        Some(Self { main: main?, security })
    }
}

/// apt with every folder turned into the cache.
struct Apt {
    config: PathBuf,
    sources: PathBuf,
    /// Where it downloads to: this suite's own, since the hosts of several suites fetch at once in one process.
    partial: PathBuf,
    kernel: &'static str,
}

impl Apt {
    fn new(suite: Suite, cache: &Cache) -> Result<Self> {
        let root = cache.path(&format!("{suite}/apt/apt.conf"))?.with_file_name("");
        for below in ["lists/partial", "cache/archives/partial", "sources", "preferences"] {
            fs::create_dir_all(root.join(below)).with_context(|| format!("cannot make {below}"))?;
        }
        fs::write(root.join("status"), "").context("cannot write apt's status")?;
        let config = root.join("apt.conf");
        fs::write(&config, settings(&root)).context("cannot write apt's settings")?;
        Ok(Self {
            config,
            sources: root.join("sources.list"),
            partial: root.join("partial"),
            kernel: "linux-image-amd64",
        })
    }

    /// Reads the archive's lists.
    fn ask(&self, suite: Suite) -> Result<()> {
        fs::write(&self.sources, sources(suite, &Mirrors::of_this_machine()?))
            .context("cannot write apt's sources")?;
        cache::run(
            self.command("apt-get").args(["-q", "-o", "Acquire::Retries=3", "update"]).arg("--error-on=any"),
        )
        .context(
            "cannot read the archive's lists (is the network there? is debian-archive-keyring current?)",
        )?;
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).env("LC_ALL", "C");
        command
    }

    /// The userland with the libraries that it depends on, the hypervisor, the kernel, and the extras with what they
    /// depend on besides.
    fn choose(&self, suite: Suite) -> Result<Vec<Package>> {
        let mut boot = self.with_libraries(&suite.userland())?;
        let mut extras = self.with_libraries(&suite.extras().map(str::to_owned))?;
        extras.retain(|name| !boot.contains(name));
        boot.extend(suite.bare().iter().map(|name| (*name).to_owned()));
        boot.push(suite.hypervisor());
        boot.push(self.kernel_package()?);
        let mut command = self.command("apt-cache");
        command.args(["show", "--no-all-versions"]).args(boot.iter().chain(&extras));
        let shown = String::from_utf8_lossy(&cache::run(&mut command)?).into_owned();
        let mut chosen = stanzas(&shown);
        for name in &boot {
            ensure!(chosen.contains_key(name), "cannot find package {name} in {suite}");
        }
        for name in &extras {
            let package = chosen.get_mut(name);
            package.with_context(|| format!("cannot find package {name} in {suite}"))?.place = Place::Extra;
        }
        Ok(chosen.into_values().collect())
    }

    /// Packages and the libraries that they depend on.
    fn with_libraries(&self, roots: &[String]) -> Result<Vec<String>> {
        let mut command = self.command("apt-get");
        command.args(["-q", "-y", "--print-uris", "--no-install-recommends", "install"]).args(roots);
        let listing = String::from_utf8_lossy(&cache::run(&mut command)?).into_owned();
        let mut names: Vec<String> = listing.lines().filter_map(package_of_uri).collect();
        names.retain(|name| roots.contains(name) || is_library(name));
        Ok(names)
    }

    /// The versioned package behind the kernel's name without version.
    fn kernel_package(&self) -> Result<String> {
        let output = cache::run(self.command("apt-cache").args(["depends", self.kernel]))?;
        String::from_utf8_lossy(&output)
            .lines()
            .filter_map(|l| l.trim().strip_prefix("Depends: "))
            .find(|name| name.starts_with("linux-image-"))
            .map(str::to_owned)
            .context("cannot find the kernel's package")
    }

    fn download(&self, wanted: &[Package], packages: &Packages) -> Result<()> {
        let folder = &self.partial;
        // What a download that was ended left here; the suite's lock keeps others away.
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let names: Vec<_> = wanted.iter().map(|p| format!("{}={}", p.name, p.version)).collect();
        let fetched = cache::run(
            self.command("apt-get")
                .current_dir(folder)
                .args(["-q", "-o", "Acquire::Retries=3", "download"])
                .args(names),
        );
        let kept = fetched.and_then(|_| keep(folder, wanted, packages));
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        kept
    }
}

/// Moves downloaded files to their places, each under its digest.
fn keep(folder: &Path, wanted: &[Package], packages: &Packages) -> Result<()> {
    for entry in fs::read_dir(folder).context("cannot list what was downloaded")? {
        let path = entry.context("cannot list what was downloaded")?.path();
        let digest = cache::digest_of_file(&path)?;
        match wanted.iter().find(|p| p.digest == digest) {
            Some(package) => fs::rename(&path, packages.file(package))
                .with_context(|| format!("cannot keep {}", path.display()))?,
            None => bail!("cannot trust {}: no package of the archive has its digest", path.display()),
        }
    }
    let missing = packages.missing();
    ensure!(missing.is_empty(), "cannot download {}", missing[0].name);
    Ok(())
}

fn sources(suite: Suite, mirrors: &Mirrors) -> String {
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let signed = if Path::new(keyring).exists() { format!("[signed-by={keyring}] ") } else { String::new() };
    let mut text = format!("deb {signed}{} {suite} main\n", mirrors.main);
    if let Some(security) = &mirrors.security {
        text += &format!("deb {signed}{security} {suite}-security main\n");
    }
    text
}

fn settings(root: &Path) -> String {
    let root = root.display();
    format!(
        r#"Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "{root}/sources";
Dir::Etc::preferences "{root}/none";
Dir::Etc::preferencesparts "{root}/preferences";
Dir::State "{root}";
Dir::State::lists "{root}/lists";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc::parts "{root}/none.d";
Acquire::Languages "none";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Sandbox::User "root";
"#
    )
}

/// The package's name in a line of `apt-get --print-uris`.
fn package_of_uri(line: &str) -> Option<String> {
    let file = line.strip_prefix('\'')?.split_whitespace().nth(1)?;
    Some(file.split('_').next()?.to_owned())
}

fn is_library(name: &str) -> bool {
    name.starts_with("lib") && !UNWANTED.iter().any(|u| name.starts_with(u)) || name.starts_with("zlib1g")
}

/// Name, version and digest of each package that `apt-cache show` printed; the first one wins.
fn stanzas(text: &str) -> BTreeMap<String, Package> {
    let mut found = BTreeMap::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            stanza.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
        };
        if let (Some(name), Some(version), Some(digest)) =
            (field("Package"), field("Version"), field("SHA256"))
        {
            let place = Place::Boot;
            found.entry(name.clone()).or_insert(Package { name, version, digest, place });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_read_from_both_notations_of_apt() {
        let lines = "# deb http://old/debian sid main\ndeb [arch=amd64] http://m.test/debian/ sid main\n";
        let deb822 = "Types: deb\nURIs: http://m.test/debian\n\nURIs: http://s.test/debian-security\n";
        assert_eq!(Mirrors::parse(lines).unwrap().main, "http://m.test/debian");
        let both = Mirrors::parse(deb822).unwrap();
        assert_eq!(both.main, "http://m.test/debian");
        assert_eq!(both.security.as_deref(), Some("http://s.test/debian-security"));
        assert_eq!(Mirrors::parse("deb http://m.test/ubuntu noble main"), None);
    }

    #[test]
    fn a_stanza_gives_name_version_and_digest() {
        let text = "Package: a\nVersion: 2\nSHA256: bb\n\nPackage: a\nVersion: 1\nSHA256: cc\n";
        let found = stanzas(text);
        let wanted =
            Package { name: "a".into(), version: "2".into(), digest: "bb".into(), place: Place::Boot };
        assert_eq!(found["a"], wanted);
    }

    #[test]
    fn a_lock_tells_what_goes_where() {
        let package =
            |name: &str, place| Package { name: name.into(), version: "1".into(), digest: "a".into(), place };
        let chosen = vec![package("dash", Place::Boot), package("open-iscsi", Place::Extra)];
        let text: String = chosen.iter().map(line_of_lock).collect();
        assert_eq!(text, "a dash 1\na open-iscsi 1 extra\n");
        assert_eq!(read_lock(&text), Some(chosen));
    }

    #[test]
    fn a_line_of_print_uris_names_its_package() {
        let line = "'http://m.test/debian/pool/z.deb' zlib1g_1%3a1.2_amd64.deb 86684 MD5Sum:0";
        assert_eq!(package_of_uri(line).as_deref(), Some("zlib1g"));
        assert_eq!(package_of_uri("Reading package lists..."), None);
    }

    #[test]
    fn suites_that_fetch_at_once_download_to_folders_of_their_own() {
        let root = std::env::temp_dir().join(format!("lab-apt-{}", std::process::id()));
        let cache = Cache::at(&root).unwrap();
        let folders = Suite::TESTED.map(|suite| Apt::new(suite, &cache).unwrap().partial);
        assert_ne!(folders[0], folders[1]);
        // Kept files are renamed into the common folder: both must lie in the cache.
        assert!(folders.iter().all(|folder| folder.starts_with(&root)));
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn libraries_are_taken_and_pythons_are_not() {
        assert!(is_library("libxenstore4") && is_library("zlib1g"));
        assert!(!is_library("libpython3.11-minimal") && !is_library("perl-base"));
    }
}
