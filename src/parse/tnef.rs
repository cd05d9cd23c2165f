//! `winmail.dat` (MS-OXTNEF): the files that Outlook packs into one, and the text, where the mail has no other.
//!
//! A stream of attributes, each with its length; the properties of an attachment (its long name, a mail within) are a
//! list of their own inside one. No length is trusted: what is cut is read as far as it goes, and `whole` is false. The
//! time is linear in the bytes, once for each level of mails within mails. Compressed RTF is not unpacked: the original
//! file is kept beside what came out of it.

mod properties;

use std::borrow::Cow;

use crate::parse::charset;
use properties::Properties;

/// The first four bytes.
const SIGNATURE: &[u8] = &[0x78, 0x9f, 0x3e, 0x22];
/// Deeper mails within mails stay closed.
const DEPTH_MAX: usize = 4;
/// More files than these are not taken out.
const FILES_MAX: usize = 1_000;

const BODY: u16 = 0x800c;
const MESSAGE_PROPERTIES: u16 = 0x9003;
const CODEPAGE: u16 = 0x9007;
const ATTACHMENT_BEGINS: u16 = 0x9002;
const ATTACHMENT_TITLE: u16 = 0x8010;
const ATTACHMENT_DATA: u16 = 0x800f;
const ATTACHMENT_PROPERTIES: u16 = 0x9005;

/// What a `winmail.dat` holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tnef {
    /// The files in it, in order.
    pub(super) files: Vec<File>,
    /// The body as plain text.
    pub(super) text: Option<String>,
    /// Whether all of it could be read.
    pub(super) whole: bool,
}

/// A file in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct File {
    /// The longest name that it has.
    pub(super) name: Option<String>,
    /// Its MIME type, where it says one.
    pub(super) content_type: Option<String>,
    /// Its Content-ID without angle brackets.
    pub(super) content_id: Option<String>,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

/// Whether `bytes` begin as such a file does.
pub(super) fn is_tnef(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// Reads a whole file; one that is none of the kind is empty and not whole.
pub(super) fn read(bytes: &[u8]) -> Tnef {
    let mut tnef = Tnef { whole: true, ..Tnef::default() };
    read_into(&mut tnef, bytes, 0);
    tnef
}

fn read_into(tnef: &mut Tnef, bytes: &[u8], depth: usize) {
    // The key behind the signature is of no use.
    let Some(mut rest) = bytes.strip_prefix(SIGNATURE).and_then(|rest| rest.get(2..)) else {
        tnef.whole = false;
        return;
    };
    let (mut codepage, mut open) = (None, None);
    while !rest.is_empty() {
        let Some(attribute) = Attribute::take(&mut rest) else {
            tnef.whole = false;
            break;
        };
        tnef.whole &= attribute.whole;
        let data = attribute.data;
        match attribute.name {
            CODEPAGE => codepage = codepage_of(data),
            BODY if depth == 0 => tnef.text = tnef.text.take().or_else(|| text_of(data, codepage.as_deref())),
            MESSAGE_PROPERTIES if depth == 0 => {
                let properties = Properties::read(data, codepage.as_deref());
                tnef.text = tnef.text.take().or(properties.body);
            }
            ATTACHMENT_BEGINS => close(tnef, open.replace(File::default())),
            ATTACHMENT_TITLE => {
                let file: &mut File = open.get_or_insert_default();
                file.name = file.name.take().or_else(|| text_of(data, codepage.as_deref()));
            }
            ATTACHMENT_DATA => open.get_or_insert_default().bytes = data.to_vec(),
            ATTACHMENT_PROPERTIES => {
                let properties = Properties::read(data, codepage.as_deref());
                tnef.whole &= properties.whole;
                let file = open.get_or_insert_default();
                file.name = properties.long_name.or(file.name.take()).or(properties.name);
                file.content_type = properties.content_type;
                file.content_id = properties.content_id;
                match properties.data {
                    Some(within) if is_tnef(within) && depth < DEPTH_MAX => {
                        close(tnef, open.take().filter(|file| !file.bytes.is_empty()));
                        read_into(tnef, within, depth + 1);
                    }
                    Some(within) if file.bytes.is_empty() => file.bytes = within.to_vec(),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    close(tnef, open);
}

/// Keeps a file whose attributes have ended.
fn close(tnef: &mut Tnef, file: Option<File>) {
    let Some(file) = file.filter(|file| file.name.is_some() || !file.bytes.is_empty()) else { return };
    if tnef.files.len() < FILES_MAX {
        tnef.files.push(file);
    } else {
        tnef.whole = false;
    }
}

/// One attribute. That its checksum is right is not looked at: a wrong one tells nothing of which byte is wrong.
struct Attribute<'x> {
    name: u16,
    data: &'x [u8],
    whole: bool,
}

impl<'x> Attribute<'x> {
    /// Takes the attribute at the head of `rest`; one that is cut has what is left.
    fn take(rest: &mut &'x [u8]) -> Option<Attribute<'x>> {
        let (&[_level, n0, n1, _t0, _t1, l0, l1, l2, l3], after) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
        let (data, after, whole) = match after.split_at_checked(length) {
            Some((data, after)) => (data, after.get(2..).unwrap_or_default(), after.len() >= 2),
            None => (after, &[][..], false),
        };
        *rest = after;
        Some(Attribute { name: u16::from_le_bytes([n0, n1]), data, whole })
    }
}

fn codepage_of(data: &[u8]) -> Option<String> {
    let (&number, _) = data.split_first_chunk()?;
    Some(format!("cp{}", u32::from_le_bytes(number)))
}

/// Text of one byte for a letter, up to the NUL that ends it.
fn text_of(data: &[u8], codepage: Option<&str>) -> Option<String> {
    let text = data.split(|b| *b == 0).next().unwrap_or_default();
    Some(charset::decode(Cow::Borrowed(text), codepage).text).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(level: u8, name: u16, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        let sum = data.iter().fold(0u16, |sum, b| sum.wrapping_add(u16::from(*b)));
        [&[level], &name.to_le_bytes()[..], &[6, 0], &length, data, &sum.to_le_bytes()].concat()
    }

    fn stream(attributes: &[Vec<u8>]) -> Vec<u8> {
        [SIGNATURE, &[1, 0], &attributes.concat()].concat()
    }

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn property(kind: u16, id: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), id.to_le_bytes()].concat();
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn properties(list: &[Vec<u8>]) -> Vec<u8> {
        [&u32::try_from(list.len()).unwrap().to_le_bytes()[..], &list.concat()].concat()
    }

    /// Two files: one by its title, one by properties, among them ones of every size that are passed over.
    fn sample() -> Vec<u8> {
        let list = [
            [&[3, 0, 5, 0x37][..], &[1, 0, 0, 0]].concat(),
            [&[0x40, 0, 0, 0x30][..], &[0; 8]].concat(),
            [&[3, 0x10, 1, 0x30][..], &[2, 0, 0, 0], &[0; 8]].concat(),
            [
                &[0x1f, 0, 1, 0x80][..],
                &[7; 16],
                &[1, 0, 0, 0, 6, 0, 0, 0],
                &wide("ab"),
                &[0, 0],
                &[1, 0, 0, 0, 2, 0, 0, 0],
                &[b'x', 0, 0, 0],
            ]
            .concat(),
            property(0x1f, 0x3707, &wide("Übersicht 2026.pdf")),
            property(0x1e, 0x370e, b"application/pdf\0"),
            property(0x1e, 0x3712, b"<p@x>\0"),
        ];
        stream(&[
            attribute(1, CODEPAGE, &[0xe4, 4, 0, 0, 0, 0, 0, 0]),
            attribute(1, BODY, b"Sch\xf6n\0"),
            attribute(2, ATTACHMENT_BEGINS, &[0; 14]),
            attribute(2, ATTACHMENT_TITLE, b"caf\xe9.txt\0"),
            attribute(2, ATTACHMENT_DATA, b"one"),
            attribute(2, ATTACHMENT_BEGINS, &[0; 14]),
            attribute(2, ATTACHMENT_TITLE, b"UBERSI~1.PDF\0"),
            attribute(2, ATTACHMENT_DATA, b"two"),
            attribute(2, ATTACHMENT_PROPERTIES, &properties(&list)),
        ])
    }

    fn names(tnef: &Tnef) -> Vec<(&str, &[u8])> {
        tnef.files.iter().map(|file| (file.name.as_deref().unwrap_or(""), &*file.bytes)).collect()
    }

    #[test]
    fn files_come_out_by_their_longest_name() {
        let tnef = read(&sample());
        assert_eq!(names(&tnef), [("café.txt", &b"one"[..]), ("Übersicht 2026.pdf", b"two")]);
        assert_eq!((tnef.text.as_deref(), tnef.whole), (Some("Schön"), true));
        assert_eq!(tnef.files[1].content_type.as_deref(), Some("application/pdf"));
        assert_eq!(tnef.files[1].content_id.as_deref(), Some("p@x"));
    }

    #[test]
    fn a_mail_within_gives_its_files_and_ends_at_the_limit() {
        let nest = |inner: &[u8]| {
            let within = properties(&[property(0xd, 0x3701, &[&[7; 16], inner].concat())]);
            stream(&[attribute(2, ATTACHMENT_BEGINS, &[0; 14]), attribute(2, ATTACHMENT_PROPERTIES, &within)])
        };
        assert_eq!(names(&read(&nest(&sample()))).len(), 2);
        let deep = (0..9).fold(sample(), |inner, _| nest(&inner));
        let tnef = read(&deep);
        assert_eq!((tnef.files.len(), is_tnef(&tnef.files[0].bytes)), (1, true));
    }

    #[test]
    fn what_is_cut_is_read_as_far_as_it_goes() {
        let whole = sample();
        for at in 0..whole.len() {
            let tnef = read(&whole[..at]);
            assert!(tnef.files.len() <= 2);
            assert!(tnef.files.iter().all(|file| file.name.as_deref() != Some("")), "cut at {at}");
        }
        assert!(!read(&whole[..whole.len() - 30]).whole);
        assert_eq!(names(&read(&whole[..whole.len() - 30]))[0], ("café.txt", &b"one"[..]));
        assert_eq!(read(b"PK\x03\x04"), Tnef::default());
    }

    #[test]
    fn no_byte_is_trusted() {
        let whole = sample();
        for at in 0..whole.len() {
            for flip in [0x01, 0x10, 0x80, 0xff] {
                let mut flipped = whole.clone();
                flipped[at] ^= flip;
                read(&flipped);
            }
        }
        let many = stream(&vec![attribute(2, ATTACHMENT_TITLE, b"x"); 3]);
        assert_eq!(read(&many).files.len(), 1);
        let pair = [attribute(2, ATTACHMENT_BEGINS, &[]), attribute(2, ATTACHMENT_TITLE, b"x")].concat();
        let tnef = read(&stream(&vec![pair; 5_000]));
        assert_eq!((tnef.files.len(), tnef.whole), (FILES_MAX, false));
        let greedy =
            [&u32::MAX.to_le_bytes()[..], &[0x1e, 0x10, 1, 0x30], &u32::MAX.to_le_bytes(), &[0; 4000]].concat();
        assert!(!read(&stream(&[attribute(2, ATTACHMENT_PROPERTIES, &greedy)])).whole);
    }
}
