//! Coming from another program: what fetchmail and getmail have taken from a real Dovecot is not delivered again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use support::dovecot::Dovecot;
use support::dovecot::PASSWORD;
use support::mails;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Receiver;
use support::wait_for;

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    // 1 of fetchmail: there was no mail.
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Has fetchmail take what lies in alice's maildrop, and keep it there; gives the file of its memory.
fn fetchmail(dovecot: &Dovecot, dir: &Path) -> PathBuf {
    let (rc, ids) = (dir.join("fetchmailrc"), dir.join("fetchids"));
    let settings = format!(
        "poll localhost protocol pop3 port {} uidl\n  user alice password {PASSWORD} keep sslproto '' mda \"cat >/dev/null\"\n",
        dovecot.pop3_port
    );
    fs::write(&rc, settings).unwrap();
    fs::set_permissions(&rc, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let pid_file = dir.join("fetchmail.pid");
    run(Command::new("fetchmail").arg("-f").arg(&rc).arg("-i").arg(&ids).arg("--pidfile").arg(&pid_file));
    ids
}

/// The same with getmail.
fn getmail(dovecot: &Dovecot, dir: &Path) -> PathBuf {
    let settings = format!(
        "[retriever]\ntype = SimplePOP3Retriever\nserver = localhost\nport = {}\nusername = alice\npassword = {PASSWORD}\n\
         [destination]\ntype = MDA_external\npath = /bin/dd\narguments = ('of=/dev/null', 'status=none')\n\
         allow_root_commands = true\n[options]\ndelete = false\nread_all = false\n",
        dovecot.pop3_port,
    );
    fs::write(dir.join("getmailrc"), settings).unwrap();
    run(Command::new("getmail").arg("--getmaildir").arg(dir).arg("--quiet"));
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_memory = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("oldmail-");
    files.into_iter().find(is_memory).expect("getmail wrote down what it took")
}

fn check(program: &str, take: impl Fn(&Dovecot, &Path) -> PathBuf) {
    let (dovecot, receiver) = (Dovecot::start(&["alice"]), Receiver::start());
    let folder = tempfile::tempdir().unwrap();
    for subject in ["first", "second"] {
        dovecot.put("alice", &mails::plain(subject));
    }
    let memory = take(&dovecot, folder.path());
    dovecot.put("alice", &mails::plain("third"));
    let pophook = Pophook::new([Mailbox::implicit(&dovecot, "alice")], [Endpoint::desk(&receiver)]);
    let import = || {
        let memory = memory.to_str().unwrap();
        pophook.command(&["import-ledger", "--mailbox", "alice", "--from", program, memory]).expect(0).said()
    };
    let said = import();
    assert!(said.contains("2 of 2 unique-ids noted as skipped"), "{said}");
    assert!(import().contains("0 of 2"), "what is known is left alone");
    pophook.once().expect(0);
    assert_eq!(receiver.subjects(), ["third"]);
    assert_eq!(dovecot.count("alice"), 3, "the server's copies stay");
    pophook.command(&["mailbox", "take", "alice"]).expect(0);
    pophook.once().expect(0);
    assert_eq!(receiver.subjects(), ["first", "second", "third"], "all the same, if somebody asks for them");
}

#[test]
fn what_fetchmail_has_taken_is_not_delivered_again() {
    check("fetchmail", fetchmail);
}

#[test]
fn what_getmail_has_taken_is_not_delivered_again() {
    check("getmail", getmail);
}

/// A server with these messages, and pophook with its mailbox `support`.
fn stage(ids: &[&str]) -> (Pop3Server, Receiver, Pophook) {
    let messages = ids.iter().map(|id| Message::new(id, &mails::plain(id))).collect();
    let (server, desk) = (Pop3Server::start(messages), Receiver::start());
    let pophook = Pophook::new([Mailbox::scripted(&server)], [Endpoint::desk(&desk)]);
    (server, desk, pophook)
}

#[test]
fn a_file_that_does_not_fit_is_refused_whole_and_says_why() {
    let (server, desk, pophook) = stage(&["a", "b"]);
    let file = pophook.dir().join("ids");
    let refused = |text: &str, more: &[&str], code: i32, expected: &str| {
        fs::write(&file, text).unwrap();
        let arguments = [&["import-ledger", "--from", "fetchmail", file.to_str().unwrap()], more].concat();
        let said = pophook.command(&arguments).expect(code).said();
        assert!(said.contains(expected), "{said}");
    };
    let to = &["--mailbox", "support"];
    let login = &["--mailbox", "support", "--login", "me@there"];
    refused("me@there a\nwhat is this\n", login, 64, "line 2 is none of fetchmail");
    refused("me@there a\n", to, 64, "1 of other logins; give the one that it means with --login");
    refused("", to, 64, "names no message");
    refused("me@there a\n", &["--mailbox", "suport"], 64, "did you mean support?");
    pophook.once().expect(0);
    assert_eq!((desk.subjects().len(), server.messages().len()), (2, 2), "nothing was noted");
}

#[test]
fn a_running_daemon_notes_what_is_imported() {
    let (server, desk, pophook) = stage(&[]);
    let daemon = pophook.start(&["run"]);
    wait_for("the daemon is there", || pophook.get("/readyz").starts_with("HTTP/1.1 200"));
    let ids: Vec<String> = (0..1000).map(|number| format!("{number:04}")).collect();
    let file = pophook.dir().join("oldmail");
    fs::write(&file, ids.iter().map(|id| format!("{id}\x001700000000\n")).collect::<String>()).unwrap();
    let import = ["import-ledger", "--mailbox", "support", "--from", "getmail", file.to_str().unwrap()];
    let said = pophook.command(&import).expect(0).said();
    assert!(said.contains("1000 of 1000 unique-ids noted"), "{said}");
    for id in ["0007", "new"] {
        server.put(Message::new(id, &mails::plain(id)));
    }
    wait_for("the new one arrives", || desk.subjects() == ["new"]);
    daemon.terminate();
    daemon.wait().expect(0);
    assert_eq!((desk.subjects(), server.messages().len()), (vec!["new".to_owned()], 2));
}
