//! The sorting: which endpoints get a mail. Pure.

/// Which mail goes where.
#[derive(Debug, Clone, Default)]
pub struct Routes {}
