//! Dialogues as real servers hold them, and what must come of each: mail arrives once, or the visit fails and says
//! why, and no credential goes where it must not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use support::mails;
use support::pop3_server::Faults;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Receiver;
use support::script::CLOSE;
use support::script::Certificate;
use support::script::HANDSHAKE;
use support::script::Script;
use support::script::Turn;
use support::wait_for;

const GREETING: Turn = ("", b"+OK hi\r\n");
const NO_CAPA: Turn = ("CAPA", b"-ERR what?\r\n");
const USER: Turn = ("USER support", b"+OK\r\n");
const PASS: Turn = ("PASS pw", b"+OK\r\n");
const LOGIN: &[Turn] = &[GREETING, NO_CAPA, USER, PASS, NO_CAPA];
const LIST_ONE: Turn = ("LIST", b"+OK\r\n1 27\r\n.\r\n");
const UIDL_ONE: Turn = ("UIDL", b"+OK\r\n1 a\r\n.\r\n");
const RETR_ONE: Turn = ("RETR 1", b"+OK\r\nSubject: one\r\n\r\nhello\r\n.\r\n");
const RETR_TWO: Turn = ("RETR 2", b"+OK\r\nSubject: two\r\n\r\nhello\r\n.\r\n");
const QUIT: Turn = ("QUIT", b"+OK bye\r\n");
/// One mail, after the login.
const ONE: &[Turn] = &[LIST_ONE, UIDL_ONE, RETR_ONE, QUIT];
/// The same, when it was taken already.
const ONE_AGAIN: &[Turn] = &[LIST_ONE, UIDL_ONE, QUIT];

/// What one visit, or one visit after the other, must come to.
struct Expected<'a> {
    /// The exit code of each `pophook once`.
    codes: &'a [i32],
    /// The subjects of the mails that arrive, sorted.
    arrive: &'a [&'a str],
    /// What the program says.
    said: &'a str,
}

/// All is well.
fn arrive<'a>(subjects: &'a [&'a str]) -> Expected<'a> {
    Expected { codes: &[0], arrive: subjects, said: "" }
}

/// Nothing arrives, for this reason.
fn fails(said: &str) -> Expected<'_> {
    Expected { codes: &[2], arrive: &[], said }
}

/// Follows `sessions`, which begin with the greeting, in as many runs as there are exit codes.
#[track_caller]
fn check_as(what: &str, mailbox: impl Fn(Mailbox) -> Mailbox, sessions: &[&[&[Turn]]], expected: &Expected<'_>) {
    let script = Script::start(sessions.iter().map(|session| session.concat()).collect());
    let desk = Receiver::start();
    let pophook = Pophook::new([mailbox(Mailbox::following(&script))], [Endpoint::desk(&desk)]);
    let mut said = String::new();
    for code in expected.codes {
        let ended = pophook.once();
        assert_eq!(ended.code(), *code, "{what}\n{}", ended.said());
        said += &ended.said();
    }
    script.expect_followed(what);
    assert_eq!(desk.subjects(), expected.arrive, "{what}\n{said}");
    assert!(said.contains(expected.said), "{what}: {:?} is not in\n{said}", expected.said);
    assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{what}: {said:?}");
    assert!(!said.contains("pw"), "{what}: {said}");
}

#[track_caller]
fn check(what: &str, sessions: &[&[&[Turn]]], expected: &Expected<'_>) {
    check_as(what, |mailbox| mailbox, sessions, expected);
}

// --- greeting, capabilities, login ---

#[test]
fn a_greeting_may_refuse_the_session_and_hears_no_credential() {
    for (greeting, said) in [
        (&b"-ERR Busy - please try later\r\n"[..], "server refused the session: Busy - please try later"),
        (b"-ERR [SYS/TEMP] too many connections from this IP\r\n", "[SYS/TEMP] too many connections from this IP"),
        (b"-ERR\r\n", "greeting_refused"),
        (b"220 mail.example.com ESMTP\r\n", "desync"),
        (b"* OK IMAP4rev1\r\n", "desync"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "desync"),
        (CLOSE, "closed"),
        (b"-ERR \x1b[2J\x07\x9b visit done\r\x0bx\r\n", "\\u{1b}[2J\\u{7}"),
        (b"-ERR \xe2\x80\xae\xc2\x85evil\r\n", "\\u{202e}\\u{85}evil"),
    ] {
        check(said, &[&[&[("", greeting)]]], &fails(said));
    }
}

#[test]
fn a_server_that_closes_on_capa_is_opened_anew_without_it() {
    check(
        "it is asked once in a run",
        &[&[&[GREETING, ("CAPA", CLOSE)]], &[&[GREETING, USER, PASS], ONE]],
        &arrive(&["one"]),
    );
    check("it closes again", &[&[&[GREETING, ("CAPA", CLOSE)]], &[&[("", CLOSE)]]], &fails("closed"));
}

#[test]
fn a_server_that_closes_on_capa_is_remembered() {
    let (server, desk) = (Pop3Server::start(Vec::new()), Receiver::start());
    server.set(Faults { closes_on_capa: true, ..Faults::default() });
    let pophook = Pophook::new([Mailbox::scripted(&server)], [Endpoint::desk(&desk)]);
    let daemon = pophook.start(&["run"]);
    wait_for("four visits were made", || server.times("QUIT") >= 4);
    daemon.terminate();
    daemon.wait().expect(0);
    assert_eq!(server.times("CAPA"), 2, "the first time may have been chance");
}

#[test]
fn whatever_follows_an_accepted_command_it_is_accepted() {
    let bare: &[Turn] = &[("", b"+OK\r\n"), NO_CAPA, ("USER support", b"+OK\r\n"), ("PASS pw", b"+OK\r\n"), NO_CAPA];
    check("bare +OK", &[&[bare, ONE]], &arrive(&["one"]));
    let odd: &[Turn] =
        &[("", b"+ok POP3\r\n"), NO_CAPA, ("USER support", b"+OK\tgo on\r\n"), ("PASS pw", b"+OK  \r\n"), NO_CAPA];
    check("a small letter, a tab, two blanks", &[&[odd, ONE]], &arrive(&["one"]));
    let crs: &[Turn] = &[("", b"+OK hi\r\r\n"), NO_CAPA, ("USER support", b"+OK\r\r\n"), PASS, NO_CAPA];
    check("a second CR", &[&[crs, ONE]], &arrive(&["one"]));
}

#[test]
fn a_timestamp_in_the_greeting_is_no_invitation_to_apop() {
    let greeting: Turn = ("", b"+OK POP3 <1896.697170952@example.com>\r\n");
    check("APOP is not used unasked", &[&[&[greeting, NO_CAPA, USER, PASS, NO_CAPA], ONE]], &arrive(&["one"]));
}

#[test]
fn m7_a_refused_login_is_told_from_a_maildrop_that_cannot_be_had() {
    for (answer, reason) in [
        (&b"-ERR [AUTH] Authentication failed.\r\n"[..], "login_refused"),
        (b"-ERR Logon failure: unknown user name or bad password.\r\n", "login_refused"),
        (b"-ERR\r\n", "login_refused"),
        (b"-ERR [SYS/PERM] POP3 is switched off for this account\r\n", "login_refused"),
        (b"-ERR [IN-USE] Mailbox is locked by another POP3 session.\r\n", "login_deferred"),
        (b"-ERR [LOGIN-DELAY] minimum time between mail checks violation\r\n", "login_deferred"),
        (b"-ERR [SYS/TEMP] Temporary internal error\r\n", "login_deferred"),
        (b"-ERR maildrop already locked\r\n", "login_deferred"),
        (b"-ERR Logins must be at least 10 minutes apart\r\n", "login_deferred"),
        (b"-ERR Server error - Please try again later.\r\n", "login_deferred"),
    ] {
        check("at PASS", &[&[&[GREETING, NO_CAPA, USER, ("PASS pw", answer)]]], &fails(reason));
        check("at USER", &[&[&[GREETING, NO_CAPA, ("USER support", answer)]]], &fails(reason));
    }
}

#[test]
fn a_maildrop_that_fails_to_open_behind_the_login_is_a_passing_failure() {
    let late: &'static [u8] = b"-ERR [SYS/TEMP] Couldn't sync mailbox.\r\n";
    check("in place of an answer", &[&[&LOGIN[..4], &[("CAPA", late)]]], &fails("Couldn't sync mailbox."));
    check("to LIST", &[&[LOGIN, &[("LIST", late)]]], &fails("LIST refused: [SYS/TEMP] Couldn't sync mailbox."));
    let unasked: Turn = ("PASS pw", b"+OK\r\n-ERR [SYS/TEMP] Couldn't sync mailbox.\r\n");
    check("unasked", &[&[&LOGIN[..3], &[unasked]]], &fails("unasked"));
}

#[test]
fn capabilities_that_come_only_after_the_login_are_used() {
    let pipelining: Turn = ("CAPA", b"+OK\r\nPIPELINING\r\n.\r\n");
    let both: &[Turn] = &[("LIST", b""), ("UIDL", b"+OK\r\n1 27\r\n.\r\n+OK\r\n1 a\r\n.\r\n")];
    check("PIPELINING", &[&[&LOGIN[..4], &[pipelining], both, &[RETR_ONE, QUIT]]], &arrive(&["one"]));
}

#[test]
fn a_server_that_wants_a_delay_between_logins_is_not_visited_twice_for_one_large_mail() {
    let capa: Turn = ("CAPA", b"+OK\r\nLOGIN-DELAY 300\r\n.\r\n");
    let login: &[Turn] = &[GREETING, NO_CAPA, USER, PASS, capa];
    let lists: &[Turn] = &[("LIST", b"+OK\r\n1 20\r\n2 27\r\n.\r\n"), ("UIDL", b"+OK\r\n1 a\r\n2 b\r\n.\r\n")];
    let large: &'static [u8] =
        [b"+OK\r\nSubject: large\r\n\r\n", [b'x'; 3000].as_slice(), b"\r\n.\r\n"].concat().leak();
    let expected = Expected { codes: &[2, 0], arrive: &["two"], said: "" };
    let limit = |mailbox: Mailbox| mailbox.line("max_message_size: 1KiB");
    let sessions: &[&[&[Turn]]] = &[&[login, lists, &[("RETR 1", large)]], &[login, lists, &[RETR_TWO, QUIT]]];
    check_as("the rest is left to the next visit", limit, sessions, &expected);
}

#[test]
fn a_delay_between_logins_is_kept_after_a_visit_that_failed() {
    let (slow, quick) = (Pop3Server::start(vec![Message::new("a", &mails::plain("a"))]), Pop3Server::start(Vec::new()));
    slow.set(Faults { capability: Some("LOGIN-DELAY 300"), retr_broken: Some(("a", 9)), ..Faults::default() });
    let desk = Receiver::start();
    let mailboxes = [Mailbox::scripted(&slow), Mailbox::scripted(&quick).named("quick")];
    let pophook = Pophook::new(mailboxes, [Endpoint::desk(&desk)]);
    let daemon = pophook.start(&["run"]);
    wait_for("another mailbox was visited again and again", || quick.sessions() >= 4);
    daemon.terminate();
    daemon.wait().expect(0);
    assert_eq!(slow.sessions(), 1);
}

// --- going over to TLS ---

#[test]
fn m9_where_stls_is_kept_from_us_no_credential_leaves_and_the_reason_is_told() {
    let offered: Turn = ("CAPA", b"+OK\r\nSTLS\r\n.\r\n");
    for (turns, said) in [
        (&[NO_CAPA][..], "server does not offer STLS"),
        (&[("CAPA", b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n")], "server does not offer STLS"),
        (&[("CAPA", CLOSE)], "closed"),
        (&[offered, ("STLS", b"-ERR TLS is not available\r\n")], "server does not offer STLS"),
        (&[offered, ("STLS", b"-ERR not now\r\n+OK user accepted\r\n+OK authenticated\r\n")], "does not offer STLS"),
        (&[offered, ("STLS", CLOSE)], "closed"),
        (&[offered, ("STLS", b"+OK\r\n+OK\r\nSASL PLAIN\r\n.\r\n")], "response injection"),
        (&[offered, ("STLS", b"+OK\r\nx")], "response injection"),
        (&[("CAPA", b"+OK\r\nSTLS\r\n.\r\n+OK go ahead\r\n")], "spoke unasked"),
        (&[("CAPA", b"+OK\r\nSTLS\r\n.\r\nx\r\n")], "out of step"),
    ] {
        let starttls = |mailbox: Mailbox| mailbox.without("tls: none").line("tls: starttls");
        check_as(said, starttls, &[&[&[GREETING], turns]], &fails(said));
    }
}

fn protected(tls: &'static str) -> impl Fn(Mailbox) -> Mailbox {
    move |mailbox| {
        let ca = format!("ca_file: {}", Certificate::shared().ca_file.display());
        mailbox.without("tls: none").line(&format!("tls: {tls}")).line(&ca)
    }
}

#[test]
fn m9_nothing_that_was_said_in_clear_counts_under_tls() {
    let before: &[Turn] = &[
        // A line end that would let a mail end itself.
        ("", b"+OK hi\n"),
        ("CAPA", b"+OK\nSTLS\nSASL PLAIN\nPIPELINING\nLOGIN-DELAY 99999\n.\n"),
        ("STLS", b"+OK go\n"),
        ("", HANDSHAKE),
    ];
    let lone_dot: Turn = ("RETR 1", b"+OK\r\nSubject: one\r\n\r\nhello\n.\nworld\r\n.\r\n");
    check_as(
        "capabilities are asked for again, and the line end is looked at again",
        protected("starttls"),
        &[&[before, &LOGIN[1..], &[LIST_ONE, UIDL_ONE, lone_dot, QUIT]]],
        &arrive(&["one"]),
    );
    let greeting: Turn = ("STLS", b"+OK go\r\n");
    let forged: &[Turn] = &[GREETING, ("CAPA", b"+OK\r\nSTLS\r\n.\r\n"), greeting, ("", HANDSHAKE)];
    check_as(
        "a second greeting is one word too many",
        protected("starttls"),
        &[&[forged, &[("CAPA", b"+OK hi\r\n.\r\n+OK hi\r\n")]]],
        &fails("spoke unasked"),
    );
}

#[test]
fn a_tls_line_that_ends_without_a_word_cuts_mails_and_nothing_else() {
    let start: &[Turn] = &[("", HANDSHAKE)];
    let silent: Turn = ("", CLOSE);
    check_as(
        "behind the answer to QUIT it is the end",
        protected("implicit"),
        &[&[start, LOGIN, ONE, &[silent]]],
        &arrive(&["one"]),
    );
    let cut: &[Turn] = &[LIST_ONE, UIDL_ONE, ("RETR 1", b"+OK\r\nSubject: one\r\n\r\nhello\r\n"), silent];
    check_as("within a mail it is none", protected("implicit"), &[&[start, LOGIN, cut]], &fails("closed"));
    let list: &[Turn] = &[("LIST", b"+OK\r\n1 27\r\n"), silent];
    check_as("within a listing it is none", protected("implicit"), &[&[start, LOGIN, list]], &fails("closed"));
}

// --- listings ---

#[test]
fn a_listing_is_read_as_it_is_written() {
    let retr_three: Turn = ("RETR 3", b"+OK\r\nSubject: three\r\n\r\n.\r\n");
    for (what, list, uidl) in [
        ("two blanks", &b"+OK\r\n1  27\r\n2  27\r\n.\r\n"[..], &b"+OK\r\n1  a\r\n2  b \r\n.\r\n"[..]),
        ("words behind the size", b"+OK 2 messages\r\n1 27 octets\r\n2 27 x\r\n.\r\n", b"+OK\r\n1 a\r\n2 b\r\n.\r\n"),
        ("sizes below zero", b"+OK\r\n1 -1\r\n2 18446744071562067968\r\n.\r\n", b"+OK\r\n1 a\r\n2 b\r\n.\r\n"),
        ("the wrong order", b"+OK\r\n2 27\r\n1 27\r\n.\r\n", b"+OK\r\n2 b\r\n1 a\r\n.\r\n"),
        ("a line of nonsense", b"+OK\r\n1 27\r\nnonsense\r\n2 27\r\n.\r\n", b"+OK\r\nx\r\n1 a\r\n\r\n2 b\r\n.\r\n"),
        (
            "a number that is none",
            b"+OK\r\n0 1\r\n1 27\r\n2 27\r\n.\r\n",
            b"+OK\r\n1 a\r\n2 b\r\n9999999999 c\r\n.\r\n",
        ),
        ("a mail came after LIST", b"+OK\r\n1 27\r\n.\r\n", b"+OK\r\n1 a\r\n2 b\r\n.\r\n"),
        (
            "8-bit ids with blanks and slashes",
            b"+OK\r\n1 27\r\n2 27\r\n.\r\n",
            b"+OK\r\n1 ../\xff a\r\n2 \xe9\r\n.\r\n",
        ),
    ] {
        let lists: &[Turn] = &[("LIST", list), ("UIDL", uidl)];
        let sessions: &[&[&[Turn]]] = &[&[LOGIN, lists, &[RETR_ONE, RETR_TWO, QUIT]], &[LOGIN, lists, &[QUIT]]];
        check(what, sessions, &Expected { codes: &[0, 0], arrive: &["one", "two"], said: "" });
    }
    let gaps: &[Turn] = &[("LIST", b"+OK\r\n1 27\r\n3 17\r\n.\r\n"), ("UIDL", b"+OK\r\n1 a\r\n3 c\r\n.\r\n")];
    check("numbers with gaps", &[&[LOGIN, gaps, &[RETR_ONE, retr_three, QUIT]]], &arrive(&["one", "three"]));
}

#[test]
fn m5_a_unique_id_may_be_longer_than_the_standard_allows() {
    let uidl: &'static [u8] = format!("+OK\r\n1 {}\r\n.\r\n", "x".repeat(1000)).leak().as_bytes();
    let lists: &[Turn] = &[LIST_ONE, ("UIDL", uidl)];
    let sessions: &[&[&[Turn]]] = &[&[LOGIN, lists, &[RETR_ONE, QUIT]], &[LOGIN, lists, &[QUIT]]];
    check("it is known again", sessions, &Expected { codes: &[0, 0], arrive: &["one"], said: "" });
}

#[test]
fn a_message_that_lacks_its_unique_id_for_once_arrives_once() {
    let lists: &[Turn] = &[("LIST", b"+OK\r\n1 27\r\n2 27\r\n.\r\n"), UIDL_ONE];
    let later: &[Turn] = &[("LIST", b"+OK\r\n1 27\r\n2 27\r\n.\r\n"), ("UIDL", b"+OK\r\n1 a\r\n2 b\r\n.\r\n")];
    check(
        "UIDL was answered before the mail came",
        &[&[LOGIN, lists, &[RETR_ONE, RETR_TWO, QUIT]], &[LOGIN, later, &[RETR_TWO, QUIT]], &[LOGIN, later, &[QUIT]]],
        &Expected { codes: &[0, 0, 0], arrive: &["one", "two"], said: "" },
    );
}

#[test]
fn a_window_that_moves_over_the_maildrop_delivers_nothing_twice() {
    let nothing: &[Turn] = &[("LIST", b"+OK\r\n.\r\n"), ("UIDL", b"+OK\r\n.\r\n"), QUIT];
    check(
        "a listing that is empty for once is no proof that the mail is gone",
        &[&[LOGIN, ONE], &[LOGIN, nothing], &[LOGIN, ONE], &[LOGIN, ONE_AGAIN]],
        &Expected { codes: &[0, 0, 0, 0], arrive: &["one"], said: "" },
    );
}

#[test]
fn a_message_whose_header_cannot_be_had_is_taken() {
    let dated = |mailbox: Mailbox| mailbox.start_from("2026-01-31");
    for top in
        [&b"-ERR unknown command\r\n"[..], b"-ERR [SYS/TEMP] later\r\n", b"+OK\r\n.\r\n", b"+OK\r\n\xff\0\r\n.\r\n"]
    {
        let session: &[&[Turn]] = &[LOGIN, &[LIST_ONE, UIDL_ONE, ("TOP 1 0", top), RETR_ONE, QUIT]];
        check_as("better too much than too little", dated, &[session], &arrive(&["one"]));
    }
}

#[test]
fn numbers_of_one_session_mean_nothing_in_the_next() {
    let first: &[Turn] = &[LIST_ONE, UIDL_ONE, RETR_ONE, QUIT];
    // Another mail has the number 1 now.
    let shifted: &[Turn] = &[("LIST", b"+OK\r\n1 27\r\n2 27\r\n.\r\n"), ("UIDL", b"+OK\r\n1 z\r\n2 a\r\n.\r\n")];
    let deleting = |mailbox: Mailbox| mailbox.on_server("delete_when_delivered");
    check_as(
        "what is deleted is looked up in the listing of the same session",
        deleting,
        &[&[LOGIN, first], &[LOGIN, shifted, &[("DELE 2", b"+OK\r\n"), QUIT]]],
        &arrive(&["one"]),
    );
}

// --- messages ---

#[test]
fn m4_a_message_is_what_stands_before_the_dot_line() {
    let stray: &[Turn] = &[("LIST", b"+OK\r\n1 0\r\n.\r\n"), UIDL_ONE];
    for (what, retr) in [
        ("no size", &b"+OK\r\nSubject: one\r\n\r\nhello\r\n.\r\n"[..]),
        ("a size of LF lines, and a blank line more", b"+OK 24 octets\r\nSubject: one\r\n\r\nhello\r\n\r\n.\r\n"),
        ("a size far too large", b"+OK 4294967400 octets\r\nSubject: one\r\n\r\nhello\r\n.\r\n"),
        ("a NUL, 8 bits and a bare CR", b"+OK\r\nSubject: one\r\n\r\na\0b\xff\rc\r\n.\r\n"),
        ("a dot that was not stuffed", b"+OK\r\nSubject: one\r\n\r\n.x\r\n.\r\n"),
        ("lines like replies", b"+OK\r\nSubject: one\r\n\r\n-ERR\r\n+OK\r\n.\r\n"),
    ] {
        check(what, &[&[LOGIN, stray, &[("RETR 1", retr), QUIT]]], &arrive(&["one"]));
    }
}

#[test]
fn a_message_of_no_bytes_is_a_message() {
    for retr in [&b"+OK 0 octets\r\n.\r\n"[..], b"+OK 0 octets\r\n\r\n.\r\n"] {
        let listed: Turn = ("LIST", b"+OK\r\n1 0\r\n.\r\n");
        let sessions: &[&[&[Turn]]] =
            &[&[LOGIN, &[listed, UIDL_ONE, ("RETR 1", retr), QUIT]], &[LOGIN, &[listed, UIDL_ONE, QUIT]]];
        check("it arrives", sessions, &Expected { codes: &[0, 0], arrive: &[""], said: "" });
    }
}

#[test]
fn a_bare_line_feed_in_a_mail_ends_nothing_where_lines_end_with_crlf() {
    let smuggling: &'static [u8] =
        b"+OK\r\nSubject: one\r\n\r\nhello\n.\r\n+OK\r\nSubject: forged\r\n\r\n\n.\n+OK\n\r\n.\r\n";
    check("it is all one mail", &[&[LOGIN, &[LIST_ONE, UIDL_ONE, ("RETR 1", smuggling), QUIT]]], &arrive(&["one"]));
}

#[test]
fn a_server_whose_lines_end_with_a_bare_line_feed_is_understood() {
    let session: &[Turn] = &[
        ("", b"+OK hi\n"),
        ("CAPA", b"-ERR\n"),
        ("USER support", b"+OK\n"),
        ("PASS pw", b"+OK\n"),
        ("CAPA", b"+OK\nUIDL\n.\n"),
        ("LIST", b"+OK\n1 27\n.\n"),
        ("UIDL", b"+OK\n1 a\n.\n"),
        ("RETR 1", b"+OK\nSubject: one\n\nhello\n..\n.\n"),
        ("QUIT", b"+OK\n"),
    ];
    check("LF", &[&[session]], &arrive(&["one"]));
}

#[test]
fn m4_half_a_mail_is_not_delivered_where_its_other_half_shows() {
    let cut: Turn = ("RETR 1", b"+OK\r\nSubject: one\r\n\r\nhello\r\n.\r\nthe other half\r\n.\r\n");
    check("a lone dot was not stuffed", &[&[LOGIN, &[LIST_ONE, UIDL_ONE, cut]]], &fails("out of step"));
    // What only looks like an answer was asked for by nobody.
    let forged: Turn = ("RETR 1", b"+OK\r\nSubject: one\r\n\r\nhello\r\n.\r\n+OK forged\r\n");
    let expected = Expected { codes: &[2], arrive: &["one"], said: "spoke unasked" };
    check("a reply too many", &[&[LOGIN, &[LIST_ONE, UIDL_ONE, forged]]], &expected);
}

#[test]
fn m1_a_connection_that_ends_in_a_message_delivers_none_of_it() {
    for cut in
        [&b"+OK\r\nSubject: one\r\n\r\nhello\r\n"[..], b"+OK\r\nSubject: one\r\n\r\n.", b"+OK\r\nx\r\n.\r", b"+OK"]
    {
        let ends: &[Turn] = &[LIST_ONE, UIDL_ONE, ("RETR 1", cut), ("", CLOSE)];
        check("a part is nothing", &[&[LOGIN, ends]], &fails("closed"));
    }
}

#[test]
fn a_mail_that_breaks_every_session_lets_the_others_through() {
    let mails = ["a", "b", "c"].map(|id| Message::new(id, &mails::plain(id)));
    let (server, desk) = (Pop3Server::start(mails.into()), Receiver::start());
    server.set(Faults { retr_broken: Some(("a", 40)), ..Faults::default() });
    let pophook = Pophook::new([Mailbox::scripted(&server)], [Endpoint::desk(&desk)]);
    let daemon = pophook.start(&["run"]);
    wait_for("the others arrive", || desk.subjects() == ["b", "c"]);
    daemon.terminate();
    daemon.wait().expect(0);
}

// --- deleting, and the end ---

#[test]
fn m10_what_quit_is_answered_with_decides_nothing_alone() {
    for (what, answer, codes) in [
        ("both verdicts at once", &b"-ERR unable to unlink all deleted messages\r\n+OK\r\n"[..], &[0][..]),
        ("a close in place of an answer", CLOSE, &[0]),
        ("bytes behind the answer", b"+OK\r\nbye\r\n", &[0]),
        ("something that is no answer", b"bye\r\n", &[2]),
    ] {
        let sessions: &[&[&[Turn]]] = &[&[LOGIN, &ONE[..3], &[("QUIT", answer)]]];
        check(what, sessions, &Expected { codes, arrive: &["one"], said: "" });
    }
}

#[test]
fn a_refused_dele_is_settled_by_the_next_listing() {
    let (server, desk) = (Pop3Server::start(vec![Message::new("a", &mails::plain("a"))]), Receiver::start());
    server.set(Faults { dele_refused: true, ..Faults::default() });
    let mailbox = Mailbox::scripted(&server).on_server("delete_when_delivered");
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&desk)]);
    let said = pophook.once().said();
    assert!(said.contains("the server refused to delete"), "{said}");
    server.replace(Vec::new());
    pophook.once().expect(0);
    server.put(Message::new("b", &mails::plain("b")));
    pophook.once();
    assert_eq!(desk.subjects(), ["a", "b"]);
}

// --- commands ahead ---

#[test]
fn a_server_that_breaks_on_commands_ahead_gets_one_at_a_time() {
    let mails = ["a", "b", "c", "d"].map(|id| Message::new(id, &mails::plain(id)));
    let (server, desk) = (Pop3Server::start(mails.into()), Receiver::start());
    server.set(Faults { pipelining: true, closes_on_pipelined: true, ..Faults::default() });
    let pophook = Pophook::new([Mailbox::scripted(&server).pipelined()], [Endpoint::desk(&desk)]);
    let daemon = pophook.start(&["run"]);
    wait_for("all mail arrives", || desk.subjects() == ["a", "b", "c", "d"]);
    daemon.terminate();
    let said = daemon.wait().expect(0).said();
    assert!(said.contains("pipelining is off for this server from now on"), "{said}");
}
