//! Charsets of seven bits that shift between ASCII and letters of two bytes: HZ (RFC 1843), ISO-2022-KR (RFC 1557).
//!
//! Between the shifts stand the letters of EUC without their high bits.

use encoding_rs::EUC_KR;
use encoding_rs::GBK;

/// How a charset shifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shifts {
    /// `~{` and `~}`; `~~` is a tilde, and one before a line end joins the lines.
    Hz,
    /// SO and SI, after a designation that says nothing new.
    Iso2022Kr,
}

/// Decodes `bytes`. A line end ends a shift, so that a lost one costs no more than its line.
pub(super) fn decode(bytes: &[u8], shifts: Shifts) -> String {
    let mut euc = Vec::with_capacity(bytes.len());
    let (mut rest, mut shifted) = (bytes, false);
    while let Some((&b, after)) = rest.split_first() {
        (rest, shifted) = match (shifts, b, after) {
            (Shifts::Hz, b'~', [b'{', after @ ..]) => (after, true),
            (Shifts::Hz, b'~', [b'}', after @ ..]) => (after, false),
            (Shifts::Hz, b'~', [b'\n', after @ ..] | [b'\r', b'\n', after @ ..]) if !shifted => (after, false),
            (Shifts::Hz, b'~', [b'~', after @ ..]) if !shifted => {
                euc.push(b'~');
                (after, false)
            }
            (Shifts::Iso2022Kr, 0x0e, _) => (after, true),
            (Shifts::Iso2022Kr, 0x0f, _) => (after, false),
            (Shifts::Iso2022Kr, 0x1b, [b'$', b')', b'C', after @ ..]) => (after, shifted),
            (_, b'\r' | b'\n', _) => {
                euc.push(b);
                (after, false)
            }
            _ => {
                euc.push(if shifted && b > b' ' { b | 0x80 } else { b });
                (after, shifted)
            }
        };
    }
    let encoding = if shifts == Shifts::Hz { GBK } else { EUC_KR };
    encoding.decode_without_bom_handling(&euc).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_between_shifts() {
        for (shifts, bytes, expected) in [
            (Shifts::Hz, &b"~{VPND~} ok ~~ a~\nb"[..], "中文 ok ~ ab"),
            (Shifts::Hz, b"~{VPND\nVP", "中文\nVP"),
            (Shifts::Hz, b"~{VPN", "中\u{fffd}"),
            (Shifts::Iso2022Kr, b"\x1b$)C\x0e>H3g\x0f ok", "안녕 ok"),
            (Shifts::Iso2022Kr, b"a ~{b~}", "a ~{b~}"),
        ] {
            assert_eq!(decode(bytes, shifts), expected, "{}", bytes.escape_ascii());
        }
    }
}
