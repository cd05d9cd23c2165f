//! The line to the store: what `object_store` has signed goes out over our own HTTP client, with its proxy and its
//! certificates. Every wait is bounded, nothing is followed, nothing is repeated but what a closed connection swallowed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::HttpClient;
use object_store::client::HttpConnector;
use object_store::client::HttpError;
use object_store::client::HttpErrorKind;
use object_store::client::HttpRequest;
use object_store::client::HttpResponse;
use object_store::client::HttpService;
use reqwest::Method;
use reqwest::Response;
use reqwest::Url;
use reqwest::header::HeaderMap;
use tokio::time::timeout;

use super::verdict;
use super::verdict::Fault;
use super::verdict::Refusal;
use crate::clock::Clock;
use crate::deliver::Failure;
use crate::deliver::Http;
use crate::deliver::Timeouts;
use crate::deliver::body::Body;
use crate::deliver::client::ClientError;
use crate::deliver::client::Connections;
use crate::deliver::failure::Via;
use crate::deliver::upload::Upload;
use crate::deliver::upload::too_slow;
use crate::deliver::upload::whole;

/// The documents of S3 are short; what is longer is none.
const DOCUMENT: usize = 64 << 10;

/// The way to the store.
#[derive(Debug, Clone)]
pub(in crate::deliver) struct Line {
    connections: Arc<Connections>,
    timeouts: Timeouts,
    via: Via,
}

impl Line {
    /// # Errors
    /// There is no HTTP client for it.
    pub(in crate::deliver) fn new(http: &Http, clock: &Clock) -> Result<Line, ClientError> {
        let connections = Arc::new(Connections::new("attachment_store", http, clock)?);
        let via = if http.proxy.is_some() { Via::Tunnel } else { Via::Nothing };
        Ok(Line { connections, timeouts: http.timeouts, via })
    }

    /// The first bytes of what lies at `url`, as anybody would fetch it.
    pub(super) async fn fetch(&self, url: &str) -> Result<Vec<u8>, Fault> {
        let url = Url::parse(url).map_err(|_| Failure::StoreRefused)?;
        let answer = self.exchange(&Method::GET, &url, &HeaderMap::new(), &Body::Whole("".into())).await;
        Ok(answer.map_err(|refusal| refusal.fault())?.1)
    }

    /// The header and the body of an answer that tells of success.
    async fn exchange(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: &Body,
    ) -> Result<(Response, Vec<u8>), Refusal> {
        let begun = self.connections.begun();
        let send = || async {
            let sent = timeout(whole(self.timeouts, body), self.send(method, url, headers, body)).await;
            sent.unwrap_or(Err(Failure::ExchangeTimeout))
        };
        let sent = match send().await {
            // An old connection that the store closed as we took it up says nothing of the store.
            Err(Failure::ConnectionClosed) if self.connections.begun() == begun && method.is_idempotent() => {
                self.connections.renew();
                send().await
            }
            sent => sent,
        };
        let mut answer = sent.map_err(Refusal::Silence)?;
        let document = begin(&mut answer, DOCUMENT, self.timeouts.answer).await;
        if answer.status().is_success() {
            Ok((answer, document))
        } else {
            Err(Refusal::Status(answer.status().as_u16(), verdict::code(&document)))
        }
    }

    async fn send(&self, method: &Method, url: &Url, headers: &HeaderMap, body: &Body) -> Result<Response, Failure> {
        let request = self.connections.client().request(method.clone(), url.clone()).headers(headers.clone());
        let (upload, progress) = Upload::new(body);
        let with_body = matches!(*method, Method::PUT | Method::POST);
        let request = if with_body { request.body(reqwest::Body::wrap(upload)) } else { request };
        tokio::select! {
            answer = request.send() => answer.map_err(|error| Failure::of(&error, self.via)),
            failure = too_slow(self.timeouts, progress) => Err(failure),
        }
    }
}

#[async_trait]
impl HttpService for Line {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let body = Body::Whole(body.collect().await?.to_bytes());
        let exchange = async {
            let url = Url::parse(&head.uri.to_string()).map_err(|_| Refusal::Silence(Failure::Request))?;
            self.exchange(&head.method, &url, &head.headers, &body).await
        };
        // None of the kinds that are tried again there.
        let (answer, document) = exchange.await.map_err(|refusal| HttpError::new(HttpErrorKind::Unknown, refusal))?;
        let mut response = HttpResponse::new(document.into());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

impl HttpConnector for Line {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// No line at all, for whoever only signs.
#[derive(Debug)]
pub(super) struct Nowhere;

#[async_trait]
impl HttpService for Nowhere {
    async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::new(HttpErrorKind::Unknown, Refusal::Silence(Failure::Unreachable)))
    }
}

impl HttpConnector for Nowhere {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Nowhere))
    }
}

/// The first bytes of an answer's body, `most` of them; what comes too late is not waited for.
async fn begin(answer: &mut Response, most: usize, patience: Duration) -> Vec<u8> {
    let mut body = Vec::new();
    let reading = async {
        while body.len() < most
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            body.extend_from_slice(&chunk);
        }
    };
    // Late or not: what is there counts.
    timeout(patience, reading).await.unwrap_or_default();
    body.truncate(most);
    body
}
