//! The shape of one route.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::json_schema;
use serde::Deserialize;
use serde::Deserializer;
use serde::de;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde::de::value::SeqAccessDeserializer;

use crate::config::list::List;
use crate::config::mapping::mapping;
use crate::config::plain::FromText;
use crate::config::plain::Plain;
use crate::config::units::Size;
use crate::route::Pattern;

/// One rule: which mail goes where.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Route {
    /// The conditions, all of which must hold. Default: none, which every mail meets.
    pub(in crate::config) when: Option<When>,
    /// The endpoints that get the mail.
    #[schemars(required)]
    pub(in crate::config) deliver_to: Option<List<String>>,
    /// Whether later rules may add endpoints. Default: false.
    #[serde(rename = "continue")]
    pub(in crate::config) go_on: Option<bool>,
}

/// The conditions of a rule. A pattern is a glob that covers the whole value (`*` any text, `?` one character, case
/// ignored), or a regular expression written `/…/` or `/…/i`. Of several patterns one must match.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct When {
    /// The mailbox that the mail arrived in.
    pub(in crate::config) mailbox: Option<Patterns>,
    /// An address in From or Sender, or the return path.
    pub(in crate::config) sender: Option<Patterns>,
    /// An address that the mail was really for, or one in To, Cc or Bcc.
    pub(in crate::config) recipient: Option<Patterns>,
    /// The subject; a mail without one has an empty one.
    pub(in crate::config) subject: Option<Patterns>,
    /// Per name of a header field, patterns for its value.
    pub(in crate::config) header: Option<BTreeMap<String, Patterns>>,
    /// More bytes than this.
    pub(in crate::config) larger_than: Option<Plain<Size>>,
    /// Fewer bytes than this.
    pub(in crate::config) smaller_than: Option<Plain<Size>>,
    /// Whether a part is attached; inline parts do not count.
    pub(in crate::config) has_attachment: Option<bool>,
}

mapping!(Route, When);

/// One pattern, or a list of them.
#[derive(Debug)]
pub(in crate::config) enum Patterns {
    One(Pattern),
    Any(List<Plain<Pattern>>),
}

impl FromText for Pattern {
    const WHAT: &'static str = "a pattern";

    fn from_text(text: &str) -> Result<Pattern, String> {
        Pattern::parse(text).map_err(|e| e.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Patterns, D::Error> {
        deserializer.deserialize_any(OneOrMany)
    }
}

struct OneOrMany;

impl<'de> Visitor<'de> for OneOrMany {
    type Value = Patterns;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pattern in quotes, or a list of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Patterns, E> {
        Pattern::from_text(text).map(Patterns::One).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Patterns, A::Error> {
        List::deserialize(SeqAccessDeserializer::new(list)).map(Patterns::Any)
    }
}

impl JsonSchema for Patterns {
    fn schema_name() -> Cow<'static, str> {
        "Patterns".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A pattern, or a list of patterns of which one must match.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }],
        })
    }
}
