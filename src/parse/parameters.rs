//! Fields with parameters (RFC 2045 section 5.1, RFC 2231): `text/plain; charset=utf-8; name*0*=…`.
//!
//! Kinder than the RFCs: values may hold blanks without quotes, semicolons may be missing, sections of a value may come
//! in any order, and encoded words may stand where percent signs should. Sections are joined before they are decoded, so
//! a character may be cut in two.

use std::borrow::Cow;

use crate::parse::charset;
use crate::parse::encoded_word;
use crate::parse::transfer;

/// Bytes beyond this are not read. The longest honest values are file names, 255 characters in percent-encoded UTF-8.
const FIELD_MAX: usize = 8 * 1024;

/// A field taken apart; nothing is decoded yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// What stands before the first parameter, in lower case.
    pub(super) head: String,
    sections: Vec<Section>,
}

/// A parameter, or a piece of one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    /// In lower case, without what RFC 2231 adds.
    name: Vec<u8>,
    /// `*` or `*0` was added.
    extended: bool,
    place: u32,
    /// The value is percent-encoded.
    encoded: bool,
    value: Vec<u8>,
}

impl Parameters {
    /// Takes a field's value apart.
    pub(super) fn read(value: &[u8]) -> Parameters {
        let line = encoded_word::unfold(value.get(..FIELD_MAX).unwrap_or(value));
        let (head, mut rest) = head(&line);
        let mut sections = Vec::new();
        while let Some((section, after)) = section(rest) {
            sections.extend(section);
            rest = after;
        }
        Parameters { head, sections }
    }

    /// The text of the parameter called `name`, if it has one.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let (bytes, encoded) = self.joined(name)?;
        let text = if encoded {
            let (label, bytes) = charset_of(&bytes);
            charset::decode(Cow::Borrowed(bytes), label).text
        } else {
            encoded_word::text(&bytes).0
        };
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The bytes of the parameter called `name`, as they stand.
    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.joined(name).map(|(bytes, _)| bytes).filter(|bytes| !bytes.is_empty())
    }

    /// The value in one piece, and whether it begins with the name of its charset. An extended one goes before a plain
    /// one, which old readers get.
    fn joined(&self, name: &str) -> Option<(Vec<u8>, bool)> {
        let named = |section: &&Section| section.name == name.as_bytes();
        let mut extended: Vec<&Section> = self.sections.iter().filter(named).filter(|one| one.extended).collect();
        extended.sort_by_key(|section| section.place);
        extended.dedup_by_key(|section| section.place);
        let Some(first) = extended.first() else {
            return self.sections.iter().find(named).map(|section| (section.value.clone(), false));
        };
        let decoded = extended.iter().flat_map(|section| match section.encoded {
            true => percent_decoded(&section.value),
            false => section.value.clone(),
        });
        Some((decoded.collect(), first.encoded))
    }
}

/// Cuts off what stands before the first parameter. Where no semicolon ends it, a blank does.
fn head(line: &[u8]) -> (String, &[u8]) {
    let line = line.trim_ascii_start();
    let end = line.iter().position(|b| matches!(b, b';' | b'(')).unwrap_or(line.len());
    let (head, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    let equals = head.iter().position(|b| *b == b'=');
    let blank = equals.and_then(|at| head.get(..at)?.trim_ascii_end().iter().rposition(u8::is_ascii_whitespace));
    let (head, rest) = match (equals, blank) {
        (Some(_), Some(blank)) => line.split_at_checked(blank).unwrap_or((line, &[])),
        (Some(_), None) => (&[][..], line),
        (None, _) => (head, rest),
    };
    let head = String::from_utf8_lossy(head.trim_ascii()).to_ascii_lowercase();
    (head.replace('\0', "\u{fffd}"), rest)
}

/// The parameter that `rest` begins with, and what follows; one without a value is passed over. `None` at the end.
fn section(rest: &[u8]) -> Option<(Option<Section>, &[u8])> {
    let rest = skip(rest);
    if rest.is_empty() {
        return None;
    }
    let end = rest.iter().position(|b| matches!(b, b'=' | b';')).unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(end)?;
    let Some(after) = after.strip_prefix(b"=") else { return Some((None, after)) };
    let after = after.trim_ascii_start();
    let (value, after) = match after.strip_prefix(b"\"") {
        Some(quoted) => unquoted(quoted),
        None => {
            let end = after.iter().position(|b| *b == b';').unwrap_or(after.len());
            let (value, after) = after.split_at_checked(end)?;
            (value.trim_ascii_end().to_vec(), after)
        }
    };
    let name = name.trim_ascii().to_ascii_lowercase();
    let mut pieces = name.split(|b| *b == b'*');
    let plain = pieces.next().unwrap_or_default().to_vec();
    let added: Vec<&[u8]> = pieces.collect();
    let place = added.first().and_then(|place| std::str::from_utf8(place).ok()?.parse().ok()).unwrap_or(0);
    let encoded = name.ends_with(b"*");
    Some((Some(Section { name: plain, extended: !added.is_empty(), place, encoded, value }), after))
}

/// Passes over semicolons, blanks and comments.
fn skip(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match rest {
            [b';' | b' ' | b'\t', after @ ..] => after,
            [b'(', ..] => match rest.iter().position(|b| *b == b')') {
                Some(end) => rest.get(end + 1..).unwrap_or_default(),
                None => &[],
            },
            _ => return rest,
        };
    }
}

/// What stands before the closing quote, and what follows it; without one, all. Only quotes and backslashes are
/// escaped: other backslashes belong to the paths of a certain system.
fn unquoted(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    loop {
        rest = match rest {
            [] => return (value, rest),
            [b'"', after @ ..] => return (value, after),
            [b'\\', b @ (b'"' | b'\\'), after @ ..] => {
                value.push(*b);
                after
            }
            [b, after @ ..] => {
                value.push(*b);
                after
            }
        };
    }
}

/// Splits off `charset'language'`.
fn charset_of(bytes: &[u8]) -> (Option<&str>, &[u8]) {
    let mut pieces = bytes.splitn(3, |b| *b == b'\'');
    match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(charset), Some(_), Some(text)) => {
            (std::str::from_utf8(charset).ok().filter(|label| !label.is_empty()), text)
        }
        _ => (None, bytes),
    }
}

fn percent_decoded(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some((&b, rest)) = text.split_first() {
        let pair = (b == b'%').then(|| transfer::hex_pair(rest)).flatten();
        let (byte, rest) = pair.unwrap_or((b, rest));
        bytes.push(byte);
        text = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &[u8], name: &str, expected: Option<&str>) {
        let found = Parameters::read(field).get(name);
        assert_eq!(found.as_deref(), expected, "{name} in {}", field.escape_ascii());
    }

    #[test]
    fn the_head_ends_where_parameters_begin() {
        for (field, head) in [
            (&b" text/PLAIN"[..], "text/plain"),
            (b"text/plain ; charset=x", "text/plain"),
            (b"text/plain charset=x", "text/plain"),
            (b"text/plain (comment) ; charset=x", "text/plain"),
            (b"text / plain; x", "text / plain"),
            (b"name=x.pdf", ""),
            (b"", ""),
            (b"; a=b", ""),
        ] {
            assert_eq!(Parameters::read(field).head, head, "{}", field.escape_ascii());
        }
        check(b"text/plain charset=x", "charset", Some("x"));
        check(b"name=x.pdf", "name", Some("x.pdf"));
    }

    #[test]
    fn values_in_quotes_and_without() {
        for (field, expected) in [
            (&b"a; n=x"[..], Some("x")),
            (b"a; N = \"x y\" ; m=z", Some("x y")),
            (b"a; n=x y.pdf ; m=z", Some("x y.pdf")),
            (b"a; n=\"x;y\\\"z\\\\\"", Some("x;y\"z\\")),
            (b"a; n=\"C:\\temp\\x\"", Some("C:\\temp\\x")),
            (b"a; m=\"z\" n=x", Some("x")),
            (b"a; (n=y) n=x", Some("x")),
            (b"a; n=\"x", Some("x")),
            (b"a;;; n=x;", Some("x")),
            (b"a; n; n=", None),
            (b"a; n=x; n=y", Some("x")),
            (b"a; n=\"x\r\n y\"", Some("x y")),
            (b"a; n=caf\xe9", Some("café")),
            (b"a; n=caf\xc3\xa9", Some("café")),
            (b"a; n==?utf-8?Q?a;b?=", Some("=?utf-8?Q?a")),
        ] {
            check(field, "n", expected);
        }
    }

    #[test]
    fn sections_are_joined_in_their_order_before_they_are_decoded() {
        for (field, expected) in [
            (&b"a; n*=utf-8'en'caf%C3%A9"[..], "café"),
            (b"a; n*=\"utf-8''caf%C3%A9\"", "café"),
            (b"a; n*1*=%A9; n*0*=utf-8''caf%C3", "café"),
            (b"a; n*0*=iso-8859-1''caf%E9; n*1=\" 100%25 \"; n*2*=%FC", "café 100%25 ü"),
            (b"a; n*0=\"caf%C3\"; n*1=x", "caf%C3x"),
            (b"a; n*1=a; n*2=b", "ab"),
            (b"a; n*10=k; n*9=j", "jk"),
            (b"a; n=plain; n*=utf-8''better", "better"),
            (b"a; n*=caf%C3%A9", "café"),
            (b"a; n*=''caf%E9", "café"),
            (b"a; n*=koi8-r''%F0%D2%C9", "При"),
            (b"a; n*=x-none''caf%C3%A9", "café"),
            (b"a; n*=utf-8''100%", "100%"),
            (b"a; n*0=\"=?utf-8?B?Y2Fm\"; n*1=\"w6k=?=\"", "café"),
        ] {
            check(field, "n", Some(expected));
        }
    }

    #[test]
    fn any_cut_can_be_read_and_a_hostile_field_is_cut() {
        let field = b"a/b; n*0*=utf-8''caf%C3; n*1*=%A9; m=\"x\\\"y\"; (c) o=\"=?utf-8?Q?=C3=A9?=\"";
        for at in 0..field.len() {
            for name in ["n", "m", "o"] {
                Parameters::read(&field[..at]).get(name);
            }
        }
        for hostile in ["n*9=y;", "(", "\"", "n*=;", ";", "n*0*=utf-8''%41"] {
            Parameters::read(hostile.repeat(100_000).as_bytes()).get("n");
        }
    }
}
