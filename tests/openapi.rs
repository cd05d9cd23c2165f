//! The API against its own document: schemathesis asks for everything that it promises, and for what it forbids.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::mails;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Receiver;
use support::wait_for;

const TOKEN: &str = "chief-0123456789-0123456789-x";

/// Where `tests/run.sh` installs it.
fn schemathesis() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/bin/schemathesis");
    assert!(program.exists(), "{} is missing: run tests/run.sh once, which installs it", program.display());
    program
}

#[test]
fn the_api_does_what_its_document_says() {
    let (desk, pophook) = (Receiver::start(), Pophook::new([], []));
    let mails = ["a", "b", "c"].map(|id| Message::new(id, &mails::attached(id, b"content")));
    let server = Pop3Server::start(mails.into());
    let admin = format!("  tokens: [ {{ name: chief, token: {TOKEN}, role: operate }} ]\n");
    pophook.configure([Mailbox::scripted(&server)], [Endpoint::desk(&desk)], &admin);
    let daemon = pophook.start(&["run"]);
    wait_for("the mail is delivered", || desk.count() == 3);
    let url = format!("http://127.0.0.1:{}/api/v1/openapi.json", pophook.admin_port());
    let ran = Command::new(schemathesis())
        .args(["run", &url, "--header", &format!("Authorization: Bearer {TOKEN}"), "--no-color", "--warnings", "off"])
        // Who is let in is tested elsewhere, and an address that sends wrong tokens is soon not listened to.
        .args(["--exclude-checks", "ignored_auth", "--generation-with-security-parameters", "false"])
        .args(["--seed", "1", "--max-examples", "20", "--generation-database", "none", "--continue-on-failure"])
        .env("NO_PROXY", "127.0.0.1")
        .current_dir(pophook.dir())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("Tested: 22"), "every operation was asked for: {said}");
    daemon.terminate();
    daemon.wait().expect(0);
}
