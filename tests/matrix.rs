//! The rows of the fault matrix, and that each has its test: its id begins the name of a test, or it stands below with the
//! reason why not.
//!
//! K process kill · P power loss · M the POP3 side · S the store · E the endpoint · N network, names, TLS, proxy ·
//! T time · G shutdown · C reload · L the soak.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How many rows each part has, counted from 1.
const PARTS: &[(char, u8)] =
    &[('k', 15), ('p', 1), ('m', 12), ('s', 11), ('e', 17), ('n', 7), ('t', 2), ('g', 9), ('c', 1), ('l', 1)];

/// Rows that no test of this suite can stage, and why.
const NOT_STAGED: &[(&str, &str)] = &[
    ("m11", "two replicas on one mailbox: belongs to the engine for several replicas"),
    ("s3", "a database connection lost around COMMIT: belongs to the engine for several replicas; here, see s2"),
    ("s4", "a database that is down: belongs to the engine for several replicas"),
    ("s6", "a failover of the database: belongs to the engine for several replicas"),
    ("e17", "a receiver that answers 2xx for another host is not to be told from the right one"),
    ("n4", "a black hole for IPv6 beside a good IPv4 address needs a network of its own, not loopback"),
    ("n7", "loss and latency of packets need a network of its own, not loopback"),
    ("t2", "the clock of another replica: belongs to the engine for several replicas"),
    ("g9", "a rolling update: belongs to the engine for several replicas"),
    ("l1", "the soak runs by hand: tests/soak.rs"),
];

fn rows() -> BTreeSet<String> {
    PARTS.iter().flat_map(|(part, rows)| (1..=*rows).map(move |row| format!("{part}{row}"))).collect()
}

/// The ids that a test's name begins with: `k2_k3_killed_…` has two.
fn ids(name: &str) -> Vec<&str> {
    let is_id = |word: &&str| {
        let digits = word.get(1..).unwrap_or_default();
        word.starts_with(|c: char| c.is_ascii_lowercase()) && digits.parse::<u8>().is_ok()
    };
    name.split('_').take_while(is_id).collect()
}

/// The names of the tests in a source.
fn tests(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some(name) = function.and_then(|rest| rest.split('(').next()).filter(|_| is_test) {
            found.push(name);
            is_test = false;
        }
    }
    found
}

fn sources(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_row_has_its_test_or_a_reason() {
    let mut all = Vec::new();
    ["src", "tests"].iter().for_each(|dir| sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut all));
    let mut covered: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in all.iter().flat_map(|source| tests(source)) {
        ids(name).into_iter().for_each(|id| covered.entry(id).or_default().push(name));
    }
    let rows = rows();
    let unknown: Vec<_> = covered.iter().filter(|(id, _)| !rows.contains(**id)).collect();
    assert!(unknown.is_empty(), "no such rows: {unknown:?}");
    let excused: BTreeSet<&str> = NOT_STAGED.iter().map(|(id, _)| *id).collect();
    let bare: Vec<_> =
        rows.iter().filter(|id| !covered.contains_key(id.as_str()) && !excused.contains(&***id)).collect();
    assert!(bare.is_empty(), "rows without a test: {bare:?}");
    let done: Vec<_> = excused.iter().filter(|id| covered.contains_key(**id)).collect();
    assert!(done.is_empty(), "rows that have their test now, and need no excuse: {done:?}");
}

#[test]
fn ids_are_read_from_the_beginning_of_a_name() {
    assert_eq!(ids("k2_k13_killed_at_e1_places"), ["k2", "k13"]);
    assert_eq!(ids("a_mail_of_p1"), Vec::<&str>::new());
    assert_eq!(tests("#[test]\nfn k1_a() {\n fn b() {}\n}\n#[tokio::test]\nasync fn c() {}\nfn d() {}"), ["k1_a", "c"]);
}
