//! UTF-7 (RFC 2152), read safely: what it hides becomes text, never markup that somebody has checked before.

/// Decodes UTF-7. What is no UTF-16 inside `+…` is U+FFFD; an ill-ended stretch loses nothing that is whole.
pub(super) fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&b, after)) = rest.split_first() {
        rest = after;
        match b {
            b'+' if after.first() == Some(&b'-') => {
                text.push('+');
                rest = after.get(1..).unwrap_or_default();
            }
            b'+' => {
                let letters = after.iter().take_while(|b| six_bits(**b).is_some()).count();
                let (shifted, after) = after.split_at_checked(letters).unwrap_or((after, &[]));
                if shifted.is_empty() {
                    text.push('+');
                }
                push(&mut text, shifted);
                // The mark that ends a stretch is no letter.
                rest = if shifted.is_empty() { after } else { after.strip_prefix(b"-").unwrap_or(after) };
            }
            0x80.. => text.push('\u{fffd}'),
            _ => text.push(char::from(b)),
        }
    }
    text
}

fn push(text: &mut String, letters: &[u8]) {
    let (mut bits, mut count) = (0u32, 0u32);
    let units = letters.iter().filter_map(|b| {
        bits = ((bits << 6) | u32::from(six_bits(*b)?)) & 0x003f_ffff;
        count += 6;
        count.checked_sub(16).map(|left| {
            count = left;
            let [.., high, low] = (bits >> left).to_be_bytes();
            u16::from_be_bytes([high, low])
        })
    });
    text.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

fn six_bits(b: u8) -> Option<u8> {
    match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_decoded_and_what_is_none_stays() {
        for (bytes, expected) in [
            (&b"Hi Mom -+Jjo--!"[..], "Hi Mom -☺-!"),
            (b"+ZeVnLIqe-", "日本語"),
            (b"1 +- 1", "1 + 1"),
            (b"Item 3 is +AKM-1.", "Item 3 is £1."),
            (b"+2D3eAA-", "😀"),
            (b"+2D0-x", "\u{fffd}x"),
            (b"+ADw-b+AD4-", "<b>"),
            (b"+Jjo", "☺"),
            (b"+Jjo.", "☺."),
            (b"a + b", "a + b"),
            (b"+", "+"),
            (b"\xe9", "\u{fffd}"),
            (b"", ""),
        ] {
            assert_eq!(decode(bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}
