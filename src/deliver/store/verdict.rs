//! What an answer of the store means. Pure.
//!
//! | to a look (HEAD) | then |
//! |---|---|
//! | success, as long as it must be | it lies there |
//! | the same, a day old or older | it is put again: the bucket's rule counts from then, and a new link from now |
//! | success, of another length | it is put again: an older reading of the mail gave other bytes |
//! | 404; 403, by which a store that may not list says the same | it is put, unless something lies there |
//! | anything else | the store fails, or refuses |
//!
//! What is put only where nothing lies (`If-None-Match: *`) is answered with 412 where somebody was faster; a store that
//! does not know that condition ignores it, or says 501 and is asked without it.
//!
//! `object_store` keeps the status of most answers to itself. So our line to the store tells it of none but success, and
//! each [`Refusal`] comes back as the innermost cause of its error.

use std::error::Error;
use std::iter;

use jiff::SignedDuration;
use object_store::PutMode;

use crate::deliver::Failure;

/// What lies there longer is put again. A day is what the bucket's rule must leave beside the life of a link.
const FRESH: SignedDuration = SignedDuration::from_hours(24);

/// What came instead of success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Another status, and perhaps S3's own code.
    #[error("HTTP {0}{code}", code = .1.as_ref().map(|code| format!(" {code}")).unwrap_or_default())]
    Status(u16, Option<String>),
    /// No answer.
    #[error("{0}")]
    Silence(Failure),
    /// Success, but not in the words of S3.
    #[error("the answer is none of S3's")]
    Babble,
}

/// Why the store did not do what it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) failure: Failure,
    /// What was seen of it: the HTTP status and S3's own code, or why no answer came.
    pub(super) said: Option<String>,
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Fault {
        Fault { failure, said: None }
    }
}

impl Refusal {
    /// What stands behind an error of `object_store`.
    pub(super) fn of(error: &object_store::Error) -> Refusal {
        let first: &(dyn Error + 'static) = error;
        let mut causes = iter::successors(Some(first), |error| (*error).source());
        causes.find_map(|error| error.downcast_ref::<Refusal>().cloned()).unwrap_or(Refusal::Babble)
    }

    pub(super) fn fault(&self) -> Fault {
        let failure = match self {
            Refusal::Status(status, code) => failure(*status, code.as_deref()),
            Refusal::Silence(_) => Failure::StoreUnreachable,
            Refusal::Babble => Failure::StoreFailed,
        };
        Fault { failure, said: Some(self.to_string()) }
    }
}

/// What lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Its length in bytes.
    pub(super) size: u64,
    /// How long ago it was put.
    pub(super) age: SignedDuration,
}

/// What a look showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It lies there.
    There,
    /// Nothing does, as far as can be seen.
    Nothing,
    /// Something else does, or it may be gone before a link to it ends.
    Another,
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
pub(super) fn seen(found: Result<Found, Refusal>, size: u64) -> Result<Seen, Fault> {
    match found {
        Ok(found) if found.size == size && found.age < FRESH => Ok(Seen::There),
        // It does not say how long it is.
        Ok(_) | Err(Refusal::Babble) => Ok(Seen::Another),
        Err(Refusal::Status(403 | 404, _)) => Ok(Seen::Nothing),
        Err(refusal) => Err(refusal.fault()),
    }
}

/// Reads the answer to an upload.
pub(super) fn put(done: Result<(), Refusal>, mode: &PutMode) -> Result<Put, Fault> {
    match (done, mode) {
        (Ok(()), _) => Ok(Put::Done),
        (Err(Refusal::Status(412, _)), PutMode::Create) => Ok(Put::There),
        (Err(Refusal::Status(501, _)), PutMode::Create) => Ok(Put::Unconditional),
        (Err(refusal), _) => Err(refusal.fault()),
    }
}

/// Whether time may mend it, a human must, or nothing does.
fn failure(status: u16, code: Option<&str>) -> Failure {
    match (status, code) {
        (413, _) | (400..=499, Some("EntityTooLarge" | "KeyTooLongError")) => Failure::StoreTooLarge,
        // 409: somebody else is putting the same object just now.
        (408 | 409 | 429 | 500..=599, _) => Failure::StoreFailed,
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
    use object_store::client::HttpError;
    use object_store::client::HttpErrorKind;

    use super::*;

    fn status(status: u16) -> Refusal {
        Refusal::Status(status, None)
    }

    fn coded(status: u16, code: &str) -> Refusal {
        Refusal::Status(status, Some(code.to_owned()))
    }

    #[test]
    fn a_look_tells_whether_the_very_bytes_lie_there() {
        let lies = |size, age| Ok(Found { size, age: SignedDuration::from_secs(age) });
        let check = |found: Result<Found, Refusal>, expected: Result<Seen, Failure>| {
            let seen = seen(found.clone(), 7).map_err(|fault| fault.failure);
            assert_eq!(seen, expected, "{found:?}");
        };
        // A store's clock may be ahead of ours.
        for age in [-3600, 0, 86_399] {
            check(lies(7, age), Ok(Seen::There));
        }
        check(lies(7, 86_400), Ok(Seen::Another));
        check(lies(6, 0), Ok(Seen::Another));
        check(Err(Refusal::Babble), Ok(Seen::Another));
        check(Err(status(404)), Ok(Seen::Nothing));
        check(Err(status(403)), Ok(Seen::Nothing));
        check(Err(status(301)), Err(Failure::StoreRefused));
        check(Err(status(400)), Err(Failure::StoreRefused));
        check(Err(status(503)), Err(Failure::StoreFailed));
        check(Err(Refusal::Silence(Failure::AnswerTimeout)), Err(Failure::StoreUnreachable));
    }

    #[test]
    fn an_upload_is_done_or_was_done_or_failed() {
        let check = |done: Result<(), Refusal>, mode: &PutMode, expected: Result<Put, Failure>| {
            let found = put(done.clone(), mode).map_err(|fault| fault.failure);
            assert_eq!(found, expected, "{done:?} {mode:?}");
        };
        for mode in [PutMode::Create, PutMode::Overwrite] {
            check(Ok(()), &mode, Ok(Put::Done));
            for refused in [307, 400, 401, 403, 404, 411] {
                check(Err(status(refused)), &mode, Err(Failure::StoreRefused));
            }
            for failed in [408, 409, 429, 500, 503] {
                check(Err(status(failed)), &mode, Err(Failure::StoreFailed));
            }
            check(Err(Refusal::Babble), &mode, Err(Failure::StoreFailed));
            check(Err(Refusal::Silence(Failure::ConnectionRefused)), &mode, Err(Failure::StoreUnreachable));
        }
        for too_large in [status(413), coded(400, "EntityTooLarge"), coded(400, "KeyTooLongError")] {
            check(Err(too_large), &PutMode::Create, Err(Failure::StoreTooLarge));
        }
        check(Err(coded(503, "EntityTooLarge")), &PutMode::Create, Err(Failure::StoreFailed));
        check(Err(status(412)), &PutMode::Create, Ok(Put::There));
        check(Err(status(412)), &PutMode::Overwrite, Err(Failure::StoreRefused));
        check(Err(status(501)), &PutMode::Create, Ok(Put::Unconditional));
        check(Err(status(501)), &PutMode::Overwrite, Err(Failure::StoreFailed));
    }

    #[test]
    fn a_refusal_is_found_behind_whatever_stands_before_it() {
        let refusal = Refusal::Status(503, Some("SlowDown".to_owned()));
        let behind = HttpError::new(HttpErrorKind::Unknown, refusal.clone());
        let check = |source: Box<dyn Error + Send + Sync>, expected: Refusal| {
            assert_eq!(Refusal::of(&object_store::Error::Generic { store: "S3", source }), expected);
        };
        check(Box::new(refusal.clone()), refusal.clone());
        check(Box::new(behind), refusal.clone());
        check("no XML".into(), Refusal::Babble);
        assert_eq!(refusal.fault().said.as_deref(), Some("HTTP 503 SlowDown"));
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
