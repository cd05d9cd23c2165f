//! From a path to its line.
//!
//! A deserialiser tells where it stands only when it fails. So we walk it along the path and fail on purpose at the
//! target; the error's mark is the answer. A walk that ends without an error has not found the path.

use std::fmt;

use serde::Deserializer;
use serde::de;
use serde::de::DeserializeSeed;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;

use crate::config::problem::Step;

/// Walks along the steps and fails at the last one: at its key, or at the list's item.
pub(super) struct Walk<'a>(pub(super) &'a [Step]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

// A scalar is always the target: each visit that is not written here fails by default.
impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the target of a walk")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Step::Key(wanted), rest)) = self.0.split_first() else { return Err(here()) };
        let at = if rest.is_empty() { KeyIs::Target } else { KeyIs::OnTheWay };
        while let Some(found) = map.next_key_seed(Key { wanted, at })? {
            if found {
                map.next_value_seed(Walk(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((Step::Index(wanted), rest)) = self.0.split_first() else { return Err(here()) };
        for _ in 0..*wanted {
            list.next_element::<IgnoredAny>()?;
        }
        list.next_element_seed(Walk(rest))?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Reads one key and says whether it is the wanted one.
struct Key<'a> {
    wanted: &'a str,
    at: KeyIs,
}

#[derive(Clone, Copy)]
enum KeyIs {
    OnTheWay,
    Target,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        match self.at {
            KeyIs::Target if key == self.wanted => Err(here()),
            KeyIs::Target | KeyIs::OnTheWay => Ok(key == self.wanted),
        }
    }
}

fn here<E: de::Error>() -> E {
    E::custom("here")
}
