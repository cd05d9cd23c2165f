//! The block of From, Sent, To and Subject that mail programs put above what they quote.

use super::line::Line;
use super::line::any;
use super::phrases::LANGUAGES;
use super::phrases::Language;

/// Lines of a block, blank ones included.
const LINES_MAX: usize = 12;

/// A block that began with its sender.
#[derive(Debug)]
pub(super) struct Block {
    /// The languages that it may be in.
    languages: Vec<&'static Language>,
    /// Whether its sender has an address.
    addressed: bool,
    date: bool,
    to: bool,
    subject: bool,
    lines: usize,
}

impl Block {
    /// A block, if `line` is its first.
    pub(super) fn begin(line: Line<'_>) -> Option<Block> {
        let (label, value) = line.labelled()?;
        let languages: Vec<_> = LANGUAGES.iter().filter(|of| any(label, of.from)).collect();
        let addressed = value.contains('@');
        let begun = Block { languages, addressed, date: false, to: false, subject: false, lines: 0 };
        Some(begun).filter(|block| !block.languages.is_empty())
    }

    /// Takes the next line.
    pub(super) fn take(&mut self, line: Line<'_>) {
        self.lines += 1;
        let Some((label, _)) = line.labelled().filter(|_| self.lines <= LINES_MAX) else { return };
        let said =
            |labels: fn(&Language) -> &'static [&'static str]| self.languages.iter().any(|of| any(label, labels(of)));
        let (date, to, subject) = (said(|of| of.date), said(|of| of.to), said(|of| of.subject));
        (self.date, self.to, self.subject) = (self.date || date, self.to || to, self.subject || subject);
    }

    /// Whether it is one. Without a subject, an address tells a mail from a journey (From, To, Date).
    pub(super) fn is_whole(&self) -> bool {
        self.date && (self.subject || (self.to && self.addressed))
    }
}
