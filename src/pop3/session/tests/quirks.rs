//! What servers do that no standard foresees: dialogues from the field, a sentence for each.

use std::future::pending;

use super::*;
use crate::pop3::scripted::follow;

const NO_UIDL_YET: Turn = ("UIDL\r\n", b"+OK\r\n.\r\n");

async fn try_login(stream: Stream) -> Result<Transaction, Pop3Error> {
    begin(&config(), stream).await?.login(&password()).await
}

/// The error that a whole session of two messages ends with, if `place` is answered by `answer`.
async fn end_of(place: &str, answer: &'static [u8]) -> Option<Pop3Error> {
    let script = [
        GREETING,
        NO_CAPA,
        USER,
        PASS,
        NO_CAPA,
        ("LIST\r\n", b"+OK\r\n1 1\r\n.\r\n"),
        NO_UIDL_YET,
        ("RETR 1\r\n", b"+OK\r\n.\r\n"),
        ("DELE 1\r\n", b"+OK\r\n"),
        QUIT,
    ];
    let at = script.iter().rposition(|turn| turn.0.split([' ', '\r']).next() == Some(place)).unwrap();
    let (stream, _server) = serve(4096, &[&script[..at], &[(script[at].0, answer)], &script[at + 1..]]);
    let whole = async {
        let mut session = try_login(stream).await?;
        session.list().await?;
        session.retrieve(wanted(&[1]), 100).next().await?;
        session.mark_deleted(&[1]).await?;
        session.quit().await
    };
    whole.await.err()
}

#[tokio::test]
async fn a_code_is_understood_on_every_reply_that_refuses_the_session() {
    for place in ["", "USER", "PASS", "CAPA", "LIST", "UIDL", "QUIT"] {
        for (answer, code) in [
            (&b"-ERR [IN-USE] another session has it\r\n"[..], Code::InUse),
            (b"-ERR [LOGIN-DELAY] too soon\r\n", Code::LoginDelay),
            (b"-ERR [SYS/TEMP] later\r\n", Code::SysTemp),
            (b"-ERR [SYS/PERM] ask somebody\r\n", Code::SysPerm),
            (b"-ERR [auth] no\r\n", Code::Auth),
        ] {
            let error = end_of(place, answer).await.unwrap_or_else(|| panic!("{place}: {code:?} was overheard"));
            let (Pop3Error::Greeting { code: found, .. }
            | Pop3Error::LoginRefused { code: found, .. }
            | Pop3Error::Refused { code: found, .. }
            | Pop3Error::QuitRefused { code: found, .. }) = &error
            else {
                panic!("{place}: {error:?}")
            };
            assert_eq!(*found, Some(code), "{place}");
            assert_eq!(error.is_transient(), code.is_transient(), "{place}: {code:?}");
            assert_eq!(error.is_login_refused(), code == Code::Auth && place != "QUIT", "{place}: {code:?}");
        }
    }
}

#[tokio::test]
async fn a_refusal_of_one_message_is_no_end_of_the_session() {
    for answer in [&b"-ERR [SYS/TEMP] cannot read it\r\n"[..], b"-ERR\r\n", b"-err Message 1 expunged.\r\n"] {
        for place in ["RETR", "DELE"] {
            assert!(end_of(place, answer).await.is_none(), "{place}");
        }
    }
}

#[tokio::test]
async fn a_failure_that_comes_unasked_behind_the_login_ends_the_session() {
    for size in SIZES {
        let late: Turn = ("PASS hunter2\r\n", b"+OK\r\n-ERR [SYS/TEMP] Couldn't sync mailbox.\r\n");
        let error = try_login(serve_and_close(size, &[&[GREETING, NO_CAPA, USER, late]])).await.unwrap_err();
        // In its own words where they came at once.
        assert!(size < 100 || error.to_string().ends_with("[SYS/TEMP] Couldn't sync mailbox."), "{error}");
        assert!(error.is_transient() && !error.is_login_refused(), "{error:?}");
    }
}

#[tokio::test]
async fn capabilities_are_forgotten_and_asked_for_again_after_the_login() {
    for size in SIZES {
        let before: Turn = ("CAPA\r\n", b"+OK\r\nLOGIN-DELAY 10 USER\r\nEXPIRE 30 USER\r\nUIDL\r\n.\r\n");
        let after: Turn = ("CAPA\r\n", b"+OK\r\nLOGIN-DELAY 300\r\nEXPIRE NEVER\r\n.\r\n");
        let (stream, server) = serve(size, &[&[GREETING, before, USER, PASS, after]]);
        let session = login(stream).await;
        assert_eq!(session.capabilities().login_delay(), Some(Duration::from_secs(300)));
        assert_eq!(session.capabilities().expire(), Some(crate::pop3::Expire::Never));
        assert!(!session.capabilities().has("UIDL"));
        drop(session);
        server.await.unwrap();
    }
}

#[tokio::test]
async fn unique_ids_are_asked_for_whatever_was_announced() {
    let capa: Turn = ("CAPA\r\n", b"+OK\r\nUSER\r\n.\r\n");
    let lists: [Turn; 2] = [("LIST\r\n", b"+OK\r\n1 1\r\n.\r\n"), ("UIDL\r\n", b"+OK\r\n1 a\r\n.\r\n")];
    let (stream, _server) = serve(4096, &[&[GREETING, capa, USER, PASS, capa], &lists]);
    assert!(login(stream).await.list().await.unwrap().unique_ids);
}

#[tokio::test]
async fn a_large_maildrop_is_listed_whole() {
    let lines = |rest: &str| (1..=100_000).map(|number| format!("{number} {rest}{number}\r\n")).collect::<String>();
    let answer = |rest| -> &'static [u8] { format!("+OK\r\n{}.\r\n", lines(rest)).leak().as_bytes() };
    let lists: [Turn; 2] = [("LIST\r\n", answer("")), ("UIDL\r\n", answer("id"))];
    let (stream, _server) = serve(4096, &[&LOGIN, &lists]);
    let listing = login(stream).await.list().await.unwrap();
    assert_eq!(listing.entries.len(), 100_000);
    assert_eq!(listing.entries[99_999].unique_id, UniqueId::parse(b"id100000"));
}

#[tokio::test]
async fn a_status_without_a_word_or_a_space_is_enough() {
    for ok in [&b"+OK\r\n"[..], b"+OK \r\n", b"+ok\r\n", b"+OK\t\r\n"] {
        let script: [Turn; 4] = [("", ok), NO_CAPA, ("USER alice\r\n", ok), ("PASS hunter2\r\n", ok)];
        let (stream, server) = serve(1, &[&script, &[NO_CAPA, ("QUIT\r\n", ok)]]);
        login(stream).await.quit().await.unwrap();
        server.await.unwrap();
    }
}

#[tokio::test]
async fn a_message_ends_with_its_dot_line_whatever_size_was_told() {
    let mail = b"Subject: x\r\n\r\nhello\r\n";
    for told in [&b"+OK 3 octets\r\n"[..], b"+OK 100000 octets\r\n", b"+OK -7\r\n", b"+OK 0\r\n", b"+OK\r\n"] {
        for size in SIZES {
            let answer: &'static [u8] = [told, mail, b".\r\n"].concat().leak();
            let (stream, server) = serve(size, &[&LOGIN, &[("RETR 1\r\n", answer), QUIT]]);
            let mut session = login(stream).await;
            assert_eq!(all(session.retrieve(wanted(&[1]), 1000)).await, [message(1, mail)]);
            session.quit().await.unwrap();
            server.await.unwrap();
        }
    }
}

#[tokio::test]
async fn bytes_of_every_kind_pass_unchanged() {
    let every: Vec<u8> = (0..=255).collect();
    for mail in [
        &b"a\0b\0\0\r\n"[..],
        b"\xff\xfe\x80\xe9\r\n",
        b"a\rb\r\r\nc\r\n",
        b"a\nb\n\r\n\n\r\n",
        b"\r\n\r\n \r\n",
        b"+OK 3 octets\r\n-ERR no\r\n",
        b"From x\r\n>From y\r\n",
        &[&every[..], b"\r\n"].concat(),
    ] {
        for size in SIZES {
            let answer: &'static [u8] = [b"+OK\r\n", mail, b".\r\n"].concat().leak();
            let (stream, _server) = serve(size, &[&LOGIN, &[("RETR 1\r\n", answer)]]);
            let mut session = login(stream).await;
            assert_eq!(all(session.retrieve(wanted(&[1]), 1000)).await, [message(1, mail)]);
        }
    }
}

#[tokio::test]
async fn half_a_mail_is_not_handed_out_where_its_other_half_is_seen() {
    // A dot line within a mail was not stuffed; the rest of the mail follows.
    let unstuffed: Turn = ("RETR 1\r\n", b"+OK\r\nfirst\r\n.\r\nsecond\r\n.\r\n");
    let (stream, server) = serve(100_000, &[&LOGIN, &[unstuffed]]);
    let mut session = login(stream).await;
    let error = session.retrieve(wanted(&[1]), 100).next().await.unwrap_err();
    assert!(matches!(error, Pop3Error::Desync { waiting_for: Step::Rest("RETR"), bytes: 11 }), "{error:?}");
    assert!(matches!(session.quit().await, Err(Pop3Error::Poisoned)));
    server.await.unwrap();
}

#[tokio::test]
async fn a_reply_to_quit_that_is_none_is_told_as_what_it_is() {
    let (stream, _) = serve(1, &[&LOGIN, &[("QUIT\r\n", b"the rest of a mail\r\n")]]);
    let error = login(stream).await.quit().await.unwrap_err();
    assert!(matches!(error, Pop3Error::Desync { waiting_for: Step::Answer("QUIT"), .. }), "{error:?}");
}

/// A session that waits 20 ms for an answer.
fn hasty(tls: Tls) -> Config {
    let brief = Duration::from_millis(20);
    let timeouts = Timeouts { command: brief, idle: brief, tls: brief, ..config().timeouts };
    Config { timeouts, tls, ..config() }
}

#[tokio::test]
async fn a_mail_whose_final_dot_is_glued_to_its_text_is_never_taken_for_complete() {
    for rest in [&b"text.\r\n"[..], b"text\r\n.", b"text\r\n.\r", b"text\n.\n", b"text\r\n.\n", b"text\r\n. \r\n"] {
        let answer: &'static [u8] = [b"+OK\r\n", rest].concat().leak();
        let (stream, _server) = serve(4096, &[&LOGIN, &[("RETR 1\r\n", answer)]]);
        let mut session = begin(&hasty(Tls::None), stream).await.unwrap().login(&password()).await.unwrap();
        let error = session.retrieve(wanted(&[1]), 100).next().await.unwrap_err();
        assert!(matches!(error, Pop3Error::Timeout { waiting_for: Step::Rest("RETR") }), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_after_stls_is_left() {
    let stls: [Turn; 2] = [("CAPA\r\n", b"+OK\r\nSTLS\r\n.\r\n"), ("STLS\r\n", b"+OK go\r\n")];
    let (stream, mut theirs) = tokio::io::duplex(4096);
    let server = tokio::spawn(async move {
        follow(&mut theirs, &[&[GREETING][..], &stls].concat()).await;
        pending::<()>().await;
    });
    let error = begin(&hasty(Tls::StartTls), Stream(Box::new(stream))).await.unwrap_err();
    assert!(matches!(error, Pop3Error::Timeout { waiting_for: Step::Handshake }), "{error:?}");
    server.abort();
}

#[tokio::test]
async fn an_answer_to_stls_that_was_sent_before_the_question_is_not_believed() {
    let early: Turn = ("CAPA\r\n", b"+OK\r\nSTLS\r\n.\r\n+OK go\r\n");
    let error = check_start_tls(&[early]).await;
    assert!(matches!(error, Pop3Error::Unasked { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_falls_silent_on_capa_is_asked_no_more() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let mut open = Vec::new();
        for script in [&[GREETING, ("CAPA\r\n", b"")][..], &[GREETING, USER, PASS, QUIT], &[GREETING]] {
            let (mut tcp, _) = listener.accept().await.unwrap();
            for (expected, answer) in script {
                let mut got = vec![0; expected.len()];
                tcp.read_exact(&mut got).await.unwrap();
                assert_eq!(got, expected.as_bytes());
                tcp.write_all(answer).await.unwrap();
            }
            open.push(tcp);
        }
    });
    let config = Config { host: "127.0.0.1".to_owned(), port, ..hasty(Tls::None) };
    let session = connect(&config).await.unwrap().login(&password()).await.unwrap();
    assert_eq!(session.capa(), Capa::LeftOut);
    session.quit().await.unwrap();
    let known = Config { capa: Capa::LeftOut, ..config };
    assert!(connect(&known).await.is_ok(), "it is not asked at all");
    server.await.unwrap();
}
