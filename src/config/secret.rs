//! Secrets: how they are written, and how their value is found.
//!
//! A literal, or `{ file: … }`, `{ env: … }`, `{ command: [ … ] }`. No problem of this file repeats a value, nor the
//! keys of a mapping that it does not know: a template that was not filled in may hold a secret as a key.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::json_schema;
use serde::Deserialize;
use serde::Deserializer;
use serde::de;
use serde::de::MapAccess;
use serde::de::Visitor;

use crate::config::outside::Outside;
use crate::secret::Secret;

/// What belongs where a secret is written.
const FORMS: &str = "write a text in quotes, { file: PATH }, { env: NAME } or { command: [PROGRAM, ARGUMENT] }";

/// Where a secret's value stands.
#[derive(Debug)]
pub(super) enum Source {
    Literal(Secret),
    File(PathBuf),
    Variable(String),
    Command(Vec<String>),
}

/// Finds the value: UTF-8, not empty, without CR, LF and NUL (either would end a line of the protocol).
///
/// One line end at the end of a file or of a command's output is cut: editors and `echo` add it.
pub(super) fn resolve(source: &Source, outside: &dyn Outside) -> Result<Secret, String> {
    let found = resolve_text(source, outside)?;
    if found.reveal().contains(['\r', '\n', '\0']) {
        return Err(format!("{} holds a line break or NUL inside; take it out", origin(source)));
    }
    Ok(found)
}

/// As [`resolve`], of a value that may have several lines.
pub(super) fn resolve_text(source: &Source, outside: &dyn Outside) -> Result<Secret, String> {
    let found = match source {
        Source::Literal(secret) => secret.reveal().to_owned(),
        Source::Variable(name) => outside
            .variable(name)
            .ok_or_else(|| format!("the environment variable {name:?} is not set, or not UTF-8; set it"))?,
        Source::File(path) => {
            let bytes = outside
                .file(path)
                .map_err(|e| format!("cannot read {}: {e}; create the file, or let pophook read it", path.display()))?;
            first_line(bytes).ok_or_else(|| format!("{} is not UTF-8; save it as such", path.display()))?
        }
        Source::Command(words) => {
            let (program, arguments) =
                words.split_first().ok_or_else(|| format!("the command has no program; {FORMS}"))?;
            let output = outside
                .command(program, arguments)
                .map_err(|e| format!("the command {program:?} {e}; run it by hand to see why"))?;
            first_line(output).ok_or_else(|| format!("the command {program:?} does not print UTF-8; make it do so"))?
        }
    };
    if found.is_empty() {
        return Err(format!("{} is empty; fill it", origin(source)));
    }
    Ok(Secret::new(found))
}

fn first_line(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let cut = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    Some(cut.to_owned())
}

fn origin(source: &Source) -> String {
    match source {
        Source::Literal(_) => "the secret".to_owned(),
        Source::File(path) => path.display().to_string(),
        Source::Variable(name) => format!("the environment variable {name:?}"),
        Source::Command(words) => {
            format!("the output of the command {:?}", words.first().map_or("", String::as_str))
        }
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Source, D::Error> {
        deserializer.deserialize_any(Form)
    }
}

/// What a secret is written as.
pub(super) struct Form;

impl Form {
    /// Reads a mapping of which the key `first` was read; `or` is what may be written too, for one that is no form.
    pub(super) fn of_map<'de, A: MapAccess<'de>>(
        first: Option<&str>,
        mut map: A,
        or: &str,
    ) -> Result<Source, A::Error> {
        let no_form = || de::Error::custom(format!("is no form of a secret; {FORMS}{or}"));
        let source = match first {
            Some("file") => Source::File(map.next_value()?),
            Some("env") => Source::Variable(map.next_value()?),
            Some("command") => Source::Command(map.next_value()?),
            Some(_) | None => return Err(no_form()),
        };
        if map.next_key::<String>()?.is_some() { Err(no_form()) } else { Ok(source) }
    }
}

impl<'de> Visitor<'de> for Form {
    type Value = Source;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Source, E> {
        Ok(Source::Literal(Secret::new(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Source, A::Error> {
        let first = map.next_key::<String>()?;
        Form::of_map(first.as_deref(), map, "")
    }

    // The default would repeat the value.
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Source, E> {
        Err(E::custom("is a number; put it in quotes"))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Source, E> {
        self.visit_u64(0)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Source, E> {
        self.visit_u64(0)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Source, E> {
        Err(E::custom("is true or false; put it in quotes"))
    }
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A literal, or where the value stands.",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "file": { "description": "The file that holds it.", "type": "string" },
                        "env": { "description": "The environment variable that holds it.", "type": "string" },
                        "command": {
                            "description": "The program that prints it, and its arguments.",
                            "type": "array",
                            "items": { "type": "string" },
                            "minItems": 1,
                        },
                    },
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": false,
                },
            ],
        })
    }
}
