//! One post, ready to go: its body encoded, signed with every key that is valid.
//!
//! The signature is of the body as it was before it is compressed: receivers see it so, because what stands in front of
//! them decompresses first. How it gets to the endpoint is the business of `webhook`.

use std::io;
use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use openssl::error::ErrorStack;

use super::Compress;
use super::Endpoint;
use super::Signing;
use super::body::Body;
use super::body::Rendering;
use super::payload::Head;
use super::signature;
use super::signature::Signer;

/// Bodies that are not larger go as they are: compressing them saves no packet worth it.
const COMPRESSED_FROM: usize = 8 << 10;

/// Why there is no post to send.
#[derive(Debug)]
pub(super) enum Unsigned {
    /// No key is valid at that time.
    NoValidKey,
    /// OpenSSL does not sign.
    Failed(ErrorStack),
    /// The body cannot be made.
    Render(io::Error),
}

/// A body that is not signed yet.
#[derive(Debug)]
pub(super) enum Draft {
    /// Held in memory.
    Whole(Bytes),
    /// Written as it is needed; it may get about so long.
    Large(Rendering, usize),
}

/// One post, ready to go.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) signature: Option<String>,
    /// What the format puts before the body.
    pub(super) head: Head,
    pub(super) body: Body,
    pub(super) encoding: Option<&'static str>,
}

/// Signs a body for an endpoint, as sent at `at`, with every key that is valid then, and compresses it where that
/// is wanted. The signature is of the body as it was before: receivers see it so, because what stands in front of
/// them decompresses first. A large body that an Ed25519 key signs is held in memory: that needs all of it at once.
pub(super) fn sign(endpoint: &Endpoint, id: &str, at: Timestamp, head: Head, draft: Draft) -> Result<Post, Unsigned> {
    let keys = match &endpoint.signing {
        Signing::None => Vec::new(),
        Signing::Keys(keys) => keys.valid(at),
    };
    if keys.is_empty() && !matches!(endpoint.signing, Signing::None) {
        return Err(Unsigned::NoValidKey);
    }
    let post = |signature, body, encoding| Post { id: id.to_owned(), at, signature, head, body, encoding };
    let whole = match draft {
        Draft::Whole(body) => body,
        Draft::Large(rendering, about) => match Signer::begin(&keys, id, at.as_second()) {
            None => rendering.whole(about).map_err(Unsigned::Render)?,
            Some(signer) => {
                let signer = (!keys.is_empty()).then_some(signer);
                let (size, signature) = rendering.measure(signer).map_err(Unsigned::Render)?;
                let compressed = endpoint.http.compress == Compress::Gzip;
                let body = Body::Written { rendering, size, compressed };
                return Ok(post(signature, body, compressed.then_some("gzip")));
            }
        },
    };
    let signature = match &*keys {
        [] => None,
        keys => Some(signature::sign(keys, id, at.as_second(), &whole).map_err(Unsigned::Failed)?),
    };
    let (body, encoding) = encode(endpoint.http.compress, whole);
    Ok(post(signature, Body::Whole(body), encoding))
}

/// The body as it goes over the wire, and what it was encoded by. Equal bodies give equal bytes.
fn encode(compress: Compress, body: Bytes) -> (Bytes, Option<&'static str>) {
    if compress == Compress::None || body.len() <= COMPRESSED_FROM {
        return (body, None);
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::default());
    match encoder.write_all(&body).and_then(|()| encoder.finish()) {
        Ok(smaller) if smaller.len() < body.len() => (smaller.into(), Some("gzip")),
        // Writing to memory does not fail; and what does not shrink goes as it is.
        Ok(_) | Err(_) => (body, None),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn only_a_large_body_that_shrinks_is_compressed() {
        let check = |compress, body: Vec<u8>, expected| {
            let (sent, encoding) = encode(compress, Bytes::from(body.clone()));
            assert_eq!(encoding, expected, "{} bytes", body.len());
            let mut plain = Vec::new();
            match encoding {
                Some(_) => flate2::read::GzDecoder::new(&*sent).read_to_end(&mut plain).map(drop).unwrap(),
                None => plain.extend_from_slice(&sent),
            }
            assert_eq!(plain, body);
        };
        check(Compress::Gzip, vec![b'x'; COMPRESSED_FROM + 1], Some("gzip"));
        check(Compress::Gzip, vec![b'x'; COMPRESSED_FROM], None);
        check(Compress::None, vec![b'x'; COMPRESSED_FROM + 1], None);
        let mut chance = fastrand::Rng::with_seed(1);
        check(Compress::Gzip, (0..20_000).map(|_| chance.u8(..)).collect(), None);
    }
}
