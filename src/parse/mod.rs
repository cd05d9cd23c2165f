//! The letter: raw bytes in, a [`Mail`] and its defects out. Never fails.

mod mail;

pub use mail::Address;
pub use mail::Attachment;
pub use mail::Defect;
pub use mail::DefectKind;
pub use mail::Header;
pub use mail::Mail;
pub use mail::Recipient;
pub use mail::TextSource;
