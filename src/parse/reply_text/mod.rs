//! The part of a text that its sender wrote for this mail: without quoted history and signature.
//!
//! What is left is one stretch of the text, so nothing is copied. History is cut where it is clear: lines with `>` at
//! either end, a line that tells who wrote (`On … wrote:`), a mail program's block of From, Sent, To and Subject.
//! Quotes between answers stay, because the answers cannot be read without them; forwarded mail stays, because it is
//! what the sender wants to be read; and where nothing would be left, everything stays. When unsure, keep.
//!
//! One pass over the lines; how far it looks back is bounded.

mod attribution;
mod block;
mod line;
mod phrases;

use std::ops::Range;

use block::Block;
use line::Line;

/// A signature with more lines than this, or with more behind a delimiter without its blank, is none.
const SIGNATURE_MAX: usize = 20;
const SIGNATURE_MAX_UNSURE: usize = 10;

/// Lines that could introduce history, beyond these, are not looked at closely: no honest text has as many, and each
/// costs more than others.
const MARKS_MAX: usize = 10_000;

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
        reader.block(line);
        if reader.take(text, line) == Step::Stop {
            break;
        }
        at = line.next;
    }
    if reader.forwards {
        return whole;
    }
    reader.seen.leave_signature(text);
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
    /// Where the last one begins and ends, and where the one before it ends.
    last: (usize, usize),
    second_last: usize,
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
        (self.second_last, self.last) = (self.last.1, (line.start, line.end()));
        (self.quote_below, self.signature) = (false, None);
    }

    /// Takes the signature of a telephone off the end, once it is known to be the end.
    fn leave_signature(&mut self, text: &str) {
        if self.first.is_none() || self.quote_below {
            return;
        }
        let (start, _) = self.last;
        if !Line::at(text, start).is_some_and(|line| line.is_sent_from()) {
            return;
        }
        if self.first == Some(start) {
            self.first = None;
        }
        self.last = (self.second_last, self.second_last);
    }

    fn quote(&mut self, text: &str) {
        self.leave_signature(text);
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
        let nothing_below = text.get(self.last.1..).is_some_and(|rest| rest.trim().is_empty());
        Some(start..if nothing_below { text.len() } else { self.last.1 })
    }
}

#[derive(Debug, Default)]
struct Reader {
    seen: Seen,
    /// The lines just above, without a blank or quoted one between, each with what was seen before it.
    above: Vec<(usize, Seen)>,
    /// The block of From, Sent, To and Subject that may have begun, and what was seen before it.
    block: Option<(Block, Seen)>,
    /// Lines that were looked at closely.
    marks: usize,
    /// Whether a forwarded mail follows.
    forwards: bool,
}

impl Reader {
    /// Follows a block of From, Sent, To and Subject; a new From begins a new one.
    fn block(&mut self, line: Line<'_>) {
        if let Some(block) = Block::begin(line).filter(|_| self.marks < MARKS_MAX) {
            self.marks += 1;
            self.block = Some((block, self.seen));
        } else if let Some((block, _)) = &mut self.block {
            block.take(line);
        }
    }

    fn take(&mut self, text: &str, line: Line<'_>) -> Step {
        if line.is_blank() {
            self.above.clear();
            return Step::Go;
        }
        if line.is_quoted() {
            self.above.clear();
            self.seen.quote(text);
            return Step::Go;
        }
        if line.looks_like_mark() && self.marks < MARKS_MAX {
            self.marks += 1;
            if line.is_forward_mark() {
                self.forwards = true;
                return Step::Stop;
            }
            if line.is_original_mark() {
                return self.history();
            }
        }
        if let Some((_, before)) = self.block.take_if(|(block, _)| block.is_whole()) {
            self.seen = before;
            return self.history();
        }
        let before = self.seen;
        if self.above.len() == WRAPPED_MAX {
            self.above.remove(0);
        }
        self.above.push((line.start, before));
        if line.ends_like_attribution()
            && self.marks < MARKS_MAX
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
            None if line.is_rule() => {}
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
        self.marks += 1;
        let starts: Vec<usize> = self.above.iter().rev().map(|(start, _)| *start).collect();
        let found = attribution::find(text, &starts, line.end())?;
        let (_, before) = *self.above.get(self.above.len().checked_sub(found.lines)?)?;
        // At the end of a text, what looks like it may introduce an attachment.
        if line.below(text).map_or(found.certain, |below| below.is_quoted()) {
            self.seen = before;
            self.seen.quote(text);
            self.above.clear();
            return Some(Step::Go);
        }
        // Where nothing marks the quoted lines, only a moment or an address tells that they are that; and where nothing
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
