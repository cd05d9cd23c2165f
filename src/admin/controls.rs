//! What page and API can do beside reading and changing the spool: it comes as a value from `app`, because this room
//! knows neither mailboxes' servers nor endpoints.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::spool::SpoolError;
use crate::spool::Spooled;

/// An answer that takes its time.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The rest of the program, as far as operators reach it. What the configuration says is what runs now.
pub trait Controls: Send + Sync + fmt::Debug {
    /// The configured mailboxes, in the order of the file.
    fn mailboxes(&self) -> Vec<Maildrop>;

    /// The configured endpoints, in the order of the file.
    fn endpoints(&self) -> Vec<Receiver>;

    /// Posts a signed test event to an endpoint; `None`: no such endpoint is configured.
    fn test(&self, endpoint: &EndpointName) -> Answer<Option<Tested>>;

    /// What an endpoint of today's configuration would be posted for a mail, or, without one, the native JSON. `None`: our
    /// copy is gone, the message is no mail, or no such endpoint is configured.
    fn payload(
        &self,
        message: &Spooled,
        endpoint: Option<&EndpointName>,
    ) -> Answer<Result<Option<Payload>, SpoolError>>;
}

/// A configured mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maildrop {
    /// Its name.
    pub name: MailboxName,
    /// Host and port of its server.
    pub server: String,
    /// The time between the starts of two visits.
    pub poll_interval: Duration,
    /// What happens to the server's copies: `keep`, `delete_when_delivered` or `delete_when_spooled`.
    pub on_server: &'static str,
}

/// A configured endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name.
    pub name: EndpointName,
    /// Scheme, host and port of its URL; the path may be a secret.
    pub server: String,
}

/// How a test event ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// Whether it was taken.
    pub taken: bool,
    /// The HTTP status, where one arrived.
    pub status: Option<u16>,
    /// Why none arrived.
    pub failure: Option<String>,
    /// What to look at, where it can be told.
    pub remedy: Option<String>,
    /// The first bytes of the answer.
    pub answer: String,
}

/// What an endpoint is posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// `Content-Type`.
    pub content_type: String,
    /// The body, before it is compressed.
    pub body: Bytes,
}
