//! Watches.

use xenstore::wire::Op;

use crate::{Dialect, Session, Target, ok, refused};

fn event(path: &str, token: &str) -> (String, String) {
    (path.to_owned(), token.to_owned())
}

/// Watches and takes the news that come at once.
fn watch(session: &mut Session, path: &str, token: &str) {
    assert_eq!(session.ask(Op::Watch, &[path, token]), ok());
    assert_eq!(session.event(), event(path, token));
}

/// Also for what is absent, and with any token.
pub fn a_watch_speaks_up_at_once_with_the_words_it_was_given(target: &Target) {
    let mut session = target.connect();
    for (path, token) in
        [(target.path("absent"), "a token, with blanks"), (target.path("b"), ""), ("/".into(), "root")]
    {
        watch(&mut session, &path, token);
    }
}

/// WRITE, MKDIR, RM and SET_PERMS, here and there.
pub fn changes_at_and_below_are_told_and_others_are_not(target: &Target) {
    let (mut session, mut other) = (target.connect(), target.connect());
    let path = |name: &str| target.path(name);
    watch(&mut session, &path("a"), "t");
    assert_eq!(other.write(0, &path("b"), "x"), ok());
    assert_eq!(other.write(0, &path("ab"), "x"), ok());
    assert_eq!(other.write(0, &path("a"), "x"), ok());
    assert_eq!(session.event(), event(&path("a"), "t"));
    assert_eq!(other.write(0, &path("a/b/c"), "x"), ok());
    assert_eq!(session.event(), event(&path("a/b/c"), "t"));
    assert_eq!(other.ask(Op::Mkdir, &[&path("a/b")]), ok());
    assert_eq!(other.ask(Op::Mkdir, &[&path("a/d")]), ok());
    assert_eq!(session.event(), event(&path("a/d"), "t"));
    assert_eq!(other.ask(Op::SetPerms, &[&path("a/d"), "r0"]), ok());
    assert_eq!(session.event(), event(&path("a/d"), "t"));
    assert_eq!(other.ask(Op::Rm, &[&path("a/nothing")]), ok());
    assert_eq!(other.read(0, &path("a")), Ok("x".to_owned()));
    assert_eq!(other.ask(Op::Rm, &[&path("a/d")]), ok());
    assert_eq!(session.event(), event(&path("a/d"), "t"));
    assert!(session.events_so_far().is_empty());
}

/// Three watches of one connection.
pub fn a_change_tells_every_watch_on_its_way_once(target: &Target) {
    let mut session = target.connect();
    for (path, token) in [(target.base(), "1"), (&target.path("a"), "2"), (&target.path("a"), "3")] {
        watch(&mut session, path, token);
    }
    assert_eq!(session.write(0, &target.path("a/b"), "x"), ok());
    let mut events = session.events_so_far();
    events.sort();
    assert_eq!(events, ["1", "2", "3"].map(|token| event(&target.path("a/b"), token)));
}

/// The watched node goes with its parent.
pub fn removing_a_directory_is_told_to_watches_below_it(target: &Target) {
    let mut session = target.connect();
    assert_eq!(session.write(0, &target.path("a/b/c"), "x"), ok());
    watch(&mut session, &target.path("a/b/c"), "node");
    watch(&mut session, &target.path("a/b/absent"), "absent");
    watch(&mut session, target.base(), "base");
    assert_eq!(session.ask(Op::Rm, &[&target.path("a")]), ok());
    let mut events = session.events_so_far();
    events.sort();
    // oxenstored tells watches on absent nodes, too: more than is needed is no fault.
    events.retain(|(_, token)| token != "absent");
    assert_eq!(events, [event(&target.path("a"), "base"), event(&target.path("a/b/c"), "node")]);
}

/// And those of one that failed never.
pub fn changes_in_a_transaction_are_told_at_its_commit(target: &Target) {
    let mut session = target.connect();
    watch(&mut session, target.base(), "t");
    let (kept, dropped) = (session.begin(), session.begin());
    assert_eq!(session.write(dropped, &target.path("never"), "x"), ok());
    assert_eq!(session.write(kept, &target.path("a"), "1"), ok());
    assert_eq!(session.write(kept, &target.path("a"), "2"), ok());
    assert_eq!(session.call(Op::TransactionEnd, dropped, b"F\0"), ok());
    assert!(session.events_so_far().is_empty());
    assert_eq!(session.commit(kept), ok());
    let mut events = session.events_so_far();
    if target.dialect() == Dialect::Oxenstored {
        events.dedup();
    }
    assert_eq!(events, [event(&target.path("a"), "t")]);
}

/// Below domain 0's own directory.
pub fn a_relative_watch_hears_relative_paths(target: &Target) {
    let mut session = target.connect();
    let name = target.base().trim_start_matches('/');
    watch(&mut session, name, "t");
    assert_eq!(session.write(0, &format!("/local/domain/0/{name}/a"), "x"), ok());
    assert_eq!(session.events_so_far(), [event(&format!("{name}/a"), "t")]);
    assert_eq!(session.ask(Op::Rm, &[name]), ok());
}

/// Path and token together name a watch.
pub fn the_same_watch_twice_is_eexist_and_an_unknown_one_enoent(target: &Target) {
    let (mut session, mut other) = (target.connect(), target.connect());
    let path = target.path("a");
    watch(&mut session, &path, "t");
    assert_eq!(session.ask(Op::Watch, &[&path, "t"]), refused("EEXIST"));
    watch(&mut session, &path, "u");
    watch(&mut other, &path, "t");
    assert_eq!(session.ask(Op::Unwatch, &[&path, "v"]), refused("ENOENT"));
    assert_eq!(session.ask(Op::Unwatch, &[target.base(), "t"]), refused("ENOENT"));
    assert_eq!(session.ask(Op::Unwatch, &[&path, "t"]), ok());
    assert_eq!(session.ask(Op::Unwatch, &[&path, "t"]), refused("ENOENT"));
}

/// UNWATCH.
pub fn a_watch_that_was_taken_back_is_silent(target: &Target) {
    let mut session = target.connect();
    watch(&mut session, target.base(), "gone");
    watch(&mut session, target.base(), "kept");
    assert_eq!(session.ask(Op::Unwatch, &[target.base(), "gone"]), ok());
    assert_eq!(session.write(0, &target.path("a"), "x"), ok());
    assert_eq!(session.events_so_far(), [event(&target.path("a"), "kept")]);
}

/// They are no nodes.
pub fn special_paths_can_be_watched(target: &Target) {
    let mut session = target.connect();
    for path in ["@introduceDomain", "@releaseDomain"] {
        watch(&mut session, path, "t");
        assert_eq!(session.ask(Op::Unwatch, &[path, "t"]), ok());
    }
}

/// RESET_WATCHES.
pub fn resetting_drops_all_watches(target: &Target) {
    let mut session = target.connect();
    watch(&mut session, target.base(), "t");
    assert_eq!(session.ask(Op::ResetWatches, &[""]), ok());
    assert_eq!(session.write(0, &target.path("a"), "x"), ok());
    assert!(session.events_so_far().is_empty());
    watch(&mut session, target.base(), "t");
}
