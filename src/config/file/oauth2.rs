//! The shape of a mailbox's way to access tokens.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::list::List;
use crate::config::mapping::mapping;
use crate::config::names::InItsOwnName;
use crate::config::plain::Plain;
use crate::config::secret::Source;
use crate::oauth::Provider;

/// Where access tokens come from (OAuth 2.0). One of `token`, `command`, `service_account`, or `client_id`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct OAuth2 {
    /// Fills in `token_url`, `device_url` and `scope`.
    pub(in crate::config) provider: Option<Plain<Provider>>,
    /// Microsoft's directory: a name or an id. Default: common; required with `grant: client_credentials`.
    pub(in crate::config) tenant: Option<String>,
    /// Where tokens are asked for.
    pub(in crate::config) token_url: Option<String>,
    /// Where `pophook oauth login` begins.
    pub(in crate::config) device_url: Option<String>,
    /// What tokens are asked for, as words with spaces between them.
    pub(in crate::config) scope: Option<String>,
    /// The client's identifier at the provider.
    pub(in crate::config) client_id: Option<String>,
    /// The client's secret; public clients have none.
    pub(in crate::config) client_secret: Option<Source>,
    /// The first refresh token. Without it, `pophook oauth login` gets one.
    pub(in crate::config) refresh_token: Option<Source>,
    /// `client_credentials`: the client may read the mailbox in its own name.
    pub(in crate::config) grant: Option<Plain<InItsOwnName>>,
    /// The JSON key of a Google service account that may act for the mailbox's user.
    pub(in crate::config) service_account: Option<Source>,
    /// A program that prints an access token, and its arguments; asked at each visit, at most once a minute.
    pub(in crate::config) command: Option<List<String>>,
    /// A ready access token. It is read at the start, so it must last as long as the process.
    pub(in crate::config) token: Option<Source>,
}

mapping!(OAuth2);
