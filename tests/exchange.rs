//! One post and its answer, byte for byte: endpoints that misbehave, proxies, and certificates of both sides.
//!
//! The names begin with the row of the fault matrix that they stand for. Everything is on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::fs;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::EcGroup;
use openssl::ec::EcKey;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::pkey::Private;
use openssl::ssl::AlpnError;
use openssl::ssl::HandshakeError;
use openssl::ssl::SslAcceptor;
use openssl::ssl::SslMethod;
use openssl::ssl::SslVerifyMode;
use openssl::ssl::select_next_proto;
use openssl::x509::X509;
use openssl::x509::X509NameBuilder;
use openssl::x509::extension::BasicConstraints;
use openssl::x509::extension::SubjectAlternativeName;
use pophook::clock::Clock;
use pophook::deliver::Endpoint;
use pophook::deliver::Failure;
use pophook::deliver::Tested;
use rustix::net::sockopt::set_socket_linger;
use support::pophook as program;
use support::receiver::Receiver;
use tempfile::TempDir;

/// A server that treats each connection as `serve` says, until the test ends; what it read of request heads.
struct Server {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(serve: impl Fn(TcpStream, &Mutex<Vec<String>>) -> io::Result<()> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server { port: listener.local_addr().unwrap().port(), heads: Arc::default() };
        let (heads, serve) = (Arc::clone(&server.heads), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (heads, serve) = (Arc::clone(&heads), Arc::clone(&serve));
                // The peer may end the line at any moment.
                thread::spawn(move || drop(serve(stream.unwrap(), &heads)));
            }
        });
        server
    }

    /// Reads one request, says `words` and closes.
    fn saying(words: impl Into<Vec<u8>>) -> Server {
        let words = words.into();
        Server::start(move |mut tcp, heads| {
            heads.lock().unwrap().push(request(&mut tcp)?);
            tcp.write_all(&words)
        })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/in", self.port)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Reads a request with its body; tells its head.
fn request(stream: &mut impl Read) -> io::Result<String> {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    reader.read_exact(&mut vec![0; length.unwrap_or(0)])?;
    Ok(head)
}

/// The endpoint at `url` with these further lines, as a configuration file gives it.
fn endpoint(url: &str, lines: &[&str]) -> Endpoint {
    let proxy = if lines.iter().any(|line| line.starts_with("proxy:")) { "" } else { "    proxy: none\n" };
    let more: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pophook.yaml");
    let text = format!(
        "spool: {{ url: 'sqlite:s.db' }}\nmailboxes: [{{ name: a, host: h, username: u, password: p, start_from: all }}]\n\
         endpoints:\n  - name: desk\n    url: {url}\n    signing: none\n{proxy}{more}"
    );
    fs::write(&file, text).unwrap();
    pophook::config::load(&file).unwrap().deliver.endpoints.remove(0)
}

async fn post(url: &str, lines: &[&str]) -> Tested {
    pophook::deliver::test(&endpoint(url, lines), &Clock::system()).await.unwrap()
}

async fn check_status(answer: impl Into<Vec<u8>>, expected: u16) {
    let tested = post(&Server::saying(answer).url(), &[]).await;
    assert!(matches!(tested, Tested::Answered { status, .. } if status == expected), "{tested:?}");
}

async fn check_failure(url: &str, lines: &[&str], expected: Failure) {
    assert_eq!(post(url, lines).await, Tested::Failed(expected));
}

#[tokio::test]
async fn e2_a_success_whose_body_never_ends_is_a_success() {
    let server = Server::start(|mut tcp, _| {
        request(&mut tcp)?;
        tcp.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        loop {
            tcp.write_all(b"8\r\nfor ever\r\n")?;
        }
    });
    let Tested::Answered { status: 200, body, .. } = post(&server.url(), &[]).await else { panic!("no success") };
    assert_eq!(body.len(), 512);
}

#[tokio::test]
async fn e2_an_answer_is_never_decompressed() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&vec![b'x'; 10 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    let mut answer =
        format!("HTTP/1.1 500 Oh\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len()).into_bytes();
    answer.extend(bomb);
    let server = Server::saying(answer);
    let Tested::Answered { status: 500, body, .. } = post(&server.url(), &[]).await else { panic!("no answer") };
    assert!(!body.contains("xxxx"), "{body}");
    assert!(!server.heads()[0].to_ascii_lowercase().contains("accept-encoding"));
}

#[tokio::test]
async fn e2_a_header_without_end_is_a_failure_and_not_read_to_its_end() {
    let server = Server::start(|mut tcp, _| {
        request(&mut tcp)?;
        tcp.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            tcp.write_all(&[b"x-filler: ", &[b'x'; 1000][..], b"\r\n"].concat())?;
        }
    });
    check_failure(&server.url(), &[], Failure::Exchange).await;
}

#[tokio::test]
async fn e3_a_connection_that_breaks_off_is_a_failure_wherever_it_does() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    check_failure(&format!("http://127.0.0.1:{closed}/"), &[], Failure::ConnectionRefused).await;
    let reset = |read: bool| {
        Server::start(move |mut tcp, _| {
            match read {
                true => drop(request(&mut tcp)?),
                false => tcp.read_exact(&mut [0; 10])?,
            }
            set_socket_linger(&tcp, Some(Duration::ZERO))?;
            Ok(())
        })
    };
    check_failure(&reset(false).url(), &[], Failure::ConnectionClosed).await;
    check_failure(&reset(true).url(), &[], Failure::ConnectionClosed).await;
    for cut in ["", "HTTP/1.1 20", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"] {
        check_failure(&Server::saying(cut).url(), &[], Failure::ConnectionClosed).await;
    }
}

#[tokio::test]
async fn e4_a_header_that_drips_ends_with_the_wait_for_the_answer() {
    let server = Server::start(|mut tcp, _| {
        request(&mut tcp)?;
        tcp.write_all(b"HTTP/1.1 200 OK\r\nx-slow: ")?;
        // Paced by a read that nothing answers.
        tcp.set_read_timeout(Some(Duration::from_millis(10)))?;
        loop {
            tcp.write_all(b"x")?;
            let waited = tcp.read(&mut [0]);
            if waited.is_ok() {
                return Ok(());
            }
        }
    });
    check_failure(&server.url(), &["timeout: 200ms"], Failure::AnswerTimeout).await;
}

#[tokio::test]
async fn e4_the_whole_exchange_has_an_end_of_its_own() {
    // The handshake never ends.
    let silent = Server::start(|mut tcp, _| tcp.read_to_end(&mut Vec::new()).map(drop));
    let lines = ["timeout: 100ms", "total_timeout: 100ms"];
    check_failure(&secure(&silent), &lines, Failure::ExchangeTimeout).await;
    check_failure(&secure(&silent), &["connect_timeout: 200ms", "stall_timeout: 100ms"], Failure::ConnectTimeout).await;
}

#[tokio::test]
async fn e7_a_redirect_is_told_and_never_followed() {
    let target = Receiver::start();
    for status in [301, 302, 303, 307, 308] {
        let answer =
            format!("HTTP/1.1 {status} Moved\r\nlocation: {}?token=hunter2\r\ncontent-length: 0\r\n\r\n", target.url());
        let tested = post(&Server::saying(answer).url(), &[]).await;
        let Tested::Answered { status: found, redirect: Some(host), .. } = &tested else { panic!("{tested:?}") };
        assert_eq!((*found, host.as_str()), (status, target.url().split('/').nth(2).unwrap()));
        assert!(tested.remedy().unwrap().contains("never followed"));
    }
    let metadata = "HTTP/1.1 302 Moved\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n";
    let tested = post(&Server::saying(metadata).url(), &[]).await;
    assert!(matches!(tested, Tested::Answered { redirect: Some(host), .. } if host == "169.254.169.254"));
    assert_eq!(target.count(), 0);
}

#[tokio::test]
async fn e14_every_form_of_an_answer_is_understood() {
    check_status("HTTP/1.0 200 OK\r\n\r\ntext to the end", 200).await;
    check_status("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200).await;
    check_status("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok", 200).await;
    check_status("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno number\r\n", 200).await;
    check_status("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", 202).await;
    check_status("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", 500)
        .await;
    check_status("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello", 204).await;
    check_status("HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", 200).await;
    check_status("HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n", 999).await;
    check_failure(&Server::saying("HTTP/1.1 20 OK\r\n\r\n").url(), &[], Failure::NoHttp).await;
}

#[tokio::test]
async fn e14_only_the_final_answer_counts() {
    check_failure(&Server::saying("HTTP/1.1 100 Continue\r\n\r\n").url(), &[], Failure::ConnectionClosed).await;
}

#[tokio::test]
async fn n3_a_host_whose_addresses_are_refused_is_not_connected_to() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let folder = tempfile::tempdir().unwrap();
    let load = |egress: &str| {
        let text = format!(
            "spool: {{ url: 'sqlite:s.db' }}\nmailboxes: [{{ name: a, host: h, username: u, password: p, start_from: all }}]\n\
             endpoints: [{{ name: desk, url: 'http://localhost:{}/', signing: none, proxy: none }}]\n{egress}",
            server.port
        );
        let file = folder.path().join("pophook.yaml");
        fs::write(&file, text).unwrap();
        pophook::config::load(&file).unwrap().deliver.endpoints.remove(0)
    };
    let denied = load("egress: { deny: [127.0.0.0/8, '::1'] }\n");
    let tested = pophook::deliver::test(&denied, &Clock::system()).await.unwrap();
    assert_eq!(tested, Tested::Failed(Failure::EgressDenied));
    let told = pophook::deliver::reach(&denied, &Clock::system()).await.unwrap_err();
    assert_eq!(told, "the address is refused by egress; look at the host in url, or allow its network under egress");
    assert_eq!(server.heads().len(), 0);
    let allowed = load("egress: { deny: [0.0.0.0/0, '::/0'], allow: [127.0.0.0/8] }\n");
    let tested = pophook::deliver::test(&allowed, &Clock::system()).await.unwrap();
    assert!(matches!(tested, Tested::Answered { status: 200, .. }), "{tested:?}");
}

/// An authority with what it signed, in a folder of its own.
struct Authority {
    key: PKey<Private>,
    certificate: X509,
    folder: TempDir,
}

/// Whether a certificate is good today.
#[derive(Clone, Copy)]
enum Good {
    Now,
    NoLonger,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let key = key();
        let certificate = certificate(name, None, &key, None, Good::Now);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.to_pem().unwrap()).unwrap();
        Authority { key, certificate, folder }
    }

    fn line(&self) -> String {
        format!("ca_file: {}", self.folder.path().join("ca.pem").display())
    }

    fn issue(&self, name: &str, ip: &str, good: Good) -> (X509, PKey<Private>) {
        let key = key();
        (certificate(name, Some(ip), &key, Some(self), good), key)
    }

    /// The lines of an endpoint to which we show a certificate of this authority.
    fn client(&self, name: &str, good: Good) -> [String; 2] {
        let (certificate, key) = self.issue(name, "127.0.0.1", good);
        let [file, key_file] = ["pem", "key"].map(|ending| self.folder.path().join(format!("{name}.{ending}")));
        fs::write(&file, certificate.to_pem().unwrap()).unwrap();
        fs::write(&key_file, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        [format!("client_cert_file: {}", file.display()), format!("client_key: {{ file: {} }}", key_file.display())]
    }

    /// An endpoint with a certificate of this authority that asks for one of it.
    fn server(&self, ip: &str, good: Good, asks: SslVerifyMode) -> Server {
        let (certificate, key) = self.issue("server", ip, good);
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        acceptor.set_private_key(&key).unwrap();
        acceptor.set_certificate(&certificate).unwrap();
        acceptor.cert_store_mut().add_cert(self.certificate.clone()).unwrap();
        acceptor.set_verify(asks);
        let acceptor = acceptor.build();
        Server::start(move |tcp, heads| {
            let mut tls = match acceptor.accept(tcp) {
                Ok(tls) => tls,
                Err(HandshakeError::Failure(mut refused)) => {
                    // A line that closes on unread bytes takes the alert with it.
                    return refused.get_mut().read_to_end(&mut Vec::new()).map(drop);
                }
                Err(error) => return Err(io::Error::other(error)),
            };
            heads.lock().unwrap().push(request(&mut tls)?);
            tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
            tls.shutdown().map(drop).map_err(io::Error::other)
        })
    }
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A certificate of `issuer`, or an authority's own.
fn certificate(name: &str, ip: Option<&str>, key: &PKey<Private>, issuer: Option<&Authority>, good: Good) -> X509 {
    let mut named = X509NameBuilder::new().unwrap();
    named.append_entry_by_text("CN", name).unwrap();
    let named = named.build();
    let until = match good {
        Good::Now => Asn1Time::days_from_now(7).unwrap(),
        Good::NoLonger => Asn1Time::from_unix(1_500_000_000).unwrap(),
    };
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(fastrand::u32(1..)).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&named).unwrap();
    builder.set_issuer_name(issuer.map_or(&*named, |issuer| issuer.certificate.subject_name())).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(1_400_000_000).unwrap()).unwrap();
    builder.set_not_after(&until).unwrap();
    match ip {
        Some(ip) => {
            let names = SubjectAlternativeName::new().ip(ip).build(&builder.x509v3_context(None, None)).unwrap();
            builder.append_extension(names).unwrap();
        }
        None => builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap(),
    }
    builder.sign(issuer.map_or(key, |issuer| &issuer.key), MessageDigest::sha256()).unwrap();
    builder.build()
}

const MUST: SslVerifyMode = SslVerifyMode::PEER.union(SslVerifyMode::FAIL_IF_NO_PEER_CERT);

fn secure(server: &Server) -> String {
    format!("https://127.0.0.1:{}/in", server.port)
}

#[tokio::test]
async fn n5_an_endpoint_must_have_the_right_certificate() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let check = async |server: Server, line: &str, expected: Option<Failure>| {
        let tested = post(&secure(&server), &[line]).await;
        match expected {
            Some(failure) => assert_eq!(tested, Tested::Failed(failure)),
            None => assert!(matches!(tested, Tested::Answered { status: 200, .. }), "{tested:?}"),
        }
    };
    let server = |ip: &str, good| ours.server(ip, good, SslVerifyMode::NONE);
    check(server("127.0.0.1", Good::Now), &ours.line(), None).await;
    check(server("127.0.0.2", Good::Now), &ours.line(), Some(Failure::CertificateName)).await;
    check(server("127.0.0.1", Good::NoLonger), &ours.line(), Some(Failure::CertificateExpired)).await;
    check(server("127.0.0.1", Good::Now), &theirs.line(), Some(Failure::CertificateUntrusted)).await;
    check(server("127.0.0.1", Good::Now), "timeout: 5s", Some(Failure::CertificateUntrusted)).await;
}

#[tokio::test]
async fn n5_an_endpoint_that_asks_for_a_certificate_gets_ours() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = ours.server("127.0.0.1", Good::Now, MUST);
    let ca = ours.line();
    let post = async |client: &[String]| {
        let lines: Vec<&str> = std::iter::once(&ca).chain(client).map(String::as_str).collect();
        post(&secure(&server), &lines).await
    };
    let refused = Tested::Failed(Failure::ClientCertificate);
    assert_eq!(post(&[]).await, refused);
    assert_eq!(post(&ours.client("expired", Good::NoLonger)).await, refused);
    assert_eq!(post(&theirs.client("stranger", Good::Now)).await, refused);
    assert_eq!(server.heads().len(), 0);
    let tested = post(&ours.client("good", Good::Now)).await;
    assert!(matches!(tested, Tested::Answered { status: 200, .. }), "{tested:?}");
    assert!(refused.remedy().unwrap().contains("client_cert_file"));
}

/// Frames of HTTP/2 (RFC 9113 section 6), on stream 1 where they have one.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const STATUS_200: &[u8] = &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88];
const STATUS_503: &[u8] = &[0, 0, 5, 1, 5, 0, 0, 0, 1, 0x08, 3, b'5', b'0', b'3'];
const REFUSED_STREAM: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
const GOAWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// An endpoint that speaks HTTP/2, and says `frames` once a request is complete.
fn second(authority: &Authority, frames: &'static [u8]) -> Server {
    let (certificate, key) = authority.issue("server", "127.0.0.1", Good::Now);
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    acceptor.set_alpn_select_callback(|_, offered| select_next_proto(b"\x02h2", offered).ok_or(AlpnError::NOACK));
    let acceptor = acceptor.build();
    Server::start(move |tcp, heads| {
        let mut tls = acceptor.accept(tcp).map_err(io::Error::other)?;
        tls.write_all(SETTINGS)?;
        tls.read_exact(&mut [0; 24])?;
        loop {
            let mut head = [0; 9];
            tls.read_exact(&mut head)?;
            let [_, high, low, kind, flags, ..] = head;
            tls.read_exact(&mut vec![0; usize::from(high) * 256 + usize::from(low)])?;
            // DATA or HEADERS that end the stream.
            if kind <= 1 && flags & 1 == 1 {
                break;
            }
        }
        heads.lock().unwrap().push("h2".to_owned());
        tls.write_all(frames)?;
        tls.read_to_end(&mut Vec::new()).map(drop)
    })
}

#[tokio::test]
async fn e14_http2_is_spoken_and_what_it_turns_away_is_tried_again() {
    let ours = Authority::new("ours");
    let post = async |frames| {
        let server = second(&ours, frames);
        let tested = post(&secure(&server), &[&ours.line()]).await;
        assert_eq!(server.heads(), ["h2"]);
        tested
    };
    let status = async |frames| match post(frames).await {
        Tested::Answered { status, .. } => status,
        failed @ (Tested::Failed(_) | Tested::Unsigned) => panic!("{failed:?}"),
    };
    assert_eq!((status(STATUS_200).await, status(STATUS_503).await), (200, 503));
    assert_eq!(post(REFUSED_STREAM).await, Tested::Failed(Failure::ConnectionClosed));
    assert_eq!(post(GOAWAY).await, Tested::Failed(Failure::ConnectionClosed));
}

const LOGIN: &str = "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";

/// A proxy that leads every tunnel to `port`, and answers 200 to what it should pass on itself.
fn proxy(port: u16) -> Server {
    Server::start(move |mut tcp, heads| {
        let head = request(&mut tcp)?;
        heads.lock().unwrap().push(head.clone());
        if !head.to_ascii_lowercase().contains(&LOGIN.to_ascii_lowercase()) {
            return tcp.write_all(b"HTTP/1.1 407 Login\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n");
        }
        if !head.starts_with("CONNECT ") {
            return tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
        let server = TcpStream::connect(("127.0.0.1", port))?;
        tcp.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        let (mut up, mut down) = (server.try_clone()?, tcp.try_clone()?);
        let upward = thread::spawn(move || io::copy(&mut down, &mut up).map(drop));
        io::copy(&mut &server, &mut tcp)?;
        tcp.shutdown(std::net::Shutdown::Both)?;
        upward.join().unwrap()
    })
}

#[tokio::test]
async fn n6_posts_go_through_the_proxy_with_its_login() {
    let ours = Authority::new("ours");
    let server = ours.server("127.0.0.1", Good::Now, SslVerifyMode::NONE);
    let proxy = proxy(server.port);
    let line = format!("proxy: http://Aladdin:open%20sesame@127.0.0.1:{}", proxy.port);
    let tested = post("http://desk.invalid/in?token=hunter2", &[&line]).await;
    assert!(matches!(tested, Tested::Answered { status: 200, .. }), "{tested:?}");
    let tested = post(&secure(&server), &[&line, &ours.line()]).await;
    assert!(matches!(tested, Tested::Answered { status: 200, .. }), "{tested:?}");
    let heads = proxy.heads();
    assert!(heads[0].starts_with("POST http://desk.invalid/in?token=hunter2 HTTP/1.1\r\n"), "{heads:?}");
    assert!(heads[1].starts_with(&format!("CONNECT 127.0.0.1:{} HTTP/1.1\r\n", server.port)), "{heads:?}");
    // What is for the proxy stays with it.
    assert!(!server.heads()[0].to_ascii_lowercase().contains("proxy-"), "{:?}", server.heads());
}

#[tokio::test]
async fn n6_what_a_proxy_does_not_let_through_is_no_failure_of_the_endpoint() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let strict = proxy(1);
    let broken = Server::saying("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    let no_proxy = Server::saying("+OK POP3 server ready\r\n");
    let silent = Server::start(|mut tcp, _| tcp.read_to_end(&mut Vec::new()).map(drop));
    for server in [closed, strict.port, broken.port, no_proxy.port, silent.port] {
        let line = format!("proxy: http://127.0.0.1:{server}");
        let patience = if server == silent.port { "connect_timeout: 100ms" } else { "connect_timeout: 10s" };
        check_failure("https://desk.invalid/", &[&line, patience], Failure::Proxy).await;
    }
    for port in [closed, strict.port] {
        check_failure("http://desk.invalid/", &[&format!("proxy: http://127.0.0.1:{port}")], Failure::Proxy).await;
    }
    assert_eq!(Failure::Proxy.as_str(), "egress_proxy");
}

#[tokio::test]
async fn n6_a_certificate_is_looked_at_behind_the_proxy_too() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = ours.server("127.0.0.1", Good::Now, SslVerifyMode::NONE);
    let proxy = proxy(server.port);
    let line = format!("proxy: http://Aladdin:open%20sesame@127.0.0.1:{}", proxy.port);
    check_failure(&secure(&server), &[&line, &theirs.line()], Failure::CertificateUntrusted).await;
}

#[test]
fn n6_the_environment_names_the_proxy_and_whom_it_is_not_for() {
    let (desk, proxy) = (Receiver::start(), proxy(1));
    let through = format!("http://Aladdin:open%20sesame@127.0.0.1:{}", proxy.port);
    let far = program::Endpoint::new("far", "http://desk.invalid/in");
    let pophook = program::Pophook::new([program::Mailbox::in_clear(1, "u")], [program::Endpoint::desk(&desk), far])
        .env("HTTP_PROXY", &through);
    pophook.command(&["endpoint", "test", "far"]).expect(0);
    assert_eq!(proxy.heads().len(), 1);
    pophook.command(&["endpoint", "test", "desk"]).expect(0);
    assert_eq!((proxy.heads().len(), desk.count()), (1, 1));
    let ended = pophook.env("HTTP_PROXY", "http://127.0.0.1:1").command(&["endpoint", "test", "far"]).expect(2);
    assert!(
        ended.said().contains("far: no answer: the proxy made no way; look at proxy, or HTTP_PROXY"),
        "{}",
        ended.said()
    );
}

#[test]
fn a_large_body_goes_compressed_and_its_signature_is_of_what_it_was() {
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let desk = Receiver::start();
    let mail = support::mails::plain(&"a long subject ".repeat(2000));
    let server = support::pop3_server::Pop3Server::start(vec![support::pop3_server::Message::new("a", &mail)]);
    let endpoint = program::Endpoint::desk(&desk).signed(&[SECRET]).line("compress: gzip");
    let pophook = program::Pophook::new([program::Mailbox::scripted(&server)], [endpoint]);
    pophook.once().expect(0);
    let hit = desk.hits().remove(0);
    assert_eq!(hit.header("content-encoding"), Some("gzip"));
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&*hit.body).read_to_end(&mut plain).unwrap();
    assert!(hit.body.len() < plain.len() / 2);
    let headers = hit.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let headers: reqwest::header::HeaderMap = headers.collect();
    standardwebhooks::Webhook::new(SECRET).unwrap().verify(&plain, &headers).unwrap();
}
