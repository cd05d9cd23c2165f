//! What the chain of causes behind an error tells. Pure.
//!
//! reqwest tells little itself; the chain does. Where a cause is of a type that nobody can name (the look-up of a host,
//! the end of an HTTP exchange, OpenSSL's verdict), its text is looked at.

use std::error::Error;
use std::io;

use super::Failure;
use super::Stage;
use crate::deliver::resolve::LookupError;

/// Reads an error and its causes: the first one that says something decides.
pub(super) fn read(error: &(dyn Error + 'static), stage: Stage) -> Failure {
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
