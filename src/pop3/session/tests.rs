//! Scripted dialogues: each is run over lines that carry one byte, a few, or all at once.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::ident::UniqueId;
use crate::pop3::Auth;
use crate::pop3::Retrieved;
use crate::pop3::Timeouts;
use crate::pop3::scripted::GREETING;
use crate::pop3::scripted::SIZES;
use crate::pop3::scripted::Turn;
use crate::pop3::scripted::serve;
use crate::pop3::scripted::serve_and_close;
use crate::pop3::scripted::timeouts;
use crate::secret::Secret;

const NO_CAPA: Turn = ("CAPA\r\n", b"-ERR what?\r\n");
const USER: Turn = ("USER alice\r\n", b"+OK\r\n");
const PASS: Turn = ("PASS hunter2\r\n", b"+OK in\r\n");
const CAPA_PIPELINING: Turn = ("CAPA\r\n", b"+OK\r\nUIDL\r\nPIPELINING\r\n.\r\n");
const QUIT: Turn = ("QUIT\r\n", b"+OK bye\r\n");
const LOGIN: [Turn; 5] = [GREETING, NO_CAPA, USER, PASS, NO_CAPA];
const LOGIN_PIPELINING: [Turn; 5] = [GREETING, NO_CAPA, USER, PASS, CAPA_PIPELINING];
fn config() -> Config {
    Config {
        host: "pop.example.com".to_owned(),
        port: 110,
        tls: Tls::None,
        ca_pem: None,
        username: "alice".to_owned(),
        auth: Auth::Auto,
        pipelining: Pipelining::Window(NonZeroUsize::new(4).unwrap()),
        capa: Capa::Asked,
        timeouts: timeouts(),
    }
}

fn password() -> Credential {
    Credential::Password(Secret::new("hunter2"))
}

async fn begin(config: &Config, stream: Stream) -> Result<Authorization, Pop3Error> {
    Authorization::begin(config, stream, Capa::Asked).await
}

async fn login(stream: Stream) -> Transaction {
    begin(&config(), stream).await.unwrap().login(&password()).await.unwrap()
}

fn wanted(numbers: &[u32]) -> Vec<Wanted> {
    numbers.iter().map(|&number| Wanted { number, size: Some(10) }).collect()
}

fn message(number: u32, raw: &[u8]) -> Retrieved {
    Retrieved::Message { number, raw: raw.to_vec() }
}

async fn all(mut retrieval: Retrieval<'_>) -> Vec<Retrieved> {
    let mut all = Vec::new();
    while let Some(retrieved) = retrieval.next().await.unwrap() {
        all.push(retrieved);
    }
    assert_eq!(retrieval.receiving(), None);
    all
}

#[tokio::test]
async fn a_whole_session_of_the_plain_kind() {
    for size in SIZES {
        let (stream, server) = serve(
            size,
            &[
                &LOGIN,
                &[
                    ("LIST\r\n", b"+OK\r\n1 10\r\n2 20\r\n.\r\n"),
                    ("UIDL\r\n", b"+OK\r\n1 a\r\n2 b\r\n.\r\n"),
                    ("TOP 2 0\r\n", b"+OK\r\nDate: Tue, 2 Jan 2024 00:00:00 +0000\r\n\r\n.\r\n"),
                    ("TOP 1 0\r\n", b"-ERR no TOP\r\n"),
                    ("RETR 1\r\n", b"+OK 3 octets\r\n..\r\n.\r\n"),
                    ("RETR 2\r\n", b"+OK\r\n.\r\n"),
                    ("DELE 1\r\n", b"+OK\r\n"),
                    ("DELE 2\r\n", b"-ERR gone\r\n"),
                    QUIT,
                ],
            ],
        );
        let mut session = login(stream).await;
        let listing = session.list().await.unwrap();
        let ids: Vec<_> = listing.entries.iter().map(|entry| entry.unique_id.clone().unwrap()).collect();
        assert_eq!(ids, [UniqueId::parse(b"a").unwrap(), UniqueId::parse(b"b").unwrap()]);
        assert_eq!(session.received_at(2).await.unwrap(), Some("2024-01-02T00:00:00Z".parse().unwrap()));
        assert_eq!(session.received_at(1).await.unwrap(), None);
        assert_eq!(all(session.retrieve(wanted(&[1, 2]), 100)).await, [message(1, b".\r\n"), message(2, b"")]);
        let marked = session.mark_deleted(&[1, 2]).await.unwrap();
        assert_eq!(marked, [Marked { number: 1, accepted: true }, Marked { number: 2, accepted: false }]);
        assert_eq!(session.quit().await.unwrap(), Expunged);
        server.await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_speaks_bare_line_feeds_is_understood() {
    for size in SIZES {
        let (stream, server) = serve(
            size,
            &[&[
                ("", b"+OK\n"),
                ("CAPA\r\n", b"+OK\nSASL CRAM-MD5\n.\n"),
                ("USER alice\r\n", b"+OK\n"),
                ("PASS hunter2\r\n", b"+OK\n"),
                ("CAPA\r\n", b"+OK\nUIDL\n.\n"),
                ("RETR 1\r\n", b"+OK\na\n..\n.\n"),
            ]],
        );
        let mut session = login(stream).await;
        assert_eq!(all(session.retrieve(wanted(&[1]), 100)).await, [message(1, b"a\n.\n")]);
        drop(session);
        server.await.unwrap();
    }
}

#[tokio::test]
async fn pipelined_commands_leave_together_and_a_refusal_in_the_middle_stops_nobody() {
    for size in SIZES {
        let (stream, server) = serve(
            size,
            &[
                &LOGIN_PIPELINING,
                &[
                    ("LIST\r\nUIDL\r\n", b"+OK\r\n1 1\r\n.\r\n+OK\r\n1 a\r\n.\r\n"),
                    ("RETR 1\r\nRETR 2\r\nRETR 3\r\nRETR 4\r\n", b"+OK\r\na\r\n.\r\n-ERR Message 2 expunged.\r\n"),
                    ("RETR 5\r\nRETR 6\r\n", b"+OK\r\nc\r\n.\r\n+OK\r\nd\r\n.\r\n+OK\r\ne\r\n.\r\n+OK\r\nf\r\n.\r\n"),
                    ("DELE 1\r\nDELE 3\r\n", b"+OK\r\n+OK\r\n"),
                    QUIT,
                ],
            ],
        );
        let mut session = login(stream).await;
        assert!(session.list().await.unwrap().unique_ids);
        let refused = Retrieved::Refused { number: 2, reply: "Message 2 expunged.".to_owned() };
        let expected = [
            message(1, b"a\r\n"),
            refused,
            message(3, b"c\r\n"),
            message(4, b"d\r\n"),
            message(5, b"e\r\n"),
            message(6, b"f\r\n"),
        ];
        assert_eq!(all(session.retrieve(wanted(&[1, 2, 3, 4, 5, 6]), 100)).await, expected);
        assert!(session.mark_deleted(&[1, 3]).await.unwrap().iter().all(|marked| marked.accepted));
        session.quit().await.unwrap();
        server.await.unwrap();
    }
}

#[tokio::test]
async fn pipelining_that_is_switched_off_stays_off() {
    let script: [Turn; 2] = [("DELE 1\r\n", b"+OK\r\n"), ("DELE 2\r\n", b"+OK\r\n")];
    let (stream, server) = serve(4096, &[&LOGIN_PIPELINING, &script]);
    let config = Config { pipelining: Pipelining::Off, ..config() };
    let mut session = begin(&config, stream).await.unwrap().login(&password()).await.unwrap();
    assert!(session.capabilities().has("PIPELINING"));
    assert_eq!(session.mark_deleted(&[1, 2]).await.unwrap().len(), 2);
    drop(session);
    server.await.unwrap();
}

#[tokio::test]
async fn a_login_by_sasl_leaves_the_session_in_step() {
    for size in SIZES {
        let (stream, server) = serve(
            size,
            &[&[
                GREETING,
                ("CAPA\r\n", b"+OK\r\nSASL PLAIN XOAUTH2\r\n.\r\n"),
                ("AUTH PLAIN\r\n", b"+ \r\n"),
                ("AGFsaWNlAGh1bnRlcjI=\r\n", b"+OK\r\n"),
                NO_CAPA,
                QUIT,
            ]],
        );
        let session = login(stream).await;
        assert_eq!(session.capabilities().sasl(), ["PLAIN", "XOAUTH2"], "the earlier list stands");
        session.quit().await.unwrap();
        server.await.unwrap();
    }
}

#[tokio::test]
async fn apop_takes_its_timestamp_from_the_greeting() {
    let greeting: Turn = ("", b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n");
    let apop: Turn =
        ("APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n", b"+OK maildrop has 1 message (369 octets)\r\n");
    let (stream, server) = serve(4096, &[&[greeting, NO_CAPA, apop, NO_CAPA, QUIT]]);
    let config = Config { username: "mrose".to_owned(), auth: Auth::Apop, ..config() };
    let password = Credential::Password(Secret::new("tanstaaf"));
    begin(&config, stream).await.unwrap().login(&password).await.unwrap().quit().await.unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn a_failure_behind_the_login_is_told_by_the_next_answer() {
    let late: Turn = ("CAPA\r\n", b"-ERR [SYS/TEMP] Couldn't sync mailbox.\r\n");
    let (stream, _) = serve(4096, &[&[GREETING, NO_CAPA, USER, PASS, late]]);
    let error = begin(&config(), stream).await.unwrap().login(&password()).await.unwrap_err();
    assert!(matches!(error, Pop3Error::Refused { command: "CAPA", code: Some(Code::SysTemp), .. }), "{error:?}");
    assert!(error.is_transient());
}

/// What comes of a session that has to go over to TLS; nothing but the script is sent.
async fn check_start_tls(script: &[Turn]) -> Pop3Error {
    let (stream, server) = serve(4096, &[&[GREETING], script]);
    let config = Config { tls: Tls::StartTls, ..config() };
    let error = begin(&config, stream).await.unwrap_err();
    server.await.unwrap();
    error
}

#[tokio::test]
async fn without_stls_no_credential_is_sent() {
    let offered: Turn = ("CAPA\r\n", b"+OK\r\nSTLS\r\n.\r\n");
    for script in
        [&[NO_CAPA][..], &[("CAPA\r\n", b"+OK\r\nUSER\r\n.\r\n")], &[offered, ("STLS\r\n", b"-ERR not now\r\n")]]
    {
        let error = check_start_tls(script).await;
        assert!(matches!(error, Pop3Error::NoStls), "{error:?}");
    }
    let error = check_start_tls(&[offered, ("STLS\r\n", b"+OK\r\n+OK\r\nSASL PLAIN\r\n.\r\n")]).await;
    assert!(matches!(error, Pop3Error::Injection), "{error:?}");
}

#[tokio::test]
async fn a_refused_greeting_keeps_its_code() {
    let (stream, _) = serve(4096, &[&[("", b"-ERR [SYS/TEMP] too many \x07connections\r\n")]]);
    let error = begin(&config(), stream).await.unwrap_err();
    assert_eq!(error.to_string(), "server refused the session: [SYS/TEMP] too many \\u{7}connections");
    assert!(error.is_transient());
}

#[tokio::test]
async fn what_is_no_greeting_ends_the_session() {
    let endless: &'static [u8] = &[b'x'; 9000];
    for greeting in [&b"220 smtp\r\n"[..], b"\r\n", endless] {
        let (stream, _) = serve(100_000, &[&[("", greeting)]]);
        let error = begin(&config(), stream).await.unwrap_err();
        assert!(matches!(error, Pop3Error::Desync { waiting_for: Step::ClearGreeting, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn m4_a_silent_server_is_not_waited_for_for_ever() {
    let (stream, _server) = serve(4096, &[&[GREETING, ("CAPA\r\n", b"+OK\r\nUIDL\r\n")]]);
    let brief = Duration::from_millis(20);
    let timeouts = Timeouts { command: brief, idle: brief, ..config().timeouts };
    let error = begin(&Config { timeouts, ..config() }, stream).await.unwrap_err();
    assert_eq!(error.to_string(), "timed out waiting for the rest of the answer to CAPA");
}

#[tokio::test]
async fn a_port_that_waits_for_a_hello_is_told_from_a_slow_server() {
    let brief = Timeouts { command: Duration::from_millis(20), ..config().timeouts };
    for (tls, told) in [(Tls::StartTls, true), (Tls::None, true), (Tls::Implicit, false)] {
        let (stream, _server) = serve(4096, &[]);
        let error = begin(&Config { tls, timeouts: brief, ..config() }, stream).await.unwrap_err();
        assert_eq!(error.to_string(), "timed out waiting for the greeting");
        assert_eq!(error.remedy().is_some_and(|remedy| remedy.contains("implicit TLS")), told, "{tls:?}");
    }
}

#[tokio::test]
async fn a_drop_in_the_middle_of_a_message_names_it() {
    for size in SIZES {
        let retr: Turn = ("RETR 5\r\nRETR 6\r\nRETR 7\r\n", b"+OK\r\na\r\n.\r\n+OK\r\nb\r\n.\r");
        let mut session = login(serve_and_close(size, &[&LOGIN_PIPELINING, &[retr]])).await;
        let mut retrieval = session.retrieve(wanted(&[5, 6, 7]), 100);
        assert_eq!(retrieval.receiving(), None);
        assert_eq!(retrieval.next().await.unwrap(), Some(message(5, b"a\r\n")));
        let error = retrieval.next().await.unwrap_err();
        assert!(matches!(error, Pop3Error::Closed { waiting_for: Step::Rest("RETR") }), "{error:?}");
        assert_eq!(retrieval.receiving(), Some(6));
        assert!(matches!(retrieval.next().await, Err(Pop3Error::Poisoned)));
        assert!(matches!(session.quit().await, Err(Pop3Error::Poisoned)));
    }
}

#[tokio::test]
async fn a_message_above_the_limit_ends_the_session() {
    for (size, limit, fits) in [(1, 8, true), (100_000, 8, true), (1, 7, false), (100_000, 7, false)] {
        let (stream, _server) = serve(size, &[&LOGIN, &[("RETR 1\r\n", b"+OK\r\n..1\r\n23\r\n.\r\n")]]);
        let mut session = login(stream).await;
        let mut retrieval = session.retrieve(wanted(&[1]), limit);
        let end = retrieval.next().await;
        if fits {
            assert_eq!(end.unwrap(), Some(message(1, b".1\r\n23\r\n")));
            continue;
        }
        assert!(matches!(end, Err(Pop3Error::TooLarge { number: 1, limit: 7 })), "{end:?}");
        assert_eq!(retrieval.receiving(), Some(1));
        assert!(matches!(session.mark_deleted(&[1]).await, Err(Pop3Error::Poisoned)));
    }
}

#[tokio::test]
async fn a_retrieval_that_was_dropped_leaves_nothing_to_misread() {
    let retr: Turn = ("RETR 1\r\nRETR 2\r\n", b"+OK\r\na\r\n.\r\n+OK\r\nb\r\n.\r\n");
    let (stream, server) = serve(4096, &[&LOGIN_PIPELINING, &[retr]]);
    let mut session = login(stream).await;
    assert!(session.retrieve(wanted(&[1, 2]), 100).next().await.unwrap().is_some());
    assert!(matches!(session.mark_deleted(&[1]).await, Err(Pop3Error::Poisoned)));
    assert!(matches!(session.list().await, Err(Pop3Error::Poisoned)));
    assert!(matches!(session.received_at(1).await, Err(Pop3Error::Poisoned)));
    assert!(matches!(session.retrieve(wanted(&[1]), 100).next().await, Err(Pop3Error::Poisoned)));
    assert!(matches!(session.quit().await, Err(Pop3Error::Poisoned)));
    server.await.unwrap();
}

#[tokio::test]
async fn a_future_that_was_dropped_in_the_middle_leaves_nothing_to_misread() {
    let (stream, _server) = serve(4096, &[&LOGIN, &[("RETR 1\r\n", b"+OK\r\nhalf")]]);
    let mut session = login(stream).await;
    let mut retrieval = session.retrieve(wanted(&[1]), 100);
    assert!(tokio::time::timeout(Duration::from_millis(20), retrieval.next()).await.is_err());
    assert!(matches!(retrieval.next().await, Err(Pop3Error::Poisoned)));
}

#[tokio::test]
async fn a_retrieval_that_nobody_began_costs_nothing() {
    let (stream, server) = serve(4096, &[&LOGIN_PIPELINING, &[QUIT]]);
    let mut session = login(stream).await;
    drop(session.retrieve(wanted(&[1, 2]), 100));
    assert_eq!(all(session.retrieve(vec![], 100)).await, []);
    session.quit().await.unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn text_where_an_answer_is_due_is_never_taken_for_one() {
    let retr: Turn = ("RETR 1\r\nRETR 2\r\n", b"+OK\r\na\r\n.\r\nthe rest of a\r\n.\r\n+OK\r\nb\r\n.\r\n");
    let (stream, _) = serve(1, &[&LOGIN_PIPELINING, &[retr]]);
    let mut session = login(stream).await;
    let mut retrieval = session.retrieve(wanted(&[1, 2]), 100);
    assert!(retrieval.next().await.unwrap().is_some());
    let error = retrieval.next().await.unwrap_err();
    assert!(matches!(&error, Pop3Error::Desync { bytes: 13, .. }), "{error:?}");
    assert!(matches!(retrieval.next().await, Err(Pop3Error::Poisoned)));
}

#[tokio::test]
async fn words_that_nobody_asked_for_end_the_session() {
    let list: Turn = ("DELE 1\r\n", b"+OK\r\n-ERR Disconnected for inactivity.\r\n");
    let (stream, server) = serve(4096, &[&LOGIN, &[list]]);
    let mut session = login(stream).await;
    assert_eq!(session.mark_deleted(&[1]).await.unwrap().len(), 1);
    let error = session.quit().await.unwrap_err();
    assert_eq!(error.to_string(), "server spoke unasked: Disconnected for inactivity.");
    server.await.unwrap();
}

#[tokio::test]
async fn a_listing_is_complete_or_an_error() {
    for (list, uidl) in [(&b"+OK\r\n1 1\r\n"[..], &b""[..]), (b"+OK\r\n1 1\r\n.\r\n", b"+OK\r\n1 a\r\n2 b\r\n")] {
        let script: [Turn; 2] = [("LIST\r\n", list), ("UIDL\r\n", uidl)];
        let script = if uidl.is_empty() { &script[..1] } else { &script[..] };
        let error = login(serve_and_close(7, &[&LOGIN, script])).await.list().await.unwrap_err();
        assert!(matches!(error, Pop3Error::Closed { waiting_for: Step::Rest("LIST" | "UIDL") }), "{error:?}");
    }
}

#[tokio::test]
async fn a_passing_failure_of_uidl_is_not_taken_for_a_server_without_it() {
    let script: [Turn; 2] = [("LIST\r\n", b"+OK\r\n1 1\r\n.\r\n"), ("UIDL\r\n", b"-ERR [SYS/TEMP] later\r\n")];
    let (stream, _) = serve(4096, &[&LOGIN, &script]);
    let error = login(stream).await.list().await.unwrap_err();
    assert!(matches!(error, Pop3Error::Refused { command: "UIDL", .. }), "{error:?}");
}

#[tokio::test]
async fn endless_answers_come_to_an_end() {
    let capabilities: &'static [u8] = b"X-MORE\r\n".repeat(201).leak();
    let (stream, _) = serve(4096, &[&[GREETING, ("CAPA\r\n", b"+OK\r\n"), ("", capabilities), ("", b".\r\n")]]);
    let error = begin(&config(), stream).await.unwrap_err();
    assert!(matches!(error, Pop3Error::ListingTooLong { command: "CAPA" }), "{error:?}");

    let line: &'static [u8] = [&b"1 "[..], &[b'x'; 9000], b"\r\n.\r\n"].concat().leak();
    let list: Turn = ("LIST\r\nUIDL\r\n", b"+OK\r\n.\r\n+OK\r\n");
    let (stream, _) = serve(4096, &[&LOGIN_PIPELINING, &[list, ("", line)]]);
    let error = login(stream).await.list().await.unwrap_err();
    assert!(matches!(error, Pop3Error::ListingTooLong { command: "UIDL" }), "{error:?}");
}

#[tokio::test]
async fn only_an_accepted_quit_expunges() {
    let (stream, _) = serve(4096, &[&LOGIN, &[("QUIT\r\n", b"-ERR unable to unlink all deleted messages\r\n+OK\r\n")]]);
    let error = login(stream).await.quit().await.unwrap_err();
    assert!(matches!(error, Pop3Error::QuitRefused { code: None, .. }), "{error:?}");

    let error = login(serve_and_close(4096, &[&LOGIN, &[("QUIT\r\n", b"")]])).await.quit().await.unwrap_err();
    let Pop3Error::QuitUnanswered { source } = error else { panic!("{error:?}") };
    assert!(matches!(*source, Pop3Error::Closed { waiting_for: Step::Answer("QUIT") }));

    let closed_at_once = serve_and_close(4096, &[&LOGIN, &[QUIT]]);
    assert_eq!(login(closed_at_once).await.quit().await.unwrap(), Expunged);
}

#[tokio::test]
async fn nothing_that_is_printed_holds_the_password() {
    let (stream, _server) = serve(4096, &[&[GREETING, NO_CAPA]]);
    let session = begin(&config(), stream).await.unwrap();
    assert!(!format!("{session:?} {:?}", password()).contains("hunter2"));
}

#[tokio::test]
async fn a_server_that_closes_on_capa_is_asked_no_more() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        for script in [&[GREETING, ("CAPA\r\n", b"")][..], &[GREETING, USER, PASS, QUIT]] {
            let (mut tcp, _) = listener.accept().await.unwrap();
            for (expected, answer) in script {
                let mut got = vec![0; expected.len()];
                tcp.read_exact(&mut got).await.unwrap();
                assert_eq!(got, expected.as_bytes());
                tcp.write_all(answer).await.unwrap();
            }
        }
    });
    let config = Config { host: "127.0.0.1".to_owned(), port, ..config() };
    connect(&config).await.unwrap().login(&password()).await.unwrap().quit().await.unwrap();
    server.await.unwrap();
    let error = connect(&config).await.unwrap_err();
    assert!(matches!(error, Pop3Error::Connect { .. }) && error.is_transient(), "{error:?}");
}

mod quirks;
