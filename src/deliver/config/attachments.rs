//! How attachments travel to an endpoint, and how large they may be.

/// How attachments travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachments {
    /// In the JSON, as base64.
    Inline,
    /// Beside the JSON, as files of a form.
    Multipart,
    /// Named and measured, without their bytes.
    Omit,
    /// In the attachment store; the payload has links to them.
    Link,
}

/// How large attachments may be. Without a limit, all of them travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// The largest one, in decoded bytes.
    pub one: Option<u64>,
    /// All of one mail together, in decoded bytes.
    pub all: Option<u64>,
    /// What becomes of those that are larger.
    pub on_large: OnLarge,
}

/// What becomes of an attachment that exceeds a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnLarge {
    /// It goes to the attachment store; the payload has a link to it.
    Link,
    /// It is named and measured, and the payload says why its bytes are not there.
    #[default]
    Omit,
    /// The mail is a dead letter, so that a human sees it.
    Refuse,
}
