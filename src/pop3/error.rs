//! What can go wrong between connect and QUIT.
//!
//! A variant stands here where somebody branches on it or an operator must act otherwise. Words of the server are kept
//! with control characters escaped and at most 200 bytes long, so that they cannot forge a log line; no error holds a
//! credential. `collect` asks the three questions at the end instead of matching.

use std::fmt;
use std::io;

use super::code::Code;
use super::handshake::HandshakeError;

/// What the session was waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The host's addresses.
    Addresses,
    /// The TCP connection.
    Connection,
    /// The TLS handshake.
    Handshake,
    /// The server's first line, on a line that TLS protects.
    Greeting,
    /// The server's first line, in clear. A port for implicit TLS never sends it: it waits for us to begin.
    ClearGreeting,
    /// The first line of the answer to this command.
    Answer(&'static str),
    /// The lines after the first one.
    Rest(&'static str),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Addresses => f.write_str("the host's addresses"),
            Step::Connection => f.write_str("the TCP connection"),
            Step::Handshake => f.write_str("the TLS handshake"),
            Step::Greeting | Step::ClearGreeting => f.write_str("the greeting"),
            Step::Answer(command) => write!(f, "the answer to {command}"),
            Step::Rest(command) => write!(f, "the rest of the answer to {command}"),
        }
    }
}

/// Why no mechanism fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoMechanism {
    /// APOP needs one.
    #[error("the greeting has no timestamp, so that the server cannot do APOP")]
    NoTimestamp,
    /// There is a password.
    #[error("the configured mechanism takes an access token, and there is a password")]
    NeedsToken,
    /// There is a token.
    #[error("the configured mechanism takes a password, and there is an access token")]
    NeedsPassword,
}

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub enum Pop3Error {
    /// No address of the host accepted a connection.
    #[error("cannot connect to {host} port {port}")]
    Connect { host: String, port: u16, source: io::Error },
    /// The TLS handshake failed.
    #[error("TLS handshake with {host} failed")]
    Tls { host: String, source: HandshakeError },
    /// The configured certificates cannot be read.
    #[error("the trusted certificates are no PEM")]
    Certificates { source: Option<async_native_tls::Error> },
    /// The server said nothing for too long.
    #[error("timed out waiting for {waiting_for}")]
    Timeout { waiting_for: Step },
    /// The server closed the connection.
    #[error("connection closed while waiting for {waiting_for}")]
    Closed { waiting_for: Step },
    /// The connection broke otherwise.
    #[error("connection broke while waiting for {waiting_for}")]
    Io { waiting_for: Step, source: io::Error },
    /// The greeting was `-ERR`.
    #[error("server refused the session: {text}")]
    Greeting { code: Option<Code>, text: String },
    /// The server cannot go over to TLS, or pretends so; nothing was sent in clear.
    #[error("server does not offer STLS")]
    NoStls,
    /// Bytes in clear followed the answer to STLS: somebody meddles with the connection.
    #[error("response injection: data in clear after the answer to STLS")]
    Injection,
    /// User name or password hold CR, LF or NUL, which no command can carry.
    #[error("user name or password contains CR, LF or NUL")]
    IllegalCredentials,
    /// What is configured, given and announced leaves no way to log in.
    #[error(transparent)]
    NoMechanism(#[from] NoMechanism),
    /// The system has no random bytes for a nonce.
    #[error("no random bytes to log in with")]
    NoRandomness { source: io::Error },
    /// A challenge that belongs to no exchange of this mechanism; the exchange was cancelled.
    #[error("the server's challenge for {mechanism} makes no sense")]
    Challenge { mechanism: &'static str },
    /// The server let us in without the signature that a server with the password can make: it may be another one.
    #[error("the server did not prove by {mechanism} that it knows the password")]
    Unproven { mechanism: &'static str },
    /// The login was answered `-ERR`, for the reason that `code` tells.
    #[error("login refused: {text}")]
    LoginRefused { code: Option<Code>, text: String },
    /// Another command was answered `-ERR`.
    #[error("{command} refused: {text}")]
    Refused { command: &'static str, code: Option<Code>, text: String },
    /// A listing exceeds every sensible limit.
    #[error("the answer to {command} is too long")]
    ListingTooLong { command: &'static str },
    /// The message exceeds `limit`; the session is in the middle of it and must be dropped.
    #[error("message {number} is larger than {limit} bytes")]
    TooLarge { number: u32, limit: u64 },
    /// Where an answer was due stood something else: commands and answers are out of step, nothing can be trusted.
    ///
    /// It may be a line of a mail, so it is counted and not shown.
    #[error("out of step: {bytes} bytes stand where {waiting_for} was due")]
    Desync { waiting_for: Step, bytes: usize },
    /// The server spoke without being asked, mostly to say that it closes the session.
    #[error("server spoke unasked: {}", text.as_deref().unwrap_or("something that is no reply"))]
    Unasked { text: Option<String> },
    /// An earlier answer was not read to its end.
    #[error("session is unusable: an earlier answer was not read to its end")]
    Poisoned,
    /// QUIT was answered `-ERR`: some, none or all of the marked messages are gone (RFC 1939 section 6).
    #[error("QUIT refused: {text}")]
    QuitRefused { code: Option<Code>, text: String },
    /// QUIT was not answered: whether the marked messages are gone is unknown.
    #[error("QUIT was not answered")]
    QuitUnanswered { source: Box<Pop3Error> },
}

impl Pop3Error {
    /// Whether the next visit may well succeed without a human doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Pop3Error::Tls { source, .. } => matches!(source, HandshakeError::Broken(_)),
            Pop3Error::LoginRefused { code, .. } => code.is_some_and(Code::is_transient),
            Pop3Error::Greeting { code, .. }
            | Pop3Error::Refused { code, .. }
            | Pop3Error::QuitRefused { code, .. } => code.is_none_or(Code::is_transient),
            Pop3Error::Certificates { .. }
            | Pop3Error::NoStls
            | Pop3Error::Injection
            | Pop3Error::IllegalCredentials
            | Pop3Error::NoMechanism(_)
            | Pop3Error::Unproven { .. }
            | Pop3Error::ListingTooLong { .. }
            | Pop3Error::TooLarge { .. } => false,
            Pop3Error::Connect { .. }
            | Pop3Error::Timeout { .. }
            | Pop3Error::Closed { .. }
            | Pop3Error::Io { .. }
            | Pop3Error::NoRandomness { .. }
            | Pop3Error::Challenge { .. }
            | Pop3Error::Desync { .. }
            | Pop3Error::Unasked { .. }
            | Pop3Error::Poisoned
            | Pop3Error::QuitUnanswered { .. } => true,
        }
    }

    /// Whether the credentials themselves were refused: trying again soon may get the account or our address banned.
    pub fn is_login_refused(&self) -> bool {
        // Some servers look at the credentials only when the maildrop is wanted.
        matches!(
            self,
            Pop3Error::LoginRefused { code: None | Some(Code::Auth), .. }
                | Pop3Error::Greeting { code: Some(Code::Auth), .. }
                | Pop3Error::Refused { code: Some(Code::Auth), .. }
        )
    }

    /// The code that the server gave, or the one that its words amount to.
    pub fn code(&self) -> Option<Code> {
        match self {
            Pop3Error::LoginRefused { code, .. }
            | Pop3Error::Greeting { code, .. }
            | Pop3Error::Refused { code, .. }
            | Pop3Error::QuitRefused { code, .. } => *code,
            _ => None,
        }
    }

    /// One word for logs and for `once --json`.
    pub fn reason(&self) -> &'static str {
        match self {
            Pop3Error::Connect { .. } => "connect",
            Pop3Error::Tls { .. } => "tls",
            Pop3Error::Certificates { .. } => "certificates",
            Pop3Error::Timeout { .. } => "timeout",
            Pop3Error::Closed { .. } => "closed",
            Pop3Error::Io { .. } => "io",
            Pop3Error::Greeting { .. } => "greeting_refused",
            Pop3Error::NoStls => "no_stls",
            Pop3Error::Injection => "injection",
            Pop3Error::IllegalCredentials => "illegal_credentials",
            Pop3Error::NoMechanism(_) => "no_mechanism",
            Pop3Error::NoRandomness { .. } => "no_randomness",
            Pop3Error::Challenge { .. } => "challenge",
            Pop3Error::Unproven { .. } => "unproven",
            Pop3Error::LoginRefused { .. } if self.is_transient() => "login_deferred",
            Pop3Error::LoginRefused { .. } => "login_refused",
            Pop3Error::Refused { .. } => "refused",
            Pop3Error::ListingTooLong { .. } => "listing_too_long",
            Pop3Error::TooLarge { .. } => "too_large",
            Pop3Error::Desync { .. } => "desync",
            Pop3Error::Unasked { .. } => "unasked",
            Pop3Error::Poisoned => "poisoned",
            Pop3Error::QuitRefused { .. } => "quit_refused",
            Pop3Error::QuitUnanswered { .. } => "quit_unanswered",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &Pop3Error, transient: bool, login_refused: bool, reason: &str) {
        let answers = (error.is_transient(), error.is_login_refused(), error.reason());
        assert_eq!(answers, (transient, login_refused, reason), "{error}");
    }

    #[test]
    fn a_login_is_refused_for_good_only_if_the_credentials_are() {
        let login = |code| Pop3Error::LoginRefused { code, text: String::new() };
        check(&login(None), false, true, "login_refused");
        check(&login(Some(Code::Auth)), false, true, "login_refused");
        check(&login(Some(Code::SysPerm)), false, false, "login_refused");
        check(&login(Some(Code::Utf8)), false, false, "login_refused");
        for code in [Code::InUse, Code::LoginDelay, Code::SysTemp] {
            check(&login(Some(code)), true, false, "login_deferred");
        }
    }

    #[test]
    fn what_nobody_foresaw_is_transient() {
        let refused = |code| Pop3Error::Refused { command: "LIST", code, text: String::new() };
        check(&refused(None), true, false, "refused");
        check(&refused(Some(Code::SysPerm)), false, false, "refused");
        check(&refused(Some(Code::Auth)), false, true, "refused");
        check(&Pop3Error::NoStls, false, false, "no_stls");
        check(&Pop3Error::NoMechanism(NoMechanism::NoTimestamp), false, false, "no_mechanism");
        check(&Pop3Error::Challenge { mechanism: "PLAIN" }, true, false, "challenge");
        check(&Pop3Error::Unproven { mechanism: "SCRAM-SHA-1" }, false, false, "unproven");
        check(&Pop3Error::Timeout { waiting_for: Step::Greeting }, true, false, "timeout");
        check(&Pop3Error::QuitUnanswered { source: Box::new(Pop3Error::Poisoned) }, true, false, "quit_unanswered");
    }

    #[test]
    fn a_broken_handshake_may_work_the_next_time_and_a_bad_certificate_will_not() {
        let tls = |source| Pop3Error::Tls { host: "pop.example.com".to_owned(), source };
        check(&tls(HandshakeError::Broken(String::new())), true, false, "tls");
        for fault in [HandshakeError::NoTls, HandshakeError::Expired, HandshakeError::Other(String::new())] {
            check(&tls(fault), false, false, "tls");
        }
    }

    #[test]
    fn an_error_names_what_was_waited_for() {
        let error = Pop3Error::Timeout { waiting_for: Step::Rest("RETR") };
        assert_eq!(error.to_string(), "timed out waiting for the rest of the answer to RETR");
    }
}
