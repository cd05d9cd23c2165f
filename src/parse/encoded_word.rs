//! Encoded words (RFC 2047) and folding undone, in one pass over a field's value.
//!
//! Kinder than the RFC: words may be too long, hold blanks, stand inside quotes, and cut a character in two
//! (neighbours of one charset are joined before they are decoded). What is no word stays as it is.

use std::borrow::Cow;

use memchr::memmem;

use crate::parse::DefectKind;
use crate::parse::charset;
use crate::parse::transfer;

/// The longest name of a charset, with its language (RFC 2231 section 5).
const CHARSET_MAX: usize = 64;

/// A stretch of a field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'x> {
    /// Bytes that are no encoded word, still folded.
    Plain(&'x [u8]),
    /// The text of one encoded word or of neighbours.
    Words(String),
}

/// One encoded word, its letters decoded but not its charset.
struct Word<'x> {
    charset: &'x [u8],
    bytes: Vec<u8>,
    length: usize,
}

/// Decodes and unfolds a field's value. The defects are those of its charsets.
pub(super) fn text(value: &[u8]) -> (String, Option<DefectKind>) {
    let (pieces, mut defect) = pieces(value);
    let mut text = String::with_capacity(value.len());
    for piece in pieces {
        match piece {
            Piece::Plain(bytes) => {
                let plain = charset::decode(Cow::Owned(unfold(bytes)), None);
                defect = defect.or(plain.defect);
                text.push_str(&plain.text);
            }
            Piece::Words(words) => text.push_str(&words),
        }
    }
    (text.trim_matches([' ', '\t', '\r', '\n']).to_owned(), defect)
}

/// Cuts `value` at its encoded words and decodes them.
pub(super) fn pieces(value: &[u8]) -> (Vec<Piece<'_>>, Option<DefectKind>) {
    let mut pieces = Vec::new();
    let mut run = Run::default();
    let mut defect = None;
    // Behind the last end of a word none can begin: with this every search below finds its end and is passed over
    // once, so that the time stays linear.
    let searched = value.get(..memmem::rfind(value, b"?=").map_or(0, |at| at + 2)).unwrap_or_default();
    let (mut done, mut from) = (0, 0);
    while let Some(start) = searched.get(from..).and_then(|tail| memmem::find(tail, b"=?")).map(|at| at + from) {
        let Some(word) = searched.get(start..).and_then(word) else {
            from = start + 2;
            continue;
        };
        let gap = value.get(done..start).unwrap_or_default();
        let joins = run.is_open() && gap.trim_ascii().is_empty();
        if !joins {
            defect = defect.or(run.finish(&mut pieces));
            if !gap.is_empty() {
                pieces.push(Piece::Plain(gap));
            }
        }
        done = start + word.length;
        from = done;
        defect = defect.or(run.add(word));
    }
    defect = defect.or(run.finish(&mut pieces));
    match value.get(done..) {
        Some([]) | None => {}
        Some(rest) => pieces.push(Piece::Plain(rest)),
    }
    (pieces, defect)
}

/// Neighbouring words: text that is done, and bytes that still wait for their charset.
#[derive(Default)]
struct Run {
    text: String,
    charset: Vec<u8>,
    bytes: Option<Vec<u8>>,
}

impl Run {
    fn is_open(&self) -> bool {
        self.bytes.is_some()
    }

    fn add(&mut self, word: Word<'_>) -> Option<DefectKind> {
        match &mut self.bytes {
            Some(bytes) if self.charset.eq_ignore_ascii_case(word.charset) => {
                bytes.extend_from_slice(&word.bytes);
                None
            }
            _ => {
                let defect = self.decode();
                self.charset = word.charset.to_vec();
                self.bytes = Some(word.bytes);
                defect
            }
        }
    }

    fn decode(&mut self) -> Option<DefectKind> {
        let bytes = self.bytes.take()?;
        let decoded = charset::decode(bytes.into(), std::str::from_utf8(&self.charset).ok());
        self.text.push_str(&decoded.text.replace(['\r', '\n'], " "));
        decoded.defect
    }

    fn finish(&mut self, pieces: &mut Vec<Piece<'_>>) -> Option<DefectKind> {
        if !self.is_open() {
            return None;
        }
        let defect = self.decode();
        pieces.push(Piece::Words(std::mem::take(&mut self.text)));
        defect
    }
}

/// The encoded word that `text` begins with: `=?charset*language?B or Q?letters?=`.
fn word(text: &[u8]) -> Option<Word<'_>> {
    let inner = text.strip_prefix(b"=?")?;
    let charset_end = inner.iter().take(CHARSET_MAX).position(|b| *b == b'?')?;
    let (charset, rest) = inner.split_at_checked(charset_end)?;
    let legal = !charset.is_empty() && charset.iter().all(u8::is_ascii_graphic);
    let (&[_, encoding, b'?'], letters) = rest.split_first_chunk()? else { return None };
    let end = memmem::find(letters, b"?=")?;
    let data = letters.get(..end)?;
    let bytes = match encoding {
        b'B' | b'b' => transfer::base64(data).0,
        b'Q' | b'q' => q_letters(data),
        _ => return None,
    };
    let charset = charset.split(|b| *b == b'*').next().unwrap_or_default();
    let length = text.len() - letters.len() + end + 2;
    legal.then_some(Word { charset, bytes, length })
}

fn q_letters(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some((&b, rest)) = text.split_first() {
        text = rest;
        match b {
            b'_' => bytes.push(b' '),
            b'=' => match transfer::hex_pair(rest) {
                Some((byte, rest)) => {
                    bytes.push(byte);
                    text = rest;
                }
                None => bytes.push(b'='),
            },
            b'\r' | b'\n' => {}
            _ => bytes.push(b),
        }
    }
    bytes
}

/// Makes one line of folded ones: each line end with the blanks around it becomes one space.
pub(super) fn unfold(text: &[u8]) -> Vec<u8> {
    if memchr::memchr2(b'\r', b'\n', text).is_none() {
        return text.to_vec();
    }
    let mut line: Vec<u8> = Vec::with_capacity(text.len());
    let mut folded = false;
    for part in text.split(|b| matches!(b, b'\r' | b'\n')) {
        let part = if folded { part.trim_ascii_start() } else { part };
        if folded && line.last().is_none_or(|b| !b.is_ascii_whitespace()) {
            line.push(b' ');
        }
        line.extend_from_slice(part);
        folded = true;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &str) {
        assert_eq!(text(value.as_bytes()).0, expected, "{value:?}");
    }

    #[test]
    fn words_are_decoded_and_lines_unfolded() {
        for (value, expected) in [
            (" plain\r\n", "plain"),
            (" one\r\n two\r\n\tthree\r\n", "one two three"),
            ("=?utf-8?Q?caf=C3=A9_au?= lait", "café au lait"),
            ("=?UTF-8?B?Y2Fmw6k=?=", "café"),
            ("=?iso-8859-1*fr?q?d=E9j=E0?= vu", "déjà vu"),
            ("Re: =?koi8-r?B?8NLJ18XU?=!", "Re: Привет!"),
            ("=?iso-2022-jp?B?GyRCJU8lbSE8GyhC?=", "ハロー"),
            ("né", "né"),
        ] {
            check(value, expected);
        }
    }

    #[test]
    fn neighbours_are_joined_even_inside_a_character() {
        for (value, expected) in [
            ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
            ("=?utf-8?q?a?=\r\n =?utf-8?q?b?= c", "ab c"),
            ("=?utf-8?b?w6k=?==?utf-8?b?w6k=?=", "éé"),
            ("=?utf-8?Q?=C3?= =?UTF-8?Q?=A9?=", "é"),
            ("=?utf-8?q?a?= =?iso-8859-1?q?=E9?=", "aé"),
            ("=?iso-2022-jp?B?GyRCJU8lbSE8GyhC?= =?iso-2022-jp?B?GyRCJU8lbSE8GyhC?=", "ハローハロー"),
        ] {
            check(value, expected);
        }
    }

    #[test]
    fn abused_words_are_read_or_left_alone() {
        for (value, expected) in [
            ("=?utf-8?q?with blanks inside?=", "with blanks inside"),
            ("=?utf-8?q?line\r\n one?=", "line one"),
            ("=?utf-8?q??=", ""),
            ("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
            ("=?utf-8?q?never closed", "=?utf-8?q?never closed"),
            ("=??q?abc?=", "=??q?abc?="),
            ("=?utf-8?q?a=0D=0AX-Evil: 1?=", "a  X-Evil: 1"),
            ("a =? b ?= c", "a =? b ?= c"),
            ("=?utf-8?q?=GG?=", "=GG"),
        ] {
            check(value, expected);
        }
        assert_eq!(text(b"=?x-nix?q?a=FF?="), ("aÿ".to_owned(), Some(DefectKind::UnknownCharset)));
    }

    #[test]
    fn a_hostile_value_takes_linear_time() {
        for hostile in [&b"=?aa?q?a"[..], b"=?aa?x?", b"=?", b"?="] {
            let value = hostile.repeat(50_000);
            assert_eq!(text(&value).0.len(), value.len());
            assert!(!text(&[&value, &b"?="[..]].concat()).0.is_empty());
        }
    }
}
