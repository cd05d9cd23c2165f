//! From the bytes of a charset to text. Never fails; a defect tells what was guessed or lost.
//!
//! Names and tables are those of the WHATWG Encoding Standard, and the names that mail has beside them. What is declared
//! counts, but where valid UTF-8 is declared as Latin or ASCII, it is UTF-8: no other text looks like it by chance.

mod label;
mod shifted;
mod utf7;

use std::borrow::Cow;

use encoding_rs::Encoding;
use encoding_rs::ISO_2022_JP;
use encoding_rs::ISO_8859_15;
use encoding_rs::UTF_16BE;
use encoding_rs::UTF_16LE;
use encoding_rs::WINDOWS_1252;
use memchr::memchr;
use memchr::memmem;

use crate::parse::DefectKind;
use label::Charset;

/// Text, and what was wrong with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Valid UTF-8 without NUL; what could not be read is U+FFFD.
    pub(super) text: String,
    /// The defect, if any.
    pub(super) defect: Option<DefectKind>,
}

/// Decodes `bytes`; without a `label` they are UTF-8, of which ASCII is a part, or else Windows-1252.
pub(super) fn decode(bytes: Cow<'_, [u8]>, label: Option<&str>) -> Decoded {
    let Some(charset) = label.map_or(Some(Charset::Undeclared), label::charset) else {
        return Decoded { defect: Some(DefectKind::UnknownCharset), ..undeclared(bytes) };
    };
    match charset {
        Charset::Undeclared => undeclared(bytes),
        Charset::Utf8 => utf8(bytes),
        Charset::Utf7 => checked(utf7::decode(&bytes)),
        Charset::Shifted(shifts) => checked(shifted::decode(&bytes, shifts)),
        Charset::Plain(decode) => checked(decode(&bytes)),
        Charset::Of(encoding) if bytes.is_ascii() && encoding.is_ascii_compatible() => utf8(bytes),
        Charset::Of(encoding) if is_latin(encoding) => latin(bytes, encoding),
        Charset::Of(encoding) => by(encoding_in(&bytes, encoding), &bytes),
    }
}

/// Nothing is said about the bytes. RFC 6532 makes them UTF-8; old mail from the West is Windows-1252, and old mail from
/// Japan shows its escapes.
fn undeclared(bytes: Cow<'_, [u8]>) -> Decoded {
    let escapes = memchr(0x1b, &bytes).is_some_and(|at| {
        let tail = bytes.get(at..).unwrap_or_default();
        memmem::find(tail, b"\x1b$B").is_some() || memmem::find(tail, b"\x1b$@").is_some()
    });
    if escapes && bytes.is_ascii() {
        return guessed(by(ISO_2022_JP, &bytes));
    }
    match String::from_utf8(bytes.into_owned()) {
        Ok(text) => checked(text),
        Err(error) => guessed(by(WINDOWS_1252, error.as_bytes())),
    }
}

/// Declared as one of the Latin charsets, which are declared for all sorts of text.
fn latin(bytes: Cow<'_, [u8]>, encoding: &'static Encoding) -> Decoded {
    match std::str::from_utf8(&bytes) {
        Ok(text) => guessed(checked(text.to_owned())),
        Err(_) => by(encoding, &bytes),
    }
}

fn is_latin(encoding: &'static Encoding) -> bool {
    encoding == WINDOWS_1252 || encoding == ISO_8859_15
}

/// Which of the two orders UTF-16 without a mark has, if its first letters are ASCII.
fn encoding_in(bytes: &[u8], declared: &'static Encoding) -> &'static Encoding {
    match bytes {
        [0, 1..=0x7f, 0, 1..=0x7f, ..] if declared == UTF_16LE => UTF_16BE,
        [1..=0x7f, 0, 1..=0x7f, 0, ..] if declared == UTF_16BE => UTF_16LE,
        _ => declared,
    }
}

/// A byte order mark at the head is obeyed, and dropped.
fn by(encoding: &'static Encoding, bytes: &[u8]) -> Decoded {
    checked(encoding.decode(bytes).0.into_owned())
}

/// Makes text of bytes that should be UTF-8.
fn utf8(bytes: Cow<'_, [u8]>) -> Decoded {
    match String::from_utf8(bytes.into_owned()) {
        Ok(text) => checked(text),
        Err(error) => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            Decoded { defect: Some(DefectKind::InvalidText), ..checked(text) }
        }
    }
}

/// What was lost is the graver defect.
fn guessed(read: Decoded) -> Decoded {
    Decoded { defect: read.defect.or(Some(DefectKind::GuessedCharset)), ..read }
}

fn checked(text: String) -> Decoded {
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    let nul = memchr(0, text.as_bytes()).is_some();
    let text = if nul { text.replace('\0', "\u{fffd}") } else { text };
    let defect = (nul || text.contains('\u{fffd}')).then_some(DefectKind::InvalidText);
    Decoded { text, defect }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], label: Option<&str>, text: &str, defect: Option<DefectKind>) {
        let expected = Decoded { text: text.to_owned(), defect };
        assert_eq!(decode(bytes.into(), label), expected, "{} in {label:?}", bytes.escape_ascii());
    }

    #[test]
    fn what_cannot_be_read_becomes_a_replacement_character() {
        check(b"caf\xe9", Some("utf-8"), "caf\u{fffd}", Some(DefectKind::InvalidText));
        check(b"a\0b", Some("utf-8"), "a\u{fffd}b", Some(DefectKind::InvalidText));
        check(b"a\0\xe9", Some("latin1"), "a\u{fffd}é", Some(DefectKind::InvalidText));
        check(b"a\0", None, "a\u{fffd}", Some(DefectKind::InvalidText));
        check(b"a\xff", Some("gb18030"), "a\u{fffd}", Some(DefectKind::InvalidText));
        check(b"a\x1b$B%O%", Some("iso-2022-jp"), "aハ\u{fffd}", Some(DefectKind::InvalidText));
    }

    #[test]
    fn what_nobody_knows_is_read_as_if_nothing_was_said() {
        check("né".as_bytes(), Some("x-klingon"), "né", Some(DefectKind::UnknownCharset));
        check(b"n\xe9", Some("x-klingon"), "né", Some(DefectKind::UnknownCharset));
        check(b"plain", Some("x-klingon"), "plain", Some(DefectKind::UnknownCharset));
        check(b"\xff", Some(&"x".repeat(500)), "ÿ", Some(DefectKind::UnknownCharset));
        check(b"plain", Some("iso-2022-cn"), "plain", Some(DefectKind::UnknownCharset));
    }

    #[test]
    fn undeclared_bytes_are_guessed() {
        check("né".as_bytes(), None, "né", None);
        check(b"n\xe9 \x93x\x94", None, "né “x”", Some(DefectKind::GuessedCharset));
        check(b"n\xe9", Some("us-ascii"), "né", Some(DefectKind::GuessedCharset));
        check(b"n\xe9", Some("unknown-8bit"), "né", Some(DefectKind::GuessedCharset));
        check(b"\x1b$B%O%m!<\x1b(B!", None, "ハロー!", Some(DefectKind::GuessedCharset));
        check(b"\x1b$B%O%m!<\x1b(B!", Some("us-ascii"), "ハロー!", Some(DefectKind::GuessedCharset));
        check(b"a\x1b[0m", None, "a\x1b[0m", None);
    }

    #[test]
    fn utf_8_that_is_declared_as_latin_is_utf_8() {
        check("né".as_bytes(), Some("us-ascii"), "né", None);
        check("né €".as_bytes(), Some("iso-8859-1"), "né €", Some(DefectKind::GuessedCharset));
        check("né".as_bytes(), Some("windows-1252"), "né", Some(DefectKind::GuessedCharset));
        check(b"n\xe9\xc3\xa9", Some("windows-1252"), "néÃ©", None);
        check("\u{feff}né".as_bytes(), Some("\"UTF-8\""), "né", None);
        check("\u{feff}né".as_bytes(), Some("latin1"), "né", Some(DefectKind::GuessedCharset));
    }

    #[test]
    fn utf_16_in_either_order_with_a_mark_or_without() {
        for (bytes, label) in [
            (&b"\xff\xfeh\0i\0"[..], "utf-16"),
            (b"\xfe\xff\0h\0i", "utf-16"),
            (b"\0h\0i", "utf-16"),
            (b"h\0i\0", "utf-16"),
            (b"h\0i\0", "utf-16le"),
            (b"\0h\0i", "UTF-16BE"),
            (b"h\0i\0", "utf-16be"),
        ] {
            check(bytes, Some(label), "hi", None);
        }
        check(b"\0h\0", Some("utf-16be"), "h\u{fffd}", Some(DefectKind::InvalidText));
    }

    #[test]
    fn no_cut_makes_a_decoder_fail() {
        let labels = ["utf-7", "hz-gb-2312", "iso-2022-kr", "iso-2022-jp", "gb18030", "big5", "utf-16", "ibm850"];
        let bytes = b"+ZYeB9FH6ckh5Pg-~{VPND~}\x1b$)C\x0e0!\x0f\x1b$B%O%m\x1b(B\xa4\xa4\x81\x30\x81\x30\xff+-+";
        for label in labels {
            for at in 0..=bytes.len() {
                assert!(!decode(bytes[..at].into(), Some(label)).text.contains('\0'), "{label} cut at {at}");
                assert!(!decode(bytes[at..].into(), Some(label)).text.contains('\0'), "{label} from {at}");
            }
        }
    }
}
