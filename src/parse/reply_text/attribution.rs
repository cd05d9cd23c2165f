//! The line that tells who wrote what follows (`On … wrote:`), in many languages, wrapped into several lines or not.

use super::line::ATTRIBUTION_MAX;
use super::line::begins;
use super::phrases::LANGUAGES;
use super::phrases::Language;

/// A line that tells who wrote what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribution {
    /// How many lines it is wrapped into.
    pub(super) lines: usize,
    /// Whether it names a moment or an address, and not only a person.
    pub(super) certain: bool,
}

/// Whether the lines that begin at `starts`, the last one first, and end at `end` are an attribution.
pub(super) fn find(text: &str, starts: &[usize], end: usize) -> Option<Attribution> {
    let candidates = starts.iter().enumerate().filter_map(|(above, start)| {
        let given = text.get(*start..end).filter(|given| given.len() <= ATTRIBUTION_MAX)?;
        Some((above + 1, given.trim()))
    });
    let candidates: Vec<(usize, &str)> = candidates.collect();
    let (_, last) = candidates.first()?;
    let (_, longest) = candidates.last()?;
    if !has_digit(longest) {
        return named(last);
    }
    let lower = longest.to_lowercase();
    let said: Vec<&Language> = LANGUAGES.iter().filter(|of| of.verbs.iter().any(|verb| says(&lower, verb))).collect();
    let opened = |given: &str| said.iter().any(|of| of.opens.iter().any(|open| begins(given, open)));
    let dated = |given: &str| given.starts_with(|c: char| c.is_ascii_digit());
    let addressed = |given: &str| given.contains('@') && given.trim_end_matches([':', '：', ' ']).ends_with(['>', ')']);
    // Some languages, in some programs, say no verb: date, name and address alone.
    let bare = |given: &str| is_certain(given) && addressed(given) && (dated(given) || weekday(given));
    let found = candidates.iter().find(|(_, given)| (opened(given) && has_digit(given)) || bare(given));
    if let Some((lines, given)) = found {
        return Some(Attribution { lines: *lines, certain: is_certain(given) });
    }
    let dated_above = candidates.iter().find(|(_, given)| !said.is_empty() && dated(given) && is_certain(given));
    if let Some((lines, _)) = dated_above {
        return Some(Attribution { lines: *lines, certain: true });
    }
    named(last)
}

/// `Ann Lee wrote:` alone.
fn named(last: &str) -> Option<Attribution> {
    let ends = last.trim_end_matches([':', '：', ' ', '\u{a0}', '\u{202f}', ')']).to_lowercase();
    let verb = LANGUAGES
        .iter()
        .flat_map(|of| of.verbs)
        .any(|verb| ends.ends_with(verb) && begins_word(&ends, ends.len() - verb.len()));
    let short = last.split_whitespace().count() <= 12;
    (verb && short).then(|| Attribution { lines: 1, certain: is_certain(last) && has_digit(last) })
}

/// Whether `text` has `verb` at the beginning of a word; its end may be another (`napisała`).
fn says(text: &str, verb: &str) -> bool {
    text.match_indices(verb).any(|(at, _)| begins_word(text, at))
}

/// Whether no word goes on at `at`. Chinese and Japanese have no case, and no blanks between words.
fn begins_word(text: &str, at: usize) -> bool {
    let (before, after) = text.split_at(at);
    let cased = |c: char| c.is_lowercase();
    !(before.ends_with(char::is_alphanumeric) && after.starts_with(cased))
}

fn weekday(given: &str) -> bool {
    LANGUAGES.iter().flat_map(|of| of.opens).any(|open| open.ends_with(',') && begins(given, open))
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit())
}

/// Whether `text` holds an address, a time of day or a year.
fn is_certain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let time = |at: &[u8]| matches!(at, [a, b':' | b'.' | b'h', c, d] if [a, c, d].iter().all(|b| b.is_ascii_digit()));
    let year = |at: &[u8]| at.iter().all(u8::is_ascii_digit);
    text.contains('@') || bytes.windows(4).any(|at| time(at) || year(at))
}
