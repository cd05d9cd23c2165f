//! The soak: twenty mailboxes on a real Dovecot, five endpoints with random faults, a kill every 5 to 60 seconds.
//!
//! By hand, with the minutes that it lasts:
//!
//!     SOAK_MINUTES=30 cargo test --release --test soak
//!
//! Without that variable it does nothing. It ends with the figures, and with an error if a mail was lost, changed,
//! posted under another id, or with a signature that the reference refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod support;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use support::dovecot::Dovecot;
use support::mails;
use support::oracle::KEY;
use support::oracle::Line;
use support::oracle::Owed;
use support::oracle::Post;
use support::oracle::judge;
use support::oracle::usage;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::pophook::Running;
use support::receiver::Answer;
use support::receiver::Receiver;
use support::sha256;

const MAILBOXES: usize = 20;
const ENDPOINTS: [&str; 5] = ["e1", "e2", "e3", "e4", "e5"];
const RULES: [&str; 3] = ["delete_when_delivered", "delete_when_spooled", "keep"];

/// How an endpoint behaves for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    /// Every other post fails in some way.
    Flapping,
    /// Nothing is taken.
    Down,
    /// Each answer takes a second.
    Slow,
    /// Asks to wait.
    Busy,
    /// Refuses one mail in ten, whichever comes.
    Picky,
}

const MOODS: [Mood; 8] =
    [Mood::Well, Mood::Well, Mood::Well, Mood::Flapping, Mood::Down, Mood::Slow, Mood::Busy, Mood::Picky];

fn answer(mood: Mood) -> Answer {
    let failures = [Answer::Status(500), Answer::Status(404), Answer::Reset, Answer::Close];
    let failure = || failures[fastrand::usize(..failures.len())].clone();
    match mood {
        Mood::Well | Mood::Slow => Answer::Status(200),
        Mood::Flapping if fastrand::bool() => failure(),
        Mood::Flapping => Answer::Status(204),
        Mood::Down => failure(),
        Mood::Busy if fastrand::u8(..3) > 0 => Answer::With(503, "retry-after", "2".to_owned()),
        Mood::Picky if fastrand::u8(..10) == 0 => Answer::Status(422),
        Mood::Busy | Mood::Picky => Answer::Status(200),
    }
}

/// The endpoints of a mailbox, the same at each start.
fn endpoints_of(mailbox: usize) -> Vec<&'static str> {
    let count = 1 + mailbox % 3;
    (0..count).map(|n| ENDPOINTS[(mailbox + 2 * n) % ENDPOINTS.len()]).collect()
}

fn user(mailbox: usize) -> String {
    format!("user{mailbox:02}")
}

/// A mail that differs from all others, of one of the sizes that mails have.
fn mail(number: usize) -> Vec<u8> {
    let size = match fastrand::u8(..100) {
        0 => 1 << 20,
        1..10 => 100 << 10,
        10..50 => 15 << 10,
        _ => 2 << 10,
    };
    mails::large(&format!("soak {number}"), size)
}

/// The process, and the worst that was seen of any.
#[derive(Default)]
struct Watch {
    memory: u64,
    files: usize,
    kills: usize,
    drains: usize,
}

impl Watch {
    fn look(&mut self, running: &Running) {
        let (memory, files) = usage(running.pid());
        self.memory = self.memory.max(memory);
        self.files = self.files.max(files);
    }
}

fn main() {
    let Ok(minutes) = std::env::var("SOAK_MINUTES") else {
        println!("SOAK_MINUTES is not set: no soak");
        return;
    };
    let lasts = Duration::from_secs_f64(60.0 * minutes.parse::<f64>().expect("SOAK_MINUTES is a number"));
    let users: Vec<String> = (0..MAILBOXES).map(user).collect();
    let dovecot = Dovecot::start(&users.iter().map(String::as_str).collect::<Vec<_>>());
    let posts: Arc<Mutex<Vec<Post>>> = Arc::default();
    let moods: Arc<Mutex<Vec<Mood>>> = Arc::new(Mutex::new(vec![Mood::Well; ENDPOINTS.len()]));
    let receivers: Vec<Receiver> = (0..ENDPOINTS.len()).map(|index| endpoint(index, &posts, &moods)).collect();
    let pophook = configure(&dovecot, &receivers);

    let began = Instant::now();
    let owed: Arc<Mutex<Vec<Owed>>> = Arc::default();
    let feeding = Arc::new(AtomicBool::new(true));
    let mut watch = Watch::default();
    thread::scope(|scope| {
        scope.spawn(|| feed(&dovecot, &owed, &feeding));
        scope.spawn(|| {
            while feeding.load(Ordering::SeqCst) {
                let changed = fastrand::usize(..ENDPOINTS.len());
                moods.lock().unwrap()[changed] = MOODS[fastrand::usize(..MOODS.len())];
                thread::sleep(Duration::from_secs(fastrand::u64(2..12)));
            }
            moods.lock().unwrap().fill(Mood::Well);
        });
        while began.elapsed() < lasts {
            one_life(&pophook, &mut watch, lasts.saturating_sub(began.elapsed()));
        }
        feeding.store(false, Ordering::SeqCst);
    });
    println!("fed for {:?}; now everything must arrive", began.elapsed());
    // Whatever is dead by now is sent again, as an operator would.
    let daemon = pophook.start(&["run"]);
    let settled = settle(&pophook, &dovecot, &owed.lock().unwrap(), &mut watch, &daemon);
    daemon.terminate();
    daemon.wait().expect(0);

    let mut owed = owed.lock().unwrap().clone();
    let mut left = 0;
    for mailbox in 0..MAILBOXES {
        let there: BTreeSet<String> = dovecot.files(&user(mailbox)).iter().map(|raw| sha256(raw)).collect();
        if RULES[mailbox % RULES.len()] != "keep" {
            left += there.len();
        }
        // Nothing excuses a mail that is in the maildrop but should have been delivered by now.
        owed.iter_mut().filter(|one| one.mailbox == user(mailbox)).for_each(|one| one.in_maildrop = false);
    }
    let posts = posts.lock().unwrap();
    let lines: Vec<Line> = pophook.list().iter().filter_map(Line::read).collect();
    let wrong = judge(&owed, &posts, &lines, &[], |id| pophook.raw(id).map(|raw| sha256(&raw)));
    tell(&owed, &posts, &lines, &watch, left);
    wrong.iter().take(20).for_each(|one| println!("{one}"));
    assert!(wrong.is_empty() && settled && left == 0, "{} violations; settled: {settled}; left: {left}", wrong.len());
}

/// Puts mail into the maildrops, a few a second.
fn feed(dovecot: &Dovecot, owed: &Mutex<Vec<Owed>>, feeding: &AtomicBool) {
    for number in 0.. {
        if !feeding.load(Ordering::SeqCst) {
            return;
        }
        let mailbox = fastrand::usize(..MAILBOXES);
        let raw = mail(number);
        // Known before it can arrive.
        owed.lock().unwrap().push(Owed::new(&user(mailbox), &raw, &endpoints_of(mailbox), false));
        dovecot.put(&user(mailbox), &raw);
        thread::sleep(Duration::from_millis(fastrand::u64(50..450)));
    }
}

/// An endpoint whose answers follow its mood.
fn endpoint(index: usize, posts: &Arc<Mutex<Vec<Post>>>, moods: &Arc<Mutex<Vec<Mood>>>) -> Receiver {
    let receiver = Receiver::start();
    receiver.forget();
    let (asked, slow) = (Arc::clone(moods), Arc::clone(moods));
    receiver.decide(move |_| answer(asked.lock().unwrap()[index]));
    let posts = Arc::clone(posts);
    receiver.on_arrival(move |hit| {
        posts.lock().unwrap().extend(Post::read(ENDPOINTS[index], hit));
        if slow.lock().unwrap()[index] == Mood::Slow {
            thread::sleep(Duration::from_secs(1));
        }
    });
    receiver
}

fn configure(dovecot: &Dovecot, receivers: &[Receiver]) -> Pophook {
    let mailbox = |number: usize| {
        let user = user(number);
        let mailbox = if number.is_multiple_of(2) {
            Mailbox::implicit(dovecot, &user)
        } else {
            Mailbox::starttls(dovecot, &user)
        };
        mailbox.pipelined().on_server(RULES[number % RULES.len()]).deliver_to(&endpoints_of(number))
    };
    let endpoint = |(name, receiver): (&&str, &Receiver)| {
        Endpoint::new(name, &receiver.url()).signed(&[KEY]).line("backoff: [500ms, 1s, 2s]").line("timeout: 5s")
    };
    let endpoints: Vec<Endpoint> = ENDPOINTS.iter().zip(receivers).map(endpoint).collect();
    Pophook::new((0..MAILBOXES).map(mailbox), endpoints)
}

/// Runs the daemon for 5 to 60 seconds; then it is killed, or asked to drain, and killed if it has not.
fn one_life(pophook: &Pophook, watch: &mut Watch, at_most: Duration) {
    let daemon = pophook.start(&["run"]);
    let until = Instant::now() + at_most.min(Duration::from_millis(fastrand::u64(5_000..60_000)));
    while Instant::now() < until {
        watch.look(&daemon);
        thread::sleep(Duration::from_millis(200).min(until.saturating_duration_since(Instant::now())));
    }
    if fastrand::u8(..5) == 0 {
        watch.drains += 1;
        daemon.terminate();
        daemon.wait().expect(0);
    } else {
        watch.kills += 1;
        daemon.kill();
    }
}

/// Waits until everything is where it belongs, at most ten minutes.
fn settle(pophook: &Pophook, dovecot: &Dovecot, owed: &[Owed], watch: &mut Watch, daemon: &Running) -> bool {
    let deleting = || (0..MAILBOXES).filter(|mailbox| RULES[mailbox % RULES.len()] != "keep");
    let expected: usize = owed.iter().map(|one| one.endpoints.len()).sum();
    for _ in 0..600 {
        watch.look(daemon);
        let lines = pophook.list();
        if lines.iter().any(|line| line["state"] == "dead") {
            pophook.command(&["spool", "retry", "--all", "--yes"]);
        }
        if lines.iter().filter(|line| line["state"] == "delivered").count() == expected
            && deleting().all(|mailbox| dovecot.count(&user(mailbox)) == 0)
        {
            return true;
        }
        thread::sleep(Duration::from_secs(1));
    }
    false
}

fn tell(owed: &[Owed], posts: &[Post], lines: &[Line], watch: &Watch, left: usize) {
    let mut taken: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for post in posts.iter().filter(|post| post.accepted) {
        *taken.entry((&post.endpoint, &post.id)).or_default() += 1;
    }
    let again: usize = taken.values().map(|times| times - 1).sum();
    let due = owed.iter().flat_map(|one| one.endpoints.iter().map(move |endpoint| (endpoint.as_str(), &*one.id)));
    let lost = due.clone().filter(|one| !taken.contains_key(one)).count();
    println!("mails in                     {}", owed.len());
    println!("deliveries owed              {}", due.count());
    println!("posts out                    {}", posts.len());
    println!("  of these taken             {}", posts.iter().filter(|post| post.accepted).count());
    println!("  taken more than once       {again} (each under its old id)");
    println!("deliveries lost              {lost}");
    println!("lines in the spool           {}", lines.len());
    println!("left in maildrops to empty   {left}");
    println!("kills, drains                {}, {}", watch.kills, watch.drains);
    println!("peak memory                  {} MiB", watch.memory >> 10);
    println!("most open files              {}", watch.files);
}
