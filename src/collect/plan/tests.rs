//! Tables over (listing, ledger, mailbox, now) → plan: one test for each rule.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::*;
use crate::collect::Credential;
use crate::collect::Dedupe;
use crate::collect::SessionLimits;
use crate::ident::MailboxName;
use crate::pop3::Entry as Listed;
use crate::secret::Secret;
use crate::spool::OurCopy;

/// The hour of every plan here, unless it says otherwise.
const NOW: i64 = 1_000_000;
const HOUR: i64 = 3600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn id(text: &str) -> UniqueId {
    UniqueId::parse(text.as_bytes()).unwrap()
}

/// A listing from `id:size id -:size`: numbers from 1, `-` where there is no usable unique-id, a size where LIST has one.
fn listing(text: &str) -> Listing {
    let entry = |(number, entry): (u32, &str)| {
        let (name, size) = entry.split_once(':').unwrap_or((entry, ""));
        Listed { number, size: size.parse().ok(), unique_id: UniqueId::parse(name.trim_matches('-').as_bytes()) }
    };
    Listing { entries: (1..).zip(text.split_whitespace()).map(entry).collect(), unique_ids: true }
}

/// A ledger row: taken at 100 bytes two hours ago, delivered one hour ago, listed ever since.
fn row(text: &str) -> LedgerRow {
    let copy = OurCopy { spooled_at: at(NOW - 2 * HOUR), delivered_at: Some(at(NOW - HOUR)) };
    LedgerRow {
        key: LedgerKey::for_testing(0),
        unique_id: UniqueId::parse(text.trim_matches('-').as_bytes()),
        entry: Entry::Taken { content: content(text), copy },
        listed_size: Some(100),
        absent_since: None,
        marked: false,
        expunges: 0,
        expunged: false,
    }
}

fn content(text: &str) -> Content {
    Content::of(text.as_bytes())
}

impl LedgerRow {
    fn skipped(self) -> LedgerRow {
        LedgerRow { entry: Entry::Skipped, ..self }
    }

    fn oversize(self, limit: u64) -> LedgerRow {
        LedgerRow { entry: Entry::Oversize { limit }, ..self }
    }

    fn undelivered(self) -> LedgerRow {
        let copy = OurCopy { spooled_at: at(NOW - 2 * HOUR), delivered_at: None };
        let Entry::Taken { content, .. } = self.entry else { panic!("only what was taken is delivered") };
        LedgerRow { entry: Entry::Taken { content, copy }, ..self }
    }

    fn absent(self) -> LedgerRow {
        LedgerRow { absent_since: Some(at(NOW - HOUR)), ..self }
    }

    fn marked(self) -> LedgerRow {
        LedgerRow { marked: true, ..self }
    }

    fn expunged(self, times: u32) -> LedgerRow {
        LedgerRow { marked: true, expunged: true, expunges: times, ..self }
    }
}

/// A ledger of these rows, with keys 1, 2, …, after a complete listing a minute ago.
fn ledger(rows: impl IntoIterator<Item = LedgerRow>) -> Ledger {
    let keyed = |(key, row)| LedgerRow { key: LedgerKey::for_testing(key), ..row };
    Ledger {
        listed_at: Some(at(NOW - 60)),
        reread_at: None,
        flood: Flood::None,
        rows: (1..).zip(rows).map(keyed).collect(),
    }
}

/// A mailbox with this rule that takes messages of up to 1000 bytes.
pub(in crate::collect) fn mailbox(on_server: OnServer) -> Mailbox {
    let name = MailboxName::parse("m").unwrap();
    Mailbox {
        name: name.clone(),
        identity: name,
        server: pop3::Config {
            host: "localhost".to_owned(),
            port: 110,
            tls: pop3::Tls::None,
            ca_pem: None,
            username: "u".to_owned(),
            auth: pop3::Auth::Auto,
            pipelining: pop3::Pipelining::Window(NonZeroUsize::MIN),
            capa: pop3::Capa::Asked,
            timeouts: pop3::Timeouts::default(),
        },
        credential: Credential::Password(Secret::new("p")),
        poll_interval: Duration::from_secs(60),
        start_from: StartFrom::All,
        max_message_size: 1000,
        oversize_events: false,
        retention: retention::Policy { on_server, delete_after: Duration::ZERO, keep_latest: 0 },
        dedupe: Dedupe::Content,
        visit_timeout: Duration::from_secs(60),
        session: SessionLimits { messages: 1000, bytes: 1 << 30, time: Duration::from_secs(60) },
    }
}

fn keep() -> Mailbox {
    mailbox(OnServer::Keep)
}

fn when_delivered() -> Mailbox {
    mailbox(OnServer::DeleteWhenDelivered)
}

fn when_spooled() -> Mailbox {
    mailbox(OnServer::DeleteWhenSpooled)
}

impl Mailbox {
    fn from(self, start_from: StartFrom) -> Mailbox {
        Mailbox { start_from, ..self }
    }

    fn latest(mut self, keep_latest: usize) -> Mailbox {
        self.retention.keep_latest = keep_latest;
        self
    }

    fn after(mut self, seconds: u64) -> Mailbox {
        self.retention.delete_after = Duration::from_secs(seconds);
        self
    }
}

/// What a plan does, in words; what it does not do is left out.
fn told(plan: &Plan) -> String {
    let numbers = |takes: &[Take]| takes.iter().map(|take| take.number.to_string()).collect();
    let keys = |keys: &[LedgerKey]| keys.iter().map(|key| format!("{key:?}")).collect();
    let seen = &plan.observation;
    let words: [(&str, Vec<String>); 7] = [
        ("retrieve", numbers(&plan.retrieve)),
        ("by date", numbers(&plan.by_date)),
        ("delete", plan.delete.iter().map(|one| one.number.to_string()).collect()),
        ("skip", seen.skipped.iter().map(|(id, _)| id.to_string()).collect()),
        ("oversize", seen.oversize.iter().map(|one| one.unique_id.to_string()).collect()),
        ("gone", keys(&seen.gone)),
        ("back", keys(&seen.returned)),
    ];
    let some = words.into_iter().filter(|(_, which)| !which.is_empty());
    let mut parts: Vec<String> = some.map(|(word, which)| format!("{word} {}", which.join(" "))).collect();
    let findings = plan.findings;
    let flags = [
        (findings.held > 0, "held"),
        (findings.flood, "flood"),
        (findings.not_deleting, "not deleting"),
        (seen.reread, "reread"),
    ];
    parts.extend(flags.iter().filter(|(is, _)| *is).map(|(_, word)| (*word).to_owned()));
    parts.join(", ").replace("LedgerKey(", "#").replace(')', "")
}

#[track_caller]
fn check(listed: &str, ledger: &Ledger, mailbox: &Mailbox, expected: &str) {
    let plan = plan(&listing(listed), ledger, mailbox, at(NOW));
    assert_eq!(told(&plan), expected, "{listed}");
    for delete in &plan.delete {
        let known = ledger.rows.iter().find(|row| row.key == delete.key).expect("what is deleted was taken before");
        assert!(matches!(known.entry, Entry::Taken { .. }), "what is deleted was taken before");
        assert!(plan.retrieve.iter().all(|take| take.number != delete.number), "and is not being read");
    }
}

#[test]
fn what_is_new_is_retrieved_and_what_is_known_is_not() {
    for mailbox in [keep(), when_delivered(), when_spooled()] {
        check("a:100 b:100", &ledger([]), &mailbox, "retrieve 1 2");
    }
    check("a:100 b:100 c:100", &ledger([row("a"), row("c")]), &keep(), "retrieve 2");
    check("a:100", &ledger([row("a")]), &keep(), "");
    check("", &ledger([]), &keep(), "");
    check("a:7 A:7", &ledger([row("a")]), &keep(), "retrieve 2");
}

#[test]
fn the_rule_says_what_is_deleted() {
    check("a:100", &ledger([row("a")]), &keep(), "");
    check("a:100", &ledger([row("a")]), &when_delivered(), "delete 1");
    check("a:100", &ledger([row("a").undelivered()]), &when_delivered(), "");
    check("a:100", &ledger([row("a").undelivered()]), &when_spooled(), "delete 1");
    check("a:100", &ledger([row("a")]), &when_delivered().after(3601), "");
    check("a:100", &ledger([row("a")]), &when_delivered().after(3600), "delete 1");
    check("a:100", &ledger([row("a")]), &when_spooled().after(7201), "");
}

#[test]
fn no_visit_deletes_a_message_that_it_took_for_the_first_time() {
    for mailbox in [when_delivered(), when_spooled()] {
        check("a:100 -:100", &ledger([]), &mailbox, "retrieve 1 2, reread");
        let first = Take { number: 1, size: Some(100), unique_id: None };
        assert!(!may_delete_equal(&ledger([]), (&first, &content("a")), &mailbox, &HashSet::new(), at(NOW)));
    }
}

#[test]
fn the_latest_are_held_back() {
    let rows = || ledger([row("a"), row("b"), row("c")]);
    check("a:100 b:100 c:100", &rows(), &when_delivered().latest(1), "delete 1 2");
    check("a:100 b:100 c:100", &rows(), &when_delivered().latest(3), "");
    check("a:100 b:100 c:100", &rows(), &when_delivered().latest(9), "");
    // The newest of the listing count, also where they are not ours to delete.
    check("a:100 b:100 c:100 d:100", &rows(), &when_delivered().latest(2), "retrieve 4, delete 1 2");
}

#[test]
fn the_first_visit_takes_what_the_start_says() {
    let first = || Ledger::default();
    let day = StartFrom::Date(jiff::civil::date(2026, 1, 31));
    check("a:100 b:2000", &first(), &keep(), "retrieve 1, oversize b");
    check("a:100 b:2000", &first(), &keep().from(StartFrom::Now), "skip a b");
    check("a:100 b:2000", &first(), &keep().from(day), "by date 1 2");
    // Later ones do not ask for it.
    for start_from in [StartFrom::All, StartFrom::Now, day] {
        check("a:100", &ledger([]), &keep().from(start_from), "retrieve 1");
    }
}

#[test]
fn the_first_visit_of_a_date_skips_only_what_is_certainly_older() {
    let mailbox = keep().from(StartFrom::Date(jiff::civil::date(2026, 1, 31)));
    let check = |received: Option<&str>, size: u64, expected: &str| {
        let mut plan = Plan::default();
        let take = Take { number: 1, size: Some(size), unique_id: Some(id("a")) };
        plan.dated(take, received.map(|time| time.parse().unwrap()), &mailbox);
        assert_eq!(told(&plan), expected, "{received:?}");
    };
    check(Some("2026-01-30T23:59:59Z"), 100, "skip a");
    check(Some("2026-01-31T00:00:00Z"), 100, "retrieve 1");
    check(Some("2026-01-31T00:30:00+01:00"), 100, "skip a");
    check(Some("2030-01-01T00:00:00Z"), 100, "retrieve 1");
    check(None, 100, "retrieve 1");
    check(None, 2000, "oversize a");
    check(Some("2020-01-01T00:00:00Z"), 2000, "skip a");
}

#[test]
fn what_was_skipped_is_never_retrieved_and_never_deleted() {
    for mailbox in [keep(), when_delivered(), when_spooled()] {
        check("a:100", &ledger([row("a").skipped()]), &mailbox, "");
        check("a:999", &ledger([row("a").skipped()]), &mailbox, "");
        check("a:100", &ledger([row("a").skipped().absent()]), &mailbox, "back #1");
        check("a:?", &ledger([row("a").skipped().absent()]), &mailbox, "back #1");
        // A server on the move may list nothing, and then give the old ids out anew: a human says what they are.
        check("a:999", &ledger([row("a").skipped().absent()]), &mailbox, "back #1");
    }
    assert!(!has_something_to_delete(&ledger([row("a").skipped()]), &when_spooled(), at(NOW)));
}

#[test]
fn what_is_too_large_waits_for_a_larger_limit() {
    check("a:1000 b:1001 c", &ledger([]), &keep(), "retrieve 1 3, oversize b");
    for mailbox in [keep(), when_spooled()] {
        check("a:1001", &ledger([row("a").oversize(1000)]), &mailbox, "");
        check("a:1001", &ledger([row("a").oversize(500)]), &mailbox, "");
        check("a:900", &ledger([row("a").oversize(500)]), &mailbox, "retrieve 1");
        check("a", &ledger([row("a").oversize(500)]), &mailbox, "retrieve 1");
        // LIST says that it fits, but under this very limit it did not.
        check("a:10", &ledger([row("a").oversize(1000)]), &mailbox, "");
        check("a:10", &ledger([row("a").oversize(2000)]), &mailbox, "");
    }
    assert!(!has_something_to_delete(&ledger([row("a").oversize(1)]), &when_spooled(), at(NOW)));
}

#[test]
fn an_id_that_we_had_deleted_is_looked_at_again_before_anything() {
    for mailbox in [keep(), when_delivered(), when_spooled()] {
        for times in [1, 2] {
            check("a:100", &ledger([row("a").expunged(times)]), &mailbox, "retrieve 1");
            check("a:777", &ledger([row("a").expunged(times).absent()]), &mailbox, "retrieve 1");
        }
        // Nobody answered QUIT, but a listing lacked it: it was deleted all the same.
        check("a:100", &ledger([row("a").marked().absent()]), &mailbox, "retrieve 1");
        check("a:5000", &ledger([row("a").expunged(1)]), &mailbox, "oversize a");
    }
}

#[test]
fn what_was_marked_and_is_still_there_is_compared_before_it_is_deleted_again() {
    check("a:100", &ledger([row("a").marked()]), &when_delivered(), "retrieve 1");
    check("a:100", &ledger([row("a").marked()]), &keep(), "retrieve 1");
}

#[test]
fn what_may_be_another_mail_is_compared_before_it_is_deleted() {
    let check = |listed: &str, row: LedgerRow, when_it_may_go: &str, when_not: &str| {
        check(listed, &ledger([row.clone()]), &when_delivered(), when_it_may_go);
        check(listed, &ledger([row]), &keep(), when_not);
    };
    check("a:101", row("a"), "retrieve 1", "");
    check("a:5000", row("a"), "oversize a", "");
    check("a", row("a"), "delete 1", "");
    check("a:100", LedgerRow { listed_size: None, ..row("a") }, "retrieve 1", "");
    // Another listing lacked it: an id may be given out again.
    check("a:100", row("a").absent(), "retrieve 1", "retrieve 1");
}

#[test]
fn an_equal_message_goes_in_the_session_that_compared_it() {
    let check = |row: LedgerRow, text: &str, mailbox: Mailbox, held_back: &[u32], expected: bool| {
        let take = Take { number: 1, size: Some(100), unique_id: row.unique_id.clone() };
        let held_back = held_back.iter().copied().collect();
        let (rows, wanted) = (ledger([row]), content(text));
        assert_eq!(may_delete_equal(&rows, (&take, &wanted), &mailbox, &held_back, at(NOW)), expected);
    };
    check(row("a").expunged(1), "a", when_delivered(), &[], true);
    check(row("a").expunged(2), "a", when_delivered(), &[], true);
    check(row("a").expunged(3), "a", when_delivered(), &[], false);
    check(row("a").expunged(1), "other", when_delivered(), &[], false);
    check(row("a").expunged(1), "a", when_delivered(), &[1], false);
    check(row("a").expunged(1), "a", keep(), &[], false);
    check(row("a").undelivered(), "a", when_delivered(), &[], false);
    check(row("-"), "-", when_delivered(), &[], true);
    check(row("-"), "-", keep(), &[], false);
    check(row("a").skipped(), "a", when_spooled(), &[], false);
}

#[test]
fn a_server_that_does_not_delete_is_treated_as_keep() {
    let rows = |times| ledger([row("a").expunged(times), row("b")]);
    check("a:100 b:100", &rows(2), &when_delivered(), "retrieve 1, delete 2");
    check("a:100 b:100", &rows(3), &when_delivered(), "not deleting");
    // It is still looked at where it may be another mail.
    check("a:101 b:100", &rows(3), &when_delivered(), "retrieve 1, not deleting");
    // What is gone was deleted after all.
    check("b:100", &rows(3), &when_delivered(), "delete 1, gone #1");
    let others = ledger([row("a").expunged(3), row("b").expunged(1).absent()]);
    check("a:100 b:100", &others, &when_delivered(), "retrieve 2, not deleting");
}

#[test]
fn messages_without_an_id_are_known_by_content_alone() {
    check("-:100 a:100", &ledger([]), &keep(), "retrieve 2 1, reread");
    check("-:100 -:1001", &ledger([row("-")]), &keep(), "retrieve 1, reread");
    // They are never deleted by the plan, which has not seen their content.
    check("-:100", &ledger([row("-")]), &when_spooled(), "retrieve 1, reread");
}

#[test]
fn with_keep_messages_without_an_id_are_read_anew_once_an_hour() {
    let check = |read: i64, mailbox: &Mailbox, expected: &str| {
        let ledger = Ledger { reread_at: Some(at(NOW - read)), ..ledger([row("-")]) };
        check("-:100", &ledger, mailbox, expected);
    };
    check(3599, &keep(), "");
    check(3600, &keep(), "retrieve 1, reread");
    check(1, &when_delivered(), "retrieve 1, reread");
    check(1, &when_spooled(), "retrieve 1, reread");
}

#[test]
fn a_complete_listing_says_what_is_gone_and_what_is_back() {
    check("b:100", &ledger([row("a"), row("b")]), &keep(), "gone #1");
    check("", &ledger([row("a"), row("b")]), &keep(), "gone #1 #2");
    check("", &ledger([row("a").absent()]), &keep(), "");
    check("a:100", &ledger([row("a").absent()]), &keep(), "retrieve 1");
    check("b:100", &ledger([row("a").skipped(), row("b").oversize(9)]), &mailbox_of(9), "gone #1");
    check("b:100", &ledger([row("-"), row("b")]), &keep(), "gone #1");
    check("-:100 b:100", &ledger([row("-"), row("b")]), &keep(), "retrieve 1, reread");
}

fn mailbox_of(max_message_size: u64) -> Mailbox {
    Mailbox { max_message_size, ..keep() }
}

#[test]
fn an_id_means_what_it_meant_last() {
    let reused = || ledger([row("a"), row("a").undelivered()]);
    check("a:100", &reused(), &when_delivered(), "gone #1");
    check("a:100", &reused(), &when_spooled(), "delete 1, gone #1");
    let settled = ledger([row("a").absent(), row("a")]);
    check("a:100", &settled, &when_delivered(), "delete 1");
    check("", &ledger([row("a").absent(), row("a")]), &keep(), "gone #2");
    check("a:100", &ledger([row("a"), row("a").skipped()]), &when_spooled(), "gone #1");
}

/// Ten known messages of which none is listed, and ten new ones.
fn flooded(flood: Flood, more: impl IntoIterator<Item = LedgerRow>) -> Ledger {
    let old = (0..10).map(|number| row(&format!("old{number}")));
    Ledger { flood, ..ledger(old.chain(more)) }
}

const NEW: &str = "n0:9 n1:9 n2:9 n3:9 n4:9 n5:9 n6:9 n7:9 n8:9 n9:9";
const NUMBERS: &str = "1 2 3 4 5 6 7 8 9 10";
const GONE: &str = "gone #1 #2 #3 #4 #5 #6 #7 #8 #9 #10";

#[track_caller]
fn check_flood(listed: &str, ledger: &Ledger, expected: &str, becomes: Flood) {
    for mailbox in [keep(), when_delivered()] {
        check(listed, ledger, &mailbox, expected);
        assert_eq!(plan(&listing(listed), ledger, &mailbox, at(NOW)).observation.flood, becomes);
    }
}

#[test]
fn a_flood_without_skipped_messages_is_settled_by_content() {
    check_flood(NEW, &flooded(Flood::None, []), &format!("retrieve {NUMBERS}, {GONE}, flood"), Flood::None);
}

#[test]
fn a_flood_over_skipped_messages_waits_for_a_human() {
    let skipped = || [row("skipped").skipped().absent()];
    check_flood(NEW, &flooded(Flood::None, skipped()), &format!("{GONE}, held, flood"), Flood::Unresolved);
    // It stays so, also when the next listing alone is none.
    check_flood("n:9", &ledger_in(Flood::Unresolved), "held, flood", Flood::Unresolved);
    check_flood("", &ledger_in(Flood::Unresolved), "flood", Flood::Unresolved);
    check_flood("n:9", &ledger_in(Flood::AsSeen), "skip n", Flood::None);
    check_flood("n:9", &ledger_in(Flood::AsNew), "retrieve 1", Flood::None);
    // Until most of the new ones are taken, each listing looks like a flood again, and is none to wait for.
    check_flood(NEW, &flooded(Flood::AsNew, skipped()), &format!("retrieve {NUMBERS}, {GONE}, flood"), Flood::AsNew);
    check_flood("n:2000", &ledger_in(Flood::AsNew), "oversize n", Flood::None);
    // What is known goes on meanwhile.
    let known = Ledger { flood: Flood::Unresolved, ..ledger([row("a"), row("s").skipped()]) };
    check("a:100 s:9 n:9", &known, &when_delivered(), "delete 1, held, flood");
}

fn ledger_in(flood: Flood) -> Ledger {
    Ledger { flood, ..ledger([row("s").skipped().absent()]) }
}

#[test]
fn what_we_deleted_ourselves_is_no_flood() {
    let deleted = |change: fn(LedgerRow) -> LedgerRow| {
        let rows = (0..10).map(|number| change(row(&format!("old{number}"))));
        ledger(rows.chain([row("s").skipped().absent()]))
    };
    for change in [|row: LedgerRow| row.expunged(1), LedgerRow::marked] {
        check(NEW, &deleted(change), &when_delivered(), &format!("retrieve {NUMBERS}, {GONE}"));
    }
}

#[test]
fn a_visit_only_to_delete_is_made_only_where_there_is_something() {
    let check = |row: LedgerRow, mailbox: Mailbox, expected: bool| {
        assert_eq!(has_something_to_delete(&ledger([row]), &mailbox, at(NOW)), expected);
    };
    check(row("a"), when_delivered(), true);
    check(row("a"), keep(), false);
    check(row("a").undelivered(), when_delivered(), false);
    check(row("a").undelivered(), when_spooled(), true);
    check(row("a").marked(), when_delivered(), true);
    check(row("a").expunged(1), when_delivered(), false);
    check(row("a").absent(), when_delivered(), false);
}
