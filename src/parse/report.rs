//! Reports about mails (RFC 6522): their parts, and the mail that they send back.

use std::borrow::Cow;

use crate::parse::Mail;
use crate::parse::charset;
use crate::parse::encoded_word;
use crate::parse::fields::Fields;
use crate::parse::message_id;
use crate::parse::structure::Part;
use crate::parse::transfer;

/// Longer parts are read up to here: room for thousands of recipients.
const PART_MAX: usize = 1024 * 1024;

/// What parts that hold a returned mail, or its header, are called.
const RETURNED: [&str; 5] =
    ["message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"];

/// Whether the message calls itself a report of this `kind`.
pub(super) fn is_of(mail: &Mail, kind: &str) -> bool {
    let Some(value) = mail.header("Content-Type") else { return false };
    let value = value.to_ascii_lowercase();
    let report = value.trim_start().starts_with("multipart/report");
    let given = value.split(';').filter_map(|pair| pair.split_once('='));
    report
        && given.into_iter().any(|(name, text)| name.trim() == "report-type" && text.trim().trim_matches('"') == kind)
}

/// The first part of one of these types. A part that is a whole mail is not looked into.
pub(super) fn part<'p, 'x>(root: &'p Part<'x>, types: &[&str]) -> Option<&'p Part<'x>> {
    if root.is_leaf() {
        return types.contains(&&*root.mime.content_type).then_some(root);
    }
    root.children.iter().find_map(|child| part(child, types))
}

/// Whether one of the multiparts is a report.
pub(super) fn is_multipart_report(root: &Part<'_>) -> bool {
    root.mime.content_type == "multipart/report" || root.children.iter().any(is_multipart_report)
}

/// The decoded bytes of a part, as far as they are read.
pub(super) fn content<'x>(part: &Part<'x>) -> Cow<'x, [u8]> {
    transfer::decode(part.body.get(..PART_MAX).unwrap_or(part.body), part.mime.encoding).0
}

/// The text of a part, as far as it is read.
pub(super) fn text(part: &Part<'_>) -> String {
    charset::decode(content(part), part.mime.charset.as_deref()).text
}

/// The value of the first field called `name` in the header at the head of `message`, decoded and unfolded.
pub(super) fn field(message: &[u8], name: &str) -> Option<String> {
    Fields::of(message).find(|field| field.is(name)).map(|field| encoded_word::text(field.value).0)
}

/// The mail that a report sends back, or its header.
pub(super) fn returned<'x>(root: &Part<'x>) -> Option<Cow<'x, [u8]>> {
    part(root, &RETURNED).map(content)
}

/// The Message-ID in the header at the head of `message`.
pub(super) fn id_of(message: &[u8]) -> Option<String> {
    let field = Fields::of(message.trim_ascii_start()).find(|field| field.is("Message-ID"))?;
    message_id::list(field.value).into_iter().next()
}

/// An address as reports write it: without its type (`rfc822;`), brackets, and the code for `+` and `=` (RFC 3461
/// section 4). Other codes are left alone: `+42` is a tag that people use, and a server has no need to write it so.
pub(super) fn address(value: &str) -> Option<String> {
    let bare = value.split_once(';').map_or(value, |(_, rest)| rest);
    let bare = bare.rsplit_once('<').map_or(bare, |(_, rest)| rest.split('>').next().unwrap_or_default());
    let bare = bare.trim().trim_matches('"').replace("+2B", "+").replace("+3D", "=");
    Some(bare).filter(|address| !address.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_reports_write_them() {
        for (value, expected) in [
            ("rfc822; a@b", Some("a@b")),
            ("RFC822;<a@b>", Some("a@b")),
            ("a@b", Some("a@b")),
            ("rfc822; a+2Bx+3Dy@b", Some("a+x=y@b")),
            ("rfc822; a+42@b", Some("a+42@b")),
            ("rfc822;", None),
            ("<>", None),
        ] {
            assert_eq!(address(value).as_deref(), expected, "{value:?}");
        }
    }
}
