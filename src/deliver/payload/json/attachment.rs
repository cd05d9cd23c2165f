//! Attachments in the native format, and bytes as base64.

use std::fmt;

use base64_simd::AsOut as _;
use schemars::JsonSchema;
use serde::Serialize;
use serde::Serializer;
use sha2::Digest as _;
use sha2::Sha256;

use crate::deliver::Attachments;
use crate::deliver::payload::Options;
use crate::parse;

/// Bytes that are encoded at a time: a multiple of three, so that the pieces join without padding.
const CHUNK: usize = 12 * 1024;

/// A part that is not the body. It has one of `content` and `omitted`.
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
    size: usize,
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
    /// Why the bytes are not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted: Option<&'a str>,
}

impl Attachment<'_> {
    pub(super) fn of<'a>(given: &'a parse::Attachment, options: &Options) -> Attachment<'a> {
        let (content, omitted) = match options.attachments {
            Attachments::Inline => (Some(Base64(&given.content)), None),
            Attachments::Omit => (None, Some("by configuration")),
        };
        Attachment {
            filename: given.filename.as_deref(),
            safe_filename: &given.safe_filename,
            content_type: &given.content_type,
            charset: given.charset.as_deref(),
            size: given.content.len(),
            sha256: hex(&Sha256::digest(&given.content)),
            inline: given.inline,
            content_id: given.content_id.as_deref(),
            part: &given.part,
            content,
            omitted,
        }
    }
}

/// Bytes that are written as base64, piece by piece, so that no second copy of them is made.
#[derive(JsonSchema)]
#[schemars(transparent, extend("contentEncoding" = "base64"))]
pub(in crate::deliver::payload) struct Base64<'a>(
    #[schemars(with = "String")] pub(in crate::deliver::payload) &'a [u8],
);

impl fmt::Display for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = [0; CHUNK / 3 * 4];
        let base64 = base64_simd::STANDARD;
        self.0.chunks(CHUNK).try_for_each(|bytes| f.write_str(base64.encode_as_str(bytes, letters.as_mut().as_out())))
    }
}

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
            assert_eq!(Base64(&bytes).to_string(), base64_simd::STANDARD.encode_to_string(&bytes));
        }
    }
}
