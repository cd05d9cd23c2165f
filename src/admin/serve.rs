//! The connections of operators: how many there may be at once, and how long each may take to say what it wants.
//!
//! Whoever connects and says nothing, or says it a byte at a time, loses the connection: so does one that is kept and
//! not used. Beyond the number that is served, others wait until one ends; one address has a share of it at most, so that
//! it keeps nobody else out, a probe of health least of all.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use super::access::Peer;
use super::line::Came;
use super::line::Line;
use super::share::Shares;

/// How much is served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The longest that a request's header may take, and that a connection is kept without one.
    pub(super) header: Duration,
    /// The longest that a connection is kept, and then the longest that what is under way on it may still take: whoever
    /// asks and does not read what comes holds it no longer.
    pub(super) age: Duration,
    /// Connections at once.
    pub(super) connections: usize,
    /// Of these, from one address.
    pub(super) of_one: usize,
}

impl Limits {
    /// A header comes in one packet or two, and 30 s is what other servers wait for it. A browser opens six connections,
    /// a proxy some dozens.
    pub(super) const USUAL: Limits =
        Limits { header: Duration::from_secs(30), age: Duration::from_secs(600), connections: 512, of_one: 128 };
}

/// Serves `router` until `stop`, and then what is under way.
pub(super) async fn serve(mut line: Line, router: Router, limits: Limits, stop: CancellationToken) {
    let (mut open, shares) = (JoinSet::new(), Shares::new(limits.of_one));
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = open.join_next() => {}
            came = line.accept(&shares), if open.len() < limits.connections => {
                open.spawn(connection(came, router.clone(), limits, stop.clone()));
            }
        }
    }
    while open.join_next().await.is_some() {}
}

async fn connection(came: Came, router: Router, limits: Limits, stop: CancellationToken) {
    let Came { stream, peer, share } = came;
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        // It is always ready.
        router.clone().call(request.map(Body::new))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header);
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    // How it ends is the business of who connected.
    tokio::select! {
        _ = serving.as_mut() => {}
        _ = timeout(limits.age, stop.cancelled()) => {
            serving.as_mut().graceful_shutdown();
            drop(timeout(limits.age, serving).await);
        }
    }
    drop(share);
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;

    use axum::routing::get;
    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio::net::TcpSocket;
    use tokio::net::TcpStream;

    use super::*;

    const LIMITS: Limits =
        Limits { header: Duration::from_millis(100), age: Duration::from_secs(600), connections: 9, of_one: 9 };
    const LONG: Duration = Duration::from_secs(600);
    const WHOLE: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    /// A server that answers `served`, and how often it did.
    async fn server(limits: Limits) -> (SocketAddr, Arc<AtomicUsize>, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, served) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let (counter, stop) = (Arc::clone(&served), CancellationToken::new());
        let answer = async move || {
            counter.fetch_add(1, Ordering::SeqCst);
            "served"
        };
        // No buffer of the system takes it whole.
        let large = async || vec![b'x'; 64 << 20];
        let router = Router::new().route("/", get(answer)).route("/large", get(large));
        tokio::spawn(serve(Line::new(listener, None), router, limits, stop.clone()));
        (address, served, stop)
    }

    /// Sends `bytes`, and takes what comes until the server closes.
    async fn ask(mut stream: TcpStream, bytes: &[u8]) -> String {
        let mut answer = Vec::new();
        // What was closed before it was read may be told as a reset.
        drop(stream.write_all(bytes).await);
        drop(stream.read_to_end(&mut answer).await);
        String::from_utf8(answer).unwrap()
    }

    /// Sends a request, and takes one answer.
    async fn ask_once(stream: &mut TcpStream) {
        stream.write_all(WHOLE).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"served") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{}", String::from_utf8_lossy(&answer));
        }
    }

    #[tokio::test]
    async fn who_does_not_come_to_the_end_of_a_header_is_closed() {
        let (address, served, _stop) = server(LIMITS).await;
        for begun in [&b""[..], b"GET / HT", b"GET / HTTP/1.1\r\nhost: a\r\nx: ", b"GET / HTTP/1.1\r\nhost: a\r\n"] {
            let answer = ask(TcpStream::connect(address).await.unwrap(), begun).await;
            assert!(!answer.contains("served"), "{answer}");
        }
        assert_eq!(served.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn each_byte_that_comes_late_gives_no_new_time() {
        let (address, served, _stop) = server(LIMITS).await;
        let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
        writer.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.unwrap();
        let mut drops = tokio::time::interval(LIMITS.header / 10);
        let drip = async {
            while writer.write_all(b"x: y\r\n").await.is_ok() {
                drops.tick().await;
            }
        };
        let mut answer = Vec::new();
        tokio::select! {
            () = drip => {}
            _ = reader.read_to_end(&mut answer) => {}
        }
        assert_eq!((served.load(Ordering::SeqCst), answer.len()), (0, 0));
    }

    #[tokio::test]
    async fn what_is_asked_in_time_is_served_and_a_connection_without_use_is_closed_then() {
        let (address, served, _stop) = server(LIMITS).await;
        let answer = ask(TcpStream::connect(address).await.unwrap(), &[WHOLE, WHOLE].concat()).await;
        assert_eq!((answer.matches("served").count(), served.load(Ordering::SeqCst)), (2, 2), "{answer}");
    }

    #[tokio::test]
    async fn beyond_the_number_of_connections_others_wait_for_one_to_end() {
        let (address, served, _stop) = server(Limits { header: LONG, age: LONG, connections: 2, of_one: 9 }).await;
        let (mut first, mut second) =
            (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        ask_once(&mut first).await;
        ask_once(&mut second).await;
        let mut third = TcpStream::connect(address).await.unwrap();
        third.write_all(WHOLE).await.unwrap();
        ask_once(&mut first).await;
        ask_once(&mut second).await;
        assert_eq!(served.load(Ordering::SeqCst), 4, "the third waits");
        drop(first);
        let mut answer = Vec::new();
        while !answer.ends_with(b"served") {
            assert!(third.read_buf(&mut answer).await.unwrap() > 0);
        }
    }

    #[tokio::test]
    async fn one_address_has_its_share_and_keeps_nobody_else_out() {
        let (address, _, _stop) = server(Limits { header: LONG, age: LONG, connections: 9, of_one: 1 }).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        ask_once(&mut first).await;
        assert_eq!(ask(TcpStream::connect(address).await.unwrap(), WHOLE).await, "");
        let from = TcpSocket::new_v4().unwrap();
        from.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        ask_once(&mut from.connect(address).await.unwrap()).await;
        ask_once(&mut first).await;
    }

    #[tokio::test]
    async fn who_reads_nothing_of_what_it_asked_for_makes_room_for_others() {
        let short = Duration::from_millis(100);
        let (address, _, _stop) = server(Limits { header: LONG, age: short, connections: 1, of_one: 9 }).await;
        let mut deaf = TcpStream::connect(address).await.unwrap();
        deaf.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut other = TcpStream::connect(address).await.unwrap();
        ask_once(&mut other).await;
        drop(deaf);
    }

    #[tokio::test]
    async fn a_stop_closes_what_is_not_used() {
        let (address, _, stop) = server(Limits { header: LONG, age: LONG, connections: 9, of_one: 9 }).await;
        let mut kept = TcpStream::connect(address).await.unwrap();
        ask_once(&mut kept).await;
        stop.cancel();
        assert_eq!(kept.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }
}
