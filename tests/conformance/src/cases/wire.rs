//! Frames, and requests about domains.

use xenstore::wire::{Frame, Op};

use crate::{Dialect, Target, refused, words};

/// Pipelining.
pub fn requests_in_one_write_are_answered_in_order(target: &Target) {
    let mut session = target.connect();
    let mut bytes = Vec::new();
    for number in 1..=300 {
        let payload = [words(&[&target.path("a")]), number.to_string().into_bytes()].concat();
        Frame::new(Op::Write, number, 0, payload).encode(&mut bytes);
        Frame::new(Op::Read, 1000 + number, 0, words(&[&target.path("a")])).encode(&mut bytes);
    }
    session.send(&bytes);
    for number in 1..=300 {
        assert_eq!(session.receive(), Some(Frame::new(Op::Write, number, 0, b"OK\0".to_vec())));
        let value = number.to_string().into_bytes();
        assert_eq!(session.receive(), Some(Frame::new(Op::Read, 1000 + number, 0, value)));
    }
}

/// A stream has no boundaries.
pub fn a_request_may_come_byte_by_byte(target: &Target) {
    let mut session = target.connect();
    for byte in Frame::new(Op::GetDomainPath, 7, 0, words(&["0"])).to_bytes() {
        session.send(&[byte]);
    }
    let answer = Frame::new(Op::GetDomainPath, 7, 0, words(&["/local/domain/0"]));
    assert_eq!(session.receive(), Some(answer));
}

/// Numbers that no protocol has.
pub fn unknown_requests_are_refused_and_the_connection_lives(target: &Target) {
    let mut session = target.connect();
    for op in [Op::WatchEvent.number(), Op::Error.number(), 99, 65535, u32::MAX] {
        session.send(&Frame { op, req_id: 5, tx_id: 0, payload: b"/\0".to_vec() }.to_bytes());
        assert_eq!(session.receive(), Some(Frame::new(Op::Error, 5, 0, words(&["ENOSYS"]))), "{op}");
    }
    assert_eq!(session.ask(Op::GetDomainPath, &["0"]), Ok(words(&["/local/domain/0"])));
}

/// What follows cannot be understood.
pub fn an_oversized_frame_ends_the_connection(target: &Target) {
    if target.dialect() == Dialect::Oxenstored {
        return;
    }
    let mut session = target.connect();
    session.send(&Frame::new(Op::Write, 1, 0, vec![b'/'; 4097]).to_bytes()[..16]);
    assert_eq!(session.receive(), None);
}

/// GET_DOMAIN_PATH and IS_DOMAIN_INTRODUCED.
pub fn domains_are_told_by_number(target: &Target) {
    let mut session = target.connect();
    assert_eq!(session.ask(Op::GetDomainPath, &["31999"]), Ok(words(&["/local/domain/31999"])));
    assert_eq!(session.ask(Op::IsDomainIntroduced, &["31999"]), Ok(words(&["F"])));
}

/// Without harm to any domain.
pub fn administration_with_bad_arguments_is_refused(target: &Target) {
    let mut session = target.connect();
    assert_eq!(session.ask(Op::Introduce, &["31999"]), refused("EINVAL"));
    assert_eq!(session.ask(Op::Introduce, &["31999", "1"]), refused("EINVAL"));
    assert_eq!(session.ask(Op::SetTarget, &["31999"]), refused("EINVAL"));
    let unknown = refused(target.either("ENOENT", "EINVAL"));
    assert_eq!(session.ask(Op::Release, &["31999"]), unknown);
    assert_eq!(session.ask(Op::Resume, &["31999"]), unknown);
    if target.dialect() == Dialect::Xenstored {
        assert_eq!(session.ask(Op::Release, &["0"]), refused("EINVAL"));
        assert_eq!(session.ask(Op::Control, &["no-such-command"]), refused("EINVAL"));
    }
    assert!(session.ask(Op::Control, &["help"]).is_ok());
}
