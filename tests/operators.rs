//! What operators do with a running daemon over HTTP: who is let in, what is shown, and what each act does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

#[path = "operators/access.rs"]
mod access;
#[path = "operators/acts.rs"]
mod acts;
#[path = "operators/commands.rs"]
mod commands;
#[path = "operators/line.rs"]
mod line;
#[path = "operators/reading.rs"]
mod reading;
mod support;

use serde_json::Value;
use support::http::Reply;
use support::mails;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::pophook::Running;
use support::receiver::Receiver;
use support::wait_for;

/// Looks once.
const LOOKER: &str = "looker-0123456789-0123456789";
/// Looks, and sees mail.
const CLERK: &str = "clerk-0123456789-0123456789-x";
/// Does everything.
const CHIEF: &str = "chief-0123456789-0123456789-x";

/// Three tokens, as lines below `admin:`.
fn tokens() -> String {
    format!(
        "  tokens:
    - {{ name: looker, token: {LOOKER}, role: read }}
    - {{ name: clerk, token: {CLERK}, role: read, mail_content: true }}
    - {{ name: chief, token: {CHIEF}, role: operate }}
reload: {{ watch: 100ms }}
"
    )
}

/// A scripted server, an endpoint `desk`, and a daemon between them.
struct Stage {
    server: Pop3Server,
    desk: Receiver,
    pophook: Pophook,
    daemon: Option<Running>,
}

impl Stage {
    /// With three tokens, and these mails on the server.
    fn start(ids: &[&str]) -> Stage {
        Stage::configured(ids, &tokens())
    }

    /// With these lines below `admin:`.
    fn configured(ids: &[&str], admin: &str) -> Stage {
        let server = Pop3Server::start(ids.iter().map(|id| Message::new(id, &mails::plain(id))).collect());
        let (desk, pophook) = (Receiver::start(), Pophook::new([], []));
        let mut stage = Stage { server, desk, pophook, daemon: None };
        stage.configure(admin);
        stage.run();
        stage
    }

    fn configure(&self, admin: &str) {
        self.pophook.configure([Mailbox::scripted(&self.server)], [Endpoint::desk(&self.desk)], admin);
    }

    fn run(&mut self) {
        self.daemon = Some(self.pophook.start(&["run"]));
        wait_for("the daemon serves", || self.ask("GET", "/healthz", None, None).status == 200);
    }

    /// Ends the daemon; what it said.
    #[track_caller]
    fn stop(&mut self) -> String {
        let daemon = self.daemon.take().unwrap();
        daemon.terminate();
        daemon.wait().expect(0).said()
    }

    fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Reply {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        headers.extend(body.map(|_| ("content-type", "application/json")));
        let body = body.map(Value::to_string).unwrap_or_default();
        self.pophook.ask(method, path, &headers, body.as_bytes())
    }

    /// What the chief is shown.
    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.ask("GET", &format!("/api/v1{path}"), Some(CHIEF), None).expect(200).json()
    }

    /// What the chief does.
    fn post(&self, path: &str, body: Option<&Value>) -> Reply {
        self.ask("POST", &format!("/api/v1{path}"), Some(CHIEF), body)
    }

    /// The ids of the messages that a search finds.
    #[track_caller]
    fn found(&self, query: &str) -> Vec<String> {
        let found = self.get(&format!("/messages?{query}"));
        found["messages"].as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect()
    }
}
