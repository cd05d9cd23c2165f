//! Each condition, on what it holds and on what it does not.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use super::*;
use crate::ident::MailboxName;
use crate::parse::Address;
use crate::parse::Attachment;
use crate::parse::Content;
use crate::parse::Header;
use crate::parse::Mail;
use crate::parse::Recipient;
use crate::route::Method;
use crate::route::Pattern;
use crate::route::letter::Auth;
use crate::route::letter::Findings;

fn any(patterns: &[&str]) -> AnyOf {
    AnyOf::new(patterns.iter().map(|text| Pattern::parse(text).unwrap()))
}

fn text(field: Field, pattern: &str) -> Condition {
    Condition::Is(Matcher::Text(field, any(&[pattern])))
}

fn address(address: &str) -> Address {
    Address { name: Some("Some One".into()), address: address.into(), group: None }
}

fn part(filename: Option<&str>, safe: &str, content_type: &str, inline: bool) -> Attachment {
    Attachment {
        filename: filename.map(str::to_owned),
        safe_filename: safe.into(),
        content_type: content_type.into(),
        charset: None,
        inline,
        content_id: None,
        part: "1".into(),
        mail: None,
        content: Content::ready(&b""[..]),
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
            address: "e+urgent@real.example".into(),
            tag: Some("urgent".into()),
            source: "Delivered-To".into(),
        }],
        to: vec![address("f@to.example")],
        cc: vec![address("g@cc.example")],
        bcc: vec![address("h@bcc.example")],
        subject: Some("Hello".into()),
        attachments: vec![
            part(Some("../Invoice.PDF"), "Invoice.PDF", "application/pdf", false),
            part(None, "part-2.png", "image/png", true),
        ],
        ..Mail::default()
    }
}

fn findings() -> Findings<'static> {
    Findings {
        kind: Some("auto_reply"),
        list_id: Some("users.lists.example.org"),
        spam: true,
        spam_score: Some(5.5),
        auth: Auth { dkim: Some("pass"), spf: Some("softfail"), ..Auth::default() },
    }
}

/// Judges the mail above, 1,000 bytes long and from mailbox `support`, whose label `team` is `blue`.
fn check(condition: Condition, expected: bool) {
    check_mail(&mail(), findings(), condition, expected);
}

fn check_mail(mail: &Mail, findings: Findings<'_>, condition: Condition, expected: bool) {
    let mailbox = MailboxName::parse("support").unwrap();
    let labels = BTreeMap::from([("team".to_owned(), "blue".to_owned())]);
    let letter = Letter { mailbox: &mailbox, labels: &labels, mail, size: 1000, findings };
    for look in [Look::Enough, Look::Everything] {
        assert_eq!(condition.judge(&letter, look).held, expected, "{look:?} {condition:?}");
    }
}

/// Of a field: patterns of which each matches, and some of which none does.
fn check_field(field: &Field, good: &[&str], bad: &[&str]) {
    for pattern in good {
        check(text(field.clone(), pattern), true);
    }
    for pattern in bad {
        check(text(field.clone(), pattern), false);
    }
}

#[test]
fn each_field_has_its_texts_and_no_others() {
    check_field(&Field::Mailbox, &["support", "SUP*", "/^sup/"], &["sales", "", "*@*"]);
    check_field(&Field::Label("team".into()), &["blue", "b*"], &["red", ""]);
    check_field(&Field::Label("tier".into()), &[], &["blue", "*", ""]);
    check_field(
        &Field::Sender,
        &["a@from.example", "b@*", "C@SENDER.example", "d@return.example"],
        &["f@to.example", "Some One", "from.example", ""],
    );
    check_field(
        &Field::Recipient,
        &["e+*@real.example", "f@to.example", "g@cc.example", "h@bcc.example"],
        &["a@from.example", "Some One"],
    );
    check_field(&Field::Tag, &["urgent", "/^urg/", "URGENT"], &["e+urgent", "e", ""]);
    check_field(&Field::Subject, &["hello", "/Hel/"], &["hell", "/^$/"]);
    check_field(&Field::Header("X-SPAM".into()), &["yes", "no"], &["maybe"]);
    check_field(&Field::Header("X-Other".into()), &[], &["*", ""]);
    check_field(&Field::ListId, &["users.lists.example.org", "*.example.org"], &["<*>", "users"]);
    check_field(
        &Field::AttachmentName,
        &["invoice.pdf", "../invoice.pdf", "*.PDF", "part-2.png"],
        &["*.exe", "", "/^pdf/"],
    );
    check_field(&Field::AttachmentType, &["application/pdf", "image/*"], &["pdf", "text/*"]);
    check_field(&Field::Kind, &["auto_reply"], &["message", "auto"]);
    check_field(&Field::Auth(Method::Dkim), &["pass"], &["fail", ""]);
    check_field(&Field::Auth(Method::Spf), &["softfail", "*fail"], &["fail"]);
    check_field(&Field::Auth(Method::Dmarc), &[], &["pass", "*", ""]);
    check_field(&Field::Auth(Method::Arc), &[], &["pass", "*", ""]);
}

#[test]
fn what_a_mail_does_not_have_matches_nothing() {
    let bare = |field, pattern, expected| {
        check_mail(&Mail::default(), Findings::default(), text(field, pattern), expected);
    };
    for field in [
        Field::Sender,
        Field::Recipient,
        Field::Tag,
        Field::Header("Subject".into()),
        Field::ListId,
        Field::AttachmentName,
        Field::AttachmentType,
        Field::Kind,
        Field::Auth(Method::Dkim),
    ] {
        bare(field, "*", false);
    }
    bare(Field::Subject, "/^$/", true);
    let bounce = Mail { return_path: Some(String::new()), ..Mail::default() };
    check_mail(&bounce, Findings::default(), text(Field::Sender, ""), true);
}

#[test]
fn any_pattern_of_a_condition_will_do() {
    let mailbox = |patterns| Condition::Is(Matcher::Text(Field::Mailbox, any(patterns)));
    check(mailbox(&["sales", "sup*"]), true);
    check(mailbox(&["sales", "shop"]), false);
    check(mailbox(&[]), false);
}

#[test]
fn facts_that_are_no_texts() {
    let is = |matcher, expected| check(Condition::Is(matcher), expected);
    is(Matcher::LargerThan(999), true);
    is(Matcher::LargerThan(1000), false);
    is(Matcher::SmallerThan(1001), true);
    is(Matcher::SmallerThan(1000), false);
    is(Matcher::HasAttachment(true), true);
    is(Matcher::HasAttachment(false), false);
    is(Matcher::Spam(true), true);
    is(Matcher::Spam(false), false);
    is(Matcher::SpamScoreFrom(5.5), true);
    is(Matcher::SpamScoreFrom(-1.0), true);
    is(Matcher::SpamScoreFrom(5.6), false);
    let bare = |matcher, expected| check_mail(&Mail::default(), Findings::default(), Condition::Is(matcher), expected);
    bare(Matcher::Spam(false), true);
    bare(Matcher::SpamScoreFrom(-100.0), false);
    bare(Matcher::HasAttachment(false), true);
}

#[test]
fn inline_parts_are_no_attachments() {
    let inline = Mail { attachments: vec![part(None, "a.png", "image/png", true)], ..Mail::default() };
    check_mail(&inline, Findings::default(), Condition::Is(Matcher::HasAttachment(true)), false);
}

#[test]
fn conditions_are_joined_and_turned_round() {
    let (yes, no) = (|| text(Field::Subject, "hello"), || text(Field::Subject, "bye"));
    let not = |condition| Condition::Not(Box::new(condition));
    check(Condition::All(vec![]), true);
    check(Condition::Any(vec![]), false);
    check(Condition::All(vec![yes(), yes()]), true);
    check(Condition::All(vec![yes(), no()]), false);
    check(Condition::Any(vec![no(), yes()]), true);
    check(Condition::Any(vec![no(), no()]), false);
    check(not(no()), true);
    check(not(Condition::All(vec![yes(), Condition::Any(vec![no(), yes()])])), false);
    check(Condition::All(vec![not(Condition::Any(vec![no()])), yes()]), true);
}

#[test]
fn only_what_no_mail_can_fail_is_always_so() {
    let always = Condition::All(vec![]);
    let text = || text(Field::Subject, "*");
    for (condition, expected) in [
        (always.clone(), true),
        (Condition::All(vec![always.clone()]), true),
        (Condition::Any(vec![text(), always.clone()]), true),
        (Condition::All(vec![text()]), false),
        (Condition::Any(vec![]), false),
        (Condition::Not(Box::new(Condition::Any(vec![]))), false),
    ] {
        assert_eq!(condition.is_always(), expected, "{condition:?}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the time that a computation takes is measured")]
fn no_pattern_takes_more_than_linear_time() {
    let long = "a".repeat(1 << 15);
    let hostile = Mail { subject: Some(long), ..Mail::default() };
    let begun = Instant::now();
    for pattern in ["/(a+)+$b/", "/(a|aa)+b/", "/(a*)*b/", "/(.*)(.*)(.*)(.*)b$/", "*a*a*a*a*a*b", "?*?*?*?*b"] {
        check_mail(&hostile, Findings::default(), text(Field::Subject, pattern), false);
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}
