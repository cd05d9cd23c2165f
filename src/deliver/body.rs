//! The body of a post: a small one is held in memory, a large one is written anew each time that it is needed.
//!
//! A large body is written once to be measured and signed, and once more each time that it goes out, so that none is
//! ever held. What writes it gives the same bytes each time; should it not, the receiver's check of the signature fails
//! and the post is made anew.

use std::fmt;
use std::io;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;

use super::signature::Signer;

/// Bytes that are gathered before they are counted and signed: a body is written in many small steps.
const GATHERED: usize = 16 << 10;

type Write = dyn Fn(&mut dyn io::Write) -> io::Result<()> + Send + Sync;

/// Something that writes a body, each time the same bytes.
#[derive(Clone)]
pub(super) struct Rendering(Arc<Write>);

impl Rendering {
    pub(super) fn new(write: impl Fn(&mut dyn io::Write) -> io::Result<()> + Send + Sync + 'static) -> Rendering {
        Rendering(Arc::new(write))
    }

    /// Writes the whole body.
    ///
    /// # Errors
    /// Those of `out`, and whatever keeps the body from being made. Half a body must not be posted.
    pub(super) fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        (self.0)(out)
    }

    /// The body in memory; `about` is how long it may get.
    ///
    /// # Errors
    /// Whatever keeps it from being made.
    pub(super) fn whole(&self, about: usize) -> io::Result<Bytes> {
        let mut body = Vec::with_capacity(about);
        self.write(&mut body)?;
        Ok(body.into())
    }

    /// The length of the body, and its signatures where a signer is given; nothing of it is kept.
    ///
    /// # Errors
    /// Whatever keeps it from being made.
    pub(super) fn measure(&self, signer: Option<Signer>) -> io::Result<(u64, Option<String>)> {
        let mut out = io::BufWriter::with_capacity(GATHERED, Measure { size: 0, signer });
        self.write(&mut out)?;
        out.flush()?;
        let Measure { size, signer } = out.into_inner()?;
        Ok((size, signer.map(Signer::finish)))
    }
}

impl fmt::Debug for Rendering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rendering")
    }
}

/// Where the bytes of a body come from when it is sent.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// From memory, as they go over the wire.
    Whole(Bytes),
    /// They are written as they are sent.
    Written { rendering: Rendering, size: u64, compressed: bool },
}

impl Body {
    /// How many bytes are sent, at most: before they are compressed on their way.
    pub(super) fn size(&self) -> u64 {
        match self {
            Body::Whole(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Body::Written { size, .. } => *size,
        }
    }
}

struct Measure {
    size: u64,
    signer: Option<Signer>,
}

impl io::Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.size += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if let Some(signer) = &mut self.signer {
            signer.update(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
