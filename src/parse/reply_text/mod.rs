//! The part of a text that its sender wrote for this mail: without quoted history and signature.
//!
//! What is left is one stretch of the text, so nothing is copied. History is cut where it is clear: lines with `>` at
//! either end, a line that tells who wrote (`On … wrote:`), a mail program's block of From, Sent, To and Subject.
//! Quotes between answers stay, because the answers cannot be read without them; forwarded mail stays, because it is
//! what the sender wants to be read; and where nothing would be left, everything stays. When unsure, keep.
//!
//! One pass over the lines; how far it looks ahead or back is bounded.

mod line;
mod phrases;

use std::ops::Range;

use line::Line;

/// A signature with more lines than this, or with more behind a delimiter without its blank, is none.
const SIGNATURE_MAX: usize = 20;
const SIGNATURE_MAX_UNSURE: usize = 10;

/// Lines that one attribution may be wrapped into.
const WRAPPED_MAX: usize = 4;

/// The bytes of `text` that are neither quoted history nor signature.
pub(super) fn find(text: &str, subject: Option<&str>) -> Range<usize> {
    let whole = 0..text.len();
    if subject.is_some_and(line::is_forward) {
        return whole;
    }
    let mut reader = Reader::default();
    let mut at = 0;
    while let Some(line) = Line::at(text, at) {
        if reader.take(text, line) == Step::Stop {
            break;
        }
        at = line.next;
    }
    if reader.forwards {
        return whole;
    }
    reader.seen.stretch(text).unwrap_or(whole)
}

/// Whether there is more to look at.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Go,
    Stop,
}

/// What was seen up to some line.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// Where the first line begins that the sender wrote.
    first: Option<usize>,
    /// Where the last one ends.
    last: usize,
    /// Whether a quote stands above the first.
    quote_above: bool,
    /// Whether a quote stands below the last.
    quote_below: bool,
    /// Whether quotes stand between.
    quote_inside: bool,
    /// The lines of a signature so far, and how many there may be.
    signature: Option<(usize, usize)>,
}

impl Seen {
    fn write(&mut self, line: Line<'_>) {
        if self.first.is_none() {
            self.first = Some(line.start);
        }
        self.quote_inside |= self.quote_below;
        (self.last, self.quote_below, self.signature) = (line.end(), false, None);
    }

    fn quote(&mut self) {
        self.signature = None;
        if self.first.is_none() {
            self.quote_above = true;
        } else {
            self.quote_below = true;
        }
    }

    /// What is left, if anything is.
    fn stretch(&self, text: &str) -> Option<Range<usize>> {
        let first = self.first?;
        // With quotes in between, the first answer needs the quote above it.
        let start = if self.quote_above && !self.quote_inside { first } else { 0 };
        let nothing_below = text.get(self.last..).is_some_and(|rest| rest.trim().is_empty());
        Some(start..if nothing_below { text.len() } else { self.last })
    }
}

#[derive(Debug, Default)]
struct Reader {
    seen: Seen,
    /// The lines just above, without a blank or quoted one between, each with what was seen before it.
    above: Vec<(usize, Seen)>,
    /// Whether a forwarded mail follows.
    forwards: bool,
}

impl Reader {
    fn take(&mut self, text: &str, line: Line<'_>) -> Step {
        if line.is_blank() {
            self.above.clear();
            return Step::Go;
        }
        if line.is_quoted() {
            self.above.clear();
            self.seen.quote();
            return Step::Go;
        }
        if line.is_forward_mark() {
            self.forwards = true;
            return Step::Stop;
        }
        if line.is_original_mark() || line.begins_header_block(text) {
            return self.history();
        }
        let before = self.seen;
        if self.above.len() == WRAPPED_MAX {
            self.above.remove(0);
        }
        self.above.push((line.start, before));
        if line.ends_like_attribution()
            && let Some(step) = self.attribution(text, line)
        {
            return step;
        }
        self.own(line);
        Step::Go
    }

    /// A line that is no quote and introduces none.
    fn own(&mut self, line: Line<'_>) {
        match self.seen.signature {
            Some((lines, max)) if lines < max => self.seen.signature = Some((lines + 1, max)),
            Some(_) => self.seen.write(line),
            None if line.is_delimiter() => self.seen.signature = Some((0, SIGNATURE_MAX)),
            None if line.is_short_delimiter() => self.seen.signature = Some((0, SIGNATURE_MAX_UNSURE)),
            None if line.is_rule() || line.is_sent_from(self.above.len() == 1) => {}
            None => self.seen.write(line),
        }
    }

    /// History to the end of the text, if the sender wrote anything above it.
    fn history(&mut self) -> Step {
        if self.seen.first.is_none() && !self.seen.quote_above {
            // A mail passed on without a word: all of it is what the sender wants to be read.
            self.forwards = true;
        }
        Step::Stop
    }

    /// Takes the line, with those above that belong to it, for `On … wrote:`, if it is that.
    fn attribution(&mut self, text: &str, line: Line<'_>) -> Option<Step> {
        let starts: Vec<usize> = self.above.iter().rev().map(|(start, _)| *start).collect();
        let found = line::attribution(text, &starts, line.end())?;
        let (_, before) = *self.above.get(self.above.len().checked_sub(found.lines)?)?;
        let below = line.below(text);
        if below.is_none_or(|below| below.is_quoted()) {
            self.seen = before;
            self.seen.quote();
            self.above.clear();
            return Some(Step::Go);
        }
        // Where nothing marks the quoted lines, only a date and an address tell that they are that; and where nothing
        // stands above, the answer stands somewhere below.
        if !found.certain || before.first.is_none() {
            return None;
        }
        self.seen = before;
        Some(Step::Stop)
    }
}

#[cfg(test)]
mod tests;
