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
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde::de::value::MapAccessDeserializer;
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
    /// What listings and metrics call the rule. Default: its number, from 1.
    pub(in crate::config) name: Option<String>,
    /// The conditions, all of which must hold. Default: none, which every mail meets.
    #[serde(default, deserialize_with = "written")]
    pub(in crate::config) when: Option<When>,
    /// The endpoints that get the mail. This or `drop` is required.
    pub(in crate::config) deliver_to: Option<List<String>>,
    /// Whether later rules may add endpoints. Default: false.
    #[serde(rename = "continue")]
    pub(in crate::config) go_on: Option<bool>,
    /// The mail goes nowhere, and no later rule is read. What earlier rules with `continue` sent it to stays. Default:
    /// false.
    pub(in crate::config) drop: Option<Dropping>,
}

/// The conditions of a rule. A pattern is a glob that covers the whole value (`*` any text, `?` one character, case
/// ignored), or a regular expression written `/…/` or `/…/i`. Of several patterns one must match.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct When {
    /// The mailbox that the mail arrived in.
    pub(in crate::config) mailbox: Option<Patterns>,
    /// Per name of a label, patterns for what that mailbox's label says.
    #[serde(default, deserialize_with = "written")]
    pub(in crate::config) label: Option<BTreeMap<String, Patterns>>,
    /// An address in From or Sender, or the return path.
    pub(in crate::config) sender: Option<Patterns>,
    /// An address that the mail was really for, or one in To, Cc or Bcc.
    pub(in crate::config) recipient: Option<Patterns>,
    /// The text after `+` in an address that the mail was really for.
    pub(in crate::config) tag: Option<Patterns>,
    /// The subject; a mail without one has an empty one.
    pub(in crate::config) subject: Option<Patterns>,
    /// Per name of a header field, patterns for its value.
    #[serde(default, deserialize_with = "written")]
    pub(in crate::config) header: Option<BTreeMap<String, Patterns>>,
    /// The id of a mailing list, as List-Id gives it between angle brackets.
    pub(in crate::config) list_id: Option<Patterns>,
    /// More bytes than this.
    pub(in crate::config) larger_than: Option<Plain<Size>>,
    /// Fewer bytes than this.
    pub(in crate::config) smaller_than: Option<Plain<Size>>,
    /// Whether a part is attached; inline parts do not count.
    pub(in crate::config) has_attachment: Option<bool>,
    /// The name of an attachment or inline part.
    pub(in crate::config) attachment_name: Option<Patterns>,
    /// The content type of an attachment or inline part.
    pub(in crate::config) attachment_type: Option<Patterns>,
    /// What the mail is: message, bounce, complaint, receipt, `auto_reply` or calendar.
    pub(in crate::config) kind: Option<Patterns>,
    /// Whether a spam filter on its way called it spam; where none did, it is none.
    pub(in crate::config) spam: Option<bool>,
    /// The least score that a spam filter gave it, by the filter's own scale.
    pub(in crate::config) spam_score_from: Option<Plain<Score>>,
    /// What the trusted server found about where it comes from.
    #[serde(default, deserialize_with = "written")]
    pub(in crate::config) auth: Option<Auth>,
    /// Groups of conditions, all of which must hold.
    pub(in crate::config) all: Option<List<When>>,
    /// Groups of conditions, one of which must hold.
    pub(in crate::config) any: Option<List<When>>,
    /// Conditions that must not hold together.
    #[serde(default, deserialize_with = "written")]
    pub(in crate::config) not: Option<Box<When>>,
}

/// Results of the ways to prove where a mail comes from: pass, fail, none …
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Auth {
    /// SPF.
    pub(in crate::config) spf: Option<Patterns>,
    /// DKIM.
    pub(in crate::config) dkim: Option<Patterns>,
    /// DMARC.
    pub(in crate::config) dmarc: Option<Patterns>,
    /// ARC.
    pub(in crate::config) arc: Option<Patterns>,
}

/// How mail is dropped.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct DropOptions {
    /// Whether `delete_when_delivered` may delete the server's copy. Default: false.
    pub(in crate::config) counts_as_delivered: Option<bool>,
}

mapping!(Route, When, Auth, DropOptions);

/// Elsewhere a key without a value counts as not written. Here it would widen a rule to all mail.
fn written<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Whether mail is dropped: true or false, or true with options.
#[derive(Debug)]
pub(in crate::config) enum Dropping {
    Plain(bool),
    With(DropOptions),
}

/// A score of a spam filter.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Score(pub(in crate::config) f64);

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

impl FromText for Score {
    const WHAT: &'static str = "a number";

    fn from_text(text: &str) -> Result<Score, String> {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Score).ok_or_else(|| format!("{text:?} is no number; write one such as 5 or 7.5"))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "number" })
    }
}

impl<'de> Deserialize<'de> for Dropping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Dropping, D::Error> {
        deserializer.deserialize_any(YesOrOptions)
    }
}

struct YesOrOptions;

impl<'de> Visitor<'de> for YesOrOptions {
    type Value = Dropping;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, or a mapping")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Dropping, E> {
        Ok(Dropping::Plain(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Dropping, A::Error> {
        <DropOptions as Deserialize>::deserialize(MapAccessDeserializer::new(map)).map(Dropping::With)
    }
}

impl JsonSchema for Dropping {
    fn schema_name() -> Cow<'static, str> {
        "Dropping".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let options = generator.subschema_for::<DropOptions>();
        json_schema!({
            "description": "Whether mail is dropped: true or false, or true with options.",
            "anyOf": [{ "type": "boolean" }, options],
        })
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
