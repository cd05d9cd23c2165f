//! Why no status line came back: the set is closed, because it is stored with each attempt.
//!
//! reqwest tells little itself; the chain of causes behind its error does. Where a cause is of a type that nobody can
//! name (the look-up of a host, the end of an HTTP exchange, OpenSSL's verdict), its text is looked at. Pure. What
//! nobody foresaw is one of the two last classes, by how far it had come.

use std::error::Error;
use std::fmt;
use std::io;

use super::outcome::Judgement;
use super::outcome::Outcome;
use super::outcome::Says;
use super::resolve::LookupError;

/// Why an attempt, or a look whether anybody is there, got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The host's name has no address, or none can be asked for.
    UnknownHost,
    /// The host has no address that egress allows.
    EgressDenied,
    /// The proxy could not be reached, wants a login, or made no way to the endpoint.
    Proxy,
    /// Nothing listens there.
    ConnectionRefused,
    /// No way leads there.
    Unreachable,
    /// No connection in time, TLS and the look-up of the name included.
    ConnectTimeout,
    /// No trusted authority has signed the certificate, or it is unfit otherwise.
    CertificateUntrusted,
    /// The certificate is for another name.
    CertificateName,
    /// The certificate has expired, or is not valid yet.
    CertificateExpired,
    /// The endpoint wants a certificate of ours, or not the one that we show.
    ClientCertificate,
    /// The TLS handshake failed otherwise.
    Tls,
    /// The connection was reset or closed before an answer.
    ConnectionClosed,
    /// The upload made no progress.
    UploadStalled,
    /// The answer did not begin in time.
    AnswerTimeout,
    /// The whole exchange took too long.
    ExchangeTimeout,
    /// What came is no HTTP.
    NoHttp,
    /// The request itself cannot be made.
    Request,
    /// The body cannot be made.
    Render,
    /// Our copy of the message is gone.
    Released,
    /// An attachment is larger than the endpoint may get.
    AttachmentTooLarge,
    /// The attachment store could not be reached, or did not answer in time.
    StoreUnreachable,
    /// The attachment store will not do it: credentials, rights, bucket or region are wrong.
    StoreRefused,
    /// The attachment store cannot do it now.
    StoreFailed,
    /// No connection, for a reason that nobody foresaw.
    Connect,
    /// No answer, for a reason that nobody foresaw.
    Exchange,
}

/// How far it had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Connected,
}

/// What stands between us and an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// Nothing.
    Nothing,
    /// A proxy that we hand the request to: every connection is to it.
    Proxy,
    /// A tunnel through a proxy: where that stands, the endpoint is at the other end.
    Tunnel,
}

impl Failure {
    /// Reads what the HTTP client says.
    pub(super) fn of(error: &reqwest::Error, via: Via) -> Failure {
        if error.is_builder() {
            return Failure::Request;
        }
        let stage = if error.is_connect() { Stage::Connecting } else { Stage::Connected };
        match (error.is_timeout(), stage, via) {
            // Who let a tunnel wait cannot be told, and the endpoint must not be blamed for the proxy.
            (true, Stage::Connecting, Via::Proxy | Via::Tunnel) => Failure::Proxy,
            (false, Stage::Connecting, Via::Proxy) => Failure::Proxy,
            (true, Stage::Connecting, Via::Nothing) => Failure::ConnectTimeout,
            (true, Stage::Connected, _) => Failure::AnswerTimeout,
            (false, ..) => read(error, stage),
        }
    }

    /// What an attempt that ended so is judged. What lies on our side of the line says nothing of the endpoint.
    pub(super) fn judgement(self) -> Judgement {
        let says = match self {
            Failure::AttachmentTooLarge => return Judgement { outcome: Outcome::Refused, says: Says::TooLarge },
            Failure::StoreUnreachable | Failure::StoreRefused | Failure::StoreFailed => Says::Store,
            Failure::Proxy | Failure::EgressDenied | Failure::Request | Failure::Render | Failure::Released => {
                Says::Ours
            }
            Failure::UnknownHost
            | Failure::ConnectionRefused
            | Failure::Unreachable
            | Failure::ConnectTimeout
            | Failure::CertificateUntrusted
            | Failure::CertificateName
            | Failure::CertificateExpired
            | Failure::ClientCertificate
            | Failure::Tls
            | Failure::ConnectionClosed
            | Failure::UploadStalled
            | Failure::AnswerTimeout
            | Failure::ExchangeTimeout
            | Failure::NoHttp
            | Failure::Connect
            | Failure::Exchange => Says::Nothing,
        };
        Judgement { outcome: Outcome::Deferred, says }
    }

    /// The name under which it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Failure::UnknownHost => "unknown_host",
            Failure::EgressDenied => "egress_denied",
            Failure::Proxy => "egress_proxy",
            Failure::ConnectionRefused => "connection_refused",
            Failure::Unreachable => "unreachable",
            Failure::ConnectTimeout => "connect_timeout",
            Failure::CertificateUntrusted => "certificate_untrusted",
            Failure::CertificateName => "certificate_name",
            Failure::CertificateExpired => "certificate_expired",
            Failure::ClientCertificate => "client_certificate",
            Failure::Tls => "tls",
            Failure::ConnectionClosed => "connection_closed",
            Failure::UploadStalled => "upload_stalled",
            Failure::AnswerTimeout => "answer_timeout",
            Failure::ExchangeTimeout => "exchange_timeout",
            Failure::NoHttp => "no_http",
            Failure::Request => "request",
            Failure::Render => "render",
            Failure::Released => "released",
            Failure::AttachmentTooLarge => "attachment_too_large",
            Failure::StoreUnreachable => "store_unreachable",
            Failure::StoreRefused => "store_refused",
            Failure::StoreFailed => "store_failed",
            Failure::Connect => "connect",
            Failure::Exchange => "exchange",
        }
    }

    /// What an operator can do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Failure::UnknownHost => "look at the host name in url, and at DNS",
            Failure::EgressDenied => "look at the host in url, or allow its network under egress",
            Failure::Proxy => {
                "look at proxy, or HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment, and at the proxy's own log"
            }
            Failure::ConnectionRefused => "nothing listens at that address: look at host and port of url",
            Failure::Unreachable | Failure::Connect => "look at the host in url, and at the network",
            Failure::ConnectTimeout => "look at host and port of url, and for a firewall in between",
            Failure::CertificateUntrusted => "ca_file adds the authority's certificate",
            Failure::CertificateName => "write in url a host name that stands in the certificate",
            Failure::CertificateExpired => "the endpoint needs a new one, if the clock here is right",
            Failure::ClientCertificate => {
                "client_cert_file and client_key must be what the endpoint wants to see, and not have expired"
            }
            Failure::Tls => "the port may speak no TLS, or none from 1.2 on: look at http or https and the port in url",
            Failure::ConnectionClosed | Failure::Exchange => {
                "look at the endpoint's own log; url may need https, or another port"
            }
            Failure::UploadStalled => "look why the endpoint stops reading",
            Failure::AnswerTimeout => "the endpoint should answer first and work later, or raise timeout",
            Failure::ExchangeTimeout => "look why the endpoint reads or answers so slowly",
            Failure::NoHttp => "look at http or https and the port in url",
            Failure::Request => "look at url and headers",
            Failure::Render | Failure::Released => "look at the message with `pophook spool show`",
            Failure::AttachmentTooLarge => {
                "raise max_attachment_size or max_attachments_size, or change on_large_attachment; then `pophook spool retry`"
            }
            Failure::StoreUnreachable => "look at url under attachment_store, at ca_file and proxy, and at the network",
            Failure::StoreRefused => {
                "look at access_key_id, secret_access_key, bucket and region under attachment_store, at what that key may \
                 do (put and get objects), and at the clock here"
            }
            Failure::StoreFailed => "look at the store's own log",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::UnknownHost => "unknown host",
            Failure::EgressDenied => "the address is refused by egress",
            Failure::Proxy => "the proxy made no way",
            Failure::ConnectionRefused => "connection refused",
            Failure::Unreachable => "host or network unreachable",
            Failure::ConnectTimeout => "no connection in time",
            Failure::CertificateUntrusted => "the certificate is not trusted",
            Failure::CertificateName => "the certificate is for another name",
            Failure::CertificateExpired => "the certificate has expired, or is not valid yet",
            Failure::ClientCertificate => "the endpoint does not accept our certificate",
            Failure::Tls => "the TLS handshake failed",
            Failure::ConnectionClosed => "connection reset or closed",
            Failure::UploadStalled => "the upload stalled",
            Failure::AnswerTimeout => "no answer in time",
            Failure::ExchangeTimeout => "the exchange took too long",
            Failure::NoHttp => "what came is no HTTP",
            Failure::Request => "the request cannot be made",
            Failure::Render => "the body cannot be made",
            Failure::Released => "our copy of the message is gone",
            Failure::AttachmentTooLarge => "an attachment is too large",
            Failure::StoreUnreachable => "the attachment store cannot be reached",
            Failure::StoreRefused => "the attachment store refuses",
            Failure::StoreFailed => "the attachment store fails",
            Failure::Connect => "no connection",
            Failure::Exchange => "the exchange broke off",
        })
    }
}

/// Reads an error and its causes: the first one that says something decides.
fn read(error: &(dyn Error + 'static), stage: Stage) -> Failure {
    let unforeseen = match stage {
        Stage::Connecting => Failure::Connect,
        Stage::Connected => Failure::Exchange,
    };
    let causes = || std::iter::successors(Some(error), |error| cause(*error));
    // What our own look-up says is sure; the client wraps it into an error that says less.
    let looked_up = causes().find_map(|error| error.downcast_ref::<LookupError>().map(unfound));
    looked_up.or_else(|| causes().find_map(recognise)).unwrap_or(unforeseen)
}

fn unfound(error: &LookupError) -> Failure {
    match error {
        LookupError::Unknown(_) => Failure::UnknownHost,
        LookupError::Denied => Failure::EgressDenied,
    }
}

/// An [`io::Error`] around another error names only that one's cause as its own.
fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.map(|inner| -> &(dyn Error + 'static) { inner }).or_else(|| error.source())
}

fn recognise(error: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return broken(error.kind());
    }
    let text = error.to_string();
    if error.is::<async_native_tls::Error>() {
        // A network that broke in the handshake stands behind it.
        let network = cause(error).is_some_and(|cause| cause.is::<io::Error>());
        return (!network).then(|| handshake(&text));
    }
    match text.as_str() {
        "dns error" => Some(Failure::UnknownHost),
        "connection closed before message completed" => Some(Failure::ConnectionClosed),
        // It spoke before it was asked.
        "received unexpected message from connection" => Some(Failure::NoHttp),
        text if text.starts_with("invalid HTTP") => Some(Failure::NoHttp),
        // HTTP/2 (RFC 9113): the connection is given up in order, or the request was never looked at.
        text if text.contains("not a result of an error") || text.contains("refused stream") => {
            Some(Failure::ConnectionClosed)
        }
        text if text.starts_with("tunnel error") => Some(Failure::Proxy),
        // With TLS 1.3 the verdict comes after the handshake, when we already read the answer.
        text if refuses_ours(text) => Some(Failure::ClientCertificate),
        _ => None,
    }
}

fn broken(kind: io::ErrorKind) -> Option<Failure> {
    use io::ErrorKind as Kind;
    match kind {
        Kind::ConnectionRefused => Some(Failure::ConnectionRefused),
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => Some(Failure::Unreachable),
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof => {
            Some(Failure::ConnectionClosed)
        }
        _ => None,
    }
}

/// Whether OpenSSL tells of an alert (RFC 8446 section 6.2) by which the peer refuses our certificate, or misses it.
fn refuses_ours(text: &str) -> bool {
    [
        "alert certificate ",
        "alert bad certificate",
        "alert unsupported certificate",
        "alert unknown ca",
        "alert access denied",
    ]
    .iter()
    .any(|alert| text.contains(alert))
}

fn handshake(text: &str) -> Failure {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if refuses_ours(text) {
        return Failure::ClientCertificate;
    }
    if !says(&["certificate verify failed"]) {
        return if says(&["unexpected EOF", "unexpected eof"]) { Failure::ConnectionClosed } else { Failure::Tls };
    }
    if says(&["has expired", "not yet valid"]) {
        return Failure::CertificateExpired;
    }
    // OpenSSL writes "hostname mismatch", "Hostname mismatch" and "IP address mismatch".
    if says(&["ostname mismatch", "address mismatch"]) {
        Failure::CertificateName
    } else {
        Failure::CertificateUntrusted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link of a chain.
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Link(&'static str, #[source] Option<Box<dyn Error + Send + Sync>>);

    fn link(text: &'static str, source: impl Error + Send + Sync + 'static) -> Link {
        Link(text, Some(Box::new(source)))
    }

    fn check(error: impl Error + 'static, stage: Stage, expected: Failure) {
        assert_eq!(read(&error, stage), expected, "{error:?}");
    }

    #[test]
    fn the_first_cause_that_says_something_decides() {
        use Stage::Connected;
        use Stage::Connecting;
        use io::ErrorKind as Kind;
        let client = |source| link("client error (Connect)", source);
        let io = io::Error::from;
        check(client(link("dns error", io::Error::other("no name"))), Connecting, Failure::UnknownHost);
        check(client(link("dns error", io(Kind::ConnectionRefused))), Connecting, Failure::UnknownHost);
        check(client(link("tcp connect error", io(Kind::ConnectionRefused))), Connecting, Failure::ConnectionRefused);
        check(client(link("tcp connect error", io(Kind::NetworkUnreachable))), Connecting, Failure::Unreachable);
        check(client(link("tcp connect error", io(Kind::OutOfMemory))), Connecting, Failure::Connect);
        check(link("connection error", io(Kind::ConnectionReset)), Connected, Failure::ConnectionClosed);
        check(link("connection error", io::Error::other(io(Kind::BrokenPipe))), Connected, Failure::ConnectionClosed);
        check(Link("connection closed before message completed", None), Connected, Failure::ConnectionClosed);
        check(Link("invalid HTTP version parsed", None), Connected, Failure::NoHttp);
        let unasked = Link("received unexpected message from connection", None);
        check(link("operation was canceled", unasked), Connected, Failure::NoHttp);
        let goaway = Link("connection error received: not a result of an error", None);
        check(link("http2 error", goaway), Connected, Failure::ConnectionClosed);
        let tunnel = link("tunnel error: failed to create underlying connection", io(Kind::ConnectionRefused));
        check(client(tunnel), Connecting, Failure::Proxy);
        check(client(link("dns error", LookupError::Denied)), Connecting, Failure::EgressDenied);
        check(client(link("dns error", LookupError::Unknown(io(Kind::Other)))), Connecting, Failure::UnknownHost);
        let alert =
            "error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:a.c:1: SSL alert number 116";
        check(link("connection error", io::Error::other(Link(alert, None))), Connected, Failure::ClientCertificate);
        check(Link("a novelty", None), Connecting, Failure::Connect);
        check(Link("a novelty", None), Connected, Failure::Exchange);
    }

    #[test]
    fn the_verification_tells_what_is_wrong_with_a_certificate() {
        let told = |verdict| format!("error:0A000086:SSL routines::certificate verify failed:a.c:1889: ({verdict})");
        for (text, expected) in [
            (told("unable to get local issuer certificate"), Failure::CertificateUntrusted),
            (told("self-signed certificate"), Failure::CertificateUntrusted),
            (told("certificate has expired"), Failure::CertificateExpired),
            (told("certificate is not yet valid"), Failure::CertificateExpired),
            (told("hostname mismatch"), Failure::CertificateName),
            (told("IP address mismatch"), Failure::CertificateName),
            ("error:0A00010B:SSL routines:ssl3_get_record:wrong version number".to_owned(), Failure::Tls),
            ("unexpected EOF".to_owned(), Failure::ConnectionClosed),
            ("error:0A000412:SSL routines::sslv3 alert bad certificate".to_owned(), Failure::ClientCertificate),
            ("error:0A000418:SSL routines::tlsv1 alert unknown ca".to_owned(), Failure::ClientCertificate),
        ] {
            assert_eq!(handshake(&text), expected, "{text}");
        }
    }
}
