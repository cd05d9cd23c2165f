//! What the road needs to know of its endpoints.

mod attachments;
mod format;
mod http;
mod store;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;

pub use attachments::Attachments;
pub use attachments::Limits;
pub use attachments::OnLarge;
pub use format::CloudEvents;
pub use format::Cloudmailin;
pub use format::Format;
pub use format::Sendgrid;
pub use http::ClientCertificate;
pub use http::Compress;
pub use http::Http;
pub use http::Proxy;
pub use http::Timeouts;
pub use store::Addressing;
pub use store::AttachmentStore;

use super::Keyring;
use super::Reading;
use super::Standing;
use super::Statuses;
use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::route::Routes;
use crate::spool::Change;

/// Every endpoint, and the way to it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The endpoints in the order of the file.
    pub endpoints: Vec<Endpoint>,
    /// Which mail goes where.
    pub routes: Routes,
    /// Per mailbox, the labels that its payloads carry.
    pub labels: BTreeMap<MailboxName, BTreeMap<String, String>>,
    /// Per mailbox, how its mail is read.
    pub reading: Reading,
    /// The most that is under way to all endpoints together.
    pub in_flight: InFlight,
    /// Where attachments lie that travel as links. There is one where an endpoint asks for links.
    pub store: Option<AttachmentStore>,
}

/// Attempts under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// How many.
    pub attempts: usize,
    /// The memory that they take, in bytes.
    pub bytes: u64,
}

/// One HTTP receiver.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its name in configuration, metrics and spool.
    pub name: EndpointName,
    /// Where to post; `http` or `https`.
    pub url: Url,
    /// The body's shape.
    pub format: Format,
    /// How attachments travel.
    pub attachments: Attachments,
    /// How large they may be.
    pub limits: Limits,
    /// Whether the payload carries the whole message in base64 too.
    pub include_raw: bool,
    /// Whether the payload carries the HTML in a form that can be shown, too.
    pub include_sanitized_html: bool,
    /// What it is told beside the mail that routes send it.
    pub events: Vec<Event>,
    /// Who is told of its dead letters.
    pub on_dead_letter: Vec<EndpointName>,
    /// Whether the first bytes of what it answers are kept, to be shown with the attempt.
    pub keep_answers: bool,
    /// The keys that sign each post.
    pub signing: Signing,
    /// How it is reached.
    pub http: Http,
    /// What its answers mean.
    pub statuses: Statuses,
    /// How much it gets at once.
    pub pace: Pace,
    /// When a delivery is tried again, and for how long.
    pub retry: Retry,
    /// In which order it gets its mail.
    pub ordering: Ordering,
}

/// In which order an endpoint gets its mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordering {
    /// None is promised: what is due goes.
    None,
    /// The mail of one mailbox in the order in which it was committed, one message at a time: the next one goes when
    /// the one before is settled. Several mailboxes do not wait for each other.
    PerMailbox(HeadBlock),
}

/// What happens to a message that is refused while others wait behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadBlock {
    /// How long it may be refused; time in which the endpoint could not be reached, or was held, does not count.
    pub at_most: Duration,
    /// What comes then.
    pub then: AfterBlock,
}

/// What comes when a message was refused for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterBlock {
    /// It is a dead letter, and the next one goes.
    DeadLetter,
    /// The endpoint is held until a human has looked.
    Halt,
}

/// How much an endpoint gets at once, and in a time.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Posts at once, at most; as long as it fails, they are fewer.
    pub max_in_flight: usize,
    /// Posts in a time.
    pub rate: Option<Rate>,
}

/// So many posts in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub posts: NonZeroU32,
    /// In which time.
    pub per: Duration,
}

impl Rate {
    /// The time between two posts that are spread evenly.
    pub(super) fn apart(self) -> Duration {
        self.per / self.posts.get()
    }
}

/// When a delivery is tried again, and for how long.
#[derive(Debug, Clone)]
pub struct Retry {
    /// The waits after the first, second, … failure; the last one repeats. Never empty.
    pub backoff: Vec<Duration>,
    /// How long a delivery is tried, counted from the first attempt of its generation.
    pub give_up_after: Duration,
}

/// What an endpoint can ask to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A message is too large and stays on its server.
    MailOversize,
    /// Something changed with a mailbox or an endpoint.
    Changed(Change),
}

/// How posts are signed.
#[derive(Debug, Clone, PartialEq)]
pub enum Signing {
    /// Not at all; must be written.
    None,
    /// By Standard Webhooks, with each of these keys that is valid at that time.
    Keys(Keyring),
}

impl Signing {
    /// How the keys stand at `at`, where posts are signed.
    pub fn standing(&self, at: Timestamp) -> Option<Standing> {
        match self {
            Signing::None => None,
            Signing::Keys(keys) => Some(keys.standing(at)),
        }
    }
}

#[cfg(test)]
impl Endpoint {
    /// An endpoint named `desk` at `url`, unsigned, with waits of 5 and 30 seconds for five days.
    pub(super) fn for_testing(url: &str) -> Endpoint {
        Endpoint {
            name: EndpointName::parse("desk").unwrap(),
            url: Url::parse(url).unwrap(),
            format: Format::Json,
            attachments: Attachments::Inline,
            limits: Limits::default(),
            include_raw: false,
            include_sanitized_html: false,
            events: Vec::new(),
            on_dead_letter: Vec::new(),
            keep_answers: true,
            signing: Signing::None,
            http: Http::for_testing(),
            statuses: Statuses::default(),
            pace: Pace { max_in_flight: 1, rate: None },
            retry: Retry {
                backoff: vec![Duration::from_secs(5), Duration::from_secs(30)],
                give_up_after: Duration::from_secs(5 * 24 * 3600),
            },
            ordering: Ordering::None,
        }
    }
}
