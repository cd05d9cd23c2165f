//! Mails that every template is tried on when it is read: each lacks, or holds, what trips a template.

use jiff::Timestamp;

use crate::deliver::Attachments;
use crate::deliver::carriage::unlimited;
use crate::deliver::payload::Facts;
use crate::deliver::payload::Options;
use crate::deliver::payload::Source;
use crate::ident::Content;
use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::parse;

/// What is told of each mail, and the mail.
const MAILS: [(&str, &str); 5] = [
    (
        "of plain text",
        "From: Ann Lee <ann@example.org>\r\nTo: support+42@example.com\r\nSubject: A printer on fire\r\n\
         Date: Thu, 29 Jan 2026 10:11:12 +0100\r\nMessage-ID: <1@example.org>\r\n\r\nPlease send water.\r\n",
    ),
    ("without a subject, a sender or a text", "X-Empty: yes\r\n\r\n"),
    (
        "with attachments",
        "From: ann@example.org\r\nTo: a@example.com, Bob <b@example.com>\r\nCc: c@example.com\r\nSubject: Two files\r\n\
         In-Reply-To: <1@example.org>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/html\r\n\r\n<p>See <b>below</b>.</p>\r\n\
         --b\r\nContent-Type: application/pdf; name=\"a \\\"b\\\".pdf\"\r\nContent-Disposition: attachment\r\n\
         Content-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n\
         --b\r\nContent-Type: image/png\r\nContent-ID: <i@example.org>\r\nContent-Disposition: inline\r\n\
         Content-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--b--\r\n",
    ),
    (
        "with quotes and line breaks in its texts",
        "From: =?utf-8?q?=22Ann=22_=5C_Lee?= <ann@example.org>\r\nTo: support@example.com\r\n\
         Subject: =?utf-8?q?Say_=22hello=22=2C_=5C_and=E2=80=A8=3Cb=3E=26more=3D1=3C/b=3E?=\r\n\
         Date: no date at all\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         \"quoted\"\\\r\n{{ data.subject }}\t{% if %}\r\n\u{1f4a9}\r\n",
    ),
    ("with nothing at all", ""),
];

/// Hands each sample to `try_on`, with the words that tell of it, until one fails.
pub(super) fn all<E>(mut try_on: impl FnMut(&str, &Source<'_>) -> Result<(), E>) -> Result<(), E> {
    let Ok(mailbox) = MailboxName::parse("support") else { return Ok(()) };
    for (name, raw) in MAILS {
        let raw = raw.as_bytes();
        let id = MessageId::of(&mailbox, &Content::of(raw));
        let facts = Facts::of(raw, &id, &mailbox, NOON);
        let mail = parse::parse(raw, &parse::Options::default());
        let options = Options { attachments: Attachments::Inline, include_raw: false, include_sanitized_html: false };
        let ways = unlimited(&mail.attachments, options.attachments);
        try_on(name, &Source { facts, mail: &mail, raw, options, ways: &ways })?;
    }
    Ok(())
}

/// 2026-01-31T12:00:00Z.
const NOON: Timestamp = Timestamp::constant(1_769_860_800, 0);
