//! The shape of the attachment store.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::mapping::mapping;
use crate::config::plain::Plain;
use crate::config::secret::Source;
use crate::deliver::Addressing;

/// Where attachments lie that travel as links: a bucket of a store that speaks S3.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct AttachmentStore {
    /// The store's address, without the bucket: `https://` or `http://`. Receivers must reach it, too.
    #[schemars(required)]
    pub(in crate::config) url: Option<String>,
    /// The bucket, which must be there.
    #[schemars(required)]
    pub(in crate::config) bucket: Option<String>,
    /// What every key begins with, such as `mail/`. Default: nothing.
    pub(in crate::config) prefix: Option<String>,
    /// The region that signatures are for. Default: us-east-1, which most stores outside of AWS take.
    pub(in crate::config) region: Option<String>,
    /// The id of the key that may put objects into the bucket, and get them.
    #[schemars(required)]
    pub(in crate::config) access_key_id: Option<Source>,
    /// The secret that belongs to it.
    #[schemars(required)]
    pub(in crate::config) secret_access_key: Option<Source>,
    /// Where the bucket's name stands in addresses: `path` or `virtual_host`. Default: path.
    pub(in crate::config) addressing: Option<Plain<Addressing>>,
    /// How long a link can be followed, from 1s to 7d. Default: 7d.
    pub(in crate::config) link_lifetime: Option<Plain<Duration>>,
    /// A PEM file of certificates that are trusted beside the system's roots.
    pub(in crate::config) ca_file: Option<String>,
    /// The HTTP proxy on the way, such as `http://proxy.example.com:3128`, or `none`. Default: that of the environment.
    pub(in crate::config) proxy: Option<Source>,
    /// The longest wait for an answer, after all is sent. Default: 30s.
    pub(in crate::config) timeout: Option<Plain<Duration>>,
}

mapping!(AttachmentStore);
