//! For operators: is the endpoint there, and does it take a signed event?

use bytes::Bytes;
use jiff::Timestamp;

use super::Endpoint;
use super::webhook::Answer;
use super::webhook::ClientError;
use super::webhook::Webhook;

/// Asks `endpoint` for nothing, by HEAD, and tells the HTTP status. Any status shows that somebody is there.
///
/// # Errors
/// Why nobody answered.
pub async fn reach(endpoint: &Endpoint) -> Result<u16, String> {
    let webhook = Webhook::new(endpoint.clone()).map_err(|error| error.to_string())?;
    webhook.head().await
}

/// What an endpoint answered to a test event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// The HTTP status, where one arrived.
    pub status: Option<u16>,
    /// The first bytes of the answer, or the kind of failure.
    pub answer: String,
}

/// Posts a signed test event to `endpoint`.
///
/// # Errors
/// A client that cannot be made.
pub async fn test(endpoint: &Endpoint, now: Timestamp) -> Result<Tested, ClientError> {
    let body = serde_json::json!({
        "type": "endpoint.test",
        "timestamp": format!("{now:.3}"),
        "data": { "endpoint": endpoint.name.as_str() },
    });
    let webhook = Webhook::new(endpoint.clone())?;
    let id = format!("evt_test_{}", now.as_millisecond());
    let post = webhook.sign(&id, now, Bytes::from(body.to_string()));
    Ok(match webhook.post(post).await {
        Answer::Status { status, body, .. } => Tested { status: Some(status), answer: body },
        Answer::Failed(kind) => Tested { status: None, answer: kind.to_owned() },
    })
}
