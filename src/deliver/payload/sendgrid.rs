//! `format: sendgrid`: the form of SendGrid's Inbound Parse, with its texts and files or with the whole mail.
//!
//! It carries neither an id nor a time: who needs the id finds it in the header `webhook-id`. Everything is UTF-8, and
//! `charsets` says so; `headers` and `email` are the bytes as they came.

use std::io;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::form::Form;
use super::part;
use super::vendor;
use crate::deliver::Sendgrid;
use crate::deliver::payload::Head;
use crate::deliver::payload::Source;
use crate::parse;
use crate::parse::Attachment;
use crate::parse::Mail;

pub(super) fn head(source: &Source<'_>) -> Head {
    Head::of(Form::of(source.facts.id).content_type())
}

pub(super) fn write(mode: Sendgrid, source: &Source<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let (form, mail) = (Form::of(source.facts.id), source.mail);
    if mode == Sendgrid::Parsed {
        form.field(out, "headers", &header_block(source))?;
    }
    // What DKIM found is told per domain, and nothing in the mail tells which domains those were.
    form.field(out, "dkim", b"none")?;
    form.field(out, "SPF", vendor::spf(mail).as_bytes())?;
    let mut charsets = Map::new();
    for (name, value) in texts(mail, mode) {
        form.field(out, name, value.as_bytes())?;
        charsets.insert(name.to_owned(), "UTF-8".into());
    }
    form.field(out, "charsets", Value::Object(charsets).to_string().as_bytes())?;
    form.field(out, "sender_ip", vendor::peer(mail).ip.as_bytes())?;
    let to: Vec<&str> = mail.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
    let envelope = json!({ "to": to, "from": vendor::envelope_sender(mail) });
    form.field(out, "envelope", envelope.to_string().as_bytes())?;
    if let Some(spam) = vendor::spam(mail) {
        form.field(out, "spam_score", spam.score.unwrap_or_default().as_bytes())?;
        form.field(out, "spam_report", spam.report.as_bytes())?;
    }
    if mode == Sendgrid::Parsed {
        write_files(&form, &part::carried(source), out)?;
    }
    if mode == Sendgrid::Raw || source.options.include_raw {
        form.field(out, "email", source.raw)?;
    }
    form.end(out)
}

/// The fields that `charsets` speaks of.
fn texts(mail: &Mail, mode: Sendgrid) -> Vec<(&'static str, &str)> {
    let header = |name| mail.header(name);
    let always = [
        ("to", header("To").unwrap_or_default()),
        ("from", header("From").unwrap_or_default()),
        ("subject", mail.subject.as_deref().unwrap_or_default()),
    ];
    let body = |text| if mode == Sendgrid::Parsed { text } else { None };
    let sometimes = [("cc", header("Cc")), ("text", body(mail.text.as_deref())), ("html", body(mail.html.as_deref()))];
    let there = sometimes.into_iter().filter_map(|(name, value)| Some((name, value?)));
    always.into_iter().chain(there).collect()
}

/// The header as it came, up to the blank line; where the mail's bytes are not at hand, its decoded fields.
fn header_block(source: &Source<'_>) -> Vec<u8> {
    let raw = parse::trim_start(source.raw);
    if raw.is_empty() {
        let fields = source.mail.headers.iter();
        return fields.flat_map(|field| format!("{}: {}\n", field.name, field.value).into_bytes()).collect();
    }
    let ends = [&b"\r\n\r\n"[..], b"\n\n"].into_iter();
    let end = ends.filter_map(|blank| Some(memchr::memmem::find(raw, blank)? + blank.len() / 2)).min();
    raw.get(..end.unwrap_or(raw.len())).unwrap_or_default().to_vec()
}

fn write_files(form: &Form, parts: &[&Attachment], out: &mut dyn io::Write) -> io::Result<()> {
    form.field(out, "attachments", parts.len().to_string().as_bytes())?;
    let (mut about, mut ids) = (Map::new(), Map::new());
    for (part, number) in parts.iter().zip(1..) {
        let name = format!("attachment{number}");
        let mut one = Map::new();
        one.insert("filename".to_owned(), part.safe_filename.as_str().into());
        one.insert("name".to_owned(), part.safe_filename.as_str().into());
        one.insert("type".to_owned(), part.content_type.as_str().into());
        one.extend(part.charset.as_deref().map(|charset| ("charset".to_owned(), charset.into())));
        if let Some(id) = &part.content_id {
            one.insert("content-id".to_owned(), id.as_str().into());
            ids.entry(id.clone()).or_insert_with(|| name.as_str().into());
        }
        about.insert(name, one.into());
    }
    if !parts.is_empty() {
        form.field(out, "attachment-info", Value::Object(about).to_string().as_bytes())?;
        form.field(out, "content-ids", Value::Object(ids).to_string().as_bytes())?;
    }
    for (part, number) in parts.iter().zip(1..) {
        let named = (part.safe_filename.as_str(), part.content_type.as_str());
        form.file(out, &format!("attachment{number}"), named, |out| part::write(part, out))?;
    }
    Ok(())
}
