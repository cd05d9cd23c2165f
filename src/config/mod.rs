//! The whole configuration.
