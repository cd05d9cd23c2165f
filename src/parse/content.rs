//! The bytes of an attachment, which stay encoded in the raw message until somebody wants them.
//!
//! An attachment is most of a large mail. So it is no copy: it names its place in the raw bytes, which are shared, and
//! is decoded piece by piece each time that it is written. Only its size and its hash are found at once, when the mail
//! is parsed.

use std::fmt;
use std::io;

use bytes::Bytes;
use sha2::Digest as _;
use sha2::Sha256;

use crate::parse::transfer;
use crate::parse::transfer::Encoding;

/// The decoded bytes of an attachment, made when they are asked for. Equal ones have equal bytes.
#[derive(Clone)]
pub struct Content {
    encoded: Bytes,
    encoding: Encoding,
    size: u64,
    sha256: [u8; 32],
}

impl Content {
    /// What `part` of `raw` means, which stands there in `encoding`; and whether all of it can be decoded.
    pub(super) fn of(raw: &Bytes, part: &[u8], encoding: Encoding) -> (Content, bool) {
        Content::read(shared(raw, part), encoding)
    }

    /// Bytes that are decoded already.
    pub fn ready(bytes: impl Into<Bytes>) -> Content {
        Content::read(bytes.into(), Encoding::Identity).0
    }

    fn read(encoded: Bytes, encoding: Encoding) -> (Content, bool) {
        let mut measured = Measured { size: 0, hash: Sha256::new() };
        let whole = transfer::decode_to(&encoded, encoding, &mut measured).unwrap_or(false);
        let sha256 = measured.hash.finalize().into();
        (Content { encoded, encoding, size: measured.size, sha256 }, whole)
    }

    /// The number of bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// SHA-256 of the bytes.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Writes the bytes, in pieces of some KiB.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut dyn io::Write) -> io::Result<()> {
        transfer::decode_to(&self.encoded, self.encoding, out).map(drop)
    }

    /// All the bytes at once, for what is small.
    pub fn bytes(&self) -> Bytes {
        match self.encoding {
            Encoding::Identity | Encoding::Unknown => self.encoded.clone(),
            Encoding::Base64 | Encoding::QuotedPrintable => {
                Bytes::from(transfer::decode(&self.encoded, self.encoding).0.into_owned())
            }
        }
    }
}

/// `part` as a share of `raw`, in which it stands; a copy where it stands elsewhere.
fn shared(raw: &Bytes, part: &[u8]) -> Bytes {
    let (all, part_of) = (raw.as_ptr_range(), part.as_ptr_range());
    let within = all.start <= part_of.start && part_of.end <= all.end;
    if within { raw.slice_ref(part) } else { Bytes::copy_from_slice(part) }
}

impl PartialEq for Content {
    fn eq(&self, other: &Content) -> bool {
        (self.size, self.sha256) == (other.size, other.sha256)
    }
}

impl Eq for Content {}

impl fmt::Debug for Content {
    /// Tells nothing of what stands in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.size)
    }
}

/// Counts and hashes what is written to it.
struct Measured {
    size: u64,
    hash: Sha256,
}

impl io::Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.size += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_hash_are_those_of_what_is_written_and_the_raw_bytes_are_not_copied() {
        let raw = Bytes::from_static(b"head caf=C3=A9 Y2Fmw6k= tail");
        let check = |at: std::ops::Range<usize>, encoding, expected: &str| {
            let (content, whole) = Content::of(&raw, &raw[at.clone()], encoding);
            let mut written = Vec::new();
            content.write_to(&mut written).unwrap();
            assert_eq!((String::from_utf8_lossy(&written).as_ref(), whole), (expected, true));
            assert_eq!(content.bytes(), written);
            assert_eq!(content.size(), u64::try_from(written.len()).unwrap());
            assert_eq!(content.sha256()[..], Sha256::digest(&written)[..]);
            assert_eq!(content.encoded.as_ptr(), raw[at].as_ptr());
            assert_eq!(content, Content::ready(written));
        };
        check(5..14, Encoding::QuotedPrintable, "café");
        check(15..23, Encoding::Base64, "café");
        check(24..28, Encoding::Identity, "tail");
    }

    #[test]
    fn bytes_from_elsewhere_are_taken_along() {
        let elsewhere = b"aGVsbG8=".to_vec();
        let (content, whole) = Content::of(&Bytes::from_static(b"a mail"), &elsewhere, Encoding::Base64);
        drop(elsewhere);
        assert_eq!((&*content.bytes(), whole), (&b"hello"[..], true));
        assert_eq!(Content::of(&Bytes::new(), b"", Encoding::Base64).0, Content::ready(Bytes::new()));
    }
}
