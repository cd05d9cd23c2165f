//! Address fields (RFC 5322 section 3.4): lists, groups, and what people write instead.

use mail_parser::Addr;
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use crate::parse::Address;
use crate::parse::encoded_word;
use crate::parse::encoded_word::Piece;

/// Addresses beyond this, over all fields of one name, are not read: twenty thousand of them fit.
const VALUES_MAX: usize = 1024 * 1024;

/// Left over `=?` that are no words; more would cost the parser a search each.
const STRAY_MAX: usize = 64;

/// The addresses of all `values`, in order.
pub(super) fn list<'x>(values: impl IntoIterator<Item = &'x [u8]>) -> Vec<Address> {
    let mut left = VALUES_MAX;
    let mut addresses = Vec::new();
    for value in values {
        let value = value.get(..left).unwrap_or(value);
        left -= value.len();
        addresses.extend(parse(&quoted(value)).into_iter().flat_map(reread));
    }
    addresses
}

fn parse(line: &[u8]) -> Vec<Address> {
    let HeaderValue::Address(given) = MessageStream::new(line).parse_address() else { return Vec::new() };
    match given {
        mail_parser::Address::List(list) => list.into_iter().filter_map(|addr| address(addr, None)).collect(),
        mail_parser::Address::Group(groups) => groups
            .into_iter()
            .flat_map(|group| {
                let name = group.name.and_then(|name| clean(&name));
                group.addresses.into_iter().filter_map(move |addr| address(addr, name.clone()))
            })
            .collect(),
    }
}

/// A name alone stands for the address: it is all that there is.
fn address(given: Addr<'_>, group: Option<String>) -> Option<Address> {
    let name = given.name.and_then(|name| clean(&name));
    match given.address.and_then(|address| clean(&address)) {
        Some(address) => Some(Address { name, address, group }),
        None => Some(Address { name: None, address: name?, group }),
    }
}

/// Reads once more where name and address were hidden together in one encoded word or one pair of quotes.
fn reread(found: Address) -> Vec<Address> {
    let hidden = found.name.is_none() && found.address.contains('<') && found.address.contains('@');
    let inner = if hidden { parse(&[found.address.as_bytes(), b"\n"].concat()) } else { Vec::new() };
    match inner.is_empty() {
        true => vec![found],
        false => inner.into_iter().map(|address| Address { group: found.group.clone(), ..address }).collect(),
    }
}

fn clean(text: &str) -> Option<String> {
    let text = text.trim().replace('\0', "\u{fffd}").replace(['\r', '\n'], " ");
    Some(text).filter(|text| !text.is_empty())
}

/// Where in an address field a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Open,
    Quote,
    Comment(usize),
}

/// One unfolded line in which quoted strings stand for encoded words, whose text may hold commas and brackets.
fn quoted(value: &[u8]) -> Vec<u8> {
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

    fn check(value: &str, expected: &[(&str, &str, &str)]) {
        let list = list([value.as_bytes()]);
        let read: Vec<_> = list
            .iter()
            .map(|a| (a.name.as_deref().unwrap_or(""), &*a.address, a.group.as_deref().unwrap_or("")))
            .collect();
        assert_eq!(read, expected, "{value:?}");
    }

    #[test]
    fn lists_names_comments_and_groups() {
        for (value, expected) in [
            ("a@b.example", &[("", "a@b.example", "")][..]),
            ("Ann Lee <a@B.example>,\r\n c@d", &[("Ann Lee", "a@B.example", ""), ("", "c@d", "")]),
            ("\"Lee, Ann\" <a@b>", &[("Lee, Ann", "a@b", "")]),
            ("a@b (Ann)", &[("Ann", "a@b", "")]),
            ("Team: Ann <a@b>, c@d;, e@f", &[("Ann", "a@b", "Team"), ("", "c@d", "Team"), ("", "e@f", "")]),
            ("undisclosed-recipients:;", &[]),
            ("", &[]),
            ("nobody", &[("", "nobody", "")]),
            ("<>", &[]),
        ] {
            check(value, expected);
        }
    }

    #[test]
    fn encoded_names_even_where_they_must_not_stand() {
        for (value, expected) in [
            ("=?utf-8?q?J=C3=B6rg?= <a@b>", &[("Jörg", "a@b", "")][..]),
            ("=?utf-8?q?J=C3?= =?utf-8?q?=B6rg?=\r\n <a@b>", &[("Jörg", "a@b", "")]),
            ("\"=?utf-8?q?J=C3=B6rg?=\" <a@b>", &[("Jörg", "a@b", "")]),
            ("a@b (=?utf-8?q?J=C3=B6rg_=28x=29?=)", &[("Jörg [x]", "a@b", "")]),
            ("=?utf-8?q?Lee=2C_=22Ann=22?= <a@b>, c@d", &[("Lee, \"Ann\"", "a@b", ""), ("", "c@d", "")]),
            ("=?utf-8?q?Ann_=3Ca=40b=3E?=", &[("Ann", "a@b", "")]),
            ("=?utf-8?q?x=00y?= <a@b>", &[("x\u{fffd}y", "a@b", "")]),
            ("Jörg <jörg@münchen.example>", &[("Jörg", "jörg@münchen.example", "")]),
        ] {
            check(value, expected);
        }
    }

    #[test]
    fn a_hostile_field_takes_little_time() {
        for hostile in [&b"=?aa?q?a"[..], b"=?", b"(", b"\"\\", b"<", b",a", b"a:", b";"] {
            let value = hostile.repeat(2_000_000 / hostile.len());
            assert!(list([&*value, &*value]).len() <= VALUES_MAX);
        }
    }
}
