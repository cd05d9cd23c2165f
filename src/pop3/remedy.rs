//! What an operator can do about a failed session. Pure.

use super::code::Code;
use super::error::Pop3Error;
use super::error::Step;
use super::handshake::HandshakeError;

impl Pop3Error {
    /// What to look at, where it can be told.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Pop3Error::Connect { .. } => Some("look at host, port and the network"),
            Pop3Error::Tls { source, .. } => handshake(source),
            Pop3Error::Certificates { .. } => Some("look at ca_file"),
            Pop3Error::NoStls => Some("if the server speaks TLS on port 995, write `tls: implicit`"),
            Pop3Error::Timeout { waiting_for: Step::ClearGreeting }
            | Pop3Error::Closed { waiting_for: Step::ClearGreeting } => {
                Some("the port may be one for implicit TLS: then write `tls: implicit` (port 995)")
            }
            Pop3Error::Timeout { waiting_for: Step::Handshake } => {
                Some("the port may speak no TLS: look at port and tls")
            }
            Pop3Error::Desync { waiting_for: Step::Greeting | Step::ClearGreeting, .. } => {
                Some("that is no POP3 server: look at host and port")
            }
            Pop3Error::LoginRefused { code: Some(Code::Utf8), .. } => {
                Some("the server takes only ASCII here: give the account such a name and password")
            }
            Pop3Error::LoginRefused { code: Some(Code::InUse), .. } => {
                Some("another session holds the maildrop; it goes on when that one ends")
            }
            Pop3Error::LoginRefused { code: Some(Code::LoginDelay | Code::SysTemp), .. } => None,
            Pop3Error::LoginRefused { .. } => {
                Some("look at username and password or token; many providers want POP3 switched on and an app password")
            }
            Pop3Error::NoMechanism(_) | Pop3Error::Challenge { .. } => Some("another auth may do, such as plain"),
            _ => None,
        }
    }
}

fn handshake(error: &HandshakeError) -> Option<&'static str> {
    match error {
        HandshakeError::NoTls => Some("write `tls: starttls` with port 110, or the port that speaks TLS (mostly 995)"),
        HandshakeError::NoCommonVersion => Some("the server needs a newer TLS"),
        HandshakeError::UntrustedIssuer => Some("ca_file adds the authority's certificate"),
        HandshakeError::OtherName => Some("write as host a name that stands in the certificate"),
        HandshakeError::Expired => Some("the server needs a new one, if the clock here is right"),
        HandshakeError::NotYetValid => Some("look at the clock here and at the server's certificate"),
        HandshakeError::Certificate(_) => Some("the server needs another one"),
        HandshakeError::Broken(_) | HandshakeError::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &Pop3Error, expected: &str) {
        assert!(error.remedy().is_some_and(|remedy| remedy.contains(expected)), "{error}: {:?}", error.remedy());
    }

    fn tls(source: HandshakeError) -> Pop3Error {
        Pop3Error::Tls { host: "pop.example.com".to_owned(), source }
    }

    #[test]
    fn a_port_of_the_other_kind_is_told_from_a_bad_certificate() {
        check(&tls(HandshakeError::NoTls), "`tls: starttls` with port 110");
        check(&tls(HandshakeError::UntrustedIssuer), "ca_file");
        check(&tls(HandshakeError::OtherName), "host");
        check(&Pop3Error::Timeout { waiting_for: Step::ClearGreeting }, "`tls: implicit` (port 995)");
        check(&Pop3Error::Closed { waiting_for: Step::ClearGreeting }, "`tls: implicit` (port 995)");
    }

    #[test]
    fn a_slow_greeting_on_a_protected_line_says_nothing_of_the_port() {
        assert_eq!(Pop3Error::Timeout { waiting_for: Step::Greeting }.remedy(), None);
    }
}
