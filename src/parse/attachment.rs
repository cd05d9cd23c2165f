//! Attachments: every leaf that is not the body, with its bytes.

use bytes::Bytes;

use crate::parse::Attachment;
use crate::parse::Content;
use crate::parse::DefectKind;
use crate::parse::body::Chosen;
use crate::parse::defects::Defects;
use crate::parse::filename::Names;
use crate::parse::mime::Disposition;
use crate::parse::structure::Part;

/// The leaves of `root` that were not chosen, in order. Their bytes are shares of `raw`.
pub(super) fn collect(raw: &Bytes, root: &Part<'_>, chosen: &Chosen<'_, '_>, defects: &mut Defects) -> Vec<Attachment> {
    let chosen = chosen.numbers();
    let mut names = Names::default();
    let leaves = root.leaves().into_iter();
    let leaves = leaves.filter(|part| !chosen.contains(&*part.number));
    leaves.map(|part| attachment(raw, part, &mut names, defects)).collect()
}

fn attachment(raw: &Bytes, part: &Part<'_>, names: &mut Names, defects: &mut Defects) -> Attachment {
    let (content, whole) = Content::of(raw, part.body, part.mime.encoding);
    if !whole {
        defects.add(DefectKind::BrokenEncoding, format!("part {} cannot be decoded whole", part.number));
    }
    let mime = &part.mime;
    Attachment {
        filename: mime.filename.clone(),
        safe_filename: names.safe(mime.filename.as_deref(), &mime.content_type, &part.number),
        content_type: mime.content_type.replace('\0', "\u{fffd}"),
        charset: mime.charset.clone(),
        inline: is_inline(part),
        content_id: mime.content_id.clone(),
        part: part.number.clone(),
        content,
    }
}

/// A part that the HTML can name is shown in place, unless the sender said otherwise.
fn is_inline(part: &Part<'_>) -> bool {
    match part.mime.disposition {
        Disposition::Inline => true,
        Disposition::Attachment => false,
        Disposition::Unsaid => part.mime.content_id.is_some() && part.mime.content_type.starts_with("image/"),
    }
}
