//! What a part says about itself: its MIME fields (RFC 2045, 2183, 2231).

use crate::parse::encoded_word;
use crate::parse::fields::Field;
use crate::parse::parameters::Parameters;
use crate::parse::transfer::Encoding;

/// Where the sender wants a part to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposition {
    /// Not said.
    Unsaid,
    /// In place.
    Inline,
    /// Apart.
    Attachment,
}

/// The MIME fields of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mime {
    /// `type/subtype` in lower case.
    pub(super) content_type: String,
    /// The charset parameter.
    pub(super) charset: Option<String>,
    /// The boundary parameter, of multiparts.
    pub(super) boundary: Option<Vec<u8>>,
    /// Content-Type with all its parameters; empty where it does not stand.
    pub(super) parameters: Parameters,
    /// The name that the sender gave, decoded.
    pub(super) filename: Option<String>,
    /// Content-Disposition.
    pub(super) disposition: Disposition,
    /// Content-ID without angle brackets.
    pub(super) content_id: Option<String>,
    /// Content-Transfer-Encoding.
    pub(super) encoding: Encoding,
}

impl Mime {
    /// A part that says nothing; `content_type` is what it is then.
    pub(super) fn unsaid(content_type: &str) -> Mime {
        Mime {
            content_type: content_type.to_owned(),
            charset: None,
            boundary: None,
            parameters: Parameters::default(),
            filename: None,
            disposition: Disposition::Unsaid,
            content_id: None,
            encoding: Encoding::Identity,
        }
    }

    /// Reads the fields of a part. `default` is its type if it says none. The first of repeated fields counts.
    pub(super) fn read<'x>(fields: impl Iterator<Item = Field<'x>>, default: &str) -> Mime {
        let mut mime = Mime::unsaid(default);
        let (mut content_type, mut disposition, mut encoding) = (None, None, None);
        for field in fields {
            if field.is("Content-Type") {
                content_type = content_type.or_else(|| Some(Parameters::read(field.value)));
            } else if field.is("Content-Disposition") {
                disposition = disposition.or_else(|| Some(Parameters::read(field.value)));
            } else if field.is("Content-Transfer-Encoding") {
                encoding = encoding.or_else(|| Some(encoding_of(field.value)));
            } else if field.is("Content-ID") {
                let id = encoded_word::text(field.value).0.trim_matches(['<', '>', ' ']).to_owned();
                mime.content_id = mime.content_id.or(Some(id).filter(|id| !id.is_empty()));
            }
        }
        mime.encoding = encoding.unwrap_or(Encoding::Identity);
        mime.disposition = disposition.as_ref().map_or(Disposition::Unsaid, disposition_of);
        mime.filename = disposition.and_then(|given| given.get("filename").or_else(|| given.get("name")));
        if let Some(given) = content_type {
            mime.content_type = type_of(&given.head).unwrap_or_else(|| default.to_owned());
            mime.charset = given.get("charset").and_then(|text| word(&text));
            mime.boundary = given.bytes("boundary");
            mime.filename = mime.filename.or_else(|| given.get("name")).or_else(|| given.get("filename"));
            mime.parameters = given;
        }
        mime
    }

    /// Whether this holds other parts.
    pub(super) fn is_multipart(&self) -> bool {
        self.content_type.starts_with("multipart/")
    }

    /// Whether this is a whole mail.
    pub(super) fn is_message(&self) -> bool {
        matches!(&*self.content_type, "message/rfc822" | "message/global")
    }
}

/// The type, if it is one: `text` alone is plain text, anything else alone is unknown bytes.
fn type_of(head: &str) -> Option<String> {
    let legal = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b';');
    let (main, sub) = head.split_once('/').map_or((head, None), |(main, sub)| (main, Some(sub)));
    let main = main.trim().trim_start_matches(['"', '\'']);
    if !legal(main) {
        return None;
    }
    match sub.map(|sub| sub.split_whitespace().next().unwrap_or_default().trim_end_matches(['"', '\''])) {
        Some(sub) if legal(sub) => Some(format!("{main}/{sub}")),
        _ if main == "text" => None,
        _ if main == "multipart" => Some("multipart/mixed".to_owned()),
        _ => Some("application/octet-stream".to_owned()),
    }
}

fn disposition_of(given: &Parameters) -> Disposition {
    if given.head == "inline" { Disposition::Inline } else { Disposition::Attachment }
}

fn encoding_of(value: &[u8]) -> Encoding {
    let name = value.trim_ascii().to_ascii_lowercase();
    match name.split(|b| b.is_ascii_whitespace() || matches!(b, b';' | b'(')).next().unwrap_or_default() {
        b"base64" | b"\"base64\"" => Encoding::Base64,
        b"quoted-printable" | b"\"quoted-printable\"" | b"quoted" => Encoding::QuotedPrintable,
        b"" | b"7bit" | b"8bit" | b"binary" | b"7bits" | b"8bits" | b"7-bit" | b"8-bit" => Encoding::Identity,
        _ => Encoding::Unknown,
    }
}

/// The first word, without a comment behind it.
fn word(text: &str) -> Option<String> {
    text.split(|c: char| c.is_whitespace() || c == '(').next().filter(|word| !word.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::fields::Fields;

    fn read(header: &str) -> Mime {
        Mime::read(Fields::of(header.as_bytes()), "text/plain")
    }

    fn check(header: &str, content_type: &str, filename: Option<&str>) {
        let mime = read(header);
        assert_eq!((&*mime.content_type, mime.filename.as_deref()), (content_type, filename), "{header:?}");
    }

    #[test]
    fn file_names_in_every_way_of_writing() {
        for (header, name) in [
            ("Content-Disposition: attachment; filename=a.txt", "a.txt"),
            ("Content-Disposition: attachment; filename=\"a b.txt\"", "a b.txt"),
            ("Content-Disposition: attachment; filename*=UTF-8''caf%C3%A9.txt", "café.txt"),
            ("Content-Disposition: attachment;\r\n filename*0*=UTF-8''caf%C3%A9;\r\n filename*1*=%2Etxt", "café.txt"),
            ("Content-Disposition: attachment;\r\n filename*0=\"long \";\r\n filename*1=\"name.txt\"", "long name.txt"),
            ("Content-Disposition: attachment; filename=\"=?utf-8?B?Y2Fmw6kudHh0?=\"", "café.txt"),
            ("Content-Disposition: attachment; filename==?utf-8?B?Y2Fmw6kudHh0?=", "café.txt"),
            ("Content-Disposition: attachment;\n filename=\"=?utf-8?Q?caf=C3?=\n =?utf-8?Q?=A9.txt?=\"", "café.txt"),
            ("Content-Disposition: attachment; filename=\"=?utf-8?Q?a=22b.txt?=\"", "a\"b.txt"),
            ("Content-Disposition: attachment; filename=\"café.txt\"", "café.txt"),
            ("Content-Disposition: attachment; filename*=iso-8859-1'de'gr%FC%DFe.txt", "grüße.txt"),
        ] {
            check(header, "text/plain", Some(name));
        }
        check("Content-Type: image/png; name=x.png", "image/png", Some("x.png"));
        check(
            "Content-Type: image/png; name=x.png\nContent-Disposition: inline; filename=",
            "image/png",
            Some("x.png"),
        );
    }

    #[test]
    fn types_that_are_none_fall_back() {
        for (header, expected) in [
            ("", "text/plain"),
            ("Content-Type: TEXT/HTML; charset=x", "text/html"),
            ("Content-Type: text", "text/plain"),
            ("Content-Type: pdf", "application/octet-stream"),
            ("Content-Type:", "text/plain"),
            ("Content-Type: text/html\nContent-Type: image/png", "text/html"),
        ] {
            check(header, expected, None);
        }
    }

    #[test]
    fn a_hostile_field_is_cut() {
        let header = format!("Content-Type: text/html; {}", "x*9=y;".repeat(100_000));
        check(&header, "text/html", None);
    }
}
