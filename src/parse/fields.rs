//! Where the header ends, and its fields as raw bytes (RFC 5322 section 2.2).
//!
//! Tolerates what mail in the wild has: LF alone, an mbox `From ` line, spaces before the colon, a stray line among
//! the fields, and a body that begins without the blank line.

use memchr::memchr;

/// One field, undecoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'x> {
    /// The name as written.
    pub(super) name: &'x [u8],
    /// What follows the colon, with its folded lines.
    pub(super) value: &'x [u8],
}

impl Field<'_> {
    /// Whether this is the field called `name`.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of a message or a part, one after the other.
#[derive(Debug)]
pub(super) struct Fields<'x> {
    rest: &'x [u8],
    first: bool,
    ended: bool,
}

impl<'x> Fields<'x> {
    /// Starts at the head of `message`.
    pub(super) fn of(message: &'x [u8]) -> Fields<'x> {
        Fields { rest: message, first: true, ended: false }
    }

    /// What follows the header; skips the fields that were not asked for.
    pub(super) fn into_body(mut self) -> &'x [u8] {
        while self.next().is_some() {}
        self.rest
    }

    /// The value that starts behind `colon` in the first line of `rest`, up to the end of its folded lines.
    fn take_value(&mut self, colon: usize) -> &'x [u8] {
        let mut end = line_length(self.rest);
        while let Some(line) = self.rest.get(end..).filter(|rest| is_folded(rest)) {
            end += line_length(line);
        }
        let (field, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        field.get(colon + 1..).unwrap_or_default()
    }
}

impl<'x> Iterator for Fields<'x> {
    type Item = Field<'x>;

    fn next(&mut self) -> Option<Field<'x>> {
        while !self.ended {
            let first = std::mem::take(&mut self.first);
            let length = line_length(self.rest);
            let (line, after) = self.rest.split_at_checked(length)?;
            if line.is_empty() {
                return None;
            }
            if line.trim_ascii().is_empty() {
                return self.stop(after);
            }
            if let Some((name, colon)) = name_of(line) {
                return Some(Field { name, value: self.take_value(colon) });
            }
            let skipped = (first && is_mbox_line(line)) || name_of(after).is_some() || is_folded(after);
            if !skipped {
                return self.stop(self.rest);
            }
            self.rest = after;
        }
        None
    }
}

impl<'x> Fields<'x> {
    /// Ends here for good: what follows is the body, whatever it looks like.
    fn stop(&mut self, body: &'x [u8]) -> Option<Field<'x>> {
        self.rest = body;
        self.ended = true;
        None
    }
}

fn is_mbox_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// The length of the first line of `text` with its line end.
fn line_length(text: &[u8]) -> usize {
    memchr(b'\n', text).map_or(text.len(), |at| at + 1)
}

/// Whether `rest` begins with a line that continues a field. A line of blanks does so only between fields.
fn is_folded(rest: &[u8]) -> bool {
    if !rest.starts_with(b" ") && !rest.starts_with(b"\t") {
        return false;
    }
    let (line, after) = rest.split_at_checked(line_length(rest)).unwrap_or((rest, &[]));
    !line.trim_ascii().is_empty() || name_of(after).is_some()
}

/// The field name that `text` begins with, and the place of its colon.
fn name_of(text: &[u8]) -> Option<(&[u8], usize)> {
    let length = text.iter().position(|b| !b.is_ascii_graphic() || *b == b':')?;
    let (name, rest) = text.split_at_checked(length)?;
    let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let legal = !name.is_empty() && rest.get(blanks) == Some(&b':');
    legal.then_some((name, length + blanks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &[(&str, &str)], body: &str) {
        let mut fields = Fields::of(raw.as_bytes());
        let read: Vec<_> = fields.by_ref().map(|f| (text(f.name), text(f.value))).collect();
        let expected: Vec<_> = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!((read, text(fields.into_body())), (expected, body.to_owned()), "{raw:?}");
        // A header that has ended stays ended.
        assert_eq!(text(Fields::of(raw.as_bytes()).into_body()), body);
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn fields_end_at_the_blank_line() {
        check("A: b\r\nC:d\r\n e\r\n\r\nF: g\r\n", &[("A", " b\r\n"), ("C", "d\r\n e\r\n")], "F: g\r\n");
        check("A: b\nC: d\n\n\nx", &[("A", " b\n"), ("C", " d\n")], "\nx");
        check("A: b", &[("A", " b")], "");
        check("", &[], "");
        check("\nA: b\n", &[], "A: b\n");
    }

    #[test]
    fn stray_lines_among_fields_are_passed_over() {
        check("From me Thu Jan  1\nA: b\n\nx", &[("A", " b\n")], "x");
        check("A : b\ngarbage here\nC: d\n\nx", &[("A", " b\n"), ("C", " d\n")], "x");
        check("A: b\n  \nC: d\n\nx", &[("A", " b\n  \n"), ("C", " d\n")], "x");
    }

    #[test]
    fn a_body_without_its_blank_line_is_not_lost() {
        check("A: b\nHello there\nbye\n", &[("A", " b\n")], "Hello there\nbye\n");
        check("A: b\n \t\nHello there\n", &[("A", " b\n")], "Hello there\n");
        check("no header at all\n", &[], "no header at all\n");
    }
}
