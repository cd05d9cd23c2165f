//! What conditions look at: a mail, where it arrived, and what was found out about it.
//!
//! [`Findings`] is the one place that says where the kind of a mail, its list and the judgement of a spam filter come
//! from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::ident::MailboxName;
use crate::parse;
use crate::parse::Address;
use crate::parse::Kind;
use crate::parse::Mail;

/// A mail, and where it arrived.
pub(super) struct Letter<'a> {
    pub(super) mailbox: &'a MailboxName,
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) mail: &'a Mail,
    /// Raw bytes.
    pub(super) size: u64,
    pub(super) findings: Findings<'a>,
}

/// A text of a letter, or several, that patterns are held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// The mailbox that it arrived in.
    Mailbox,
    /// What that mailbox's label of this name says.
    Label(String),
    /// The addresses in From, the one in Sender, and the return path (empty for `<>`).
    Sender,
    /// The addresses that the mail was really for, and those in To, Cc and Bcc.
    Recipient,
    /// The texts after `+` in the addresses that the mail was really for.
    Tag,
    /// The subject; a mail without one has an empty one.
    Subject,
    /// The values of all header fields of this name.
    Header(String),
    /// The id of the mailing list that sent it (RFC 2919), without angle brackets.
    ListId,
    /// The names of all attachments and inline parts, as sent and as made safe.
    AttachmentName,
    /// The content types of all attachments and inline parts, in lower case.
    AttachmentType,
    /// What the mail is: `message`, `bounce`, …
    Kind,
    /// What the trusted server found by this method: `pass`, `fail`, …
    Auth(Method),
}

/// A way to prove where a mail comes from (RFC 8601).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// SPF.
    Spf,
    /// DKIM.
    Dkim,
    /// DMARC.
    Dmarc,
    /// ARC.
    Arc,
}

/// What was found out about a mail.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Findings<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) list_id: Option<&'a str>,
    /// Whether a spam filter on its way called it spam.
    pub(super) spam: bool,
    /// By the filter's own scale.
    pub(super) spam_score: Option<f64>,
    pub(super) auth: Auth<'a>,
}

/// What the trusted server found, by method.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Auth<'a> {
    pub(super) spf: Option<&'a str>,
    pub(super) dkim: Option<&'a str>,
    pub(super) dmarc: Option<&'a str>,
    pub(super) arc: Option<&'a str>,
}

impl Findings<'_> {
    /// What the parser found.
    pub(super) fn of(mail: &Mail) -> Findings<'_> {
        let auth = mail.auth.as_ref();
        let found = |result: fn(&parse::Auth) -> &Option<String>| auth.and_then(|auth| result(auth).as_deref());
        Findings {
            kind: mail.kind.map(Kind::as_str),
            list_id: mail.list.as_ref().and_then(|list| list.id.as_deref()),
            spam: mail.spam.as_ref().is_some_and(|spam| spam.flag),
            spam_score: mail.spam.as_ref().and_then(|spam| spam.score),
            auth: Auth {
                spf: found(|auth| &auth.spf),
                dkim: found(|auth| &auth.dkim),
                dmarc: found(|auth| &auth.dmarc),
                arc: found(|auth| &auth.arc),
            },
        }
    }
}

impl<'a> Letter<'a> {
    /// All texts that `field` stands for.
    pub(super) fn values(&self, field: &Field) -> Vec<&'a str> {
        let Letter { mail, findings, .. } = self;
        match field {
            Field::Mailbox => vec![self.mailbox.as_str()],
            Field::Label(name) => self.labels.get(name).map(String::as_str).into_iter().collect(),
            Field::Sender => {
                let sender = mail.sender.as_slice();
                addresses(&mail.from).chain(addresses(sender)).chain(mail.return_path.as_deref()).collect()
            }
            Field::Recipient => {
                let real = mail.recipients.iter().map(|recipient| recipient.address.as_str());
                real.chain(addresses(&mail.to)).chain(addresses(&mail.cc)).chain(addresses(&mail.bcc)).collect()
            }
            Field::Tag => mail.recipients.iter().filter_map(|recipient| recipient.tag.as_deref()).collect(),
            Field::Subject => vec![mail.subject.as_deref().unwrap_or_default()],
            Field::Header(name) => {
                let fields = mail.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
                fields.map(|field| field.value.as_str()).collect()
            }
            Field::ListId => findings.list_id.into_iter().collect(),
            Field::AttachmentName => {
                let names = mail.attachments.iter().flat_map(|part| {
                    let safe = Some(part.safe_filename.as_str()).filter(|safe| part.filename.as_deref() != Some(*safe));
                    part.filename.as_deref().into_iter().chain(safe)
                });
                names.collect()
            }
            Field::AttachmentType => mail.attachments.iter().map(|part| part.content_type.as_str()).collect(),
            Field::Kind => findings.kind.into_iter().collect(),
            Field::Auth(method) => findings.auth.by(*method).into_iter().collect(),
        }
    }

    /// Whether a part is attached; those that are shown in place do not count.
    pub(super) fn has_attachment(&self) -> bool {
        self.mail.attachments.iter().any(|part| !part.inline)
    }
}

impl<'a> Auth<'a> {
    fn by(self, method: Method) -> Option<&'a str> {
        match method {
            Method::Spf => self.spf,
            Method::Dkim => self.dkim,
            Method::Dmarc => self.dmarc,
            Method::Arc => self.arc,
        }
    }
}

fn addresses(list: &[Address]) -> impl Iterator<Item = &str> {
    list.iter().map(|address| address.address.as_str())
}

impl Method {
    /// The name in configurations and payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Spf => "spf",
            Method::Dkim => "dkim",
            Method::Dmarc => "dmarc",
            Method::Arc => "arc",
        }
    }
}

impl fmt::Display for Field {
    /// As the configuration writes it, with a dot before the name that stands inside.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key: Cow<'_, str> = match self {
            Field::Mailbox => "mailbox".into(),
            Field::Label(name) => format!("label.{name}").into(),
            Field::Sender => "sender".into(),
            Field::Recipient => "recipient".into(),
            Field::Tag => "tag".into(),
            Field::Subject => "subject".into(),
            Field::Header(name) => format!("header.{name}").into(),
            Field::ListId => "list_id".into(),
            Field::AttachmentName => "attachment_name".into(),
            Field::AttachmentType => "attachment_type".into(),
            Field::Kind => "kind".into(),
            Field::Auth(method) => format!("auth.{}", method.as_str()).into(),
        };
        f.write_str(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parser_found_can_be_asked_for() {
        let raw = b"Authentication-Results: mx.example.com; dkim=pass header.d=a.example; spf=fail smtp.mailfrom=a.example\r\n\
            X-Spam-Flag: YES\r\nX-Spam-Score: 7.5\r\nList-Id: A list <a.example.org>\r\nAuto-Submitted: auto-replied\r\n\r\nx";
        let trusted_authserv_ids = vec!["mx.example.com".to_owned()];
        let mail = parse::parse(raw, &parse::Options { trusted_authserv_ids, ..parse::Options::default() });
        let found = Findings::of(&mail);
        assert_eq!((found.kind, found.list_id), (Some("auto_reply"), Some("a.example.org")));
        assert_eq!((found.spam, found.spam_score), (true, Some(7.5)));
        let auth = found.auth;
        assert_eq!((auth.dkim, auth.spf, auth.dmarc, auth.arc), (Some("pass"), Some("fail"), None, None));
    }
}
