//! The HTTP client of one endpoint: one post, one answer, every wait bounded.
//!
//! A 2xx status line is success, even if the body behind it stalls. Redirects are never followed: a POST that becomes a
//! GET somewhere else delivers nothing.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use openssl::error::ErrorStack;
use reqwest::Client;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::DATE;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Endpoint;
use super::Signing;
use super::failure::Failure;
use super::outcome;
use super::signature;
use super::upload::Upload;

/// TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(10);
/// Idle connections go before the peer's own limit (5 s in many servers) closes them under a request.
const IDLE: Duration = Duration::from_secs(4);
/// An upload that makes no progress for so long has failed.
const UPLOAD_STALL: Duration = Duration::from_secs(30);
/// The whole exchange: this, and a second for each [`UPLOAD_RATE`] bytes.
const WHOLE: Duration = Duration::from_secs(45);
/// The slowest upload that is waited for, in bytes per second.
const UPLOAD_RATE: u64 = 512 << 10;
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
    Status { status: u16, retry_after: Option<Duration>, body: String },
    /// It did not.
    Failed(Failure),
}

/// Why an endpoint's client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Its certificates, or TLS itself.
    #[error("endpoint {name}: cannot make its HTTP client")]
    Client { name: String, source: reqwest::Error },
}

/// The way to one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    client: Client,
    endpoint: Endpoint,
}

/// Why a post is not sent that must be signed.
#[derive(Debug)]
pub(super) enum Unsigned {
    /// No key is valid at that time.
    NoValidKey,
    /// OpenSSL does not sign.
    Failed(ErrorStack),
}

/// One post, ready to go.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) signature: Option<String>,
    pub(super) body: Bytes,
}

impl Webhook {
    pub(super) fn new(endpoint: Endpoint) -> Result<Webhook, ClientError> {
        let name = endpoint.name.to_string();
        let failed = |source| ClientError::Client { name: name.clone(), source };
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("pophook/", env!("CARGO_PKG_VERSION")))
            .tls_version_min(reqwest::tls::Version::TLS_1_2);
        if let Some(pem) = &endpoint.http.ca_pem {
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem).map_err(failed)?);
        }
        let client = builder.build().map_err(failed)?;
        Ok(Webhook { client, endpoint })
    }

    /// Signs `body` for this endpoint, as sent at `at`, with every key that is valid then.
    pub(super) fn sign(&self, id: &str, at: Timestamp, body: Bytes) -> Result<Post, Unsigned> {
        let signature = match &self.endpoint.signing {
            Signing::None => None,
            Signing::Keys(keys) => match keys.valid(at) {
                valid if valid.is_empty() => return Err(Unsigned::NoValidKey),
                valid => Some(signature::sign(&valid, id, at.as_second(), &body).map_err(Unsigned::Failed)?),
            },
        };
        Ok(Post { id: id.to_owned(), at, signature, body })
    }

    /// Asks for nothing, to see whether anybody is there; tells the status.
    pub(super) async fn head(&self) -> Result<u16, Failure> {
        let request =
            self.client.head(self.endpoint.url.clone()).timeout(CONNECT.saturating_add(self.endpoint.http.timeout));
        let response = request.send().await.map_err(|error| Failure::of(&error))?;
        Ok(response.status().as_u16())
    }

    /// Posts, and reads the answer as far as it is worth.
    pub(super) async fn post(&self, post: Post) -> Answer {
        let size = u64::try_from(post.body.len()).unwrap_or(u64::MAX);
        let whole = WHOLE.saturating_add(Duration::from_secs(size / UPLOAD_RATE));
        let now = post.at;
        let sent = timeout(whole.max(self.endpoint.http.timeout), self.send(post)).await;
        match sent {
            Ok(Ok(response)) => read(response, now).await,
            Ok(Err(failure)) => Answer::Failed(failure),
            Err(_) => Answer::Failed(Failure::ExchangeTimeout),
        }
    }

    async fn send(&self, post: Post) -> Result<Response, Failure> {
        let headers = self.headers(&post);
        let (body, left) = Upload::new(post.body);
        let request = self.client.post(self.endpoint.url.clone()).headers(headers).body(reqwest::Body::wrap(body));
        tokio::select! {
            answer = request.send() => answer.map_err(|error| Failure::of(&error)),
            failure = self.too_slow(left) => Err(failure),
        }
    }

    /// Returns when the upload stalls, or the answer to it does not begin in time.
    async fn too_slow(&self, mut left: watch::Receiver<usize>) -> Failure {
        while *left.borrow_and_update() > 0 {
            match timeout(UPLOAD_STALL, left.changed()).await {
                Ok(Ok(())) => {}
                // The body is gone, sent or not: the answer, or an error, is what remains to wait for.
                Ok(Err(_)) => break,
                Err(_) => return Failure::UploadStalled,
            }
        }
        tokio::time::sleep(self.endpoint.http.timeout).await;
        Failure::AnswerTimeout
    }

    fn headers(&self, post: &Post) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut add = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        add("webhook-id", &post.id);
        add("webhook-timestamp", &post.at.as_second().to_string());
        if let Some(signature) = &post.signature {
            add("webhook-signature", signature);
        }
        headers.extend(self.endpoint.http.headers.clone());
        headers
    }
}

async fn read(mut response: Response, now: Timestamp) -> Answer {
    let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let retry_after = header(RETRY_AFTER).and_then(|value| outcome::retry_after(value, header(DATE), now));
    let status = response.status();
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
    Answer::Status { status: status.as_u16(), retry_after, body: String::from_utf8_lossy(&body).into_owned() }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn check(url: &str, expected: Failure) {
        let mut endpoint = Endpoint::for_testing(url);
        endpoint.http.timeout = Duration::from_millis(100);
        let webhook = Webhook::new(endpoint).unwrap();
        let post = webhook.sign("msg_1", Timestamp::UNIX_EPOCH, Bytes::from_static(b"{}")).unwrap();
        let answer = webhook.post(post).await;
        assert!(matches!(answer, Answer::Failed(failure) if failure == expected), "{url}: {answer:?}");
    }

    /// A server that says `words` to everyone who spoke, and then closes or, without words, waits for more.
    async fn serve(words: Option<&'static [u8]>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut tcp, _) = listener.accept().await.unwrap();
                drop(tcp.read(&mut [0; 4096]).await);
                match words {
                    Some(words) => drop(tcp.write_all(words).await),
                    None => drop(tcp.read_to_end(&mut Vec::new()).await),
                }
            }
        });
        port
    }

    #[tokio::test]
    async fn each_way_to_fail_has_its_own_name() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        check(&format!("http://127.0.0.1:{closed}/"), Failure::ConnectionRefused).await;
        // No name server is asked for a label of more than 63 bytes.
        check(&format!("http://{}.invalid/", "a".repeat(64)), Failure::UnknownHost).await;
        check(&format!("http://127.0.0.1:{}/", serve(Some(b"")).await), Failure::ConnectionClosed).await;
        check(&format!("http://127.0.0.1:{}/", serve(None).await), Failure::AnswerTimeout).await;
        check(&format!("http://127.0.0.1:{}/", serve(Some(b"+OK POP3 server ready\r\n")).await), Failure::NoHttp).await;
        check(&format!("https://127.0.0.1:{}/", serve(Some(b"HTTP/1.1 400 Bad\r\n\r\n")).await), Failure::Tls).await;
        check(&format!("https://127.0.0.1:{}/", serve(Some(b"")).await), Failure::ConnectionClosed).await;
    }
}
