//! A visit in several sessions: what a dropped line costs, and what a server's delay between logins makes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use pophook::app::App;
use pophook::clock::Clock;
use support::mails;
use support::pop3_server::Event;
use support::pop3_server::Faults;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pop3_server::Then;
use support::pop3_server::Uidl;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Receiver;
use support::wait_for;
use tokio_util::sync::CancellationToken;

struct Stage {
    server: Pop3Server,
    desk: Receiver,
    pophook: Pophook,
}

impl Stage {
    /// Five mails, and two of them a session.
    fn new(rule: &str) -> Stage {
        let five = (1..=5).map(|n| Message::new(&format!("id{n}"), &mails::plain(&format!("mail {n}")))).collect();
        let (server, desk) = (Pop3Server::start(five), Receiver::start());
        let mailbox = Mailbox::scripted(&server).on_server(rule).line("max_session_messages: 2");
        let pophook = Pophook::new([mailbox], [Endpoint::desk(&desk)]);
        Stage { server, desk, pophook }
    }

    /// The RETRs of each session.
    fn retrieved(&self) -> Vec<usize> {
        let log = self.server.log();
        let sessions = log.iter().map(|logged| logged.session).max().unwrap_or_default();
        let retrs = |session| {
            log.iter().filter(|logged| logged.session == session && logged.command.starts_with("RETR")).count()
        };
        (1..=sessions).map(retrs).collect()
    }
}

#[test]
fn a_visit_goes_on_in_the_next_session_until_its_plan_is_carried_out() {
    let stage = Stage::new("keep");
    stage.pophook.once().expect(0);
    assert_eq!(stage.retrieved()[..3], [2, 2, 1]);
    assert_eq!((stage.desk.count(), stage.server.messages().len()), (5, 5));
}

/// One round over these messages with a spool of 4 MiB, while the endpoint is down and the server's copies may go.
async fn once_with_little_room(messages: Vec<Message>) -> (Pop3Server, Pophook) {
    let (server, desk) = (Pop3Server::start(messages), Receiver::start());
    desk.set(Answer::Status(500));
    let mailbox = Mailbox::scripted(&server).on_server("delete_when_spooled");
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&desk)]);
    // Smaller than a file may have it.
    let mut config = pophook::config::load(&pophook.config()).unwrap();
    (config.spool.max_size, config.spool.max_share) = (4 << 20, 100);
    let app = App::open(config, Clock::system()).await.unwrap();
    let round = app.once(CancellationToken::new()).await.unwrap();
    assert!(!round.is_complete());
    (server, pophook)
}

#[tokio::test]
async fn s1_more_mail_than_the_spool_may_hold_waits_on_its_server() {
    let mails = (0..40).map(|n| Message::new(&format!("id{n}"), &mails::large(&format!("mail {n}"), 200 << 10)));
    let (server, pophook) = once_with_little_room(mails.collect()).await;
    let taken = pophook.in_state("pending").len();
    assert!((16..=20).contains(&taken), "{taken} taken");
    assert!(std::fs::metadata(pophook.spool()).unwrap().len() < 5 << 20);
    assert_eq!(server.messages().len() + taken, 40, "what was taken is deleted, what was not is there");
}

#[tokio::test]
async fn a_mail_that_does_not_fit_into_the_room_that_is_left_keeps_no_smaller_one_waiting() {
    let large = Message::new("large", &mails::large("large", 3 << 20));
    let mut all = vec![Message::new("first", &mails::large("first", 2 << 20)), large];
    all.extend((0..3).map(|n| Message::new(&format!("small{n}"), &mails::plain(&format!("small {n}")))));
    let (server, _pophook) = once_with_little_room(all).await;
    let left: Vec<Vec<u8>> = server.messages().into_iter().map(|message| message.unique_id).collect();
    assert_eq!(left, [b"large"]);
}

#[test]
fn no_session_deletes_what_its_visit_took_itself() {
    let stage = Stage::new("delete_when_spooled");
    stage.server.hook(|event| match event {
        Event::Arrived(command) if command.starts_with("DELE") => Then::Drop,
        Event::Arrived(_) | Event::Halfway(_) | Event::Answered(_) => Then::GoOn,
    });
    stage.pophook.once();
    let deleting = stage.server.log().iter().find(|logged| logged.command.starts_with("DELE")).map(|l| l.session);
    assert!(deleting.is_none_or(|session| session > 3), "{deleting:?} of {:?}", stage.retrieved());
    stage.server.unhook();
    stage.pophook.once_until("the maildrop is empty", || stage.server.messages().is_empty());
    assert_eq!(stage.desk.ids().len(), 5);
}

#[test]
fn m1_a_dropped_line_costs_one_session_and_not_the_visits_before_it() {
    let stage = Stage::new("delete_when_delivered");
    let broken = Faults { retr_broken: Some(("id4", 10)), ..Faults::default() };
    stage.server.script([Faults::default(), broken]);
    stage.pophook.once().expect(2);
    assert_eq!(stage.retrieved(), [2, 2], "the second session broke");
    stage.pophook.once().expect(0);
    let retrs = stage.server.times("RETR");
    stage.pophook.once_until("the maildrop is empty", || stage.server.messages().is_empty());
    assert_eq!((retrs, stage.server.times("RETR"), stage.desk.count()), (6, 6, 5));
}

#[test]
fn where_a_server_wants_a_delay_between_logins_the_rest_waits_for_the_next_visit() {
    let stage = Stage::new("keep");
    stage.server.set(Faults { capability: Some("LOGIN-DELAY 10"), ..Faults::default() });
    let ended = stage.pophook.once().expect(2);
    assert!(ended.said().contains("3 wait for the next visit"), "{}", ended.said());
    assert_eq!(stage.retrieved(), [2]);
    stage.pophook.once().expect(2);
    stage.pophook.once().expect(0);
    assert_eq!((stage.retrieved(), stage.desk.count()), (vec![2, 2, 1], 5));
}

#[test]
fn the_interval_that_is_shown_is_the_longer_one_of_ours_and_the_servers() {
    let stage = Stage::new("keep");
    stage.server.set(Faults { capability: Some("LOGIN-DELAY 10"), ..Faults::default() });
    let daemon = stage.pophook.start(&["run"]);
    let shows = |seconds: u64| {
        let line = format!("pophook_visit_interval_seconds{{mailbox=\"support\"}} {seconds}\n");
        stage.pophook.metrics().contains(&line)
    };
    wait_for("a visit tells it", || shows(10));
    daemon.terminate();
    daemon.wait().expect(0);
    stage.server.set(Faults::default());
    let daemon = stage.pophook.start(&["run"]);
    wait_for("the next start knows what is configured", || shows(1));
    daemon.terminate();
    daemon.wait().expect(0);
}

#[test]
fn m7_a_session_that_comes_too_soon_does_not_undo_the_one_before() {
    for answer in ["-ERR [LOGIN-DELAY] wait", "-ERR [IN-USE] locked", "-ERR [SYS/TEMP] later"] {
        let stage = Stage::new("keep");
        stage.server.script([Faults::default(), Faults { login_refused: Some(answer), ..Faults::default() }]);
        let ended = stage.pophook.once().expect(2);
        assert!(ended.said().contains("3 wait for the next visit"), "{}", ended.said());
        stage.pophook.once().expect(0);
        assert_eq!(stage.desk.count(), 5, "{answer}");
    }
}

#[test]
fn messages_without_unique_ids_are_not_forgotten_behind_a_full_session() {
    let stage = Stage::new("keep");
    for text in ["one", "two"] {
        stage.server.put(Message::new("", &mails::plain(text)));
    }
    stage.pophook.once().expect(0);
    assert_eq!(stage.desk.count(), 7, "{:?}", stage.retrieved());
}

#[test]
fn a_first_visit_of_a_date_goes_on_where_the_last_one_broke() {
    let (server, desk) = (Pop3Server::start(Vec::new()), Receiver::start());
    for n in 1..=5 {
        server.put(Message::new(&format!("id{n}"), &mails::plain(&format!("mail {n}"))));
    }
    let broken = std::sync::atomic::AtomicBool::new(false);
    server.hook(move |event| match event {
        Event::Arrived(command) if command == "TOP 4 0" && !broken.swap(true, std::sync::atomic::Ordering::SeqCst) => {
            Then::Drop
        }
        Event::Arrived(_) | Event::Halfway(_) | Event::Answered(_) => Then::GoOn,
    });
    let mailbox = Mailbox::scripted(&server).start_from("2000-01-01");
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&desk)]);
    let running = pophook.start(&["run"]);
    support::wait_for("all mail arrives", || desk.count() >= 5);
    running.terminate();
    running.wait().expect(0);
    let asked: Vec<String> =
        server.log().into_iter().map(|logged| logged.command).filter(|command| command.starts_with("TOP")).collect();
    assert_eq!(asked, ["TOP 1 0", "TOP 2 0", "TOP 3 0", "TOP 4 0", "TOP 5 0"]);
}

#[test]
fn messages_without_unique_ids_are_all_read_in_one_session() {
    let stage = Stage::new("keep");
    stage.server.set(Faults { uidl: Uidl::Unsupported, ..Faults::default() });
    stage.pophook.once().expect(0);
    assert_eq!((stage.retrieved(), stage.desk.count()), (vec![5], 5));
}

#[test]
fn what_an_operator_should_know_of_a_server_is_told_by_check_in_the_log_once_and_as_a_metric() {
    let stage = Stage::new("keep");
    stage.server.set(Faults { capability: Some("EXPIRE 0"), ..Faults::default() });
    let told = "the server may delete what was retrieved (EXPIRE 0)";
    let checked = stage.pophook.command(&["check", "--online"]).expect(0);
    assert!(checked.said().contains(told), "{}", checked.said());
    let running = stage.pophook.start(&["run"]);
    support::wait_for("three visits", || stage.server.times("QUIT") >= 4);
    let metrics = stage.pophook.metrics();
    running.terminate();
    let ended = running.wait().expect(0);
    for line in [r#"quirk="expire_0"} 1"#, r#"quirk="window"} 0"#] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert_eq!(ended.said().matches(told).count(), 1, "{}", ended.said());
}
