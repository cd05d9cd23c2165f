//! Whether a mail is signed or encrypted (RFC 1847, 8551, 3156), as far as its outside tells. Nothing is verified.

use crate::parse::Security;
use crate::parse::structure::Part;

/// The first sign in the tree or at the head of `text`.
pub(super) fn find(root: &Part<'_>, text: Option<&str>) -> Option<Security> {
    in_tree(root).or_else(|| text.and_then(armour))
}

fn in_tree(part: &Part<'_>) -> Option<Security> {
    of(part).or_else(|| part.children.iter().find_map(in_tree))
}

fn of(part: &Part<'_>) -> Option<Security> {
    let get = |name: &str| part.mime.parameters.get(name).unwrap_or_default().to_ascii_lowercase();
    // What a list or a gateway took away of the parameters shows in the last part.
    let said = |name: &str| {
        part.children.last().is_some_and(|last| last.mime.content_type.contains(name)) || get("protocol").contains(name)
    };
    match &*part.mime.content_type {
        "multipart/signed" if said("pgp-signature") => Some(Security::PgpSigned),
        "multipart/signed" if said("pkcs7-signature") => Some(Security::SmimeSigned),
        "multipart/encrypted" => Some(Security::PgpEncrypted),
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => match &*get("smime-type") {
            "signed-data" => Some(Security::SmimeSigned),
            "certs-only" | "compressed-data" => None,
            _ if part.mime.filename.as_deref().is_some_and(|name| name.ends_with(".p7c")) => None,
            _ => Some(Security::SmimeEncrypted),
        },
        _ => None,
    }
}

/// Armour of PGP at the head of the text.
fn armour(text: &str) -> Option<Security> {
    let text = text.trim_start().strip_prefix("-----BEGIN PGP ")?;
    match text.split_once("-----")?.0 {
        "MESSAGE" => Some(Security::PgpEncrypted),
        "SIGNED MESSAGE" => Some(Security::PgpSigned),
        _ => None,
    }
}
