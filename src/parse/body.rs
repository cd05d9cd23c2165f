//! Which parts are the body, and their text.
//!
//! Of alternatives the first plain and the last HTML one; of related parts the first; of all other multiparts every
//! readable part in order, as a mail program shows them. Everything else is an attachment.

use std::collections::HashSet;

use crate::parse::DefectKind;
use crate::parse::Mail;
use crate::parse::TextSource;
use crate::parse::charset;
use crate::parse::defects::Defects;
use crate::parse::html_text;
use crate::parse::mime::Disposition;
use crate::parse::structure::Part;
use crate::parse::transfer;

/// One stretch of the body in the forms that the sender gave it.
#[derive(Debug, Default)]
struct Stretch<'p, 'x> {
    plain: Vec<&'p Part<'x>>,
    html: Vec<&'p Part<'x>>,
}

/// The parts that are the body.
#[derive(Debug)]
pub(super) struct Chosen<'p, 'x>(Vec<Stretch<'p, 'x>>);

impl Chosen<'_, '_> {
    /// The numbers of these parts.
    pub(super) fn numbers(&self) -> HashSet<&str> {
        self.0.iter().flat_map(|stretch| stretch.plain.iter().chain(&stretch.html)).map(|part| &*part.number).collect()
    }
}

/// Chooses the body among the parts of a message.
pub(super) fn choose<'p, 'x>(root: &'p Part<'x>) -> Chosen<'p, 'x> {
    // A message of one text part has nothing but this text, whatever kind and name it has.
    let alone = root.is_leaf() && root.mime.content_type.starts_with("text/");
    if alone && root.mime.disposition != Disposition::Attachment && root.mime.content_type != "text/calendar" {
        return Chosen(vec![stretch_of(root)]);
    }
    Chosen(gather(root))
}

fn gather<'p, 'x>(part: &'p Part<'x>) -> Vec<Stretch<'p, 'x>> {
    if part.is_leaf() {
        return if is_readable(part) { vec![stretch_of(part)] } else { Vec::new() };
    }
    match &*part.mime.content_type {
        "multipart/alternative" => vec![alternative(part)],
        "multipart/related" => {
            part.children.iter().map(gather).find(|stretches| !stretches.is_empty()).unwrap_or_default()
        }
        _ => part.children.iter().flat_map(gather).collect(),
    }
}

fn alternative<'p, 'x>(part: &'p Part<'x>) -> Stretch<'p, 'x> {
    let mut chosen = Stretch::default();
    for child in &part.children {
        let mut found = Stretch::default();
        for mut stretch in gather(child) {
            found.plain.append(&mut stretch.plain);
            found.html.append(&mut stretch.html);
        }
        if chosen.plain.is_empty() {
            chosen.plain = found.plain;
        }
        if !found.html.is_empty() {
            chosen.html = found.html;
        }
    }
    chosen
}

fn is_readable(part: &Part<'_>) -> bool {
    matches!(&*part.mime.content_type, "text/plain" | "text/html")
        && part.mime.disposition != Disposition::Attachment
        && part.mime.filename.is_none()
}

fn stretch_of<'p, 'x>(part: &'p Part<'x>) -> Stretch<'p, 'x> {
    match &*part.mime.content_type {
        "text/html" => Stretch { plain: Vec::new(), html: vec![part] },
        _ => Stretch { plain: vec![part], html: Vec::new() },
    }
}

/// Decodes the chosen parts into the mail's `text` and `html`.
pub(super) fn fill(mail: &mut Mail, chosen: &Chosen<'_, '_>, defects: &mut Defects) {
    let (mut texts, mut htmls) = (Vec::new(), Vec::new());
    let mut source = TextSource::Plain;
    for stretch in &chosen.0 {
        let plain = join(stretch.plain.iter().map(|part| text(part, defects)).collect(), "\n");
        let html = join(stretch.html.iter().map(|part| text(part, defects)).collect(), "\n");
        let plain = plain.map(|text| if text.contains('\r') { text.replace("\r\n", "\n") } else { text });
        match (plain, &html) {
            // Some senders leave the plain alternative empty.
            (Some(plain), html) if !plain.trim().is_empty() || html.is_none() => texts.push(plain),
            (_, Some(html)) => {
                source = TextSource::Html;
                texts.push(html_text::from_html(html));
            }
            _ => {}
        }
        htmls.extend(html);
    }
    mail.text = join(texts, "\n\n");
    mail.text_source = mail.text.as_ref().map(|_| source);
    mail.html = join(htmls, "\n");
}

/// One text of many; a single one is not copied.
fn join(mut texts: Vec<String>, between: &str) -> Option<String> {
    if texts.len() > 1 { Some(texts.join(between)) } else { texts.pop() }
}

fn text(part: &Part<'_>, defects: &mut Defects) -> String {
    let (bytes, whole) = transfer::decode(part.body, part.mime.encoding);
    if !whole {
        defects.add(DefectKind::BrokenEncoding, format!("part {} cannot be decoded whole", part.number));
    }
    let decoded = charset::decode(bytes, part.mime.charset.as_deref());
    match decoded.defect {
        Some(kind @ (DefectKind::UnknownCharset | DefectKind::GuessedCharset)) => {
            defects.add(kind, format!("part {}", part.number));
        }
        Some(kind) => defects.add(kind, format!("part {} has bytes that are not of its charset", part.number)),
        None => {}
    }
    decoded.text
}
