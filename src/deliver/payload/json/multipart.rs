//! A mail whose attachments travel beside the JSON, as the files of a form.

use std::io;

use crate::deliver::carriage::Way;
use crate::deliver::payload::Head;
use crate::deliver::payload::Source;
use crate::deliver::payload::form::Form;

/// The field that holds the JSON.
const PAYLOAD: &str = "payload";

/// The name of the file that the attachment is which stands in the JSON at that place, from 1.
pub(super) fn name(number: usize) -> String {
    format!("attachment-{number}")
}

/// What goes before the form.
pub(super) fn head(source: &Source<'_>) -> Head {
    Head::of(Form::of(source.facts.id).content_type())
}

/// Writes the form: the JSON first, then each attachment. Also a mail without attachments is a form, so that receivers
/// read all mail alike.
///
/// # Errors
/// Those of `out`. Half a body must not be posted.
pub(super) fn write(
    source: &Source<'_>,
    json: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let form = Form::of(source.facts.id);
    form.written(out, PAYLOAD, json)?;
    for ((attachment, _), number) in source.attachments().zip(1..).filter(|((_, way), _)| **way == Way::Multipart) {
        let file = (&*attachment.safe_filename, &*attachment.content_type);
        form.file(out, &name(number), file, |out| attachment.content.write_to(out))?;
    }
    form.end(out)
}
