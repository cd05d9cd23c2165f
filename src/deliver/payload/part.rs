//! The bytes and names of attachments, as the formats of others carry them.

use std::io;

use crate::deliver::carriage::Way;
use crate::deliver::payload::Source;
use crate::deliver::payload::json::Base64;
use crate::deliver::payload::json::Plain;
use crate::parse::Attachment;

/// The attachments whose bytes travel. These formats cannot name a part without its bytes.
pub(super) fn carried<'a>(source: &Source<'a>) -> Vec<&'a Attachment> {
    let carried = source.attachments().filter(|(_, way)| matches!(way, Way::Content | Way::Multipart));
    carried.map(|(part, _)| part).collect()
}

/// The number of decoded bytes.
pub(super) fn size(part: &Attachment) -> u64 {
    part.content.size()
}

/// The decoded bytes in base64.
pub(super) fn base64(part: &Attachment) -> Base64<'_> {
    Base64(Plain::Content(&part.content))
}

/// Writes the decoded bytes.
///
/// # Errors
/// Those of `out`.
pub(super) fn write(part: &Attachment, out: &mut dyn io::Write) -> io::Result<()> {
    part.content.write_to(out)
}

/// The type with its charset, as it stood in the mail.
pub(super) fn full_type(part: &Attachment) -> String {
    match &part.charset {
        Some(charset) => format!("{}; charset=\"{charset}\"", part.content_type),
        None => part.content_type.clone(),
    }
}
