//! Choices from a fixed list, each under the name that the file uses.

use schemars::Schema;
use schemars::json_schema;

use crate::collect::Dedupe;
use crate::config::nearest::did_you_mean;
use crate::config::plain::FromText;
use crate::deliver::Addressing;
use crate::deliver::AfterBlock;
use crate::deliver::Attachments;
use crate::deliver::CloudEvents;
use crate::deliver::Cloudmailin;
use crate::deliver::Compress;
use crate::deliver::Event;
use crate::deliver::Meaning;
use crate::deliver::OnLarge;
use crate::deliver::Preset;
use crate::deliver::Sendgrid;
use crate::notice;
use crate::oauth::Provider;
use crate::pop3::Auth;
use crate::pop3::Tls;
use crate::retention::OnServer;
use crate::spool::Change;

/// A choice from a fixed list.
pub(super) trait Named: Copy + 'static {
    /// Every value and its name.
    const NAMES: &'static [(&'static str, Self)];
}

impl Named for Tls {
    const NAMES: &'static [(&'static str, Tls)] =
        &[("implicit", Tls::Implicit), ("starttls", Tls::StartTls), ("none", Tls::None)];
}

impl Named for notice::Tls {
    const NAMES: &'static [(&'static str, notice::Tls)] =
        &[("starttls", notice::Tls::StartTls), ("implicit", notice::Tls::Implicit), ("none", notice::Tls::None)];
}

impl Named for Auth {
    const NAMES: &'static [(&'static str, Auth)] = &[
        ("auto", Auth::Auto),
        ("user", Auth::User),
        ("plain", Auth::Plain),
        ("login", Auth::Login),
        ("scram", Auth::Scram),
        ("apop", Auth::Apop),
        ("xoauth2", Auth::XOAuth2),
        ("oauthbearer", Auth::OAuthBearer),
    ];
}

impl Named for OnServer {
    const NAMES: &'static [(&'static str, OnServer)] = &[
        ("keep", OnServer::Keep),
        ("delete_when_delivered", OnServer::DeleteWhenDelivered),
        ("delete_when_spooled", OnServer::DeleteWhenSpooled),
    ];
}

impl Named for Dedupe {
    const NAMES: &'static [(&'static str, Dedupe)] = &[("content", Dedupe::Content), ("unique_id", Dedupe::UniqueId)];
}

/// A format without what it is told beside the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Json,
    CloudEvents,
    Raw,
    Postmark,
    Cloudmailin,
    Sendgrid,
    Mailgun,
    Template,
}

impl Named for Shape {
    const NAMES: &'static [(&'static str, Shape)] = &[
        ("json", Shape::Json),
        ("cloudevents", Shape::CloudEvents),
        ("raw", Shape::Raw),
        ("postmark", Shape::Postmark),
        ("cloudmailin", Shape::Cloudmailin),
        ("sendgrid", Shape::Sendgrid),
        ("mailgun", Shape::Mailgun),
        ("template", Shape::Template),
    ];
}

impl Named for CloudEvents {
    const NAMES: &'static [(&'static str, CloudEvents)] =
        &[("structured", CloudEvents::Structured), ("binary", CloudEvents::Binary)];
}

impl Named for Cloudmailin {
    const NAMES: &'static [(&'static str, Cloudmailin)] =
        &[("json", Cloudmailin::Json), ("multipart", Cloudmailin::Multipart)];
}

impl Named for Sendgrid {
    const NAMES: &'static [(&'static str, Sendgrid)] = &[("parsed", Sendgrid::Parsed), ("raw", Sendgrid::Raw)];
}

impl Named for Event {
    const NAMES: &'static [(&'static str, Event)] = &[
        ("mail.oversize", Event::MailOversize),
        ("mailbox.auth_failed", Event::Changed(Change::AuthFailed)),
        ("mailbox.unreachable", Event::Changed(Change::Unreachable)),
        ("mailbox.recovered", Event::Changed(Change::Recovered)),
        ("mailbox.uidl_reset", Event::Changed(Change::UidlReset)),
        ("endpoint.held", Event::Changed(Change::EndpointHeld)),
    ];
}

impl Named for Attachments {
    const NAMES: &'static [(&'static str, Attachments)] = &[
        ("inline", Attachments::Inline),
        ("multipart", Attachments::Multipart),
        ("omit", Attachments::Omit),
        ("link", Attachments::Link),
    ];
}

impl Named for OnLarge {
    const NAMES: &'static [(&'static str, OnLarge)] =
        &[("link", OnLarge::Link), ("omit", OnLarge::Omit), ("refuse", OnLarge::Refuse)];
}

impl Named for Addressing {
    const NAMES: &'static [(&'static str, Addressing)] =
        &[("path", Addressing::Path), ("virtual_host", Addressing::VirtualHost)];
}

impl Named for Compress {
    const NAMES: &'static [(&'static str, Compress)] = &[("none", Compress::None), ("gzip", Compress::Gzip)];
}

impl Named for Meaning {
    const NAMES: &'static [(&'static str, Meaning)] =
        &[("retry", Meaning::Retry), ("refuse", Meaning::Refuse), ("hold", Meaning::Hold), ("accept", Meaning::Accept)];
}

impl Named for Preset {
    const NAMES: &'static [(&'static str, Preset)] = &[
        ("default", Preset::Default),
        ("postmark", Preset::Postmark),
        ("cloudmailin", Preset::Cloudmailin),
        ("sendgrid", Preset::Sendgrid),
        ("mailgun", Preset::Mailgun),
    ];
}

impl Named for Provider {
    const NAMES: &'static [(&'static str, Provider)] =
        &[("google", Provider::Google), ("microsoft", Provider::Microsoft)];
}

/// `grant: client_credentials`, the only grant that does not follow from the other keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct InItsOwnName;

impl Named for InItsOwnName {
    const NAMES: &'static [(&'static str, InItsOwnName)] = &[("client_credentials", InItsOwnName)];
}

/// `signing: none`, the only thing that can stand there beside keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unsigned;

impl Named for Unsigned {
    const NAMES: &'static [(&'static str, Unsigned)] = &[("none", Unsigned)];
}

/// Whether an endpoint gets its mail in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ordered {
    No,
    PerMailbox,
}

impl Named for Ordered {
    const NAMES: &'static [(&'static str, Ordered)] = &[("none", Ordered::No), ("per_mailbox", Ordered::PerMailbox)];
}

impl Named for AfterBlock {
    const NAMES: &'static [(&'static str, AfterBlock)] =
        &[("dead_letter", AfterBlock::DeadLetter), ("halt", AfterBlock::Halt)];
}

impl<T: Named> FromText for T {
    const WHAT: &'static str = "one of the known names";

    fn from_text(text: &str) -> Result<T, String> {
        if let Some((_, value)) = T::NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*value);
        }
        let names: Vec<&str> = T::NAMES.iter().map(|(name, _)| *name).collect();
        let known = names.join(", ");
        let remedy = did_you_mean(text, names).unwrap_or_else(|| format!("; known here: {known}"));
        Err(format!("{text:?} is not known{remedy}"))
    }

    fn schema() -> Schema {
        let names: Vec<&str> = T::NAMES.iter().map(|(name, _)| *name).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Named>(text: &str, expected: &str) {
        assert_eq!(T::from_text(text).err().as_deref(), Some(expected));
    }

    #[test]
    fn a_slip_is_answered_with_the_nearest_name() {
        check::<Event>("mail.oversized", r#""mail.oversized" is not known; did you mean mail.oversize?"#);
        check::<Tls>("startls", r#""startls" is not known; did you mean starttls?"#);
        check::<Tls>("yes", r#""yes" is not known; known here: implicit, starttls, none"#);
    }
}
