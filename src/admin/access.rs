//! Who may do what: tokens with roles, logins by them, and what keeps other people's pages from using a browser's login.
//!
//! A token comes as a bearer token, or by a login: the cookie that a login gives is a random number that means nothing
//! elsewhere, and what it stands for is kept in memory only. What changes something must come from our own page or from
//! a program; `gate` decides that, and the extractors [`Reader`], [`MailReader`], [`Operator`] and [`Submitted`] ask it,
//! so that no handler can forget to.
//!
//! Without any token, a server on a loopback address lets everybody operate who reaches it by a name of this machine
//! (a web page that has its own name point here, DNS rebinding, does not) and directly, as far as a proxy tells that it is
//! one; a server on any other address shows nothing but metrics and health.

mod cookie;
mod extract;
mod gate;
mod headers;
mod login;
mod origin;
mod refusal;
mod session;
mod tries;

use std::sync::Arc;

use crate::secret::Secret;

pub use extract::MailReader;
pub use extract::Operator;
pub use extract::Reader;
pub use extract::Submitted;
pub use gate::Gate;
pub use refusal::Refusal;

pub(super) use extract::Peer;
pub(super) use headers::harden;
pub(super) use login::routes;
pub(super) use tries::network;

/// Who may use page and API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The tokens in the order of the file.
    pub tokens: Vec<Token>,
    /// What protects the line to them, if we do.
    pub tls: Option<Tls>,
}

/// The certificate that operators' browsers and programs are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate in PEM, and after it those of its authorities.
    pub chain_pem: Arc<[u8]>,
    /// The key in PEM, by PKCS #8.
    pub key_pem: Secret,
}

/// What a person or a program proves with that it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is called in audit lines.
    pub name: Arc<str>,
    /// The token itself.
    pub secret: Secret,
    /// What it is good for.
    pub role: Role,
    /// Whether it may see what mails say. One that operates always may.
    pub sees_mail: bool,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Read,
    /// Look, and change what can be changed.
    Operate,
}

/// Somebody who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    name: Arc<str>,
    role: Role,
    sees_mail: bool,
    came: Came,
}

/// How somebody came in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Came {
    /// With the token itself, which no browser sends by itself.
    WithToken,
    /// By a login. What our own forms carry, and nobody else's can.
    ByLogin { csrf: Arc<str> },
    /// Nothing was asked for, because only this machine can come. The same.
    FromHere { csrf: Arc<str> },
}

impl Who {
    /// The name of the token, or `loopback` where none is configured; for audit lines.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether actions are allowed.
    pub fn may_operate(&self) -> bool {
        self.role >= Role::Operate
    }

    /// Whether what mails say may be shown: headers, texts, attachments, payloads.
    pub fn sees_mail(&self) -> bool {
        self.sees_mail
    }

    /// What every form of ours carries in its field `csrf`; empty for who came with a token, whose forms need none.
    pub fn csrf(&self) -> &str {
        match &self.came {
            Came::WithToken => "",
            Came::ByLogin { csrf } | Came::FromHere { csrf } => csrf,
        }
    }

    /// Whether there is a login to end.
    pub fn is_logged_in(&self) -> bool {
        matches!(self.came, Came::ByLogin { .. })
    }
}
