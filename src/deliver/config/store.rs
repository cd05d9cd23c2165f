//! Where attachments lie that travel as links: a bucket of a store that speaks S3.

use std::time::Duration;

use reqwest::Url;

use super::Http;
use crate::secret::Secret;

/// A bucket, and how it is reached.
#[derive(Debug, Clone)]
pub struct AttachmentStore {
    /// The store's address; `http` or `https`, with a host name where that names the bucket.
    pub url: Url,
    /// The bucket's name.
    pub bucket: String,
    /// What every key begins with; empty, or with a slash at its end.
    pub prefix: String,
    /// The region that signatures are for.
    pub region: String,
    /// By whose rights objects are written, and links read.
    pub access_key_id: Secret,
    /// What the signatures are made with.
    pub secret_access_key: Secret,
    /// Where the bucket's name stands in addresses.
    pub addressing: Addressing,
    /// How long a link can be followed, in whole seconds, at most seven days.
    pub link_lifetime: Duration,
    /// The line. Whoever wrote the store wants it to be connected to, so no address is refused.
    pub http: Http,
}

/// Where the bucket's name stands in addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// In the path: `https://s3.example.com/bucket/key`.
    Path,
    /// In the host: `https://bucket.s3.example.com/key`.
    VirtualHost,
}
