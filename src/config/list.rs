//! Lists that keep their numbering when an item cannot be read.

use std::borrow::Cow;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use serde::Deserialize;

/// The items of a list; one that could not be read is left out, and its problem is noted.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct List<T>(Vec<Option<T>>);

/// The items of a list that may not be written at all.
pub(super) fn items<T>(list: &Option<List<T>>) -> impl Iterator<Item = (usize, &T)> {
    list.iter().flat_map(List::items)
}

impl<T> List<T> {
    /// The items that could be read, each with its place in the file's list.
    pub(super) fn items(&self) -> impl Iterator<Item = (usize, &T)> {
        self.0.iter().enumerate().filter_map(|(at, slot)| Some((at, slot.as_ref()?)))
    }

    /// Whether the file's list has no item at all.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every item could be read.
    pub(super) fn is_complete(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        <Vec<T>>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <Vec<T>>::json_schema(generator)
    }
}
