//! One post to an endpoint: every wait bounded, and nothing followed.
//!
//! A 2xx status line is success, even if the body behind it stalls. Redirects are never followed: a POST that becomes a
//! GET somewhere else delivers nothing.

use std::io;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use openssl::error::ErrorStack;
use reqwest::Response;
use reqwest::StatusCode;
use reqwest::header::CONTENT_ENCODING;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use tokio::time::timeout;

use super::Compress;
use super::Endpoint;
use super::Signing;
use super::answer;
use super::answer::Answer;
use super::body::Body;
use super::body::Rendering;
use super::client::Connections;
use super::failure::Failure;
use super::failure::Via;
use super::open::OpenError;
use super::payload::Head;
use super::signature;
use super::signature::Signer;
use super::upload::Progress;
use super::upload::Upload;
use super::upload::too_slow;
use super::upload::whole;
use crate::clock::Clock;

/// Bodies that are not larger go as they are: compressing them saves no packet worth it.
const COMPRESSED_FROM: usize = 8 << 10;

/// The way to one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    connections: Arc<Connections>,
    endpoint: Endpoint,
}

/// Why there is no post to send.
#[derive(Debug)]
pub(super) enum Unsigned {
    /// No key is valid at that time.
    NoValidKey,
    /// OpenSSL does not sign.
    Failed(ErrorStack),
    /// The body cannot be made.
    Render(io::Error),
}

/// A body that is not signed yet.
#[derive(Debug)]
pub(super) enum Draft {
    /// Held in memory.
    Whole(Bytes),
    /// Written as it is needed; it may get about so long.
    Large(Rendering, usize),
}

/// One post, ready to go.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) signature: Option<String>,
    /// What the format puts before the body.
    pub(super) head: Head,
    pub(super) body: Body,
    pub(super) encoding: Option<&'static str>,
}

impl Webhook {
    pub(super) fn new(endpoint: Endpoint, clock: &Clock) -> Result<Webhook, OpenError> {
        let connections = Arc::new(Connections::new(&format!("endpoint {}", endpoint.name), &endpoint.http, clock)?);
        Ok(Webhook { connections, endpoint })
    }

    /// Signs a body for this endpoint, as sent at `at`, with every key that is valid then, and compresses it where that
    /// is wanted. The signature is of the body as it was before: receivers see it so, because what stands in front of
    /// them decompresses first. A large body that an Ed25519 key signs is held in memory: that needs all of it at once.
    pub(super) fn sign(&self, id: &str, at: Timestamp, head: Head, draft: Draft) -> Result<Post, Unsigned> {
        let keys = match &self.endpoint.signing {
            Signing::None => Vec::new(),
            Signing::Keys(keys) => keys.valid(at),
        };
        if keys.is_empty() && !matches!(self.endpoint.signing, Signing::None) {
            return Err(Unsigned::NoValidKey);
        }
        let post = |signature, body, encoding| Post { id: id.to_owned(), at, signature, head, body, encoding };
        let whole = match draft {
            Draft::Whole(body) => body,
            Draft::Large(rendering, about) => match Signer::begin(&keys, id, at.as_second()) {
                None => rendering.whole(about).map_err(Unsigned::Render)?,
                Some(signer) => {
                    let signer = (!keys.is_empty()).then_some(signer);
                    let (size, signature) = rendering.measure(signer).map_err(Unsigned::Render)?;
                    let compressed = self.endpoint.http.compress == Compress::Gzip;
                    let body = Body::Written { rendering, size, compressed };
                    return Ok(post(signature, body, compressed.then_some("gzip")));
                }
            },
        };
        let signature = match &*keys {
            [] => None,
            keys => Some(signature::sign(keys, id, at.as_second(), &whole).map_err(Unsigned::Failed)?),
        };
        let (body, encoding) = encode(self.endpoint.http.compress, whole);
        Ok(post(signature, Body::Whole(body), encoding))
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
        match timeout(whole(self.endpoint.http.timeouts, &post.body), self.exchange(&post)).await {
            Ok(Ok(response)) => answer::read(response, &self.endpoint.url, post.at).await,
            Ok(Err(failure)) => Answer::Failed(failure),
            Err(_) => Answer::Failed(Failure::ExchangeTimeout),
        }
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
        let (body, progress) = Upload::new(&post.body);
        let request = self.connections.client().post(self.endpoint.url.clone());
        let request = request.headers(self.headers(post)).body(reqwest::Body::wrap(body));
        tokio::select! {
            answer = request.send() => match answer {
                // It was not the endpoint that broke it off.
                Err(_) if *progress.borrow() == Progress::Broken => Err(Failure::Render),
                answer => self.answered(answer),
            },
            failure = too_slow(self.endpoint.http.timeouts, progress.clone()) => Err(failure),
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

    fn headers(&self, post: &Post) -> HeaderMap {
        let mut headers = HeaderMap::new();
        // A value that cannot stand in a header is left out: better a post without it than none.
        if let Ok(content_type) = HeaderValue::from_str(&post.head.content_type) {
            headers.insert(CONTENT_TYPE, content_type);
        }
        for (name, value) in &post.head.headers {
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
    use std::time::Duration;

    use tokio::io::AsyncBufReadExt as _;
    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio::io::BufReader;
    use tokio::net::TcpListener;

    use super::*;
    use crate::deliver::Egress;
    use crate::deliver::Keyring;
    use crate::deliver::SigningKey;
    use crate::secret::Secret;

    fn clock() -> Clock {
        Clock::by_hand(Timestamp::UNIX_EPOCH)
    }

    fn sign(webhook: &Webhook, body: &[u8]) -> Post {
        let draft = Draft::Whole(Bytes::copy_from_slice(body));
        webhook.sign("msg_1", Timestamp::UNIX_EPOCH, Head::json(), draft).unwrap()
    }

    async fn check(url: &str, expected: Failure) {
        let mut endpoint = Endpoint::for_testing(url);
        endpoint.http.timeouts.answer = Duration::from_millis(100);
        let webhook = Webhook::new(endpoint, &clock()).unwrap();
        let post = sign(&webhook, b"{}");
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
        let answer = webhook.post(sign(&webhook, &vec![b'x'; 64 << 20])).await;
        assert!(matches!(answer, Answer::Failed(Failure::UploadStalled)), "{answer:?}");
    }

    /// A server that answers 200 once a request has come whole, and keeps all that came over each connection.
    async fn keeping() -> (u16, tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (came, all) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut tcp, _) = listener.accept().await.unwrap();
                let (mut request, mut piece) = (Vec::new(), vec![0; 1 << 16]);
                while let Ok(count @ 1..) = tcp.read(&mut piece).await {
                    request.extend_from_slice(&piece[..count]);
                    if request.ends_with(b"the end") || request.ends_with(b"\r\n0\r\n\r\n") {
                        drop(tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await);
                        break;
                    }
                }
                came.send(request).unwrap();
            }
        });
        (port, all)
    }

    /// Writes a body of some hundred KiB.
    fn large(out: &mut dyn io::Write) -> io::Result<()> {
        (0..20_000).try_for_each(|n| writeln!(out, "line {n} of many"))?;
        out.write_all(b"the end")
    }

    fn signed(port: u16, compress: Compress) -> Webhook {
        let key = signature::Key::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let mut endpoint = Endpoint::for_testing(&format!("http://127.0.0.1:{port}/"));
        endpoint.signing = Signing::Keys(Keyring(vec![SigningKey { key, from: None, until: None }]));
        endpoint.http.compress = compress;
        Webhook::new(endpoint, &clock()).unwrap()
    }

    fn draft(webhook: &Webhook, write: impl Fn(&mut dyn io::Write) -> io::Result<()> + Send + Sync + 'static) -> Post {
        let draft = Draft::Large(Rendering::new(write), 0);
        webhook.sign("msg_1", Timestamp::UNIX_EPOCH, Head::json(), draft).unwrap()
    }

    /// A large body, signed as it is when it is whole, and the request that came for it.
    async fn arrived(compress: Compress) -> (Vec<u8>, Vec<u8>) {
        let (port, mut came) = keeping().await;
        let webhook = signed(port, compress);
        let mut expected = Vec::new();
        large(&mut expected).unwrap();
        let post = draft(&webhook, large);
        assert_eq!(post.signature, sign(&webhook, &expected).signature);
        assert!(matches!(webhook.post(post).await, Answer::Status { status: 200, .. }));
        (expected, came.recv().await.unwrap())
    }

    #[tokio::test]
    async fn a_body_that_is_written_as_it_is_sent_arrives_as_a_whole_one_would() {
        let (expected, request) = arrived(Compress::None).await;
        let request = String::from_utf8(request).unwrap();
        let (header, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(header.contains(&format!("content-length: {}", expected.len())), "{header}");
        assert_eq!(body.as_bytes(), expected);
    }

    #[tokio::test]
    async fn a_body_that_is_compressed_as_it_is_sent_is_signed_as_it_was_before() {
        let (expected, request) = arrived(Compress::Gzip).await;
        let end = memchr::memmem::find(&request, b"\r\n\r\n").unwrap();
        let (header, mut chunks) = (String::from_utf8_lossy(&request[..end]), &request[end + 4..]);
        assert!(header.contains("content-encoding: gzip") && header.contains("transfer-encoding: chunked"), "{header}");
        let mut body = Vec::new();
        loop {
            let line = memchr::memmem::find(chunks, b"\r\n").unwrap();
            let length = usize::from_str_radix(std::str::from_utf8(&chunks[..line]).unwrap(), 16).unwrap();
            if length == 0 {
                break;
            }
            body.extend_from_slice(&chunks[line + 2..line + 2 + length]);
            chunks = &chunks[line + 4 + length..];
        }
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, expected);
    }

    /// What writes the body fails, crashes, or ends early the second time: nobody may take what came for a whole body.
    #[tokio::test]
    async fn a_body_that_breaks_on_its_way_is_never_a_whole_one_and_is_no_fault_of_the_endpoint() {
        for compress in [Compress::None, Compress::Gzip] {
            for fault in ["fails", "crashes", "ends early"] {
                let (port, mut came) = keeping().await;
                let webhook = signed(port, compress);
                let times = AtomicUsize::new(0);
                let post = draft(&webhook, move |out| {
                    if times.fetch_add(1, Ordering::SeqCst) == 0 {
                        return large(out);
                    }
                    (0..10_000).try_for_each(|n| writeln!(out, "line {n} of many"))?;
                    match fault {
                        "fails" => Err(io::Error::other("a fault")),
                        "crashes" => panic!("a crash"),
                        _ => Ok(()),
                    }
                });
                let answer = webhook.post(post).await;
                // Without a length, a body that ends early is whole for all that can be seen; its signature is wrong.
                if compress == Compress::Gzip && fault == "ends early" {
                    continue;
                }
                assert!(matches!(answer, Answer::Failed(Failure::Render)), "{fault}: {answer:?}");
                let request = came.recv().await.unwrap();
                assert!(!request.ends_with(b"the end") && !request.ends_with(b"\r\n0\r\n\r\n"), "{fault}");
            }
        }
    }

    #[tokio::test]
    async fn an_upload_that_is_written_while_nobody_reads_is_given_up_and_so_is_its_writing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut webhook = signed(listener.local_addr().unwrap().port(), Compress::None);
        webhook.endpoint.http.timeouts.stall = Duration::from_millis(100);
        let (written, ended) = std::sync::mpsc::channel();
        let post = draft(&webhook, move |out| {
            let all = (0..64 << 10).try_for_each(|_| out.write_all(&[b'x'; 1 << 10]));
            written.send(all.is_ok()).unwrap();
            all
        });
        assert!(ended.recv().unwrap(), "it is measured first");
        let answer = webhook.post(post).await;
        assert!(matches!(answer, Answer::Failed(Failure::UploadStalled)), "{answer:?}");
        assert!(!tokio::task::spawn_blocking(move || ended.recv().unwrap()).await.unwrap());
    }

    #[test]
    fn a_whole_exchange_has_time_for_its_size_unless_a_time_is_written() {
        let check = |connect: u64, written: Option<u64>, size: usize, expected: u64| {
            let mut endpoint = Endpoint::for_testing("http://localhost/");
            endpoint.http.timeouts.connect = Duration::from_secs(connect);
            endpoint.http.timeouts.whole = written.map(Duration::from_secs);
            let webhook = Webhook::new(endpoint, &clock()).unwrap();
            assert_eq!(
                whole(webhook.endpoint.http.timeouts, &Body::Whole(vec![0; size].into())),
                Duration::from_secs(expected)
            );
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
            let answer = webhook.post(sign(&webhook, b"{}")).await;
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
            let post = sign(&webhook, b"{}");
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
