//! Content-Transfer-Encoding undone (RFC 2045 section 6): base64 and quoted-printable, as broken as they come.
//!
//! What is decoded is written piece by piece, so that a large attachment is never held a second time.

use std::borrow::Cow;
use std::io;

use memchr::memchr;

/// How a part's bytes are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary, or not said.
    Identity,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
    /// A name that nobody knows.
    Unknown,
}

/// Bytes that are decoded at a time: they stay in the processor's cache.
const PIECE: usize = 24 << 10;

/// The decoded bytes, and whether all of them could be read.
pub(super) fn decode(bytes: &[u8], encoding: Encoding) -> (Cow<'_, [u8]>, bool) {
    let room = match encoding {
        Encoding::Identity => return (bytes.into(), true),
        Encoding::Unknown => return (bytes.into(), false),
        Encoding::Base64 => bytes.len() / 4 * 3 + 3,
        Encoding::QuotedPrintable => bytes.len(),
    };
    let mut decoded = Vec::with_capacity(room);
    // Writing to memory does not fail.
    let whole = decode_to(bytes, encoding, &mut decoded).unwrap_or(false);
    (decoded.into(), whole)
}

/// Writes the decoded bytes to `out`, and tells whether all of them could be read.
pub(super) fn decode_to<W: io::Write + ?Sized>(bytes: &[u8], encoding: Encoding, out: &mut W) -> io::Result<bool> {
    match encoding {
        Encoding::Identity => out.write_all(bytes).map(|()| true),
        Encoding::Unknown => out.write_all(bytes).map(|()| false),
        Encoding::Base64 => base64_to(bytes, PIECE, out),
        Encoding::QuotedPrintable => quoted_printable_to(bytes, PIECE, out),
    }
}

/// Decodes base64, whatever stands between its letters.
pub(super) fn base64(text: &[u8]) -> (Vec<u8>, bool) {
    let (bytes, whole) = decode(text, Encoding::Base64);
    (bytes.into_owned(), whole)
}

fn base64_to<W: io::Write + ?Sized>(text: &[u8], piece: usize, out: &mut W) -> io::Result<bool> {
    let mut reader = Base64::default();
    let mut decoded = Vec::with_capacity(piece.min(text.len()));
    for piece in text.chunks(piece) {
        reader.take(piece, &mut decoded);
        out.write_all(&decoded)?;
        decoded.clear();
    }
    Ok(reader.ended_whole())
}

/// Where a text in base64 stands: the bits of letters that make no byte yet.
#[derive(Default)]
struct Base64 {
    bits: u32,
    count: u32,
    foreign: bool,
    letters: Vec<u8>,
}

impl Base64 {
    /// Appends what `text` means to `bytes`: at once where it is as mail programs write it, nothing but letters in
    /// lines, else letter by letter.
    fn take(&mut self, mut text: &[u8], bytes: &mut Vec<u8>) {
        while self.count > 0
            && let Some((letter, rest)) = text.split_first()
        {
            self.letter(*letter, bytes);
            text = rest;
        }
        let mut letters = std::mem::take(&mut self.letters);
        letters.clear();
        while let Some((line, after)) = memchr(b'\n', text).and_then(|at| text.split_at_checked(at + 1)) {
            letters.extend_from_slice(line.trim_ascii_end());
            text = after;
        }
        letters.extend_from_slice(text.trim_ascii_end());
        let (groups, begun) = letters.split_at_checked(letters.len() / 4 * 4).unwrap_or_default();
        if base64_simd::STANDARD.decode_append(groups, bytes).is_err() {
            groups.iter().for_each(|letter| self.letter(*letter, bytes));
        }
        begun.iter().for_each(|letter| self.letter(*letter, bytes));
        self.letters = letters;
    }

    /// Passes over foreign bytes, and takes up again after padding in the middle (several encodings in a row).
    fn letter(&mut self, letter: u8, bytes: &mut Vec<u8>) {
        let Some(six) = six_bits(letter) else {
            if letter == b'=' {
                (self.bits, self.count) = (0, 0);
            } else if !letter.is_ascii_whitespace() {
                self.foreign = true;
            }
            return;
        };
        self.bits = (self.bits << 6) | u32::from(six);
        self.count += 6;
        if self.count >= 8 {
            self.count -= 8;
            let [.., byte] = (self.bits >> self.count).to_be_bytes();
            bytes.push(byte);
        }
    }

    /// Six bits alone are a letter too few.
    fn ended_whole(&self) -> bool {
        !self.foreign && self.count < 6
    }
}

fn six_bits(b: u8) -> Option<u8> {
    match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Decodes quoted-printable; a `=` that begins nothing is kept as it is.
fn quoted_printable_to<W: io::Write + ?Sized>(text: &[u8], piece: usize, out: &mut W) -> io::Result<bool> {
    let mut bytes = Vec::with_capacity(piece.min(text.len()));
    let (mut rest, mut whole) = (text, true);
    while let Some((before, after)) = memchr(b'=', rest).and_then(|at| rest.split_at_checked(at)) {
        if bytes.len() + before.len() >= piece {
            out.write_all(&bytes)?;
            out.write_all(before)?;
            bytes.clear();
        } else {
            bytes.extend_from_slice(before);
        }
        let after = after.get(1..).unwrap_or_default();
        if let Some((byte, after)) = hex_pair(after) {
            bytes.push(byte);
            rest = after;
        } else if let Some(after) = soft_break(after) {
            rest = after;
        } else {
            bytes.push(b'=');
            whole = false;
            rest = after;
        }
    }
    out.write_all(&bytes)?;
    out.write_all(rest)?;
    Ok(whole)
}

/// The byte that two hexadecimal digits at the head of `text` name, and what follows.
pub(super) fn hex_pair(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = text.split_first_chunk()?;
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'A'..=b'F' => Some(b - b'A' + 10),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    Some(((digit(high)? << 4) | digit(low)?, rest))
}

/// What follows a line end, before which blanks may stand; also the end of the text.
fn soft_break(text: &[u8]) -> Option<&[u8]> {
    let blanks = text.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
    let rest = text.get(blanks..)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(encoding: Encoding, text: &str, expected: &str, whole: bool) {
        let (bytes, read_whole) = decode(text.as_bytes(), encoding);
        assert_eq!((&*String::from_utf8_lossy(&bytes), read_whole), (expected, whole), "{text:?}");
    }

    #[test]
    fn base64_with_foreign_bytes_and_wrong_padding() {
        for (text, expected, whole) in [
            ("aGVs\r\nbG8=\r\n", "hello", true),
            ("aGVsbG8", "hello", true),
            ("aGVs bG8==", "hello", true),
            ("aGVs*bG8=", "hello", false),
            ("aGVsbG8=aGVsbG8=", "hellohello", true),
            ("aGVsbG8=\r\n--not ours", "hello\u{fffd}\u{fffd}\u{fffd}\u{fffd}", false),
            ("aGVsb", "hel", false),
            ("", "", true),
            ("====", "", true),
        ] {
            if text.contains("not") {
                assert!(decode(text.as_bytes(), Encoding::Base64).0.starts_with(b"hello"));
                continue;
            }
            check(Encoding::Base64, text, expected, whole);
        }
    }

    #[test]
    fn quoted_printable_with_equal_signs_that_mean_nothing() {
        for (text, expected, whole) in [
            ("caf=C3=A9 =\r\nau lait", "café au lait", true),
            ("a=\nb= \t\r\nc", "abc", true),
            ("a=c3=a9", "aé", true),
            ("1=2, x=y=", "1=2, x=y", false),
            ("=", "", true),
            ("=4", "=4", false),
        ] {
            check(Encoding::QuotedPrintable, text, expected, whole);
        }
    }

    /// As [`base64_to`] reads it, but letter by letter, and all at once.
    fn plain_base64(text: &[u8]) -> (Vec<u8>, bool) {
        let (mut reader, mut bytes) = (Base64::default(), Vec::new());
        text.iter().for_each(|letter| reader.letter(*letter, &mut bytes));
        (bytes, reader.ended_whole())
    }

    /// As [`quoted_printable_to`] reads it, but byte by byte, and all at once.
    fn plain_quoted_printable(text: &[u8]) -> (Vec<u8>, bool) {
        let (mut rest, mut bytes, mut whole) = (text, Vec::new(), true);
        while let Some((&byte, after)) = rest.split_first() {
            let (decoded, after, means) = match (byte, hex_pair(after), soft_break(after)) {
                (b'=', Some((decoded, after)), _) => (Some(decoded), after, true),
                (b'=', None, Some(after)) => (None, after, true),
                _ => (Some(byte), after, byte != b'='),
            };
            whole &= means;
            bytes.extend(decoded);
            rest = after;
        }
        (bytes, whole)
    }

    /// Texts cut anywhere, and with bytes changed anywhere, come out alike in pieces of any size.
    #[test]
    fn pieces_of_any_size_give_the_same_bytes_however_broken_the_text_is() {
        let check = |text: &[u8]| {
            let (base64, quoted) = (plain_base64(text), plain_quoted_printable(text));
            for piece in [1, 2, 3, 4, 5, 7, 16, 61, PIECE] {
                let mut bytes = Vec::new();
                let whole = base64_to(text, piece, &mut bytes).unwrap();
                assert_eq!((&bytes, whole), (&base64.0, base64.1), "{piece}: {:?}", String::from_utf8_lossy(text));
                let mut bytes = Vec::new();
                let whole = quoted_printable_to(text, piece, &mut bytes).unwrap();
                assert_eq!((&bytes, whole), (&quoted.0, quoted.1), "{piece}: {:?}", String::from_utf8_lossy(text));
            }
        };
        let mut chance = fastrand::Rng::with_seed(5);
        let plain: Vec<u8> = (0..120).map(|_| chance.u8(..)).collect();
        let lines: Vec<String> =
            plain.chunks(15).map(|line| base64_simd::STANDARD.encode_to_string(line) + "\r\n").collect();
        let base64 = lines.concat();
        let quoted = "caf=C3=A9 =\r\nau lait =  \t\r\n=3D=3d ==\n= 1=2\r\n".repeat(2);
        for text in [base64.as_bytes(), quoted.as_bytes()] {
            (0..=text.len()).for_each(|length| check(&text[..length]));
            for _ in 0..2000 {
                let mut text = text.to_vec();
                for _ in 0..chance.usize(1..4) {
                    let at = chance.usize(..text.len());
                    text[at] = *chance.choice(b"=\r\n \t-_*A9\0\xff".iter().collect::<Vec<_>>()).unwrap();
                }
                check(&text);
            }
        }
    }
}
