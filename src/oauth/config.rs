//! What the room is told: by which grant each mailbox gets its access tokens.

use std::collections::BTreeMap;
use std::fmt;

use reqwest::Url;

use super::service_key::ServiceKey;
use crate::ident::MailboxName;
use crate::secret::Secret;

/// The grants of the mailboxes that log in with tokens.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// One for each of them.
    pub grants: BTreeMap<MailboxName, Grant>,
}

/// By what a mailbox gets its access tokens. `Debug` prints no argument of a command.
#[derive(Clone, PartialEq)]
pub enum Grant {
    /// A program that prints one, and its arguments.
    Command(Vec<String>),
    /// A refresh token (RFC 6749 section 6), by a login or from the configuration.
    Refresh {
        /// Who asks.
        client: Client,
        /// The mailbox's user, who hands the token out.
        username: Secret,
        /// The configuration's; [`Login`](super::Login) gives another.
        refresh_token: Option<Secret>,
    },
    /// The client's own right to the mailbox (RFC 6749 section 4.4).
    ClientCredentials(Client),
    /// A signed assertion (RFC 7523 section 2.1).
    ServiceAccount(ServiceAccount),
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grant::Command(words) => {
                let program = words.first().map(String::as_str).unwrap_or_default();
                f.debug_tuple("Command").field(&program).field(&"[secret]").finish()
            }
            Grant::Refresh { client, .. } => f.debug_tuple("Refresh").field(client).finish(),
            Grant::ClientCredentials(client) => f.debug_tuple("ClientCredentials").field(client).finish(),
            Grant::ServiceAccount(account) => f.debug_tuple("ServiceAccount").field(account).finish(),
        }
    }
}

/// A client that the authorization server knows (RFC 6749 section 2).
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, PartialEq)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_a_command_are_never_printed() {
        let words = ["get-token", "--key=hunter2"].map(str::to_owned).to_vec();
        assert_eq!(format!("{:?}", Grant::Command(words)), r#"Command("get-token", "[secret]")"#);
    }
}
