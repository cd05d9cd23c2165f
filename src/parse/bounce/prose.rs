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
    let spare = answer(&lines);
    found.into_iter().take(RECIPIENTS_MAX).map(|(address, reason)| told(address, reason, &spare, delayed)).collect()
}

fn told(address: String, reason: String, spare: &str, delayed: bool) -> BouncedRecipient {
    let reason = if reason.is_empty() { spare.to_owned() } else { reason };
    let status = status::code(&reason);
    let action = match (delayed, status.as_deref().and_then(status::implied)) {
        (true, _) | (false, Some("delayed")) => "delayed",
        (false, _) => "failed",
    };
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
            open = false;
        } else if let Some((address, rest)) = head(line) {
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
    // "a@b wrote" is prose; "a@b: 550 no", "a@b (expanded from c)" and "a@b" alone are not.
    let stands_alone = rest.is_empty() || bare.len() < word.len() || rest.starts_with('(') || is_code(rest);
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
        ["contact", "assistance", "postmaster", "help", "from:", "sent by", "from "]
            .iter()
            .any(|word| line.contains(word))
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
        is_code(line) || (line.len() < 300 && status::code(line).is_some())
    };
    lines.iter().copied().find(of).map(|line| cut(line.trim())).unwrap_or_default()
}

/// A line as short as a reason may be, in single blanks.
fn cut(line: &str) -> String {
    let line = line.get(..line.floor_char_boundary(REASON_MAX)).unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
