//! Address fields (RFC 5322 section 3.4): lists, groups, and what people write instead.

use mail_parser::Addr;
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use crate::parse::Address;
use crate::parse::quoting;

/// Addresses beyond this, over all fields of one name, are not read: twenty thousand of them fit.
const VALUES_MAX: usize = 1024 * 1024;

/// More addresses than these are not taken: each costs some hundred bytes, however short it is.
const ADDRESSES_MAX: usize = 10_000;

/// The addresses of all `values`, in order.
pub(super) fn list<'x>(values: impl IntoIterator<Item = &'x [u8]>) -> Vec<Address> {
    let mut left = VALUES_MAX;
    let mut addresses = Vec::new();
    for value in values {
        let value = value.get(..left).unwrap_or(value);
        left -= value.len();
        let room = ADDRESSES_MAX.saturating_sub(addresses.len());
        addresses.extend(parse(&quoting::quoted(value)).into_iter().flat_map(reread).take(room));
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

/// Reads once more where name and address were hidden together in one encoded word or one pair of quotes, or where the
/// brackets around the address are missing.
fn reread(found: Address) -> Vec<Address> {
    let Address { name: None, address, group } = &found else { return vec![found] };
    let bare = address
        .rsplit_once(' ')
        .filter(|(name, last)| last.contains('@') && !last.contains(['<', '>']) && !name.contains('@'));
    if let Some((name, last)) = bare {
        return vec![Address { name: clean(name), address: last.to_owned(), group: group.clone() }];
    }
    let hidden = address.contains('<') && address.contains('@');
    let inner = if hidden { parse(&[address.as_bytes(), b"\n"].concat()) } else { Vec::new() };
    if inner.is_empty() {
        return vec![found];
    }
    inner.into_iter().map(|inner| Address { group: group.clone(), ..inner }).collect()
}

fn clean(text: &str) -> Option<String> {
    let text = text.trim().replace('\0', "\u{fffd}").replace(['\r', '\n'], " ");
    Some(text).filter(|text| !text.is_empty())
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
            ("Big Bug bb@bug.example", &[("Big Bug", "bb@bug.example", "")]),
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
            let value = hostile.repeat(300_000 / hostile.len());
            assert!(list([&*value, &*value]).len() <= ADDRESSES_MAX);
        }
    }
}
