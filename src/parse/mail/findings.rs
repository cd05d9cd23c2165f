//! What a mail is, and what it and the servers on its way say about it.

/// What a mail is: the first that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A report that a mail was not delivered, or not yet.
    Bounce,
    /// A report that somebody called a mail spam.
    Complaint,
    /// A report that a mail was delivered, read or deleted.
    Receipt,
    /// Written by a program in answer to a mail, or on its own.
    AutoReply,
    /// An invitation, or the answer to one.
    Calendar,
    /// Everything else: for a human.
    Message,
}

impl Kind {
    /// All kinds, in the order in which they are tried.
    pub const ALL: [Kind; 6] =
        [Kind::Bounce, Kind::Complaint, Kind::Receipt, Kind::AutoReply, Kind::Calendar, Kind::Message];

    /// The name in payloads and routes.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Bounce => "bounce",
            Kind::Complaint => "complaint",
            Kind::Receipt => "receipt",
            Kind::AutoReply => "auto_reply",
            Kind::Calendar => "calendar",
            Kind::Message => "message",
        }
    }
}

/// What a delivery report says (RFC 3464), or what could be read of one in prose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounce {
    /// The server that reports, without the type of its name.
    pub reporting_mta: Option<String>,
    /// Whom it is about.
    pub recipients: Vec<BouncedRecipient>,
    /// The Message-ID of the mail that was sent, without angle brackets.
    pub original_message_id: Option<String>,
}

/// What became of a mail for one recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BouncedRecipient {
    /// The address that the server tried.
    pub address: String,
    /// The address that the sender wrote, where the report tells of another one.
    pub original_address: Option<String>,
    /// `failed`, `delayed`, `delivered`, `relayed` or `expanded`.
    pub action: Option<String>,
    /// The enhanced status code (RFC 3463): `5.1.1`.
    pub status: Option<String>,
    /// What the other server said, in one line.
    pub diagnostic: Option<String>,
}

/// What a feedback report says (RFC 5965).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Complaint {
    /// `abuse`, `fraud`, `not-spam`, `opt-out` … in lower case.
    pub feedback_type: Option<String>,
    /// Who complained, where the report tells.
    pub original_recipient: Option<String>,
    /// The Message-ID of the mail complained about, without angle brackets.
    pub original_message_id: Option<String>,
}

/// What the trusted server found about where the mail comes from (RFC 8601): `pass`, `fail`, `none` …
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// SPF.
    pub spf: Option<String>,
    /// DKIM; `pass` if one signature of several passed.
    pub dkim: Option<String>,
    /// DMARC.
    pub dmarc: Option<String>,
    /// ARC.
    pub arc: Option<String>,
}

/// What a spam filter said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spam {
    /// Whether it is spam.
    pub flag: bool,
    /// By its own scale; higher is worse.
    pub score: Option<f64>,
    /// Which filter.
    pub source: SpamFilter,
}

/// The spam filters whose words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpamFilter {
    /// `SpamAssassin`, and what writes its header fields.
    SpamAssassin,
    /// Rspamd.
    Rspamd,
    /// Exchange and Microsoft 365.
    Microsoft,
}

impl SpamFilter {
    /// The name in payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            SpamFilter::SpamAssassin => "spamassassin",
            SpamFilter::Rspamd => "rspamd",
            SpamFilter::Microsoft => "microsoft",
        }
    }
}

/// The mailing list that sent the mail (RFC 2369, 2919).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// The id between the brackets of List-Id.
    pub id: Option<String>,
    /// How to leave: an https address, else a mailto one.
    pub unsubscribe: Option<String>,
    /// Where to write to the list.
    pub post: Option<String>,
}

/// One event or task of a `text/calendar` part (RFC 5545).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// What the sender wants, in upper case: `REQUEST`, `REPLY`, `CANCEL` …
    pub method: Option<String>,
    /// The same for all mails about one event.
    pub uid: Option<String>,
    /// Its title.
    pub summary: Option<String>,
    /// RFC 3339 where the zone is known; without an offset where the time floats or its zone is unknown; a date alone
    /// where it is about whole days.
    pub start: Option<String>,
    /// As `start`; the first moment, or day, after the event.
    pub end: Option<String>,
    /// The address of whoever invites.
    pub organizer: Option<String>,
    /// Who is invited, or who answers.
    pub attendees: Vec<Attendee>,
}

/// Somebody at an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attendee {
    /// The display name.
    pub name: Option<String>,
    /// The address.
    pub address: String,
    /// The answer, in upper case: `ACCEPTED`, `DECLINED`, `TENTATIVE`, `NEEDS-ACTION` …
    pub status: Option<String>,
}
