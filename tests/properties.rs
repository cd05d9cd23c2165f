//! What must hold for any bytes: the fuzz targets' properties over their seeds, and over mutations of them that are the
//! same each time. The properties are no part of what is released.

#![cfg(debug_assertions)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use pophook::deliver::payload;
use pophook::pop3;

/// What makes what a server says more interesting.
const OF_SERVERS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b".",
    b"\r\n.\r\n",
    b"\n.\n",
    b"..",
    b"\0",
    b" ",
    b"\t",
    b"+OK",
    b"-ERR [SYS/TEMP] ",
    b"hunter2",
    b"4294967296",
    b"\xe2\x80\xa8",
    b"1 ",
];

/// What makes a letter more interesting.
const OF_LETTERS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"--b\r\n",
    b"--b--\r\n",
    b"=?utf-8?q?=e2=82?=",
    b"=?utf-7?b?+//?=",
    b"Content-Type: multipart/alternative; boundary=b\r\n",
    b"Content-Type: message/rfc822\r\n\r\n",
    b"Content-Type: text/html\r\n\r\n<table><tr><td>",
    b"Content-Type: text/plain; format=flowed; delsp=yes\r\n",
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"begin 644 a\r\n#86)C\r\n`\r\nend\r\n",
    b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:99999999T999999Z\r\n",
    b"> ",
    b"-- \r\n",
    b"On Monday, Ann wrote:\r\n",
    b"filename*0*=utf-8''%e2; filename*1=%82%ac",
    b"&#x110000;&#0;&nbsp",
    b"\xff\xfe",
    b"\x1b$B",
    b"\x78\x9f\x3e\x22",
    b"=\r\n",
];

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_none_or(|ending| ending != "json"));
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(seeds.len() > 3);
    seeds
}

/// Holds a property for each seed and for so many mutations.
fn check(folder: &str, words: &[&[u8]], mutations: usize, property: fn(&[u8])) {
    let seeds = seeds(folder);
    seeds.iter().for_each(|seed| property(seed));
    let mut chance = fastrand::Rng::with_seed(1939);
    for _ in 0..mutations {
        let mut input = chance.choice(&seeds).unwrap().clone();
        for _ in 0..chance.usize(1..6) {
            mutate(&mut input, &seeds, words, &mut chance);
        }
        // Tells which input it was, should the property not hold.
        let held = std::panic::catch_unwind(|| property(&input));
        assert!(held.is_ok(), "{folder}: does not hold for {}", input.escape_ascii());
    }
}

fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&[u8]], chance: &mut fastrand::Rng) {
    let at = chance.usize(..=input.len());
    match chance.u8(..5) {
        0 => input.truncate(at),
        1 => drop(input.drain(at..(at + chance.usize(..4)).min(input.len()))),
        2 => drop(input.splice(at..at, chance.choice(words).unwrap().iter().copied())),
        3 => input.insert(at, chance.u8(..)),
        _ => {
            let other = chance.choice(seeds).unwrap();
            let from = chance.usize(..=other.len());
            input.extend_from_slice(&other[from..(from + 200).min(other.len())]);
        }
    }
}

#[test]
fn bodies_come_out_the_same_however_they_are_split() {
    check("fuzz/seeds/wire", OF_SERVERS, 4000, pop3::properties::wire);
}

#[test]
fn what_is_shown_of_a_reply_is_harmless() {
    check("fuzz/seeds/reply", OF_SERVERS, 4000, pop3::properties::reply);
}

#[test]
fn a_listing_names_each_message_once() {
    check("fuzz/seeds/listing", OF_SERVERS, 4000, pop3::properties::listing);
}

#[test]
fn capabilities_are_read_as_they_are_shown() {
    check("fuzz/seeds/capability", OF_SERVERS, 4000, pop3::properties::capability);
}

#[test]
fn any_bytes_are_a_letter_that_is_told_whole() {
    check("tests/letters", OF_LETTERS, 6000, payload::properties::letter);
}
