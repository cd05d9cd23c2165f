//! What an answer of the store means. Pure.
//!
//! | to a look (HEAD) | then |
//! |---|---|
//! | 200, as long as it must be | it lies there |
//! | 200, of another length | it is put again: an older reading of the mail gave other bytes |
//! | 404; 403, by which a store that may not list says the same | it is put, unless something lies there |
//! | anything else | the store fails, or refuses |
//!
//! What is put only where nothing lies (`If-None-Match: *`) is answered with 412 where somebody was faster; a store that
//! does not know that condition ignores it, or says 501 and is asked without it.

use crate::deliver::Failure;

/// What a look showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It lies there.
    There,
    /// Nothing does, as far as can be seen.
    Nothing,
    /// Something else does.
    Another,
}

/// What is to be so for an upload to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing lies there yet.
    Absent,
    /// None: what lies there is replaced.
    None,
}

/// What came of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It lies there now.
    Done,
    /// It lay there before.
    There,
    /// The condition is not known there.
    Unconditional,
}

/// Reads the answer to a look for `size` bytes.
pub(super) fn seen(status: u16, length: Option<u64>, size: u64) -> Result<Seen, Failure> {
    match status {
        200 if length == Some(size) => Ok(Seen::There),
        200 => Ok(Seen::Another),
        403 | 404 => Ok(Seen::Nothing),
        status => Err(failure(status)),
    }
}

/// Reads the answer to an upload.
pub(super) fn put(status: u16, condition: Condition) -> Result<Put, Failure> {
    match (status, condition) {
        (200..=299, _) => Ok(Put::Done),
        (412, Condition::Absent) => Ok(Put::There),
        (501, Condition::Absent) => Ok(Put::Unconditional),
        (status, _) => Err(failure(status)),
    }
}

/// Whether time may mend it, or a human must.
pub(super) fn failure(status: u16) -> Failure {
    match status {
        // 409: somebody else is putting the same object just now.
        408 | 409 | 429 | 500..=599 => Failure::StoreFailed,
        _ => Failure::StoreRefused,
    }
}

/// The code in an S3 error document (`<Code>NoSuchBucket</Code>`), if it looks like one: the store may say anything.
pub(super) fn code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_code = !code.is_empty() && code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_code.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_tells_whether_the_very_bytes_lie_there() {
        let check = |status, length, expected| assert_eq!(seen(status, length, 7), expected, "{status} {length:?}");
        check(200, Some(7), Ok(Seen::There));
        check(200, Some(6), Ok(Seen::Another));
        check(200, None, Ok(Seen::Another));
        check(404, Some(7), Ok(Seen::Nothing));
        check(403, None, Ok(Seen::Nothing));
        check(301, None, Err(Failure::StoreRefused));
        check(400, None, Err(Failure::StoreRefused));
        check(503, None, Err(Failure::StoreFailed));
    }

    #[test]
    fn an_upload_is_done_or_was_done_or_failed() {
        let check =
            |status, condition, expected| assert_eq!(put(status, condition), expected, "{status} {condition:?}");
        for condition in [Condition::Absent, Condition::None] {
            check(200, condition, Ok(Put::Done));
            check(204, condition, Ok(Put::Done));
            for refused in [307, 400, 401, 403, 404, 411] {
                check(refused, condition, Err(Failure::StoreRefused));
            }
            for failed in [408, 409, 429, 500, 503] {
                check(failed, condition, Err(Failure::StoreFailed));
            }
        }
        check(412, Condition::Absent, Ok(Put::There));
        check(412, Condition::None, Err(Failure::StoreRefused));
        check(501, Condition::Absent, Ok(Put::Unconditional));
        check(501, Condition::None, Err(Failure::StoreFailed));
    }

    #[test]
    fn only_what_looks_like_a_code_is_repeated() {
        let check = |body: &[u8], expected: Option<&str>| assert_eq!(code(body).as_deref(), expected);
        check(b"<?xml?><Error><Code>NoSuchBucket</Code><Message>x</Message>", Some("NoSuchBucket"));
        check(b"<Code></Code>", None);
        check(b"<Code>a b</Code>", None);
        check(b"<Code>open", None);
        check(b"\xff<Code>a</Code>", None);
        check(&[b"<Code>", [b'a'; 65].as_slice(), b"</Code>"].concat(), None);
    }
}
