//! Searching and cutting bytes, charged by what it can cost at worst.

use super::room::Room;
use super::source::Fault;

/// Bytes compared in one step.
const COMPARED_A_STEP: usize = 4096;

/// Where a part first stands.
pub(super) fn find(room: &mut Room, text: &[u8], part: &[u8]) -> Result<Option<usize>, Fault> {
    room.steps(text.len().saturating_mul(part.len()) / COMPARED_A_STEP)?;
    if part.is_empty() {
        return Ok(Some(0));
    }
    Ok(text.windows(part.len()).position(|window| window == part))
}

/// Where a part last stands.
pub(super) fn find_last(room: &mut Room, text: &[u8], part: &[u8]) -> Result<Option<usize>, Fault> {
    room.steps(text.len().saturating_mul(part.len()) / COMPARED_A_STEP)?;
    if part.is_empty() {
        return Ok(Some(text.len()));
    }
    Ok(text.windows(part.len()).rposition(|window| window == part))
}

/// Where a part stands, one place after the other without overlap, at most so often.
pub(super) fn all(room: &mut Room, text: &[u8], part: &[u8], most: usize) -> Result<Vec<usize>, Fault> {
    room.steps(text.len().saturating_mul(part.len().max(1)) / COMPARED_A_STEP)?;
    let mut places = Vec::new();
    let mut at = 0;
    while at + part.len() <= text.len() && places.len() < most {
        if text[at..].starts_with(part) {
            room.charge(8)?;
            places.push(at);
            at += part.len().max(1);
        } else {
            at += 1;
        }
    }
    Ok(places)
}

/// Is it a blank in the eyes of `str.split`?
pub(super) fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Without these bytes at its front.
pub(super) fn trim_start<'a>(text: &'a [u8], drop: &dyn Fn(&u8) -> bool) -> &'a [u8] {
    let skip = text.iter().take_while(|byte| drop(byte)).count();
    &text[skip..]
}

/// Without these bytes at its end.
pub(super) fn trim_end<'a>(text: &'a [u8], drop: &dyn Fn(&u8) -> bool) -> &'a [u8] {
    let skip = text.iter().rev().take_while(|byte| drop(byte)).count();
    &text[..text.len() - skip]
}
