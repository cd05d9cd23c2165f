//! What entries of the lists take from `defaults`.
//!
//! A default is a wish for many: where an endpoint's own choice leaves it no effect, the endpoint does not take it. Only
//! what stands at the endpoint itself can therefore contradict it.

use serde_json::Map;
use serde_json::Value;

/// Sections of an entry that are filled up key by key; every other value is taken whole.
const SECTIONS: [&str; 7] = ["retention", "parse", "labels", "headers", "statuses", "on_dead_letter", OAUTH2];
/// One that names its authorization server by one of these keys is taken whole, too: secrets are for one server.
const OAUTH2: &str = "oauth2";
const SERVER: [&str; 2] = ["provider", "token_url"];

const ENDPOINTS: &str = "endpoints";
const ATTACHMENTS: &str = "attachments";
const LIMITS: [&str; 2] = ["max_attachment_size", "max_attachments_size"];
const ON_LARGE: &str = "on_large_attachment";

/// Gives each entry what it does not say itself, from the first of `layers` that says it.
pub(super) fn fill_up(tree: &mut Value, layers: &[&Map<String, Value>]) {
    for round in [Round::First, Round::Attachments, Round::Limits, Round::OnLarge] {
        for (list, fillings) in layers.iter().flat_map(|layer| layer.iter()) {
            let (Some(entries), Some(fillings)) =
                (tree.get_mut(list).and_then(Value::as_array_mut), fillings.as_object())
            else {
                continue;
            };
            let due = || fillings.iter().filter(|(key, _)| Round::of(list, key) == round);
            for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                due().for_each(|(key, filling)| fill(entry, key, filling));
            }
        }
    }
}

/// Whether a section that has certain keys takes nothing from the defaults.
pub(super) fn is_whole(section: &str, has: impl Fn(&str) -> bool) -> bool {
    section == OAUTH2 && SERVER.iter().any(|key| has(key))
}

/// When a key is filled: what it depends on comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    First,
    Attachments,
    Limits,
    OnLarge,
}

impl Round {
    fn of(list: &str, key: &str) -> Round {
        match key {
            _ if list != ENDPOINTS => Round::First,
            ATTACHMENTS => Round::Attachments,
            ON_LARGE => Round::OnLarge,
            key if LIMITS.contains(&key) => Round::Limits,
            _ => Round::First,
        }
    }
}

fn fill(entry: &mut Map<String, Value>, key: &str, filling: &Value) {
    if !has_effect(entry, key, filling) {
        return;
    }
    match (entry.get_mut(key), filling) {
        (None, _) => _ = entry.insert(key.to_owned(), filling.clone()),
        (Some(Value::Object(section)), Value::Object(filling)) if SECTIONS.contains(&key) => {
            if is_whole(key, |name| section.contains_key(name)) {
                return;
            }
            for (key, filling) in filling {
                section.entry(key).or_insert_with(|| filling.clone());
            }
        }
        (Some(_), _) => {}
    }
}

/// Whether a default does something at an entry that is what it is.
fn has_effect(entry: &Map<String, Value>, key: &str, filling: &Value) -> bool {
    let word = |key: &str| entry.get(key).and_then(Value::as_str);
    let format = word("format").unwrap_or_default();
    let attachments = word(ATTACHMENTS).unwrap_or(if format == "template" { "omit" } else { "inline" });
    match key {
        ATTACHMENTS => format != "raw",
        ON_LARGE => {
            let limited = LIMITS.iter().any(|limit| entry.get(*limit).is_some_and(|size| !size.is_null()));
            limited && attachments != "omit" && !(attachments == "link" && filling == "link")
        }
        key if LIMITS.contains(&key) => format != "raw" && attachments != "omit",
        _ => true,
    }
}
