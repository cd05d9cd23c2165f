//! What an endpoint's line comes to: who we are, which way leads there, and what its answers mean.

use std::time::Duration;

use crate::config::tests::KEY_FILES;
use crate::config::tests::MAILBOXES;
use crate::config::tests::SPOOL;
use crate::config::tests::load;
use crate::config::tests::load_in;
use crate::config::tests::world;
use crate::deliver::Compress;
use crate::deliver::Http;
use crate::deliver::Meaning;
use crate::deliver::Preset;
use crate::deliver::Proxy;
use crate::deliver::Timeouts;

fn file(url: &str, more: &str) -> String {
    let more: String = more.lines().map(|line| format!("    {line}\n")).collect();
    format!("{SPOOL}{MAILBOXES}endpoints:\n  - name: e\n    url: {url}\n    signing: none\n{more}")
}

fn http(more: &str) -> Http {
    load(&file("https://desk.example/", more)).unwrap().deliver.endpoints.remove(0).http
}

#[test]
fn who_we_are_goes_into_the_authorization_field() {
    let check = |more: &str, expected: &str| {
        let http = http(more);
        let field = &http.headers["authorization"];
        assert_eq!(field.as_bytes(), expected.as_bytes());
        assert!(field.is_sensitive() && !format!("{http:?}").contains("hunter2"));
    };
    check("bearer_token: { file: /run/secrets/support }", "Bearer hunter2");
    check("basic_auth: { username: Aladdin, password: open sesame }", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

#[test]
fn times_have_their_defaults_and_can_be_written() {
    let seconds = Duration::from_secs;
    let usual = Timeouts { connect: seconds(10), stall: seconds(30), answer: seconds(30), whole: None };
    assert_eq!(http("").timeouts, usual);
    let written = http("connect_timeout: 1s\nstall_timeout: 2s\ntimeout: 3s\ntotal_timeout: 4s\ncompress: gzip\n");
    let expected = Timeouts { connect: seconds(1), stall: seconds(2), answer: seconds(3), whole: Some(seconds(4)) };
    assert_eq!((written.timeouts, written.compress), (expected, Compress::Gzip));
}

#[test]
fn statuses_need_no_quotes() {
    let file = file(
        "http://h/",
        "status_preset: mailgun\nstatuses: { 409: accept, \"401\": hold, 5xx: retry, 204: accept }\n",
    );
    let statuses = load(&file).unwrap().deliver.endpoints.remove(0).statuses;
    assert_eq!(statuses.preset, Preset::Mailgun);
    assert_eq!(statuses.codes.into_iter().collect::<Vec<_>>(), [(401, Meaning::Hold), (409, Meaning::Accept)]);
    assert_eq!(statuses.classes.into_iter().collect::<Vec<_>>(), [(5, Meaning::Retry)]);
}

#[test]
fn a_key_of_any_kind_becomes_pkcs8() {
    for key in ["/client.key", "/client-sec1.key"] {
        let more = format!("client_cert_file: /client.pem\nclient_key: {{ file: {key} }}\n");
        let ours = http(&more).client_certificate.unwrap();
        assert_eq!(&*ours.chain_pem, &*KEY_FILES.certificate);
        assert!(ours.key_pem.reveal().starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}

/// The proxy of an endpoint with these keys, in a world with these variables.
fn proxy(url: &str, more: &str, variables: &[(&'static str, &'static str)]) -> Result<Option<Proxy>, String> {
    let mut world = world();
    world.0.extend(variables.iter().map(|(name, value)| (*name, value.as_bytes())));
    Ok(load_in(&file(url, more), &world)?.deliver.endpoints.remove(0).http.proxy)
}

#[test]
fn n6_the_proxy_is_the_one_written_or_that_of_the_environment() {
    let check = |url: &str, more: &str, variables: &[(&'static str, &'static str)], expected: Option<&str>| {
        let found = proxy(url, more, variables).unwrap();
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        assert_eq!(found.map(|proxy| proxy.url.to_string()).as_deref(), expected, "{url} {more} {variables:?}");
    };
    let (plain, secure) = ("http://desk.example/", "https://desk.example/");
    check(plain, "", &[], None);
    check(plain, "proxy: http://u:hunter2@proxy.example:3128", &[], Some("http://proxy.example:3128/"));
    check(secure, "proxy: https://proxy.example/", &[], Some("https://proxy.example/"));
    check(plain, "", &[("HTTP_PROXY", "http://p:1")], Some("http://p:1/"));
    check(plain, "", &[("http_proxy", "p:1")], Some("http://p:1/"));
    check(secure, "", &[("HTTP_PROXY", "http://p:1")], None);
    check(secure, "", &[("HTTPS_PROXY", "http://p:1"), ("ALL_PROXY", "http://q:1")], Some("http://p:1/"));
    check(secure, "", &[("ALL_PROXY", "http://q:1")], Some("http://q:1/"));
    check(plain, "proxy: none", &[("HTTP_PROXY", "http://p:1")], None);
    check(plain, "proxy: http://r:1", &[("HTTP_PROXY", "http://p:1"), ("NO_PROXY", "*")], Some("http://r:1/"));
    for no in ["desk.example", ".example", "other, desk.example", "*"] {
        check(plain, "", &[("HTTP_PROXY", "http://p:1"), ("NO_PROXY", no)], None);
    }
    check(plain, "", &[("HTTP_PROXY", "http://p:1"), ("NO_PROXY", "sk.example")], Some("http://p:1/"));
    check("http://10.1.2.3/", "", &[("HTTP_PROXY", "http://p:1"), ("no_proxy", "10.0.0.0/8")], None);
}

#[test]
fn n6_a_login_at_the_proxy_stands_apart_from_its_address() {
    let found = proxy("http://h/", "proxy: { env: PROXY }", &[("PROXY", "http://Aladdin:open%20sesame@p:1")]);
    let login = found.unwrap().unwrap().authorization.unwrap();
    assert_eq!(login, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert!(login.is_sensitive());
}

#[test]
fn n6_a_proxy_of_the_environment_that_speaks_no_http_is_told() {
    let found = proxy("http://h/", "", &[("ALL_PROXY", "socks5://u:hunter2@p:1080")]).unwrap_err();
    assert!(found.contains("endpoints[0].proxy: of the environment is no HTTP proxy") && !found.contains("hunter2"));
}
