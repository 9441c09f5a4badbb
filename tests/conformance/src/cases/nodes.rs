//! Nodes, values, permissions, directories.

use xenstore::wire::{Op, PAYLOAD_MAX};

use crate::{Dialect, Target, ok, refused, split, words};

/// A value is bytes, not text.
pub fn a_value_may_hold_any_bytes_up_to_the_limit_of_a_frame(target: &Target) {
    let mut session = target.connect();
    let path = words(&[&target.path("value")]);
    let limit = target.either(PAYLOAD_MAX - path.len(), 2048);
    let longest: Vec<u8> = (0..limit).map(|number| number as u8).collect();
    for value in [&b""[..], b"\0", b"text\0more\0", b"\xff\xfe\n", &longest] {
        assert_eq!(session.call(Op::Write, 0, &[&path, value].concat()), ok());
        assert_eq!(session.call(Op::Read, 0, &path), Ok(value.to_vec()));
    }
}

/// Parents come into being by themselves.
pub fn writing_creates_what_is_missing_above_with_empty_values(target: &Target) {
    let mut session = target.connect();
    assert_eq!(session.write(0, &target.path("a/b/c"), "x"), ok());
    assert_eq!(session.read(0, &target.path("a/b")), Ok(String::new()));
    assert_eq!(session.list(0, &target.path("a")), Ok(vec!["b".to_owned()]));
    assert_eq!(session.list(0, &target.path("a/b/c")), Ok(vec![]));
    assert_eq!(session.write(0, &target.path("a"), "y"), ok());
    assert_eq!(session.read(0, &target.path("a/b/c")), Ok("x".to_owned()));
}

/// MKDIR of something that is there.
pub fn making_a_node_that_is_there_changes_nothing(target: &Target) {
    let mut session = target.connect();
    let path = target.path("a");
    assert_eq!(session.write(0, &path, "x"), ok());
    assert_eq!(session.ask(Op::Mkdir, &[&path]), ok());
    assert_eq!(session.read(0, &path), Ok("x".to_owned()));
    assert_eq!(session.ask(Op::Mkdir, &[&target.path("b/c")]), ok());
    assert_eq!(session.read(0, &target.path("b/c")), Ok(String::new()));
}

/// RM of a tree, of nothing in a directory, of nothing nowhere, of everything.
pub fn removing_takes_what_is_below_and_forgives_an_absent_name_but_not_an_absent_parent(target: &Target) {
    let mut session = target.connect();
    assert_eq!(session.write(0, &target.path("a/b/c"), "x"), ok());
    assert_eq!(session.ask(Op::Rm, &[&target.path("a")]), ok());
    assert_eq!(session.read(0, &target.path("a/b/c")), Err("ENOENT".to_owned()));
    assert_eq!(session.list(0, target.base()), Ok(vec![]));
    assert_eq!(session.ask(Op::Rm, &[&target.path("a")]), ok());
    assert_eq!(session.ask(Op::Rm, &[&target.path("a/b")]), refused("ENOENT"));
    if target.dialect() == Dialect::Xenstored {
        assert_eq!(session.ask(Op::Rm, &["/"]), refused("EINVAL"));
    }
}

/// READ, DIRECTORY, GET_PERMS, SET_PERMS of nothing.
pub fn what_is_absent_is_enoent_for_every_way_of_looking(target: &Target) {
    let mut session = target.connect();
    let path = target.path("absent/too");
    for op in [Op::Read, Op::Directory, Op::GetPerms] {
        assert_eq!(session.ask(op, &[&path]), refused("ENOENT"), "{op:?}");
    }
    assert_eq!(session.ask(Op::DirectoryPart, &[&path, "0"]), refused(target.either("ENOENT", "ENOSYS")));
    assert_eq!(session.ask(Op::SetPerms, &[&path, "n0"]), refused("ENOENT"));
}

/// Paths that are none, and payloads that lack something.
pub fn malformed_paths_and_arguments_are_einval(target: &Target) {
    let mut session = target.connect();
    let long = format!("/{}", "a".repeat(3072));
    for path in ["", "//", "/a/", "a//b", "/a b", "/a*", "/\u{e9}", &long] {
        for op in [Op::Read, Op::Mkdir, Op::Directory, Op::Rm] {
            assert_eq!(session.ask(op, &[path]), refused("EINVAL"), "{op:?} {path:?}");
        }
        assert_eq!(session.write(0, path, "x"), refused("EINVAL"), "{path:?}");
    }
    for (op, payload) in [
        (Op::Read, &b""[..]),
        (Op::Read, b"/"),
        (Op::Read, b"/\0x\0"),
        (Op::Write, b"/x"),
        (Op::Write, b""),
        (Op::Mkdir, b"/x"),
        (Op::Rm, b"/x\0y\0"),
        (Op::Watch, b"/x\0"),
        (Op::Watch, b"/x"),
        (Op::Unwatch, b"/x\0"),
        (Op::GetDomainPath, b"0"),
        (Op::DirectoryPart, b"/\0"),
    ] {
        if target.dialect() == Dialect::Oxenstored && (payload.is_empty() || op == Op::DirectoryPart) {
            // It does not answer an empty request before the next one.
            continue;
        }
        assert_eq!(session.call(op, 0, payload), refused("EINVAL"), "{op:?} {payload:?}");
    }
}

/// Domain 0's own directory.
pub fn a_relative_path_is_below_the_own_directory(target: &Target) {
    let mut session = target.connect();
    let name = target.base().trim_start_matches('/');
    assert_eq!(session.write(0, name, "x"), ok());
    assert_eq!(session.read(0, &format!("/local/domain/0/{name}")), Ok("x".to_owned()));
    assert_eq!(session.ask(Op::Rm, &[name]), ok());
    assert_eq!(session.read(0, name), Err("ENOENT".to_owned()));
}

/// The list of permissions as it was given, and what children take over.
pub fn permissions_are_inherited_set_and_told_in_order(target: &Target) {
    let mut session = target.connect();
    let (path, child) = (target.path("a"), target.path("a/b"));
    assert_eq!(session.ask(Op::Mkdir, &[&path]), ok());
    assert_eq!(session.ask(Op::SetPerms, &[&path, "r0", "w7", "b8", "n9"]), ok());
    let told = session.ask(Op::GetPerms, &[&path]).map(|payload| split(&payload));
    assert_eq!(told, Ok(["r0", "w7", "b8", "n9"].map(str::to_owned).to_vec()));
    assert_eq!(session.ask(Op::Mkdir, &[&child]), ok());
    assert_eq!(session.ask(Op::GetPerms, &[&child]), Ok(words(&["r0", "w7", "b8", "n9"])));
    assert_eq!(session.ask(Op::SetPerms, &[&child, "n0"]), ok());
    assert_eq!(session.ask(Op::GetPerms, &[&path]), Ok(words(&["r0", "w7", "b8", "n9"])));
}

/// Text that is no permission.
pub fn malformed_permissions_are_einval(target: &Target) {
    let mut session = target.connect();
    let path = target.path("a");
    assert_eq!(session.ask(Op::Mkdir, &[&path]), ok());
    for permission in ["", "x0", "0", "n"] {
        assert_eq!(session.ask(Op::SetPerms, &[&path, permission]), refused("EINVAL"), "{permission:?}");
    }
    assert_eq!(session.call(Op::SetPerms, 0, &words(&[&path])), refused("EINVAL"));
}

/// DIRECTORY_PART until the empty name.
pub fn a_long_directory_is_e2big_and_comes_in_parts(target: &Target) {
    let mut session = target.connect();
    let mut expected: Vec<_> = (0..400).map(|number| format!("a-rather-long-name-{number}")).collect();
    for name in &expected {
        assert_eq!(session.ask(Op::Mkdir, &[&target.path(name)]), ok());
    }
    expected.sort();
    if target.dialect() == Dialect::Oxenstored {
        assert_eq!(session.list(0, target.base()), Ok(expected));
        return;
    }
    assert_eq!(session.ask(Op::Directory, &[target.base()]), refused("E2BIG"));
    let (mut names, mut parts) = (Vec::new(), 0);
    loop {
        let answer = session.ask(Op::DirectoryPart, &[target.base(), &names.len().to_string()]);
        let answer = answer.expect("domain 0 may list the directory");
        let generation = answer.iter().position(|&byte| byte == 0).expect("first comes the generation");
        let part = &answer[generation + 1..];
        parts += 1;
        if let Some(last) = part.strip_suffix(b"\0").filter(|last| last.is_empty() || last.ends_with(b"\0")) {
            names.extend_from_slice(last);
            break;
        }
        assert!(!part.is_empty(), "a part brings something");
        names.extend_from_slice(part);
    }
    let mut names = split(&names);
    names.sort();
    assert_eq!(names, expected);
    assert!(parts > 1);
}

/// So that a reader of parts notices.
pub fn the_generation_of_a_directory_changes_with_its_names(target: &Target) {
    if target.dialect() == Dialect::Oxenstored {
        return;
    }
    let mut session = target.connect();
    let mut generation = |child: &str| {
        assert_eq!(session.ask(Op::Mkdir, &[&target.path(child)]), ok());
        let answer = session.ask(Op::DirectoryPart, &[target.base(), "0"]);
        split(&answer.expect("domain 0 may list the directory")).swap_remove(0)
    };
    let (first, second, same) = (generation("a"), generation("b"), generation("b"));
    assert_ne!(first, second);
    assert_eq!(second, same);
}
