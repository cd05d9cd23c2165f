//! One rule: its conditions, and what happens to a mail that meets them all.
//!
//! To add a condition: a variant of [`Matcher`], its line in `holds`, and its key in the configuration.

use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::parse::Address;
use crate::parse::Mail;
use crate::route::AnyOf;

/// Where the mail goes that meets all of `when`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The conditions; none at all matches every mail.
    pub when: Vec<Matcher>,
    /// The endpoints that get the mail.
    pub deliver_to: Vec<EndpointName>,
    /// Whether later rules are read too.
    pub then: Then,
}

/// What follows a rule that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing: the rule decided.
    Stop,
    /// The later rules add their endpoints (`continue: true`). The mailbox's own `deliver_to` no longer counts, even
    /// if none of them matches.
    GoOn,
}

/// One condition on a mail.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// The mailbox that it arrived in.
    Mailbox(AnyOf),
    /// An address in From, the one in Sender, or the return path (empty for `<>`).
    Sender(AnyOf),
    /// An address that the mail was really for, or one in To, Cc or Bcc.
    Recipient(AnyOf),
    /// The subject; a mail without one has an empty one.
    Subject(AnyOf),
    /// The value of any header field of this name. A mail without the field does not match.
    Header(String, AnyOf),
    /// More raw bytes than this.
    LargerThan(u64),
    /// Fewer raw bytes than this.
    SmallerThan(u64),
    /// Whether a part is attached; those that are shown in place do not count.
    HasAttachment(bool),
}

/// What conditions look at.
pub(super) struct Letter<'a> {
    pub(super) mailbox: &'a MailboxName,
    pub(super) mail: &'a Mail,
    pub(super) size: u64,
}

impl Rule {
    pub(super) fn matches(&self, letter: &Letter<'_>) -> bool {
        self.when.iter().all(|matcher| matcher.holds(letter))
    }
}

impl Matcher {
    fn holds(&self, letter: &Letter<'_>) -> bool {
        let mail = letter.mail;
        match self {
            Matcher::Mailbox(any) => any.matches(letter.mailbox.as_str()),
            Matcher::Sender(any) => senders(mail).any(|address| any.matches(address)),
            Matcher::Recipient(any) => recipients(mail).any(|address| any.matches(address)),
            Matcher::Subject(any) => any.matches(mail.subject.as_deref().unwrap_or_default()),
            Matcher::Header(name, any) => {
                mail.headers.iter().any(|field| field.name.eq_ignore_ascii_case(name) && any.matches(&field.value))
            }
            Matcher::LargerThan(size) => letter.size > *size,
            Matcher::SmallerThan(size) => letter.size < *size,
            Matcher::HasAttachment(wanted) => mail.attachments.iter().any(|part| !part.inline) == *wanted,
        }
    }
}

fn senders(mail: &Mail) -> impl Iterator<Item = &str> {
    addresses(&mail.from).chain(addresses(mail.sender.as_slice())).chain(mail.return_path.as_deref())
}

fn recipients(mail: &Mail) -> impl Iterator<Item = &str> {
    let real = mail.recipients.iter().map(|recipient| recipient.address.as_str());
    real.chain(addresses(&mail.to)).chain(addresses(&mail.cc)).chain(addresses(&mail.bcc))
}

fn addresses(list: &[Address]) -> impl Iterator<Item = &str> {
    list.iter().map(|address| address.address.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Attachment;
    use crate::parse::Header;
    use crate::parse::Recipient;
    use crate::route::Pattern;

    fn any(patterns: &[&str]) -> AnyOf {
        AnyOf::new(patterns.iter().map(|text| Pattern::parse(text).unwrap()))
    }

    fn address(address: &str) -> Address {
        Address { name: Some("Some One".into()), address: address.into(), group: None }
    }

    fn part(inline: bool) -> Attachment {
        Attachment {
            filename: None,
            safe_filename: "a".into(),
            content_type: "text/plain".into(),
            charset: None,
            inline,
            content_id: None,
            part: "1".into(),
            mail: None,
            content: crate::parse::Content::ready(&b""[..]),
        }
    }

    fn mail() -> Mail {
        let field = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
        Mail {
            headers: vec![field("X-Spam", "no"), field("x-spam", "YES")],
            from: vec![address("a@from.example"), address("b@from.example")],
            sender: Some(address("c@sender.example")),
            return_path: Some("d@return.example".into()),
            recipients: vec![Recipient {
                address: "e+tag@real.example".into(),
                tag: Some("tag".into()),
                source: "Delivered-To".into(),
            }],
            to: vec![address("f@to.example")],
            cc: vec![address("g@cc.example")],
            bcc: vec![address("h@bcc.example")],
            subject: Some("Hello".into()),
            ..Mail::default()
        }
    }

    /// Judges the mail above, 1,000 bytes long and from mailbox `support`.
    fn check(when: Vec<Matcher>, expected: bool) {
        check_mail(&mail(), when, expected);
    }

    fn check_mail(mail: &Mail, when: Vec<Matcher>, expected: bool) {
        let mailbox = MailboxName::parse("support").unwrap();
        let rule = Rule { when, deliver_to: vec![], then: Then::Stop };
        assert_eq!(rule.matches(&Letter { mailbox: &mailbox, mail, size: 1000 }), expected, "{:?}", rule.when);
    }

    #[test]
    fn all_conditions_must_hold() {
        check(vec![], true);
        check(vec![Matcher::Mailbox(any(&["support"])), Matcher::Subject(any(&["hello"]))], true);
        check(vec![Matcher::Mailbox(any(&["support"])), Matcher::Subject(any(&["bye"]))], false);
    }

    #[test]
    fn any_pattern_of_a_condition_will_do() {
        check(vec![Matcher::Mailbox(any(&["sales", "sup*"]))], true);
        check(vec![Matcher::Mailbox(any(&["sales", "shop"]))], false);
        check(vec![Matcher::Mailbox(any(&[]))], false);
    }

    #[test]
    fn senders_stand_in_from_sender_and_the_return_path() {
        for good in ["a@from.example", "b@*", "C@SENDER.example", "d@return.example"] {
            check(vec![Matcher::Sender(any(&[good]))], true);
        }
        for bad in ["f@to.example", "Some One", "from.example"] {
            check(vec![Matcher::Sender(any(&[bad]))], false);
        }
        check_mail(&Mail { return_path: Some(String::new()), ..mail() }, vec![Matcher::Sender(any(&[""]))], true);
    }

    #[test]
    fn recipients_are_the_real_ones_and_the_named_ones() {
        for good in ["e+*@real.example", "f@to.example", "g@cc.example", "h@bcc.example"] {
            check(vec![Matcher::Recipient(any(&[good]))], true);
        }
        check(vec![Matcher::Recipient(any(&["a@from.example"]))], false);
    }

    #[test]
    fn a_missing_subject_is_an_empty_one() {
        check_mail(&Mail::default(), vec![Matcher::Subject(any(&["/^$/"]))], true);
        check(vec![Matcher::Subject(any(&["/^$/"]))], false);
    }

    #[test]
    fn every_field_of_a_name_is_looked_at() {
        check(vec![Matcher::Header("X-SPAM".into(), any(&["yes"]))], true);
        check(vec![Matcher::Header("X-Spam".into(), any(&["maybe"]))], false);
        check(vec![Matcher::Header("X-Other".into(), any(&["*"]))], false);
    }

    #[test]
    fn sizes_are_strict_on_both_sides() {
        check(vec![Matcher::LargerThan(999), Matcher::SmallerThan(1001)], true);
        check(vec![Matcher::LargerThan(1000)], false);
        check(vec![Matcher::SmallerThan(1000)], false);
    }

    #[test]
    fn inline_parts_are_no_attachments() {
        let with = |inline| Mail { attachments: vec![part(true), part(inline)], ..mail() };
        check_mail(&with(false), vec![Matcher::HasAttachment(true)], true);
        check_mail(&with(true), vec![Matcher::HasAttachment(true)], false);
        check_mail(&with(true), vec![Matcher::HasAttachment(false)], true);
    }
}
