//! Whole files: what they mean, and what is said about broken ones. The problems of single keys stand in `problems`.

mod formats;
mod lines;
mod problems;
mod several;
mod signing;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::ec::EcGroup;
use openssl::ec::EcKey;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::X509;
use serde_json::Value;

use crate::collect::Credential;
use crate::collect::Dedupe;
use crate::collect::Mailbox;
use crate::collect::StartFrom;
use crate::config::Config;
use crate::config::Problems;
use crate::config::from_text;
use crate::config::outside::CommandError;
use crate::config::outside::Outside;
use crate::config::schema;
use crate::deliver::InFlight;
use crate::deliver::Signing;
use crate::oauth::Grant;
use crate::pop3::Auth;
use crate::pop3::Pipelining;
use crate::pop3::Tls;
use crate::retention::OnServer;
use crate::spool::Change;

const EXAMPLE: &str = include_str!("../../config.example.yaml");
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A world of maps.
#[derive(Default)]
struct Map(BTreeMap<&'static str, &'static [u8]>);

impl Outside for Map {
    fn variable(&self, name: &str) -> Option<String> {
        String::from_utf8(self.0.get(name)?.to_vec()).ok()
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = self.0.get(path.to_str().unwrap()).ok_or(io::ErrorKind::NotFound)?;
        Ok(text.to_vec())
    }

    fn folder(&self, path: &Path) -> io::Result<Option<Vec<PathBuf>>> {
        let within = |name: &&&str| Path::new(name).parent() == Some(path);
        let names: Vec<PathBuf> = self.0.keys().filter(within).map(PathBuf::from).collect();
        if names.is_empty() { self.file(path).map(|_| None) } else { Ok(Some(names)) }
    }

    fn command(&self, program: &str, arguments: &[String]) -> Result<Vec<u8>, CommandError> {
        let line = format!("{program} {}", arguments.join(" "));
        let printed = self.0.get(line.as_str()).ok_or(io::Error::from(io::ErrorKind::NotFound))?;
        Ok(printed.to_vec())
    }
}

fn world() -> Map {
    Map(BTreeMap::from([
        ("/run/secrets/support", &b"hunter2\n"[..]),
        ("/run/secrets/smtp", b"hunter2"),
        ("/run/secrets/pophook-ops", b"hunter2-hunter2-hunter2-ops\n"),
        ("POPHOOK_WALLBOARD_TOKEN", b"hunter2-hunter2-hunter2-wallboard"),
        ("/crlf", b"hunter2\r\n"),
        ("/two-lines", b"hunter2\n\n"),
        ("/empty", b"\n"),
        ("/latin1", b"\xfc"),
        ("/ca.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("/no-ca.pem", b"hello"),
        ("vault read support", b"hunter2\n"),
        ("HELPDESK_WEBHOOK_SECRET", KEY.as_bytes()),
        ("HELPDESK_TOKEN", b"Bearer hunter2"),
        ("LINE_END", b"hunter2\n"),
        ("/google.json", google_key()),
        ("/client.pem", &KEY_FILES.certificate),
        ("/client.key", &KEY_FILES.key),
        ("/client-sec1.key", &KEY_FILES.sec1),
        ("/other.key", &KEY_FILES.other),
        ("/good.jinja", b"{ \"a\": {{ data.subject }} }"),
        ("/bad.jinja", b"{\n\"a\": {{ data.subjct }} }"),
        ("/quoted.jinja", b"{ \"a\": \"{{ data.subject }}\" }"),
    ]))
}

/// What Google gives out for a service account, with a key of our own.
fn google_key() -> &'static [u8] {
    static KEY: LazyLock<String> = LazyLock::new(|| {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap().private_key_to_pem_pkcs8().unwrap();
        let (key, email) = (String::from_utf8(key).unwrap(), "robot@project.example");
        let file = serde_json::json!({ "type": "service_account", "client_email": email, "private_key": key });
        format!("{file:#}\n")
    });
    KEY.as_bytes()
}

/// A certificate with its key in two forms, and a key that is not its own.
struct KeyFiles {
    certificate: Vec<u8>,
    key: Vec<u8>,
    sec1: Vec<u8>,
    other: Vec<u8>,
}

static KEY_FILES: LazyLock<KeyFiles> = LazyLock::new(|| {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let [key, other] = [(); 2].map(|()| EcKey::generate(&group).unwrap());
    let sec1 = key.private_key_to_pem().unwrap();
    let [key, other] = [key, other].map(|key| PKey::from_ec_key(key).unwrap());
    let mut certificate = X509::builder().unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    certificate.set_not_after(&Asn1Time::days_from_now(7).unwrap()).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    let [key, other] = [key, other].map(|key| key.private_key_to_pem_pkcs8().unwrap());
    KeyFiles { certificate: certificate.build().to_pem().unwrap(), key, sec1, other }
});

fn load(text: &str) -> Result<Config, String> {
    load_in(text, &world())
}

fn load_in(text: &str, world: &Map) -> Result<Config, String> {
    from_text(text, Path::new("/etc"), world).map_err(|list| Problems { file: PathBuf::from("F"), list }.to_string())
}

/// Expects these problems, one a line.
#[track_caller]
fn check(text: &str, expected: &str) {
    let found = load(text).map(|_| String::from("no problem")).unwrap_or_else(|problems| problems);
    assert!(!found.contains("hunter2"), "a secret is told: {found}");
    assert_eq!(found, expected.trim_start(), "\n--- found:\n{found}\n--- in:\n{text}");
}

/// The password of a mailbox that has one.
fn password(mailbox: &Mailbox) -> &str {
    let Credential::Password(password) = &mailbox.credential else { panic!("no password") };
    password.reveal()
}

const SPOOL: &str = "spool: { url: sqlite:s.db }\n";
const MAILBOXES: &str = "mailboxes: [{ name: a, host: h, username: u, password: p, start_from: all }]\n";
const ENDPOINTS: &str = "endpoints: [{ name: e, url: http://h/, signing: none }]\n";

#[test]
fn the_example_loads() {
    let config = load(EXAMPLE).unwrap();
    let [mailbox] = &config.collect.mailboxes[..] else { panic!("one mailbox") };
    assert_eq!(password(mailbox), "hunter2");
    assert_eq!(mailbox.start_from, StartFrom::Date("2026-01-31".parse().unwrap()));
    assert!(config.deliver.endpoints[0].http.headers["authorization"].is_sensitive());
    assert_eq!(config.deliver.routes.rules.len(), 4);
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn what_the_example_gives_as_a_default_is_the_default() {
    let lines = EXAMPLE.lines().map(|line| {
        let (indent, text) = line.split_at(line.len() - line.trim_start().len());
        let setting = text.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        format!("{indent}{}\n", setting.unwrap_or(text))
    });
    let explicit: String = lines.collect();
    assert!(explicit.contains("\ngrace: 25s"), "{explicit}");
    assert_eq!(format!("{:?}", load(&explicit).unwrap()), format!("{:?}", load(EXAMPLE).unwrap()));
}

#[test]
fn the_example_shows_every_key() {
    fn keys(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(map) => {
                if let Some(Value::Object(properties)) = map.get("properties") {
                    found.extend(properties.keys().cloned());
                }
                map.values().for_each(|value| keys(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    keys(&schema(), &mut found);
    assert!(found.len() > 50, "{found:?}");
    for key in found {
        assert!(EXAMPLE.contains(&format!("{key}:")), "{key} is missing in config.example.yaml");
    }
}

#[test]
fn the_smallest_file_takes_every_default() {
    let config = load(&format!("{SPOOL}{MAILBOXES}{ENDPOINTS}")).unwrap();
    assert_eq!(config.spool.path, PathBuf::from("s.db"));
    assert_eq!((config.spool.max_size, config.spool.max_share), (10 << 30, 25));
    assert_eq!(config.retention.keep_dead, None);
    assert_eq!((config.collect.max_visits, config.collect.max_visits_per_host), (100, 10));
    assert_eq!(config.deliver.in_flight, InFlight { attempts: 256, bytes: 64 << 20 });
    assert_eq!(config.admin.listen, Some("127.0.0.1:8080".parse().unwrap()));
    assert_eq!(config.grace, Duration::from_secs(25));
    let mailbox = &config.collect.mailboxes[0];
    assert_eq!((mailbox.server.tls, mailbox.server.port), (Tls::Implicit, 995));
    assert_eq!(
        (mailbox.server.auth, mailbox.server.pipelining),
        (Auth::Auto, Pipelining::Window(32.try_into().unwrap()))
    );
    assert_eq!((mailbox.retention.on_server, mailbox.dedupe), (OnServer::Keep, Dedupe::Content));
    let endpoint = &config.deliver.endpoints[0];
    assert!(matches!(endpoint.signing, Signing::None));
    assert_eq!((endpoint.retry.backoff.len(), endpoint.pace.max_in_flight), (9, 16));
    assert_eq!(endpoint.pace.rate, None);
}

#[test]
fn a_file_says_what_it_says() {
    let text = format!(
        "{SPOOL}{ENDPOINTS}mailboxes:
  - name: new
    former_name: old
    host: h
    tls: starttls
    username: u
    password: {{ command: [vault, read, support] }}
    pipelining: 8
    start_from: now
    retention: {{ on_server: delete_when_spooled, delete_after: 3d, keep_latest: 2 }}
    parse: {{ recipient_headers: [X-For], open_forwarded: true, trusted_authserv_ids: [mx.example.com] }}
    labels: {{ team: blue }}
    deliver_to: [e]
admin: {{ listen: off }}
"
    );
    let config = load(&text).unwrap();
    let mailbox = &config.collect.mailboxes[0];
    assert_eq!((mailbox.name.as_str(), mailbox.identity.as_str()), ("new", "old"));
    assert_eq!(mailbox.server.port, 110);
    assert_eq!(password(mailbox), "hunter2");
    assert_eq!(mailbox.server.pipelining, Pipelining::Window(8.try_into().unwrap()));
    assert_eq!(mailbox.retention.delete_after, Duration::from_secs(3 * 86400));
    assert_eq!(config.deliver.labels[&mailbox.name]["team"], "blue");
    let reading = &config.deliver.reading.0[&mailbox.name];
    assert_eq!((&*reading.recipient_headers, reading.open_forwarded), (&["X-For".to_owned()][..], true));
    assert_eq!(reading.trusted_authserv_ids, ["mx.example.com"]);
    assert_eq!(config.deliver.routes.deliver_to[&mailbox.name][0].as_str(), "e");
    assert_eq!(config.admin.listen, None);
}

#[test]
fn who_is_told_is_gathered_from_the_endpoints() {
    let text = format!(
        "{SPOOL}{MAILBOXES}endpoints:
  - {{ name: a, url: http://h/, signing: none, on_dead_letter: {{ endpoint: b, email: true }} }}
  - {{ name: b, url: http://h/, signing: none, on_dead_letter: null, keep_answers: false, events: [mailbox.recovered, endpoint.held] }}
  - {{ name: c, url: http://h/, signing: none, events: [mailbox.recovered, mailbox.recovered] }}
defaults: {{ endpoints: {{ on_dead_letter: {{ endpoint: b }} }} }}
notices: {{ smtp: {{ host: h, from: a@h, to: [b@h] }} }}
"
    );
    let config = load(&text).unwrap();
    let names = |names: &[crate::ident::EndpointName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let told: Vec<_> = config.deliver.endpoints.iter().map(|endpoint| names(&endpoint.on_dead_letter)).collect();
    assert_eq!(told, [vec!["b", "(mail)"], vec![], vec!["b"]]);
    assert_eq!(config.deliver.endpoints.iter().map(|one| one.keep_answers).collect::<Vec<_>>(), [true, false, true]);
    let asked = |change| config.notice.asked.get(&change).map(|asked| names(asked)).unwrap_or_default();
    assert_eq!(asked(Change::Recovered), ["b", "c"]);
    assert_eq!((asked(Change::EndpointHeld), asked(Change::UidlReset)), (vec!["b".to_owned()], vec![]));
    let smtp = config.notice.smtp.unwrap();
    assert_eq!((smtp.port, smtp.tls), (587, crate::notice::Tls::StartTls));
}

#[test]
fn anchors_and_merges_are_yaml_and_work() {
    let text = format!(
        "{SPOOL}{ENDPOINTS}mailboxes:
  - &first {{ name: a, host: h, username: u, password: p, start_from: all }}
  - <<: *first
    name: b
    username: v
"
    );
    let config = load(&text).unwrap();
    assert_eq!(config.collect.mailboxes[1].name.as_str(), "b");
    assert_eq!(config.collect.mailboxes[1].server.host, "h");
}

/// Everything at once: a problem in each section, in lists and in nested mappings.
const BROKEN: &str = "\
spool:
  url: postgres://user:hunter2@db/mail
  max_size: 10
  max_shares: 25%
mailboxes:
  - name: support
    host: https://pop.example.com
    username: support
    password: { env: NOT_SET }
    poll_interval: 5
    start_from: 2026-02-30
    retention:
      on_server: keep
      delete_after: 1d
    deliver_to:
      - helpdesk
      - helpdsk
  - name: support
    hosts: pop.example.com
    username: 4711
    password: 4711
    tls: startls
endpoints:
  - name: helpdesk
    url: https://user:hunter2@helpdesk.example.com/
    signing_keys:
      - { env: HELPDESK_WEBHOOK_SECRET }
      - hunter2
    backoff: [5s, 30, soon, 2m]
    headers:
      Authorization: { env: HELPDESK_TOKEN }
      Webhook-Id: x
routes:
  - when:
      mailbox: suport
      header:
        X-Spam: /(/
    deliver_to: [helpdesk]
grase: 5s
";

const BROKEN_SAYS: &str = r#"
F:2: spool.url: PostgreSQL is not supported yet; write sqlite: and the path of a file, such as sqlite:/var/lib/pophook/spool.db
F:3: spool.max_size: "10" has no unit; write it with one, such as 50MiB
F:4: spool.max_shares: is an unknown key; did you mean max_share?
F:7: mailboxes[0].host: "https://pop.example.com" is no host name; take the part before :// out, and say how the line is protected with tls
F:9: mailboxes[0].password: the environment variable "NOT_SET" is not set, or not UTF-8; set it
F:10: mailboxes[0].poll_interval: "5" has no unit; write it with one, such as 5m
F:11: mailboxes[0].start_from: "2026-02-30" is no date; write all, now, or a date such as 2026-01-31
F:14: mailboxes[0].retention.delete_after: has no effect with on_server: keep; take it out, or write when mail is deleted
F:17: mailboxes[0].deliver_to[1]: no endpoint is named "helpdsk"; did you mean helpdesk?
F:18: mailboxes[1].name: "support" is taken by mailboxes[0]; choose another name
F:18: mailboxes[1].host: is missing; write the server's name, such as pop.example.com
F:18: mailboxes[1].start_from: is missing; write all (take what is there), now (take only new mail) or a date such as 2026-01-31
F:19: mailboxes[1].hosts: is an unknown key; did you mean host?
F:20: mailboxes[1].username: is not read as a text; put it in quotes
F:21: mailboxes[1].password: is a number; put it in quotes
F:22: mailboxes[1].tls: "startls" is not known; did you mean starttls?
F:25: endpoints[0].url: carries a user name or password; take it out, and write it as basic_auth
F:28: endpoints[0].signing_keys[1]: is no signing key: neither whsec_ (HMAC) nor whsk_ (Ed25519) and base64; make one with: echo whsec_$(openssl rand -base64 32)
F:29: endpoints[0].backoff[1]: "30" has no unit; write it with one, such as 5m
F:29: endpoints[0].backoff[2]: "soon" is no duration; write one such as 30s, 5m, 1h or 7d
F:32: endpoints[0].headers.Webhook-Id: is set by pophook itself; take it out
F:35: routes[0].when.mailbox: no mailbox is named "suport"; did you mean support?
F:37: routes[0].when.header.X-Spam: "/(/" is no regular expression: unclosed group
F:39: grase: is an unknown key; did you mean grace?"#;

#[test]
fn every_problem_is_told_at_once_with_its_line() {
    check(BROKEN, BROKEN_SAYS);
}

#[test]
fn an_empty_file_lacks_what_is_required() {
    let missing = "\
F:1: spool.url: is missing; write sqlite: and the path of a file, such as sqlite:/var/lib/pophook/spool.db
F:1: mailboxes: is missing; write at least one mailbox, with name, host, username, password and start_from
F:1: endpoints: is missing; write at least one endpoint, with name, url and signing_keys";
    check("", missing);
    check("# nothing\n", &missing.replace("F:1", "F:2"));
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let problems = crate::config::load(Path::new("/nonexistent/pophook.yaml")).unwrap_err().to_string();
    assert!(problems.starts_with("/nonexistent/pophook.yaml: cannot be read: "), "{problems}");
}

#[test]
fn a_file_is_utf_8_and_may_begin_with_a_mark() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("F");
    let check = |bytes: &[u8], expected: &str| {
        std::fs::write(&path, bytes).unwrap();
        let said = crate::config::load(&path).map_or_else(|problems| problems.to_string(), |_| "no problem".to_owned());
        assert_eq!(said.replace(path.to_str().unwrap(), "F"), expected);
    };
    let good = format!("\u{feff}{SPOOL}{MAILBOXES}{ENDPOINTS}");
    check(good.as_bytes(), "no problem");
    check(&[good.as_bytes(), &b"# M\xfcller\n"[..]].concat(), "F:4: is not UTF-8; save the file as such");
    check(b"\xff\xfes\0p\0", "F:1: is not UTF-8; save the file as such");
}

#[test]
fn an_outline_needs_no_secret_and_has_every_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("F");
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    let mailboxes = MAILBOXES.replace("password: p", "former_name: b, ca_file: /none, password: { env: NONE }");
    let endpoints = ENDPOINTS.replace("signing: none", "signing_keys: [{ file: /none }]");
    write(&format!("{SPOOL}{mailboxes}{endpoints}"));
    let outline = crate::config::load_outline(&path).unwrap();
    let mailbox = &outline.mailboxes[0];
    assert_eq!((mailbox.mailbox.as_str(), mailbox.former_name.as_ref().unwrap().as_str()), ("a", "b"));
    assert_eq!((mailbox.host.as_str(), mailbox.username.as_str()), ("h", "u"));
    assert_eq!((outline.endpoints[0].as_str(), outline.spool.path), ("e", PathBuf::from("s.db")));

    // An endpoint that could not be read must not look like one that was taken out.
    write(&format!("{SPOOL}{mailboxes}endpoints: [{{ name: 5, url: http://h/ }}]\n"));
    let problems = crate::config::load_outline(&path).unwrap_err();
    assert_eq!(problems.list[0].path, "endpoints[0].name");
    assert_eq!(crate::config::load_names(&path).unwrap().mailboxes, ["a"]);
}

#[test]
fn secrets_come_from_four_places() {
    for form in ["hunter2", "{ file: /run/secrets/support }", "{ file: /crlf }", "{ command: [vault, read, support] }"]
    {
        let text = format!("{SPOOL}{ENDPOINTS}{}", MAILBOXES.replace("password: p", &format!("password: {form}")));
        assert_eq!(password(&load(&text).unwrap().collect.mailboxes[0]), "hunter2", "{form}");
    }
}

/// By what the only mailbox gets its tokens, with this `oauth2`.
fn grant(oauth2: &str) -> Grant {
    let mailboxes = MAILBOXES.replace("password: p", &format!("oauth2: {{ {oauth2} }}"));
    let config = load(&format!("{SPOOL}{ENDPOINTS}{mailboxes}")).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    config.oauth.grants[&config.collect.mailboxes[0].name].clone()
}

#[test]
fn a_provider_fills_addresses_and_scope_in() {
    let check = |oauth2: &str, token_url: &str, device_url: Option<&str>, scope: &str| {
        let client = match grant(oauth2) {
            Grant::Refresh { client, .. } | Grant::ClientCredentials(client) => client,
            other => panic!("{other:?}"),
        };
        assert_eq!(client.token_url.as_str(), token_url);
        assert_eq!(client.device_url.as_ref().map(|url| url.as_str()), device_url);
        assert_eq!(client.scope.as_deref(), Some(scope));
    };
    check(
        "provider: google, client_id: c",
        "https://oauth2.googleapis.com/token",
        Some("https://oauth2.googleapis.com/device/code"),
        "https://mail.google.com/",
    );
    check(
        "provider: microsoft, client_id: c, refresh_token: hunter2",
        "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        Some("https://login.microsoftonline.com/common/oauth2/v2.0/devicecode"),
        "https://outlook.office.com/POP.AccessAsUser.All offline_access",
    );
    check(
        "provider: microsoft, tenant: example.com, client_id: c, client_secret: hunter2, grant: client_credentials",
        "https://login.microsoftonline.com/example.com/oauth2/v2.0/token",
        None,
        "https://outlook.office365.com/.default",
    );
    check(
        "provider: google, token_url: \"https://h/t\", device_url: \"https://h/d\", scope: mail, client_id: c",
        "https://h/t",
        Some("https://h/d"),
        "mail",
    );
}

#[test]
fn a_service_account_acts_for_the_mailboxs_user() {
    let Grant::ServiceAccount(account) = grant("provider: google, service_account: { file: /google.json }") else {
        panic!("another grant")
    };
    assert_eq!(account.subject.reveal(), "u");
    assert_eq!(account.scope, "https://mail.google.com/");
    assert_eq!(account.token_url.as_str(), "https://oauth2.googleapis.com/token");
}

#[test]
fn a_token_comes_from_the_same_four_places() {
    for auth in ["auto", "xoauth2", "oauthbearer"] {
        let oauth2 = format!("auth: {auth}, oauth2: {{ token: {{ file: /run/secrets/support }} }}");
        let config = load(&format!("{SPOOL}{ENDPOINTS}{}", MAILBOXES.replace("password: p", &oauth2))).unwrap();
        let Credential::Ready(token) = &config.collect.mailboxes[0].credential else { panic!("no token") };
        assert_eq!(token.reveal(), "hunter2");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
