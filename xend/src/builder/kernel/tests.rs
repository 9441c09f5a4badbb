//! Files of every kind, whole and broken, through the two public doors: `open` and `unpack`.

use std::os::unix::fs::FileExt;

use super::*;
use crate::builder::{
    cache::CacheLimits,
    fixtures::{PACKED, TempFolder, TinyKernel, bz_image, gzip, lz4},
};

fn cache() -> KernelCache {
    KernelCache::without_folder(CacheLimits::default())
}

fn open(bytes: &[u8]) -> Result<KernelFile, KernelError> {
    let folder = TempFolder::new();
    KernelFile::open(&folder.file("vmlinuz", bytes))
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, KernelError> {
    let kernel = open(bytes)?.unpack(&cache())?;
    Ok(kernel.image.bytes(0, kernel.image.len() as usize).unwrap())
}

/// The error with its causes, without the folder.
fn text(error: &KernelError) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        let words: Vec<String> = error
            .to_string()
            .split(' ')
            .map(|word| word.rsplit_once('/').map_or(word, |(_, name)| name).to_owned())
            .collect();
        text += if text.is_empty() { "" } else { ": " };
        text += &words.join(" ");
        next = error.source();
    }
    text
}

fn refusal(bytes: &[u8]) -> String {
    text(&unpack(bytes).expect_err("it should be refused"))
}

#[test]
fn every_compression_of_linux_gives_the_same_kernel_in_a_bz_image_and_alone() {
    let elf = TinyKernel::modern().elf();
    for (name, packed) in PACKED {
        assert_eq!(unpack(&bz_image(packed, elf.len())).unwrap(), elf, "bzImage with {name}");
        assert_eq!(unpack(packed).unwrap(), elf, "{name} alone");
    }
    assert_eq!(unpack(&elf).unwrap(), elf);
    let uncompressed = unpack(&bz_image(&elf, elf.len())).unwrap();
    assert_eq!(uncompressed[..elf.len()], elf, "uncompressed bzImage");
}

#[test]
fn a_stream_cut_anywhere_is_an_error_that_names_file_and_format() {
    for (name, packed) in PACKED {
        for cut in [packed.len() - 1, packed.len() / 2, 40] {
            let refused = refusal(&packed[..cut]);
            // The last byte of lz4 belongs to a block, that of gzip and xz to a checksum.
            assert!(
                refused.starts_with(&format!("cannot unpack kernel vmlinuz: its {name} stream is truncated")),
                "{refused}"
            );
            // Inside a bzImage the length says how much there should be, so cut the stream and keep the lengths.
            let refused = refusal(&bz_image(&packed[..cut], TinyKernel::modern().elf().len()));
            assert!(
                refused.starts_with(&format!("cannot unpack kernel vmlinuz: its {name} stream ")),
                "{refused}"
            );
        }
    }
}

#[test]
fn a_bz_image_that_was_not_copied_to_its_end_says_how_much_is_missing() {
    let elf = TinyKernel::modern().elf();
    let whole = bz_image(&gzip(&elf), elf.len());
    let error = open(&whole[..whole.len() - 100]).unwrap_err();
    let (size, wanted) = (whole.len() - 100, whole.len() - "signature".len());
    assert_eq!(
        text(&error),
        format!("cannot use kernel vmlinuz: it has {size} bytes, its header asks for {wanted}")
    );
    assert!(error.hint().unwrap().contains("copy"));
}

#[test]
fn a_damaged_stream_is_an_error() {
    // lzma and lz4 have no checksum: what they give is of the right size, and the ELF reader has to cope.
    for (name, packed) in PACKED.into_iter().filter(|(name, _)| !["lzma", "lz4"].contains(name)) {
        let mut damaged = packed.to_vec();
        let middle = damaged.len() / 2;
        for byte in &mut damaged[middle..middle + 8] {
            *byte ^= 0x5a;
        }
        let refused = refusal(&bz_image(&damaged, TinyKernel::modern().elf().len()));
        assert!(refused.contains(&format!("its {name} stream is damaged after")), "{refused}");
    }
}

#[test]
fn what_is_not_a_kernel_is_refused_by_its_first_bytes() {
    let wanted = "cannot use vmlinuz as a kernel: it begins with 23 21 2f 62 69 6e, which is neither bzImage nor ELF nor a known compression";
    assert_eq!(refusal(b"#!/bin/sh\n"), wanted);
    assert!(refusal(b"").contains("it begins with nothing"));
    assert!(refusal(&[0; 4096]).contains("00 00 00 00 00 00"));
    let elf = TinyKernel::modern().elf();
    assert!(refusal(&bz_image(b"whatever", elf.len())).contains("77 68 61 74"));
    assert_eq!(
        refusal(&gzip(b"a text file")),
        "cannot use kernel vmlinuz: what it contains is not an ELF file"
    );
}

#[test]
fn lzo_is_refused_by_name_when_the_file_is_opened() {
    let error = open(&bz_image(b"\x89LZO\0\r\n\x1a\n", 100)).unwrap_err();
    assert_eq!(text(&error), "cannot unpack kernel vmlinuz: lzo compression is not supported");
    assert!(error.hint().is_some());
}

#[test]
fn an_old_boot_protocol_is_refused_with_its_number() {
    let mut file = bz_image(&gzip(b"x"), 1);
    file[0x206..0x208].copy_from_slice(&0x0207_u16.to_le_bytes());
    assert!(refusal(&file).contains("boot protocol 2.07 of this bzImage is older than 2.08"));
}

#[test]
fn a_missing_file_a_folder_and_a_pipe_are_refused_without_waiting() {
    let folder = TempFolder::new();
    let missing = KernelFile::open(&folder.path().join("absent")).unwrap_err();
    assert!(matches!(missing, KernelError::Open { .. }));
    assert!(matches!(KernelFile::open(folder.path()), Err(KernelError::NotAFile { .. })));
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(KernelFile::open(&pipe), Err(KernelError::NotAFile { .. })));
}

#[test]
fn unpacking_ends_at_the_limit_in_every_format() {
    let zeros = vec![0; 9 << 20];
    let limits = CacheLimits { unpacked_bytes: 1 << 20, ..CacheLimits::default() };
    let cache = KernelCache::without_folder(limits);
    for packed in [gzip(&zeros), lz4(&zeros)] {
        let error = open(&packed).unwrap().unpack(&cache).unwrap_err();
        assert!(matches!(error, KernelError::TooLarge { limit: 0x10_0000, .. }), "{error}");
        // Said by the trailer, before anything is unpacked.
        let error = open(&bz_image(&packed, zeros.len())).unwrap().unpack(&cache).unwrap_err();
        assert!(matches!(error, KernelError::TooLarge { .. }), "{error}");
    }
    let tiny = CacheLimits { unpacked_bytes: 1000, ..CacheLimits::default() };
    for (name, packed) in PACKED {
        let error = open(packed).unwrap().unpack(&KernelCache::without_folder(tiny)).unwrap_err();
        assert!(matches!(error, KernelError::TooLarge { limit: 1000, .. }), "{name}: {error}");
    }
}

#[test]
fn an_lz4_kernel_that_lost_a_block_is_noticed_by_its_size() {
    let elf = TinyKernel::modern().elf();
    let refused = refusal(&bz_image(&lz4(&elf), elf.len() + 1));
    assert!(
        refused.contains(&format!("gives {} bytes, {} were announced", elf.len(), elf.len() + 1)),
        "{refused}"
    );
}

#[test]
fn a_window_beyond_the_limit_is_refused_before_it_is_allocated() {
    // lzma-alone: properties, dictionary of 4 GiB - 1, size unknown, and nothing behind it.
    let mut lzma = b"\x5d\0\0\xff\xff".to_vec();
    lzma[1..5].copy_from_slice(&0xff00_0000_u32.to_le_bytes());
    lzma.extend([0xff; 8]);
    lzma.extend([0; 64]);
    assert!(refusal(&lzma).contains("lzma stream"));
    // zstd: a window of 2 GiB.
    let mut zstd = b"\x28\xb5\x2f\xfd\0".to_vec();
    zstd.push((31 - 10) << 3);
    zstd.extend([1, 0, 0]);
    assert!(refusal(&zstd).contains("zstd stream"));
}

#[test]
fn a_bare_elf_kernel_that_is_written_to_while_it_is_used_is_noticed() {
    let folder = TempFolder::new();
    let path = folder.file("vmlinux", &TinyKernel::modern().elf());
    let kernel = KernelFile::open(&path).unwrap().unpack(&cache()).unwrap();
    kernel.check_unchanged().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"more", 5000).unwrap();
    assert!(matches!(kernel.check_unchanged(), Err(KernelError::Changed { .. })));
}

/// `XEND_TEST_KERNEL=/boot/vmlinuz-…:…`: real kernels, with the time that each step took.
#[test]
fn real_kernels_named_in_the_environment_are_read() {
    let Some(paths) = std::env::var_os("XEND_TEST_KERNEL") else { return };
    for path in std::env::split_paths(&paths) {
        let folder = TempFolder::new();
        let cache = KernelCache::new(folder.path().join("kernels"), CacheLimits::default());
        for turn in ["first", "second"] {
            let start = std::time::Instant::now();
            let file = KernelFile::open(&path).unwrap();
            let kernel = file.unpack(&cache).unwrap();
            let (format, len, pv) = (file.format(), kernel.image.len(), kernel.pv());
            println!("{} {turn}: {format} {len} bytes in {:?}", path.display(), start.elapsed());
            println!("  {:x?}", pv);
            assert!(pv.kernel_end > pv.kernel_start);
        }
    }
}
