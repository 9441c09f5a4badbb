//! What the image server is told: every file by its number in the server's own root, every format by name.

use super::{EXPORT, FIRST_USER, Order};
use crate::image::{Access, Format, Key, Layer};
use crate::vbd::Mode;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The server.
pub(super) const PROGRAM: &str = "qemu-storage-daemon";
const FOLDERS: [&str; 2] = ["/usr/bin", "/usr/local/bin"];

/// Where the server lies; the error is what was looked for.
pub(super) fn program() -> Result<PathBuf, &'static str> {
    let places = FOLDERS.map(|folder| Path::new(folder).join(PROGRAM));
    places.into_iter().find(|path| crate::host::is_executable(path)).ok_or(PROGRAM)
}

/// The words that `confine::enter` understands: the root, the user, the files, `--`, the program and its own words.
pub(super) fn words(
    order: &Order<'_>,
    program: &Path,
    (nbd, qmp): (&UnixListener, &UnixListener),
) -> Vec<OsString> {
    let root = super::folder(order.host, order.name).join("root");
    let user = FIRST_USER + order.domid;
    let mut words: Vec<OsString> = vec![super::confine::NAME.into(), root.into(), user.to_string().into()];
    for layer in &order.chain.layers {
        let access = if layer.access == Access::Write { "w" } else { "r" };
        let key = match layer.key {
            Key::File { device, inode } => format!("{access}:file:{device}:{inode}"),
            Key::Device { number } => format!("{access}:device:{number}:0"),
        };
        words.extend([key.into(), layer.path.clone().into()]);
    }
    let writable = if order.chain.image().access == Access::Write { "on" } else { "off" };
    let (nbd, qmp) = (nbd.as_raw_fd(), qmp.as_raw_fd());
    words.extend(["--".into(), program.into()]);
    for word in [
        "--chardev".to_owned(),
        format!("socket,id=qmp,fd={qmp},server=on,wait=off"),
        "--monitor".to_owned(),
        "chardev=qmp".to_owned(),
        "--nbd-server".to_owned(),
        format!("addr.type=fd,addr.str={nbd}"),
        "--blockdev".to_owned(),
        blockdev(order).to_string(),
        "--export".to_owned(),
        format!("type=nbd,id={EXPORT},node-name={EXPORT},name={EXPORT},writable={writable}"),
    ] {
        words.push(word.into());
    }
    words
}

/// The tree of nodes, the image at its top. Whatever a header says besides is overruled: nothing is left to be
/// looked up.
fn blockdev(order: &Order<'_>) -> Value {
    let mut below = Value::Null;
    for (at, layer) in order.chain.layers.iter().enumerate().rev() {
        below = node(layer, at, below, order.mode);
    }
    below["node-name"] = EXPORT.into();
    below
}

fn node(layer: &Layer, at: usize, below: Value, mode: Mode) -> Value {
    let read_only = layer.access == Access::Read;
    let is_direct = is_direct(layer);
    let cache = json!({ "direct": is_direct, "no-flush": false });
    // Two writers of a raw disk are the owner's affair; two writers of any other format are its end.
    let locking = if mode == Mode::Unchecked && layer.format == Format::Raw { "off" } else { "on" };
    let driver = match layer.key {
        Key::File { .. } => "file",
        Key::Device { .. } => "host_device",
    };
    let file = json!({
        "driver": driver,
        "filename": super::confine::image(at),
        "read-only": read_only,
        "auto-read-only": false,
        "locking": locking,
        "discard": "unmap",
        "cache": cache,
    });
    let mut node = json!({
        "driver": layer.format.driver(),
        "read-only": read_only,
        "auto-read-only": false,
        "discard": "unmap",
        "cache": cache,
        "file": file,
    });
    if matches!(layer.format, Format::Qcow | Format::Qcow2 | Format::Vmdk) {
        node["backing"] = below;
    }
    node
}

/// Whether the file can be used past the page cache, as a guest expects of a disk.
fn is_direct(layer: &Layer) -> bool {
    let flags = libc::O_DIRECT | libc::O_NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags).open(&layer.path).is_ok()
}
