//! Whom the room tells, and how.

use std::collections::BTreeMap;
use std::sync::Arc;

use lettre::Address;

use crate::ident::EndpointName;
use crate::secret::Secret;
use crate::spool::Change;

/// Whom the room tells.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The endpoints that ask to be told of a change; nobody is told of one that is missing here.
    pub asked: BTreeMap<Change, Vec<EndpointName>>,
    /// The way to humans; `None`: none.
    pub smtp: Option<Smtp>,
}

/// A server that takes mail over, and whom the mail is for.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the line is protected.
    pub tls: Tls,
    /// PEM certificates that are trusted beside the system's roots.
    pub ca_pem: Option<Arc<[u8]>>,
    /// The login name and the password; `None`: the server wants none.
    pub login: Option<(String, Secret)>,
    /// Who the mail says that it is from.
    pub from: Address,
    /// Who gets it. Never empty.
    pub to: Vec<Address>,
}

/// How the line to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// From the first byte.
    Implicit,
    /// After STARTTLS, which must succeed.
    StartTls,
    /// Not at all.
    None,
}
