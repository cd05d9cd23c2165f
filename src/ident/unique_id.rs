//! The unique-id of RFC 1939 section 7: the server's name for a message.

use std::fmt;

/// The longest unique-id that we take for one, in bytes: longer ones exist and are treated as none.
const UNIQUE_ID_MAX: usize = 1024;

/// A POP3 unique-id: the server's stable name for one message of one maildrop.
///
/// RFC 1939 (section 7) promises 1 to 70 bytes in `0x21..=0x7E`; real servers send longer and 8-bit ones,
/// so this holds any 1 to 1024 bytes without a control character. It is never a file name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueId(Box<[u8]>);

impl UniqueId {
    /// Accepts `bytes` if they can stand in a UIDL listing.
    pub fn parse(bytes: &[u8]) -> Option<UniqueId> {
        let legal = (1..=UNIQUE_ID_MAX).contains(&bytes.len()) && !bytes.iter().any(u8::is_ascii_control);
        legal.then(|| UniqueId(bytes.into()))
    }

    /// The bytes as the server sent them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads back what [`fmt::Display`] printed; `None` if it is no legal unique-id.
    pub fn from_text(text: &str) -> Option<UniqueId> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.bytes();
        while let Some(b) = rest.next() {
            if b != b'%' {
                bytes.push(b);
                continue;
            }
            let hex = [rest.next()?, rest.next()?];
            bytes.push(*data_encoding::HEXUPPER_PERMISSIVE.decode(&hex).ok()?.first()?);
        }
        UniqueId::parse(&bytes)
    }
}

/// Printable ASCII as it is; every other byte, and `%`, percent-encoded.
impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &b in &*self.0 {
            if b.is_ascii_graphic() && b != b'%' { write!(f, "{}", char::from(b))? } else { write!(f, "%{b:02X}")? }
        }
        Ok(())
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UniqueId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_without_control_characters_up_to_the_limit() {
        for good in [&b"a"[..], b"1 2", b"\xff\x80", b"a/../b", &[b'x'; 1024]] {
            assert_eq!(UniqueId::parse(good).unwrap().as_bytes(), good);
        }
        for bad in [&b""[..], b"a\0", b"a\n", b"\x7f", &[b'x'; 1025]] {
            assert_eq!(UniqueId::parse(bad), None);
        }
    }

    #[test]
    fn the_printed_form_is_ascii_and_reads_back() {
        let id = UniqueId::parse(b"50% \xe9~").unwrap();
        assert_eq!(id.to_string(), "50%25%20%E9~");
        assert_eq!(UniqueId::from_text(&id.to_string()), Some(id));
        assert_eq!(UniqueId::from_text("%"), None);
    }
}
