//! The shape of one mailbox.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use jiff::civil::Date;
use schemars::JsonSchema;
use schemars::Schema;
use schemars::json_schema;
use serde::Deserialize;

use crate::collect::Dedupe;
use crate::collect::StartFrom;
use crate::config::file::OAuth2;
use crate::config::list::List;
use crate::config::mapping::mapping;
use crate::config::plain::FromText;
use crate::config::plain::Plain;
use crate::config::secret::Source;
use crate::config::units::Size;
use crate::config::units::Within;
use crate::pop3::Auth;
use crate::pop3::Pipelining;
use crate::pop3::Tls;
use crate::retention::OnServer;

/// One POP3 maildrop.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Mailbox {
    /// Its name in metrics, logs and payloads. It is part of every message's id, so it never changes.
    #[schemars(required)]
    pub(in crate::config) name: Option<String>,
    /// The name that it had before; ids go on to be made with it.
    pub(in crate::config) former_name: Option<String>,
    /// The server's host name or IP address.
    #[schemars(required)]
    pub(in crate::config) host: Option<String>,
    /// The TCP port. Default: 995 with `tls: implicit`, 110 otherwise.
    pub(in crate::config) port: Option<Plain<Within<1, 65_535>>>,
    /// How the line is protected; `none` sends mail in clear, and without SCRAM the password too. Default: implicit.
    pub(in crate::config) tls: Option<Plain<Tls>>,
    /// A PEM file of certificates that are trusted beside the system's roots.
    pub(in crate::config) ca_file: Option<String>,
    /// The login name.
    #[schemars(required)]
    pub(in crate::config) username: Option<String>,
    /// The password. This or `oauth2` is required.
    pub(in crate::config) password: Option<Source>,
    /// Access tokens in place of a password.
    pub(in crate::config) oauth2: Option<OAuth2>,
    /// How password or token is sent: `auto` takes the strongest way that the server announces; `user` is USER and
    /// PASS, `scram` is SCRAM-SHA-256 or SCRAM-SHA-1; `xoauth2` and `oauthbearer` take a token. Default: auto.
    pub(in crate::config) auth: Option<Plain<Auth>>,
    /// How many RETR commands may be under way on servers that announce PIPELINING. Default: 32.
    pub(in crate::config) pipelining: Option<Plain<Pipelining>>,
    /// Time between the starts of two visits. Default: 1m.
    pub(in crate::config) poll_interval: Option<Plain<Duration>>,
    /// The longest that one visit may take. Default: 15m.
    pub(in crate::config) visit_timeout: Option<Plain<Duration>>,
    /// Messages that one session retrieves; the visit goes on in the next one. Default: 1000.
    pub(in crate::config) max_session_messages: Option<Plain<Within<1, 1_000_000>>>,
    /// Bytes that one session retrieves. Default: 256MiB.
    pub(in crate::config) max_session_size: Option<Plain<Size>>,
    /// How long one session retrieves. Default: 2m.
    pub(in crate::config) max_session_time: Option<Plain<Duration>>,
    /// Which of the messages that are there at the first visit are taken: `all`, `now` (none of them), or those since a
    /// date.
    #[schemars(required)]
    pub(in crate::config) start_from: Option<Plain<StartFrom>>,
    /// Larger messages stay on the server and are listed as oversize. Default: 50MiB.
    pub(in crate::config) max_message_size: Option<Plain<Size>>,
    /// What happens to the server's copies.
    pub(in crate::config) retention: Option<Retention>,
    /// What makes two messages one: equal `content`, or equal content under the same `unique_id`. Default: content.
    pub(in crate::config) dedupe: Option<Plain<Dedupe>>,
    /// How its mail is read.
    pub(in crate::config) parse: Option<Parsing>,
    /// Labels that every payload of this mailbox carries.
    pub(in crate::config) labels: Option<BTreeMap<String, String>>,
    /// The endpoints that get what no route matches. Default: none.
    pub(in crate::config) deliver_to: Option<List<String>>,
}

/// What happens to the server's copies.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Retention {
    /// When a message is deleted on the server. Default: keep.
    pub(in crate::config) on_server: Option<Plain<OnServer>>,
    /// How much longer it stays there after that. Default: 0s.
    pub(in crate::config) delete_after: Option<Plain<Duration>>,
    /// This many of the newest stay in any case. Default: 0.
    pub(in crate::config) keep_latest: Option<Plain<Within<0, 1_000_000>>>,
}

/// How mail is read.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Parsing {
    /// The header fields that tell who a mail was really for, the most trusted first. Default: X-Original-To,
    /// Delivered-To, Envelope-To, X-Envelope-To, X-Forwarded-To.
    pub(in crate::config) recipient_headers: Option<List<String>>,
    /// Whether mails that are attached are opened, one level deep (`attachments[].mail`). Default: false.
    pub(in crate::config) open_forwarded: Option<bool>,
}

mapping!(Mailbox, Retention, Parsing);

impl FromText for StartFrom {
    const WHAT: &'static str = "all, now, or a date such as 2026-01-31";

    fn from_text(text: &str) -> Result<StartFrom, String> {
        match text {
            "all" => Ok(StartFrom::All),
            "now" => Ok(StartFrom::Now),
            _ => match text.parse::<Date>() {
                Ok(date) => Ok(StartFrom::Date(date)),
                Err(_) => Err(format!("{text:?} is no date; write {}", StartFrom::WHAT)),
            },
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "enum": ["all", "now"] }, { "type": "string", "format": "date" }] })
    }
}

/// The widest window: more answers under way only fill buffers.
const WINDOW_MAX: usize = 1000;

impl FromText for Pipelining {
    const WHAT: &'static str = "off, or how many commands may be under way";

    fn from_text(text: &str) -> Result<Pipelining, String> {
        match (text, text.parse::<NonZeroUsize>()) {
            ("off" | "false", _) => Ok(Pipelining::Off),
            (_, Ok(window)) if window.get() <= WINDOW_MAX => Ok(Pipelining::Window(window)),
            (_, Ok(_) | Err(_)) => {
                Err(format!("{text:?} is no window; write off, or a whole number from 1 to {WINDOW_MAX}"))
            }
        }
    }

    fn schema() -> Schema {
        let window = json_schema!({ "type": "integer", "minimum": 1, "maximum": WINDOW_MAX });
        json_schema!({ "anyOf": [{ "enum": ["off", false] }, window] })
    }
}
