//! Content-Transfer-Encoding undone (RFC 2045 section 6): base64 and quoted-printable, as broken as they come.

use std::borrow::Cow;

use memchr::memchr;

use crate::parse::mime::Encoding;

/// The decoded bytes, and whether all of them could be read.
pub(super) fn decode(bytes: &[u8], encoding: Encoding) -> (Cow<'_, [u8]>, bool) {
    match encoding {
        Encoding::Identity => (bytes.into(), true),
        Encoding::Base64 => {
            let (bytes, whole) = base64(bytes);
            (bytes.into(), whole)
        }
        Encoding::QuotedPrintable => {
            let (bytes, whole) = quoted_printable(bytes);
            (bytes.into(), whole)
        }
        Encoding::Unknown => (bytes.into(), false),
    }
}

/// Decodes base64, whatever stands between its letters.
pub(super) fn base64(text: &[u8]) -> (Vec<u8>, bool) {
    match decode_lines(text) {
        Some(bytes) => (bytes, true),
        None => lenient_base64(text),
    }
}

/// Decodes base64 as mail programs write it: nothing but letters, in lines. The lines are joined, and decoded in place.
fn decode_lines(text: &[u8]) -> Option<Vec<u8>> {
    let mut letters = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((line, after)) = memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at + 1)) {
        letters.extend_from_slice(line.trim_ascii_end());
        rest = after;
    }
    letters.extend_from_slice(rest.trim_ascii_end());
    let decoded = base64_simd::STANDARD.decode_inplace(&mut letters).ok()?.len();
    letters.truncate(decoded);
    Some(letters)
}

/// Passes over foreign bytes, and takes up again after padding in the middle (several encodings in a row).
fn lenient_base64(text: &[u8]) -> (Vec<u8>, bool) {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut whole) = (0u32, 0u32, true);
    for &b in text {
        let Some(six) = six_bits(b) else {
            if b == b'=' {
                (bits, count) = (0, 0);
            } else if !b.is_ascii_whitespace() {
                whole = false;
            }
            continue;
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [.., byte] = (bits >> count).to_be_bytes();
            bytes.push(byte);
        }
    }
    // Six bits alone are a letter too few.
    (bytes, whole && count < 6)
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
fn quoted_printable(text: &[u8]) -> (Vec<u8>, bool) {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut rest, mut whole) = (text, true);
    while let Some((before, after)) = memchr(b'=', rest).and_then(|at| rest.split_at_checked(at)) {
        bytes.extend_from_slice(before);
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
    bytes.extend_from_slice(rest);
    (bytes, whole)
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
}
