//! What a failed TLS handshake means, in one sentence.
//!
//! The TLS library tells it in its text alone: the reason of OpenSSL, and in brackets what came of the certificate's
//! verification. The text is read here once and kept only where nothing better can be said of it. Pure.

use std::error::Error;
use std::io;

/// Why a TLS handshake failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// What the server sent is not TLS.
    #[error("the port does not speak TLS")]
    NoTls,
    /// The server knows only versions that are too old.
    #[error("the server speaks no TLS 1.2 or later")]
    NoCommonVersion,
    /// No trusted authority has signed the certificate.
    #[error("the certificate is from no trusted authority")]
    UntrustedIssuer,
    /// The certificate is for others than the configured host.
    #[error("the certificate is for another name")]
    OtherName,
    /// The certificate's time is over.
    #[error("the certificate has expired")]
    Expired,
    /// The certificate's time has not begun.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// The certificate is not accepted for another reason.
    #[error("the certificate is refused: {0}")]
    Certificate(String),
    /// The network or the server ended it.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// Whatever else the TLS library says.
    #[error("{0}")]
    Other(String),
}

impl HandshakeError {
    /// Reads the TLS library's error.
    pub(super) fn read(error: &(dyn Error + 'static)) -> HandshakeError {
        let text = error.to_string();
        let broken = std::iter::successors(Some(error), |error| (*error).source()).any(|error| error.is::<io::Error>());
        if broken { HandshakeError::Broken(text) } else { HandshakeError::of(text) }
    }

    fn of(text: String) -> HandshakeError {
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&["certificate verify failed"]) {
            return verdict(&text);
        }
        if says(&["wrong version number", "packet length too long", "unknown protocol"]) {
            return HandshakeError::NoTls;
        }
        if says(&["unsupported protocol", "alert protocol version"]) {
            return HandshakeError::NoCommonVersion;
        }
        if says(&["unexpected EOF", "unexpected eof"]) {
            return HandshakeError::Broken("the server closed it".to_owned());
        }
        HandshakeError::Other(text)
    }
}

/// What came of the certificate's verification; OpenSSL's older versions write some of it otherwise.
fn verdict(text: &str) -> HandshakeError {
    let verdict = text.rsplit_once(" (").map_or(text, |(_, verdict)| verdict.trim_end_matches(')'));
    match verdict.to_ascii_lowercase().replace('-', " ").as_str() {
        "certificate has expired" => HandshakeError::Expired,
        "certificate is not yet valid" => HandshakeError::NotYetValid,
        "hostname mismatch" | "ip address mismatch" => HandshakeError::OtherName,
        "unable to get local issuer certificate"
        | "unable to get issuer certificate"
        | "unable to verify the first certificate"
        | "self signed certificate"
        | "self signed certificate in certificate chain" => HandshakeError::UntrustedIssuer,
        _ => HandshakeError::Certificate(verdict.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: HandshakeError) {
        assert_eq!(HandshakeError::of(text.to_owned()), expected, "{text}");
    }

    #[test]
    fn the_verification_tells_what_is_wrong_with_a_certificate() {
        let told = |verdict| {
            let at = "tls_post_process_server_certificate:certificate verify failed:../ssl/statem/statem_clnt.c:1889:";
            format!("error:0A000086:SSL routines:{at} ({verdict})")
        };
        for issuer in ["unable to get local issuer certificate", "self-signed certificate", "self signed certificate"] {
            check(&told(issuer), HandshakeError::UntrustedIssuer);
        }
        check(&told("certificate has expired"), HandshakeError::Expired);
        check(&told("certificate is not yet valid"), HandshakeError::NotYetValid);
        check(&told("hostname mismatch"), HandshakeError::OtherName);
        check(&told("IP address mismatch"), HandshakeError::OtherName);
        check(&told("EE certificate key too weak"), HandshakeError::Certificate("EE certificate key too weak".into()));
    }

    #[test]
    fn what_is_no_tls_is_not_taken_for_a_bad_certificate() {
        let told = |reason| format!("error:0A00010B:SSL routines:ssl3_get_record:{reason}:../ssl/record/a.c:354:");
        check(&told("wrong version number"), HandshakeError::NoTls);
        check(&told("packet length too long"), HandshakeError::NoTls);
        check(&told("tlsv1 alert protocol version"), HandshakeError::NoCommonVersion);
        check(&told("unsupported protocol"), HandshakeError::NoCommonVersion);
        check("unexpected EOF", HandshakeError::Broken("the server closed it".into()));
        check(&told("sslv3 alert handshake failure"), HandshakeError::Other(told("sslv3 alert handshake failure")));
    }

    #[test]
    fn a_broken_connection_is_none_of_the_certificates_faults() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(HandshakeError::read(&reset), HandshakeError::Broken("connection reset".to_owned()));
    }
}
