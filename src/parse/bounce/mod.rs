//! Whether a mail reports that another one was not delivered, and what it says about each recipient.
//!
//! The standard form is a delivery status notification (RFC 3464), read in `status`. Many servers write prose instead:
//! `dialect` knows their words, which count only in mail that a server sends (no envelope sender, or MAILER-DAEMON), and
//! `prose` reads the addresses out of them.

mod dialect;
mod prose;
mod status;

use crate::parse::Bounce;
use crate::parse::Kind;
use crate::parse::Mail;
use crate::parse::report;
use crate::parse::structure::Part;

/// The types of the machine-readable part (RFC 3464, RFC 6533).
const STATUS: [&str; 2] = ["message/delivery-status", "message/global-delivery-status"];

/// What a delivery report turned out to be.
#[derive(Debug)]
pub(super) struct Found {
    /// `Bounce`; `Receipt`, where all that it reports is that the mail arrived or was passed on.
    pub(super) kind: Kind,
    /// The evidence.
    pub(super) reason: String,
    /// What it says.
    pub(super) bounce: Bounce,
}

/// A report of the standard form.
pub(super) fn standard(mail: &Mail, root: &Part<'_>) -> Option<Found> {
    let said = report::is_of(mail, "delivery-status");
    let part = report::part(root, &STATUS);
    let reason = match part {
        Some(_) if said => "multipart/report; report-type=delivery-status",
        Some(_) if report::is_multipart_report(root) => "a message/delivery-status part in a multipart/report",
        Some(_) if root.is_leaf() || dialect::is_from_server(mail) => "a message/delivery-status part",
        None if said => "report-type=delivery-status",
        _ => return None,
    };
    let mut bounce = part.map(|part| status::read(&report::content(part))).unwrap_or_default();
    if bounce.recipients.is_empty() {
        bounce.recipients = prose::recipients(mail);
    }
    let arrived = |action: &Option<String>| matches!(action.as_deref(), Some("delivered" | "relayed" | "expanded"));
    let all_well = !bounce.recipients.is_empty() && bounce.recipients.iter().all(|one| arrived(&one.action));
    let kind = if all_well { Kind::Receipt } else { Kind::Bounce };
    Some(found(kind, reason.to_owned(), bounce, mail, root))
}

/// A report in a server's own words.
pub(super) fn prose(mail: &Mail, root: &Part<'_>) -> Option<Found> {
    let reason = dialect::evidence(mail, root)?;
    let bounce = Bounce { recipients: prose::recipients(mail), ..Bounce::default() };
    Some(found(Kind::Bounce, reason, bounce, mail, root))
}

fn found(kind: Kind, reason: String, mut bounce: Bounce, mail: &Mail, root: &Part<'_>) -> Found {
    let returned = report::returned(root).and_then(|returned| report::id_of(&returned));
    bounce.original_message_id = returned.or_else(|| prose::original_message_id(mail));
    Found { kind, reason, bounce }
}
