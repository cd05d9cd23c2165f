//! The order of durability, observed from outside: the spool's log is synced before the server is told to let go.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::fs;

use support::mails;
use support::pop3_server::Faults;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Receiver;
use support::strace;

/// Stands at the end of each mail, often enough that no page's border hides it, and far enough from its start that
/// the pages that hold it are not written again for other reasons.
const MARK: &str = "THIS-LINE-MUST-BE-DURABLE";

/// Runs `once` under strace on three mails that go when they were delivered; returns the trace.
fn trace(rule: &str, environment: Option<(&str, &str)>) -> String {
    let mail =
        |n: usize| [mails::large(&format!("mail {n}"), 40_000), format!("{MARK}\r\n").repeat(20).into()].concat();
    let server = Pop3Server::start((0..3).map(|n| Message::new(&format!("id{n}"), &mail(n))).collect());
    server.set(Faults { pipelining: true, ..Faults::default() });
    let desk = Receiver::start();
    let mut pophook = Pophook::new([Mailbox::scripted(&server).pipelined().on_server(rule)], [Endpoint::desk(&desk)]);
    if let Some((name, value)) = environment {
        pophook = pophook.env(name, value);
    }
    let file = pophook.dir().join("trace");
    let before: Vec<&str> = strace::COMMAND.iter().copied().chain([file.to_str().unwrap()]).collect();
    pophook.start_behind(&before, &["once"]).wait().expect(0);
    assert_eq!((desk.count(), server.messages().len()), (3, 0));
    fs::read_to_string(&file).unwrap()
}

/// The trace shows what it must show, in the right order; the same trace without its syncs is refused.
fn check(rule: &str) {
    let trace = trace(rule, None);
    let order = strace::order(&trace, MARK);
    assert!(order.told.iter().any(|command| command == "DELE"), "{rule}: no DELE in the trace: {order:#?}");
    assert!(order.told.iter().any(|command| command == "QUIT"), "{rule}: no QUIT in the trace: {order:#?}");
    assert!(order.mail_writes > 0, "{rule}: the mail is not seen on its way into the log: {order:#?}");
    assert!(order.too_early.is_empty(), "{rule}: {order:#?}");
    let doctored = strace::order(&strace::without_syncs(&trace), MARK);
    assert!(doctored.too_early.len() >= 2, "{rule}: the check does not see missing syncs: {doctored:#?}");
}

#[test]
fn p1_the_log_is_synced_before_dele_and_quit_when_mail_is_deleted_after_delivery() {
    check("delete_when_delivered");
}

#[test]
fn p1_the_log_is_synced_before_dele_and_quit_when_mail_is_deleted_after_spooling() {
    check("delete_when_spooled");
}

#[test]
fn p1_a_spool_that_does_not_sync_is_found_out() {
    // Only a debug build listens to this variable.
    let trace = trace("delete_when_delivered", Some(("POPHOOK_TEST_SYNCHRONOUS", "NORMAL")));
    let order = strace::order(&trace, MARK);
    assert!(order.mail_writes > 0, "{order:#?}");
    assert!(!order.too_early.is_empty(), "the check sees no difference: {order:#?}");
}
