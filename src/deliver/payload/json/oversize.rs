//! The shape of `mail.oversize`, field by field: a mail that stays on its server, as far as its header tells of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Facts;
use super::MAIL_OVERSIZE;
use super::TooLarge;
use super::shape::Address;
use super::shape::Header;
use super::shape::Recipient;
use super::shape::addresses;
use super::shape::thread;
use crate::ident::UniqueId;
use crate::parse::Mail;

pub(super) fn envelope<'a>(facts: &Facts<'a>, mail: &'a Mail, why: TooLarge) -> Envelope<'a> {
    let spooled_at = format!("{:.3}", facts.spooled_at);
    Envelope {
        r#type: MAIL_OVERSIZE,
        timestamp: spooled_at.clone(),
        data: Data {
            id: facts.id.as_str(),
            mailbox: facts.mailbox.as_str(),
            labels: facts.labels,
            unique_id: facts.unique_id.map(UniqueId::to_string),
            spooled_at,
            size: why.size,
            limit: why.limit,
            message_id: mail.message_id.as_deref(),
            in_reply_to: &mail.in_reply_to,
            references: &mail.references,
            thread: thread(mail),
            date: mail.date.as_deref(),
            subject: mail.subject.as_deref(),
            from: addresses(&mail.from),
            reply_to: addresses(&mail.reply_to),
            to: addresses(&mail.to),
            cc: addresses(&mail.cc),
            bcc: addresses(&mail.bcc),
            sender: mail.sender.as_ref().map(Address::of),
            return_path: mail.return_path.as_deref(),
            recipients: mail.recipients.iter().map(Recipient::of).collect(),
            headers: mail.headers.iter().map(Header::of).collect(),
        },
    }
}

/// A mail is larger than its mailbox's `max_message_size`, and stays on the server.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OversizeEnvelope")]
pub(super) struct Envelope<'a> {
    /// What happened.
    #[schemars(extend("const" = MAIL_OVERSIZE))]
    r#type: &'static str,
    /// The same as `data.spooled_at`.
    timestamp: String,
    /// The mail, as far as it is known.
    data: Data<'a>,
}

/// The mail and where it lies. What its header would tell is null or empty where the server did not give the header.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OversizeData")]
pub(super) struct Data<'a> {
    /// `msg_…`, the same as the header `webhook-id`. It is the event's: should the limit be raised, the mail has another.
    id: &'a str,
    /// The mailbox's name in the configuration.
    mailbox: &'a str,
    /// The mailbox's labels, if any.
    labels: &'a BTreeMap<String, String>,
    /// The server's name for the message (UIDL); bytes that are not printable ASCII, and `%`, are percent-encoded.
    unique_id: Option<String>,
    /// When it was noted, RFC 3339 in UTC.
    spooled_at: String,
    /// The mail's size in bytes as the server lists it; one more than `limit` where it turned out too large only while it was read.
    size: u64,
    /// The mailbox's `max_message_size` in bytes.
    limit: u64,
    /// Message-ID without angle brackets.
    message_id: Option<&'a str>,
    /// The ids in In-Reply-To, without angle brackets, in order.
    in_reply_to: &'a [String],
    /// The ids in References, without angle brackets, in order.
    references: &'a [String],
    /// The first of `references`, else of `in_reply_to`, else `message_id`.
    thread: Option<&'a str>,
    /// The Date field, RFC 3339 with its own offset.
    date: Option<&'a str>,
    /// Decoded.
    subject: Option<&'a str>,
    /// From.
    from: Vec<Address<'a>>,
    /// Reply-To.
    reply_to: Vec<Address<'a>>,
    /// To.
    to: Vec<Address<'a>>,
    /// Cc.
    cc: Vec<Address<'a>>,
    /// Bcc.
    bcc: Vec<Address<'a>>,
    /// Sender.
    sender: Option<Address<'a>>,
    /// The envelope sender as the server recorded it; empty for `<>`.
    return_path: Option<&'a str>,
    /// Who the mail is really for.
    recipients: Vec<Recipient<'a>>,
    /// Every header field in the order received, values decoded and unfolded.
    headers: Vec<Header<'a>>,
}
