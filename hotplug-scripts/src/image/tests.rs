//! Headers of every format, whole, damaged and forged; chains of real files.

use super::*;
use crate::testing::Folder;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

fn put(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if image.len() < at + bytes.len() {
        image.resize(at + bytes.len(), 0);
    }
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A header of version 3 with a backing file and its format, where they are given.
fn qcow2(backing: &str, format: Option<&str>) -> Vec<u8> {
    let mut image = vec![0; 65536];
    put(&mut image, 0, b"QFI\xfb\0\0\0\x03");
    put(&mut image, 20, &16u32.to_be_bytes());
    put(&mut image, 100, &104u32.to_be_bytes());
    let mut at = 104;
    // One that nobody knows, then the one that matters.
    put(&mut image, at, &[&0x1234_5678u32.to_be_bytes()[..], &3u32.to_be_bytes(), b"abc\0\0\0\0\0"].concat());
    at += 16;
    if let Some(format) = format {
        put(&mut image, at, &0xe279_2acau32.to_be_bytes());
        put(&mut image, at + 4, &(format.len() as u32).to_be_bytes());
        put(&mut image, at + 8, format.as_bytes());
        at += 8 + format.len().next_multiple_of(8);
    }
    if !backing.is_empty() {
        let at = at + 8;
        put(&mut image, 8, &(at as u64).to_be_bytes());
        put(&mut image, 16, &(backing.len() as u32).to_be_bytes());
        put(&mut image, at, backing.as_bytes());
    }
    image
}

fn vhd(head: Option<u32>, tail: Option<u32>) -> Vec<u8> {
    let footer = |kind: u32| {
        let mut footer = b"conectix".to_vec();
        put(&mut footer, 60, &kind.to_be_bytes());
        footer.resize(512, 0);
        footer
    };
    let part = |kind: Option<u32>| kind.map_or(vec![0; 512], footer);
    [part(head), vec![0; 4096], part(tail)].concat()
}

fn vmdk(descriptor: &str) -> Vec<u8> {
    let mut image = vec![0; 512];
    put(&mut image, 0, b"KDMV\x01\0\0\0");
    put(&mut image, 12, &2048u64.to_le_bytes());
    put(&mut image, 28, &1u64.to_le_bytes());
    put(&mut image, 36, &20u64.to_le_bytes());
    put(&mut image, 512, descriptor.as_bytes());
    image.resize(12288, 0);
    image
}

const DESCRIPTOR: &str = "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n\
    createType=\"monolithicSparse\"\n\n# Extent description\nRW 2048 SPARSE \"disk.vmdk\"\n";

fn told(format: Format, image: &[u8]) -> String {
    inspect(format, &image).unwrap_err().to_string()
}

#[test]
fn a_qcow2_image_names_what_lies_behind_it() {
    let backing = |name: &str, format: Option<&str>| {
        Some(Backing { name: PathBuf::from(name), format: format.map(str::to_owned) })
    };
    let of = |image: &[u8]| inspect(Format::Qcow2, &image).unwrap();
    assert_eq!(of(&qcow2("", None)), None);
    assert_eq!(of(&qcow2("base.img", Some("raw"))), backing("base.img", Some("raw")));
    assert_eq!(of(&qcow2("/srv/base", None)), backing("/srv/base", None));
    let mut old = qcow2("base", None);
    put(&mut old, 4, &2u32.to_be_bytes());
    assert_eq!(of(&old), backing("base", None), "version 2");
}

#[test]
fn a_qcow2_image_that_is_damaged_or_forged_is_refused_with_what_is_wrong() {
    let with = |at: usize, bytes: &[u8]| {
        let mut image = qcow2("base.img", Some("raw"));
        put(&mut image, at, bytes);
        told(Format::Qcow2, &image)
    };
    assert_eq!(with(4, &9u32.to_be_bytes()), "its version is 9, and we know 2 and 3");
    assert_eq!(with(32, &1u32.to_be_bytes()), "it is encrypted");
    assert_eq!(with(32, &2u32.to_be_bytes()), "it is encrypted");
    assert_eq!(with(72, &4u64.to_be_bytes()), "its data lie in another file (data_file)");
    assert!(with(20, &40u32.to_be_bytes()).contains("size of its clusters (bits) is 40"));
    assert!(with(16, &1024u32.to_be_bytes()).contains("length of its backing file's name is 1024"));
    assert!(with(8, &u64::MAX.to_be_bytes()).contains("place of its backing file's name"));
    assert!(
        with(8, &65530u64.to_be_bytes()).contains("place of its backing file's name"),
        "not in its cluster"
    );
    assert!(with(100, &8u32.to_be_bytes()).contains("length of its header is 8"));
    assert!(with(124, &u32::MAX.to_be_bytes()).contains("length of a header extension"));
    let zero = told(Format::Qcow2, &qcow2("ba\0se", Some("raw")));
    assert!(zero.contains("backing file's name"), "{zero}");
    assert_eq!(told(Format::Qcow2, b""), "it is no such image");
    assert_eq!(told(Format::Qcow2, b"QFI\xfb\0\0\0\x01"), "it is a qcow image");
    assert_eq!(told(Format::Qcow, &qcow2("", None)), "it is a qcow2 image");
}

#[test]
fn a_fixed_vhd_whose_guest_wrote_another_footer_in_front_is_refused() {
    let of = |head, tail| inspect(Format::Vhd, &vhd(head, tail).as_slice()).map_err(|flaw| flaw.to_string());
    assert_eq!(of(None, Some(2)), Ok(None));
    assert_eq!(of(Some(3), Some(3)), Ok(None));
    assert_eq!(of(Some(3), None), Ok(None), "the end was cut off: the copy in front is there for that");
    assert!(of(Some(3), Some(2)).unwrap_err().contains("contradicts"));
    assert!(of(Some(4), Some(4)).unwrap_err().contains("differencing"));
    assert!(of(None, Some(7)).unwrap_err().contains("its kind is 7"));
    assert_eq!(of(None, None).unwrap_err(), "it is no such image");
}

#[test]
fn a_vmdk_that_is_more_than_its_own_file_is_refused() {
    let of = |text: &str| inspect(Format::Vmdk, &vmdk(text).as_slice()).map_err(|flaw| flaw.to_string());
    assert_eq!(of(DESCRIPTOR), Ok(None));
    assert_eq!(of(&DESCRIPTOR.replace("monolithicSparse", "streamOptimized")), Ok(None));
    let several = "it consists of several files: convert it to one (monolithicSparse)";
    for text in [
        DESCRIPTOR.replace("monolithicSparse", "twoGbMaxExtentSparse"),
        DESCRIPTOR.replace("monolithicSparse", "monolithicFlat"),
        format!("{DESCRIPTOR}RW 2048 FLAT \"/etc/shadow\" 0\n"),
        format!("{DESCRIPTOR}  RDONLY 2048 FLAT \"/etc/shadow\" 0\n"),
        String::new(),
    ] {
        assert_eq!(of(&text).unwrap_err(), several, "{text}");
    }
    let child = DESCRIPTOR.replace("\n\n", "\nparentFileNameHint=\"/etc/shadow\"\n");
    assert!(of(&child).unwrap_err().contains("differencing"));
    assert_eq!(told(Format::Vmdk, DESCRIPTOR.as_bytes()), several);
    let mut pointer = vmdk(DESCRIPTOR);
    put(&mut pointer, 12, &[0; 8]);
    assert_eq!(told(Format::Vmdk, &pointer), several, "of no capacity: qemu would follow its descriptor");
    let mut far = vmdk(DESCRIPTOR);
    put(&mut far, 28, &u64::MAX.to_le_bytes());
    assert!(told(Format::Vmdk, &far).contains("descriptor"));
}

#[test]
fn what_a_file_looks_like_is_told() {
    for (bytes, seen) in [
        (qcow2("", None), Some("a qcow2 image")),
        (vhd(None, Some(2)), Some("a vhd image")),
        (vmdk(""), Some("a vmdk image")),
        (b"LUKS\xba\xbe".to_vec(), Some("an encrypted LUKS volume")),
        (vec![0; 4096], None),
        (Vec::new(), None),
    ] {
        assert_eq!(recognise(&bytes.as_slice()).unwrap(), seen);
    }
}

/// Files of a folder, each an image on the one named behind it.
fn chain(files: &[(&str, &str, Option<&str>)]) -> (Folder, PathBuf) {
    let folder = Folder::new("chain");
    let path = fs::canonicalize(folder.path()).unwrap();
    for (name, backing, format) in files {
        fs::write(path.join(name), qcow2(backing, *format)).unwrap();
    }
    fs::write(path.join("raw"), [0x11; 4096]).unwrap();
    (folder, path)
}

fn open(path: &Path, name: &str) -> Result<Vec<String>, String> {
    let opened = Chain::open(&path.join(name), Format::Qcow2, Access::Write);
    let shown = |layer: &Layer| format!("{} {:?}", layer.path.file_name().unwrap().display(), layer.access);
    opened
        .map(|chain| chain.layers.iter().map(shown).collect())
        .map_err(|error| error.to_string().replace(&path.display().to_string(), "."))
}

#[test]
fn a_chain_is_followed_to_its_end_and_only_the_image_is_written() {
    let (_folder, path) = chain(&[("a", "b", Some("qcow2")), ("b", "raw", None)]);
    assert_eq!(open(&path, "a").unwrap(), ["a Write", "b Read", "raw Read"]);
    std::os::unix::fs::symlink(path.join("a"), path.join("link")).unwrap();
    assert_eq!(open(&path, "link").unwrap()[0], "a Write");
}

#[test]
fn a_chain_that_cannot_be_trusted_is_refused_with_its_files() {
    let (_folder, path) = chain(&[
        ("gone", "nothing", Some("raw")),
        ("self", "self", Some("qcow2")),
        ("one", "two", Some("qcow2")),
        ("two", "./one", Some("qcow2")),
        ("guess", "one", None),
        ("odd", "raw", Some("luks")),
        ("url", "nbd:host:1", Some("raw")),
        ("json", "json:{}", None),
        ("wrong", "raw", Some("qcow2")),
        ("folder", ".", Some("raw")),
        ("device", "/dev/null", Some("raw")),
    ]);
    for (name, text) in [
        ("gone", "./nothing does not exist.\nIt is the backing file of ./gone"),
        ("self", "the backing files of ./self form a loop: ./self is its own backing file by way of ./self"),
        ("one", "the backing files of ./one form a loop: ./one is its own backing file by way of ./two"),
        (
            "guess",
            "cannot use ./one as the backing file of ./guess: its format is not recorded there, and it looks like a \
             qcow2 image; if that is what it is, record it with qemu-img rebase -u -F FORMAT",
        ),
        ("odd", "cannot use ./raw as the backing file of ./odd: its format is said to be luks"),
        ("url", "cannot use nbd:host:1 as the backing file of ./url: it is not the name of a file"),
        ("json", "cannot use json:{} as the backing file of ./json: it is not the name of a file"),
        ("wrong", "cannot use ./raw as a qcow2 image: it is no such image"),
        ("folder", "./. does not exist.\nIt is the backing file of ./folder"),
        ("device", "/dev/null does not exist.\nIt is the backing file of ./device"),
        ("absent", "./absent does not exist."),
    ] {
        assert_eq!(open(&path, name).unwrap_err(), text, "{name}");
    }
}

#[test]
fn a_chain_has_an_end_in_sight() {
    let names: Vec<(String, String)> = (0..40).map(|n| (format!("f{n}"), format!("f{}", n + 1))).collect();
    let files: Vec<_> =
        names.iter().map(|(name, next)| (name.as_str(), next.as_str(), Some("qcow2"))).collect();
    let (_folder, path) = chain(&files);
    assert_eq!(open(&path, "f0").unwrap_err(), "cannot use ./f0: it has more than 32 backing files");
    fs::write(path.join("f32"), qcow2("", None)).unwrap();
    assert_eq!(open(&path, "f0").unwrap().len(), 33);
}

const FORMATS: [Format; 5] = [Format::Raw, Format::Qcow, Format::Qcow2, Format::Vhd, Format::Vmdk];

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(
        seed in 0usize..5,
        changes in prop::collection::vec((0usize..700, any::<u8>()), 0..24),
        cut in 0usize..70_000,
    ) {
        let mut image = match seed {
            0 => qcow2("base", Some("raw")),
            1 => vhd(Some(3), Some(3)),
            2 => vmdk(DESCRIPTOR),
            3 => [b"QFI\xfb\0\0\0\x01".to_vec(), vec![0; 600]].concat(),
            _ => vec![0; 1024],
        };
        for (at, byte) in changes {
            put(&mut image, at, &[byte]);
        }
        image.truncate(cut);
        for format in FORMATS {
            if let Ok(Some(backing)) = inspect(format, &image.as_slice()) {
                let name = backing.name.as_os_str().len();
                prop_assert!(name > 0 && name <= 1023);
            }
        }
        let _ = recognise(&image.as_slice()).unwrap();
    }
}
