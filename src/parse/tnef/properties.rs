//! The properties in an attribute (MS-OXTNEF section 2.1.3.4): of an attachment, or of the message.

use std::borrow::Cow;

use super::text_of;
use crate::parse::charset;

const MULTIPLE: u16 = 0x1000;
/// An object's bytes begin with the id of its interface.
const INTERFACE_LENGTH: usize = 16;

/// What is looked for among them.
#[derive(Debug, Default)]
pub(super) struct Properties<'x> {
    pub(super) long_name: Option<String>,
    pub(super) name: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) content_id: Option<String>,
    pub(super) body: Option<String>,
    /// The attachment itself: a file, or a mail as a stream of its own.
    pub(super) data: Option<&'x [u8]>,
    pub(super) whole: bool,
}

impl<'x> Properties<'x> {
    /// Reads them up to the first that makes no sense: what follows it cannot be found.
    pub(super) fn read(data: &'x [u8], codepage: Option<&str>) -> Properties<'x> {
        let mut properties = Properties::default();
        let mut rest = data;
        let Some(count) = number(&mut rest) else { return properties };
        for _ in 0..count {
            let Some((kind, id, value)) = property(&mut rest) else { return properties };
            properties.note(kind, id, value, codepage);
        }
        properties.whole = true;
        properties
    }

    fn note(&mut self, kind: u16, id: u16, value: &'x [u8], codepage: Option<&str>) {
        let text = || match kind {
            0x1f => {
                let text = charset::decode(Cow::Borrowed(value), Some("utf-16le")).text;
                let text = text.trim_end_matches('\u{fffd}').to_owned();
                Some(text).filter(|text| !text.trim().is_empty())
            }
            0x1e => text_of(value, codepage),
            _ => None,
        };
        match id {
            0x3707 => self.long_name = text(),
            0x3704 | 0x3001 => self.name = self.name.take().or_else(text),
            0x370e => self.content_type = text().filter(|text| is_type(text)).map(|text| text.to_ascii_lowercase()),
            0x3712 => self.content_id = text().map(|text| text.trim_matches(['<', '>', ' ']).to_owned()),
            0x1000 => self.body = text(),
            0x3701 if kind == 0x000d => self.data = value.get(INTERFACE_LENGTH..),
            0x3701 => self.data = Some(value),
            _ => {}
        }
    }
}

fn is_type(text: &str) -> bool {
    let legal = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b"/;\"".contains(&b));
    text.split_once('/').is_some_and(|(main, sub)| legal(main) && legal(sub))
}

/// The property at the head of `rest`: type, id, and its first value.
fn property<'x>(rest: &mut &'x [u8]) -> Option<(u16, u16, &'x [u8])> {
    let (&[k0, k1, i0, i1], after) = rest.split_first_chunk()?;
    *rest = after;
    let (kind, id) = (u16::from_le_bytes([k0, k1]), u16::from_le_bytes([i0, i1]));
    if id >= 0x8000 {
        take(rest, 16)?;
        let named = number(rest)? != 0;
        let length = number(rest)?;
        if named {
            padded(rest, length)?;
        }
    }
    let single = kind & !MULTIPLE;
    let size = match single {
        0x02 | 0x03 | 0x04 | 0x0a | 0x0b => Some(4),
        0x05 | 0x06 | 0x07 | 0x14 | 0x40 => Some(8),
        0x48 => Some(16),
        0x0d | 0x1e | 0x1f | 0x102 => None,
        _ => return None,
    };
    let count = if size.is_none() || kind != single { number(rest)? } else { 1 };
    let mut first = None;
    for _ in 0..count {
        let value = match size {
            Some(size) => take(rest, size)?,
            None => {
                let length = number(rest)?;
                padded(rest, length)?
            }
        };
        first = first.or(Some(value));
    }
    Some((single, id, first.unwrap_or_default()))
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let (&bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

fn take<'x>(rest: &mut &'x [u8], length: usize) -> Option<&'x [u8]> {
    let (value, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(value)
}

/// A value that is filled up to a multiple of four bytes; at the end the filling may be missing.
fn padded<'x>(rest: &mut &'x [u8], length: usize) -> Option<&'x [u8]> {
    let value = take(rest, length)?;
    let filling = length.next_multiple_of(4) - length;
    *rest = rest.get(filling..).unwrap_or_default();
    Some(value)
}
