//! For operators: is the endpoint there, and does it take a signed event?

use super::Endpoint;
use super::answer::Answer;
use super::failure::Failure;
use super::open::OpenError;
use super::payload::Head;
use super::webhook::Draft;
use super::webhook::Webhook;
use crate::clock::Clock;

/// The `type` of a test event; that of a mail is `mail.received`.
pub const TEST_EVENT: &str = "endpoint.test";

/// Asks `endpoint` for nothing, by HEAD, and tells the HTTP status. Any status shows that somebody is there.
///
/// # Errors
/// Why nobody answered, with the remedy.
pub async fn reach(endpoint: &Endpoint, clock: &Clock) -> Result<u16, String> {
    let webhook =
        Webhook::new(endpoint.clone(), clock).map_err(|error| format!("{error}; look at its certificates"))?;
    webhook.head().await.map_err(|failure| format!("{failure}; {}", failure.remedy()))
}

/// What an endpoint answered to a test event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tested {
    /// A status line arrived; `body` begins like the answer's, and `redirect` is the host that it points to.
    Answered { status: u16, body: String, redirect: Option<String> },
    /// None did.
    Failed(Failure),
    /// Nothing was sent, because no signing key is valid now.
    Unsigned,
}

impl Tested {
    /// What to look at if the event was not taken, where it can be told.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Tested::Failed(failure) => Some(failure.remedy()),
            Tested::Answered { status, .. } => refused(*status),
            Tested::Unsigned => Some("write a valid key in signing_keys, or look at not_before and not_after there"),
        }
    }
}

fn refused(status: u16) -> Option<&'static str> {
    match status {
        300..=399 => Some("redirects are never followed: write in url the address that is finally reached"),
        401 | 403 => Some("look at headers (a token?) and signing_keys"),
        404 | 410 => Some("look at the path of url"),
        405 => Some("nothing takes a POST there: look at the path of url"),
        413 => Some("the endpoint's limit is too small even for a test event"),
        400 | 415 | 422 => Some("the endpoint does not understand it: it should take a `type` that it does not know"),
        429 => Some("the endpoint has enough for now: try again later"),
        500..=599 => Some("look at the endpoint's own log"),
        _ => None,
    }
}

/// Posts a signed test event to `endpoint`.
///
/// # Errors
/// A client that cannot be made.
pub async fn test(endpoint: &Endpoint, clock: &Clock) -> Result<Tested, OpenError> {
    let now = clock.now();
    let body = serde_json::json!({
        "type": TEST_EVENT,
        "timestamp": format!("{now:.3}"),
        "data": { "endpoint": endpoint.name.as_str() },
    });
    let webhook = Webhook::new(endpoint.clone(), clock)?;
    let id = format!("evt_test_{}", now.as_millisecond());
    let Ok(post) = webhook.sign(&id, now, Head::json(), Draft::Whole(body.to_string().into())) else {
        return Ok(Tested::Unsigned);
    };
    Ok(match webhook.post(post).await {
        Answer::Status { status, body, aside, .. } => Tested::Answered { status, body, redirect: aside.redirect },
        Answer::Failed(failure) => Tested::Failed(failure),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_does_not_take_the_event_has_its_remedy() {
        let check = |status, expected: Option<&str>| {
            let remedy = Tested::Answered { status, body: String::new(), redirect: None }.remedy();
            assert_eq!(remedy.is_some(), expected.is_some(), "{status}");
            assert!(expected.is_none_or(|word| remedy.is_some_and(|remedy| remedy.contains(word))), "{status}");
        };
        check(204, None);
        check(308, Some("finally reached"));
        check(401, Some("signing_keys"));
        check(403, Some("headers"));
        check(404, Some("path"));
        check(503, Some("log"));
        let refused = Tested::Failed(Failure::ConnectionRefused);
        assert!(refused.remedy().is_some_and(|remedy| remedy.contains("nothing listens")));
    }
}
