//! The attachment store: before a mail is posted, each attachment that travels as a link is brought there.
//!
//! An attachment is looked for first, so that no attempt, and no other endpoint, uploads it a second time. It is decoded
//! as it is sent, and never held. **A store that fails is no fault of the endpoint and none of the mail: the delivery is
//! tried again, and the time that its endpoint has begins anew.** Nothing is ever deleted here: a rule of the bucket does that.

mod exchange;
mod links;
mod verdict;

use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::Semaphore;

use self::exchange::Exchange;
use self::exchange::Fault;
pub use self::links::Links;
use self::verdict::Condition;
use self::verdict::Put;
use self::verdict::Seen;
use super::AttachmentStore;
use super::Failure;
use super::body::Body;
use super::body::Rendering;
use super::client::ClientError;
use crate::clock::Clock;
use crate::ident::MessageId;
use crate::metrics::DeliverMetrics;
use crate::parse::Attachment;
use crate::parse::Content;

/// Messages whose attachments are brought at once, at most: those of one message one after another.
const AT_ONCE: usize = 32;
/// Content that is not larger is held while it is sent: a thread of its own costs more.
const HELD: u64 = 64 << 10;
/// What `try_out` puts.
const TRIAL: &[u8] = b"pophook\n";

/// Every value of the label `result`.
pub(super) const RESULTS: [&str; 5] = ["uploaded", "present", "store_unreachable", "store_refused", "store_failed"];

/// A store, and what was last said of it.
#[derive(Debug)]
pub(super) struct Store {
    links: Links,
    exchange: Exchange,
    clock: Clock,
    metrics: DeliverMetrics,
    /// One place for each of so many groups of messages: two endpoints that want the same mail do not both bring it.
    places: Vec<Semaphore>,
    told: Mutex<Option<Failure>>,
}

/// What lies there now, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Uploaded,
    Present,
}

impl Store {
    pub(super) fn new(config: &AttachmentStore, clock: &Clock, metrics: &DeliverMetrics) -> Result<Store, ClientError> {
        Ok(Store {
            links: Links::new(config).map_err(ClientError::Bucket)?,
            exchange: Exchange::new(&config.http, clock)?,
            clock: clock.clone(),
            metrics: metrics.clone(),
            places: std::iter::repeat_with(|| Semaphore::new(1)).take(AT_ONCE).collect(),
            told: Mutex::default(),
        })
    }

    pub(super) fn links(&self) -> &Links {
        &self.links
    }

    /// Sees to it that each of `parts`, attachments of the message `id`, lies in the store.
    ///
    /// # Errors
    /// Why not all of them do.
    pub(super) async fn keep(&self, id: &MessageId, parts: &[&Attachment]) -> Result<(), Failure> {
        // A closed semaphore would mean that nobody else waits.
        let _place = match self.places.get(group(id)) {
            Some(place) => place.acquire().await.ok(),
            None => None,
        };
        for part in parts {
            let began = self.clock.uptime();
            let kept = self.keep_one(&self.links.key(id, &part.part), part).await;
            let took = self.clock.uptime().saturating_sub(began);
            self.tell(&kept);
            let kept = kept.map_err(|fault| fault.failure);
            let result = match kept {
                Ok(Kept::Uploaded) => "uploaded",
                Ok(Kept::Present) => "present",
                Err(failure) => failure.as_str(),
            };
            self.metrics.uploads.with_label_values(&[result]).inc();
            if kept == Ok(Kept::Uploaded) {
                self.metrics.upload_seconds.observe(took.as_secs_f64());
            }
            kept?;
        }
        Ok(())
    }

    async fn keep_one(&self, key: &str, part: &Attachment) -> Result<Kept, Fault> {
        let size = part.content.size();
        let mut condition = match self.exchange.look(self.links.look(key, self.clock.now()), size).await? {
            Seen::There => return Ok(Kept::Present),
            Seen::Nothing => Condition::Absent,
            Seen::Another => Condition::None,
        };
        let (body, about) = (body(&part.content), About::of(part));
        loop {
            match self.exchange.put(self.links.put(key, self.clock.now()), &body, &about, condition).await? {
                Put::Done => return Ok(Kept::Uploaded),
                Put::There => return Ok(Kept::Present),
                Put::Unconditional => condition = Condition::None,
            }
        }
    }

    /// Tells the log once that the store fails, and once that it does no longer.
    fn tell(&self, kept: &Result<Kept, Fault>) {
        let now = kept.as_ref().err().map(|fault| fault.failure);
        let before = std::mem::replace(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner), now);
        match kept {
            Err(fault) if before != now => {
                let (error, remedy) = (fault.failure.as_str(), fault.failure.remedy());
                let said = fault.said.as_deref();
                tracing::error!(error, said, "no attachment reaches the store, and what needs a link waits: {remedy}");
            }
            Ok(_) if before.is_some() => tracing::info!("the attachment store takes attachments again"),
            Err(_) | Ok(_) => {}
        }
    }
}

/// Which of the places a message waits at.
fn group(id: &MessageId) -> usize {
    id.as_str().bytes().map(usize::from).sum::<usize>() % AT_ONCE
}

/// The content as it goes over the wire.
fn body(content: &Content) -> Body {
    let size = content.size();
    if size <= HELD {
        return Body::Whole(content.bytes());
    }
    let content = content.clone();
    Body::Written { rendering: Rendering::new(move |out| content.write_to(out)), size, compressed: false }
}

/// What the store is to say of an object to whoever fetches it.
#[derive(Debug)]
struct About {
    content_type: String,
    /// A browser saves it and does not show it: it is a stranger's.
    disposition: String,
}

impl About {
    fn of(part: &Attachment) -> About {
        let mut name = String::new();
        // RFC 8187: what is no attr-char is percent-encoded.
        for byte in part.safe_filename.bytes() {
            match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'-' | b'_' => name.push(char::from(byte)),
                _ => name.push_str(&format!("%{byte:02X}")),
            }
        }
        About { content_type: part.content_type.clone(), disposition: format!("attachment; filename*=UTF-8''{name}") }
    }
}

/// For operators: puts a small object into the store, and fetches it by a link, as a receiver would.
///
/// # Errors
/// What does not work, with the remedy.
pub async fn try_out(config: &AttachmentStore, clock: &Clock) -> Result<(), String> {
    let links = Links::new(config).map_err(|error| format!("{error}; look at url and bucket"))?;
    let exchange = Exchange::new(&config.http, clock).map_err(|error| format!("{error}; look at ca_file"))?;
    let key = links.trial_key();
    let explain = |fault: Fault| {
        let said = fault.said.map(|said| format!(" ({said})")).unwrap_or_default();
        format!("{}{said}; {}", fault.failure, fault.failure.remedy())
    };
    let about = About { content_type: "text/plain".to_owned(), disposition: "attachment".to_owned() };
    let body = Body::Whole(TRIAL.into());
    exchange.put(links.put(&key, clock.now()), &body, &about, Condition::None).await.map_err(explain)?;
    let link = links.to_key(&key, clock.now());
    let fetched = exchange.fetch(&link.url, TRIAL.len()).await.map_err(explain)?;
    if fetched == TRIAL { Ok(()) } else { Err("a link gives other bytes than were put; look at url".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn whoever_follows_a_link_gets_a_file_with_a_name_and_no_page() {
        let check = |name: &str, expected: &str| {
            let raw = format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\
                 Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n<b>\r\n--b--\r\n"
            );
            let mail = parse::parse(raw.as_bytes(), &parse::Options::default());
            let about = About::of(&mail.attachments[0]);
            assert_eq!(about.disposition, format!("attachment; filename*=UTF-8''{expected}"));
            assert_eq!(about.content_type, "text/html");
        };
        check("a.html", "a.html");
        check("Übersicht 1.html", "%C3%9Cbersicht%201.html");
        check("a;b'c.html", "a%3Bb%27c.html");
    }
}
