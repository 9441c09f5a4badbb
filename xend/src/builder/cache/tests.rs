//! What is kept, what is made again, and what is never believed.

use std::{
    os::unix::fs::PermissionsExt,
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use super::*;
use crate::builder::{
    fixtures::{TempFolder, TinyKernel, bz_image, gzip},
    kernel::Kernel,
};

struct Place {
    folder: TempFolder,
    kernel: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = TempFolder::new();
        let kernel = folder.file("vmlinuz", &packed("xen-3.0"));
        Self { folder, kernel }
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("kernels")
    }

    fn cache(&self) -> KernelCache {
        KernelCache::new(self.kept(), CacheLimits::default())
    }

    fn entries(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.kept()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn unpack(&self, cache: &KernelCache) -> Result<Kernel, KernelError> {
        KernelFile::open(&self.kernel)?.unpack(cache)
    }

    /// The stamp of the kernel can't be set to the past (nobody can set ctime), so the tests that want an old file
    /// rewrite the entry's header instead.
    fn settle(&self) {
        for entry in self.entries() {
            let file = OpenOptions::new().read(true).write(true).open(entry).unwrap();
            let header = Header::read(&file).unwrap();
            file.write_all_at(&Header { settled: true, ..header }.bytes(), 0).unwrap();
        }
    }
}

/// A kernel with something in it that tells it apart from another of the same length.
fn elf(guest_version: &str) -> Vec<u8> {
    let mut kernel = TinyKernel::modern();
    kernel.set(7, format!("{guest_version}\0").as_bytes());
    kernel.elf()
}

fn packed(guest_version: &str) -> Vec<u8> {
    let elf = elf(guest_version);
    bz_image(&gzip(&elf), elf.len())
}

fn version(kernel: &Kernel) -> &str {
    let note = kernel.pv().notes.iter().find(|(name, _)| name == "GUEST_VERSION");
    &note.expect("the fixture has it").1
}

#[test]
fn the_second_use_comes_from_the_folder_and_gives_the_same() {
    let place = Place::new();
    let cache = place.cache();
    let first = place.unpack(&cache).unwrap();
    assert_eq!(place.entries().len(), 1);
    let inode = fs::metadata(&place.entries()[0]).unwrap().ino();
    let second = place.unpack(&cache).unwrap();
    assert_eq!(first.pv(), second.pv());
    assert_eq!(fs::metadata(&place.entries()[0]).unwrap().ino(), inode, "it was not made again");
    // And after a restart of the daemon.
    place.unpack(&place.cache()).unwrap();
    assert_eq!(fs::metadata(&place.entries()[0]).unwrap().ino(), inode);
}

#[test]
fn a_changed_file_is_never_mistaken_for_the_old_one() {
    let place = Place::new();
    let cache = place.cache();
    assert_eq!(version(&place.unpack(&cache).unwrap()), "xen-3.0");
    place.settle();
    // Written in place: same inode, same length.
    fs::write(&place.kernel, packed("xen-4.0")).unwrap();
    assert_eq!(version(&place.unpack(&cache).unwrap()), "xen-4.0");
    // Replaced by a rename.
    fs::rename(place.folder.file("new", &packed("xen-5.0")), &place.kernel).unwrap();
    assert_eq!(version(&place.unpack(&cache).unwrap()), "xen-5.0");
}

#[test]
fn a_change_within_one_tick_of_the_clock_is_found_by_content() {
    let place = Place::new();
    let cache = place.cache();
    place.unpack(&cache).unwrap();
    let stamp = KernelFile::open(&place.kernel).unwrap().stamp;
    // Another content under the same stamp, as a write in the same tick leaves it: the entry says another digest.
    let entry = place.entries().remove(0);
    let file = OpenOptions::new().read(true).write(true).open(&entry).unwrap();
    let header = Header::read(&file).unwrap();
    assert_eq!(header.stamp, stamp);
    assert!(!header.settled, "the fixture was written a moment ago");
    file.write_all_at(&Header { source: header.source ^ 1, ..header }.bytes(), 0).unwrap();
    let before = fs::metadata(&entry).unwrap().ino();
    for cache in [cache, place.cache()] {
        place.unpack(&cache).unwrap();
        let after = fs::metadata(&entry).unwrap().ino();
        assert_ne!(after, before, "it should have been made again");
    }
}

#[test]
fn a_settled_file_is_recognised_without_reading_it() {
    let place = Place::new();
    let cache = place.cache();
    place.unpack(&cache).unwrap();
    place.settle();
    let entry = place.entries().remove(0);
    let inode = fs::metadata(&entry).unwrap().ino();
    let file = OpenOptions::new().read(true).write(true).open(&entry).unwrap();
    let header = Header::read(&file).unwrap();
    file.write_all_at(&Header { source: 0, ..header }.bytes(), 0).unwrap();
    place.unpack(&place.cache()).unwrap();
    assert_eq!(fs::metadata(&entry).unwrap().ino(), inode, "the digest is not asked for");
}

#[test]
fn a_damaged_entry_is_made_again_wherever_the_damage_is() {
    let place = Place::new();
    place.unpack(&place.cache()).unwrap();
    let entry = place.entries().remove(0);
    let whole = fs::read(&entry).unwrap();
    for damage in [0, 20, USED - 1, HEADER, whole.len() - 1] {
        let mut bytes = fs::read(&entry).unwrap();
        bytes[damage] ^= 0x10;
        fs::write(&entry, bytes).unwrap();
        let kernel = place.unpack(&place.cache()).unwrap();
        assert_eq!(version(&kernel), "xen-3.0");
        assert_eq!(fs::read(&entry).unwrap()[HEADER..], whole[HEADER..], "damage at {damage}");
    }
    for len in [0, 100, HEADER as u64, whole.len() as u64 - 1] {
        OpenOptions::new().write(true).open(&entry).unwrap().set_len(len).unwrap();
        place.unpack(&place.cache()).unwrap();
        assert_eq!(fs::metadata(&entry).unwrap().len(), whole.len() as u64, "cut to {len}");
    }
}

#[test]
fn damage_while_the_daemon_runs_is_noticed_too() {
    let place = Place::new();
    let cache = place.cache();
    place.unpack(&cache).unwrap();
    place.unpack(&cache).unwrap();
    let entry = place.entries().remove(0);
    let file = OpenOptions::new().write(true).open(&entry).unwrap();
    file.write_all_at(b"\xff\xff", HEADER as u64 + 300).unwrap();
    let kernel = place.unpack(&cache).unwrap();
    assert_eq!(kernel.image.bytes(0, 400).unwrap(), elf("xen-3.0")[..400]);
}

#[test]
fn a_kernel_that_fails_leaves_no_entry_and_no_draft() {
    let place = Place::new();
    let cache = place.cache();
    let whole = packed("xen-3.0");
    let mut broken = whole.clone();
    broken[whole.len() - 500] ^= 0xff;
    fs::write(&place.kernel, broken).unwrap();
    place.unpack(&cache).unwrap_err();
    assert_eq!(place.entries(), Vec::<PathBuf>::new());
    fs::write(&place.kernel, whole).unwrap();
    place.unpack(&cache).unwrap();
}

#[test]
fn drafts_of_a_killed_run_are_removed_at_the_next_start() {
    let place = Place::new();
    place.unpack(&place.cache()).unwrap();
    fs::write(place.kept().join("0000000000000001.draft"), b"half").unwrap();
    let _cache = place.cache();
    assert_eq!(place.entries().len(), 1);
}

#[test]
fn the_kernels_used_longest_ago_make_room() {
    let place = Place::new();
    let limits = CacheLimits { kept_kernels: 2, ..CacheLimits::default() };
    let cache = KernelCache::new(place.kept(), limits);
    let mut stamps = Vec::new();
    let use_kernel = |name: &str| {
        let path = place.folder.path().join(name);
        if !path.exists() {
            fs::write(&path, packed(name)).unwrap();
        }
        let file = KernelFile::open(&path).unwrap();
        assert_eq!(version(&file.unpack(&cache).unwrap()), name);
        file.stamp
    };
    let age = |stamp: &Stamp, seconds: u64| {
        let entry = File::open(place.kept().join(entry_name(stamp))).unwrap();
        entry.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    };
    for name in ["first", "second"] {
        stamps.push(use_kernel(name));
    }
    age(&stamps[0], 10);
    age(&stamps[1], 20);
    stamps.push(use_kernel("third"));
    let names: Vec<bool> = stamps.iter().map(|stamp| place.kept().join(entry_name(stamp)).exists()).collect();
    assert_eq!(names, [true, false, true]);
    // The one that went can be used again.
    use_kernel("second");
    assert_eq!(place.entries().len(), 2);
}

#[test]
fn a_kernel_larger_than_the_folder_may_be_is_used_but_not_kept() {
    let place = Place::new();
    let limits = CacheLimits { kept_bytes: 100, ..CacheLimits::default() };
    let cache = KernelCache::new(place.kept(), limits);
    assert_eq!(version(&place.unpack(&cache).unwrap()), "xen-3.0");
    assert_eq!(place.entries(), Vec::<PathBuf>::new());
}

#[test]
fn a_folder_that_others_may_write_to_is_not_used() {
    let place = Place::new();
    fs::create_dir(place.kept()).unwrap();
    fs::set_permissions(place.kept(), fs::Permissions::from_mode(0o770)).unwrap();
    let cache = place.cache();
    assert_eq!(version(&place.unpack(&cache).unwrap()), "xen-3.0");
    assert_eq!(place.entries(), Vec::<PathBuf>::new());
    let missing = Place::new();
    missing.unpack(&missing.cache()).unwrap();
    assert_eq!(fs::metadata(missing.kept()).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_folder_that_disappears_costs_time_only() {
    let place = Place::new();
    let cache = place.cache();
    fs::remove_dir(place.kept()).unwrap();
    assert_eq!(version(&place.unpack(&cache).unwrap()), "xen-3.0");
}

#[test]
fn ten_guests_at_once_unpack_a_kernel_once() {
    let place = Place::new();
    let cache = place.cache();
    let barrier = Barrier::new(10);
    let inodes = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                barrier.wait();
                place.unpack(&cache).unwrap();
                inodes.fetch_max(fs::metadata(&place.entries()[0]).unwrap().ino(), Ordering::Relaxed);
            });
        }
    });
    let entries = place.entries();
    assert_eq!(entries.len(), 1);
    assert_eq!(fs::metadata(&entries[0]).unwrap().ino(), inodes.into_inner());
    assert!(cache.state().turns.is_empty());
}

#[test]
fn a_file_that_grows_while_it_is_unpacked_is_refused() {
    let place = Place::new();
    let opened = KernelFile::open(&place.kernel).unwrap();
    let mut longer = packed("xen-3.0");
    longer.extend(b"more");
    fs::write(&place.kernel, longer).unwrap();
    assert!(matches!(opened.unpack(&place.cache()), Err(KernelError::Changed { .. })));
    assert_eq!(place.entries(), Vec::<PathBuf>::new());
}

#[test]
fn a_file_that_is_replaced_after_it_was_opened_is_still_the_old_one() {
    let place = Place::new();
    let opened = KernelFile::open(&place.kernel).unwrap();
    fs::rename(place.folder.file("new", &packed("xen-9.9")), &place.kernel).unwrap();
    assert_eq!(version(&opened.unpack(&place.cache()).unwrap()), "xen-3.0");
}
