//! Disposition notifications (RFC 8098): a mail was read, deleted, or dealt with otherwise.

use crate::parse::Mail;
use crate::parse::report;
use crate::parse::structure::Part;

/// The evidence that the mail is a receipt.
pub(super) fn evidence(mail: &Mail, root: &Part<'_>) -> Option<String> {
    if report::is_of(mail, "disposition-notification") {
        return Some("multipart/report; report-type=disposition-notification".to_owned());
    }
    let types = ["message/disposition-notification", "message/global-disposition-notification"];
    let alone = root.is_leaf() || report::is_multipart_report(root);
    let part = report::part(root, &types).filter(|_| alone)?;
    Some(format!("a {} part", part.mime.content_type))
}
