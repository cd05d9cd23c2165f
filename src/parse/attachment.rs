//! Attachments: every leaf that is not the body, with its bytes, and the files that were found inside parts.

use bytes::Bytes;

use crate::parse::Attachment;
use crate::parse::Content;
use crate::parse::DefectKind;
use crate::parse::Options;
use crate::parse::body::Chosen;
use crate::parse::body::InText;
use crate::parse::defects::Defects;
use crate::parse::filename;
use crate::parse::filename::Names;
use crate::parse::forwarded;
use crate::parse::mime::Disposition;
use crate::parse::safe_names::name;
use crate::parse::structure::Part;
use crate::parse::tnef;
use crate::parse::tnef::Tnef;

/// What is no body: the leaves of `root` that were not chosen, and the files inside parts, in order.
pub(super) struct Collected {
    pub(super) attachments: Vec<Attachment>,
    /// The text in a winmail.dat, for a mail that has no other.
    pub(super) text: Option<String>,
}

/// Collects them; what stands in a part is a share of `raw`. `in_text` are the files that stood in the body's text.
pub(super) fn collect(
    raw: &Bytes,
    root: &Part<'_>,
    chosen: &Chosen<'_, '_>,
    in_text: Vec<InText>,
    options: &Options,
    defects: &mut Defects,
) -> Collected {
    let chosen = chosen.numbers();
    let mut names = Names::default();
    let mut collected = Collected { attachments: Vec::new(), text: None };
    let mut in_text = in_text.into_iter().peekable();
    for part in root.leaves() {
        if chosen.contains(&*part.number) {
            // The body was read in this order, too.
            while let Some(file) = in_text.next_if(|file| file.number == part.number) {
                collected.attachments.push(found(file, &mut names));
            }
            continue;
        }
        let attachment = attachment(raw, part, options, &mut names, defects);
        let unpacked = unpack(&attachment, defects);
        collected.attachments.push(attachment);
        if let Some(Tnef { files, text, .. }) = unpacked {
            let files = files.into_iter().zip(1..).map(|(file, n)| packed(file, &part.number, n, &mut names));
            collected.attachments.extend(files);
            collected.text = collected.text.or(text);
        }
    }
    // Of a body whose parts stand in another order than the leaves.
    collected.attachments.extend(in_text.map(|file| found(file, &mut names)));
    collected
}

fn attachment(raw: &Bytes, part: &Part<'_>, options: &Options, names: &mut Names, defects: &mut Defects) -> Attachment {
    let (content, whole) = Content::of(raw, part.body, part.mime.encoding);
    if !whole {
        defects.add(DefectKind::BrokenEncoding, format!("part {} cannot be decoded whole", part.number));
    }
    let mime = &part.mime;
    if mime.filename.as_deref().is_some_and(|name| name.contains('\u{fffd}')) {
        defects.add(DefectKind::InvalidText, format!("the file name of part {} cannot be decoded whole", part.number));
    }
    let opened = options.open_forwarded && mime.is_message();
    Attachment {
        filename: mime.filename.clone(),
        safe_filename: name(part, names),
        content_type: mime.content_type.replace('\0', "\u{fffd}"),
        charset: mime.charset.clone(),
        inline: is_inline(part),
        content_id: mime.content_id.clone(),
        part: part.number.clone(),
        mail: opened.then(|| Box::new(forwarded::open(&content.bytes()))),
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

/// What a winmail.dat holds, whatever it is called.
fn unpack(attachment: &Attachment, defects: &mut Defects) -> Option<Tnef> {
    let said = matches!(&*attachment.content_type, "application/ms-tnef" | "application/vnd.ms-tnef");
    let named = attachment.filename.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("winmail.dat"));
    if !(said || named) {
        return None;
    }
    let bytes = attachment.content.bytes();
    if !said && !tnef::is_tnef(&bytes) {
        return None;
    }
    let unpacked = tnef::read(&bytes);
    if !unpacked.whole {
        defects.add(DefectKind::BrokenTnef, format!("part {} cannot be unpacked whole", attachment.part));
    }
    Some(unpacked)
}

fn packed(file: tnef::File, within: &str, n: usize, names: &mut Names) -> Attachment {
    let content_type = file.content_type.or_else(|| file.name.as_deref().map(filename::type_of).map(str::to_owned));
    Attachment {
        content_id: file.content_id,
        ..made(file.name, content_type, format!("{within}.tnef.{n}"), file.bytes, names)
    }
}

fn found(file: InText, names: &mut Names) -> Attachment {
    let content_type = filename::type_of(&file.name).to_owned();
    made(Some(file.name), Some(content_type), format!("{}.uu.{}", file.number, file.nth), file.bytes, names)
}

/// An attachment that has no part of its own.
fn made(
    filename: Option<String>,
    content_type: Option<String>,
    part: String,
    bytes: Vec<u8>,
    names: &mut Names,
) -> Attachment {
    let content_type = content_type.unwrap_or_else(|| filename::UNKNOWN.to_owned());
    Attachment {
        safe_filename: names.safe(filename.as_deref(), &content_type, &part),
        filename,
        content_type,
        charset: None,
        inline: false,
        content_id: None,
        part,
        mail: None,
        content: Content::ready(bytes),
    }
}
