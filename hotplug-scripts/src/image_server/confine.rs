//! `xen-hotplug image-server`: takes everything away from itself that an image server does not need, and becomes it.
//!
//! ```text
//! waits for "go"            nobody but us knows of it before it is written down
//! own session               a script's end, or the daemon's, is not its own
//! own mounts, network       a root of one page: /usr read-only, /layer/0, /layer/1 …, and nothing else;
//!                           no network but a loopback that is down
//! own user, own group       and of root's rights the one to open files that are not its own: there are none but the
//!                           images
//! no new rights             not by any program that it might start
//! ```

use crate::image::Key;
use crate::sys;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chdir, chroot, setgroups, setresgid, setresuid, setsid};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The word that chooses this instead of a script.
pub const NAME: &str = "image-server";
/// Most descriptors of a server: its sockets, two for each file.
const FILES_MAX: u64 = 256;
/// Folders of the host's programs that may be links.
const LINKED: [&str; 4] = ["lib", "lib64", "lib32", "bin"];

/// Where the file at place `at` of a chain lies in the server's root.
pub(super) fn image(at: usize) -> String {
    format!("/layer/{at}")
}

/// What could not be taken away.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}: {source}")]
pub struct ConfineError {
    step: String,
    source: io::Error,
}

fn step<T>(step: &str, result: Result<T, impl Into<io::Error>>) -> Result<T, ConfineError> {
    result.map_err(|source| ConfineError { step: step.to_owned(), source: source.into() })
}

/// What is to be done, in words of `options::words`.
struct Task {
    root: PathBuf,
    user: u32,
    images: Vec<(String, PathBuf)>,
    program: PathBuf,
    words: Vec<OsString>,
}

impl Task {
    fn read(mut words: impl Iterator<Item = OsString>) -> Option<Self> {
        let root = words.next()?.into();
        let user = words.next()?.to_str()?.parse().ok()?;
        let mut images = Vec::new();
        loop {
            match words.next()?.into_string().ok()? {
                end if end == "--" => break,
                key => images.push((key, words.next()?.into())),
            }
        }
        Some(Task { root, user, images, program: words.next()?.into(), words: words.collect() })
    }
}

/// Becomes the server. Returns only when that is not possible.
pub fn enter(words: impl Iterator<Item = OsString>) -> Result<(), ConfineError> {
    let invalid =
        || ConfineError { step: "read the words".to_owned(), source: io::ErrorKind::InvalidInput.into() };
    let task = Task::read(words).ok_or_else(invalid)?;
    let mut go = [0];
    // Whoever started us died before it could write down that we are there.
    if io::stdin().read(&mut go).unwrap_or(0) == 0 {
        return Ok(());
    }
    step("begin a session", setsid())?;
    step("let signals through", SigSet::empty().thread_set_mask())?;
    let spaces = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    step("leave the host's mounts and networks", unshare(spaces))?;
    build_root(&task)?;
    step("limit its memory dumps", setrlimit(Resource::RLIMIT_CORE, 0, 0))?;
    step("limit its files", setrlimit(Resource::RLIMIT_NOFILE, FILES_MAX, FILES_MAX))?;
    umask(Mode::from_bits_truncate(0o077));
    change_user(task.user)?;
    let mut command = Command::new(&task.program);
    command.args(&task.words).env_clear().stdin(Stdio::null());
    step(&format!("start {}", task.program.display()), Err::<(), _>(command.exec()))
}

/// A root that has the programs of the host and the images, and becomes ours.
fn build_root(task: &Task) -> Result<(), ConfineError> {
    let none: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    step("keep mounts to ourselves", mount(none, "/", none, private, none))?;
    // Opened before the host is out of sight.
    let images = task.images.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let root = task.root.as_path();
    step(
        "make a root",
        mount(Some("none"), root, Some("tmpfs"), flags, Some("size=256k,nr_inodes=128,mode=0755")),
    )?;
    programs(root)?;
    step("make a folder for images", fs::create_dir(root.join("layer")))?;
    for (at, (file, access)) in images.iter().enumerate() {
        let target = root.join(image(at).trim_start_matches('/'));
        step("make a place for an image", File::create(&target))?;
        let source = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        let flags = if access == "r" { flags | MsFlags::MS_RDONLY } else { flags };
        bind(Path::new(&source), &target, flags)?;
    }
    drop(images);
    fs::create_dir(root.join("dev"))
        .map_err(|source| ConfineError { step: "make /dev".to_owned(), source })?;
    step("make /dev/null", File::create(root.join("dev/null")))?;
    bind(Path::new("/dev/null"), &root.join("dev/null"), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC)?;
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | flags;
    step("close the root", mount(none, root, none, read_only, none))?;
    step("go to the root", chdir(root))?;
    // Not pivot_root: that does not work on a host that runs from its ramdisk.
    step("move the root", mount(Some("."), "/", none, MsFlags::MS_MOVE, none))?;
    step("change the root", chroot("."))?;
    step("go to /", chdir("/"))?;
    Ok(())
}

/// `/usr`, and what leads there or lies beside it on an older host.
fn programs(root: &Path) -> Result<(), ConfineError> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    step("make /usr", fs::create_dir(root.join("usr")))?;
    bind(Path::new("/usr"), &root.join("usr"), flags)?;
    for name in LINKED {
        let (ours, theirs) = (root.join(name), Path::new("/").join(name));
        match fs::symlink_metadata(&theirs) {
            Ok(meta) if meta.is_symlink() => {
                let to = step("look at the host's programs", fs::read_link(&theirs))?;
                step("link the host's programs", symlink(to, ours))?;
            }
            Ok(meta) if meta.is_dir() => {
                step("make a folder for programs", fs::create_dir(&ours))?;
                bind(&theirs, &ours, flags)?;
            }
            _ => {}
        }
    }
    let cache = Path::new("/etc/ld.so.cache");
    if cache.exists() {
        step("make /etc", fs::create_dir(root.join("etc")))?;
        step("make /etc/ld.so.cache", File::create(root.join("etc/ld.so.cache")))?;
        bind(cache, &root.join("etc/ld.so.cache"), flags)?;
    }
    Ok(())
}

/// The very file that was looked at, so that no other can be put in its place.
fn open((key, path): &(String, PathBuf)) -> Result<(File, String), ConfineError> {
    let what = format!("open {}", path.display());
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    let file = step(&what, OpenOptions::new().read(true).custom_flags(flags).open(path))?;
    let meta = step(&what, file.metadata())?;
    let (access, wanted) = key.split_once(':').unwrap_or_default();
    let found = match Key::of(&meta) {
        Some(Key::File { device, inode }) => format!("file:{device}:{inode}"),
        Some(Key::Device { number }) => format!("device:{number}:0"),
        None => String::new(),
    };
    if found != wanted {
        return step(&what, Err(io::Error::other("another file was put in its place")));
    }
    Ok((file, access.to_owned()))
}

/// Shows `source` at `target`; the flags need a second call.
fn bind(source: &Path, target: &Path, flags: MsFlags) -> Result<(), ConfineError> {
    let none: Option<&str> = None;
    let what = format!("show {}", source.display());
    step(&what, mount(Some(source), target, none, MsFlags::MS_BIND, none))?;
    step(&what, mount(none, target, none, MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags, none))
}

/// Root's rights go, but for the one to open the images whoever they belong to.
fn change_user(user: u32) -> Result<(), ConfineError> {
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    step("keep a right", nix::sys::prctl::set_keepcaps(true))?;
    step("leave root's groups", setgroups(&[]))?;
    step("change its group", setresgid(gid, gid, gid))?;
    step("change its user", setresuid(uid, uid, uid))?;
    step("keep a right", sys::keep_only_file_access())?;
    step("give up new rights", nix::sys::prctl::set_no_new_privs())
}
