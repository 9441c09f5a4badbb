//! What a host boots from, made once for each choice of packages and kept in the cache.
//!
//! ```text
//!   packages ─┬─> xen            the hypervisor, decompressed for QEMU's multiboot
//!             ├─> vmlinuz        Debian's kernel, for dom0 and for guests
//!             ├─> dom0.cpio      busybox, bash, iproute2, Xen's tools, kernel modules, our /init
//!             ├─> neighbour.cpio the machine beside the host: busybox, modules, an /init of its own
//!             ├─> guest.cpio.gz  a guest's ramdisk: finds the root disk and goes there
//!             ├─> root.ext4      vda: a guest's root, as in `phy:/dev/vda,hda1,w`
//!             ├─> swap.img       vdb: its second disk
//!             └─> srv.ext4       vdc: /srv of dom0, with kernel, ramdisk and disk files for guests, and /srv/extra
//! ```

mod dom0;
mod extras;
mod guest;
mod modules;
mod neighbour;
mod tree;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;

pub use tree::Tree;

use crate::cache::{self, Cache};
use crate::packages::{Package, Packages, Place};
use crate::{Progress, Suite};

/// Everything that decides what an image looks like, besides the packages.
const RECIPE: [&str; 11] = [
    include_str!("mod.rs"),
    include_str!("dom0.rs"),
    include_str!("extras.rs"),
    include_str!("guest.rs"),
    include_str!("modules.rs"),
    include_str!("neighbour.rs"),
    include_str!("tree.rs"),
    include_str!("dom0-init.sh"),
    include_str!("guest-init.sh"),
    include_str!("guest-rc.sh"),
    include_str!("neighbour-init.sh"),
];

/// The files that a host of one suite boots from.
#[derive(Debug, Clone)]
pub struct Image {
    folder: PathBuf,
}

impl Image {
    /// The image of a suite; made now, unless the cache has it.
    pub fn prepare(suite: Suite, cache: &Cache, progress: &dyn Progress) -> Result<Self> {
        let _lock = cache.lock(suite.codename())?;
        let packages = Packages::fetch(suite, cache, progress)?;
        let chosen: String = packages.chosen.iter().map(|p| format!("{}\n", p.digest)).collect();
        let key = cache::digest((RECIPE.concat() + &chosen).as_bytes())?;
        let folder = cache.path(&format!("{suite}/image-{}", &key[..16]))?;
        if !folder.exists() {
            remove_older(&folder)?;
            let unfinished = folder.with_extension("unfinished");
            fs::create_dir_all(&unfinished)
                .with_context(|| format!("cannot make {}", unfinished.display()))?;
            Maker { suite, packages: &packages, folder: &unfinished, progress }.make()?;
            fs::rename(&unfinished, &folder).with_context(|| format!("cannot keep {}", folder.display()))?;
        }
        Ok(Self { folder })
    }

    /// One of the files drawn above.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The disks of a host, in order.
    pub fn disks(&self) -> Vec<PathBuf> {
        ["root.ext4", "swap.img", "srv.ext4"].map(|name| self.file(name)).to_vec()
    }
}

/// Images of older recipes or packages are of no use any more.
fn remove_older(folder: &Path) -> Result<()> {
    let parent = folder.parent().context("an image lies in a folder")?;
    for entry in fs::read_dir(parent).context("cannot list the suite's cache")?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("image-") {
            fs::remove_dir_all(entry.path())
                .with_context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

struct Maker<'a> {
    suite: Suite,
    packages: &'a Packages,
    folder: &'a Path,
    progress: &'a dyn Progress,
}

impl Maker<'_> {
    fn make(&self) -> Result<()> {
        self.progress.step(&format!("{}: unpacking", self.suite));
        let unpacked = self.folder.join("unpacked");
        let kernel = self.unpack(self.packages.named("linux-image-")?, &unpacked.join("kernel"))?;
        let xen = self.unpack(self.packages.named("xen-hypervisor-")?, &unpacked.join("xen"))?;
        let mut userland = Vec::new();
        let mut extras = Vec::new();
        for package in self.packages.chosen.iter().filter(|p| is_userland(p)) {
            let folder = self.unpack(package, &unpacked.join(&package.name))?;
            match package.place {
                Place::Boot => userland.push(folder),
                Place::Extra => extras.push(folder),
            }
        }
        self.progress.step(&format!("{}: making the images", self.suite));
        self.hypervisor(&xen)?;
        let vmlinuz = only(&kernel.join("boot"), |name| name.starts_with("vmlinuz-"))?;
        fs::copy(&vmlinuz, self.folder.join("vmlinuz")).context("cannot copy the kernel")?;
        let busybox = unpacked.join("busybox-static");
        let modules = modules::Modules::index(&kernel)?;
        let dom0 = dom0::tree(&userland, &modules, &applets(&busybox)?)?;
        write_cpio(&dom0, &self.folder.join("dom0.cpio"))?;
        let neighbour = neighbour::tree(&find_busybox(&busybox)?, &modules, &applets(&busybox)?)?;
        write_cpio(&neighbour, &self.folder.join("neighbour.cpio"))?;
        self.guests(&busybox, &modules, extras::tree(&extras, &modules)?)?;
        fs::remove_dir_all(&unpacked).context("cannot remove what was unpacked")
    }

    fn unpack(&self, package: &Package, to: &Path) -> Result<PathBuf> {
        if to.exists() {
            fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
        }
        fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
        cache::run(Command::new("dpkg-deb").arg("-x").arg(self.packages.file(package)).arg(to))
            .with_context(|| format!("cannot unpack {}", package.name))?;
        Ok(to.to_path_buf())
    }

    fn hypervisor(&self, xen: &Path) -> Result<()> {
        let packed = only(&xen.join("boot"), |name| name.starts_with("xen-") && name.ends_with(".gz"))?;
        let file = File::open(&packed).with_context(|| format!("cannot open {}", packed.display()))?;
        let mut out = File::create(self.folder.join("xen")).context("cannot write the hypervisor")?;
        std::io::copy(&mut GzDecoder::new(file), &mut out).context("cannot decompress the hypervisor")?;
        Ok(())
    }

    /// What guests boot from, and dom0's disk with it.
    fn guests(&self, busybox: &Path, modules: &modules::Modules, extras: Tree) -> Result<()> {
        let busybox = find_busybox(busybox)?;
        let ramdisk = guest::ramdisk(&busybox, modules)?;
        // One gzip member: what the C tools and the oldest kernels understand.
        let file = BufWriter::new(
            File::create(self.folder.join("guest.cpio.gz")).context("cannot write a ramdisk")?,
        );
        let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        ramdisk.write_cpio(&mut packer)?;
        packer.finish().and_then(|mut file| file.flush()).context("cannot write a ramdisk")?;
        let applets = applet_list(&busybox)?;
        self.disk("root.ext4", 24, &guest::root("debian1", None, &busybox, &applets))?;
        let web1 = "web1";
        self.disk("web1.ext4", 24, &guest::root(web1, Some("192.0.2.10"), &busybox, &applets))?;
        let swap = File::create(self.folder.join("swap.img")).context("cannot make a swap disk")?;
        swap.set_len(8 << 20).context("cannot make a swap disk")?;
        let mut srv = Tree::new();
        for name in ["vmlinuz", "guest.cpio.gz"] {
            srv.file_at(&format!("guest/{name}"), 0o644, &self.folder.join(name));
        }
        srv.file_at(&format!("xen/domains/{web1}/disk.img"), 0o644, &self.folder.join("web1.ext4"));
        srv.file(&format!("xen/domains/{web1}/swap.img"), 0o644, vec![0; 1 << 20]);
        srv.graft("extra", extras);
        self.disk("srv.ext4", 256, &srv)
    }

    fn disk(&self, name: &str, size_mib: u32, tree: &Tree) -> Result<()> {
        let content = self.folder.join("content");
        tree.write_folder(&content)?;
        let made = cache::run(
            Command::new("mke2fs")
                .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
                .args(["-q", "-F", "-t", "ext4", "-m", "0", "-E", "root_owner=0:0", "-d"])
                .arg(&content)
                .arg(self.folder.join(name))
                .arg(format!("{size_mib}M")),
        );
        fs::remove_dir_all(&content).context("cannot remove a disk's content")?;
        made.with_context(|| format!("cannot make the disk {name}"))?;
        Ok(())
    }
}

fn is_userland(package: &Package) -> bool {
    !package.name.starts_with("linux-image-") && !package.name.starts_with("xen-hypervisor-")
}

/// Writes a tree as an archive without compression: unpacking would be the longest part of an emulated boot.
pub fn write_cpio(tree: &Tree, to: &Path) -> Result<()> {
    let file = File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
    let mut out = BufWriter::new(file);
    tree.write_cpio(&mut out)?;
    out.flush().with_context(|| format!("cannot write {}", to.display()))
}

/// The only file of a folder whose name passes.
fn only(folder: &Path, passes: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut found: Vec<_> =
        entries.flatten().filter(|e| passes(&e.file_name().to_string_lossy())).map(|e| e.path()).collect();
    ensure!(found.len() == 1, "cannot choose among {} files in {}", found.len(), folder.display());
    Ok(found.remove(0))
}

fn find_busybox(unpacked: &Path) -> Result<PathBuf> {
    ["usr/bin/busybox", "bin/busybox"]
        .map(|below| unpacked.join(below))
        .into_iter()
        .find(|path| path.exists())
        .context("cannot find busybox in its package")
}

fn applets(unpacked: &Path) -> Result<Vec<String>> {
    applet_list(&find_busybox(unpacked)?)
}

/// The suite's busybox is static, so it runs here too.
fn applet_list(busybox: &Path) -> Result<Vec<String>> {
    let mut command = Command::new(busybox);
    let output = command.arg("--list-full").stdin(Stdio::null()).output().context("cannot run busybox")?;
    let list: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    ensure!(list.len() > 50, "cannot read busybox's list of applets");
    Ok(list)
}
