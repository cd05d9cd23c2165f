//! What a list shows and a search finds of a mail, without its bytes being read again.

/// What is kept of a mail beside its bytes, as long as they are: it goes when they go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glance {
    /// Decoded, in one line.
    pub subject: Option<String>,
    /// Who it says it is from, for a human.
    pub sender: String,
    /// Whom it says it is to, and whom it was really for.
    pub recipients: String,
    /// `message`, `bounce` and what else a mail can be.
    pub kind: String,
    /// How many parts are attached.
    pub attachments: u32,
    /// What a search looks in, as [`searchable`] makes it. Read back, it is empty.
    pub words: String,
}

/// `text` as it is looked in and looked for: in lower case, with one blank for every run of them.
pub fn searchable(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
