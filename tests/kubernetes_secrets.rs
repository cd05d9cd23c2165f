//! Secrets and certificates in volumes that the kubelet changes: each kind of them is used in its new form, without a
//! restart, by a daemon that goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

#[path = "kubernetes_secrets/certificates.rs"]
mod certificates;
#[path = "kubernetes_secrets/endpoints.rs"]
mod endpoints;
mod support;

use std::fs;
use std::os::unix::fs::symlink;

use data_encoding::BASE64;
use data_encoding::BASE64URL_NOPAD;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use serde_json::Value;
use serde_json::json;
use support::mails;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Receiver;
use support::script::Script;
use support::script::Turn;
use support::smtp_server::SmtpServer;
use support::volume::Volume;
use support::wait_for;

/// Looks often, so that no test waits for it.
const WATCH: &str = "reload: { watch: 100ms }\n";

/// A session in which a token is shown, and refused: the next one would come after five minutes, but for a new token.
const GREETING: Turn = ("", b"+OK hello\r\n");
const CAPA: Turn = ("CAPA", b"+OK\r\nUIDL\r\nSASL XOAUTH2\r\n.\r\n");
const BEARER: Turn = ("AUTH XOAUTH2", b"+ \r\n");
const REFUSED: &[u8] = b"-ERR [AUTH] no\r\n";
/// `user=support^Aauth=Bearer one^A^A`, and the same with `two`.
const TOKEN_ONE: &str = "dXNlcj1zdXBwb3J0AWF1dGg9QmVhcmVyIG9uZQEB";
const TOKEN_TWO: &str = "dXNlcj1zdXBwb3J0AWF1dGg9QmVhcmVyIHR3bwEB";

/// A file of the volume by its name, before and after.
type File<'a> = (&'a str, [&'a str; 2]);

/// A mail with something attached.
fn message(id: &str) -> Message {
    Message::new(id, &mails::attached(id, b"content"))
}

fn version<'a>(files: &[File<'a>], which: usize) -> Vec<(&'a str, &'a str)> {
    files.iter().map(|(name, texts)| (*name, texts[which])).collect()
}

/// Starts a daemon whose `files` lie in a volume, waits until their first form `is_used`, turns the volume's link, lets
/// one more mail come, and waits for the second form.
///
/// `parts` are its mailbox, its endpoint, and more of its configuration.
#[track_caller]
fn check(
    what: &str,
    files: &[File<'_>],
    server: &Pop3Server,
    parts: impl Fn(&Volume) -> (Mailbox, Endpoint, String),
    is_used: impl Fn(usize) -> bool,
) {
    let pophook = Pophook::new([], []);
    let volume = Volume::mount(pophook.dir().join("secrets"), &version(files, 0));
    let (mailbox, endpoint, more) = parts(&volume);
    pophook.configure([mailbox], [endpoint], &format!("{WATCH}{more}"));
    let daemon = pophook.start(&["run"]);
    server.put(message("first"));
    wait_for(&format!("{what}: the old form"), || is_used(0));
    assert!(!is_used(1), "{what}: the new form, before it is there");
    volume.turn(&version(files, 1));
    let reloaded = "pophook_config_reloads_total{result=\"ok\"} 1";
    wait_for(&format!("{what}: read anew"), || pophook.metrics().contains(reloaded));
    server.put(message("second"));
    wait_for(&format!("{what}: the new form"), || is_used(1));
    daemon.terminate();
    daemon.wait().expect(0);
}

#[test]
fn what_logs_a_mailbox_in_is_changed() {
    let (server, desk) = (Pop3Server::start(Vec::new()), Receiver::start());
    let parts = |volume: &Volume| {
        let mailbox = Mailbox::scripted(&server).password(&volume.secret("password"));
        (mailbox, Endpoint::desk(&desk), String::new())
    };
    // The wrong one is tried again in five minutes, and the right one at once.
    check("password", &[("password", ["no", "pw"])], &server, parts, |which| match which {
        0 => server.times("AUTH") + server.times("PASS") == 1,
        _ => desk.subjects() == ["first", "second"],
    });

    let scripts =
        Script::start([TOKEN_ONE, TOKEN_TWO].map(|login| vec![GREETING, CAPA, BEARER, (login, REFUSED)]).into());
    let parts = |volume: &Volume| {
        let mailbox = Mailbox::following(&scripts).token(&volume.secret("token"));
        (mailbox, Endpoint::desk(&desk), String::new())
    };
    check("token", &[("token", ["one", "two"])], &server, parts, |which| scripts.left() == 1 - which);
    scripts.expect_followed("token");
}

/// Where access tokens come from, by what is asked for there; no token is given out.
#[track_caller]
fn check_oauth2(inner: &str, forms: [&str; 2], fits: impl Fn(&[(String, String)], usize) -> bool) {
    let (server, desk, authority) = (Pop3Server::start(Vec::new()), Receiver::start(), Receiver::start());
    authority.set(Answer::Status(503));
    let parts = |volume: &Volume| {
        let inner = inner.replace("{}", &volume.secret("secret"));
        let mailbox = Mailbox::scripted(&server).oauth2(&format!("token_url: \"{}\", {inner}", authority.url()));
        (mailbox, Endpoint::desk(&desk), String::new())
    };
    let is_used = |which: usize| {
        let forms = authority.hits().into_iter().map(|hit| form_urlencoded::parse(&hit.body).into_owned().collect());
        forms.into_iter().any(|form: Vec<(String, String)>| fits(&form, which))
    };
    check(inner, &[("secret", forms)], &server, parts, is_used);
}

#[test]
fn what_access_tokens_are_asked_with_is_changed() {
    let forms = ["one", "two"];
    let has =
        |form: &[(String, String)], field: &str, value: &str| form.contains(&(field.to_owned(), value.to_owned()));
    let client = "client_id: c, client_secret: {}, grant: client_credentials, scope: s";
    check_oauth2(client, forms, |form, which| has(form, "client_secret", forms[which]));
    check_oauth2("client_id: c, refresh_token: {}", forms, |form, which| has(form, "refresh_token", forms[which]));
    let accounts = forms.map(|name| {
        let pem = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap().private_key_to_pem_pkcs8().unwrap();
        let key = String::from_utf8(pem).unwrap();
        json!({ "type": "service_account", "client_email": name, "private_key": key }).to_string()
    });
    check_oauth2("service_account: {}, scope: s", [&accounts[0], &accounts[1]], |form, which| {
        let assertion = &form.iter().find(|(field, _)| field == "assertion").unwrap().1;
        let claims = BASE64URL_NOPAD.decode(assertion.split('.').nth(1).unwrap().as_bytes()).unwrap();
        serde_json::from_slice::<Value>(&claims).unwrap()["iss"] == forms[which]
    });
}

/// `notices:` with a mail server of reports.
fn smtp(port: u16, more: &str) -> String {
    format!(
        "notices: {{ smtp: {{ host: 127.0.0.1, port: {port}, from: a@example.com, to: [b@example.com], {more} }} }}\n"
    )
}

#[test]
fn the_password_of_reports_by_mail_is_changed() {
    let (server, refusing) = (Pop3Server::start(Vec::new()), Receiver::start());
    refusing.set(Answer::Status(422));
    let mails = SmtpServer::announcing(&["AUTH PLAIN"]);
    let parts = |volume: &Volume| {
        let more = smtp(mails.port, &format!("tls: none, username: u, password: {}", volume.secret("password")));
        (Mailbox::scripted(&server), Endpoint::desk(&refusing).line("on_dead_letter: { email: true }"), more)
    };
    let is_used = |which: usize| {
        let login = format!("AUTH PLAIN {}", BASE64.encode(format!("\0u\0{}", ["one", "two"][which]).as_bytes()));
        mails.commands().contains(&login)
    };
    check("password of reports", &[("password", ["one", "two"])], &server, parts, is_used);
}

#[test]
fn a_configuration_in_a_volume_is_followed_with_what_it_includes() {
    let (server, desk) = (Pop3Server::start(vec![message("first")]), Receiver::start());
    let second = Pop3Server::start(vec![message("second")]);
    let pophook = Pophook::new([], []);
    pophook.configure([Mailbox::scripted(&server)], [Endpoint::desk(&desk)], &format!("{WATCH}include: [conf.d]\n"));
    let main = fs::read_to_string(pophook.config()).unwrap();
    let sales = format!(
        "mailboxes: [{{ name: sales, host: 127.0.0.1, port: {}, tls: none, username: sales, password: pw, \
         poll_interval: 1s, start_from: all, deliver_to: [desk] }}]\n",
        second.port
    );
    fs::remove_file(pophook.config()).unwrap();
    let volume = Volume::mount(pophook.dir().join("etc"), &[("pophook.yaml", &main)]);
    let included = Volume::mount(pophook.dir().join("conf.d"), &[]);
    symlink(volume.path("pophook.yaml"), pophook.config()).unwrap();
    let daemon = pophook.start(&["run"]);
    wait_for("the first mailbox", || desk.subjects() == ["first"]);
    included.turn(&[("sales.yaml", &sales)]);
    wait_for("one more file in the folder", || desk.subjects() == ["first", "second"]);
    included.turn(&[]);
    wait_for("one file less", || !pophook.metrics().contains("mailbox=\"sales\""));
    volume.turn(&[("pophook.yaml", &main.replace("name: support", "name: help"))]);
    wait_for("the file itself", || pophook.metrics().contains("mailbox=\"help\""));
    daemon.terminate();
    daemon.wait().expect(0);
}
