//! What lies in the maildrop: the answers to LIST and UIDL, joined by message number.
//!
//! RFC 1939 sections 5 (LIST) and 7 (UIDL). Pure; the caller hands in complete bodies only. Both are read as real
//! servers write them: several spaces, sizes below zero, 8-bit ids. The promise: numbers are above 0, ascending and
//! unique, and a unique-id stands for one message of this listing or is not given at all.

use std::collections::BTreeMap;
use std::collections::HashMap;

use super::wire;
use crate::ident::UniqueId;

/// One complete look at a maildrop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The messages by ascending number.
    pub entries: Vec<Entry>,
    /// Whether the server has unique-ids at all.
    pub unique_ids: bool,
}

/// One message of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, valid in this session only.
    pub number: u32,
    /// What LIST says of its size: an estimate, often wrong.
    pub size: Option<u64>,
    /// Its unique-id; `None` if it is empty, illegal, too long, or listed for another message too.
    pub unique_id: Option<UniqueId>,
}

/// Joins the bodies of LIST and UIDL; `uidl` is `None` on a server without unique-ids.
///
/// A message that only one of them names is listed all the same: it exists, and a mail must not be overlooked.
pub(super) fn join(list: &[u8], uidl: Option<&[u8]>) -> Listing {
    let mut entries = BTreeMap::new();
    for (number, rest) in wire::lines(list).filter_map(numbered) {
        let size = rest.split(|b| b.is_ascii_whitespace()).next().and_then(decimal);
        entries.entry(number).or_insert(Entry { number, size, unique_id: None });
    }
    for (number, unique_id) in unique_ids(uidl.unwrap_or_default()) {
        entries.entry(number).or_insert(Entry { number, size: None, unique_id: None }).unique_id = unique_id;
    }
    Listing { entries: entries.into_values().collect(), unique_ids: uidl.is_some() }
}

/// The unique-ids by number, without those that do not tell one message from another.
fn unique_ids(uidl: &[u8]) -> BTreeMap<u32, Option<UniqueId>> {
    let mut by_number: BTreeMap<u32, Option<&[u8]>> = BTreeMap::new();
    let mut occurrences: HashMap<&[u8], usize> = HashMap::new();
    for (number, id) in wire::lines(uidl).filter_map(numbered) {
        let seen = occurrences.entry(id).or_default();
        *seen = seen.saturating_add(1);
        // A number that is listed twice has two ids, so it has none.
        by_number.entry(number).and_modify(|id| *id = None).or_insert(Some(id));
    }
    let usable = |id: &&[u8]| occurrences.get(id) == Some(&1);
    by_number.into_iter().map(|(number, id)| (number, id.filter(usable).and_then(UniqueId::parse))).collect()
}

/// Splits `number rest`; `None` if the line begins with no message number.
fn numbered(line: &[u8]) -> Option<(u32, &[u8])> {
    let line = line.trim_ascii();
    let digits = line.iter().position(|b| !b.is_ascii_digit()).unwrap_or(line.len());
    let (number, rest) = line.split_at_checked(digits)?;
    let separated = rest.first().is_none_or(u8::is_ascii_whitespace);
    let number = decimal(number).and_then(|number| u32::try_from(number).ok())?;
    (separated && number > 0).then(|| (number, rest.trim_ascii()))
}

/// A number that makes sense: what exceeds 63 bits is a negative one, printed wrongly.
fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = digits.iter().all(u8::is_ascii_digit);
    let number: i64 = std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()?;
    u64::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected<'a> = (u32, Option<u64>, Option<&'a [u8]>);

    fn check(list: &[u8], uidl: &[u8], expected: &[Expected<'_>]) {
        let listing = join(list, Some(uidl));
        let found: Vec<_> = listing.entries.iter().map(|e| (e.number, e.size, e.unique_id.clone())).collect();
        let id = |id: &Option<&[u8]>| id.map(|id| UniqueId::parse(id).unwrap());
        let expected: Vec<_> = expected.iter().map(|(number, size, text)| (*number, *size, id(text))).collect();
        assert_eq!(found, expected);
        assert!(listing.unique_ids);
    }

    #[test]
    fn both_answers_are_joined_by_number() {
        check(b"1 120\r\n3 200\r\n", b"1 a\r\n3 b\r\n", &[(1, Some(120), Some(b"a")), (3, Some(200), Some(b"b"))]);
        check(b"2 5\r\n1 4\r\n", b"1 a\r\n2 b\r\n", &[(1, Some(4), Some(b"a")), (2, Some(5), Some(b"b"))]);
        check(b"", b"", &[]);
    }

    #[test]
    fn a_message_that_one_answer_lacks_is_listed_all_the_same() {
        check(b"1 4\r\n", b"2 b\r\n", &[(1, Some(4), None), (2, None, Some(b"b"))]);
        let listing = join(b"1 4\r\n", None);
        assert_eq!(
            listing,
            Listing { entries: vec![Entry { number: 1, size: Some(4), unique_id: None }], unique_ids: false }
        );
    }

    #[test]
    fn ids_are_opaque_bytes_with_spaces_trimmed() {
        check(
            b"",
            b"1  two\r\n 2 tail \r\n3\tt\n",
            &[(1, None, Some(b"two")), (2, None, Some(b"tail")), (3, None, Some(b"t"))],
        );
        check(b"", b"1 a b/..\r\n2 \xff\xe9\r\n", &[(1, None, Some(b"a b/..")), (2, None, Some(b"\xff\xe9"))]);
    }

    #[test]
    fn an_id_that_names_no_single_message_is_none() {
        check(b"", b"1\r\n2 \r\n3 a\0b\r\n", &[(1, None, None), (2, None, None), (3, None, None)]);
        check(b"", b"1 x\r\n2 y\r\n3 x\r\n", &[(1, None, None), (2, None, Some(b"y")), (3, None, None)]);
        check(b"", b"1 x\r\n1 y\r\n2 z\r\n", &[(1, None, None), (2, None, Some(b"z"))]);
        let long = [b"1 ", &[b'x'; 1025][..], b"\r\n"].concat();
        check(b"", &long, &[(1, None, None)]);
    }

    #[test]
    fn lines_without_a_legal_number_are_passed_over() {
        check(b"0 1\r\n-1 1\r\n+1 1\r\nabc\r\n\r\n4294967296 1\r\n1x 2\r\n", b"x y\r\n0 z\r\n", &[]);
        check(b"99999999999999999999 1\r\n4294967295 1\r\n", b"", &[(u32::MAX, Some(1), None)]);
    }

    #[test]
    fn a_size_that_is_none_is_not_known() {
        check(
            b"1 -5\r\n2\r\n3  7 octets\r\n4 x\r\n5 18446744073709551615\r\n",
            b"",
            &[(1, None, None), (2, None, None), (3, Some(7), None), (4, None, None), (5, None, None)],
        );
        check(b"1 5\r\n1 6\r\n", b"", &[(1, Some(5), None)]);
    }
}
