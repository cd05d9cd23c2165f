//! What a mail is, with the evidence: the first of bounce, complaint, receipt, automatic reply, calendar, message.
//!
//! Headers and structure decide, never the subject alone. The reason names fields and types, never the mail's words.

use crate::parse::Kind;
use crate::parse::Mail;
use crate::parse::auto_reply;
use crate::parse::bounce;
use crate::parse::calendar;
use crate::parse::complaint;
use crate::parse::receipt;
use crate::parse::structure::Part;

/// Decides, and fills in what the evidence says.
pub(super) fn fill(mail: &mut Mail, root: &Part<'_>) {
    let invitation = calendar::find(root);
    mail.calendar = invitation.events;
    let (kind, reason) = decide(mail, root, invitation.reason);
    set(mail, kind, reason);
}

fn decide(mail: &mut Mail, root: &Part<'_>, invited: Option<String>) -> (Kind, String) {
    if let Some(found) = bounce::standard(mail, root) {
        mail.bounce = Some(found.bounce);
        return (found.kind, found.reason);
    }
    if let Some((reason, complaint)) = complaint::find(mail, root) {
        mail.complaint = Some(complaint);
        return (Kind::Complaint, reason);
    }
    if let Some(reason) = receipt::evidence(mail, root) {
        return (Kind::Receipt, reason);
    }
    // After the standard forms, which may well quote the words of a bounce.
    if let Some(found) = bounce::prose(mail, root) {
        mail.bounce = Some(found.bounce);
        return (found.kind, found.reason);
    }
    let auto_reply = auto_reply::evidence(mail).map(|reason| (Kind::AutoReply, reason));
    let calendar = invited.map(|reason| (Kind::Calendar, reason));
    auto_reply.or(calendar).unwrap_or_else(|| (Kind::Message, NOTHING_ELSE.to_owned()))
}

const NOTHING_ELSE: &str = "no sign of anything else";

/// A mail that can be nothing else.
pub(super) fn message(mail: &mut Mail) {
    set(mail, Kind::Message, NOTHING_ELSE.to_owned());
}

fn set(mail: &mut Mail, kind: Kind, reason: String) {
    mail.kind = Some(kind);
    mail.kind_reason = Some(reason);
}
