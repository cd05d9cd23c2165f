//! Sections that are mappings and nothing else.
//!
//! What serde derives for a struct would also take a list, field by field in the order of our source.

/// Implements `Deserialize` for structs whose derived one is made inherent by `#[serde(remote = "Self")]`.
macro_rules! mapping {
    ($($section:ident),+) => {$(
        impl<'de> serde::Deserialize<'de> for $section {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$section, D::Error> {
                struct Mapping;

                impl<'de> serde::de::Visitor<'de> for Mapping {
                    type Value = $section;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a mapping")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<$section, A::Error> {
                        $section::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    }
                }

                deserializer.deserialize_map(Mapping)
            }
        }
    )+};
}

pub(super) use mapping;
