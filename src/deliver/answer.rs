//! What came back from an endpoint: its status, and what can be read beside it. Every read is bounded.
//!
//! Nothing is ever decompressed: an answer that claims to be is kept as it came.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Response;
use reqwest::Url;
use reqwest::header::DATE;
use reqwest::header::HeaderValue;
use reqwest::header::LOCATION;
use reqwest::header::RETRY_AFTER;
use tokio::time::timeout;

use super::failure::Failure;
use super::outcome;

/// What is read of an answer's body.
const ANSWER_BYTES: usize = 64 << 10;
/// How long an answer's body is read.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// What is kept of an answer that was no success, in bytes.
const ANSWER_KEPT: usize = 512;

/// What came back, or did not.
#[derive(Debug)]
pub(super) enum Answer {
    /// A status line arrived.
    Status { status: u16, retry_after: Option<Duration>, body: String, aside: Aside },
    /// It did not.
    Failed(Failure),
}

/// What an answer tells beside its status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Aside {
    /// The host, and the port where it is not the usual one, that a redirect points to. Nothing else of the address:
    /// path and query may carry a token.
    pub(super) redirect: Option<String>,
    /// When the answer was made, by the endpoint's clock.
    pub(super) date: Option<Timestamp>,
}

impl Aside {
    /// The first words of an answer, with where it redirects to in front of them.
    pub(super) fn before(&self, body: String) -> String {
        match &self.redirect {
            Some(host) => format!("redirects to {host}\n{body}").trim_end().to_owned(),
            None => body,
        }
    }
}

/// Reads an answer to a post to `url`, made at about `now`, as far as it is worth.
pub(super) async fn read(mut response: Response, url: &Url, now: Timestamp) -> Answer {
    let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let retry_after = header(RETRY_AFTER).and_then(|value| outcome::retry_after(value, header(DATE), now));
    let status = response.status();
    let aside = Aside {
        redirect: header(LOCATION).filter(|_| status.is_redirection()).and_then(|location| host(url, location)),
        date: header(DATE).and_then(outcome::http_date),
    };
    let mut body = Vec::new();
    let reading = async {
        let mut read = 0;
        // Read to its end, so that the connection can be used again; but not for ever.
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            let room = ANSWER_KEPT.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
            if read > ANSWER_BYTES {
                break;
            }
        }
    };
    // A body that stalls changes nothing: the status line has said it.
    drop(timeout(ANSWER_TIME, reading).await);
    Answer::Status { status: status.as_u16(), retry_after, body: String::from_utf8_lossy(&body).into_owned(), aside }
}

/// Where `location`, which may be relative to `url`, points to.
fn host(url: &Url, location: &str) -> Option<String> {
    let target = url.join(location).ok()?;
    let host = target.host_str().filter(|host| host.len() <= 255)?;
    Some(target.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_redirects_target_only_host_and_port_are_told() {
        let check = |location, expected: Option<&str>| {
            let url = Url::parse("https://desk.example:8443/in?token=hunter2").unwrap();
            assert_eq!(host(&url, location).as_deref(), expected, "{location}");
        };
        check("https://user:hunter2@other.example/x?token=hunter2#y", Some("other.example"));
        check("http://other.example:81", Some("other.example:81"));
        check("//other.example/in", Some("other.example"));
        check("/elsewhere", Some("desk.example:8443"));
        check("http://[fe80::1]:8080/", Some("[fe80::1]:8080"));
        check("http://bücher.example/", Some("xn--bcher-kva.example"));
        check("mailto:hunter2", None);
        check("http://:99999999/", None);
    }
}
