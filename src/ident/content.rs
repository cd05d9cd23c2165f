//! What makes two mails the same mail, whatever server wrote them down.

use std::fmt;

use memchr::memchr;
use sha2::Digest as _;
use sha2::Sha256;

/// Header fields that a mail server rewrites between two readings of one message: the book-keeping of maildrops in mbox
/// format, which some servers show.
const REWRITTEN_FIELDS: [&[u8]; 7] =
    [b"x-uidl", b"status", b"x-status", b"x-imapbase", b"x-imap", b"x-uid", b"x-keywords"];

/// The hash by which a mail is recognised again, even under another unique-id.
///
/// SHA-256 of the message with CRLF made LF, the header fields `X-UIDL`, `Status`, `X-Status`, `X-IMAPbase`, `X-IMAP`,
/// `X-UID` and `X-Keywords` removed (with their folded lines), and all trailing LF cut. Servers change just these when
/// they write a message down anew.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content([u8; 32]);

impl Content {
    /// Hashes `raw`, a message as the server sent it, dot-unstuffed.
    pub fn of(raw: &[u8]) -> Content {
        let mut hash = Sha256::new();
        let mut part = Part::Header { dropping: false };
        // Line ends are held back until something follows them, so that trailing ones never count.
        let mut held = 0usize;
        for line in lines(raw) {
            let text = line.strip_suffix(b"\n").map_or(line, |text| text.strip_suffix(b"\r").unwrap_or(text));
            part = part.after(text);
            if let Part::Header { dropping: true } = part {
                continue;
            }
            if !text.is_empty() {
                for _ in 0..std::mem::take(&mut held) {
                    hash.update(b"\n");
                }
                hash.update(text);
            }
            held += usize::from(line.ends_with(b"\n"));
        }
        Content(hash.finalize().into())
    }

    /// Takes a hash that was stored before.
    pub fn from_bytes(bytes: [u8; 32]) -> Content {
        Content(bytes)
    }

    /// The 32 raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({})", data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// Where in the message a line stands, and whether the field that it belongs to is left out.
#[derive(Clone, Copy)]
enum Part {
    Header { dropping: bool },
    Body,
}

impl Part {
    fn after(self, line: &[u8]) -> Part {
        match self {
            Part::Body => Part::Body,
            Part::Header { .. } if line.is_empty() => Part::Body,
            Part::Header { dropping } if line.starts_with(b" ") || line.starts_with(b"\t") => Part::Header { dropping },
            Part::Header { .. } => Part::Header { dropping: is_rewritten(line) },
        }
    }
}

fn lines(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = memchr(b'\n', text).map_or(text.len(), |at| at + 1);
        let (line, rest) = text.split_at_checked(end)?;
        text = rest;
        (!line.is_empty()).then_some(line)
    })
}

fn is_rewritten(line: &[u8]) -> bool {
    let Some(colon) = memchr(b':', line) else { return false };
    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
    REWRITTEN_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &[u8], hashed: &[u8]) {
        let expected: [u8; 32] = Sha256::digest(hashed).into();
        assert_eq!(Content::of(raw), Content(expected), "{}", raw.escape_ascii());
    }

    #[test]
    fn what_servers_rewrite_does_not_count() {
        check(b"Subject: hi\r\nX-UIDL: abc\r\n\r\nhello\r\n\r\n", b"Subject: hi\n\nhello");
        check(b"x-uidl : 1\n 2\n\t3\nA: b\n\nx", b"A: b\n\nx");
        check(b"Status: RO\r\nX-Status:\r\n\r\nx", b"\nx");
        check(
            b"A: b\nX-UID: 1\nX-IMAPbase: 17  3\n a\nX-Keywords:\nX-IMAP: 17\nX-UIDs: kept\n\nx",
            b"A: b\nX-UIDs: kept\n\nx",
        );
        check(b"Statuses: kept\n\nStatus: kept\n", b"Statuses: kept\n\nStatus: kept");
    }

    #[test]
    fn only_line_ends_are_folded_and_only_trailing_ones_cut() {
        check(b"", b"");
        check(b"\r\n\r\n", b"");
        check(b"A: b\n\n\n\nx\n", b"A: b\n\n\n\nx");
        check(b"\r\n\ra\rb\r\r\n", b"\n\ra\rb\r");
        check(b"A: b", b"A: b");
        check(b"A: b\r", b"A: b\r");
    }
}
