//! One file per format.

pub mod json;
