//! What a single line is, of those that part what a sender wrote from what was there before.

use memchr::memchr;

use super::phrases::LANGUAGES;
use super::phrases::Language;

/// The longest line that introduces a quote, in bytes, with what it is wrapped into.
pub(super) const ATTRIBUTION_MAX: usize = 500;

/// The longest line of a telephone's signature, in bytes.
const SENT_FROM_MAX: usize = 160;

/// The words of such a line.
const SENT_FROM_WORDS: usize = 12;

/// Words by which telephones and mail programs call themselves (in lower case).
const DEVICES: [&str; 33] = [
    "iphone",
    "ipad",
    "android",
    "samsung",
    "galaxy",
    "pixel",
    "oneplus",
    "nokia",
    "motorola",
    "huawei",
    "xiaomi",
    "blackberry",
    "outlook",
    "windows",
    "yahoo",
    "proton",
    "gmx",
    "web.de",
    "mail",
    "phone",
    "mobil",
    "handy",
    "tablet",
    "telefon",
    "téléphone",
    "móvil",
    "celular",
    "cellulare",
    "telefoon",
    "мобильн",
    "телефон",
    "スマ",
    "手机",
];

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

    /// Whether it may be one of the two marks below, which are looked up in all languages.
    pub(super) fn looks_like_mark(&self) -> bool {
        self.between_dashes().is_some() || self.text.len() < LABEL_MAX * 2 && self.text.ends_with([':', '：'])
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

    /// Whether a telephone or a mail program signs here.
    pub(super) fn is_sent_from(&self) -> bool {
        if self.text.len() > SENT_FROM_MAX || self.text.split_whitespace().count() > SENT_FROM_WORDS {
            return false;
        }
        // Some put the line in emphasis, or draw a dash before it.
        let text = self.text.trim_matches(['*', '_', '-', ' ', '.', '。']).to_lowercase();
        let signs = |of: &Language| of.sent_from.iter().any(|phrase| frames(&text, phrase));
        DEVICES.iter().any(|device| text.contains(device)) && LANGUAGES.iter().any(signs)
    }

    /// The label and the value of `Label: value`, in emphasis or not.
    pub(super) fn labelled(&self) -> Option<(&'t str, &'t str)> {
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

/// Whether `label` is one of `labels`.
pub(super) fn any(label: &str, labels: &[&str]) -> bool {
    labels.iter().any(|known| same(label, known))
}

/// Whether `text` begins with `phrase`; of one with a gap (`…`), whether it begins and ends with what stands around it.
fn frames(text: &str, phrase: &str) -> bool {
    match phrase.split_once('…') {
        Some((head, tail)) => text.starts_with(head) && text.ends_with(tail),
        None => text.starts_with(phrase),
    }
}

/// Whether a subject says that the mail is forwarded.
pub(super) fn is_forward(subject: &str) -> bool {
    let Some(at) = subject.find([':', '：']) else { return false };
    let prefix = subject.get(..at).unwrap_or_default().trim();
    LANGUAGES.iter().any(|of| any(prefix, of.forward_prefixes))
}

/// Whether `text` begins with `phrase`, which is in lower case.
pub(super) fn begins(text: &str, phrase: &str) -> bool {
    let mut letters = text.chars().flat_map(char::to_lowercase);
    phrase.chars().all(|c| letters.next() == Some(c))
}

/// Whether `text` is `phrase`, which is in lower case.
pub(super) fn same(text: &str, phrase: &str) -> bool {
    text.chars().flat_map(char::to_lowercase).eq(phrase.chars())
}
