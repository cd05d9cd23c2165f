//! What must hold for every byte that a server can send: the bodies of the fuzz targets, which are tests, too.
//!
//! `fuzz/` calls each of these with inputs that it makes up; `tests/properties.rs` calls them with the seeds that lie
//! there and with mutations of them. Each panics where a promise of this room is broken. Not a part of the program.

use std::collections::HashSet;

use super::capability::Capabilities;
use super::header;
use super::listing;
use super::reply::Reply;
use super::wire;
use super::wire::LINE_MAX;
use super::wire::LineEnd;
use super::wire::Unstuffer;
use crate::ident::UniqueId;

/// A secret that a server might repeat.
const SECRET: &str = "hunter2";

/// Bodies: however they are split they come out the same, and stuffing is taken out exactly.
pub fn wire(input: &[u8]) {
    for end in [LineEnd::CrLf, LineEnd::Lf] {
        let whole = unstuffed(end, input.chunks(usize::MAX));
        for size in [1, 2, 3, 7] {
            assert_eq!(unstuffed(end, input.chunks(size)), whole, "in chunks of {size}");
        }
        let at = input.first().map_or(0, |&b| usize::from(b)).min(input.len());
        let (head, tail) = input.split_at(at);
        assert_eq!(unstuffed(end, [head, tail].into_iter()), whole, "split at {at}");

        let message = complete(end, input);
        let sent = [stuffed(end, &message).as_slice(), b"+OK\r\n.\r\n"].concat();
        let got = unstuffed(end, sent.chunks(at.max(1)));
        assert_eq!(got.body, message, "a message comes out as it went in");
        assert_eq!((got.ended, got.left), (true, 8), "and the next answer is left alone");
    }
    if let Some(line) = wire::line(input) {
        assert!(line.used <= input.len() && !line.text.contains(&b'\n'));
        assert!(line.text.len() < line.used);
    }
    let longest = wire::lines(input).map(<[u8]>::len).max().unwrap_or(0);
    let count = wire::lines(input).count();
    assert!(wire::fits(input, count, longest));
    assert!(count == 0 || !wire::fits(input, count.saturating_sub(1), longest));
    assert!(longest == 0 || !wire::fits(input, count, longest.saturating_sub(1)));
    let _some_date = header::date(input);
}

/// Status lines: what is shown of them is short, harmless, and without the secret.
pub fn reply(input: &[u8]) {
    let line = wire::lines(input).next().unwrap_or_default();
    let begins = |token: &[u8]| line.get(..token.len()).is_some_and(|start| start.eq_ignore_ascii_case(token));
    let Some(reply) = Reply::parse(line) else { return };
    assert!(begins(b"+OK") || begins(b"-ERR"), "only a status makes a reply");
    for shown in [reply.text(), reply.text_without(&[SECRET]), reply.refused("LIST").to_string()] {
        assert!(shown.len() <= 250, "{} bytes", shown.len());
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert!(!shown.contains('@'), "{shown:?}");
    }
    assert!(!reply.text_without(&[SECRET]).contains(SECRET));
    let told = reply.code();
    assert!(told.is_none() || reply.login_code() == told, "a code is believed before any words");
}

/// LIST and UIDL, parted by a NUL: each number and each unique-id stands once, in order, and a listing that is written
/// down and read again is the same.
pub fn listing(input: &[u8]) {
    let at = input.iter().position(|&b| b == 0).unwrap_or(input.len());
    let (list, uidl) = (input.get(..at).unwrap_or_default(), input.get(at.saturating_add(1)..));
    let found = listing::join(list, uidl);
    assert!(found.entries.is_sorted_by(|one, next| one.number < next.number), "each number once, in order");
    assert!(found.entries.first().is_none_or(|entry| entry.number > 0));
    assert_eq!(found.unique_ids, uidl.is_some());

    let ids: Vec<&UniqueId> = found.entries.iter().filter_map(|entry| entry.unique_id.as_ref()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "each unique-id once");
    assert!(uidl.is_some() || ids.is_empty());

    let (mut list, mut uidl) = (Vec::new(), Vec::new());
    for entry in &found.entries {
        let size = entry.size.map(|size| size.to_string()).unwrap_or_default();
        list.extend_from_slice(format!("{} {size}\r\n", entry.number).as_bytes());
        if let Some(id) = &entry.unique_id {
            uidl.extend_from_slice(format!("{} ", entry.number).as_bytes());
            uidl.extend_from_slice(id.as_bytes());
            uidl.extend_from_slice(b"\r\n");
        }
    }
    assert_eq!(listing::join(&list, found.unique_ids.then_some(uidl.as_slice())), found);
}

/// Capabilities: they can be shown, each can be found, and written down and read again they are the same.
pub fn capability(input: &[u8]) {
    let found = Capabilities::parse(input);
    let lines: Vec<String> = found.lines().collect();
    for line in &lines {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.len() <= LINE_MAX);
        assert!(found.has(line.split(' ').next().unwrap_or_default()), "{line:?}");
    }
    assert!(found.sasl().iter().all(|mechanism| !mechanism.contains(char::is_whitespace)));
    assert!(found.login_delay().is_none() || found.has("LOGIN-DELAY"));
    assert!(found.expire().is_none() || found.has("EXPIRE"));
    assert_eq!(Capabilities::parse(lines.join("\r\n").as_bytes()), found);
}

/// What comes of a body that arrives in chunks.
#[derive(Debug, PartialEq, Eq)]
struct Unstuffed {
    body: Vec<u8>,
    ended: bool,
    /// Bytes that are not used.
    left: usize,
}

fn unstuffed<'a>(end: LineEnd, chunks: impl Iterator<Item = &'a [u8]>) -> Unstuffed {
    let unstuffer = Unstuffer::new(end);
    let (mut body, mut waiting, mut ended) = (Vec::new(), Vec::new(), false);
    for chunk in chunks {
        waiting.extend_from_slice(chunk);
        if ended {
            continue;
        }
        let taken = unstuffer.take(&waiting, &mut body);
        waiting.drain(..taken.used);
        ended = taken.ended;
        assert!(ended || waiting.len() <= 2, "{} bytes are held back", waiting.len());
    }
    Unstuffed { body, ended, left: waiting.len() }
}

/// A message whose last line has an end.
fn complete(end: LineEnd, text: &[u8]) -> Vec<u8> {
    let ending: &[u8] = match end {
        LineEnd::CrLf => b"\r\n",
        LineEnd::Lf => b"\n",
    };
    if text.is_empty() || text.ends_with(ending) { text.to_vec() } else { [text, ending].concat() }
}

/// A message as a server that does all right sends it, with its final line.
fn stuffed(end: LineEnd, message: &[u8]) -> Vec<u8> {
    let mut sent = Vec::new();
    for &byte in message {
        let line_start = match end {
            LineEnd::CrLf => sent.is_empty() || sent.ends_with(b"\r\n"),
            LineEnd::Lf => sent.is_empty() || sent.ends_with(b"\n"),
        };
        if line_start && byte == b'.' {
            sent.push(b'.');
        }
        sent.push(byte);
    }
    sent.extend_from_slice(match end {
        LineEnd::CrLf => b".\r\n",
        LineEnd::Lf => b".\n",
    });
    sent
}
