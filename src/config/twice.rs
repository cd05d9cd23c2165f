//! Keys that stand twice in one mapping.
//!
//! YAML forbids them, and its reader tells only where the mapping begins. We look for the second key itself.

use std::collections::HashSet;
use std::fmt;

use serde::Deserializer;
use serde::de;
use serde::de::DeserializeSeed;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;

use crate::config::problem::Step;

/// The text of the error, and of the problem.
pub(super) const TWICE: &str = "stands twice; take one out";

/// Walks through everything and fails at the first key that stands twice; then the steps lead to it.
pub(super) struct Twice<'a>(pub(super) &'a mut Vec<Step>);

impl<'de> DeserializeSeed<'de> for Twice<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Twice<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML without tags")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key_seed(Fresh { seen: &seen, steps: &mut *self.0 })? {
            self.0.push(Step::Key(key.clone()));
            map.next_value_seed(Twice(&mut *self.0))?;
            self.0.pop();
            seen.insert(key);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for at in 0.. {
            self.0.push(Step::Index(at));
            let item = list.next_element_seed(Twice(&mut *self.0))?;
            self.0.pop();
            if item.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads a key that was not seen in its mapping.
struct Fresh<'a> {
    seen: &'a HashSet<String>,
    steps: &'a mut Vec<Step>,
}

impl<'de> DeserializeSeed<'de> for Fresh<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

// It fails while the key is visited, because only then the error's mark is the key's.
impl Visitor<'_> for Fresh<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        let key = key.to_owned();
        if self.seen.contains(&key) {
            self.steps.push(Step::Key(key));
            return Err(E::custom(TWICE));
        }
        Ok(key)
    }
}
