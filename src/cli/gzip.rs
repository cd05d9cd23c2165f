//! The body of a request as it was before it was compressed.

use std::io::Read as _;

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::CONTENT_ENCODING;
use flate2::read::MultiGzDecoder;

/// Undoes what `Content-Encoding` names. The error is what to answer: an encoding that is not known, a body that is
/// damaged, or one that grows beyond `limit` bytes.
pub(super) fn undone(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, StatusCode> {
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    match encoding.as_deref() {
        None | Some(b"" | b"identity") => return Ok(body),
        Some(b"gzip" | b"x-gzip") => {}
        Some(_) => return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    }
    let mut plain = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(&*body).take(most).read_to_end(&mut plain).map_err(|_| StatusCode::BAD_REQUEST)?;
    if plain.len() > limit { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(plain.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn zipped(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn check(encoding: Option<&str>, body: &[u8], expected: Result<&[u8], StatusCode>) {
        let headers = encoding.map(|encoding| (CONTENT_ENCODING, encoding.parse().unwrap())).into_iter().collect();
        let found = undone(&headers, Bytes::copy_from_slice(body), 100);
        assert_eq!(found, expected.map(Bytes::copy_from_slice), "{encoding:?}");
    }

    #[test]
    fn what_cannot_be_undone_is_answered_with_the_reason() {
        check(Some("br"), b"x", Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        check(Some("gzip"), b"no gzip", Err(StatusCode::BAD_REQUEST));
        check(Some("gzip"), &zipped(&[b'x'; 60])[..20], Err(StatusCode::BAD_REQUEST));
        check(Some("gzip"), &zipped(&[b'x'; 101]), Err(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[test]
    fn a_body_comes_out_as_it_was() {
        check(None, b"plain", Ok(b"plain"));
        check(Some("identity"), b"plain", Ok(b"plain"));
        check(Some("gzip"), &zipped(b"{}"), Ok(b"{}"));
        check(Some("GZIP"), &zipped(&[b'x'; 100]), Ok(&[b'x'; 100]));
    }
}
