//! What a session needs to know of its server.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::secret::Secret;

/// How to reach one maildrop and log in to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Host name or address; the certificate must be for it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the line is protected.
    pub tls: Tls,
    /// PEM certificates that are trusted beside the system's roots.
    pub ca_pem: Option<Arc<[u8]>>,
    /// The maildrop's login name.
    pub username: String,
    /// How its credential is sent.
    pub auth: Auth,
    /// How many RETR commands may be under way.
    pub pipelining: Pipelining,
    /// Whether the server is asked for its capabilities.
    pub capa: Capa,
    /// How long to wait for the server.
    pub timeouts: Timeouts,
}

/// How the line is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// TLS from the first byte (RFC 8314), port 995.
    Implicit,
    /// STLS (RFC 2595) on port 110, required: the session never goes on in clear.
    StartTls,
    /// No TLS at all; mail goes in clear, and so does the password unless the server has SCRAM.
    None,
}

/// What proves that the maildrop is ours.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A password.
    Password(Secret),
    /// An OAuth 2.0 access token (RFC 6750).
    Token(Secret),
}

impl Credential {
    /// The password or token itself. Call it only where the wire needs it.
    pub(super) fn reveal(&self) -> &str {
        self.secret().reveal()
    }

    /// The password or token, still hidden.
    pub(super) fn secret(&self) -> &Secret {
        match self {
            Credential::Password(secret) | Credential::Token(secret) => secret,
        }
    }
}

/// How the credential is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// The strongest way that the server announces; USER and PASS where it announces none.
    Auto,
    /// USER and PASS (RFC 1939 section 7).
    User,
    /// AUTH PLAIN (RFC 4616).
    Plain,
    /// AUTH LOGIN, which no standard describes.
    Login,
    /// AUTH SCRAM-SHA-256 (RFC 7677), or SCRAM-SHA-1 (RFC 5802) on a server that has only that.
    Scram,
    /// APOP (RFC 1939 section 7).
    Apop,
    /// AUTH XOAUTH2, with an access token.
    XOAuth2,
    /// AUTH OAUTHBEARER (RFC 7628), with an access token.
    OAuthBearer,
}

/// How many RETR commands may be under way on a server that announces PIPELINING (RFC 2449).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pipelining {
    /// One command at a time.
    Off,
    /// At most this many commands without an answer.
    Window(NonZeroUsize),
}

/// Whether the server can be asked for its capabilities (RFC 2449).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capa {
    /// It is asked; most that do not know the command just say so.
    Asked,
    /// It is asked, and has answered before: that the line breaks at the question is a fault like any other.
    Insisted,
    /// It is not: it closes the session, or falls silent, when it is asked.
    LeftOut,
}

/// The longest waits; each ends the session with an error that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP connect.
    pub connect: Duration,
    /// TLS handshake.
    pub tls: Duration,
    /// The greeting, and the answer to a command (RFC 1939 asks servers to keep a silent client 10 minutes).
    pub command: Duration,
    /// Between two reads of a message or listing, each of which must make progress.
    pub idle: Duration,
    /// The answer to PASS or AUTH, which waits for the maildrop's lock, and to QUIT, which expunges.
    pub slow: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        let seconds = Duration::from_secs;
        Timeouts { connect: seconds(30), tls: seconds(30), command: seconds(60), idle: seconds(60), slow: seconds(120) }
    }
}
