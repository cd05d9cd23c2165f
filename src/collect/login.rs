//! The way into a maildrop: connect, and log in with a credential that is good now.

use std::sync::Arc;

use super::Mailbox;
use super::VisitError;
use crate::pop3;
use crate::pop3::Transaction;
use crate::secret::Secret;
use crate::secret::Source;
use crate::secret::Unavailable;

/// Where a mailbox's credential comes from.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A password, which stays as it is.
    Password(Secret),
    /// Access tokens, which run out: each login asks for one.
    Token(Arc<dyn Source>),
}

impl Credential {
    async fn now(&self) -> Result<pop3::Credential, Unavailable> {
        match self {
            Credential::Password(password) => Ok(pop3::Credential::Password(password.clone())),
            Credential::Token(source) => source.current().await.map(pop3::Credential::Token),
        }
    }
}

/// Connects to the server of `mailbox` and logs in.
///
/// # Errors
/// There is no credential now, or the server or the way to it fails.
pub async fn log_in(mailbox: &Mailbox) -> Result<Transaction, VisitError> {
    // Before the connection: a server does not wait for a token.
    let credential = mailbox.credential.now().await?;
    Ok(pop3::connect(&mailbox.server).await?.login(&credential).await?)
}
