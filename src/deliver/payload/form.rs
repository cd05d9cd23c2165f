//! Forms as browsers send them: `multipart/form-data` (RFC 7578) and `application/x-www-form-urlencoded`.
//!
//! Written piece by piece, with the same bytes each time. The boundary is a hash of the mail's id, which is a hash of the
//! mail itself: a mail that holds its own boundary cannot be made.

use std::io;
use std::io::Write;

use sha2::Digest as _;
use sha2::Sha256;

use crate::ident::MessageId;

/// What a file's type is where the mail names none that can be written.
const UNKNOWN: &str = "application/octet-stream";

/// A form whose fields and files stand one after the other.
#[derive(Debug)]
pub(super) struct Form {
    boundary: String,
}

impl Form {
    /// The form that carries the mail `id`.
    pub(super) fn of(id: &MessageId) -> Form {
        let hash = Sha256::digest(format!("boundary {}", id.as_str()));
        let mut boundary = data_encoding::HEXLOWER.encode(&hash);
        boundary.truncate(32);
        Form { boundary: format!("pophook-{boundary}") }
    }

    /// The value of `Content-Type`.
    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// Writes the field `name`.
    ///
    /// # Errors
    /// Those of `out`, here and below.
    pub(super) fn field(&self, out: &mut dyn Write, name: &str, value: &[u8]) -> io::Result<()> {
        self.written(out, name, |out| out.write_all(value))
    }

    /// Writes the field `name`, whose value comes from `content`.
    ///
    /// # Errors
    /// Those of `out`, here and below.
    pub(super) fn written(
        &self,
        out: &mut dyn Write,
        name: &str,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        write!(out, "--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n", self.boundary, quoted(name))?;
        content(out)?;
        out.write_all(b"\r\n")
    }

    /// Writes the file `name`, whose bytes come from `content`.
    pub(super) fn file(
        &self,
        out: &mut dyn Write,
        name: &str,
        (filename, content_type): (&str, &str),
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let (name, filename) = (quoted(name), quoted(filename));
        write!(
            out,
            "--{}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"\r\n",
            self.boundary
        )?;
        let writable = !content_type.is_empty() && content_type.chars().all(|c| matches!(c, ' '..='~'));
        write!(out, "Content-Type: {}\r\n\r\n", if writable { content_type } else { UNKNOWN })?;
        content(out)?;
        out.write_all(b"\r\n")
    }

    /// Ends the form.
    pub(super) fn end(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "--{}--\r\n", self.boundary)
    }
}

/// A name as browsers write it in quotes: three characters are percent-encoded, the rest is UTF-8.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Fields in the form of a query.
#[derive(Debug, Default)]
pub(super) struct Query {
    begun: bool,
}

impl Query {
    /// The value of `Content-Type`.
    pub(super) const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

    /// Writes the field `name`.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn field(&mut self, out: &mut dyn Write, name: &str, value: &[u8]) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            out.write_all(b"&")?;
        }
        encode(out, name.as_bytes())?;
        out.write_all(b"=")?;
        encode(out, value)
    }
}

fn encode(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    form_urlencoded::byte_serialize(bytes).try_for_each(|piece| out.write_all(piece.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        Form::of(&MessageId::parse("msg_p54ru6mx5sc2wc6slugowgnw2j").unwrap())
    }

    #[test]
    fn a_name_cannot_end_its_quotes_or_its_line() {
        let mut out = Vec::new();
        let name = "a\"; filename=\"x\r\nX: \u{e9}";
        form().file(&mut out, name, ("b\"\r\n\u{e9}", "a/b\r\nX: y"), |out| out.write_all(b"\x00")).unwrap();
        let out = String::from_utf8(out).unwrap();
        let (_, after) = out.split_once("\r\n").unwrap();
        let expected = "Content-Disposition: form-data; name=\"a%22; filename=%22x%0D%0AX: \u{e9}\"; \
            filename=\"b%22%0D%0A\u{e9}\"\r\nContent-Type: application/octet-stream\r\n\r\n\0\r\n";
        assert_eq!(after, expected);
    }

    #[test]
    fn a_boundary_belongs_to_one_mail_and_stays_the_same() {
        assert_eq!(form().content_type(), form().content_type());
        let other = Form::of(&MessageId::parse("msg_p54ru6mx5sc2wc6slugowgnw2k").unwrap());
        assert_ne!(form().content_type(), other.content_type());
        // RFC 2046 section 5.1.1.
        assert!(form().boundary.len() <= 70);
    }

    #[test]
    fn a_query_reads_back_as_it_was_written() {
        let (mut out, mut query) = (Vec::new(), Query::default());
        let pairs = [("a&b", "1=2&c"), ("c", ""), ("\u{e9}", "x +\r\n\u{1f4a9}")];
        for (name, value) in pairs {
            query.field(&mut out, name, value.as_bytes()).unwrap();
        }
        let read: Vec<_> = form_urlencoded::parse(&out).collect();
        assert_eq!(read, pairs.map(|(name, value)| (name.into(), value.into())));
    }
}
