//! The arrows between the rooms: which room may name which. The architecture in `src/lib.rs` says why.
//!
//! Reads the sources as text, comments and strings left out, and looks at every path that begins with `crate::`,
//! whether in a `use`, in a group of one, or written out in code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "test code"
)]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Each room and what it may name. Words first, then rooms, loops and the composition.
const ARROWS: &[(&str, &[&str])] = &[
    (WORD_OF_ALL, &[]),
    ("ident", &[]),
    ("clock", &[]),
    ("secret", &[]),
    ("metrics", &["ident"]),
    ("pop3", &["ident", "secret"]),
    ("spool", &["ident", "clock", "metrics"]),
    ("parse", &["ident"]),
    ("route", &["ident", "parse"]),
    ("oauth", &["ident", "clock", "metrics", "secret", "spool"]),
    ("collect", &["ident", "clock", "metrics", "secret", "pop3", "spool", "retention"]),
    ("deliver", &["ident", "clock", "metrics", "secret", "spool", "parse", "route"]),
    ("retention", &["ident", "clock", "metrics", "spool"]),
    ("notice", &["ident", "clock", "metrics", "secret", "spool"]),
    ("admin", &["ident", "clock", "metrics", "secret", "spool", "parse"]),
    // Of the rooms, the types that make up their configuration.
    (
        "config",
        &[
            "ident",
            "secret",
            "pop3",
            "spool",
            "parse",
            "route",
            "oauth",
            "collect",
            "deliver",
            "retention",
            "notice",
            "admin",
        ],
    ),
    ("cli", EVERYTHING),
    ("app", EVERYTHING),
];

/// Every room may name this, which names nothing: its steps are points to crash at.
const WORD_OF_ALL: &str = "crash";

/// `cli` and `app` may name every room.
const EVERYTHING: &[&str] = &["*"];

/// The longest file, without its tests.
const LINES: usize = 300;

fn may(room: &str, path: &[String]) -> bool {
    let target = path[0].as_str();
    let Some((_, targets)) = ARROWS.iter().find(|(name, _)| *name == room) else { return false };
    target == room || target == WORD_OF_ALL || targets == &EVERYTHING || targets.contains(&target)
}

/// Rust source with comments and the insides of strings replaced by blanks; line ends stay.
fn code(source: &str) -> String {
    let bytes: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    let blank = |from: &[char]| from.iter().map(|c| if *c == '\n' { '\n' } else { ' ' }).collect::<String>();
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length =
            comment(rest).or_else(|| raw_string(&bytes, at)).or_else(|| string(rest)).or_else(|| literal(rest));
        match length {
            Some(length) => out.push_str(&blank(&rest[..length])),
            None => out.push(rest[0]),
        }
        at += length.unwrap_or(1);
    }
    out
}

fn comment(rest: &[char]) -> Option<usize> {
    if rest.starts_with(&['/', '/']) {
        return Some(rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with(&['/', '*']) {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    Some(rest.len())
}

fn raw_string(all: &[char], at: usize) -> Option<usize> {
    let rest = &all[at..];
    if rest[0] != 'r' || (at > 0 && (all[at - 1].is_alphanumeric() && all[at - 1] != 'b' || all[at - 1] == '_')) {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let start = 2 + hashes;
    let found = rest[start..].windows(end.len()).position(|window| window == end.as_slice());
    Some(found.map_or(rest.len(), |found| start + found + end.len()))
}

fn string(rest: &[char]) -> Option<usize> {
    if rest[0] != '"' {
        return None;
    }
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    Some(rest.len())
}

/// A character literal, which may hold a quotation mark; a lifetime is none.
fn literal(rest: &[char]) -> Option<usize> {
    match rest {
        ['\'', '\\', _, ..] => Some(rest[3..].iter().position(|c| *c == '\'').map_or(rest.len(), |at| at + 4)),
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

/// Every path that begins with `crate::`, group members written out, without the `crate`.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = code[at + "crate".len()..].trim_start();
        if let Some(rest) = rest.strip_prefix("::") {
            follow(rest.trim_start(), &mut Vec::new(), &mut found);
        }
    }
    found
}

/// Reads one path or group at the start of `rest`; returns what is left.
fn follow<'a>(rest: &'a str, so_far: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    if let Some(mut rest) = rest.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            match rest.strip_prefix('}') {
                Some(rest) => return rest,
                None if rest.is_empty() => return rest,
                None => {
                    let left = follow(rest, &mut so_far.clone(), found);
                    // Skips `as NAME` and whatever else cannot be part of a path.
                    let next = left.find([',', '}']).unwrap_or(left.len());
                    rest = &left[next..];
                }
            }
        }
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(rest.len());
    so_far.push(rest[..end].to_owned());
    let rest = rest[end..].trim_start();
    if let Some(rest) = rest.strip_prefix("::") {
        let rest = rest.trim_start();
        if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '{' || c == '*') {
            return follow(rest, so_far, found);
        }
    }
    found.push(so_far.clone());
    rest
}

/// The room that a file of `src/` belongs to; `None` for the two roots.
fn room(file: &str) -> Option<&str> {
    match file {
        "lib.rs" | "main.rs" => None,
        _ => Some(file.split('/').next().unwrap().trim_end_matches(".rs")),
    }
}

/// The code without its test modules: from `#[cfg(test)]` to the end of the item that follows.
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let end = match (item.find('{'), item.find(';')) {
            (Some(open), semicolon) if semicolon.is_none_or(|semicolon| open < semicolon) => closing(item, open),
            (_, Some(semicolon)) => semicolon + 1,
            _ => item.len(),
        };
        rest = &item[end..];
    }
    out + rest
}

fn closing(text: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    text.len()
}

/// Everything that is wrong with one file; `file` is its path below `src/`.
fn faults(file: &str, source: &str) -> Vec<String> {
    let code = code(source);
    let flat: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let mut faults = Vec::new();
    let mut fault = |text: String| faults.push(format!("src/{file}: {text}"));
    if !source.starts_with("//!") {
        fault("does not say in its first line what it is (//!)".to_owned());
    }
    if flat.contains("super::super") {
        fault("climbs with super::super; name it from crate::".to_owned());
    }
    if flat.contains("#[ignore") {
        fault("has an ignored test".to_owned());
    }
    if flat.contains("todo!(") || flat.contains("unimplemented!(") {
        fault("is not finished (todo!)".to_owned());
    }
    let is_test = file.ends_with("/tests.rs") || file.contains("/tests/");
    let lines = without_tests(&code).trim_end().lines().count();
    if lines > LINES && !is_test {
        fault(format!("has {lines} lines without its tests; {LINES} is the end"));
    }
    let Some(room) = room(file) else { return faults };
    if !ARROWS.iter().any(|(name, _)| *name == room) {
        fault(format!("room `{room}` has no row in tests/layers.rs"));
        return faults;
    }
    let named: BTreeSet<Vec<String>> = paths(&code).into_iter().collect();
    // A macro or item at the crate's root belongs to no room; names of rooms are lower case.
    for path in named.iter().filter(|path| path[0].starts_with(|c: char| c.is_lowercase() || c == '*')) {
        if !may(room, path) {
            fault(format!("`{room}` may not name crate::{}", path.join("::")));
        }
    }
    faults
}

/// The rooms that `lib.rs` declares.
fn declared(lib: &str) -> BTreeSet<String> {
    let code = code(lib);
    let names = code.lines().filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod "));
    names.map(|name| name.trim_end_matches(';').trim().to_owned()).collect()
}

/// Every `.rs` file below `dir`, by its path from `src`.
fn sources(dir: &Path, below: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            sources(&entry.path(), &format!("{name}/"), found);
        } else if name.ends_with(".rs") {
            found.insert(name, fs::read_to_string(entry.path()).unwrap());
        }
    }
}

fn all_sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found);
    found
}

#[test]
fn every_room_keeps_to_its_arrows() {
    let faults: Vec<String> = all_sources().iter().flat_map(|(file, source)| faults(file, source)).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_room_in_lib_has_a_row() {
    let rows: BTreeSet<String> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let declared = declared(&all_sources()["lib.rs"]);
    let unknown: Vec<_> = declared.difference(&rows).collect();
    assert!(unknown.is_empty(), "no row in tests/layers.rs for {unknown:?}");
}

#[test]
fn no_test_is_ignored() {
    let mut found = BTreeMap::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), "", &mut found);
    for (file, source) in found {
        let flat: String = code(&source).chars().filter(|c| !c.is_whitespace()).collect();
        assert!(!flat.contains("#[ignore"), "tests/{file} has an ignored test");
        assert!(!flat.contains("todo!("), "tests/{file} is not finished");
    }
}

/// One file of one room, and the number of its faults.
fn check(file: &str, body: &str, expected: usize) {
    let found = faults(file, &format!("//! One idea.\n{body}"));
    assert_eq!(found.len(), expected, "{file}: {body}\n{found:#?}");
}

#[test]
fn the_checker_sees_every_form_of_a_forbidden_arrow() {
    check("pop3/wire.rs", "use crate::ident::UniqueId;", 0);
    check("pop3/wire.rs", "use crate::spool::Spool;", 1);
    check("pop3.rs", "use crate::spool::Spool;", 1);
    check("pop3/a/b.rs", "use crate::{ident::UniqueId, spool::Spool};", 1);
    check(
        "pop3/wire.rs",
        "use crate::{\n    ident::{UniqueId, Content},\n    spool::{self, Spool as S}, parse::Mail,\n};",
        3,
    );
    check("pop3/wire.rs", "fn f() -> crate::spool::Spool { crate :: deliver :: go() }", 2);
    check("pop3/wire.rs", "use crate::*;", 1);
    check("ident.rs", "use crate::crash;", 0);
    check("crash.rs", "use crate::clock::Clock;", 1);
    check("spool/mod.rs", "pub(crate) fn f() {}\nuse crate::clock::Clock;", 0);
    check("spool/mod.rs", "use crate::pop3::Session;", 1);
    check("deliver/attempt.rs", "use crate::pop3::Session;", 1);
    check("collect/visit.rs", "use crate::deliver::Webhook;\nuse crate::oauth::Token;", 2);
    check("metrics.rs", "use crate::ident::MailboxName;\nuse crate::clock::Clock;", 1);
    check("cli/once.rs", "use crate::app::App;\nuse crate::pop3::Session;", 0);
    check("config/check.rs", "use crate::pop3::Config;\nuse crate::ident::MailboxName;\nuse crate::pop3;", 0);
    check("config/check.rs", "use crate::app::App;", 1);
}

#[test]
fn the_checker_does_not_read_comments_and_strings() {
    check("pop3/wire.rs", "// crate::spool::Spool\n/* crate::spool /* crate::spool */ crate::spool */", 0);
    check("pop3/wire.rs", "/// [`crate::spool`]\nconst A: &str = \"crate::spool \\\" crate::spool\";", 0);
    check("pop3/wire.rs", "const A: &str = r#\"crate::spool \" crate::spool\"#;", 0);
    check("pop3/wire.rs", "const A: char = '\"'; use crate::spool::Spool; const B: char = '\"';", 1);
    check("pop3/wire.rs", "fn f<'a>(a: &'a str) -> crate::spool::X<'a> {}", 1);
    check("pop3/wire.rs", "const A: char = '\\''; use crate::spool::Spool;", 1);
}

#[test]
fn the_checker_refuses_what_the_house_refuses() {
    check("weather.rs", "", 1);
    check("pop3/wire.rs", "use super::super::spool::Spool;", 1);
    check("pop3/wire.rs", "use super::wire;", 0);
    check("pop3/wire.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() { todo!() }", 2);
    assert_eq!(faults("pop3/wire.rs", "use std::fmt;\n").len(), 1);
    let long = "fn f() {}\n".repeat(300);
    check("pop3/wire.rs", &long, 1);
    check("pop3/wire.rs", &format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(299), long), 0);
    check("pop3/wire.rs", &format!("#[cfg(test)]\nmod tests;\n{long}"), 1);
    check("pop3/tests.rs", &long, 0);
    assert_eq!(declared("//! pub mod x;\npub mod a;\n\nmod b;\npub mod c;\n").len(), 3);
}
