//! Feedback reports (RFC 5965): somebody called a mail spam.

use crate::parse::Complaint;
use crate::parse::Mail;
use crate::parse::report;
use crate::parse::structure::Part;

/// The field that Microsoft puts into the mail that it sends back, without a report of the standard form.
const MICROSOFT: &str = "X-HmXmrOriginalRecipient";

/// The evidence that the mail is a complaint, and what it says.
pub(super) fn find(mail: &Mail, root: &Part<'_>) -> Option<(String, Complaint)> {
    let part = report::part(root, &["message/feedback-report"]);
    let returned = report::returned(root).unwrap_or_default();
    if part.is_none() && !report::is_of(mail, "feedback-report") {
        let complainer = report::field(&returned, MICROSOFT)?;
        let reason = format!("{MICROSOFT} in the returned mail");
        return Some((reason, complaint(Some("abuse".to_owned()), report::address(&complainer), &returned)));
    }
    let told = part.map(report::content).unwrap_or_default();
    let told = told.trim_ascii_start();
    let of = |name: &str| report::field(told, name).filter(|value| !value.is_empty());
    let kind = of("Feedback-Type").map(|value| value.to_ascii_lowercase());
    let recipient = of("Original-Rcpt-To").or_else(|| report::field(&returned, MICROSOFT));
    let reason = if part.is_some() { "a message/feedback-report part" } else { "report-type=feedback-report" };
    Some((reason.to_owned(), complaint(kind, recipient.and_then(|value| report::address(&value)), &returned)))
}

fn complaint(feedback_type: Option<String>, original_recipient: Option<String>, returned: &[u8]) -> Complaint {
    Complaint { feedback_type, original_recipient, original_message_id: report::id_of(returned) }
}
