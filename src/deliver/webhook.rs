//! One post to an endpoint: every wait bounded, and nothing followed.
//!
//! A 2xx status line is success, even if the body behind it stalls. Redirects are never followed: a POST that becomes a
//! GET somewhere else delivers nothing.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use openssl::error::ErrorStack;
use reqwest::Response;
use reqwest::StatusCode;
use reqwest::header::CONTENT_ENCODING;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Compress;
use super::Endpoint;
use super::Signing;
use super::answer;
use super::answer::Answer;
use super::client::ClientError;
use super::client::Connections;
use super::failure::Failure;
use super::failure::Via;
use super::payload::Head;
use super::signature;
use super::upload::Upload;
use crate::clock::Clock;

/// The whole exchange: this, and a second for each [`UPLOAD_RATE`] bytes.
const WHOLE: Duration = Duration::from_secs(45);
/// The slowest upload that is waited for, in bytes per second.
const UPLOAD_RATE: u64 = 512 << 10;
/// Bodies that are not larger go as they are: compressing them saves no packet worth it.
const COMPRESSED_FROM: usize = 8 << 10;

/// The way to one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    connections: Arc<Connections>,
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
    /// What the format puts before the body.
    pub(super) head: Head,
    /// As it goes over the wire.
    pub(super) body: Bytes,
    pub(super) encoding: Option<&'static str>,
}

impl Webhook {
    pub(super) fn new(endpoint: Endpoint, clock: &Clock) -> Result<Webhook, ClientError> {
        let connections = Arc::new(Connections::new(endpoint.name.as_str(), &endpoint.http, clock)?);
        Ok(Webhook { connections, endpoint })
    }

    /// Signs `body` for this endpoint, as sent at `at`, with every key that is valid then, and compresses it where that
    /// is wanted. The signature is of the body as it was before: receivers see it so, because what stands in front of
    /// them decompresses first.
    pub(super) fn sign(&self, id: &str, at: Timestamp, body: Bytes) -> Result<Post, Unsigned> {
        let signature = match &self.endpoint.signing {
            Signing::None => None,
            Signing::Keys(keys) => match keys.valid(at) {
                valid if valid.is_empty() => return Err(Unsigned::NoValidKey),
                valid => Some(signature::sign(&valid, id, at.as_second(), &body).map_err(Unsigned::Failed)?),
            },
        };
        let (body, encoding) = encode(self.endpoint.http.compress, body);
        Ok(Post { id: id.to_owned(), at, signature, head: Head::json(), body, encoding })
    }

    /// Asks for nothing, to see whether anybody is there; tells the status.
    pub(super) async fn head(&self) -> Result<u16, Failure> {
        self.may_connect()?;
        let times = self.endpoint.http.timeouts;
        let request = self.connections.client().head(self.endpoint.url.clone());
        let request = request.headers(self.endpoint.http.headers.clone());
        let response = request.timeout(times.connect.saturating_add(times.answer)).send().await;
        self.answered(response).map(|response| response.status().as_u16())
    }

    /// Posts, and reads the answer as far as it is worth.
    pub(super) async fn post(&self, post: Post) -> Answer {
        match timeout(self.whole(&post.body), self.exchange(&post)).await {
            Ok(Ok(response)) => answer::read(response, &self.endpoint.url, post.at).await,
            Ok(Err(failure)) => Answer::Failed(failure),
            Err(_) => Answer::Failed(Failure::ExchangeTimeout),
        }
    }

    /// How long an exchange may take until the answer's header is there.
    fn whole(&self, body: &Bytes) -> Duration {
        let times = self.endpoint.http.timeouts;
        let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let upload = Duration::from_secs(size / UPLOAD_RATE);
        times.whole.unwrap_or_else(|| WHOLE.max(times.connect.saturating_add(times.answer)).saturating_add(upload))
    }

    async fn exchange(&self, post: &Post) -> Result<Response, Failure> {
        self.may_connect()?;
        let begun = self.connections.begun();
        match self.send(post).await {
            // No connection was begun since, so it was an old one, which the endpoint closed as we took it up: that says
            // nothing of the endpoint. It may have read the post, but then the second one carries the same id.
            Err(Failure::ConnectionClosed) if self.connections.begun() == begun => {
                self.connections.renew();
                self.send(post).await
            }
            sent => sent,
        }
    }

    async fn send(&self, post: &Post) -> Result<Response, Failure> {
        let (body, left) = Upload::new(post.body.clone());
        let request = self.connections.client().post(self.endpoint.url.clone());
        let request = request.headers(self.headers(post)).body(reqwest::Body::wrap(body));
        tokio::select! {
            answer = request.send() => self.answered(answer),
            failure = self.too_slow(left) => Err(failure),
        }
    }

    /// An address that stands in the URL itself is never looked up, so it is judged here.
    fn may_connect(&self) -> Result<(), Failure> {
        let denied = self.endpoint.http.egress.denied_literal(&self.endpoint.url);
        if denied.is_some() { Err(Failure::EgressDenied) } else { Ok(()) }
    }

    /// Tells an answer of the endpoint from one of the proxy.
    fn answered(&self, sent: Result<Response, reqwest::Error>) -> Result<Response, Failure> {
        let via = self.via();
        match sent {
            Ok(response) if via == Via::Proxy && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Err(Failure::Proxy)
            }
            Ok(response) => Ok(response),
            Err(error) => Err(Failure::of(&error, via)),
        }
    }

    fn via(&self) -> Via {
        match (&self.endpoint.http.proxy, self.endpoint.url.scheme()) {
            (None, _) => Via::Nothing,
            (Some(_), "https") => Via::Tunnel,
            (Some(_), _) => Via::Proxy,
        }
    }

    /// Returns when the upload stalls, or the answer to it does not begin in time.
    async fn too_slow(&self, mut left: watch::Receiver<usize>) -> Failure {
        let times = self.endpoint.http.timeouts;
        // Nothing goes out before there is a connection, whose time is its own.
        let mut patience = times.connect.saturating_add(times.stall);
        while *left.borrow_and_update() > 0 {
            match timeout(patience, left.changed()).await {
                Ok(Ok(())) => patience = times.stall,
                // The body is gone, sent or not: the answer, or an error, is what remains to wait for.
                Ok(Err(_)) => break,
                Err(_) => return Failure::UploadStalled,
            }
        }
        tokio::time::sleep(times.answer).await;
        Failure::AnswerTimeout
    }

    fn headers(&self, post: &Post) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [("content-type", &post.head.content_type)].into_iter().chain(post.head.fields()) {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        if let Some(encoding) = post.encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
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

/// The body as it goes over the wire, and what it was encoded by. Equal bodies give equal bytes.
fn encode(compress: Compress, body: Bytes) -> (Bytes, Option<&'static str>) {
    if compress == Compress::None || body.len() <= COMPRESSED_FROM {
        return (body, None);
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::default());
    match encoder.write_all(&body).and_then(|()| encoder.finish()) {
        Ok(smaller) if smaller.len() < body.len() => (smaller.into(), Some("gzip")),
        // Writing to memory does not fail; and what does not shrink goes as it is.
        Ok(_) | Err(_) => (body, None),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;

    use tokio::io::AsyncBufReadExt as _;
    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio::io::BufReader;
    use tokio::net::TcpListener;

    use super::*;
    use crate::deliver::Egress;

    fn clock() -> Clock {
        Clock::by_hand(Timestamp::UNIX_EPOCH)
    }

    async fn check(url: &str, expected: Failure) {
        let mut endpoint = Endpoint::for_testing(url);
        endpoint.http.timeouts.answer = Duration::from_millis(100);
        let webhook = Webhook::new(endpoint, &clock()).unwrap();
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

    #[tokio::test]
    async fn an_upload_that_nobody_reads_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut endpoint = Endpoint::for_testing(&format!("http://{}/", listener.local_addr().unwrap()));
        endpoint.http.timeouts.stall = Duration::from_millis(100);
        let webhook = Webhook::new(endpoint, &clock()).unwrap();
        // More than the buffers of both ends hold.
        let post = webhook.sign("msg_1", Timestamp::UNIX_EPOCH, Bytes::from(vec![b'x'; 64 << 20]));
        let answer = webhook.post(post.unwrap()).await;
        assert!(matches!(answer, Answer::Failed(Failure::UploadStalled)), "{answer:?}");
    }

    #[test]
    fn a_whole_exchange_has_time_for_its_size_unless_a_time_is_written() {
        let check = |connect: u64, whole: Option<u64>, size: usize, expected: u64| {
            let mut endpoint = Endpoint::for_testing("http://localhost/");
            endpoint.http.timeouts.connect = Duration::from_secs(connect);
            endpoint.http.timeouts.whole = whole.map(Duration::from_secs);
            let webhook = Webhook::new(endpoint, &clock()).unwrap();
            assert_eq!(webhook.whole(&Bytes::from(vec![0; size])), Duration::from_secs(expected));
        };
        check(10, None, 2, 45);
        check(10, None, 10 << 20, 65);
        check(60, None, 2, 90);
        check(10, Some(30), 10 << 20, 30);
    }

    /// A server whose connections end after so many requests each, of which the last is read and not answered; the
    /// number of requests that it read.
    async fn forgetful(connections: &'static [usize]) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let read = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&read);
        tokio::spawn(async move {
            for requests in connections {
                let (tcp, _) = listener.accept().await.unwrap();
                let mut tcp = BufReader::new(tcp);
                'requests: for left in (0..*requests).rev() {
                    let mut line = String::new();
                    while line != "\r\n" {
                        line.clear();
                        if tcp.read_line(&mut line).await.unwrap() == 0 {
                            break 'requests;
                        }
                    }
                    tcp.read_exact(&mut [0; 2]).await.unwrap();
                    count.fetch_add(1, Ordering::SeqCst);
                    if left > 0 {
                        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                    }
                }
            }
        });
        (port, read)
    }

    async fn posts(port: u16, expected: &[Result<u16, Failure>]) {
        let webhook = Webhook::new(Endpoint::for_testing(&format!("http://127.0.0.1:{port}/")), &clock()).unwrap();
        for expected in expected {
            let answer =
                webhook.post(webhook.sign("msg_1", Timestamp::UNIX_EPOCH, Bytes::from_static(b"{}")).unwrap()).await;
            let found = match answer {
                Answer::Status { status, .. } => Ok(status),
                Answer::Failed(failure) => Err(failure),
            };
            assert_eq!(found, *expected);
        }
    }

    #[tokio::test]
    async fn e12_an_old_connection_that_closes_under_a_post_costs_no_attempt() {
        let (port, read) = forgetful(&[3, 3]).await;
        posts(port, &[Ok(200), Ok(200), Ok(200), Ok(200)]).await;
        // The third was read twice.
        assert_eq!(read.load(Ordering::SeqCst), 5);
    }

    #[tokio::test]
    async fn e12_a_new_connection_that_closes_is_a_failure() {
        let (port, read) = forgetful(&[1, 2, 1]).await;
        posts(port, &[Err(Failure::ConnectionClosed), Ok(200), Err(Failure::ConnectionClosed)]).await;
        // The last post was made on an old connection, and then once more on a new one.
        assert_eq!(read.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn n2_no_connection_is_used_that_is_older_than_a_minute() {
        let (port, read) = forgetful(&[4, 4]).await;
        let clock = clock();
        let webhook = Webhook::new(Endpoint::for_testing(&format!("http://127.0.0.1:{port}/")), &clock).unwrap();
        for (later, connections) in [(0, 1), (59, 1), (1, 2), (59, 2)] {
            clock.advance(Duration::from_secs(later));
            let post = webhook.sign("msg_1", Timestamp::UNIX_EPOCH, Bytes::from_static(b"{}")).unwrap();
            assert!(matches!(webhook.post(post).await, Answer::Status { status: 200, .. }));
            assert_eq!(webhook.connections.begun(), connections);
        }
        assert_eq!(read.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn an_address_that_egress_refuses_is_not_connected_to() {
        for url in ["http://169.254.169.254/", "http://[::ffff:169.254.169.254]/", "https://2852039166/"] {
            check(url, Failure::EgressDenied).await;
            let webhook = Webhook::new(Endpoint::for_testing(url), &clock()).unwrap();
            assert_eq!(webhook.head().await, Err(Failure::EgressDenied));
            assert_eq!(webhook.connections.begun(), 0);
        }
        let mut endpoint = Endpoint::for_testing("http://localhost:1/");
        endpoint.http.egress =
            Arc::new(Egress::new(vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()], vec![]));
        assert_eq!(Webhook::new(endpoint, &clock()).unwrap().head().await, Err(Failure::EgressDenied));
    }

    #[test]
    fn only_a_large_body_that_shrinks_is_compressed() {
        let check = |compress, body: Vec<u8>, expected| {
            let (sent, encoding) = encode(compress, Bytes::from(body.clone()));
            assert_eq!(encoding, expected, "{} bytes", body.len());
            let mut plain = Vec::new();
            match encoding {
                Some(_) => flate2::read::GzDecoder::new(&*sent).read_to_end(&mut plain).map(drop).unwrap(),
                None => plain.extend_from_slice(&sent),
            }
            assert_eq!(plain, body);
        };
        check(Compress::Gzip, vec![b'x'; COMPRESSED_FROM + 1], Some("gzip"));
        check(Compress::Gzip, vec![b'x'; COMPRESSED_FROM], None);
        check(Compress::None, vec![b'x'; COMPRESSED_FROM + 1], None);
        let mut chance = fastrand::Rng::with_seed(1);
        check(Compress::Gzip, (0..20_000).map(|_| chance.u8(..)).collect(), None);
    }
}
