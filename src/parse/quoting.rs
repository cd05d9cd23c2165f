//! Encoded words in fields that have a grammar (addresses, parameters): decoded before the field is taken apart.
//!
//! Their text may hold commas and brackets, so it becomes a quoted string. What the parser of the field then meets
//! holds no encoded words, with which it would take long and cut characters in two.

use crate::parse::encoded_word;
use crate::parse::encoded_word::Piece;

/// Left over `=?` that are no words; more would cost the parser a search each.
const STRAY_MAX: usize = 64;

/// Where in a field a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Open,
    Quote,
    Comment(usize),
}

/// The field as one line in which quoted strings stand for encoded words.
pub(super) fn quoted(value: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(value.len() + 1);
    let (mut place, mut strays) = (Place::Open, 0);
    for piece in encoded_word::pieces(value).0 {
        match piece {
            Piece::Plain(bytes) => {
                let bytes = encoded_word::unfold(bytes);
                place = after(place, &bytes);
                push_plain(&mut line, &bytes, &mut strays);
            }
            Piece::Words(text) => {
                let escaped: String = text.chars().flat_map(|c| escape(c, place)).collect();
                match place {
                    Place::Open => line.extend_from_slice(format!("\"{escaped}\"").as_bytes()),
                    Place::Quote | Place::Comment(_) => line.extend_from_slice(escaped.as_bytes()),
                }
            }
        }
    }
    line.push(b'\n');
    line
}

fn push_plain(line: &mut Vec<u8>, bytes: &[u8], strays: &mut usize) {
    for (at, &b) in bytes.iter().enumerate() {
        if b == b'?' && at > 0 && bytes.get(at - 1) == Some(&b'=') {
            *strays += 1;
            if *strays > STRAY_MAX {
                line.push(b' ');
            }
        }
        line.push(b);
    }
}

/// In a comment the parser would put blanks around an escaped bracket, so another kind of bracket stands there.
fn escape(c: char, place: Place) -> impl Iterator<Item = char> {
    let (escape, c) = match (place, c) {
        (Place::Comment(_), '(') => (None, '['),
        (Place::Comment(_), ')') => (None, ']'),
        (Place::Comment(_), '\\') => (None, '/'),
        (_, '"' | '\\') => (Some('\\'), c),
        _ => (None, c),
    };
    escape.into_iter().chain([c])
}

/// The place after `bytes` were passed.
fn after(mut place: Place, bytes: &[u8]) -> Place {
    let mut escaped = false;
    for &b in bytes {
        if std::mem::take(&mut escaped) {
            continue;
        }
        place = match (place, b) {
            (Place::Quote | Place::Comment(_), b'\\') => {
                escaped = true;
                place
            }
            (Place::Open, b'"') => Place::Quote,
            (Place::Quote, b'"') => Place::Open,
            (Place::Open, b'(') => Place::Comment(1),
            (Place::Comment(depth), b'(') => Place::Comment(depth + 1),
            (Place::Comment(1), b')') => Place::Open,
            (Place::Comment(depth), b')') => Place::Comment(depth.saturating_sub(1)),
            _ => place,
        };
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&quoted(value.as_bytes())), format!("{expected}\n"), "{value:?}");
    }

    #[test]
    fn words_become_quoted_strings_where_they_stand() {
        for (value, expected) in [
            (" a@b\r\n", " a@b "),
            ("=?utf-8?q?x=22y?= <a@b>", "\"x\\\"y\" <a@b>"),
            ("\"=?utf-8?q?x=22y?=\" <a@b>", "\"x\\\"y\" <a@b>"),
            ("(=?utf-8?q?x=29?=) =?utf-8?q?y?=", "(x]) \"y\""),
            ("a; name==?utf-8?q?=C3?=\r\n =?utf-8?q?=A9?=", "a; name=\"é\""),
        ] {
            check(value, expected);
        }
    }
}
