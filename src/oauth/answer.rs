//! What an authorization server answers, and what it means (pure).
//!
//! RFC 6749 sections 5.1 and 5.2. Nothing of an answer but its error code is ever told: `error_description` may hold
//! an address.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::Code;
use super::http::Answer;
use crate::secret::Secret;

/// The longest life that is believed.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// A token that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) access_token: Secret,
    /// `None` where the server does not say it.
    pub(super) lifetime: Option<Duration>,
    /// A new refresh token, in the place of the one that was used.
    pub(super) refresh_token: Option<Secret>,
}

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// 5xx or 429: it may well work later.
    Busy(u16),
    /// An error of RFC 6749 section 5.2.
    Refused(Code),
    /// Nothing that the protocol knows.
    Nonsense(&'static str),
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<String>,
}

/// Reads the answer to a request for a token.
pub(super) fn granted(answer: &Answer) -> Result<Granted, Bad> {
    let tokens: Tokens = body(answer)?;
    if !is_legal(&tokens.access_token) {
        return Err(Bad::Nonsense("the access token cannot be sent"));
    }
    // RFC 6749 section 7.1: a type that is not understood must not be used. Some servers leave the field out.
    if tokens.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(Bad::Nonsense("the access token is no bearer token"));
    }
    let refresh_token = tokens.refresh_token.filter(|token| !token.is_empty());
    Ok(Granted {
        access_token: Secret::new(tokens.access_token),
        lifetime: tokens.expires_in.as_ref().and_then(seconds).map(|lifetime| lifetime.min(LIFETIME_MAX)),
        refresh_token: refresh_token.map(Secret::new),
    })
}

/// Reads the body of an answer that is a success, in the shape `T`.
pub(super) fn body<T: DeserializeOwned>(answer: &Answer) -> Result<T, Bad> {
    if answer.status == 429 || answer.status >= 500 {
        return Err(Bad::Busy(answer.status));
    }
    let Some(body) = answer.body.as_deref() else { return Err(Bad::Nonsense("it is too long")) };
    // Some servers answer 200 to what they refuse.
    if let Ok(refusal) = serde_json::from_slice::<Refusal>(body) {
        return Err(Bad::Refused(Code::parse(&refusal.error)));
    }
    match answer.status {
        200..300 => serde_json::from_slice(body).map_err(|_| Bad::Nonsense("it is not the JSON that was due")),
        300..400 => Err(Bad::Nonsense("it is a redirect, and none is followed")),
        _ => Err(Bad::Nonsense("an error without a code")),
    }
}

/// A number of seconds; some servers put it in quotes.
pub(super) fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    Duration::try_from_secs_f64(number.max(0.0)).ok()
}

/// Whether `token` can stand in a login: visible ASCII (RFC 6750 section 2.1).
pub(super) fn is_legal(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: Some(body.as_bytes().to_vec()) }
    }

    #[test]
    fn a_token_is_taken_with_what_is_said_of_it() {
        let check = |body: &str, lifetime: Option<u64>, refresh: Option<&str>| {
            let expected = Granted {
                access_token: Secret::new("t"),
                lifetime: lifetime.map(Duration::from_secs),
                refresh_token: refresh.map(Secret::new),
            };
            assert_eq!(granted(&answer(200, body)), Ok(expected), "{body}");
        };
        check(r#"{"access_token":"t","token_type":"Bearer","expires_in":3599}"#, Some(3599), None);
        check(
            r#"{"access_token":"t","token_type":"bearer","expires_in":"60","refresh_token":"r"}"#,
            Some(60),
            Some("r"),
        );
        check(r#"{"access_token":"t","expires_in":null,"refresh_token":""}"#, None, None);
        check(r#"{"access_token":"t","expires_in":-5,"other":{}}"#, Some(0), None);
        check(r#"{"access_token":"t","expires_in":1e99}"#, None, None);
        check(r#"{"access_token":"t","expires_in":99999999}"#, Some(24 * 3600), None);
    }

    #[test]
    fn everything_else_is_bad() {
        let check = |status: u16, body: &str, expected: Bad| {
            assert_eq!(granted(&answer(status, body)), Err(expected), "{status} {body}");
        };
        let refusal = r#"{"error":"invalid_grant","error_description":"ann@example.com"}"#;
        for status in [200, 400, 401] {
            check(status, refusal, Bad::Refused(Code::InvalidGrant));
        }
        check(503, refusal, Bad::Busy(503));
        check(429, "", Bad::Busy(429));
        check(400, r#"{"error":"shrug"}"#, Bad::Refused(Code::Unknown));
        check(400, "<html>", Bad::Nonsense("an error without a code"));
        check(302, "", Bad::Nonsense("it is a redirect, and none is followed"));
        check(200, "<html>", Bad::Nonsense("it is not the JSON that was due"));
        check(200, "{}", Bad::Nonsense("it is not the JSON that was due"));
        check(200, r#"{"access_token":"a\u0001b"}"#, Bad::Nonsense("the access token cannot be sent"));
        check(200, r#"{"access_token":""}"#, Bad::Nonsense("the access token cannot be sent"));
        check(200, r#"{"access_token":"t","token_type":"mac"}"#, Bad::Nonsense("the access token is no bearer token"));
        assert_eq!(granted(&Answer { status: 200, body: None }), Err(Bad::Nonsense("it is too long")));
    }
}
