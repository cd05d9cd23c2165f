//! The tree of parts (RFC 2046), walked with limits.
//!
//! The outermost boundary is looked for first, so a part that lost its own end cannot swallow its neighbours. Each
//! level reads its bytes once, hence the time is at most [`DEPTH_MAX`] times the size. A part that is a whole mail
//! stays one leaf; it is walked through only to see whether it keeps within the limits.

use memchr::memmem;

use crate::parse::DefectKind;
use crate::parse::defects::Defects;
use crate::parse::fields::Fields;
use crate::parse::mime::Mime;
use crate::parse::transfer::Encoding;

/// Deeper parts stay closed. Honest mail nests about ten deep (a bounce of a forwarded digest); each level costs a
/// reading of the bytes and a frame of the stack.
const DEPTH_MAX: usize = 50;

/// More parts than these stay in the raw message. A mail of 50 MiB can be cut into seven million.
const PARTS_MAX: usize = 10_000;

/// The longest boundary that is guessed; RFC 2046 allows 70.
const BOUNDARY_MAX: usize = 200;

/// A part: a leaf with a body, or a multipart with children.
#[derive(Debug)]
pub(super) struct Part<'x> {
    /// What it says about itself.
    pub(super) mime: Mime,
    /// Its place, as IMAP numbers parts; empty for a multipart that is the whole message.
    pub(super) number: String,
    /// Its body, still encoded.
    pub(super) body: &'x [u8],
    /// The parts of a multipart.
    pub(super) children: Vec<Part<'x>>,
}

impl<'x> Part<'x> {
    /// Whether it has no parts of its own.
    pub(super) fn is_leaf(&self) -> bool {
        self.children.is_empty()
    }

    /// All leaves below this part, in order.
    pub(super) fn leaves(&self) -> Vec<&Part<'x>> {
        if self.is_leaf() {
            return vec![self];
        }
        self.children.iter().flat_map(Part::leaves).collect()
    }
}

/// Reads the tree of `message`.
pub(super) fn walk<'x>(message: &'x [u8], defects: &mut Defects) -> Part<'x> {
    let mut walk = Walk { parts: 0, beyond: false, defects };
    let root = walk.part(message, "text/plain", String::new(), 0);
    if walk.beyond {
        let detail = format!("parts below the {DEPTH_MAX}th level or after the {PARTS_MAX}th were not opened");
        defects.add(DefectKind::NestingLimit, detail);
    }
    root
}

struct Walk<'d> {
    parts: usize,
    beyond: bool,
    defects: &'d mut Defects,
}

impl Walk<'_> {
    fn part<'x>(&mut self, bytes: &'x [u8], default: &str, number: String, depth: usize) -> Part<'x> {
        self.parts += 1;
        let mut fields = Fields::of(bytes);
        let mut mime = Mime::read(fields.by_ref(), default);
        let body = fields.into_body();
        let children = self.children(&mut mime, body, &number, depth);
        let number = if children.is_empty() && number.is_empty() { "1".to_owned() } else { number };
        if mime.is_message() && mime.encoding == Encoding::Identity {
            self.measure(body, depth + 1);
        }
        Part { mime, number, body, children }
    }

    /// The parts of a multipart. One without its boundary becomes the plain text that it looks like.
    fn children<'x>(&mut self, mime: &mut Mime, body: &'x [u8], number: &str, depth: usize) -> Vec<Part<'x>> {
        if !mime.is_multipart() {
            return Vec::new();
        }
        if depth >= DEPTH_MAX {
            self.beyond = true;
            return Vec::new();
        }
        let limit = PARTS_MAX.saturating_sub(self.parts);
        let mut found = split(body, mime.boundary.as_deref(), limit);
        if let Some(boundary) = found.is_empty().then(|| guess(body)).flatten() {
            let detail = format!("{} has another boundary than it says", place(number));
            self.defects.add(DefectKind::MissingBoundary, detail);
            found = split(body, Some(boundary), limit);
        }
        let Split { parts, closed, cut } = found;
        self.beyond |= cut;
        if parts.is_empty() && cut {
            return Vec::new();
        }
        if parts.is_empty() {
            self.defects.add(DefectKind::MissingBoundary, format!("{} has no boundary line", place(number)));
            *mime = Mime { encoding: mime.encoding, ..Mime::unsaid("text/plain") };
            return Vec::new();
        }
        if !closed && !cut {
            self.defects.add(DefectKind::MissingBoundary, format!("{} has no end", place(number)));
        }
        let default = if mime.content_type == "multipart/digest" { "message/rfc822" } else { "text/plain" };
        let mut children = Vec::with_capacity(parts.len());
        for (at, bytes) in parts.into_iter().enumerate() {
            if self.parts >= PARTS_MAX {
                self.beyond = true;
                break;
            }
            let number = if number.is_empty() { format!("{}", at + 1) } else { format!("{number}.{}", at + 1) };
            children.push(self.part(bytes, default, number, depth + 1));
        }
        children
    }

    /// Looks whether a mail within the mail keeps the limits. Its other defects are its own affair.
    fn measure(&mut self, message: &[u8], depth: usize) {
        if depth >= DEPTH_MAX {
            self.beyond = true;
            return;
        }
        let mut ignored = Defects::default();
        let mut inner = Walk { parts: self.parts, beyond: false, defects: &mut ignored };
        inner.part(message, "text/plain", String::new(), depth);
        self.beyond |= inner.beyond;
    }
}

/// Names a multipart in a defect.
fn place(number: &str) -> String {
    if number.is_empty() { "the multipart message".to_owned() } else { format!("multipart {number}") }
}

struct Split<'x> {
    parts: Vec<&'x [u8]>,
    closed: bool,
    cut: bool,
}

impl Split<'_> {
    fn is_empty(&self) -> bool {
        self.parts.is_empty() && !self.cut
    }
}

/// The boundary that the first line with two dashes is, if the line that ends it follows.
fn guess(body: &[u8]) -> Option<&[u8]> {
    let start = if body.starts_with(b"--") { 0 } else { memmem::find(body, b"\n--")? + 1 };
    let line = body.get(start..)?.split(|b| *b == b'\n').next()?.trim_ascii_end();
    let end = [b"\n", line, b"--"].concat();
    let boundary = line.strip_prefix(b"--").filter(|name| !name.is_empty() && name.len() <= BOUNDARY_MAX)?;
    memmem::find(body, &end).map(|_| boundary)
}

/// Cuts `body` at its boundary lines, into `limit` parts at most.
fn split<'x>(body: &'x [u8], boundary: Option<&[u8]>, limit: usize) -> Split<'x> {
    let mut split = Split { parts: Vec::new(), closed: false, cut: false };
    let Some(boundary) = boundary else { return split };
    let delimiter = [b"--", boundary].concat();
    let mut start = None;
    for at in memmem::find_iter(body, &delimiter) {
        let (before, line) = body.split_at_checked(at).unwrap_or((body, &[]));
        if !(before.is_empty() || before.ends_with(b"\n")) {
            continue;
        }
        let Some((line_length, is_end)) = delimiter_line(line, delimiter.len()) else { continue };
        if let Some(start) = start {
            if split.parts.len() == limit {
                split.cut = true;
                return split;
            }
            split.parts.push(without_line_end(before.get(start..).unwrap_or_default()));
        }
        if is_end {
            split.closed = true;
            return split;
        }
        start = Some(at + line_length);
    }
    match start {
        Some(_) if split.parts.len() == limit => split.cut = true,
        Some(start) => split.parts.push(body.get(start..).unwrap_or_default()),
        None => {}
    }
    split
}

/// The length of a boundary line with its line end, and whether it is the last one; `None` if more stands on it.
fn delimiter_line(line: &[u8], delimiter: usize) -> Option<(usize, bool)> {
    let rest = line.get(delimiter..)?;
    let (rest, is_end) = rest.strip_prefix(b"--").map_or((rest, false), |rest| (rest, true));
    let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
    let after = rest.get(blanks..)?;
    // Some senders write on behind the last boundary without a line end.
    let legal = is_end || after.is_empty() || after.starts_with(b"\n");
    legal.then(|| (line.len() - after.len() + usize::from(after.starts_with(b"\n")), is_end))
}

fn without_line_end(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(part: &Part<'_>) -> String {
        let name = format!("{}{}", part.number, &part.mime.content_type.split_once('/').unwrap().1);
        if part.is_leaf() {
            return name;
        }
        format!("{name}({})", part.children.iter().map(outline).collect::<Vec<_>>().join(" "))
    }

    fn check(raw: &str, expected: &str, kinds: &[DefectKind]) {
        let mut defects = Defects::default();
        let root = walk(raw.as_bytes(), &mut defects);
        let found: Vec<_> = defects.into_vec().into_iter().map(|defect| defect.kind).collect();
        assert_eq!((&*outline(&root), &*found), (expected, kinds), "{raw:.200}");
    }

    const MIXED: &str = "Content-Type: multipart/mixed; boundary=";

    #[test]
    fn parts_are_numbered_as_imap_does() {
        check("A: b\n\nx", "1plain", &[]);
        check(&format!("{MIXED}b\n\n--b\n\nx\n--b\n\ny\n--b--\n"), "mixed(1plain 2plain)", &[]);
        let inner =
            "Content-Type: multipart/alternative; boundary=c\n\n--c\n\nx\n--c\nContent-Type: text/html\n\ny\n--c--\n";
        check(
            &format!("{MIXED}b\n\n--b\n{inner}\n--b\n\ny\n--b--\n"),
            "mixed(1alternative(1.1plain 1.2html) 2plain)",
            &[],
        );
        check("Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\nx\n--b--", "digest(1rfc822)", &[]);
    }

    #[test]
    fn boundaries_that_are_wrong_lose_nothing() {
        check(&format!("{MIXED}b\n\n--bb\n\nx\n"), "1plain", &[DefectKind::MissingBoundary]);
        check("Content-Type: multipart/mixed\n\nx\n", "1plain", &[DefectKind::MissingBoundary]);
        check(&format!("{MIXED}b\n\n--b\n\nx\n"), "mixed(1plain)", &[DefectKind::MissingBoundary]);
        check(&format!("{MIXED}b\n\n\n--c\n\nx\n--c--\n"), "mixed(1plain)", &[DefectKind::MissingBoundary]);
        let open = "Content-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n";
        check(
            &format!("{MIXED}b\n\n--b\n{open}\n--b\n\ny\n--b--\n"),
            "mixed(1mixed(1.1plain) 2plain)",
            &[DefectKind::MissingBoundary],
        );
        check(&format!("{MIXED}\"b c\"\r\n\r\n--b c  \r\n\r\nx\r\n--b c--trailing"), "mixed(1plain)", &[]);
    }

    #[test]
    fn the_line_end_before_a_boundary_belongs_to_it() {
        let raw = format!("{MIXED}b\r\n\r\n--b\r\n\r\nx\r\n\r\n--b\r\n--b--");
        let root = walk(raw.as_bytes(), &mut Defects::default());
        let bodies: Vec<_> = root.children.iter().map(|part| part.body).collect();
        assert_eq!(bodies, [&b"x\r\n"[..], b""]);
    }

    #[test]
    fn nesting_ends_at_the_limit_and_costs_little() {
        let deep: String = (0..20_000).map(|n| format!("{MIXED}b{n}\n\n--b{n}\n")).collect();
        let mut defects = Defects::default();
        let root = walk(deep.as_bytes(), &mut defects);
        assert_eq!(root.leaves().len(), 1);
        assert!(defects.into_vec().iter().any(|defect| defect.kind == DefectKind::NestingLimit));
        check(&"Content-Type: message/rfc822\n\n".repeat(20_000), "1rfc822", &[DefectKind::NestingLimit]);
    }

    #[test]
    fn parts_end_at_the_limit() {
        let wide = format!("{MIXED}b\n\n{}--b--\n", "--b\n\nx\n".repeat(20_000));
        let mut defects = Defects::default();
        let root = walk(wide.as_bytes(), &mut defects);
        assert_eq!(root.children.len(), PARTS_MAX - 1);
        assert_eq!(defects.into_vec()[0].kind, DefectKind::NestingLimit);
    }
}
