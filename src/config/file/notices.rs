//! The shape of what is told to humans.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::list::List;
use crate::config::mapping::mapping;
use crate::config::plain::Plain;
use crate::config::secret::Source;
use crate::config::units::Within;
use crate::notice::Tls;

/// What is told to humans.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Notices {
    /// The mail server that takes over what `email: true` of an `on_dead_letter` asks for.
    pub(in crate::config) smtp: Option<Smtp>,
}

/// A server that takes mail over, and whom the mail is for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Smtp {
    /// Its host name or address.
    #[schemars(required)]
    pub(in crate::config) host: Option<String>,
    /// Its port. Default: 465 with `tls: implicit`, 587 with `starttls`, 25 with `none`.
    pub(in crate::config) port: Option<Plain<Within<1, 65_535>>>,
    /// How the line is protected. Default: starttls, which must succeed.
    pub(in crate::config) tls: Option<Plain<Tls>>,
    /// A PEM file of certificates that are trusted beside the system's roots.
    pub(in crate::config) ca_file: Option<String>,
    /// The login name, where the server wants one.
    pub(in crate::config) username: Option<String>,
    /// Its password.
    pub(in crate::config) password: Option<Source>,
    /// The address that the mail says it is from.
    #[schemars(required)]
    pub(in crate::config) from: Option<String>,
    /// The addresses that get it.
    #[schemars(required)]
    pub(in crate::config) to: Option<List<String>>,
}

mapping!(Notices, Smtp);
