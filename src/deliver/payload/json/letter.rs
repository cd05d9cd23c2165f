//! What a letter's own header tells: the part of the format that a mail and an event about one share.

use schemars::JsonSchema;
use serde::Serialize;

use crate::parse;
use crate::parse::Mail;

/// Ids, date, subject, and everybody named.
#[derive(Serialize, JsonSchema)]
pub(super) struct Letter<'a> {
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
    /// Who the mail was really for.
    recipients: Vec<Recipient<'a>>,
}

impl Letter<'_> {
    pub(super) fn of(mail: &Mail) -> Letter<'_> {
        Letter {
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
        }
    }
}

/// What the mail belongs to.
fn thread(mail: &Mail) -> Option<&str> {
    let ids = mail.references.first().or_else(|| mail.in_reply_to.first());
    ids.map(String::as_str).or(mail.message_id.as_deref())
}

pub(super) fn addresses(list: &[parse::Address]) -> Vec<Address<'_>> {
    list.iter().map(Address::of).collect()
}

/// A name and an address.
#[derive(Serialize, JsonSchema)]
pub(super) struct Address<'a> {
    /// The display name.
    name: Option<&'a str>,
    /// `local@domain` in its own case, or whatever stood there.
    address: &'a str,
    /// The group that it was listed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
}

impl Address<'_> {
    fn of(given: &parse::Address) -> Address<'_> {
        Address { name: given.name.as_deref(), address: &given.address, group: given.group.as_deref() }
    }
}

/// Who the mail was really for.
#[derive(Serialize, JsonSchema)]
struct Recipient<'a> {
    /// The address.
    address: &'a str,
    /// The text after `+` in its local part.
    tag: Option<&'a str>,
    /// The header field that named it.
    source: &'a str,
}

impl Recipient<'_> {
    fn of(given: &parse::Recipient) -> Recipient<'_> {
        Recipient { address: &given.address, tag: given.tag.as_deref(), source: &given.source }
    }
}
