//! Requests to the store: every wait bounded, nothing followed, nothing repeated but what a closed connection swallowed.

use std::fmt::Write as _;

use reqwest::Method;
use reqwest::Response;
use reqwest::Url;
use reqwest::header::CONTENT_DISPOSITION;
use reqwest::header::CONTENT_LENGTH;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderValue;
use reqwest::header::IF_NONE_MATCH;
use tokio::time::timeout;

use super::About;
use super::verdict;
use super::verdict::Condition;
use super::verdict::Put;
use super::verdict::Seen;
use crate::clock::Clock;
use crate::deliver::Failure;
use crate::deliver::Http;
use crate::deliver::Timeouts;
use crate::deliver::body::Body;
use crate::deliver::client::ClientError;
use crate::deliver::client::Connections;
use crate::deliver::failure::Via;
use crate::deliver::upload::Progress;
use crate::deliver::upload::Upload;
use crate::deliver::upload::too_slow;
use crate::deliver::upload::whole;

/// An error document is short; what is longer is none.
const ERROR: usize = 4 << 10;

/// The way to the store.
#[derive(Debug)]
pub(super) struct Exchange {
    connections: Connections,
    timeouts: Timeouts,
    via: Via,
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

impl Exchange {
    pub(super) fn new(http: &Http, clock: &Clock) -> Result<Exchange, ClientError> {
        let connections = Connections::new("attachment_store", http, clock)?;
        let via = if http.proxy.is_some() { Via::Tunnel } else { Via::Nothing };
        Ok(Exchange { connections, timeouts: http.timeouts, via })
    }

    /// Whether `size` bytes lie at `url`.
    pub(super) async fn look(&self, url: Url, size: u64) -> Result<Seen, Fault> {
        let response = self.exchange(Method::HEAD, &url, HeaderMap::new(), &Body::Whole("".into())).await?;
        let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        match verdict::seen(response.status().as_u16(), length, size) {
            Ok(seen) => Ok(seen),
            Err(failure) => Err(told(failure, response).await),
        }
    }

    /// Puts `body` at `url`.
    pub(super) async fn put(&self, url: Url, body: &Body, about: &About, condition: Condition) -> Result<Put, Fault> {
        let mut headers = HeaderMap::new();
        let named = [(CONTENT_TYPE, &about.content_type), (CONTENT_DISPOSITION, &about.disposition)];
        for (name, value) in named {
            // A value that cannot stand in a header is left out.
            headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        }
        if condition == Condition::Absent {
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        // Without it, nothing would be announced of an empty body, and stores insist.
        headers.insert(CONTENT_LENGTH, body.size().into());
        let response = self.exchange(Method::PUT, &url, headers, body).await?;
        match verdict::put(response.status().as_u16(), condition) {
            Ok(put) => Ok(put),
            Err(failure) => Err(told(failure, response).await),
        }
    }

    /// The first bytes of what lies at `url`, one more than `length` at most.
    pub(super) async fn fetch(&self, url: &str, length: usize) -> Result<Vec<u8>, Fault> {
        let url = Url::parse(url).map_err(|_| Failure::StoreRefused)?;
        let response = self.exchange(Method::GET, &url, HeaderMap::new(), &Body::Whole("".into())).await?;
        match response.status().as_u16() {
            200 => Ok(begin(response, length + 1).await),
            status => Err(told(verdict::failure(status), response).await),
        }
    }

    async fn exchange(&self, method: Method, url: &Url, headers: HeaderMap, body: &Body) -> Result<Response, Fault> {
        let begun = self.connections.begun();
        let send = || async {
            let sent = timeout(whole(self.timeouts, body), self.send(&method, url, &headers, body)).await;
            sent.unwrap_or(Err(Failure::ExchangeTimeout))
        };
        let sent = match send().await {
            // An old connection that the store closed as we took it up says nothing of the store.
            Err(Failure::ConnectionClosed) if self.connections.begun() == begun => {
                self.connections.renew();
                send().await
            }
            sent => sent,
        };
        sent.map_err(|failure| match failure {
            Failure::Render => failure.into(),
            why => Fault { failure: Failure::StoreUnreachable, said: Some(why.to_string()) },
        })
    }

    async fn send(&self, method: &Method, url: &Url, headers: &HeaderMap, body: &Body) -> Result<Response, Failure> {
        let request = self.connections.client().request(method.clone(), url.clone()).headers(headers.clone());
        let (upload, progress) = Upload::new(body);
        let request = if *method == Method::PUT { request.body(reqwest::Body::wrap(upload)) } else { request };
        tokio::select! {
            answer = request.send() => match answer {
                Err(_) if *progress.borrow() == Progress::Broken => Err(Failure::Render),
                answer => answer.map_err(|error| Failure::of(&error, self.via)),
            },
            failure = too_slow(self.timeouts, progress.clone()) => Err(failure),
        }
    }
}

/// The fault, with what the answer tells of it.
async fn told(failure: Failure, response: Response) -> Fault {
    let mut said = format!("HTTP {}", response.status().as_u16());
    if let Some(code) = verdict::code(&begin(response, ERROR).await) {
        // Writing to memory does not fail.
        write!(said, " {code}").unwrap_or_default();
    }
    Fault { failure, said: Some(said) }
}

/// The first bytes of an answer's body, about so many; what comes too late is not waited for.
async fn begin(mut response: Response, most: usize) -> Vec<u8> {
    let mut body = Vec::new();
    let reading = async {
        while body.len() < most
            && let Ok(Some(chunk)) = response.chunk().await
        {
            body.extend_from_slice(&chunk);
        }
    };
    // Late or not: what is there counts.
    timeout(std::time::Duration::from_secs(5), reading).await.unwrap_or_default();
    body.truncate(most);
    body
}
