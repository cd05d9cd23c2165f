//! One POST to an authorization server, one answer, everything bounded.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::ACCEPT;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;

use super::error::OauthError;
use super::request::Form;

/// The whole exchange. A visit waits for it, and the server's own limits are of this size.
pub(super) const WHOLE: Duration = Duration::from_secs(30);
/// TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(10);
/// What is read of an answer: tokens have a few kilobytes.
const ANSWER_BYTES: usize = 64 << 10;

/// The way to authorization servers; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Http(reqwest::Client);

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    /// `None` if it was too long.
    pub(super) body: Option<Vec<u8>>,
}

impl Http {
    pub(super) fn new() -> Result<Http, OauthError> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            // Hours lie between two requests.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("pophook/", env!("CARGO_PKG_VERSION")))
            .tls_version_min(reqwest::tls::Version::TLS_1_2);
        client.build().map(Http).map_err(|error| OauthError::Client(Arc::new(error)))
    }

    pub(super) async fn post(&self, url: &Url, form: Form) -> Result<Answer, OauthError> {
        let failed =
            |error: reqwest::Error| OauthError::Unreachable { host: host(url), source: Arc::new(error.without_url()) };
        let request = self
            .0
            .post(url.clone())
            .timeout(WHOLE)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(form.reveal());
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len().saturating_add(chunk.len()) > ANSWER_BYTES {
                return Ok(Answer { status, body: None });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body: Some(body) })
    }
}

/// Whom an error names.
pub(super) fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
