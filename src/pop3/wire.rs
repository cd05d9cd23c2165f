//! The wire format: lines and dot-stuffed bodies, as pure functions over bytes that may be split anywhere.
//!
//! RFC 1939 section 3: a multi-line answer ends with the line `.`, and a line that begins with a dot is sent with one
//! more. RFC 5321 section 4.1.1.4 tells why only CRLF makes a line here: a bare LF inside a mail must not end it.
//! Nothing here reads, waits or knows a limit. The promise: a body comes out byte for byte as it stood before it was
//! stuffed, with every byte looked at once by a vector search and copied once.

use memchr::memchr;
use memchr::memmem::Finder;

/// The longest status line and listing line, in bytes; RFC 2449 allows 512.
pub(super) const LINE_MAX: usize = 8 * 1024;

/// What ends the server's own lines, as its greeting showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// CRLF, as the standard says: in a body, too, only CRLF ends a line.
    CrLf,
    /// A bare LF, "used by some broken UNIX servers": LF ends a line, a CR before it belongs to the ending.
    Lf,
}

/// One line at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The line without its ending.
    pub(super) text: &'a [u8],
    /// What ended it.
    pub(super) end: LineEnd,
    /// How many bytes it takes, with its ending.
    pub(super) used: usize,
}

/// The first line of `bytes`, or `None` if its end has not arrived yet.
pub(super) fn line(bytes: &[u8]) -> Option<Line<'_>> {
    let (text, _) = bytes.split_at_checked(memchr(b'\n', bytes)?)?;
    let used = text.len().saturating_add(1);
    Some(match text.strip_suffix(b"\r") {
        Some(text) => Line { text, end: LineEnd::CrLf, used },
        None => Line { text, end: LineEnd::Lf, used },
    })
}

/// The lines of a complete body, without their endings.
pub(super) fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split_inclusive(|&b| b == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

/// Whether `body` has at most `count` lines, each of at most `length` bytes.
pub(super) fn fits(body: &[u8], count: usize, length: usize) -> bool {
    lines(body).nth(count).is_none() && lines(body).all(|line| line.len() <= length)
}

/// What became of one chunk of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// How many bytes of the chunk are done with; the rest must stand before the next chunk.
    pub(super) used: usize,
    /// Whether the final line was among them.
    pub(super) ended: bool,
}

/// What a dot at the start of a line turns out to be.
enum Dot {
    /// The next bytes will tell.
    Unclear,
    /// The final line, this long.
    Final(usize),
    /// A stuffed dot, followed by this byte of content.
    Stuffed(u8),
}

/// Takes the stuffing out of bodies.
#[derive(Debug)]
pub(super) struct Unstuffer {
    dot_line: Finder<'static>,
    end: LineEnd,
}

impl Unstuffer {
    /// For a server whose own lines end with `end`.
    pub(super) fn new(end: LineEnd) -> Unstuffer {
        Unstuffer { dot_line: Finder::new(b"\n."), end }
    }

    /// Appends what `chunk` holds of a body to `body`, which is empty at the first chunk.
    ///
    /// At most two bytes of a chunk that does not end the body are left unused.
    pub(super) fn take(&self, chunk: &[u8], body: &mut Vec<u8>) -> Taken {
        let mut rest = chunk;
        while let Some((text, dotted)) = self.dot(rest, body).and_then(|at| rest.split_at_checked(at)) {
            body.extend_from_slice(text);
            let before = chunk.len().saturating_sub(dotted.len());
            match self.judge(dotted) {
                Dot::Unclear => return Taken { used: before, ended: false },
                Dot::Final(length) => return Taken { used: before.saturating_add(length), ended: true },
                // Copied together with the dot's removal: after it, the body's tail no longer looks like a line start.
                Dot::Stuffed(content) => body.push(content),
            }
            rest = dotted.get(2..).unwrap_or_default();
        }
        body.extend_from_slice(rest);
        Taken { used: chunk.len(), ended: false }
    }

    /// Where the first dot at the start of a line is in `rest`, which follows `body`.
    fn dot(&self, rest: &[u8], body: &[u8]) -> Option<usize> {
        let at_line_start = match self.end {
            LineEnd::CrLf => body.is_empty() || body.ends_with(b"\r\n"),
            LineEnd::Lf => body.is_empty() || body.ends_with(b"\n"),
        };
        if at_line_start && rest.starts_with(b".") {
            return Some(0);
        }
        let ends_line = |&lf: &usize| match self.end {
            LineEnd::CrLf => lf.checked_sub(1).map_or(body.last(), |cr| rest.get(cr)) == Some(&b'\r'),
            LineEnd::Lf => true,
        };
        self.dot_line.find_iter(rest).find(ends_line).map(|lf| lf.saturating_add(1))
    }

    fn judge(&self, dotted: &[u8]) -> Dot {
        match (dotted.get(1..).unwrap_or_default(), self.end) {
            ([] | [b'\r'], _) => Dot::Unclear,
            ([b'\r', b'\n', ..], _) => Dot::Final(3),
            ([b'\n', ..], LineEnd::Lf) => Dot::Final(2),
            ([content, ..], _) => Dot::Stuffed(*content),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unstuff(end: LineEnd, chunks: &[&[u8]]) -> Option<(Vec<u8>, Vec<u8>)> {
        let unstuffer = Unstuffer::new(end);
        let (mut body, mut waiting) = (Vec::new(), Vec::new());
        for (n, chunk) in chunks.iter().enumerate() {
            waiting.extend_from_slice(chunk);
            let taken = unstuffer.take(&waiting, &mut body);
            waiting.drain(..taken.used);
            if taken.ended {
                return Some((body, [waiting, chunks[n + 1..].concat()].concat()));
            }
            assert!(waiting.len() <= 2, "{waiting:?} left");
        }
        None
    }

    /// Feeds `sent` in two chunks, split at every byte, and byte by byte.
    fn check(end: LineEnd, sent: &[u8], body: &[u8], left: &[u8]) {
        let expected = Some((body.to_vec(), left.to_vec()));
        for (head, tail) in (0..=sent.len()).map(|at| sent.split_at(at)) {
            assert_eq!(unstuff(end, &[head, tail]), expected, "{:?} {:?}", head.escape_ascii(), tail.escape_ascii());
        }
        assert_eq!(unstuff(end, &sent.chunks(1).collect::<Vec<_>>()), expected, "{:?}", sent.escape_ascii());
    }

    #[test]
    fn one_leading_dot_goes_and_nothing_else_changes() {
        for (sent, body) in [
            (&b"a\r\n.\r\n"[..], &b"a\r\n"[..]),
            (b"..\r\n.\r\n", b".\r\n"),
            (b"...\r\n.\r\n", b"..\r\n"),
            (b".x\r\n.\r\n", b"x\r\n"),
            (b"a\r\n..b\r\n..\r\n..\r\n.\r\n", b"a\r\n.b\r\n.\r\n.\r\n"),
            (b"a.\r\nb\r\n.\r\n", b"a.\r\nb\r\n"),
            (b"a\0\xff\r\r\nb\rc\r\n.\r\n", b"a\0\xff\r\r\nb\rc\r\n"),
            (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n"),
            (b"\r\n..\r\n\r\n.\r\n", b"\r\n.\r\n\r\n"),
        ] {
            check(LineEnd::CrLf, sent, body, b"");
        }
    }

    #[test]
    fn an_empty_message_is_what_stood_before_the_final_line() {
        check(LineEnd::CrLf, b".\r\n", b"", b"");
        check(LineEnd::CrLf, b"\r\n.\r\n", b"\r\n", b"");
        check(LineEnd::Lf, b".\n", b"", b"");
    }

    #[test]
    fn the_next_answer_is_left_alone() {
        check(LineEnd::CrLf, b"a\r\n.\r\n+OK\r\n.\r\n", b"a\r\n", b"+OK\r\n.\r\n");
        check(LineEnd::CrLf, b".\r\n.\r\n", b"", b".\r\n");
        check(LineEnd::Lf, b"a\n.\n-ERR\n", b"a\n", b"-ERR\n");
    }

    #[test]
    fn a_bare_line_feed_cannot_smuggle_the_end_into_a_mail() {
        for (sent, body) in [
            (&b"a\n.\r\n+OK fake\r\n.\r\n"[..], &b"a\n.\r\n+OK fake\r\n"[..]),
            (b"a\r\n.\n+OK fake\r\n.\r\n", b"a\r\n\n+OK fake\r\n"),
            (b"a\n.\n.\n.\r\n.\r\n", b"a\n.\n.\n.\r\n"),
            (b"\n.\r\n.\r\n", b"\n.\r\n"),
            (b"a\n..b\r\n.\r\n", b"a\n..b\r\n"),
        ] {
            check(LineEnd::CrLf, sent, body, b"");
        }
    }

    #[test]
    fn a_server_that_speaks_line_feeds_ends_with_them() {
        for (sent, body) in [
            (&b"a\n..b\n.c\n.\n"[..], &b"a\n.b\nc\n"[..]),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"a\r\n..\n.\n", b"a\r\n.\n"),
            (b"a\n.\rb\n.\n", b"a\n\rb\n"),
        ] {
            check(LineEnd::Lf, sent, body, b"");
        }
    }

    #[test]
    fn a_body_without_its_final_line_has_not_ended() {
        for sent in [&b""[..], b"a\r\n", b"a\r\n.", b"a\r\n.\r", b"a\r\n..\r\n", b"a.\r\n", b"a\n.\n", b"."] {
            assert_eq!(unstuff(LineEnd::CrLf, &[sent]), None, "{:?}", sent.escape_ascii());
        }
    }

    #[test]
    fn a_line_may_be_as_long_as_it_likes() {
        let body = [&[b'x'; 200_000][..], b"\r\n"].concat();
        let sent = [&body[..], b".\r\n"].concat();
        for size in [1000, 8192, 65536] {
            assert_eq!(unstuff(LineEnd::CrLf, &sent.chunks(size).collect::<Vec<_>>()), Some((body.clone(), vec![])));
        }
    }

    #[test]
    fn lines_lose_their_ending_once() {
        let found = |bytes| line(bytes).map(|line| (line.text, line.end, line.used));
        assert_eq!(found(b"+OK\r\nx"), Some((&b"+OK"[..], LineEnd::CrLf, 5)));
        assert_eq!(found(b"+OK\r\r\n"), Some((&b"+OK\r"[..], LineEnd::CrLf, 6)));
        assert_eq!(found(b"\n"), Some((&b""[..], LineEnd::Lf, 1)));
        assert_eq!(found(b"+OK\r"), None);
        assert_eq!(lines(b"a\r\n\nb\n").collect::<Vec<_>>(), [&b"a"[..], b"", b"b"]);
        assert_eq!(lines(b"").count(), 0);
    }

    #[test]
    fn a_listing_is_measured_by_lines() {
        assert!(fits(b"", 0, 0));
        assert!(fits(b"ab\r\ncd\r\n", 2, 2));
        assert!(!fits(b"ab\r\ncd\r\n", 1, 2));
        assert!(!fits(b"ab\r\ncd\r\n", 2, 1));
    }
}
