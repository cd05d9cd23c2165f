//! What a mail is, and what it and the servers on its way say about it, in the native format.

use schemars::JsonSchema;
use serde::Serialize;

use crate::parse;

/// What a trusted server found about where the mail comes from: `pass`, `fail`, `softfail`, `neutral`, `none`,
/// `temperror`, `permerror` …, in lower case. Null: it said nothing about this.
#[derive(Serialize, JsonSchema)]
pub(super) struct Auth<'a> {
    /// SPF.
    spf: Option<&'a str>,
    /// DKIM; of several signatures, `pass` if one passed.
    dkim: Option<&'a str>,
    /// DMARC.
    dmarc: Option<&'a str>,
    /// ARC.
    arc: Option<&'a str>,
}

impl Auth<'_> {
    pub(super) fn of(given: &parse::Auth) -> Auth<'_> {
        Auth {
            spf: given.spf.as_deref(),
            dkim: given.dkim.as_deref(),
            dmarc: given.dmarc.as_deref(),
            arc: given.arc.as_deref(),
        }
    }
}

/// What a spam filter said.
#[derive(Serialize, JsonSchema)]
pub(super) struct Spam {
    /// Whether it takes the mail for spam; by the score, where it says no more than that.
    flag: bool,
    /// By the filter's own scale; higher is worse.
    score: Option<f64>,
    /// Which filter: `spamassassin` (and what writes its header fields), `rspamd` or `microsoft`.
    source: &'static str,
}

impl Spam {
    pub(super) fn of(given: &parse::Spam) -> Spam {
        Spam { flag: given.flag, score: given.score, source: given.source.as_str() }
    }
}

/// A mailing list.
#[derive(Serialize, JsonSchema)]
pub(super) struct List<'a> {
    /// What stands between the brackets of List-Id.
    id: Option<&'a str>,
    /// How to leave: the first https address of List-Unsubscribe, else the first mailto one.
    unsubscribe: Option<&'a str>,
    /// Where to write to the list: the address in List-Post.
    post: Option<&'a str>,
}

impl List<'_> {
    pub(super) fn of(given: &parse::List) -> List<'_> {
        List { id: given.id.as_deref(), unsubscribe: given.unsubscribe.as_deref(), post: given.post.as_deref() }
    }
}

/// What a delivery report says.
#[derive(Serialize, JsonSchema)]
pub(super) struct Bounce<'a> {
    /// The server that reports.
    reporting_mta: Option<&'a str>,
    /// Whom it is about, as far as this could be read.
    recipients: Vec<BouncedRecipient<'a>>,
    /// The Message-ID of the mail that was sent, without angle brackets.
    original_message_id: Option<&'a str>,
}

/// What became of a mail for one recipient.
#[derive(Serialize, JsonSchema)]
struct BouncedRecipient<'a> {
    /// The address that the server tried.
    address: &'a str,
    /// The address that the sender wrote, where the report names another one than `address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    original_address: Option<&'a str>,
    /// `failed`, `delayed` (the server goes on trying), `delivered`, `relayed` or `expanded`.
    action: Option<&'a str>,
    /// The enhanced status code (RFC 3463): `5.1.1`.
    status: Option<&'a str>,
    /// What the other server said, in one line.
    diagnostic: Option<&'a str>,
}

impl Bounce<'_> {
    pub(super) fn of(given: &parse::Bounce) -> Bounce<'_> {
        Bounce {
            reporting_mta: given.reporting_mta.as_deref(),
            recipients: given.recipients.iter().map(BouncedRecipient::of).collect(),
            original_message_id: given.original_message_id.as_deref(),
        }
    }
}

impl BouncedRecipient<'_> {
    fn of(given: &parse::BouncedRecipient) -> BouncedRecipient<'_> {
        BouncedRecipient {
            address: &given.address,
            original_address: given.original_address.as_deref(),
            action: given.action.as_deref(),
            status: given.status.as_deref(),
            diagnostic: given.diagnostic.as_deref(),
        }
    }
}

/// What a feedback report says.
#[derive(Serialize, JsonSchema)]
pub(super) struct Complaint<'a> {
    /// `abuse`, `fraud`, `virus`, `not-spam`, `opt-out` …, in lower case.
    feedback_type: Option<&'a str>,
    /// Who complained; many providers do not tell.
    original_recipient: Option<&'a str>,
    /// The Message-ID of the mail complained about, without angle brackets.
    original_message_id: Option<&'a str>,
}

impl Complaint<'_> {
    pub(super) fn of(given: &parse::Complaint) -> Complaint<'_> {
        Complaint {
            feedback_type: given.feedback_type.as_deref(),
            original_recipient: given.original_recipient.as_deref(),
            original_message_id: given.original_message_id.as_deref(),
        }
    }
}

/// An event or a task.
#[derive(Serialize, JsonSchema)]
pub(super) struct Event<'a> {
    /// What the sender wants: `REQUEST`, `REPLY`, `CANCEL`, `PUBLISH` …
    method: Option<&'a str>,
    /// The same for all mails about one event.
    uid: Option<&'a str>,
    /// Its title.
    summary: Option<&'a str>,
    /// RFC 3339 where the time zone is known; without an offset where the time is everybody's own or the zone is not
    /// known; a date alone where the event takes whole days.
    start: Option<&'a str>,
    /// As `start`; the first moment, or day, after the event. Null where the event does not say.
    end: Option<&'a str>,
    /// The address of whoever invites.
    organizer: Option<&'a str>,
    /// Who is invited; in a `REPLY`, who answers.
    attendees: Vec<Attendee<'a>>,
}

/// Somebody at an event.
#[derive(Serialize, JsonSchema)]
struct Attendee<'a> {
    /// The display name.
    name: Option<&'a str>,
    /// The address.
    address: &'a str,
    /// The answer so far: `NEEDS-ACTION`, `ACCEPTED`, `DECLINED`, `TENTATIVE`, `DELEGATED`.
    status: Option<&'a str>,
}

impl Event<'_> {
    pub(super) fn of(given: &parse::Event) -> Event<'_> {
        Event {
            method: given.method.as_deref(),
            uid: given.uid.as_deref(),
            summary: given.summary.as_deref(),
            start: given.start.as_deref(),
            end: given.end.as_deref(),
            organizer: given.organizer.as_deref(),
            attendees: given.attendees.iter().map(Attendee::of).collect(),
        }
    }
}

impl Attendee<'_> {
    fn of(given: &parse::Attendee) -> Attendee<'_> {
        Attendee { name: given.name.as_deref(), address: &given.address, status: given.status.as_deref() }
    }
}
