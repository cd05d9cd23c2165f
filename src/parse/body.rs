//! Which parts are the body, and their text.
//!
//! Of alternatives the first plain and the last HTML one; of related parts the one that they begin with; of all other
//! multiparts every readable part in order, as a mail program shows them. Everything else is an attachment.

use std::collections::HashSet;

use crate::parse::DefectKind;
use crate::parse::Mail;
use crate::parse::TextSource;
use crate::parse::charset;
use crate::parse::defects::Defects;
use crate::parse::flowed;
use crate::parse::html_text;
use crate::parse::mime::Disposition;
use crate::parse::structure::Part;
use crate::parse::transfer;
use crate::parse::uuencode;

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

/// A file that stood in the body's text.
#[derive(Debug)]
pub(super) struct InText {
    /// The part that it was in.
    pub(super) number: String,
    /// Which file of that part, from 1.
    pub(super) nth: usize,
    /// As the sender called it.
    pub(super) name: String,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
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
        "multipart/related" => related(part),
        _ => part.children.iter().flat_map(gather).collect(),
    }
}

/// The part that the others belong to: the one that is named, or the first that can be read.
fn related<'p, 'x>(part: &'p Part<'x>) -> Vec<Stretch<'p, 'x>> {
    let start = part.mime.parameters.get("start").unwrap_or_default();
    let start = start.trim_matches(['<', '>', ' ']);
    let named =
        part.children.iter().filter(|child| !start.is_empty() && child.mime.content_id.as_deref() == Some(start));
    named.chain(&part.children).map(gather).find(|stretches| !stretches.is_empty()).unwrap_or_default()
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
    matches!(&*part.mime.content_type, "text/plain" | "text/html" | "text/markdown" | "text/enriched" | "text/richtext")
        && part.mime.disposition != Disposition::Attachment
        && part.mime.filename.is_none()
}

fn stretch_of<'p, 'x>(part: &'p Part<'x>) -> Stretch<'p, 'x> {
    match &*part.mime.content_type {
        "text/html" => Stretch { plain: Vec::new(), html: vec![part] },
        _ => Stretch { plain: vec![part], html: Vec::new() },
    }
}

/// Decodes the chosen parts into the mail's `text` and `html`. Files that stand in the text are taken out of it.
pub(super) fn fill(mail: &mut Mail, chosen: &Chosen<'_, '_>, defects: &mut Defects) -> Vec<InText> {
    let (mut texts, mut htmls, mut files) = (Vec::new(), Vec::new(), Vec::new());
    let mut source = TextSource::Plain;
    for stretch in &chosen.0 {
        let plain = join(stretch.plain.iter().map(|part| plain(part, &mut files, defects)).collect(), "\n");
        let html = join(stretch.html.iter().map(|part| text(part, defects)).collect(), "\n");
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
    files
}

/// A plain part as it was written: with LF, flowed lines joined, and without the files in it.
fn plain(part: &Part<'_>, files: &mut Vec<InText>, defects: &mut Defects) -> String {
    let mut text = text(part, defects);
    if text.contains('\r') {
        text = text.replace("\r\n", "\n");
    }
    let says =
        |name: &str, what: &str| part.mime.parameters.get(name).is_some_and(|text| text.eq_ignore_ascii_case(what));
    if says("format", "flowed") {
        return flowed::joined(&text, says("delsp", "yes"));
    }
    let Some((left, taken)) = uuencode::take_out(&text) else { return text };
    let found = |(file, nth): (uuencode::File, usize)| InText {
        number: part.number.clone(),
        nth,
        name: file.name.replace('\0', "\u{fffd}"),
        bytes: file.bytes,
    };
    files.extend(taken.into_iter().zip(1..).map(found));
    left
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
    if let Some(kind) = decoded.defect {
        defects.add(kind, format!("part {} {}", part.number, charset::explain(kind)));
    }
    decoded.text
}
