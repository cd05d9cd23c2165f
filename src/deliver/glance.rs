//! What a list shows and a search finds of a mail: a bounded part of it, made while it is sorted.

use crate::parse::Address;
use crate::parse::Mail;
use crate::spool::Glance;
use crate::spool::searchable;

/// Characters that are kept of a subject, of senders and of recipients each: more than a list has room for.
const LINE_MAX: usize = 300;
/// Recipients that are looked at: however often the same ones are named, and however short they are.
const RECIPIENTS_MAX: usize = 1000;
/// Characters of the text that a search looks in. Most mails that people write are shorter.
const TEXT_MAX: usize = 8192;

/// What is kept of `mail`.
pub(super) fn glance(mail: &Mail) -> Glance {
    let subject = mail.subject.as_deref().map(line).filter(|subject| !subject.is_empty());
    let sender = addresses(&mail.from);
    let recipients = recipients(mail);
    let names = mail.attachments.iter().filter_map(|attachment| attachment.filename.as_deref());
    let text = mail.text.as_deref().unwrap_or_default();
    let heads = [subject.as_deref().unwrap_or_default(), &sender, &recipients].into_iter().map(str::to_owned);
    let all_words: Vec<String> =
        heads.chain(names.take(20).map(line)).chain([start(text, TEXT_MAX).to_owned()]).collect();
    Glance {
        kind: mail.kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        attachments: u32::try_from(mail.attachments.len()).unwrap_or(u32::MAX),
        words: searchable(&all_words.join("\n")),
        subject,
        sender,
        recipients,
    }
}

/// Those that are written, and those that are real and not written. Only so many are looked at as have room: a stranger
/// chooses how many there are.
fn recipients(mail: &Mail) -> String {
    let listed = mail.to.iter().chain(&mail.cc).map(shown);
    let real = mail.recipients.iter().map(|recipient| recipient.address.clone());
    let mut kept = Vec::new();
    let mut room = LINE_MAX;
    for one in listed.chain(real).take(RECIPIENTS_MAX) {
        if room == 0 {
            break;
        }
        if !kept.iter().any(|known: &String| known.contains(&one)) {
            let one = start(&one, LINE_MAX).to_owned();
            room = room.saturating_sub(one.chars().count());
            kept.push(one);
        }
    }
    line(&kept.join(", "))
}

fn addresses(all: &[Address]) -> String {
    line(&all.iter().take(10).map(shown).collect::<Vec<_>>().join(", "))
}

fn shown(address: &Address) -> String {
    match &address.name {
        Some(name) => format!("{name} <{}>", address.address),
        None => address.address.clone(),
    }
}

/// One line, of bounded length.
fn line(text: &str) -> String {
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    start(text, LINE_MAX).chars().map(blank).collect::<String>().trim().to_owned()
}

/// The first `most` characters.
fn start(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| text.split_at(end).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn of(raw: &str) -> Glance {
        glance(&parse::parse(raw.as_bytes(), &parse::Options::default()))
    }

    #[test]
    fn a_list_shows_who_wrote_what_to_whom() {
        let found = of("From: Ada <ada@example.org>\nTo: b@example.com\nDelivered-To: real@example.com\n\
                        Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nHello  Wörld\n");
        assert_eq!(found.subject.as_deref(), Some("Grüße"));
        assert_eq!((&*found.sender, &*found.kind), ("Ada <ada@example.org>", "message"));
        assert_eq!(found.recipients, "b@example.com, real@example.com");
        for word in ["grüße", "ada@example.org", "real@", "hello wörld"] {
            assert!(found.words.contains(word), "{word}: {}", found.words);
        }
    }

    #[test]
    fn what_is_kept_is_bounded_however_long_the_mail_is() {
        let long = "ä".repeat(100_000);
        let found = of(&format!("From: {long}\nTo: {long}\nSubject: {long}\n\n{long}\n"));
        assert!(found.words.chars().count() <= TEXT_MAX + 3 * LINE_MAX + 3, "{}", found.words.len());
        assert_eq!(found.subject.map(|subject| subject.chars().count()), Some(LINE_MAX));
    }

    #[test]
    fn of_many_recipients_the_first_are_kept_each_once() {
        let many: Vec<String> = (0..10_000).map(|n| format!("a{n}@example.org")).collect();
        let same = vec!["a0@example.org".to_owned(); 10_000];
        let found =
            |to: &[String]| of(&format!("To: {}\nDelivered-To: {}\n\n", to.join(", "), to.join(", "))).recipients;
        let shown = found(&many);
        assert!(
            shown.starts_with("a0@example.org, a1@example.org, a2@example.org, ") && shown.len() == LINE_MAX,
            "{shown}"
        );
        assert_eq!(found(&same), "a0@example.org");
    }

    #[test]
    fn a_mail_without_anything_is_shown_by_nothing() {
        let found = of("");
        assert_eq!((found.subject, &*found.sender, &*found.words), (None, "", ""));
    }
}
