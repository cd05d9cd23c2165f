//! The lines of `spool list`, page by page.

use std::fmt;

use super::Row;

/// One page of lines, in the order of `spool list`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lines {
    /// The lines.
    pub rows: Vec<Row>,
    /// The last line, after which the next page begins; `None`: there is none.
    pub next: Option<LineKey>,
}

/// Where a line stands in the order of `spool list`: by what it waits for, then by age.
///
/// Nothing of it is given out twice and nothing but the first part ever changes, so a page begins where the one before
/// ended, whatever came and went meanwhile. Its text is for its own spool alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineKey {
    /// What waits for a human before all else; the only part that changes, with the state of the line.
    pub(super) rank: i64,
    /// The message; 0 of what was never retrieved.
    pub(super) message: i64,
    /// The delivery, or the row of the ledger; 0 where there is neither.
    pub(super) number: i64,
}

impl LineKey {
    /// Before every line.
    pub(super) const START: LineKey = LineKey { rank: -1, message: 0, number: 0 };

    /// Hexadecimal digits of each part, at most: as many as fit into 63 bits.
    const DIGITS_MAX: usize = 15;

    /// Reads what [`LineKey`] writes.
    pub fn parse(text: &str) -> Option<LineKey> {
        let part = |part: &str| {
            let is_hex = part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            let legal = is_hex && (1..=LineKey::DIGITS_MAX).contains(&part.len());
            legal.then(|| i64::from_str_radix(part, 16).ok()).flatten()
        };
        let mut parts = text.split('-').map(part);
        let (rank, message, number) = (parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(LineKey { rank, message, number })
    }
}

impl fmt::Display for LineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}-{:x}", self.rank, self.message, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_nothing_else_is() {
        let key = LineKey { rank: 11, message: 255, number: 1 << 59 };
        assert_eq!(LineKey::parse(&key.to_string()), Some(key));
        for bad in
            ["", "1", "1-2", "1-2-3-4", "1--2", "-1-2-3", "+1-2-3", "1-2-g", "1-2-A", "1-2-3 ", "1-2-1000000000000000"]
        {
            assert_eq!(LineKey::parse(bad), None, "{bad:?}");
        }
    }
}
