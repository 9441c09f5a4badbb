//! Reads arguments out of payloads, which may hold anything.

use super::actor::Actor;
use crate::Errno;
use crate::wire::check_path;

/// First number that Xen never gives to a domain.
const FIRST_RESERVED_DOMID: u16 = 0x7ff0;

/// An absolute path, and how many bytes of it the asking domain did not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) path: Vec<u8>,
    pub(crate) implied: usize,
}

/// The strings of a payload; each must end with a NUL.
pub(crate) fn strings<const COUNT: usize>(payload: &[u8]) -> Result<[&[u8]; COUNT], Errno> {
    let mut words = payload.strip_suffix(b"\0").ok_or(Errno::Invalid)?.split(|&byte| byte == 0);
    let mut found = [&b""[..]; COUNT];
    for word in &mut found {
        *word = words.next().ok_or(Errno::Invalid)?;
    }
    if words.next().is_some() { Err(Errno::Invalid) } else { Ok(found) }
}

/// A string and the raw bytes after its NUL.
pub(crate) fn string_and_rest(payload: &[u8]) -> Result<(&[u8], &[u8]), Errno> {
    let end = payload.iter().position(|&byte| byte == 0).ok_or(Errno::Invalid)?;
    Ok((&payload[..end], &payload[end + 1..]))
}

/// A decimal number without sign.
pub(crate) fn number<N: TryFrom<u64>>(text: &[u8]) -> Result<N, Errno> {
    let is_decimal = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_decimal).ok_or(Errno::Invalid)?;
    let number: u64 = text.parse().map_err(|_| Errno::Invalid)?;
    N::try_from(number).map_err(|_| Errno::Invalid)
}

/// The number of a domain that can exist.
pub(crate) fn domid(text: &[u8]) -> Result<u16, Errno> {
    number(text).and_then(|domid| if domid < FIRST_RESERVED_DOMID { Ok(domid) } else { Err(Errno::Invalid) })
}

/// The node that `path` means for `actor`.
pub(crate) fn resolve(actor: Actor, path: &[u8]) -> Result<Resolved, Errno> {
    check_path(path).map_err(|_| Errno::Invalid)?;
    if path[0] == b'/' {
        return Ok(Resolved { path: path.to_vec(), implied: 0 });
    }
    let mut whole = format!("{}/", crate::paths::domain(actor.domid)).into_bytes();
    let implied = whole.len();
    whole.extend_from_slice(path);
    Ok(Resolved { path: whole, implied })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_must_be_as_many_as_expected_and_end_with_nul() {
        assert_eq!(strings::<1>(b"/a\0"), Ok([&b"/a"[..]]));
        assert_eq!(strings::<2>(b"/a\0t\0"), Ok([&b"/a"[..], b"t"]));
        assert_eq!(strings::<2>(b"/a\0\0"), Ok([&b"/a"[..], b""]));
        for payload in [&b""[..], b"/a", b"/a\0b", b"/a\0b\0c\0"] {
            assert_eq!(strings::<2>(payload), Err(Errno::Invalid), "{payload:?}");
        }
        assert_eq!(string_and_rest(b"/a\0x\0y"), Ok((&b"/a"[..], &b"x\0y"[..])));
        assert_eq!(string_and_rest(b"/a"), Err(Errno::Invalid));
    }

    #[test]
    fn numbers_are_plain_decimals_in_range() {
        assert_eq!((domid(b"7"), domid(b"32751")), (Ok(7), Ok(32751)));
        for text in
            [&b""[..], b"-1", b"+1", b" 1", b"1x", b"32752", b"65536", b"99999999999999999999", b"\xff"]
        {
            assert_eq!(domid(text), Err(Errno::Invalid), "{text:?}");
        }
    }

    #[test]
    fn a_relative_path_belongs_to_the_domain_that_says_it() {
        let guest = Actor { domid: 5, target: None };
        let resolved = resolve(guest, b"device/vif").unwrap();
        assert_eq!((resolved.path.as_slice(), resolved.implied), (&b"/local/domain/5/device/vif"[..], 16));
        assert_eq!(resolve(guest, b"/a").unwrap().implied, 0);
        assert_eq!(resolve(guest, b"a//b"), Err(Errno::Invalid));
    }
}
