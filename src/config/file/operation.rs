//! The sections about how pophook is run: what may leave the machine, where it listens, how it follows this file.

use std::net::SocketAddr;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::json_schema;
use serde::Deserialize;

use crate::admin::access::Role;
use crate::config::list::List;
use crate::config::mapping::mapping;
use crate::config::plain::FromText;
use crate::config::plain::Plain;
use crate::config::secret::Source;
use crate::config::units::Every;
use crate::config::units::Network;

/// Which addresses endpoints may have, beside the usual rule: metadata services and link-local addresses are refused.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Egress {
    /// Networks that are refused, such as `0.0.0.0/0`. Default: none more.
    pub(in crate::config) deny: Option<List<Plain<Network>>>,
    /// Networks that are allowed; the longest prefix decides. Default: none more.
    pub(in crate::config) allow: Option<List<Plain<Network>>>,
}

/// The HTTP server for operators.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Admin {
    /// An IP address and a port, or `off`. Default: 127.0.0.1:8080.
    pub(in crate::config) listen: Option<Plain<Listen>>,
    /// Another address for metrics and health, which are then not served by `listen`. Default: off.
    pub(in crate::config) probes_listen: Option<Plain<Listen>>,
    /// The PEM file of the certificate, and after it those of its authorities, with which `listen` speaks TLS. Default: HTTP.
    pub(in crate::config) cert_file: Option<String>,
    /// Its key in PEM; a secret.
    pub(in crate::config) key: Option<Source>,
    /// Who may use page and API. Default: nobody; on a loopback address, everybody on this machine.
    pub(in crate::config) tokens: Option<List<Token>>,
}

/// What a person or a program proves with that it may use page and API.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Token {
    /// What it is called in audit lines; each name once.
    #[schemars(required)]
    pub(in crate::config) name: Option<String>,
    /// The token: at least 20 characters, without blanks.
    #[schemars(required)]
    pub(in crate::config) token: Option<Source>,
    /// `read`: look. `operate`: look, and change what can be changed.
    #[schemars(required)]
    pub(in crate::config) role: Option<Plain<Role>>,
    /// Whether a token that reads may see what mails say: subjects, addresses, texts, attachments, payloads. Default: false.
    pub(in crate::config) mail_content: Option<bool>,
}

/// When the configuration is read anew while pophook runs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Reload {
    /// The time between two looks at the files, at least 100ms, or `off`: only on SIGHUP. Default: 5s.
    pub(in crate::config) watch: Option<Plain<Every>>,
}

mapping!(Egress, Admin, Token, Reload);

impl FromText for Role {
    const WHAT: &'static str = "read or operate";

    fn from_text(text: &str) -> Result<Role, String> {
        match text {
            "read" => Ok(Role::Read),
            "operate" => Ok(Role::Operate),
            _ => Err(format!("{text:?} is no role; write {}", Role::WHAT)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["read", "operate"] })
    }
}

/// An address to listen on; `None` is off.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Listen(pub(in crate::config) Option<SocketAddr>);

impl FromText for Listen {
    const WHAT: &'static str = "an IP address and a port such as 127.0.0.1:8080, or off";

    fn from_text(text: &str) -> Result<Listen, String> {
        match text {
            "off" | "false" => Ok(Listen(None)),
            _ => match text.parse() {
                Ok(address) => Ok(Listen(Some(address))),
                Err(_) => Err(format!("{text:?} is no address; write {}", Listen::WHAT)),
            },
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "enum": ["off", false] }, { "type": "string" }] })
    }
}
