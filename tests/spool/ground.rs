//! A spool of its own for each test, a clock moved by hand, and the usual steps in few words.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pophook::clock::Clock;
use pophook::ident::Content;
use pophook::ident::EndpointName;
use pophook::ident::MailboxName;
use pophook::ident::MessageId;
use pophook::ident::UniqueId;
use pophook::metrics::Metrics;
use pophook::spool::Accepted;
use pophook::spool::Claim;
use pophook::spool::Command;
use pophook::spool::Config;
use pophook::spool::Counts;
use pophook::spool::Dropped;
use pophook::spool::End;
use pophook::spool::Enrolment;
use pophook::spool::Filter;
use pophook::spool::Glance;
use pophook::spool::Incoming;
use pophook::spool::MessageKey;
use pophook::spool::Purpose;
use pophook::spool::Record;
use pophook::spool::Reply;
use pophook::spool::Row;
use pophook::spool::Sorted;
use pophook::spool::Spool;
use pophook::spool::SpoolError;
use pophook::spool::Verdict;
use pophook::spool::Wanted;
use pophook::spool::searchable;
use pophook::spool::socket::Answer;
use pophook::spool::socket::Asked;
use pophook::spool::sqlite::Sqlite;
use sha2::Digest as _;
use sha2::Sha256;
use tempfile::TempDir;

pub const DAY: Duration = Duration::from_secs(24 * 3600);
pub const HOUR: Duration = Duration::from_secs(3600);

/// Takes back what came to the schema with the notices.
const BEFORE_NOTICES: &str = "ALTER TABLE mailbox DROP COLUMN paused_at;
    ALTER TABLE message DROP COLUMN dropped_by;
    ALTER TABLE message DROP COLUMN counts_as_delivered;
    DROP TABLE condition;
    DROP TABLE told_hold;
    DROP INDEX message_about;
    ALTER TABLE message DROP COLUMN about;
    DROP TABLE glance;
    DROP INDEX message_here;
    DELETE FROM meta WHERE key = 'unread_to';";

/// A daemon that carries commands out, and does nothing else.
pub fn carries_out(spool: Arc<dyn Spool>) -> impl Fn(u32, Asked) -> Reply<Answer> {
    move |_, asked| {
        let Asked::Command(command) = asked else { panic!("only commands are asked here: {asked:?}") };
        let changed = spool.change(command);
        Box::pin(async move { changed.await.map(Answer::Changed) })
    }
}

/// 2026-01-31 12:00 UTC.
pub fn start() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

/// Where the spool lies, and what time it is there.
pub struct Ground {
    pub folder: TempDir,
    pub config: Config,
    pub clock: Clock,
    pub metrics: Metrics,
}

impl Ground {
    pub fn new() -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            path: folder.path().join("spool.db"),
            max_size: 10 << 30,
            min_free: 0,
            max_share: 25,
            ledger_keep: 90 * DAY,
        };
        Ground { folder, config, clock: Clock::by_hand(start()), metrics: Metrics::new().unwrap() }
    }

    pub fn path(&self) -> PathBuf {
        self.config.path.clone()
    }

    /// Opens the spool, with mailboxes `a` and `b` and the endpoints `desk` and `erp`.
    pub async fn open(&self) -> Arc<dyn Spool> {
        let spool = self.try_open().unwrap();
        spool.enrol(vec![enrolment("a"), enrolment("b")]).await.unwrap();
        spool.keep_endpoints(vec![endpoint("desk"), endpoint("erp")]).await.unwrap();
        spool
    }

    /// Opens the engine that is put to the test.
    pub fn try_open(&self) -> Result<Arc<dyn Spool>, SpoolError> {
        Ok(Arc::new(Sqlite::open(self.config.clone(), self.clock.clone(), self.metrics.spool.clone())?))
    }

    /// Brings a spool that nobody has open back to the first schema.
    pub fn make_old(&self) -> rusqlite::Connection {
        let file = self.without_breakers();
        let newer = "DROP TABLE token;
            ALTER TABLE message DROP COLUMN kind;
            ALTER TABLE message DROP COLUMN listed_size;
            ALTER TABLE message DROP COLUMN size_limit;
            PRAGMA application_id = 0;
            PRAGMA user_version = 1";
        file.execute_batch(newer).unwrap();
        file
    }

    /// Brings a spool that nobody has open back to the schema before deliveries had an order and endpoints a breaker.
    pub fn without_breakers(&self) -> rusqlite::Connection {
        let file = rusqlite::Connection::open(self.path()).unwrap();
        file.execute_batch(BEFORE_NOTICES).unwrap();
        file.execute_batch("DROP INDEX delivery_untried; DROP INDEX delivery_order; PRAGMA user_version = 5").unwrap();
        for column in ["mailbox", "refused_ms", "refused_from"] {
            file.execute_batch(&format!("ALTER TABLE delivery DROP COLUMN {column}")).unwrap();
        }
        for column in
            ["paused_from", "paused_ran", "breaker", "probe_at", "probes_failed", "gone_since", "refused", "resumes"]
        {
            file.execute_batch(&format!("ALTER TABLE endpoint DROP COLUMN {column}")).unwrap();
        }
        file
    }

    /// What the disk holds at this instant, somewhere else: a crash, as the next process finds it.
    pub fn after_a_crash(&self) -> Ground {
        let later = Ground { clock: Clock::by_hand(self.clock.now()), ..Ground::new() };
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), later.folder.path().join(entry.file_name())).unwrap();
        }
        later
    }

    /// The same folder for a process whose wall clock is wrong, or right at last.
    pub fn at(self, now: Timestamp) -> Ground {
        Ground { clock: Clock::by_hand(now), metrics: Metrics::new().unwrap(), ..self }
    }

    /// The same folder later, as the next process finds it.
    pub fn after_an_end(self, gap: Duration) -> Ground {
        let now = self.clock.now().checked_add(gap).unwrap();
        self.at(now)
    }
}

pub fn enrolment(name: &str) -> Enrolment {
    Enrolment {
        mailbox: mailbox(name),
        former_name: None,
        host: "pop.example.com".to_owned(),
        username: format!("{name}@example.com"),
    }
}

pub fn mailbox(name: &str) -> MailboxName {
    MailboxName::parse(name).unwrap()
}

pub fn endpoint(name: &str) -> EndpointName {
    EndpointName::parse(name).unwrap()
}

pub fn unique_id(text: &str) -> UniqueId {
    UniqueId::parse(text.as_bytes()).unwrap()
}

/// A mail that says `text`, listed in `mailbox` under `id`; no id where that is empty.
pub fn incoming(mailbox_name: &str, id: &str, text: &str) -> Incoming {
    let raw = format!("Subject: {text}\r\n\r\n{text}\r\n").into_bytes();
    let content = Content::of(&raw);
    Incoming {
        id: MessageId::of(&mailbox(mailbox_name), &content),
        unique_id: UniqueId::parse(id.as_bytes()),
        content,
        sha256: Sha256::digest(&raw).into(),
        listed_size: Some(u64::try_from(raw.len()).unwrap()),
        raw: raw.into(),
    }
}

/// Has mailbox `a` take a mail.
pub async fn take(spool: &Arc<dyn Spool>, id: &str, text: &str) -> Accepted {
    spool.accept(&mailbox("a"), vec![incoming("a", id, text)]).await.unwrap()[0]
}

/// The id that mailbox `a` gives a mail that says `text`.
pub fn id_of(text: &str) -> String {
    incoming("a", "", text).id.to_string()
}

pub async fn key_of(spool: &Arc<dyn Spool>, text: &str) -> MessageKey {
    spool.find(&id_of(text)).await.unwrap().expect("the message is in the spool").key
}

/// Sorts everything that waits to `endpoints`; tells how many messages that were.
pub async fn sort_all(spool: &Arc<dyn Spool>, endpoints: &[&str]) -> usize {
    let mut count = 0;
    loop {
        let batch = spool.claim_unsorted(100).await.unwrap();
        if batch.is_empty() {
            return count;
        }
        count += batch.len();
        let to = |one: &pophook::spool::Unsorted| Sorted {
            message: one.message.key,
            verdict: match one.purpose {
                Purpose::ToSort => Verdict::Routed(endpoints.iter().copied().map(endpoint).collect()),
                Purpose::ToShow => Verdict::Shown,
            },
            glance: Some(glance_of(&one.raw)),
        };
        spool.sort(batch.iter().map(to).collect()).await.unwrap();
    }
}

/// What a list shows of a mail that [`incoming`] made.
fn glance_of(raw: &[u8]) -> Glance {
    // Bounded, as the real ones are.
    let raw = String::from_utf8_lossy(&raw[..raw.len().min(1000)]);
    let subject = raw.lines().next().and_then(|line| line.strip_prefix("Subject: ")).map(str::to_owned);
    let words = searchable(&raw);
    Glance { subject, sender: "ada@example.org".to_owned(), kind: "message".to_owned(), words, ..Glance::default() }
}

/// Mailbox `a` takes a mail, under its text as unique-id, that goes to `endpoints`.
pub async fn routed(spool: &Arc<dyn Spool>, text: &str, endpoints: &[&str]) -> MessageKey {
    take(spool, text, text).await;
    sort_all(spool, endpoints).await;
    key_of(spool, text).await
}

/// Mailbox `a` takes a mail, under its text as unique-id, that rule `spam` drops.
pub async fn dropped(spool: &Arc<dyn Spool>, text: &str, counts_as_delivered: bool) -> MessageKey {
    take(spool, text, text).await;
    let batch = spool.claim_unsorted(1).await.unwrap();
    let verdict = Verdict::Dropped(Dropped { rule: "spam".to_owned(), counts_as_delivered });
    spool.sort(vec![Sorted { message: batch[0].message.key, verdict, glance: None }]).await.unwrap();
    key_of(spool, text).await
}

/// All that is due at `endpoint`.
pub async fn claim(spool: &Arc<dyn Spool>, name: &str) -> Vec<Claim> {
    let wanted = Wanted { free: 1000, ..Wanted::default() };
    spool.claim(&endpoint(name), wanted).await.unwrap().claims
}

/// The only delivery that is due at `endpoint`.
#[track_caller]
pub fn only(mut claims: Vec<Claim>) -> Claim {
    assert_eq!(claims.len(), 1, "{claims:?}");
    claims.remove(0)
}

/// The record of an attempt that began now and ended at once.
pub fn record_of(claim: &Claim, at: Timestamp, end: End) -> Record {
    Record {
        delivery: claim.delivery,
        generation: claim.generation,
        attempt: claim.attempt,
        started_at: at,
        took: Duration::ZERO,
        status: Some(if end == End::Delivered { 200 } else { 500 }),
        error: None,
        answer: None,
        outcome: if end == End::Delivered { "delivered" } else { "deferred" },
        end,
        tell: Vec::new(),
    }
}

/// Records that `claim` ended so.
pub async fn record(spool: &Arc<dyn Spool>, clock: &Clock, claim: &Claim, end: End) {
    spool.record(vec![record_of(claim, clock.now(), end)]).await.unwrap();
}

/// A failure that counts, to be tried again after `wait`.
pub fn deferred(clock: &Clock, wait: Duration) -> End {
    End::Deferred { due: clock.now().checked_add(wait).unwrap(), counts: Counts::Failure }
}

/// Everything that is due at `endpoint` is delivered.
pub async fn deliver_all(spool: &Arc<dyn Spool>, clock: &Clock, name: &str) {
    for claim in claim(spool, name).await {
        record(spool, clock, &claim, End::Delivered).await;
    }
}

/// The lines of `spool list`.
pub async fn rows(spool: &Arc<dyn Spool>) -> Vec<Row> {
    spool.list(Filter::default()).await.unwrap()
}

/// Each line's endpoint and state, where there is an endpoint; else its state alone.
pub async fn states(spool: &Arc<dyn Spool>) -> Vec<String> {
    let state = |row: Row| match row.endpoint {
        Some(endpoint) => format!("{endpoint} {}", row.state),
        None => row.state.to_owned(),
    };
    rows(spool).await.into_iter().map(state).collect()
}

pub fn of_id(text: &str) -> Filter {
    Filter { ids: vec![id_of(text)], ..Filter::default() }
}

pub fn of_endpoint(name: &str) -> Filter {
    Filter { endpoint: Some(name.to_owned()), ..Filter::default() }
}

pub fn retry(filter: Filter) -> Command {
    Command::Retry { filter, to: None, raw: false }
}

pub fn drop_rows(filter: Filter) -> Command {
    Command::Drop { filter, erase: false }
}

/// Carries a command out; tells how many rows changed.
pub async fn change(spool: &Arc<dyn Spool>, command: Command) -> u64 {
    spool.change(command).await.unwrap().changed
}

/// Carries a command out that is refused; tells why.
pub async fn refusal(spool: &Arc<dyn Spool>, command: Command) -> String {
    match spool.change(command.clone()).await {
        Err(SpoolError::Impossible(why)) => why,
        other => panic!("{command:?} was not refused: {other:?}"),
    }
}
