//! The shape of one endpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::file::SigningKey;
use crate::config::list::List;
use crate::config::mapping::mapping;
use crate::config::names::Ordered;
use crate::config::names::Shape;
use crate::config::names::Unsigned;
use crate::config::plain::Plain;
use crate::config::secret::Source;
use crate::config::units::Size;
use crate::config::units::Within;
use crate::deliver::AfterBlock;
use crate::deliver::Attachments;
use crate::deliver::CloudEvents;
use crate::deliver::Cloudmailin;
use crate::deliver::Compress;
use crate::deliver::Event;
use crate::deliver::Meaning;
use crate::deliver::OnLarge;
use crate::deliver::Preset;
use crate::deliver::Rate;
use crate::deliver::Sendgrid;

/// One HTTP receiver.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Endpoint {
    /// Its name in metrics, logs and the spool.
    #[schemars(required)]
    pub(in crate::config) name: Option<String>,
    /// Where to post: `https://` or `http://`, without a user name or password.
    #[schemars(required)]
    pub(in crate::config) url: Option<String>,
    /// The body's shape. Default: json.
    pub(in crate::config) format: Option<Plain<Shape>>,
    /// With `format: cloudevents`, where the attributes stand: in the body or in header fields. Default: structured.
    pub(in crate::config) cloudevents_mode: Option<Plain<CloudEvents>>,
    /// With `format: cloudmailin`, one JSON document or a form with files. Default: json.
    pub(in crate::config) cloudmailin_mode: Option<Plain<Cloudmailin>>,
    /// With `format: sendgrid`, texts and files or the whole mail. Default: parsed.
    pub(in crate::config) sendgrid_mode: Option<Plain<Sendgrid>>,
    /// With `format: mailgun`, the key that `signature` is made with. Required then.
    pub(in crate::config) mailgun_signing_key: Option<Source>,
    /// With `format: template`, the template. Required then.
    pub(in crate::config) template: Option<Template>,
    /// The keys that sign each post, as many as are valid then: `whsec_` and 24 to 64 bytes in base64 for HMAC, `whsk_`
    /// and a private key in base64 for Ed25519. This or `signing: none` is required.
    pub(in crate::config) signing_keys: Option<List<SigningKey>>,
    /// `none`: posts are not signed.
    pub(in crate::config) signing: Option<Plain<Unsigned>>,
    /// A PEM file of certificates that are trusted beside the system's roots.
    pub(in crate::config) ca_file: Option<String>,
    /// A PEM file of the certificate that we show to the endpoint, and of those of its authorities after it.
    pub(in crate::config) client_cert_file: Option<String>,
    /// The key of that certificate, in PEM and without a password.
    pub(in crate::config) client_key: Option<Source>,
    /// Header fields that each request carries; their values are secrets.
    pub(in crate::config) headers: Option<BTreeMap<String, Source>>,
    /// A user name and password that each request carries.
    pub(in crate::config) basic_auth: Option<BasicAuth>,
    /// A token that each request carries, as `Authorization: Bearer`.
    pub(in crate::config) bearer_token: Option<Source>,
    /// The HTTP proxy on the way, such as `http://proxy.example.com:3128`, or `none`. Default: that of the environment.
    pub(in crate::config) proxy: Option<Source>,
    /// Whether bodies of more than 8 KiB are compressed: none or gzip. Default: none.
    pub(in crate::config) compress: Option<Plain<Compress>>,
    /// What an answer means: a code or a class such as `4xx`, and retry, refuse, hold or accept.
    pub(in crate::config) statuses: Option<BTreeMap<String, Plain<Meaning>>>,
    /// The vendor whose receivers the endpoint is like: answers mean what they mean there. Default: default.
    pub(in crate::config) status_preset: Option<Plain<Preset>>,
    /// How attachments travel: in the body, beside it as files of a form (`format: json` alone), as links to where they
    /// lie in `attachment_store`, or only named and measured. Default: inline, with `format: template` omit.
    pub(in crate::config) attachments: Option<Plain<Attachments>>,
    /// The largest attachment that travels so, decoded. Default: no limit.
    pub(in crate::config) max_attachment_size: Option<Plain<Size>>,
    /// How much all attachments of one mail may be together, decoded: those that no longer fit are large ones. Default:
    /// no limit.
    pub(in crate::config) max_attachments_size: Option<Plain<Size>>,
    /// What becomes of large ones: `link` puts them into `attachment_store`, `omit` leaves their bytes out and says so,
    /// `refuse` makes the mail a dead letter. Default: omit.
    pub(in crate::config) on_large_attachment: Option<Plain<OnLarge>>,
    /// Whether the payload carries the whole message too. Default: false.
    pub(in crate::config) include_raw: Option<bool>,
    /// Whether the payload carries the HTML in a form that is safe to show, too. Default: false.
    pub(in crate::config) include_sanitized_html: Option<bool>,
    /// What it is told beside its mail; `mail.oversize`: a message is too large and stays on its server; `mailbox.*` and
    /// `endpoint.held`: something changed with any mailbox or endpoint. Default: nothing.
    pub(in crate::config) events: Option<List<Plain<Event>>>,
    /// Who is told of its dead letters. Default: nobody.
    pub(in crate::config) on_dead_letter: Option<OnDeadLetter>,
    /// Whether the first bytes of an answer that is no success are kept, for `pophook spool show`. Default: true.
    pub(in crate::config) keep_answers: Option<bool>,
    /// The longest wait for the first byte of the answer, after the body is sent. Default: 30s.
    pub(in crate::config) timeout: Option<Plain<Duration>>,
    /// The longest wait for a connection: the look-up of the name, TCP and TLS together. Default: 10s.
    pub(in crate::config) connect_timeout: Option<Plain<Duration>>,
    /// An upload that makes no progress for so long has failed. Default: 30s.
    pub(in crate::config) stall_timeout: Option<Plain<Duration>>,
    /// The longest that a whole post may take until the answer begins. Default: 45s and 1s for each 512KiB.
    pub(in crate::config) total_timeout: Option<Plain<Duration>>,
    /// Posts at once, at most. It begins with one, and grows as long as posts are taken. Default: 16.
    pub(in crate::config) max_concurrency: Option<Plain<Within<1, 64>>>,
    /// Posts in a time, such as `10/s`, `100/m` or `1000/h`, spread evenly. Default: no limit.
    pub(in crate::config) rate_limit: Option<Plain<Rate>>,
    /// The waits after the first, second, … failure; the last one repeats. Default: 5s to 8h in nine steps.
    pub(in crate::config) backoff: Option<List<Plain<Duration>>>,
    /// How long a delivery is tried before it is a dead letter. Default: 5d.
    pub(in crate::config) give_up_after: Option<Plain<Duration>>,
    /// In which order mail is posted: `none` promises nothing, `per_mailbox` keeps the order within each mailbox, one
    /// message at a time. Default: none.
    pub(in crate::config) ordering: Option<Plain<Ordered>>,
    /// With `per_mailbox`, how long a message may be refused while others wait behind it. Default: 1h.
    pub(in crate::config) max_head_block: Option<Plain<Duration>>,
    /// What comes then: it is a dead letter, or the endpoint is held. Default: `dead_letter`.
    pub(in crate::config) on_head_block: Option<Plain<AfterBlock>>,
}

/// A user name and password, for HTTP's basic authentication.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct BasicAuth {
    /// The user name, without a colon.
    #[schemars(required)]
    pub(in crate::config) username: Option<String>,
    /// The password.
    #[schemars(required)]
    pub(in crate::config) password: Option<Source>,
}

/// A body of the operator's own shape.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Template {
    /// The file that holds it, in Jinja's language.
    #[schemars(required)]
    pub(in crate::config) file: Option<String>,
    /// The content type of what it makes. Default: application/json.
    pub(in crate::config) content_type: Option<String>,
}

/// Who is told of an endpoint's dead letters.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct OnDeadLetter {
    /// Another endpoint: it gets the event `mail.dead_letter`, with the whole mail. Default: none.
    pub(in crate::config) endpoint: Option<String>,
    /// Whether a mail goes to those in `notices.smtp.to`, with the original attached. Default: false.
    pub(in crate::config) email: Option<bool>,
}

mapping!(Endpoint, BasicAuth, Template, OnDeadLetter);
