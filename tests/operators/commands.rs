//! The commands by `--server`: they show and do what they do on the spool's file, and need neither it nor a secret.

use std::process::Command;

use serde_json::Value;

use crate::CHIEF;
use crate::LOOKER;
use crate::Stage;
use crate::support::free_port;
use crate::support::mails;
use crate::support::pop3_server::Message;
use crate::support::pophook::Ended;
use crate::support::receiver::Answer;
use crate::support::wait_for;

/// Runs `pophook ARGUMENTS`, with this token in the environment.
fn run(token: &str, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pophook"));
    let ran = command.args(arguments).env("POPHOOK_TOKEN", token).env("NO_PROXY", "127.0.0.1").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { status: ran.status, stdout: text(&ran.stdout), stderr: text(&ran.stderr) }
}

fn server(stage: &Stage) -> String {
    format!("http://127.0.0.1:{}", stage.pophook.admin_port())
}

/// By the server.
fn remote(stage: &Stage, arguments: &[&str]) -> Ended {
    run(CHIEF, &[arguments, &["--server", &server(stage)]].concat())
}

fn without_moment(line: &str) -> String {
    let line = line.trim_end();
    let end = [" now", " in "].iter().filter_map(|word| line.rfind(word)).max().unwrap_or(line.len());
    line[..end].trim_end().to_owned()
}

#[test]
fn a_listing_by_the_server_is_that_of_the_file() {
    let stage = Stage::start(&["a"]);
    wait_for("it is delivered", || stage.found("state=delivered").len() == 1);
    let id = stage.found("").remove(0);
    let check = |arguments: &[&str]| {
        let (file, server) = (stage.pophook.command(arguments).expect(0), remote(&stage, arguments).expect(0));
        // How far the next visit is, is another moment later.
        let still = |ended: &Ended| ended.stdout.lines().map(without_moment).collect::<Vec<_>>();
        assert_eq!(still(&file), still(&server), "{arguments:?}");
        let json = [arguments, &["--json"]].concat();
        let (file, server) = (stage.pophook.command(&json).expect(0).json(), remote(&stage, &json).expect(0).json());
        assert_eq!(file.len(), server.len(), "{arguments:?}");
        for (line, other) in file.iter().zip(&server) {
            for (key, value) in line.as_object().unwrap().iter().filter(|(key, _)| *key != "next_visit") {
                assert_eq!(other.get(key).unwrap_or(&Value::Null), value, "{key} of {arguments:?}");
            }
        }
    };
    check(&["mailbox", "list"]);
    check(&["endpoint", "list"]);
    check(&["spool", "list"]);
    check(&["spool", "list", "--state", "dead"]);
    check(&["spool", "list", "--newer-than", "1h", &id]);
    check(&["spool", "show", &id]);
    assert_eq!(remote(&stage, &["spool", "raw", &id]).expect(0).stdout.as_bytes(), mails::plain("a"));
}

#[test]
fn what_a_command_does_by_the_server_is_done() {
    let stage = Stage::start(&[]);
    stage.desk.set(Answer::Status(422));
    stage.server.put(Message::new("a", &mails::plain("a")));
    wait_for("it is dead", || stage.found("state=dead").len() == 1);
    stage.desk.set(Answer::Status(200));
    let shown = remote(&stage, &["spool", "retry", "--endpoint", "desk"]).expect(2);
    assert!(shown.stdout.contains("would try again 1 deliveries") && shown.stdout.contains("refused 1"), "{shown:?}");
    remote(&stage, &["spool", "retry", "--endpoint", "desk", "--yes"]).expect(0);
    wait_for("it is delivered", || stage.found("state=delivered").len() == 1);
    let id = stage.found("").remove(0);
    let erased = remote(&stage, &["spool", "drop", "--erase", &id]).expect(0);
    assert_eq!(erased.stdout, "1 erased\n");
    remote(&stage, &["spool", "retry", "--mailbox", "support", "--to", "desk", "--yes"]).expect(64);
    remote(&stage, &["spool", "retry", "--yes"]).expect(64);

    assert_eq!(remote(&stage, &["mailbox", "pause", "support"]).expect(0).stdout, "support is paused\n");
    assert!(stage.pophook.command(&["mailbox", "list"]).expect(0).stdout.contains("paused"));
    remote(&stage, &["mailbox", "visit", "support"]).expect(1);
    assert_eq!(remote(&stage, &["mailbox", "resume", "support"]).expect(0).stdout, "support is visited again\n");
    remote(&stage, &["mailbox", "visit", "support"]).expect(0);
    assert_eq!(remote(&stage, &["endpoint", "test", "desk"]).expect(0).stdout, "desk: HTTP 200\n");
    stage.desk.set(Answer::Status(404));
    let tested = remote(&stage, &["endpoint", "test", "desk"]).expect(2);
    assert!(tested.stdout.starts_with("desk: HTTP 404; look at the path"), "{tested:?}");
    assert_eq!(remote(&stage, &["endpoint", "resume", "desk"]).expect(0).stdout, "desk is resumed\n");
}

#[test]
fn a_token_comes_from_a_file_and_what_it_may_not_is_said() {
    let stage = Stage::start(&[]);
    let file = stage.pophook.dir().join("token");
    std::fs::write(&file, format!("{CHIEF}\n")).unwrap();
    let with_file = ["mailbox", "list", "--server", &server(&stage), "--token-file", file.to_str().unwrap()];
    run("a-wrong-token-in-the-environment", &with_file).expect(0);
    let wrong = run("a-wrong-token-in-the-environment", &["mailbox", "list", "--server", &server(&stage)]).expect(1);
    for word in ["No such token", "POPHOOK_TOKEN", "--token-file"] {
        assert!(wrong.stderr.contains(word), "{wrong:?}");
    }
    let none = Command::new(env!("CARGO_BIN_EXE_pophook"))
        .args(["mailbox", "list", "--server", &server(&stage)])
        .env_remove("POPHOOK_TOKEN")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&none.stderr);
    assert!(!none.status.success() && said.contains("POPHOOK_TOKEN") && said.contains("--token-file"), "{said}");
    let looks = run(LOOKER, &["mailbox", "pause", "support", "--server", &server(&stage)]).expect(1);
    assert!(looks.stderr.contains("its role is read") && looks.stderr.contains("`role: operate`"), "{looks:?}");
    let nowhere = run(CHIEF, &["mailbox", "pause", "none", "--server", &server(&stage)]).expect(64);
    assert!(nowhere.stderr.contains("No mailbox has this name"), "{nowhere:?}");
    run(CHIEF, &["mailbox", "list"]).expect(64);
}

#[test]
fn where_nobody_answers_the_file_is_looked_into_if_one_was_named() {
    let stage = Stage::start(&["a"]);
    wait_for("it is delivered", || stage.found("state=delivered").len() == 1);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let gone = run(CHIEF, &["spool", "list", "--server", &nobody]).expect(1);
    assert!(gone.stderr.contains("nobody answers"), "{gone:?}");
    let config = stage.pophook.config();
    let fallen =
        run(CHIEF, &["spool", "list", "--json", "--server", &nobody, "-c", config.to_str().unwrap()]).expect(0);
    assert_eq!(fallen.json(), stage.pophook.list());
    assert!(fallen.stderr.contains("looking into the spool's file"), "{fallen:?}");
}
