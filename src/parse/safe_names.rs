//! The names under which attachments can be stored, by the parts that they stand in.

use crate::parse::body::Chosen;
use crate::parse::body::InText;
use crate::parse::filename;
use crate::parse::filename::Names;
use crate::parse::structure::Part;

/// The safe names of what [`collect`](crate::parse::attachment::collect) would give, but for the files in a winmail.dat.
pub(super) fn all(root: &Part<'_>, chosen: &Chosen<'_, '_>, in_text: &[InText]) -> Vec<String> {
    let chosen = chosen.numbers();
    let mut names = Names::default();
    let leaves = root.leaves().into_iter().filter(|part| !chosen.contains(&*part.number));
    let mut safe: Vec<String> = leaves.map(|part| name(part, &mut names)).collect();
    safe.extend(in_text.iter().map(|file| names.safe(Some(&file.name), "", &file.number)));
    safe
}

/// The safe name of one part, which is no other's.
pub(super) fn name(part: &Part<'_>, names: &mut Names) -> String {
    let armour = part.body.trim_ascii_start().starts_with(b"-----BEGIN PGP MESSAGE-----");
    let named_by = if armour { filename::PGP_MESSAGE } else { &part.mime.content_type };
    names.safe(part.mime.filename.as_deref(), named_by, &part.number)
}
