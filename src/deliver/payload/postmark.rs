//! `format: postmark`: the JSON of Postmark's inbound webhook.
//!
//! Fields that have a place of their own are taken out of `Headers`, as Postmark does; the envelope sender stands there
//! first, as `Return-Path`, and what a spam filter said follows in Postmark's words. `MessageID` is a UUID made of our id.

use std::borrow::Cow;
use std::io;

use serde::Serialize;

use super::json::Base64;
use super::part;
use super::raw;
use super::vendor;
use crate::deliver::payload::Source;
use crate::parse;
use crate::parse::Attachment;
use crate::parse::Mail;

/// Fields that are told elsewhere, or describe a body that is no longer there.
const ELSEWHERE: [&str; 10] = [
    "Return-Path",
    "From",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Date",
    "Reply-To",
    "Content-Type",
    "Content-Transfer-Encoding",
];

pub(super) fn write(source: &Source<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    Ok(serde_json::to_writer(out, &Inbound::of(source))?)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Inbound<'a> {
    from_name: &'a str,
    message_stream: &'static str,
    from: &'a str,
    from_full: Full<'a>,
    to: String,
    to_full: Vec<Full<'a>>,
    cc: String,
    cc_full: Vec<Full<'a>>,
    bcc: String,
    bcc_full: Vec<Full<'a>>,
    original_recipient: &'a str,
    subject: &'a str,
    #[serde(rename = "MessageID")]
    message_id: String,
    reply_to: String,
    mailbox_hash: &'a str,
    date: &'a str,
    text_body: &'a str,
    html_body: &'a str,
    stripped_text_reply: &'a str,
    tag: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_email: Option<raw::Text<'a>>,
    headers: Vec<Header<'a>>,
    attachments: Vec<File<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Full<'a> {
    email: &'a str,
    name: &'a str,
    mailbox_hash: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Header<'a> {
    name: &'a str,
    value: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct File<'a> {
    name: &'a str,
    content: Base64<'a>,
    content_type: String,
    content_length: u64,
    #[serde(rename = "ContentID", skip_serializing_if = "Option::is_none")]
    content_id: Option<&'a str>,
}

impl<'a> Inbound<'a> {
    fn of(source: &Source<'a>) -> Inbound<'a> {
        let mail = source.mail;
        let from_full = mail.from.first().map_or(Full { email: "", name: "", mailbox_hash: "" }, Full::of);
        let from = from_full.email;
        Inbound {
            from_name: from_full.name,
            message_stream: "inbound",
            from,
            from_full,
            to: vendor::formatted(&mail.to),
            to_full: mail.to.iter().map(Full::of).collect(),
            cc: vendor::formatted(&mail.cc),
            cc_full: mail.cc.iter().map(Full::of).collect(),
            bcc: vendor::formatted(&mail.bcc),
            bcc_full: mail.bcc.iter().map(Full::of).collect(),
            original_recipient: vendor::envelope_recipient(mail),
            subject: mail.subject.as_deref().unwrap_or_default(),
            message_id: vendor::uuid(source.facts.id),
            reply_to: vendor::formatted(&mail.reply_to),
            mailbox_hash: vendor::recipient_tag(mail),
            date: mail.header("Date").unwrap_or_default(),
            text_body: mail.text.as_deref().unwrap_or_default(),
            html_body: mail.html.as_deref().unwrap_or_default(),
            stripped_text_reply: mail.reply_text().unwrap_or_default(),
            tag: "",
            raw_email: source.options.include_raw.then_some(raw::Text(source.raw)),
            headers: headers(mail),
            attachments: part::carried(source).into_iter().map(File::of).collect(),
        }
    }
}

impl Full<'_> {
    fn of(address: &parse::Address) -> Full<'_> {
        Full {
            email: &address.address,
            name: address.name.as_deref().unwrap_or_default(),
            mailbox_hash: address.tag().unwrap_or_default(),
        }
    }
}

impl File<'_> {
    fn of(part: &Attachment) -> File<'_> {
        File {
            name: &part.safe_filename,
            content: part::base64(part),
            content_type: part::full_type(part),
            content_length: part::size(part),
            content_id: part.content_id.as_deref().filter(|_| part.inline),
        }
    }
}

fn headers(mail: &Mail) -> Vec<Header<'_>> {
    let known = mail.return_path.is_some() || !mail.headers.is_empty();
    let sender = known.then(|| ("Return-Path", vendor::envelope_sender(mail)));
    let spam = vendor::spam(mail);
    let status = spam.as_ref().map(|spam| ("X-Spam-Status", if spam.flag { "Yes" } else { "No" }));
    let score = spam.and_then(|spam| Some(("X-Spam-Score", spam.score?.into())));
    let written = [sender, status].into_iter().flatten().map(|(name, value)| (name, Cow::from(value)));
    let ours: Vec<(&str, Cow<'_, str>)> = written.chain(score).collect();
    let is = |field: &parse::Header, name: &str| field.name.eq_ignore_ascii_case(name);
    let elsewhere = |field: &parse::Header| {
        ELSEWHERE.iter().any(|name| is(field, name)) || ours.iter().any(|(name, _)| is(field, name))
    };
    let others = mail.headers.iter().filter(|field| !elsewhere(field));
    let others: Vec<_> = others.map(|field| (field.name.as_str(), field.value.as_str().into())).collect();
    ours.into_iter().chain(others).map(|(name, value)| Header { name, value }).collect()
}
