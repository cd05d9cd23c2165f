//! Addresses and reasons read out of a bounce that is written for humans.
//!
//! Servers write an address at the head of a line, alone, in brackets or before a colon, and the reason behind it or in
//! the lines below, up to a blank one. Only what stands above the copy of the returned mail is read.

use std::collections::HashSet;

use crate::parse::BouncedRecipient;
use crate::parse::Mail;
use crate::parse::bounce::status;

/// More of a text is the returned mail.
const TEXT_MAX: usize = 64 * 1024;

/// More recipients than these are not looked for in prose.
const RECIPIENTS_MAX: usize = 100;

/// The longest reason that is given.
const REASON_MAX: usize = 1000;

/// How servers announce the copy of the returned mail (in lower case).
const COPIES: [&str; 14] = [
    "below this line is a copy",
    "this is a copy of",
    "a copy of the original message",
    "below is a copy",
    "original message follows",
    "original message -----",
    "original mail info",
    "original message headers",
    "returned message",
    "unsent message follows",
    "message text follows",
    "message header follows",
    "header of the original message",
    "undelivered message",
];

/// What says that the server goes on trying (in lower case).
const DELAYS: [&str; 9] = [
    "delayed",
    "has not yet been delivered",
    "warning message only",
    "will be retried",
    "will keep trying",
    "will continue to try",
    "temporary failure report",
    "do not need to resend",
    "no action is required on your part",
];

/// Whom the text is about.
pub(super) fn recipients(mail: &Mail) -> Vec<BouncedRecipient> {
    let text = mail.text.as_deref().unwrap_or_default();
    let text = text.get(..text.floor_char_boundary(TEXT_MAX)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().take_while(|line| !is_copy(line)).collect();
    let named = mail.headers_named("X-Failed-Recipients").flat_map(|value| value.split(','));
    let named: Vec<String> = named.filter_map(|word| address(word.trim())).collect();
    let mut found = blocks(&lines);
    if !named.is_empty() {
        let reason = |address: &str| {
            let of = found.iter().find(|(other, _)| other.eq_ignore_ascii_case(address));
            of.map(|(_, reason)| reason.clone()).unwrap_or_default()
        };
        found = named.into_iter().map(|address| (address.clone(), reason(&address))).collect();
    }
    if found.is_empty() {
        found.extend(anywhere(&lines).map(|address| (address, String::new())));
    }
    let delayed = lines.iter().any(|line| {
        let line = line.to_lowercase();
        DELAYS.iter().any(|words| line.contains(words))
    });
    let mut seen = HashSet::new();
    found.retain(|(address, _)| seen.insert(address.to_ascii_lowercase()));
    let answer = answer(&lines);
    // The one answer in the text is about the one recipient.
    let answer = if found.len() == 1 { &*answer } else { "" };
    found.into_iter().take(RECIPIENTS_MAX).map(|(address, reason)| told(address, reason, answer, delayed)).collect()
}

/// A bounce in prose means failure, unless it says that the server goes on trying; a passing fault may be final too.
fn told(address: String, reason: String, answer: &str, delayed: bool) -> BouncedRecipient {
    let reason = if reason.is_empty() { answer.to_owned() } else { reason };
    let status = status::code(&reason).or_else(|| status::code(answer));
    let action = if delayed { "delayed" } else { "failed" };
    let diagnostic = Some(reason).filter(|reason| !reason.is_empty());
    BouncedRecipient { address, original_address: None, action: Some(action.to_owned()), status, diagnostic }
}

/// The Message-ID in the copy of the returned mail, where it stands in the text.
pub(super) fn original_message_id(mail: &Mail) -> Option<String> {
    let text = mail.text.as_deref()?;
    let text = text.get(..text.floor_char_boundary(TEXT_MAX)).unwrap_or_default();
    let mut copy = text.lines().map(str::trim_start);
    let name = "message-id:";
    let line = copy.find_map(|line| {
        let (head, value) = line.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name).then_some(value)
    })?;
    crate::parse::message_id::list(line.as_bytes()).into_iter().next()
}

fn is_copy(line: &str) -> bool {
    let line = line.trim().to_lowercase();
    let begins = line.starts_with("received: from") || line.starts_with("return-path: <");
    begins || COPIES.iter().any(|words| line.contains(words))
}

/// Addresses at the head of lines, each with the reason below it.
fn blocks(lines: &[&str]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    // The block that addresses stand in, before its reasons begin.
    let mut open = false;
    for line in lines.iter().map(|line| line.trim()) {
        if line.is_empty() {
            // "Remote host said:", and a blank line before it says so.
            open &= found.last().is_some_and(|(_, reason)| reason.ends_with(':'));
        } else if let Some((address, rest)) = head(line).filter(|(address, _)| !(open && is_last(&found, address))) {
            found.push((address, cut(rest)));
            open = true;
        } else if let Some((_, reason)) = found.last_mut().filter(|(_, reason)| open && reason.len() < REASON_MAX) {
            if !reason.is_empty() {
                reason.push(' ');
            }
            reason.push_str(&cut(line));
        }
        if found.len() > RECIPIENTS_MAX {
            break;
        }
    }
    // Of what stands under several addresses in a row, each has a share.
    let mut last = String::new();
    for (_, reason) in found.iter_mut().rev() {
        if reason.is_empty() {
            reason.clone_from(&last);
        }
        last.clone_from(reason);
    }
    found
}

/// Whether the reason of the last recipient, which names it once more, goes on.
fn is_last(found: &[(String, String)], address: &str) -> bool {
    found.last().is_some_and(|(last, reason)| !reason.is_empty() && last.eq_ignore_ascii_case(address))
}

/// The address that `line` begins with, or that an SMTP answer at its head names, and what follows.
fn head(line: &str) -> Option<(String, &str)> {
    let answer = line.get(..4).is_some_and(|head| is_code(head) && head.ends_with(' '));
    if let (true, Some((before, rest))) = (answer, line.split_once('<')) {
        let status = before.split_whitespace().count() <= 2;
        let (inner, _) = rest.split_once('>').filter(|_| status)?;
        return address(inner).map(|address| (address, line));
    }
    if let Some(rest) = line.strip_prefix('<') {
        let (inner, rest) = rest.split_once('>')?;
        let rest = rest.trim_start_matches(['.', ' ', ':']);
        return address(inner).map(|address| (address, rest));
    }
    let word = line.split([' ', '\t']).next().unwrap_or_default();
    let rest = line.get(word.len()..).unwrap_or_default().trim_start();
    let bare = word.trim_end_matches([':', ',', ';']);
    // "a@b wrote" is prose; "a@b: 550 no", "a@b (expanded from c)", "a@b on Monday" and "a@b" alone are not.
    let stands_alone = rest.is_empty() || bare.len() < word.len() || rest.starts_with(['(', '<']) || is_code(rest);
    let stands_alone = stands_alone || rest.starts_with("on ");
    address(bare).filter(|_| stands_alone).map(|address| (address, rest))
}

/// Whether `text` begins with the code of an SMTP answer that refuses.
fn is_code(text: &str) -> bool {
    matches!(text.as_bytes(), [b'4' | b'5', b'0'..=b'7', b'0'..=b'9', b' ' | b'-' | b':', ..])
}

/// `text`, if it is an address and nothing else.
fn address(text: &str) -> Option<String> {
    let text = text.trim_start_matches("mailto:").trim_matches(['<', '>', '"', '\'', ' ']);
    let (local, domain) = text.rsplit_once('@')?;
    let legal = |c: char| !c.is_whitespace() && !matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | ':' | '"');
    let domain_legal = domain.contains(|c: char| c.is_alphanumeric())
        && domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']'));
    let whole = !local.is_empty() && local.chars().all(legal) && domain_legal && text.len() <= 320;
    whole.then(|| text.trim_end_matches('.').to_owned())
}

/// The first address in prose, but for the lines that tell whom to ask or who sent the mail.
fn anywhere(lines: &[&str]) -> Option<String> {
    let other = |line: &str| {
        let line = line.to_lowercase();
        let words = ["contact", "assistance", "postmaster", "help", "from:", "sent by", "from "];
        !line.contains("deliver") && words.iter().any(|word| line.contains(word))
    };
    let mut words = lines.iter().filter(|line| !other(line)).flat_map(|line| line.split_whitespace());
    words.find_map(|word| {
        let inner = word.split_once('<').map_or(word, |(_, rest)| rest.split('>').next().unwrap_or_default());
        address(inner.trim_matches(['.', ',', ';', ':', '(', ')']))
    })
}

/// The first line that looks like the answer of an SMTP server.
fn answer(lines: &[&str]) -> String {
    let of = |line: &&str| {
        let line = line.trim().trim_start_matches(['<', '>', ' ']);
        is_code(line) || (line.len() < 300 && status::code(line).is_some_and(|code| !code.starts_with('2')))
    };
    lines.iter().copied().find(of).map(|line| cut(line.trim())).unwrap_or_default()
}

/// A line as short as a reason may be, in single blanks.
fn cut(line: &str) -> String {
    let line = line.get(..line.floor_char_boundary(REASON_MAX)).unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Header;

    /// Address, action, status and reason of each recipient.
    fn outline(mail: &Mail) -> Vec<String> {
        let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let told = |one: BouncedRecipient| {
            format!("{} {} {} {}", one.address, or(one.action), or(one.status), or(one.diagnostic))
        };
        recipients(mail).into_iter().map(told).collect()
    }

    fn check(text: &str, expected: &[&str]) {
        let mail = Mail { text: Some(text.to_owned()), ..Mail::default() };
        assert_eq!(outline(&mail), expected, "{text:?}");
    }

    #[test]
    fn where_nobody_is_named_nobody_is_found() {
        check("", &[]);
        check("Your mail could not be delivered.\nPlease contact postmaster@example.org for help.", &[]);
        check("It failed.\n\n--- Below this line is a copy of the message.\n\nTo: bob@example.net", &[]);
        check("@\n<>\n<@>:\na@\n@b.example\n", &[]);
    }

    #[test]
    fn addresses_with_the_reasons_beside_or_below_them() {
        for (text, expected) in [
            (
                "<a@b.example>:\n550 5.1.1 no\n  such user\n\nmore",
                &["a@b.example failed 5.1.1 550 5.1.1 no such user"][..],
            ),
            (
                "a@b.example: 550 no\nc@d.example: 5.2.2 full",
                &["a@b.example failed - 550 no", "c@d.example failed 5.2.2 5.2.2 full"],
            ),
            (
                "  a@b.example\n  c@d.example\n    unknown",
                &["a@b.example failed - unknown", "c@d.example failed - unknown"],
            ),
            (
                "550 5.1.1 <a@b.example>... User unknown",
                &["a@b.example failed 5.1.1 550 5.1.1 <a@b.example>... User unknown"],
            ),
            ("There was an error with <a@b.example>.\n\n552 5.2.2 full", &["a@b.example failed 5.2.2 552 5.2.2 full"]),
            ("a@b.example:\nlater\n\nYour message is delayed.", &["a@b.example delayed - later"]),
            ("A@b.example:\nx\n\na@B.example:\ny", &["A@b.example failed - x"]),
            ("<a@b.example>: said: 550\n <a@b.example> no", &["a@b.example failed - said: 550 <a@b.example> no"]),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn a_field_names_the_recipients_and_the_text_the_reasons() {
        let field = Header { name: "X-Failed-Recipients".to_owned(), value: "a@b.example, c@d.example".to_owned() };
        let text = "sent by\n\n  x@y.example\n\nfailed:\n\n  c@d.example\n    550 5.1.1 no".to_owned();
        let mail = Mail { headers: vec![field], text: Some(text), ..Mail::default() };
        assert_eq!(outline(&mail), ["a@b.example failed - -", "c@d.example failed 5.1.1 550 5.1.1 no"]);
    }

    #[test]
    fn hostile_prose_takes_little_time() {
        for line in ["<a@b.example>:\n", "<\n", "550 <", "a@b.example\nx\n", "@", "\n"] {
            let mail = Mail { text: Some(line.repeat(100_000)), ..Mail::default() };
            assert!(recipients(&mail).len() <= RECIPIENTS_MAX);
        }
    }
}
