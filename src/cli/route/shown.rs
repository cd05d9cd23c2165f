//! What `pophook route explain` prints: for people, and as JSON.

use bytesize::ByteSize;
use serde_json::Value;
use serde_json::json;

use super::Delivery;
use super::Post;
use crate::cli::out;
use crate::deliver::Attachments;
use crate::deliver::carriage::Way;
use crate::ident::MailboxName;
use crate::parse::Mail;
use crate::route::Decision;
use crate::route::Explanation;
use crate::route::ToldCondition;
use crate::route::ToldRule;
use crate::route::Tried;

/// How much of a value is shown, in characters.
const SHOWN: usize = 60;
/// How many values of one field are shown.
const VALUES_SHOWN: usize = 5;

/// How attachments travel, in the configuration's word.
fn way(attachments: Attachments) -> &'static str {
    match attachments {
        Attachments::Inline => "inline",
        Attachments::Multipart => "multipart",
        Attachments::Omit => "omit",
        Attachments::Link => "link",
    }
}

/// How attachments travel, and how many of them do so in another way for their size.
fn ways_told(usual: Attachments, ways: &[Way]) -> String {
    let linked = ways.iter().filter(|way| usual != Attachments::Link && matches!(way, Way::Linked(_))).count();
    let omitted = ways.iter().filter(|way| usual != Attachments::Omit && matches!(way, Way::Omitted(_))).count();
    let others = [(linked, "by link"), (omitted, "left out")].into_iter().filter(|(count, _)| *count > 0);
    let others: String = others.map(|(count, how)| format!(", but {count} {how}")).collect();
    format!("{}{others}", way(usual))
}

pub(super) fn as_json(mailbox: &MailboxName, told: &Explanation, mail: &Mail, deliveries: &[Delivery<'_>]) -> Value {
    let (decision, rule, counts) = match &told.decision {
        Decision::Deliver(_) => ("deliver", None, None),
        Decision::Drop { rule, counts_as_delivered } => ("drop", Some(rule), Some(*counts_as_delivered)),
        Decision::Unrouted => ("unrouted", None, None),
    };
    let rules = told.rules.iter().map(|rule| {
        let ToldRule { number, label, tried, conditions } = rule;
        json!({ "number": number, "name": label, "tried": tried, "conditions": conditions })
    });
    let deliveries = deliveries.iter().map(|delivery| {
        let post = delivery.post.as_ref();
        json!({
            "endpoint": delivery.endpoint.name.as_str(),
            "content_type": post.ok().map(|post| &post.content_type), "size": post.ok().map(|post| post.size),
            "refused": post.err().map(ToString::to_string),
            "attachments": way(delivery.endpoint.attachments), "include_raw": delivery.endpoint.include_raw,
        })
    });
    json!({
        "mailbox": mailbox.as_str(), "decision": decision, "dropped_by": rule, "counts_as_delivered": counts,
        "by_mailbox": told.by_mailbox, "only_went_on": told.only_went_on, "attachments": mail.attachments.len(),
        "rules": rules.collect::<Vec<_>>(), "deliveries": deliveries.collect::<Vec<_>>(),
    })
}

pub(super) fn as_text(
    mailbox: &MailboxName,
    told: &Explanation,
    mail: &Mail,
    deliveries: &[Delivery<'_>],
) -> Vec<String> {
    let mut lines = Vec::new();
    for ToldRule { number, label, tried, conditions } in &told.rules {
        let name = if number.to_string() == *label { String::new() } else { format!(" ({label})") };
        let outcome = match tried {
            Tried::Matched => "matched",
            Tried::NotMatched => "not matched",
            Tried::NotTried => "not tried: a rule before it decided",
        };
        lines.push(format!("rule {number}{name}: {outcome}"));
        if conditions.is_empty() && *tried == Tried::Matched {
            lines.push("    it has no conditions".to_owned());
        }
        conditions.iter().for_each(|one| tell(one, 1, &mut lines));
    }
    if told.by_mailbox {
        lines.push(match &told.decision {
            Decision::Unrouted => format!("no rule matched, and mailbox {mailbox} has no deliver_to"),
            _ => format!("no rule matched: the deliver_to of mailbox {mailbox} counts"),
        });
    }
    if told.only_went_on {
        lines.push(format!("a rule matched, and none decided: the deliver_to of mailbox {mailbox} does not count"));
    }
    match &told.decision {
        Decision::Unrouted => lines.push("unrouted: nobody says where it goes; it would wait for you".to_owned()),
        Decision::Drop { rule, counts_as_delivered: true } => {
            lines.push(format!("dropped by rule {rule}; that counts as delivered"));
        }
        Decision::Drop { rule, counts_as_delivered: false } => {
            lines.push(format!("dropped by rule {rule}; that does not count as delivered"));
        }
        Decision::Deliver(_) => {}
    }
    for Delivery { endpoint, post } in deliveries {
        let Post { content_type, size, ways } = match post {
            Ok(post) => post,
            Err(why) => {
                lines.push(format!("endpoint {} gets nothing, and the mail is a dead letter: {why}", endpoint.name));
                continue;
            }
        };
        let count = mail.attachments.len();
        let raw = if endpoint.include_raw { ", with the raw mail" } else { "" };
        let attachments = match count {
            0 => "no attachments".to_owned(),
            _ => format!("{count} attachments ({})", ways_told(endpoint.attachments, ways)),
        };
        let size = ByteSize(*size);
        lines.push(format!("endpoint {} gets {content_type}, {size}, {attachments}{raw}", endpoint.name));
    }
    lines
}

/// One condition on a line, and those that it joins below.
fn tell(told: &ToldCondition, depth: usize, lines: &mut Vec<String>) {
    let ToldCondition { condition, held, wanted, seen, parts } = told;
    let (indent, holds) = ("    ".repeat(depth), if *held { "yes" } else { "no " });
    if wanted.is_empty() {
        lines.push(format!("{indent}{holds} {condition}"));
    } else {
        let (seen, verb) = match (condition.as_str(), held) {
            ("larger_than" | "smaller_than" | "spam_score_from" | "spam" | "has_attachment", _) => {
                (seen.first().map_or("(none)".to_owned(), Clone::clone), "; wanted:")
            }
            (_, true) => (shown(seen), " matches"),
            (_, false) => (shown(seen), " does not match"),
        };
        lines.push(format!("{indent}{holds} {condition} {seen}{verb} {wanted}"));
    }
    parts.iter().for_each(|part| tell(part, depth + 1, lines));
}

/// Values as they can be shown on a terminal.
fn shown(seen: &[String]) -> String {
    let quoted = seen.iter().take(VALUES_SHOWN).map(|value| format!("\"{}\"", out::excerpt(value, SHOWN)));
    let mut shown: Vec<String> = quoted.collect();
    match seen.len().saturating_sub(VALUES_SHOWN) {
        0 if seen.is_empty() => shown.push("(none)".to_owned()),
        0 => {}
        more => shown.push(format!("and {more} more")),
    }
    shown.join(", ")
}
