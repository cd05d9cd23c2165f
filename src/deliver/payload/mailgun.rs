//! `format: mailgun`: what a forwarding route of Mailgun posts, signed as Mailgun does.
//!
//! `timestamp` is when the mail was safe with us and `token` is made of its id, so that a second attempt carries the same
//! bytes. A header field is also a field of the form, unless its name is one of the form's own: a sender must not be
//! able to write those, nor what Mailgun would say of the mail (`X-Mailgun-…`).

use std::borrow::Cow;
use std::io;

use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use serde_json::Map;
use serde_json::Value;
use sha2::Digest as _;
use sha2::Sha256;

use super::form::Form;
use super::form::Query;
use super::part;
use super::vendor;
use crate::deliver::payload::Head;
use crate::deliver::payload::Source;
use crate::ident::MessageId;
use crate::parse::Mail;
use crate::secret::Secret;

/// How long a token is.
const TOKEN: usize = 50;
/// The names, and the beginnings of names, that are the form's own.
const OURS: [&str; 9] =
    ["recipient", "timestamp", "token", "signature", "message-", "content-id-map", "attachment", "body-", "stripped-"];

/// How the fields begin in which Mailgun says what it found, in lower case.
const VERDICTS: &str = "x-mailgun-";

pub(super) fn head(source: &Source<'_>) -> Head {
    Head::of(Fields::of(source).content_type())
}

pub(super) fn write(key: &Secret, source: &Source<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let (mail, parts) = (source.mail, part::carried(source));
    let mut fields = Fields::of(source);
    let mut field = |name: &str, value: &[u8]| fields.field(out, name, value);
    field("recipient", vendor::envelope_recipient(mail).as_bytes())?;
    field("sender", vendor::envelope_sender(mail).as_bytes())?;
    field("from", mail.header("From").unwrap_or_default().as_bytes())?;
    field("subject", mail.subject.as_deref().unwrap_or_default().as_bytes())?;
    field("body-plain", mail.text.as_deref().unwrap_or_default().as_bytes())?;
    field("stripped-text", mail.reply_text().unwrap_or_default().as_bytes())?;
    field("stripped-signature", b"")?;
    if let Some(html) = &mail.html {
        field("body-html", html.as_bytes())?;
        field("stripped-html", html.as_bytes())?;
    }
    if source.options.include_raw {
        field("body-mime", source.raw)?;
    }
    let (timestamp, token) = (source.facts.spooled_at.as_second().to_string(), token(source.facts.id));
    field("timestamp", timestamp.as_bytes())?;
    field("token", token.as_bytes())?;
    field("signature", signature(key, &timestamp, &token)?.as_bytes())?;
    let headers = headers(mail);
    field("message-headers", &serde_json::to_vec(&headers)?)?;
    for (name, value) in headers.into_iter().filter(|(name, _)| !is_ours(name)) {
        field(name, value.as_bytes())?;
    }
    field("attachment-count", parts.len().to_string().as_bytes())?;
    let Fields::Multipart(form) = fields else { return Ok(()) };
    let mut ids = Map::new();
    for (part, number) in parts.iter().zip(1..) {
        if let Some(id) = &part.content_id {
            ids.entry(format!("<{id}>")).or_insert_with(|| format!("attachment-{number}").into());
        }
    }
    if !ids.is_empty() {
        form.field(out, "content-id-map", Value::Object(ids).to_string().as_bytes())?;
    }
    for (part, number) in parts.iter().zip(1..) {
        let named = (part.safe_filename.as_str(), part.content_type.as_str());
        form.file(out, &format!("attachment-{number}"), named, |out| part::write(part, out))?;
    }
    form.end(out)
}

/// A form with files where there are files, a query otherwise.
enum Fields {
    Multipart(Form),
    Query(Query),
}

impl Fields {
    fn of(source: &Source<'_>) -> Fields {
        if part::carried(source).is_empty() {
            return Fields::Query(Query::default());
        }
        Fields::Multipart(Form::of(source.facts.id))
    }

    fn content_type(&self) -> String {
        match self {
            Fields::Multipart(form) => form.content_type(),
            Fields::Query(_) => Query::CONTENT_TYPE.to_owned(),
        }
    }

    fn field(&mut self, out: &mut dyn io::Write, name: &str, value: &[u8]) -> io::Result<()> {
        match self {
            Fields::Multipart(form) => form.field(out, name, value),
            Fields::Query(query) => query.field(out, name, value),
        }
    }
}

/// The fields of the mail, and what Mailgun would have added to them.
fn headers(mail: &Mail) -> Vec<(&str, Cow<'_, str>)> {
    let verdict = |name: &str| name.get(..VERDICTS.len()).is_some_and(|head| head.eq_ignore_ascii_case(VERDICTS));
    let written = mail.headers.iter().map(|field| (field.name.as_str(), Cow::from(field.value.as_str())));
    let mut told: Vec<_> = written.filter(|(name, _)| !verdict(name)).collect();
    if let Some(spam) = vendor::spam(mail) {
        told.push(("X-Mailgun-Sflag", if spam.flag { "Yes" } else { "No" }.into()));
        told.extend(spam.score.map(|score| ("X-Mailgun-Sscore", score.into())));
    }
    let spf = match vendor::spf(mail) {
        "pass" => Some("Pass"),
        "neutral" => Some("Neutral"),
        "fail" => Some("Fail"),
        "softfail" => Some("SoftFail"),
        _ => None,
    };
    let dkim = match mail.auth.as_ref().and_then(|auth| auth.dkim.as_deref()) {
        Some("pass") => Some("Pass"),
        Some("fail") => Some("Fail"),
        _ => None,
    };
    let said = [("X-Mailgun-Spf", spf), ("X-Mailgun-Dkim-Check-Result", dkim)];
    told.extend(said.into_iter().filter_map(|(name, value)| Some((name, value?.into()))));
    told
}

/// Whether a header field of this name would pass for a field that we answer for. Mailgun itself sends `From`, `Sender`
/// and `Subject` beside its own fields of those names in lower case.
fn is_ours(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    OURS.iter().any(|ours| lower.starts_with(ours)) && lower != "message-id"
        || matches!(name, "sender" | "from" | "subject")
}

fn token(id: &MessageId) -> String {
    let mut token = data_encoding::HEXLOWER.encode(&Sha256::digest(format!("mailgun token {}", id.as_str())));
    token.truncate(TOKEN);
    token
}

/// HMAC-SHA256 of timestamp and token, in hex.
fn signature(key: &Secret, timestamp: &str, token: &str) -> io::Result<String> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes()).map_err(io::Error::other)?;
    hmac.update(timestamp.as_bytes());
    hmac.update(token.as_bytes());
    Ok(data_encoding::HEXLOWER.encode(&hmac.finalize().into_bytes()))
}
