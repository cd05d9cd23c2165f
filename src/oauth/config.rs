//! What the room is told: by which grant each mailbox gets its access tokens.

use std::collections::BTreeMap;

use reqwest::Url;

use super::assertion::ServiceKey;
use crate::ident::MailboxName;
use crate::secret::Secret;

/// The grants of the mailboxes that log in with tokens.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// One for each of them.
    pub grants: BTreeMap<MailboxName, Grant>,
}

/// By what a mailbox gets its access tokens.
#[derive(Debug, Clone)]
pub enum Grant {
    /// A program that prints one, and its arguments.
    Command(Vec<String>),
    /// A refresh token (RFC 6749 section 6), by a login or from the configuration.
    Refresh {
        /// Who asks.
        client: Client,
        /// The configuration's; [`Login`](super::Login) gives another.
        refresh_token: Option<Secret>,
    },
    /// The client's own right to the mailbox (RFC 6749 section 4.4).
    ClientCredentials(Client),
    /// A signed assertion (RFC 7523 section 2.1).
    ServiceAccount(ServiceAccount),
}

/// A client that the authorization server knows (RFC 6749 section 2).
#[derive(Debug, Clone)]
pub struct Client {
    /// Where tokens are asked for (RFC 6749 section 3.2).
    pub token_url: Url,
    /// Where a login by device begins (RFC 8628 section 3.1).
    pub device_url: Option<Url>,
    /// What the tokens are for (RFC 6749 section 3.3).
    pub scope: Option<String>,
    /// Its identifier.
    pub id: String,
    /// Its secret; public clients have none.
    pub secret: Option<Secret>,
}

/// A service account that may act for a mailbox's user.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    /// Where tokens are asked for; also whom the assertion is for (RFC 7523 section 3).
    pub token_url: Url,
    /// What the tokens are for.
    pub scope: String,
    /// The account's name and key.
    pub key: ServiceKey,
    /// The mailbox's user, who is acted for.
    pub subject: Secret,
}
