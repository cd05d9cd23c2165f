//! From a tree of values to [`File`], with every value of the wrong shape reported at once.
//!
//! A deserialiser ends at the first error. So the value that it stumbled over is taken out of the tree and the reading
//! begins again, until nothing is left to stumble over. Keys that nobody asked for are reported in the last round.

use schemars::schema_for;
use serde::Deserialize;
use serde_json::Value;

use crate::config::file::File;
use crate::config::nearest::did_you_mean;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::problem::Step;

/// The JSON Schema of the file.
pub(super) fn schema() -> Value {
    schema_for!(File).to_value()
}

/// The shape of `tree`; what does not fit is noted in `report` and taken out.
pub(super) fn clean(tree: &mut Value, report: &mut Report) -> File {
    // An empty document is a file without keys.
    if tree.is_null() {
        *tree = Value::Object(serde_json::Map::new());
    }
    loop {
        let mut unknown = Vec::new();
        let stumble = match attempt(tree, &mut unknown) {
            Ok(file) => {
                let schema = schema();
                for path in unknown {
                    report.add(&path, unknown_key(&path, &schema));
                    take_out(tree, &path);
                }
                return file;
            }
            Err(stumble) => stumble,
        };
        // Nothing new where the reading stumbles over what is left of something that was told already.
        if !report.has_within(&stumble.path) {
            report.add(&stumble.path, explain(&stumble.message, find(tree, stumble.path.steps())));
        }
        let mut spoilt = stumble.path;
        while !take_out(tree, &spoilt) {
            let Some(around) = spoilt.parent() else { return File::default() };
            spoilt = around;
        }
    }
}

struct Stumble {
    path: Path,
    message: String,
}

fn attempt(tree: &Value, unknown: &mut Vec<Path>) -> Result<File, Stumble> {
    let mut note = |path: serde_ignored::Path<'_>| unknown.push(ignored_path(&path));
    let mut track = serde_path_to_error::Track::new();
    let noting = serde_ignored::Deserializer::new(tree, &mut note);
    // Not `File::deserialize`, which is the derived one that would take a list.
    <File as Deserialize>::deserialize(serde_path_to_error::Deserializer::new(noting, &mut track))
        .map_err(|e| Stumble { path: tracked_path(&track.path()), message: e.to_string() })
}

fn tracked_path(path: &serde_path_to_error::Path) -> Path {
    path.iter()
        .filter_map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => Some(Step::Index(*index)),
            serde_path_to_error::Segment::Map { key } => Some(Step::Key(key.clone())),
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => None,
        })
        .collect()
}

fn ignored_path(path: &serde_ignored::Path<'_>) -> Path {
    match path {
        serde_ignored::Path::Root => Path::default(),
        serde_ignored::Path::Seq { parent, index } => ignored_path(parent).index(*index),
        serde_ignored::Path::Map { parent, key } => ignored_path(parent).key(key),
        serde_ignored::Path::Some { parent }
        | serde_ignored::Path::NewtypeStruct { parent }
        | serde_ignored::Path::NewtypeVariant { parent } => ignored_path(parent),
    }
}

/// Takes out the value at `path`; tells whether there was one. In a list a gap remains, so that the other items keep
/// their numbers.
fn take_out(tree: &mut Value, path: &Path) -> bool {
    let Some((last, above)) = path.steps().split_last() else { return false };
    match (find(tree, above), last) {
        (Some(Value::Object(map)), Step::Key(key)) => map.remove(key).is_some(),
        (Some(Value::Array(list)), Step::Index(index)) => match list.get_mut(*index) {
            Some(item) => !std::mem::replace(item, Value::Null).is_null(),
            None => false,
        },
        (Some(_) | None, _) => false,
    }
}

fn find<'a>(tree: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(tree, |tree, step| match step {
        Step::Key(key) => tree.get_mut(key),
        Step::Index(index) => tree.get_mut(index),
    })
}

/// Puts serde's words into ours. A value is never repeated: it may be a secret at the wrong place.
fn explain(message: &str, found: Option<&mut Value>) -> String {
    let Some((_, expected)) = message.strip_prefix("invalid type: ").and_then(|text| text.rsplit_once(", expected "))
    else {
        return message.to_owned();
    };
    let expected = match expected {
        "a string" => "a text",
        "a sequence" => "a list",
        "a map" => "a mapping",
        "a boolean" => "true or false",
        other => other,
    };
    let found = match found.map(|value| &*value) {
        Some(Value::Number(_) | Value::Bool(_)) if expected == "a text" => {
            return "is not read as a text; put it in quotes".to_owned();
        }
        Some(Value::String(_)) => "a text",
        Some(Value::Number(_)) => "a number",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "a mapping",
        Some(Value::Null) | None => "nothing",
    };
    let hint = if expected == "a list" { " (one item a line, with - before each, or [one, two])" } else { "" };
    format!("is {found}; write {expected}{hint}")
}

fn unknown_key(path: &Path, schema: &Value) -> String {
    let Some((Step::Key(key), above)) = path.steps().split_last() else { return "is unknown; take it out".to_owned() };
    let known = keys_at(schema, schema, above);
    let remedy =
        did_you_mean(key, known.iter().copied()).unwrap_or_else(|| format!("; known here: {}", known.join(", ")));
    format!("is an unknown key{remedy}")
}

/// The keys that `root` knows where `steps` lead, starting at its part `schema`.
fn keys_at<'a>(root: &'a Value, schema: &'a Value, steps: &[Step]) -> Vec<&'a str> {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or_else(Vec::new, |schema| keys_at(root, schema, steps));
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        return choices.iter().flat_map(|choice| keys_at(root, choice, steps)).collect();
    }
    let (next, rest) = match steps.split_first() {
        None => {
            let properties = schema.get("properties").and_then(Value::as_object);
            return properties.map_or_else(Vec::new, |keys| keys.keys().map(String::as_str).collect());
        }
        Some((Step::Index(_), rest)) => (schema.get("items"), rest),
        Some((Step::Key(key), rest)) => {
            let named = schema.get("properties").and_then(|properties| properties.get(key));
            (named.or_else(|| schema.get("additionalProperties")), rest)
        }
    };
    next.map_or_else(Vec::new, |next| keys_at(root, next, rest))
}
