//! What an answer means, where an endpoint's own status map (`statuses`) says nothing else. Pure.
//!
//! | answer | outcome | endpoint |
//! |---|---|---|
//! | 2xx | delivered | |
//! | 400, 413, 415, 422 | refused: this message alone | |
//! | 429; 503 with `Retry-After` | deferred | pauses |
//! | 410 | deferred | gone, if it says so twice |
//! | anything else, and every network error | deferred | |

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::spool::Reason;

/// The longest pause that an endpoint may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 3600);
/// The pause after a 429 that names none.
const PAUSE_UNNAMED: Duration = Duration::from_secs(30);

/// Every value of the label `outcome`.
pub const OUTCOMES: [&str; 3] = ["delivered", "deferred", "refused"];

/// The end of one attempt, as far as the message is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The endpoint took it.
    Delivered,
    /// Try again.
    Deferred,
    /// The endpoint will not take this message.
    Refused,
}

impl Outcome {
    /// The metric label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Deferred => "deferred",
            Outcome::Refused => "refused",
        }
    }
}

/// What an answer says of the endpoint itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// Nothing.
    Nothing,
    /// Nobody should post for so long.
    Wait(Duration),
    /// It is gone.
    Gone,
    /// Nobody should post until a human has looked: its status map says so of this answer.
    Hold,
    /// Nothing: what failed is on our side of the line.
    Ours,
    /// Nothing: the attachment store is away, and that uses up nobody's time.
    Store,
    /// Nothing: the message cannot be posted there, now or later, for this reason.
    Never(Reason),
    /// The message before which all others wait was refused for too long, and a human is to look at it.
    Halt,
}

/// The two judgements on one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) outcome: Outcome,
    pub(super) says: Says,
}

/// Judges an HTTP status; `retry_after` is the wait that the answer asked for.
pub(super) fn judge(status: u16, retry_after: Option<Duration>) -> Judgement {
    let wait = |wait: Duration| Says::Wait(wait.min(PAUSE_MAX));
    let (outcome, says) = match (status, retry_after) {
        (200..=299, _) => (Outcome::Delivered, Says::Nothing),
        (400 | 413 | 415 | 422, _) => (Outcome::Refused, Says::Nothing),
        (429, after) => (Outcome::Deferred, wait(after.unwrap_or(PAUSE_UNNAMED))),
        (503, Some(after)) => (Outcome::Deferred, wait(after)),
        (410, _) => (Outcome::Deferred, Says::Gone),
        _ => (Outcome::Deferred, Says::Nothing),
    };
    Judgement { outcome, says }
}

/// Reads `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date that is held against the answer's own `Date`, so
/// that neither clock matters. What is neither, or in the past, asks for nothing.
pub(super) fn retry_after(value: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let from = date.and_then(http_date).unwrap_or(now);
    Duration::try_from(http_date(value)?.duration_since(from)).ok()
}

/// Reads a date as HTTP writes it (RFC 9110 section 5.6.7), or as mail does.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_meaning() {
        use Outcome::Deferred;
        use Outcome::Delivered;
        use Outcome::Refused;
        let seconds = Duration::from_secs;
        let check = |status, after: Option<u64>, outcome, says| {
            assert_eq!(judge(status, after.map(seconds)), Judgement { outcome, says }, "{status} {after:?}");
        };
        for status in [200, 202, 204, 299] {
            check(status, None, Delivered, Says::Nothing);
        }
        for status in [400, 413, 415, 422] {
            check(status, None, Refused, Says::Nothing);
        }
        for status in
            [100, 301, 302, 304, 307, 401, 403, 404, 405, 408, 409, 418, 425, 500, 501, 502, 503, 504, 599, 999]
        {
            check(status, None, Deferred, Says::Nothing);
        }
        check(410, None, Deferred, Says::Gone);
        check(429, None, Deferred, Says::Wait(seconds(30)));
        check(429, Some(5), Deferred, Says::Wait(seconds(5)));
        check(429, Some(1_000_000_000), Deferred, Says::Wait(seconds(86_400)));
        check(503, Some(5), Deferred, Says::Wait(seconds(5)));
        check(500, Some(5), Deferred, Says::Nothing);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_against_the_answers_own() {
        let check = |value, date, expected: Option<u64>| {
            let now = Timestamp::UNIX_EPOCH;
            assert_eq!(retry_after(value, date, now), expected.map(Duration::from_secs), "{value} {date:?}");
        };
        check("120", None, Some(120));
        check(" 0 ", None, Some(0));
        check("Tue, 15 Nov 1994 08:12:31 GMT", Some("Tue, 15 Nov 1994 08:12:01 GMT"), Some(30));
        check("Thu, 01 Jan 1970 00:01:00 GMT", None, Some(60));
        check("Tue, 15 Nov 1994 08:12:01 GMT", Some("Tue, 15 Nov 1994 08:12:31 GMT"), None);
        check("-5", None, None);
        check("soon", None, None);
        check("99999999999999999999", None, None);
    }
}
