//! From the bytes of a charset to text.

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;

use crate::parse::DefectKind;

/// Charsets in which plain ASCII bytes can mean something else.
const NOT_ASCII: [&str; 6] = ["utf-7", "unicode-1-1", "utf-16", "utf-32", "iso-2022", "hz-gb"];

/// Text, and what was wrong with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Valid UTF-8 without NUL; what could not be read is U+FFFD.
    pub(super) text: String,
    /// The defect, if any.
    pub(super) defect: Option<DefectKind>,
}

/// Decodes `bytes`; without a `label` they are UTF-8, of which ASCII is a part.
pub(super) fn decode(bytes: Cow<'_, [u8]>, label: Option<&str>) -> Decoded {
    let label = label.map(|label| label.trim_matches(['"', '\'', ' ', '\t']).to_ascii_lowercase().replace('_', "-"));
    match label.as_deref() {
        None | Some("" | "utf-8" | "utf8" | "us-ascii" | "ascii" | "ansi-x3.4-1968" | "7bit" | "8bit") => utf8(bytes),
        Some(label) if bytes.is_ascii() && !NOT_ASCII.iter().any(|name| label.starts_with(name)) => {
            let known = decoder(label).is_some();
            let plain = utf8(bytes);
            Decoded { defect: if known { plain.defect } else { Some(DefectKind::UnknownCharset) }, ..plain }
        }
        Some(label) => match decoder(label) {
            Some(decode) => checked(decode(&bytes)),
            None => Decoded { defect: Some(DefectKind::UnknownCharset), ..utf8(bytes) },
        },
    }
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

fn checked(text: String) -> Decoded {
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    let nul = memchr::memchr(0, text.as_bytes()).is_some();
    let text = if nul { text.replace('\0', "\u{fffd}") } else { text };
    let defect = (nul || text.contains('\u{fffd}')).then_some(DefectKind::InvalidText);
    Decoded { text, defect }
}

fn decoder(label: &str) -> Option<fn(&[u8]) -> String> {
    if label == "unicode-1-1-utf-7" {
        return charset_decoder(b"utf-7");
    }
    // The order of Hebrew and Arabic letters is the reader's business (RFC 1556).
    let label = label.strip_suffix("-i").or_else(|| label.strip_suffix("-e")).unwrap_or(label);
    charset_decoder(label.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], label: Option<&str>, text: &str, defect: Option<DefectKind>) {
        let expected = Decoded { text: text.to_owned(), defect };
        assert_eq!(decode(bytes.into(), label), expected, "{} in {label:?}", bytes.escape_ascii());
    }

    #[test]
    fn known_charsets_by_any_of_their_names() {
        check(b"caf\xe9 \x93x\x94", Some("windows-1252"), "café “x”", None);
        check(b"caf\xe9", Some("ISO_8859-1"), "café", None);
        check(b"\xf0\xd2\xc9\xd7\xc5\xd4", Some("KOI8-R"), "Привет", None);
        check(b"\x1b$B%O%m!<\x1b(B!", Some("iso-2022-jp"), "ハロー!", None);
        check(b"\xf9\xec\xe5\xed", Some("iso-8859-8-i"), "שלום", None);
        check(b"+ZYeB9FH6ckh5Pg-", Some("utf-7"), "文致出版社", None);
        check("\u{feff}né".as_bytes(), Some("\"UTF-8\""), "né", None);
        check("né".as_bytes(), Some("us-ascii"), "né", None);
        check(b"+ZYeB9FH6ckh5Pg-", Some("unicode-1-1-utf-7"), "文致出版社", None);
        check(b"", Some("koi8-r"), "", None);
    }

    #[test]
    fn what_cannot_be_read_becomes_a_replacement_character() {
        check(b"caf\xe9", None, "caf\u{fffd}", Some(DefectKind::InvalidText));
        check(b"a\0b", Some("utf-8"), "a\u{fffd}b", Some(DefectKind::InvalidText));
        check(b"a\0\xe9", Some("latin1"), "a\u{fffd}é", Some(DefectKind::InvalidText));
        check("né".as_bytes(), Some("x-klingon"), "né", Some(DefectKind::UnknownCharset));
        check(b"plain", Some("x-klingon"), "plain", Some(DefectKind::UnknownCharset));
        check(b"\xff", Some(&"x".repeat(500)), "\u{fffd}", Some(DefectKind::UnknownCharset));
    }
}
