//! The one judge of every fault: what must be true after each, whatever went wrong.
//!
//! - I1 no loss: a mail that a server ever accepted is still in its maildrop, or waits in the spool with its bytes, or lies
//!   there for a human (dead, unrouted, quarantined), or each of its endpoints took it.
//! - I2 same id: all posts of one mail of one mailbox carry one id.
//! - I3 delete late: at the instant at which the server removes a mail, the spool's files on the disk hold it. The
//!   scripted server's removals are watched; see [`Oracle::watch`].
//! - I4 integrity: a post's bytes, and the hash that it tells, are those that the server had.
//! - I5 signature: every post is signed, and the reference accepts it.
//! - I6 liveness: a fresh mail is delivered; see [`Oracle::lives`].
//! - I7 isolation: a healthy endpoint is not delayed by another; see [`Oracle::keeps_apart`].
//! - I8 bounds: memory and open files; see [`Oracle::is_bounded`].
//! - I9 monotone: what was recorded as delivered was taken by its endpoint and stays delivered; attempts are never
//!   counted backwards.
//!
//! [`judge`] is pure, and has tests of its own in `tests/harness.rs`; the rest gathers what it judges.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use pophook::ident::Content;
use pophook::ident::MailboxName;
use pophook::ident::MessageId;
use reqwest::header::HeaderMap;
use rustix::process::Pid;
use serde_json::Value;
use standardwebhooks::Webhook;

use super::mails;
use super::pop3_server::Message;
use super::pop3_server::Pop3Server;
use super::pophook::Pophook;
use super::receiver::Hit;
use super::receiver::Receiver;
use super::sha256;
use super::wait_for;

/// The key that every endpoint of an oracle's stage signs with.
pub const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Whether the reference accepts the signature of a post that arrives now.
pub fn is_signed(hit: &Hit) -> bool {
    let mut headers = HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        if let Some(value) = hit.header(name) {
            headers.insert(name, value.parse().unwrap());
        }
    }
    Webhook::new(KEY).unwrap().verify(&hit.body, &headers).is_ok()
}

/// The most memory that a daemon of a small stage may ever have had, in KiB: a debug build with an idle spool has 60 MiB.
const MEMORY_MAX: u64 = 256 << 10;
/// The most files that it may have open.
const FILES_MAX: usize = 128;
/// What a mail may need to a healthy endpoint while another is at fault.
const LAG_MAX: Duration = Duration::from_secs(5);

/// A mail that a server accepted once.
#[derive(Debug, Clone)]
pub struct Owed {
    pub mailbox: String,
    pub sha256: String,
    /// The id that it must have.
    pub id: String,
    /// Who must get it.
    pub endpoints: Vec<String>,
    /// Whether the server still has it.
    pub in_maildrop: bool,
}

impl Owed {
    pub fn new(mailbox: &str, raw: &[u8], endpoints: &[&str], in_maildrop: bool) -> Owed {
        let name = MailboxName::parse(mailbox).expect("a legal name");
        Owed {
            mailbox: mailbox.to_owned(),
            sha256: sha256(raw),
            id: MessageId::of(&name, &Content::of(raw)).to_string(),
            endpoints: endpoints.iter().map(|&name| name.to_owned()).collect(),
            in_maildrop,
        }
    }
}

/// A post of a mail that arrived somewhere.
#[derive(Debug, Clone)]
pub struct Post {
    pub endpoint: String,
    pub mailbox: String,
    pub id: String,
    /// Of the bytes that came.
    pub sha256: String,
    /// What the post says of them.
    pub told: String,
    /// Whether it was answered 2xx.
    pub accepted: bool,
    /// Whether the reference accepts its signature.
    pub signed: bool,
}

impl Post {
    /// What a request tells; `None` for what is no mail, such as an event.
    pub fn read(endpoint: &str, hit: &Hit) -> Option<Post> {
        // A probe asks for nothing and brings nothing.
        if hit.body.is_empty() {
            return None;
        }
        let json = hit.json();
        if json["type"] != "mail.received" {
            return None;
        }
        let text = |field: &str| json["data"][field].as_str().unwrap_or_default().to_owned();
        Some(Post {
            endpoint: endpoint.to_owned(),
            mailbox: text("mailbox"),
            id: hit.id(),
            sha256: sha256(&super::unbase64(&text("raw"))),
            told: text("sha256"),
            accepted: hit.answered.is_some_and(|status| status / 100 == 2),
            signed: hit.signed,
        })
    }
}

/// One line of the spool's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub id: String,
    pub endpoint: Option<String>,
    pub state: String,
    pub attempts: u64,
}

impl Line {
    /// What `spool list --json` says; `None` for what was never retrieved.
    pub fn read(line: &Value) -> Option<Line> {
        Some(Line {
            id: line["id"].as_str()?.to_owned(),
            endpoint: line["endpoint"].as_str().map(ToOwned::to_owned),
            state: line["state"].as_str()?.to_owned(),
            attempts: line["attempts"].as_u64()?,
        })
    }
}

/// Everything that is not as it must be. `raw` gives the hash of the spool's copy.
pub fn judge(
    owed: &[Owed],
    posts: &[Post],
    lines: &[Line],
    before: &[Line],
    raw: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let accepted: BTreeSet<(&str, &str)> =
        posts.iter().filter(|post| post.accepted).map(|post| (&*post.endpoint, &*post.id)).collect();
    let known: BTreeMap<(&str, &str), &Owed> = owed.iter().map(|one| ((&*one.mailbox, &*one.sha256), one)).collect();
    let mut of_id: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        of_id.entry(&line.id).or_default().push(line);
    }
    for one in owed.iter().filter(|one| !one.in_maildrop) {
        let lines = of_id.get(&*one.id).map(Vec::as_slice).unwrap_or_default();
        let left = |endpoint: &&String| !accepted.contains(&(endpoint.as_str(), &*one.id));
        let left: Vec<_> = one.endpoints.iter().filter(left).collect();
        let waits = |endpoint: &str| {
            lines.iter().any(|line| match line.endpoint.as_deref() {
                Some(other) => other == endpoint && matches!(&*line.state, "pending" | "dead"),
                None => matches!(&*line.state, "spooled" | "unrouted" | "quarantined"),
            })
        };
        for endpoint in left.iter().filter(|endpoint| !waits(endpoint)) {
            wrong.push(format!("I1 lost: {one:?} is neither at {endpoint} nor waits; lines: {lines:?}"));
        }
        if !left.is_empty() && raw(&one.id).is_none_or(|copy| copy != one.sha256) {
            wrong.push(format!("I1 lost: our copy is not {one:?}"));
        }
    }
    for post in posts {
        match known.get(&(&*post.mailbox, &*post.sha256)) {
            None => wrong.push(format!("I4 no server ever had the bytes of {post:?}")),
            Some(one) if one.id != post.id => wrong.push(format!("I2 another id: {post:?} of {one:?}")),
            Some(_) => {}
        }
        if post.told != post.sha256 {
            wrong.push(format!("I4 the hash is another one: {post:?}"));
        }
        if !post.signed {
            wrong.push(format!("I5 the signature is wrong: {post:?}"));
        }
    }
    let due: BTreeSet<(&str, &str)> =
        owed.iter().flat_map(|one| one.endpoints.iter().map(|endpoint| (endpoint.as_str(), &*one.id))).collect();
    for line in lines.iter().filter(|line| line.state == "delivered") {
        let taken = (line.endpoint.as_deref().unwrap_or_default(), &*line.id);
        if due.contains(&taken) && !accepted.contains(&taken) {
            wrong.push(format!("I9 recorded as delivered, and nobody took it: {line:?}"));
        }
    }
    for then in before {
        let now = of_id.get(&*then.id).and_then(|lines| lines.iter().find(|now| now.endpoint == then.endpoint));
        let Some(now) = now else { continue };
        // Of a message without a delivery it is parses that are counted, until it is sorted.
        let fewer = then.endpoint.is_some() && now.attempts < then.attempts;
        if then.state == "delivered" && now.state != "delivered" || fewer {
            wrong.push(format!("I9 went back from {then:?} to {now:?}"));
        }
    }
    wrong
}

/// Scripted servers, a program that empties their maildrops, and the endpoints that must get everything.
pub struct Oracle<'a> {
    /// The server of the mailbox `support`.
    server: &'a Pop3Server,
    others: Vec<(&'a str, &'a Pop3Server)>,
    pophook: &'a Pophook,
    /// Who must get every mail, each signed for with [`KEY`].
    endpoints: Vec<(&'a str, &'a Receiver)>,
}

/// What an oracle remembers from one look to the next.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    lines: Vec<Line>,
    removed_early: Vec<String>,
}

impl Memory {
    /// Watches the server's removals (I3): what goes must lie in the spool whose file is `spool`.
    pub fn watch(&self, server: &Pop3Server, spool: PathBuf) {
        let memory = Arc::clone(&self.0);
        server.on_removal(move |going| {
            let missing = not_in(&spool, going);
            memory.lock().unwrap().removed_early.extend(missing);
        });
    }
}

/// The mailbox of a scripted server.
const MAILBOX: &str = "support";

impl<'a> Oracle<'a> {
    /// The mailbox `support` on a server, and the endpoints that must get every mail.
    pub fn new(server: &'a Pop3Server, pophook: &'a Pophook, endpoints: Vec<(&'a str, &'a Receiver)>) -> Oracle<'a> {
        Oracle { server, others: Vec::new(), pophook, endpoints }
    }

    /// One more mailbox, on a server of its own.
    pub fn and_mailbox(mut self, name: &'a str, server: &'a Pop3Server) -> Oracle<'a> {
        self.others.push((name, server));
        self
    }

    /// Insists on everything that can be judged at any instant at which no process runs, or one is idle.
    #[track_caller]
    pub fn holds(&self, memory: &Memory) {
        let names: Vec<&str> = self.endpoints.iter().map(|(name, _)| *name).collect();
        let mut owed = Vec::new();
        for (mailbox, server) in [(MAILBOX, self.server)].iter().chain(&self.others) {
            let left = server.messages();
            let one = |message: &Message| Owed::new(mailbox, &message.raw, &names, left.contains(message));
            owed.extend(server.accepted().iter().map(one));
            // What somebody else took away may have been read before.
            owed.extend(server.taken_away().iter().map(|message| Owed::new(mailbox, &message.raw, &[], false)));
        }
        let hits = |(name, receiver): &(&str, &Receiver)| -> Vec<Post> {
            receiver.hits().iter().filter_map(|hit| Post::read(name, hit)).collect()
        };
        let posts: Vec<Post> = self.endpoints.iter().flat_map(hits).collect();
        // A daemon that never came to be has made no spool.
        let listed = if self.pophook.spool().exists() { self.pophook.list() } else { Vec::new() };
        let lines: Vec<Line> = listed.iter().filter_map(Line::read).collect();
        let raw = |id: &str| self.pophook.raw(id).map(|raw| sha256(&raw));
        let mut remembered = memory.0.lock().unwrap();
        let mut wrong = judge(&owed, &posts, &lines, &remembered.lines, raw);
        wrong.extend(remembered.removed_early.iter().cloned());
        remembered.lines = lines;
        assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    }

    /// Insists that a fresh mail is delivered now that nothing is wrong any more (I6): by the daemon that runs, or else
    /// by single rounds.
    #[track_caller]
    pub fn lives(&self, daemon: bool) {
        let name = format!("fresh {}", super::tick());
        let before: Vec<usize> = self.endpoints.iter().map(|(_, receiver)| receiver.count()).collect();
        self.server.put(Message::new(&name, &mails::plain(&name)));
        let arrived = || {
            let mut each = self.endpoints.iter().zip(&before);
            each.all(|((_, receiver), before)| receiver.hits_since(*before).iter().any(|hit| hit.subject() == name))
        };
        if daemon {
            wait_for("a fresh mail arrives", arrived);
        } else {
            self.pophook.once_until("a fresh mail arrives", arrived);
        }
    }

    /// Insists that a daemon brings a fresh mail to `healthy` in time, whatever is wrong with others (I7).
    #[track_caller]
    #[expect(clippy::disallowed_methods, reason = "the time that another process takes is measured")]
    pub fn keeps_apart(&self, healthy: &Receiver) {
        let name = format!("fresh {}", super::tick());
        let before = healthy.count();
        self.server.put(Message::new(&name, &mails::plain(&name)));
        let put = Instant::now();
        wait_for("a fresh mail arrives", || healthy.hits_since(before).iter().any(|hit| hit.subject() == name));
        // The poll interval of a second is a part of it.
        assert!(put.elapsed() < LAG_MAX, "a mail needed {:?} to a healthy endpoint", put.elapsed());
    }

    /// Insists that a running process has not outgrown its bounds (I8).
    #[track_caller]
    pub fn is_bounded(&self, process: Pid) {
        let (memory, files) = usage(process);
        assert!(memory <= MEMORY_MAX && files <= FILES_MAX, "{memory} KiB at the peak, {files} files");
    }
}

/// The most memory that a process ever had, in KiB, and how many files it has open.
pub fn usage(process: Pid) -> (u64, usize) {
    let of = PathBuf::from(format!("/proc/{}", process.as_raw_nonzero()));
    let status = fs::read_to_string(of.join("status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default();
    (peak, fs::read_dir(of.join("fd")).map_or(0, Iterator::count))
}

/// Which of `going` the files of the spool, as they are now, do not hold: neither the bytes, nor the word that everybody
/// took them.
fn not_in(spool: &Path, going: &[Message]) -> Vec<String> {
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("spool.db");
    for ending in ["", "-wal"] {
        let name = format!("{}{ending}", spool.display());
        if Path::new(&name).exists() {
            fs::copy(&name, format!("{}{ending}", file.display())).unwrap();
        }
    }
    let spool = rusqlite::Connection::open(&file).unwrap();
    let holds = |message: &Message| {
        let id = Owed::new(MAILBOX, &message.raw, &[], false).id;
        let found = spool.query_row(
            "SELECT message.state, raw.bytes FROM message LEFT JOIN raw USING (seq) WHERE id = ?1",
            [&id],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<Vec<u8>>>(1)?)),
        );
        found.is_ok_and(|(state, raw)| {
            raw.map_or(state == "delivered", |raw| Content::of(&raw) == Content::of(&message.raw))
        })
    };
    let missing = going.iter().filter(|message| !holds(message));
    missing
        .map(|message| format!("I3 removed before it was in the spool: {:?}", String::from_utf8_lossy(&message.raw)))
        .collect()
}
