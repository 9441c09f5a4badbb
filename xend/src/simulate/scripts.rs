//! Hotplug scripts of the simulated host. `block` looks at the image like the real one and refuses what is in use;
//! `vif-*` knows a few bridges. No loop device is set up and no interface exists: the result is in the store only.

use std::collections::{BTreeSet, HashMap};
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use xenstore::{Batch, Store, StoreError, paths};

use super::KillSwitch;
use crate::devices::{Ending, ScriptCall, ScriptError, ScriptRunner};
use crate::operations::blocking;

/// Bridges that exist from the start.
const BRIDGES: [&str; 3] = ["xenbr0", "virbr0", "br0"];
/// Major number of loop devices.
const LOOP_MAJOR: u32 = 7;

/// Runs scripts without running them. Clones share what is in use.
#[derive(Clone)]
pub struct SimulatedScripts {
    store: Store,
    host: Arc<Mutex<Host>>,
    kill_switch: KillSwitch,
}

struct Host {
    bridges: BTreeSet<String>,
    /// Images in use, by device and inode.
    images: HashMap<(u64, u64), Image>,
    next_loop: u32,
}

struct Image {
    number: String,
    /// Backend's path and whether it writes.
    users: Vec<(String, bool)>,
}

/// How a script ends badly, told in the store.
enum Refusal {
    /// `hotplug-status` = `error`.
    Fatal(String),
    /// `hotplug-status` = `busy`.
    Busy(String),
    /// The store itself.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl SimulatedScripts {
    pub(super) fn new(store: Store, kill_switch: KillSwitch) -> Self {
        let bridges = BRIDGES.map(str::to_owned).into();
        let host = Host { bridges, images: HashMap::new(), next_loop: 0 };
        Self { store, host: Arc::new(Mutex::new(host)), kill_switch }
    }

    /// Adds a bridge to the host.
    pub fn add_bridge(&self, name: &str) {
        self.with_host(|host| host.bridges.insert(name.to_owned()));
    }

    fn with_host<T>(&self, work: impl FnOnce(&mut Host) -> T) -> T {
        work(&mut self.host.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does what the script would do.
    async fn perform(self, call: ScriptCall) -> Result<(), ScriptError> {
        if !self.kill_switch.admit() {
            let source = std::io::Error::from_raw_os_error(libc::EIO);
            return Err(ScriptError::Start { script: call.script, source });
        }
        let variable =
            |name: &str| call.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let relative = variable("XENBUS_PATH").unwrap_or_default().to_owned();
        let backend = paths::domain_node(0, &relative);
        let command = call.args.last().map(String::as_str).unwrap_or_default();
        let done = match (variable("XENBUS_TYPE").unwrap_or_default(), command) {
            ("vbd", "add") => self.add_vbd(&backend).await,
            ("vbd", "remove") => {
                self.remove_vbd(&backend);
                Ok(())
            }
            ("vif", "online") => self.online_vif(&backend).await,
            ("vif", "offline" | "add" | "remove") => Ok(()),
            _ => Err(Refusal::Fatal(format!("Invalid command: {command}"))),
        };
        let Err(refusal) = done else { return Ok(()) };
        self.tell(&backend, refusal).await;
        let (script, args, log) = (call.script, call.args.join(" "), PathBuf::from("xen-hotplug.log"));
        Err(ScriptError::Failed { script, args, ending: Ending::Status(1), said: None, log })
    }

    async fn tell(&self, backend: &str, refusal: Refusal) {
        use paths::node::device;
        let (status, text) = match refusal {
            Refusal::Fatal(text) => (device::FAILED, text),
            Refusal::Busy(text) => (device::BUSY, text),
            Refusal::Store(error) => {
                tracing::warn!(backend, %error, "a simulated script has no store");
                return;
            }
        };
        let mut batch = Batch::new();
        batch.write(paths::join(backend, device::HOTPLUG_ERROR), text);
        batch.write(paths::join(backend, device::HOTPLUG_STATUS), status);
        if let Err(error) = self.store.commit(&batch).await {
            tracing::warn!(backend, %error, "a simulated script cannot report");
        }
    }

    async fn connected(&self, backend: &str, batch: &mut Batch) -> Result<(), Refusal> {
        use paths::node::device;
        batch.write(paths::join(backend, device::HOTPLUG_STATUS), device::CONNECTED);
        Ok(self.store.commit(batch).await?)
    }

    async fn online_vif(&self, backend: &str) -> Result<(), Refusal> {
        let bridge = self.store.read(&paths::join(backend, paths::node::vif::BRIDGE)).await?;
        if let Some(bridge) = bridge
            && !self.with_host(|host| host.bridges.contains(&bridge))
        {
            return Err(Refusal::Fatal(format!("Could not find bridge device {bridge}")));
        }
        self.connected(backend, &mut Batch::new()).await
    }

    async fn add_vbd(&self, backend: &str) -> Result<(), Refusal> {
        use paths::node::vbd;
        let nodes =
            [vbd::PHYSICAL_DEVICE, vbd::TYPE, vbd::PARAMS, vbd::MODE].map(|name| paths::join(backend, name));
        let values = self.store.read_many(&nodes).await?;
        let [physical, kind, params, mode] = values.as_slice() else { return Ok(()) };
        if physical.is_some() {
            return Ok(());
        }
        let kind = kind.as_deref().unwrap_or("MISSING");
        let mut batch = Batch::new();
        if kind.is_empty() {
            return self.connected(backend, &mut batch).await;
        }
        let mode = Mode::parse(mode.as_deref().unwrap_or_default());
        let Some(path) = image_path(kind, params.as_deref().unwrap_or_default())? else {
            let number = self.with_host(Host::next_number);
            batch.write(paths::join(backend, vbd::PHYSICAL_DEVICE), number);
            return self.connected(backend, &mut batch).await;
        };
        let shown = path.display().to_string();
        // A daemon that dies meanwhile says nothing of the image, above all not that it is missing.
        let Ok(metadata) = blocking(move || std::fs::metadata(path)).await else {
            return Err(Refusal::Fatal(format!("{shown} does not exist.")));
        };
        check_image(kind, &shown, &metadata, mode)?;
        let image = (metadata.dev(), metadata.ino());
        self.forget_ended(image).await?;
        let number = self.with_host(|host| host.take(image, &metadata, (backend, mode), (kind, &shown)))?;
        if is_image(kind) {
            batch.write(paths::join(backend, vbd::NODE), loop_name(&number));
        }
        batch.write(paths::join(backend, vbd::PHYSICAL_DEVICE), number);
        self.connected(backend, &mut batch).await
    }

    /// Drops users of an image whose backend is no more, as the real check finds them in the store only.
    async fn forget_ended(&self, image: (u64, u64)) -> Result<(), StoreError> {
        let users: Vec<String> = self.with_host(|host| {
            let users = host.images.get(&image).map(|image| image.users.as_slice()).unwrap_or_default();
            users.iter().map(|(backend, _)| backend.clone()).collect()
        });
        for backend in users {
            let physical = self.store.read(&paths::join(&backend, paths::node::vbd::PHYSICAL_DEVICE)).await?;
            if physical.is_none() {
                self.remove_vbd(&backend);
            }
        }
        Ok(())
    }

    fn remove_vbd(&self, backend: &str) {
        self.with_host(|host| {
            for image in host.images.values_mut() {
                image.users.retain(|(user, _)| user != backend);
            }
            host.images.retain(|_, image| !image.users.is_empty());
        });
    }
}

impl ScriptRunner for SimulatedScripts {
    fn run(&self, call: ScriptCall) -> BoxFuture<'static, Result<(), ScriptError>> {
        Box::pin(self.clone().perform(call))
    }
}

/// How a disk is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// `r`
    Reads,
    /// `w`
    Writes,
    /// `w!`: whoever else uses it.
    Forced,
}

impl Mode {
    fn parse(text: &str) -> Self {
        match (text.contains('w'), text.contains('!')) {
            (false, _) => Self::Reads,
            (true, false) => Self::Writes,
            (true, true) => Self::Forced,
        }
    }
}

/// Where the image of a disk is; `None` where a script of that type would know. A name without slash is a device's.
fn image_path(kind: &str, params: &str) -> Result<Option<PathBuf>, Refusal> {
    match kind {
        "phy" if !params.starts_with('/') => Ok(Some(PathBuf::from("/dev").join(params))),
        "phy" | "file" => Ok(Some(PathBuf::from(params))),
        "tap" | "tap2" => {
            let words = ["tapdisk:", "ioemu:"];
            let rest = words.iter().find_map(|word| params.strip_prefix(word)).unwrap_or(params);
            let unknown = || Refusal::Fatal(format!("tap:{rest} not a valid disk type"));
            rest.split_once(':').map(|(_, file)| Some(PathBuf::from(file))).ok_or_else(unknown)
        }
        _ => Ok(None),
    }
}

/// Whether the disk is a file behind a device that the script makes.
fn is_image(kind: &str) -> bool {
    matches!(kind, "file" | "tap" | "tap2")
}

/// A simulated host takes a file for a block device, since nobody has spare block devices to try things with.
fn check_image(kind: &str, shown: &str, metadata: &Metadata, mode: Mode) -> Result<(), Refusal> {
    let is_block = metadata.file_type().is_block_device();
    if kind == "phy" && !is_block && !metadata.is_file() {
        return Err(Refusal::Fatal(format!("{shown} is not a block device.")));
    }
    if is_image(kind) && !metadata.is_file() {
        return Err(Refusal::Fatal(format!("{shown} does not exist.")));
    }
    if is_image(kind) && mode == Mode::Writes && metadata.mode() & 0o222 == 0 {
        let text =
            format!("File {shown} is read-only, and so I will not\nmount it read-write in a guest domain.");
        return Err(Refusal::Busy(text));
    }
    Ok(())
}

impl Host {
    fn next_number(&mut self) -> String {
        let number = format!("{LOOP_MAJOR:x}:{:x}", self.next_loop);
        self.next_loop += 1;
        number
    }

    /// Notes a user of an image and answers its device number; refuses two users of which one writes.
    fn take(
        &mut self,
        key: (u64, u64),
        metadata: &Metadata,
        (backend, mode): (&str, Mode),
        (kind, shown): (&str, &str),
    ) -> Result<String, Refusal> {
        let number = if metadata.file_type().is_block_device() {
            let device = metadata.rdev();
            format!("{:x}:{:x}", nix::sys::stat::major(device), nix::sys::stat::minor(device))
        } else {
            self.images.get(&key).map(|image| image.number.clone()).unwrap_or_else(|| self.next_number())
        };
        let image = self.images.entry(key).or_insert_with(|| Image { number, users: Vec::new() });
        let others = image.users.iter().filter(|(user, _)| user != backend);
        let in_use = match mode {
            Mode::Forced => false,
            Mode::Writes => others.count() > 0,
            Mode::Reads => others.into_iter().any(|(_, writes)| *writes),
        };
        if in_use {
            return Err(Refusal::Busy(busy_text(kind, shown, &image.number, mode)));
        }
        image.users.retain(|(user, _)| user != backend);
        image.users.push((backend.to_owned(), mode != Mode::Reads));
        Ok(image.number.clone())
    }
}

fn loop_name(number: &str) -> String {
    let minor = number.split_once(':').and_then(|(_, minor)| u32::from_str_radix(minor, 16).ok());
    format!("/dev/loop{}", minor.unwrap_or(0))
}

fn busy_text(kind: &str, shown: &str, number: &str, mode: Mode) -> String {
    if matches!(kind, "tap" | "tap2") {
        return format!("{shown} already in use by other domain");
    }
    let what = if kind == "file" {
        format!("File {shown} is loopback-mounted through {},\nwhich is mounted ", loop_name(number))
    } else {
        format!("Device {shown} is mounted ")
    };
    let (other, own) = if mode == Mode::Reads { ("read-write ", "read-only ") } else { ("", "") };
    format!("{what}{other}in a guest domain,\nand so cannot be mounted {own}now.")
}

#[cfg(test)]
mod tests {
    use super::{Mode, busy_text};

    #[test]
    fn the_text_of_a_busy_disk_is_the_originals() {
        let text = busy_text("phy", "/dev/vg0/mail", "fe:1", Mode::Writes);
        assert_eq!(text, "Device /dev/vg0/mail is mounted in a guest domain,\nand so cannot be mounted now.");
        let text = busy_text("file", "/srv/a.img", "7:a", Mode::Reads);
        assert_eq!(
            text,
            "File /srv/a.img is loopback-mounted through /dev/loop10,\nwhich is mounted read-write in a guest \
             domain,\nand so cannot be mounted read-only now."
        );
    }
}
