//! Secrets and certificates in volumes that the kubelet changes: each kind of them is used in its new form, without a
//! restart, by a daemon that goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use data_encoding::BASE64;
use data_encoding::BASE64URL_NOPAD;
use data_encoding::HEXLOWER;
use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use serde_json::Value;
use serde_json::json;
use sha2::Sha256;
use standardwebhooks::Webhook;
use support::mails;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Hit;
use support::receiver::Receiver;
use support::script::Script;
use support::script::Turn;
use support::smtp_server::SmtpServer;
use support::tls_peer::Identity;
use support::tls_peer::Met;
use support::tls_peer::TlsPeer;
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

fn message(id: &str) -> Message {
    Message::new(id, &mails::plain(id))
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

/// A file that an endpoint names in this line, where `{}` stands for the secret; `fits` tells of a post whether it was
/// made with this form of the file.
#[track_caller]
fn check_endpoint(line: &str, forms: [&str; 2], fits: impl Fn(&Hit, &str) -> bool) {
    let (server, desk) = (Pop3Server::start(Vec::new()), Receiver::start());
    let parts = |volume: &Volume| {
        let desk = Endpoint::desk(&desk);
        let line = line.replace("{}", &volume.secret("secret"));
        let desk = match line.strip_prefix("signing_keys: ") {
            Some(key) => desk.signed(&[key]),
            None => line.split("; ").fold(desk, |desk, line| desk.line(line)),
        };
        (Mailbox::scripted(&server), desk, String::new())
    };
    let is_used = |which: usize| desk.hits().iter().any(|hit| fits(hit, forms[which]));
    check(line, &[("secret", forms)], &server, parts, is_used);
}

#[test]
fn what_an_endpoint_is_shown_is_changed() {
    let authorization = |hit: &Hit, value: String| hit.header("authorization") == Some(&value);
    check_endpoint("bearer_token: {}", ["one", "two"], |hit, token| authorization(hit, format!("Bearer {token}")));
    let basic = |password: &str| format!("Basic {}", BASE64.encode(format!("u:{password}").as_bytes()));
    check_endpoint("basic_auth: { username: u, password: {} }", ["one", "two\n"], |hit, password| {
        authorization(hit, basic(password.trim_end()))
    });
    check_endpoint("headers: { X-Token: {} }", ["one", "two"], |hit, token| hit.header("x-token") == Some(token));
    check_endpoint("format: template; template: {}", ["{ \"n\": 1 }", "{ \"n\": 2 }"], |hit, text| {
        hit.json() == serde_json::from_str::<Value>(text).unwrap()
    });
}

#[test]
fn what_signs_a_post_is_changed() {
    let keys = ["1", "2"].map(|digit| format!("whsec_{}", BASE64.encode(digit.repeat(32).as_bytes())));
    let signed = |hit: &Hit, key: &str| {
        let mut headers = reqwest::header::HeaderMap::new();
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            headers.insert(name, hit.header(name).unwrap().parse().unwrap());
        }
        Webhook::new(key).unwrap().verify(&hit.body, &headers).is_ok()
    };
    check_endpoint("signing_keys: {}", [&keys[0], &keys[1]], signed);
    check_endpoint("format: mailgun; mailgun_signing_key: {}", ["one", "two"], |hit, key| {
        let form: Vec<(String, String)> = form_urlencoded::parse(&hit.body).into_owned().collect();
        let value = |name: &str| form.iter().find(|(field, _)| field == name).unwrap().1.clone();
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update((value("timestamp") + &value("token")).as_bytes());
        value("signature") == HEXLOWER.encode(&mac.finalize().into_bytes())
    });
}

#[test]
fn a_proxy_is_changed() {
    let (server, proxies) = (Pop3Server::start(Vec::new()), [Receiver::start(), Receiver::start()]);
    let urls = [0, 1].map(|which| proxies[which].url().replace("/inbound", ""));
    let parts = |volume: &Volume| {
        let desk =
            Endpoint::new("desk", "http://desk.example.com/in").line(&format!("proxy: {}", volume.secret("proxy")));
        (Mailbox::scripted(&server), desk, String::new())
    };
    check("proxy", &[("proxy", [&urls[0], &urls[1]])], &server, parts, |which| proxies[which].count() > 0);
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

/// A bundle of certificates that `parts` have trusted: first it holds a stranger's, then that of the peer.
#[track_caller]
fn check_bundle(what: &str, parts: impl Fn(&Pop3Server, &TlsPeer, &str) -> (Mailbox, Endpoint, String)) {
    let (server, identity) = (Pop3Server::start(Vec::new()), Identity::new("peer"));
    let (peer, bundles) = (TlsPeer::start(&identity), [Identity::new("stranger").pem(), identity.pem()]);
    let parts = |volume: &Volume| parts(&server, &peer, &format!("ca_file: {}", volume.path("ca.pem").display()));
    let is_used = |which: usize| peer.met().contains(&[Met::Distrusted, Met::Trusted(None)][which]);
    check(what, &[("ca.pem", [&bundles[0], &bundles[1]])], &server, parts, is_used);
}

/// Where nothing is ever taken, tried again less often than a breaker would mind.
fn out_of_reach(url: &str) -> Endpoint {
    Endpoint::new("desk", url).line("backoff: [1s]")
}

#[test]
fn a_bundle_of_certificates_is_changed() {
    let desk = Receiver::start();
    check_bundle("of a mailbox", |_, peer, bundle| {
        let tls = ["tls: none", &format!("port: {}", peer.port)];
        let mailbox = Mailbox::in_clear(peer.port, "support").without(tls[0]).line("tls: implicit").line(bundle);
        (mailbox, Endpoint::desk(&desk), String::new())
    });
    check_bundle("of an endpoint", |server, peer, bundle| {
        let desk = out_of_reach(&format!("https://127.0.0.1:{}/", peer.port)).line(bundle);
        (Mailbox::scripted(server), desk, String::new())
    });
    let refusing = Receiver::start();
    refusing.set(Answer::Status(422));
    check_bundle("of the mail server of reports", |server, peer, bundle| {
        let more = smtp(peer.port, &format!("tls: implicit, {bundle}"));
        (Mailbox::scripted(server), Endpoint::desk(&refusing).line("on_dead_letter: { email: true }"), more)
    });
}

#[test]
fn our_own_certificate_is_changed() {
    let (server, identity) = (Pop3Server::start(Vec::new()), Identity::new("peer"));
    let (peer, ours) = (TlsPeer::start(&identity), ["one", "two"].map(Identity::new));
    let authority = identity.pem();
    let [certificates, keys] = [ours.each_ref().map(Identity::pem), ours.each_ref().map(Identity::key_pem)];
    let files = [
        ("tls.crt", [&*certificates[0], &*certificates[1]]),
        ("tls.key", [&*keys[0], &*keys[1]]),
        ("ca.crt", [&*authority; 2]),
    ];
    let parts = |volume: &Volume| {
        let desk = out_of_reach(&format!("https://127.0.0.1:{}/", peer.port))
            .line(&format!("client_cert_file: {}", volume.path("tls.crt").display()))
            .line(&format!("client_key: {}", volume.secret("tls.key")))
            .line(&format!("ca_file: {}", volume.path("ca.crt").display()));
        (Mailbox::scripted(&server), desk, String::new())
    };
    let is_used = |which: usize| peer.met().contains(&Met::Trusted(Some(["one", "two"][which].to_owned())));
    check("client certificate", &files, &server, parts, is_used);
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
