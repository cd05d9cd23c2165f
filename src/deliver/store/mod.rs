//! The attachment store: before a mail is posted, each attachment that travels as a link is brought there.
//!
//! An attachment is looked for first, so that no attempt, and no other endpoint, uploads it a second time. A large one
//! goes in parts, and is never held whole. What is said to the store is the business of `object_store`; how it gets there
//! is that of `line`. **A store that fails is no fault of the endpoint and none of the mail: the delivery is tried again,
//! and the time that its endpoint has begins anew.** No object is ever deleted here: a rule of the bucket does that.

mod line;
mod links;
mod parts;
mod verdict;

use std::sync::Mutex;
use std::sync::PoisonError;

use object_store::Attribute;
use object_store::Attributes;
use object_store::ObjectStore as _;
use object_store::ObjectStoreExt as _;
use object_store::PutMode;
use object_store::PutOptions;
use object_store::PutPayload;
use object_store::path::Path;
use tokio::sync::Semaphore;

pub(super) use self::line::Line;
pub use self::links::BucketError;
pub use self::links::Links;
use self::verdict::Fault;
use self::verdict::Put;
use self::verdict::Refusal;
use self::verdict::Seen;
use super::AttachmentStore;
use super::Failure;
use crate::clock::Clock;
use crate::ident::MessageId;
use crate::metrics::DeliverMetrics;
use crate::parse::Attachment;

/// Messages whose attachments are brought at once, at most: those of one message one after another.
const AT_ONCE: usize = 32;
/// What `try_out` puts.
const TRIAL: &[u8] = b"pophook\n";

/// Every value of the label `result`.
pub(super) const RESULTS: [&str; 5] = ["uploaded", "present", "store_unreachable", "store_refused", "store_failed"];

/// A store, and what was last said of it.
#[derive(Debug)]
pub(super) struct Store {
    links: Links,
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
    /// The store that `links` lead to.
    pub(super) fn new(links: Links, clock: &Clock, metrics: &DeliverMetrics) -> Store {
        Store {
            links,
            clock: clock.clone(),
            metrics: metrics.clone(),
            places: std::iter::repeat_with(|| Semaphore::new(1)).take(AT_ONCE).collect(),
            told: Mutex::default(),
        }
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
            let kept = self.keep_one(&self.links.path(id, &part.part), part).await;
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

    async fn keep_one(&self, path: &Path, part: &Attachment) -> Result<Kept, Fault> {
        let (bucket, size) = (self.links.bucket(), part.content.size());
        let found = bucket.head(path).await.map(|found| found.size).map_err(|error| Refusal::of(&error));
        let mode = match verdict::seen(found, size)? {
            Seen::There => return Ok(Kept::Present),
            Seen::Nothing => PutMode::Create,
            Seen::Another => PutMode::Overwrite,
        };
        let attributes = about(&part.content_type, &disposition(&part.safe_filename));
        if parts::is_large(size) {
            // Only what is put at once can be put under a condition.
            return parts::put(bucket, path, &part.content, attributes).await.map(|()| Kept::Uploaded);
        }
        let content = PutPayload::from(parts::decoded(&part.content).await?);
        let mut options = PutOptions { mode, attributes, ..PutOptions::default() };
        loop {
            let done = bucket.put_opts(path, content.clone(), options.clone()).await;
            match verdict::put(done.map(drop).map_err(|error| Refusal::of(&error)), &options.mode)? {
                Put::Done => return Ok(Kept::Uploaded),
                Put::There => return Ok(Kept::Present),
                Put::Unconditional => options.mode = PutMode::Overwrite,
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

/// What the store is to say of an object to whoever fetches it.
fn about(content_type: &str, disposition: &str) -> Attributes {
    let said = [(Attribute::ContentType, content_type), (Attribute::ContentDisposition, disposition)];
    // A value that cannot stand in a header is left out.
    let legal = said.into_iter().filter(|(_, value)| value.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    legal.map(|(name, value)| (name, value.to_owned())).collect()
}

/// A browser saves it under its name and does not show it: it is a stranger's.
fn disposition(safe_filename: &str) -> String {
    let mut name = String::new();
    // RFC 8187: what is no attr-char is percent-encoded.
    for byte in safe_filename.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("attachment; filename*=UTF-8''{name}")
}

/// For operators: puts a small object into the store, and fetches it by a link, as a receiver would.
///
/// # Errors
/// What does not work, with the remedy.
pub async fn try_out(config: &AttachmentStore, clock: &Clock) -> Result<(), String> {
    let line = Line::new(&config.http, clock).map_err(|error| format!("{error}; look at ca_file"))?;
    let links = Links::over(config, line.clone()).map_err(|error| format!("{error}; look at url and bucket"))?;
    let explain = |fault: Fault| {
        let said = fault.said.map(|said| format!(" ({said})")).unwrap_or_default();
        format!("{}{said}; {}", fault.failure, fault.failure.remedy())
    };
    let path = links.trial_path();
    let options = PutOptions { attributes: about("text/plain", "attachment"), ..PutOptions::default() };
    let put = links.bucket().put_opts(&path, PutPayload::from_static(TRIAL), options).await;
    put.map_err(|error| explain(Refusal::of(&error).fault()))?;
    let link = links.to_path(&path, clock.now());
    let fetched = line.fetch(&link.url).await.map_err(explain)?;
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
            let part = &mail.attachments[0];
            let about = about(&part.content_type, &disposition(&part.safe_filename));
            let said = |name| about.get(&name).map(AsRef::as_ref);
            let expected = format!("attachment; filename*=UTF-8''{expected}");
            assert_eq!(said(Attribute::ContentDisposition), Some(expected.as_str()));
            assert_eq!(said(Attribute::ContentType), Some("text/html"));
        };
        check("a.html", "a.html");
        check("Übersicht 1.html", "%C3%9Cbersicht%201.html");
        check("a;b'c.html", "a%3Bb%27c.html");
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_not_said() {
        for value in ["text/\u{fc}", "text/html\r\nx: y", "\u{7f}"] {
            assert_eq!(about(value, "attachment").len(), 1, "{value:?}");
        }
    }
}
