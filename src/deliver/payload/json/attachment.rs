//! Attachments in the native format, and bytes as base64.

use std::fmt;
use std::io;
use std::io::Write as _;

use base64_simd::AsOut as _;
use schemars::JsonSchema;
use serde::Serialize;
use serde::Serializer;

use super::forwarded::Forwarded;
use super::multipart;
use crate::deliver::carriage::Way;
use crate::parse;

/// Bytes that are encoded at a time: a multiple of three, so that the pieces join without padding.
const CHUNK: usize = 12 * 1024;

/// A part that is not the body. It has one of `content`, `url` (with `expires_at`), `multipart` and `omitted`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Attachment<'a> {
    /// As the sender wrote it, decoded.
    filename: Option<&'a str>,
    /// A name without separators, control characters, reserved names or repeats within the mail.
    safe_filename: &'a str,
    /// `type/subtype` in lower case.
    content_type: &'a str,
    /// The charset parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    charset: Option<&'a str>,
    /// The number of decoded bytes.
    size: u64,
    /// SHA-256 of the decoded bytes, in hex.
    sha256: String,
    /// Whether the sender meant it to be shown in place.
    inline: bool,
    /// The Content-ID without angle brackets.
    content_id: Option<&'a str>,
    /// Its place in the MIME tree, as IMAP numbers parts.
    part: &'a str,
    /// The decoded bytes in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Base64<'a>>,
    /// Where the decoded bytes can be fetched, by GET and without a login. Signed anew each time that the mail is posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    /// Until when `url` can be followed, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<&'a str>,
    /// What an attached mail says, where the mailbox asks for it to be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    mail: Option<Forwarded<'a>>,
    /// The name of the form's file that holds the decoded bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    multipart: Option<String>,
    /// Why the bytes are not here: `by configuration`, `larger than max_attachment_size` or `beyond max_attachments_size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted: Option<&'a str>,
}

impl Attachment<'_> {
    /// The attachment that stands at place `number`, from 1.
    pub(super) fn of<'a>(given: &'a parse::Attachment, number: usize, way: &'a Way) -> Attachment<'a> {
        let (mut content, mut multipart, mut link, mut omitted) = (None, None, None, None);
        match way {
            Way::Content => content = Some(Base64(Plain::Content(&given.content))),
            Way::Multipart => multipart = Some(multipart::name(number)),
            Way::Linked(signed) => link = Some(signed),
            Way::Omitted(why) => omitted = Some(why.as_str()),
        }
        Attachment {
            filename: given.filename.as_deref(),
            safe_filename: &given.safe_filename,
            content_type: &given.content_type,
            charset: given.charset.as_deref(),
            size: given.content.size(),
            sha256: hex(given.content.sha256()),
            inline: given.inline,
            content_id: given.content_id.as_deref(),
            part: &given.part,
            mail: given.mail.as_deref().map(Forwarded::of),
            content,
            url: link.map(|link| &*link.url),
            expires_at: link.map(|link| &*link.expires_at),
            multipart,
            omitted,
        }
    }
}

/// Bytes that are written as base64, piece by piece, so that no second copy of them is made.
#[derive(JsonSchema)]
#[schemars(transparent, extend("contentEncoding" = "base64"))]
pub(in crate::deliver::payload) struct Base64<'a>(
    #[schemars(with = "String")] pub(in crate::deliver::payload) Plain<'a>,
);

/// Where the bytes come from.
pub(in crate::deliver::payload) enum Plain<'a> {
    /// They are here.
    Bytes(&'a [u8]),
    /// They are decoded as they are written.
    Content(&'a parse::Content),
}

impl fmt::Display for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = Letters { begun: Vec::with_capacity(CHUNK), out: f };
        let written = match self.0 {
            Plain::Bytes(bytes) => letters.write_all(bytes),
            Plain::Content(content) => content.write_to(&mut letters),
        };
        written.and_then(|()| letters.end()).map_err(|_| fmt::Error)
    }
}

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Turns the bytes that are written to it into base64.
struct Letters<'a, 'f> {
    /// What makes no whole chunk yet.
    begun: Vec<u8>,
    out: &'a mut fmt::Formatter<'f>,
}

impl Letters<'_, '_> {
    fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut letters = [0; CHUNK / 3 * 4];
        let letters = base64_simd::STANDARD.encode_as_str(bytes, letters.as_mut().as_out());
        self.out.write_str(letters).map_err(io::Error::other)
    }

    fn end(mut self) -> io::Result<()> {
        let last = std::mem::take(&mut self.begun);
        self.chunk(&last)
    }
}

impl io::Write for Letters<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        if !self.begun.is_empty() {
            let (fitting, after) = rest.split_at(rest.len().min(CHUNK - self.begun.len()));
            self.begun.extend_from_slice(fitting);
            rest = after;
            if self.begun.len() < CHUNK {
                return Ok(bytes.len());
            }
            let full = std::mem::take(&mut self.begun);
            self.chunk(&full)?;
            self.begun = full;
            self.begun.clear();
        }
        let mut chunks = rest.chunks_exact(CHUNK);
        chunks.by_ref().try_for_each(|bytes| self.chunk(bytes))?;
        self.begun.extend_from_slice(chunks.remainder());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_in_pieces_is_base64_as_a_whole() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 2] {
            let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
            let expected = base64_simd::STANDARD.encode_to_string(&bytes);
            assert_eq!(Base64(Plain::Bytes(&bytes)).to_string(), expected);
            assert_eq!(Base64(Plain::Content(&parse::Content::ready(bytes))).to_string(), expected);
        }
    }

    /// An attachment that is decoded in pieces which do not fit the chunks.
    #[test]
    fn base64_of_what_was_quoted_printable_joins_at_every_piece() {
        let text: String = (0..30_000).map(|n| if n % 7 == 0 { "=C3=A9".to_owned() } else { format!("{n}") }).collect();
        let raw = format!("Content-Type: a/b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{text}");
        let mail = parse::parse(raw.as_bytes(), &parse::Options::default());
        let expected = base64_simd::STANDARD.encode_to_string(text.replace("=C3=A9", "é"));
        assert_eq!(Base64(Plain::Content(&mail.attachments[0].content)).to_string(), expected);
    }
}
