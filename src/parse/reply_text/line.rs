//! What a single line is, of those that part what a sender wrote from what was there before.

use memchr::memchr;

use super::phrases::LANGUAGES;
use super::phrases::Language;

/// The longest line that introduces a quote, in bytes, with what it is wrapped into.
const ATTRIBUTION_MAX: usize = 500;

/// The longest line of a telephone's signature, in bytes.
const SENT_FROM_MAX: usize = 160;

/// Lines of a header block that are looked at, blank ones included, and their bytes.
const BLOCK_LINES: usize = 12;
const BLOCK_BYTES: usize = 4096;

/// The longest label of a header block, in bytes.
const LABEL_MAX: usize = 40;

/// One line of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'t> {
    /// Where it begins.
    pub(super) start: usize,
    /// Where the next one does.
    pub(super) next: usize,
    /// The line without its end.
    raw: &'t str,
    /// Without blanks at either end.
    text: &'t str,
}

impl<'t> Line<'t> {
    /// The line that begins at `start`; `None` at the end of the text.
    pub(super) fn at(text: &'t str, start: usize) -> Option<Line<'t>> {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        let raw = rest.get(..length)?;
        let next = start + (length + 1).min(rest.len());
        Some(Line { start, next, raw: raw.strip_suffix('\r').unwrap_or(raw), text: raw.trim() })
    }

    /// Where its last letter ends.
    pub(super) fn end(&self) -> usize {
        self.start + self.raw.trim_end().len()
    }

    /// Whether nothing stands on it.
    pub(super) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether it is marked as quoted.
    pub(super) fn is_quoted(&self) -> bool {
        self.text.starts_with('>')
    }

    /// The next line that is not blank.
    pub(super) fn below(&self, text: &'t str) -> Option<Line<'t>> {
        let rest = text.get(self.next..)?;
        let blank = rest.len() - rest.trim_start().len();
        let start = rest.get(..blank).and_then(|blanks| blanks.rfind('\n')).map_or(0, |at| at + 1);
        Line::at(text, self.next + start).filter(|line| !line.is_blank())
    }

    /// The signature delimiter (RFC 3676 section 4.3).
    pub(super) fn is_delimiter(&self) -> bool {
        self.raw == "-- "
    }

    /// The delimiter without its blank, as many programs leave it, or a long dash.
    pub(super) fn is_short_delimiter(&self) -> bool {
        matches!(self.raw.trim_end(), "--" | "—" | "–")
    }

    /// A line drawn with dashes or the like.
    pub(super) fn is_rule(&self) -> bool {
        self.text.len() >= 5 && self.text.bytes().all(|b| matches!(b, b'_' | b'-' | b'=' | b'*'))
    }

    /// What stands between dashes on both sides.
    fn between_dashes(&self) -> Option<&'t str> {
        let inner = self.text.strip_prefix("--")?.strip_suffix('-')?;
        Some(inner.trim_matches(['-', ' ', '\u{a0}']))
            .filter(|inner| !inner.is_empty() && inner.len() < ATTRIBUTION_MAX)
    }

    /// Whether this stands above a mail that is quoted to the end.
    pub(super) fn is_original_mark(&self) -> bool {
        self.between_dashes().is_some_and(|inner| LANGUAGES.iter().any(|of| of.original.iter().any(|p| same(inner, p))))
    }

    /// Whether this stands above a forwarded mail.
    pub(super) fn is_forward_mark(&self) -> bool {
        let is_mark = |text: &str| {
            let phrases = LANGUAGES.iter().flat_map(|of| of.forwarded);
            phrases.into_iter().any(|p| same(text.trim_end_matches([':', '：', ' ']), p.trim_end_matches(':')))
        };
        if let Some(inner) = self.between_dashes() {
            return is_mark(inner) || begins(inner, "forwarded by ");
        }
        self.text.ends_with([':', '：']) && self.text.len() < LABEL_MAX * 2 && is_mark(self.text)
    }

    /// Whether a telephone or a mail program signs here. `alone` tells that a blank line stands above.
    pub(super) fn is_sent_from(&self, alone: bool) -> bool {
        if self.text.len() > SENT_FROM_MAX {
            return false;
        }
        // Some put the line in emphasis, or draw a dash before it.
        let text = self.text.trim_matches(['*', '_', '-', ' ', '.', '。']);
        let signs = |of: &Language| {
            of.sent_from.iter().any(|p| begins(text, p)) || of.sent_from_ends.iter().any(|p| text.ends_with(p))
        };
        let short = text.split_whitespace().count() <= 9;
        short && LANGUAGES.iter().any(signs) && (alone || names_device(text))
    }

    /// Whether a block of From, date and subject begins here, as mail programs put it above what they quote.
    pub(super) fn begins_header_block(&self, text: &str) -> bool {
        let Some((label, value)) = self.labelled() else { return false };
        let mut languages: Vec<&Language> = LANGUAGES.iter().filter(|of| any(label, of.from)).collect();
        if languages.is_empty() {
            return false;
        }
        let addressed = value.contains('@');
        let (mut date, mut to, mut subject) = (false, false, false);
        let (mut at, mut left) = (self.next, BLOCK_LINES);
        while let Some(line) = Line::at(text, at).filter(|_| left > 0 && at - self.next < BLOCK_BYTES) {
            if let Some((label, _)) = line.labelled() {
                languages
                    .retain(|of| any(label, of.date) || any(label, of.to) || any(label, of.subject) || !known(label));
                date |= languages.iter().any(|of| any(label, of.date));
                to |= languages.iter().any(|of| any(label, of.to));
                subject |= languages.iter().any(|of| any(label, of.subject));
            }
            // Without a subject, an address tells a mail from a journey.
            if date && (subject || (to && addressed)) {
                return true;
            }
            (at, left) = (line.next, left - 1);
        }
        false
    }

    /// The label and the value of `Label: value`, in emphasis or not.
    fn labelled(&self) -> Option<(&'t str, &'t str)> {
        let head = self.text.get(..self.text.floor_char_boundary(LABEL_MAX))?;
        let at = head.find([':', '：'])?;
        let (label, rest) = self.text.split_at_checked(at)?;
        Some((label.trim_matches(['*', ' ', '\u{a0}', '\u{202f}', '\t']), rest))
    }

    /// Whether it may be the end of `On … wrote:`.
    pub(super) fn ends_like_attribution(&self) -> bool {
        self.text.ends_with([':', '：']) && self.text.len() <= ATTRIBUTION_MAX
    }
}

/// Whether a label is one of any language's.
fn known(label: &str) -> bool {
    LANGUAGES.iter().any(|of| any(label, of.date) || any(label, of.to) || any(label, of.subject))
}

fn any(label: &str, labels: &[&str]) -> bool {
    labels.iter().any(|known| same(label, known))
}

/// Words by which telephones and mail programs call themselves.
fn names_device(text: &str) -> bool {
    let lower = text.to_lowercase();
    let devices = [
        "iphone",
        "ipad",
        "android",
        "samsung",
        "galaxy",
        "outlook",
        "blackberry",
        "windows",
        "yahoo",
        "proton",
        "huawei",
        "xiaomi",
        "smartphone",
        "mobil",
        "gmx",
        "web.de",
    ];
    devices.iter().any(|device| lower.contains(device))
}

/// A line that tells who wrote what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribution {
    /// How many lines it is wrapped into.
    pub(super) lines: usize,
    /// Whether it names a moment or an address, and not only a person.
    pub(super) certain: bool,
}

/// Whether the lines that begin at `starts`, the last one first, and end at `end` are an attribution.
pub(super) fn attribution(text: &str, starts: &[usize], end: usize) -> Option<Attribution> {
    let candidates = starts.iter().enumerate().filter_map(|(above, start)| {
        let given = text.get(*start..end).filter(|given| given.len() <= ATTRIBUTION_MAX)?;
        Some((above + 1, given.trim()))
    });
    let candidates: Vec<(usize, &str)> = candidates.collect();
    let (_, last) = candidates.first()?;
    let (_, longest) = candidates.last()?;
    let lower = longest.to_lowercase();
    let said: Vec<&Language> = LANGUAGES.iter().filter(|of| of.verbs.iter().any(|verb| lower.contains(verb))).collect();
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
    // "Ann Lee wrote:" alone.
    let last_lower = last.to_lowercase();
    let ends = last_lower.trim_end_matches([':', '：', ' ', '\u{a0}', '\u{202f}', ')']);
    let verb = LANGUAGES.iter().flat_map(|of| of.verbs).any(|verb| ends.ends_with(verb));
    let short = last.split_whitespace().count() <= 12;
    (verb && short).then(|| Attribution { lines: 1, certain: is_certain(last) && has_digit(last) })
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

/// Whether a subject says that the mail is forwarded.
pub(super) fn is_forward(subject: &str) -> bool {
    let Some(at) = subject.find([':', '：']) else { return false };
    let prefix = subject.get(..at).unwrap_or_default().trim();
    LANGUAGES.iter().any(|of| any(prefix, of.forward_prefixes))
}

/// Whether `text` begins with `phrase`, which is in lower case.
fn begins(text: &str, phrase: &str) -> bool {
    let mut letters = text.chars().flat_map(char::to_lowercase);
    phrase.chars().all(|c| letters.next() == Some(c))
}

/// Whether `text` is `phrase`, which is in lower case.
fn same(text: &str, phrase: &str) -> bool {
    text.chars().flat_map(char::to_lowercase).eq(phrase.chars())
}
