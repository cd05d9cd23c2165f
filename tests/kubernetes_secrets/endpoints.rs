//! What endpoints are shown, what signs their posts, and what lies on the way to them.

use data_encoding::BASE64;
use data_encoding::HEXLOWER;
use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use serde_json::Value;
use sha2::Sha256;
use standardwebhooks::Webhook;

use super::check;
use super::support::pop3_server::Pop3Server;
use super::support::pophook::Endpoint;
use super::support::pophook::Mailbox;
use super::support::receiver::Hit;
use super::support::receiver::Receiver;
use super::support::volume::Volume;

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
    check_endpoint("format: mailgun; attachments: omit; mailgun_signing_key: {}", ["one", "two"], |hit, key| {
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
fn the_login_of_the_store_of_attachments_is_changed() {
    let (server, desk, store) = (Pop3Server::start(Vec::new()), Receiver::start(), Receiver::start());
    let parts = |volume: &Volume| {
        let url = store.url().replace("/inbound", "");
        let keys = ["id", "secret"].map(|name| volume.secret(name));
        let section = format!(
            "attachment_store: {{ url: '{url}', bucket: letters, access_key_id: {}, secret_access_key: {} }}\n",
            keys[0], keys[1]
        );
        (Mailbox::scripted(&server), Endpoint::desk(&desk).line("attachments: link"), section)
    };
    let is_used = |which: usize| {
        let login = ["Credential=one/", "Credential=two/"][which];
        store.hits().iter().any(|hit| hit.header("authorization").is_some_and(|signed| signed.contains(login)))
    };
    check("store", &[("id", ["one", "two"]), ("secret", ["s3", "cret"])], &server, parts, is_used);
}
