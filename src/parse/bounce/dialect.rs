//! The words by which mail servers say that a mail was not delivered, where they do not write a standard report.
//!
//! Words count only in mail that a server sends: a human who forwards a bounce quotes them too.

use crate::parse::Mail;
use crate::parse::report;
use crate::parse::structure::Part;

/// Words that come later in a text are not the server's.
const TEXT_MAX: usize = 4096;

/// Local parts of addresses by which servers send.
const DAEMONS: [&str; 7] = [
    "mailer-daemon",
    "mailer_daemon",
    "mailerdaemon",
    "mail-daemon",
    "postmaster",
    "post_master",
    "mail.delivery.system",
];

/// Whose words are no one server's.
const ANYBODY: &str = "a bounce";

/// Each server, and what it writes (in lower case).
const WORDS: &[(&str, &[&str])] = &[
    ("qmail", &["this is the qmail-send program", "hi. this is the"]),
    (
        "Exim",
        &[
            "this message was created automatically by mail delivery software",
            "a message that you sent contained one or more recipient addresses that were",
            "a message that you sent contained no recipient addresses",
        ],
    ),
    (
        "Postfix",
        &[
            "this is the postfix program at host",
            "this is the mail system at host",
            "i'm sorry to have to inform you that",
        ],
    ),
    (
        "Sendmail",
        &[
            "the original message was received at",
            "transcript of session follows",
            "the following addresses had permanent fatal errors",
            "the following addresses had transient",
            "the following addresses had delivery problems",
            "the following addresses had delivery errors",
            "the following addresses have delivery notifications",
        ],
    ),
    (
        "Exchange",
        &[
            "did not reach the following recipient(s)",
            "did not reach some or all of the intended recipients",
            "delivery has failed to these recipients or groups",
            "delivery has failed to these recipients or distribution lists",
            "delivery to these recipients or distribution lists",
            "delivery is delayed to these recipients or groups",
        ],
    ),
    (
        "Gmail",
        &[
            "delivery to the following recipient failed permanently",
            "delivery to the following recipients failed",
            "delivery to the following recipient has been delayed",
            "technical details of permanent failure",
            "address not found",
            "message not delivered",
        ],
    ),
    ("Yahoo", &["sorry, we were unable to deliver your message", "unable to deliver message to the following address"]),
    ("Lotus Domino", &["failure reasons -----", "the following recipients did not receive your message"]),
    (
        "AOL",
        &["your mail to the following recipients could not be delivered", "was not delivered to the following aol"],
    ),
    ("OpenSMTPD", &["this is the mailer-daemon, please do not reply"]),
    ("DragonFly", &["this is the dragonfly mail agent"]),
    ("Courier", &["this is a delivery status notification from", "undeliverable mail follows"]),
    (
        ANYBODY,
        &[
            "could not be delivered",
            "cannot be delivered",
            "can not be delivered",
            "couldn't be delivered",
            "could not deliver",
            "has not yet been delivered",
            "has not been delivered",
            "was not delivered",
            "wasn't able to deliver",
            "were unable to deliver",
            "unable to deliver",
            "failed to deliver",
            "delivery failed",
            "delivery has failed",
            "delivery failure",
            "delivery of this message",
            "error delivering your mail",
            "trouble delivering",
            "an error has occurred while attempting to deliver",
            "undeliverable",
            "undelivered",
            "returned mail",
            "rejected by a remote mail server",
            "rejected by a remote",
            "mailbox is full",
            "user mailbox exceeds allowed size",
            "invalid final delivery userid",
            "no valid recipients were found",
            "user unknown",
            "unknown user",
            "no such user here",
            "error: invalid user address",
            "konnte nicht zugestellt werden",
            "konnten nicht zugestellt werden",
            "n'a pas pu être remis",
            "n'a pas pu être distribué",
            "no se ha podido entregar",
            "no se pudo entregar",
            "não pôde ser entregue",
            "não foi possível entregar",
            "non è stato possibile recapitare",
            "kon niet worden bezorgd",
            "kon niet worden afgeleverd",
            "nie może zostać dostarczon",
            "не может быть доставлен",
            "не было доставлено",
            "送信できませんでした",
            "配信できませんでした",
            "配送できませんでした",
            "无法投递",
            "无法送达",
            "無法傳遞",
            "退信",
            "không thể gửi",
        ],
    ),
];

/// How servers begin the subject of a bounce (in lower case): the last evidence.
const SUBJECTS: &[&str] = &[
    "undelivered mail",
    "undeliverable",
    "undeliverable:",
    "returned mail",
    "mail delivery fail",
    "mail delivery system",
    "delivery status notification",
    "delivery failure",
    "delivery failed",
    "delivery notification",
    "delivery error",
    "failure notice",
    "failure delivery",
    "failed delivery",
    "failed mail",
    "mail system error",
    "mail failure",
    "mail failed",
    "message delivery has failed",
    "mail could not be delivered",
    "permanent delivery failure",
    "there was an error sending your mail",
    "warning: message",
    "warning: could not send",
    "non-delivery",
    "non recapitabile",
    "unzustellbar",
    "nicht zustellbar",
    "non remis",
    "no se puede entregar",
    "não é possível entregar",
    "onbestelbaar",
    "nie można dostarczyć",
    "не удается доставить",
    "недоставленное",
    "配信不能",
    "未送達",
    "无法送达",
    "退信",
];

/// Whether a server sent the mail, by the envelope or by its name.
pub(super) fn is_from_server(mail: &Mail) -> bool {
    is_null_sender(mail) || is_from_daemon(mail)
}

fn is_null_sender(mail: &Mail) -> bool {
    mail.return_path.as_deref().is_some_and(|sender| sender.is_empty() || is_daemon(sender))
}

/// Whether From names a server; it may be as empty as the envelope's sender.
fn is_from_daemon(mail: &Mail) -> bool {
    let empty = || mail.header("From").is_some_and(|value| value.trim().ends_with("<>"));
    mail.from.iter().any(|from| is_daemon(&from.address)) || (mail.from.is_empty() && empty())
}

fn is_daemon(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default();
    DAEMONS.iter().any(|name| local.eq_ignore_ascii_case(name))
}

/// The evidence that the mail is a bounce.
pub(super) fn evidence(mail: &Mail, root: &Part<'_>) -> Option<String> {
    let sure = ["X-Failed-Recipients", "X-MS-Exchange-Message-Is-Ndr"];
    if let Some(name) = sure.into_iter().find(|name| mail.header(name).is_some()) {
        return Some(name.to_owned());
    }
    if !is_from_server(mail) {
        return None;
    }
    if report::is_multipart_report(root) || mail.header("X-MS-Embedded-Report").is_some() {
        return Some("a report from a mail server".to_owned());
    }
    if let Some(name) = words(mail) {
        return Some(format!("the words of {name} in mail from a server"));
    }
    let mailer = |from: &str| from.split('@').next().unwrap_or_default().eq_ignore_ascii_case("mailer-daemon");
    if is_null_sender(mail) && mail.from.iter().any(|from| mailer(&from.address)) {
        return Some("Return-Path: <> and From: MAILER-DAEMON".to_owned());
    }
    subject(mail).then(|| "the subject of a bounce in mail from a server".to_owned())
}

/// Whose words the text begins with.
fn words(mail: &Mail) -> Option<&'static str> {
    let text = mail.text.as_deref().unwrap_or_default();
    let head = text.get(..text.floor_char_boundary(TEXT_MAX)).unwrap_or_default();
    // Lines are wrapped anywhere.
    let head = head.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    WORDS.iter().find(|(_, words)| words.iter().any(|words| head.contains(words))).map(|(name, _)| *name)
}

fn subject(mail: &Mail) -> bool {
    let subject = mail.subject.as_deref().unwrap_or_default().trim_start().to_lowercase();
    SUBJECTS.iter().any(|begin| subject.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use crate::parse::Kind;
    use crate::parse::Options;
    use crate::parse::parse;

    const QMAIL: &str = "Hi. This is the qmail-send program at mx.example.org.";

    fn check(header: &str, text: &str, expected: Option<&str>) {
        let mail = parse(format!("{header}\n\n{text}\n").as_bytes(), &Options::default());
        let reason = mail.kind_reason.filter(|_| mail.kind == Some(Kind::Bounce));
        assert_eq!(reason.as_deref(), expected, "{header:?} {text:?}");
    }

    #[test]
    fn words_of_people_are_no_bounce() {
        check("From: Ann <ann@example.org>\nSubject: failure notice", QMAIL, None);
        check("From: Postmaster <postmaster@example.org>\nSubject: The door", "It opens.", None);
        check("Return-Path: <>\nFrom: Bob <bob@example.org>\nSubject: Re: x", "I am away.", None);
        check("From: Ann <ann@example.org>\nSubject: Undeliverable: x", "My mail could not be delivered.", None);
    }

    #[test]
    fn words_of_servers_are() {
        let of_qmail = "the words of qmail in mail from a server";
        check("From: MAILER-DAEMON@mx.example.org\nSubject: x", QMAIL, Some(of_qmail));
        check("Return-Path: <>\nFrom: x@example.org", QMAIL, Some(of_qmail));
        check("From: MAILER-DAEMON <>\nSubject: x", QMAIL, Some(of_qmail));
        let wrapped = "A message could not\n  be DELIVERED.";
        check("From: postmaster@example.org", wrapped, Some("the words of a bounce in mail from a server"));
        check("From: a@b\nX-Failed-Recipients: c@d", "x", Some("X-Failed-Recipients"));
        check("Return-Path: <>\nFrom: mailer-daemon@b", "x", Some("Return-Path: <> and From: MAILER-DAEMON"));
        let by_subject = "the subject of a bounce in mail from a server";
        check("From: postmaster@b\nSubject: Undeliverable: x", "x", Some(by_subject));
    }
}
