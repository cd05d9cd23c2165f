//! Forms as browsers send them: `multipart/form-data` (RFC 7578).
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
