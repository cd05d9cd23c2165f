//! Why the way to an endpoint, or to the attachment store, cannot be opened: what is configured does not hold together.

use super::client::ClientError;
use super::store::BucketError;

/// Why it cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no HTTP client for it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The attachment store's bucket and address make no URL.
    #[error("attachment_store: its url and bucket make no address: {0}")]
    Bucket(#[from] BucketError),
    /// Posts are to be signed, and there is nothing that they could be signed with.
    #[error("endpoint {name}: a signing key is none; nothing is sent unsigned")]
    Key { name: String },
}
