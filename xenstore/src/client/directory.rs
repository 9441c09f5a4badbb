//! Listing a node's children, also when they do not fit into one answer.

use super::StoreError;
use super::error::Failure;
use super::requester::{Requester, Submitted, absent_is_none, check};
use crate::Errno;
use crate::wire::{Op, c_string};

/// How often a listing is begun anew because the directory changed under it.
const RESTARTS_MAX: u32 = 100;

/// Sends the request for a listing; `wait` reads its answer.
pub(crate) struct Listing<'a> {
    requester: Requester<'a>,
    path: &'a str,
    whole: Submitted,
}

/// One answer to DIRECTORY_PART.
#[derive(Debug, PartialEq, Eq)]
struct Part<'a> {
    generation: &'a [u8],
    names: &'a [u8],
    is_last: bool,
}

impl<'a> Listing<'a> {
    pub(crate) fn submit(requester: Requester<'a>, path: &'a str) -> Result<Self, StoreError> {
        check("list", path)?;
        let whole = requester.submit(Op::Directory, c_string(path.as_bytes()));
        Ok(Self { requester, path, whole })
    }

    pub(crate) async fn wait(self) -> Result<Option<Vec<String>>, StoreError> {
        match self.whole.wait().await {
            Err(Failure::Refused(Errno::TooBig)) => by_parts(self.requester, self.path).await,
            answer => absent_is_none(answer),
        }
        .map(|names| names.map(|names| split(&names)))
        .map_err(|failure| failure.on("list", self.path))
    }
}

async fn by_parts(requester: Requester<'_>, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    'anew: for _ in 0..RESTARTS_MAX {
        let (mut names, mut first_generation) = (Vec::new(), None);
        loop {
            let mut payload = c_string(path.as_bytes());
            payload.extend_from_slice(&c_string(names.len().to_string().as_bytes()));
            let answer = requester.submit(Op::DirectoryPart, payload).wait().await;
            let Some(answer) = absent_is_none(answer)? else { return Ok(None) };
            let part = part_of(&answer).ok_or(Failure::Malformed)?;
            if first_generation.get_or_insert_with(|| part.generation.to_vec()) != part.generation {
                continue 'anew;
            }
            names.extend_from_slice(part.names);
            if part.is_last {
                return Ok(Some(names));
            }
            if part.names.is_empty() {
                return Err(Failure::Malformed);
            }
        }
    }
    Err(Failure::Refused(Errno::Again))
}

/// The last part ends with an empty name.
fn part_of(answer: &[u8]) -> Option<Part<'_>> {
    let end = answer.iter().position(|&byte| byte == 0)?;
    let (generation, rest) = (&answer[..end], &answer[end + 1..]);
    let is_last = rest == b"\0" || rest.ends_with(b"\0\0");
    let names = if is_last { &rest[..rest.len() - 1] } else { rest };
    Some(Part { generation, names, is_last })
}

fn split(names: &[u8]) -> Vec<String> {
    names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_is_known_by_its_empty_name() {
        let part = part_of(b"12\0a\0b\0").unwrap();
        assert_eq!((part.generation, part.names, part.is_last), (&b"12"[..], &b"a\0b\0"[..], false));
        assert_eq!(part_of(b"12\0a\0\0").unwrap().names, b"a\0");
        assert!(part_of(b"12\0\0").unwrap().is_last);
        assert!(!part_of(b"12\0").unwrap().is_last);
        assert_eq!(part_of(b"12"), None);
    }
}
