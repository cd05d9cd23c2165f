//! One file per command.

mod out;

pub mod parse;
pub mod receive;
