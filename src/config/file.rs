//! The file's shape: what may be written where, and nothing about whether it makes sense.
//!
//! Every field is optional here, so that a missing key is one problem among others and not the end of the reading.
//! The doc comments are the descriptions in the JSON Schema. `serde_yaml` stands in this file alone.

mod endpoint;
mod mailbox;
mod notices;
mod oauth2;
mod operation;
mod route;
mod signing;
mod store;

use std::time::Duration;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use serde::Deserialize;
use serde::de::DeserializeSeed as _;

pub(super) use endpoint::BasicAuth;
pub(super) use endpoint::Endpoint;
pub(super) use mailbox::Mailbox;
pub(super) use mailbox::Parsing;
pub(super) use mailbox::Retention;
pub(super) use notices::Notices;
pub(super) use notices::Smtp;
pub(super) use oauth2::OAuth2;
pub(super) use operation::Admin;
pub(super) use operation::Egress;
pub(super) use operation::Listen;
pub(super) use operation::Reload;
pub(super) use operation::Token;
pub(super) use route::Auth;
pub(super) use route::Dropping;
pub(super) use route::Patterns;
pub(super) use route::Route;
pub(super) use route::Score;
pub(super) use route::When;
pub(super) use signing::Moment;
pub(super) use signing::SigningKey;
pub(super) use store::AttachmentStore;

use crate::config::list::List;
use crate::config::locate::Walk;
use crate::config::mapping::mapping;
use crate::config::plain::Plain;
use crate::config::problem::Path;
use crate::config::problem::Problem;
use crate::config::problem::Report;
use crate::config::twice::TWICE;
use crate::config::twice::Twice;
use crate::config::units::Keep;
use crate::config::units::Percent;
use crate::config::units::Size;
use crate::config::units::Within;

/// The configuration of pophook.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(super) struct File {
    /// Where mail is kept on disk, and how long.
    #[schemars(required)]
    pub(super) spool: Option<Spool>,
    /// How many mailboxes are visited at once.
    pub(super) collect: Option<Collect>,
    /// Files, or folders of files, with more mailboxes, endpoints and routes; relative to this file.
    pub(super) include: Option<List<String>>,
    /// What mailboxes and endpoints are where they do not say it themselves.
    pub(super) defaults: Option<Defaults>,
    /// The POP3 maildrops that are visited.
    #[schemars(required)]
    pub(super) mailboxes: Option<List<Mailbox>>,
    /// How much is posted at once, to all endpoints together.
    pub(super) deliver: Option<Deliver>,
    /// The HTTP receivers that mail is posted to.
    #[schemars(required)]
    pub(super) endpoints: Option<List<Endpoint>>,
    /// Where attachments lie that travel as links.
    pub(super) attachment_store: Option<AttachmentStore>,
    /// Which addresses endpoints may have.
    pub(super) egress: Option<Egress>,
    /// Which mail goes where; the first rule that matches decides.
    pub(super) routes: Option<List<Route>>,
    /// What is told to humans.
    pub(super) notices: Option<Notices>,
    /// The HTTP server for operators.
    pub(super) admin: Option<Admin>,
    /// The longest wait, on SIGTERM, for what is under way. Default: 25s.
    pub(super) grace: Option<Plain<Duration>>,
    /// When this file is read anew while pophook runs.
    pub(super) reload: Option<Reload>,
    /// Endpoints that may leave this file though deliveries to them are pending; these are held.
    pub(super) removed_endpoints: Option<List<String>>,
}

/// Where mail is kept on disk, and how long.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(super) struct Spool {
    /// `sqlite:` and the path of the database file.
    #[schemars(required)]
    pub(super) url: Option<String>,
    /// How long our copy is kept after every endpoint took it. Default: 7d.
    pub(super) keep_delivered: Option<Plain<Duration>>,
    /// How long a dead letter is kept; a duration means that it is erased unread. Default: forever.
    pub(super) keep_dead: Option<Plain<Keep>>,
    /// How long a message is remembered after the server listed it for the last time. Default: 90d.
    pub(super) ledger_keep: Option<Plain<Duration>>,
    /// How much mail the spool may hold, at least 64MiB and more than every `max_message_size`. Default: 10GiB.
    pub(super) max_size: Option<Plain<Size>>,
    /// How much of its disk stays free, with whatever else lies there: below it, no more mail is taken. Default: 256MiB.
    pub(super) min_free: Option<Plain<Size>>,
    /// How much of `max_size` the unsettled mail of one mailbox may fill. Default: 25%.
    pub(super) max_share: Option<Plain<Percent>>,
}

/// How many mailboxes are visited at once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(super) struct Collect {
    /// Visits at once, in all. Default: 100.
    pub(super) max_visits: Option<Plain<Within<1, 10_000>>>,
    /// Visits at once to one server (host name and port). Default: 10.
    pub(super) max_visits_per_host: Option<Plain<Within<1, 10_000>>>,
    /// How much mail the visits may hold in memory at once, in large messages. Default: 128MiB.
    pub(super) max_bytes_in_flight: Option<Plain<Size>>,
}

/// How much is posted at once, to all endpoints together.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(super) struct Deliver {
    /// Posts at once, in all. No endpoint gets more than a quarter, and each gets at least one. Default: 256.
    pub(super) max_in_flight: Option<Plain<Within<1, 10_000>>>,
    /// The memory that they may take, at least 1MiB. Default: 64MiB.
    pub(super) max_bytes_in_flight: Option<Plain<Size>>,
}

/// What mailboxes and endpoints are where they do not say it themselves.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(super) struct Defaults {
    /// Keys of mailboxes.
    #[schemars(schema_with = "optional::<Mailbox>")]
    pub(super) mailboxes: Option<Mailbox>,
    /// Keys of endpoints.
    #[schemars(schema_with = "optional::<Endpoint>")]
    pub(super) endpoints: Option<Endpoint>,
}

/// A section's schema with no key required.
fn optional<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    schema.remove("required");
    schema
}

mapping!(File, Spool, Collect, Deliver, Defaults);

/// The one section whose keys may be numbers.
const STATUSES: &str = "statuses";

/// Reads YAML into a tree, with `<<` merged. What YAML allows and we do not is noted in `report`.
pub(super) fn read(text: &str, report: &mut Report) -> Result<serde_json::Value, Problem> {
    let mut tree: serde_yaml::Value = serde_yaml::from_str(text).map_err(|e| not_yaml(text, &e))?;
    tree.apply_merge().map_err(|e| not_yaml(text, &e))?;
    Ok(plain_tree(tree, &Path::default(), report))
}

/// The line of `path`, or of what stands nearest above it.
pub(super) fn line_of(text: &str, path: &Path) -> Option<usize> {
    exact_line_of(text, path).or_else(|| line_of(text, &path.parent()?))
}

/// The line of `path`, if it is written.
pub(super) fn exact_line_of(text: &str, path: &Path) -> Option<usize> {
    let walk = Walk(path.steps()).deserialize(serde_yaml::Deserializer::from_str(text));
    walk.err()?.location().map(|location| location.line())
}

/// What is said of a file that [`in_utf8`] cannot read.
pub(super) const NO_UTF8: &str = "is not UTF-8; save the file as such";

/// The text without the mark that some editors begin a file with, or the line of the first byte that is no UTF-8.
pub(super) fn in_utf8(bytes: &[u8]) -> Result<&str, usize> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let good = bytes.iter().take(error.valid_up_to());
            Err(1 + good.filter(|byte| **byte == b'\n').count())
        }
    }
}

fn not_yaml(text: &str, error: &serde_yaml::Error) -> Problem {
    let line = |error: &serde_yaml::Error| error.location().map(|location| location.line());
    let mut steps = Vec::new();
    let twice = Twice(&mut steps).deserialize(serde_yaml::Deserializer::from_str(text));
    match twice {
        Err(twice) if twice.to_string().contains(TWICE) => {
            Problem { file: None, line: line(&twice), path: Path::from_iter(steps).to_string(), text: TWICE.to_owned() }
        }
        Ok(()) | Err(_) => {
            // The line is told in front; the message repeats it.
            let message = error.to_string();
            let message = message.split_once(" at line ").map_or(message.as_str(), |(message, _)| message);
            Problem { file: None, line: line(error), path: String::new(), text: format!("is not YAML: {message}") }
        }
    }
}

fn plain_tree(tree: serde_yaml::Value, path: &Path, report: &mut Report) -> serde_json::Value {
    match tree {
        serde_yaml::Value::Null => serde_json::Value::Null,
        serde_yaml::Value::Bool(value) => value.into(),
        serde_yaml::Value::String(text) => text.into(),
        serde_yaml::Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().into(),
        },
        serde_yaml::Value::Sequence(list) => plain_list(list, path, report),
        serde_yaml::Value::Mapping(map) => plain_map(map, path, report),
        serde_yaml::Value::Tagged(_) => {
            report.add(path, "has a YAML tag (a word that starts with !); take it out, or put the value in quotes");
            serde_json::Value::Null
        }
    }
}

fn plain_list(list: Vec<serde_yaml::Value>, path: &Path, report: &mut Report) -> serde_json::Value {
    let mut items = Vec::with_capacity(list.len());
    for (at, item) in list.into_iter().enumerate() {
        let path = path.index(at);
        if item.is_null() {
            report.add(&path, "is empty; write a value, or take the line out");
        }
        items.push(plain_tree(item, &path, report));
    }
    items.into()
}

fn plain_map(map: serde_yaml::Mapping, path: &Path, report: &mut Report) -> serde_json::Value {
    let mut keys = serde_json::Map::new();
    for (key, value) in map {
        match key {
            serde_yaml::Value::String(key) => {
                let value = plain_tree(value, &path.key(&key), report);
                keys.insert(key, value);
            }
            // Codes are numbers, and nobody quotes them.
            serde_yaml::Value::Number(code) if code.is_u64() && path.ends_with(STATUSES) => {
                let code = code.to_string();
                let value = plain_tree(value, &path.key(&code), report);
                keys.insert(code, value);
            }
            _ => report.add(path, "has a key that is no text; put the key in quotes"),
        }
    }
    keys.into()
}
