//! Several files as one configuration, and defaults.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use super::Map;
use crate::config::Config;
use crate::config::Problems;
use crate::config::from_text;
use crate::deliver::OnLarge;
use crate::oauth::Grant;
use crate::retention::OnServer;
use crate::secret::Secret;

const MAIN: &str = "
spool: { url: 'sqlite:s.db' }
include: [conf.d, extra.yaml]
defaults:
  mailboxes:
    host: pop.example.com
    password: p
    start_from: all
    retention: { on_server: delete_when_delivered, keep_latest: 5 }
    deliver_to: [desk]
endpoints:
  - { name: desk, url: 'http://localhost/', signing: none }
mailboxes:
  - { name: a, username: a }
";

/// The configuration of `main` with these files in `/etc`, or the problems as they are printed.
fn read(main: &str, files: &[(&'static str, &'static str)]) -> Result<Config, String> {
    let files: BTreeMap<&str, &[u8]> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    from_text(main, Path::new("/etc"), &Map(files))
        .map_err(|list| Problems { file: PathBuf::from("/etc/F"), list }.to_string())
}

fn check(files: &[(&'static str, &'static str)], expected: &str) {
    let said = read(MAIN, files).err().unwrap_or_else(|| "no problem".to_owned());
    assert_eq!(said, expected, "{files:?}");
}

const EXTRA: (&str, &str) = ("/etc/extra.yaml", "");
const ONE: (&str, &str) = ("/etc/conf.d/one.yaml", "mailboxes: [{ name: b, username: b }]");

#[test]
fn the_lists_of_included_files_are_joined_in_the_order_of_their_names() {
    let two = ("/etc/conf.d/two.yml", "mailboxes: [{ name: c, username: c, host: other.example.com }]");
    let hidden = ("/etc/conf.d/..data.yaml", "mailboxes: [{ name: no, username: no }]");
    let note = ("/etc/conf.d/README.md", "mailboxes: [{ name: no, username: no }]");
    let extra = (
        "/etc/extra.yaml",
        "routes: [{ when: { mailbox: b }, deliver_to: [erp] }]\nendpoints: [{ name: erp, url: 'http://localhost/', signing: none }]",
    );
    let config = read(MAIN, &[ONE, two, hidden, note, extra]).unwrap();
    let names: Vec<&str> = config.collect.mailboxes.iter().map(|mailbox| mailbox.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let hosts: Vec<&str> = config.collect.mailboxes.iter().map(|mailbox| mailbox.server.host.as_str()).collect();
    assert_eq!(hosts, ["pop.example.com", "pop.example.com", "other.example.com"]);
    assert_eq!((config.deliver.endpoints.len(), config.deliver.routes.rules.len()), (2, 1));
}

#[test]
fn what_an_entry_says_itself_wins_and_sections_are_filled_up_key_by_key() {
    let own = (
        "/etc/conf.d/one.yaml",
        "defaults: { mailboxes: { poll_interval: 9m, retention: { keep_latest: 7 } } }\n\
         mailboxes: [{ name: b, username: b, retention: { delete_after: 1h } }]",
    );
    let config = read(MAIN, &[own, EXTRA]).unwrap();
    let policies: Vec<_> = config.collect.mailboxes.iter().map(|mailbox| mailbox.retention).collect();
    assert!(policies.iter().all(|policy| policy.on_server == OnServer::DeleteWhenDelivered));
    assert_eq!(policies.iter().map(|policy| policy.keep_latest).collect::<Vec<_>>(), [5, 7]);
    assert_eq!(policies.iter().map(|policy| policy.delete_after.as_secs()).collect::<Vec<_>>(), [0, 3600]);
    let intervals: Vec<u64> = config.collect.mailboxes.iter().map(|m| m.poll_interval.as_secs()).collect();
    assert_eq!(intervals, [60, 540]);
}

/// Mailboxes with this `oauth2` in the defaults, and this one of their own.
fn with_oauth2(default: &str, own: &str) -> Result<Config, String> {
    let text = format!(
        "spool: {{ url: 'sqlite:s.db' }}\n\
         endpoints: [{{ name: desk, url: 'http://localhost/', signing: none }}]\n\
         defaults:\n  mailboxes:\n    oauth2: {{ {default} }}\n\
         mailboxes:\n  - {{ name: a, username: a, host: h, start_from: all, deliver_to: [desk], oauth2: {{ {own} }} }}\n"
    );
    read(&text, &[])
}

#[test]
fn secrets_of_the_defaults_go_to_no_other_authorization_server() {
    let check = |own: &str, secret: Option<&str>, refresh: Option<&str>| {
        let default = "provider: google, client_id: c, client_secret: s, refresh_token: r";
        let config = with_oauth2(default, own).unwrap();
        let Grant::Refresh { client, refresh_token, .. } = &config.oauth.grants[&config.collect.mailboxes[0].name]
        else {
            panic!("another grant")
        };
        assert_eq!(client.secret.as_ref().map(Secret::reveal), secret, "{own}");
        assert_eq!(refresh_token.as_ref().map(Secret::reveal), refresh, "{own}");
    };
    check("scope: mail", Some("s"), Some("r"));
    check("client_id: d, refresh_token: own", Some("s"), Some("own"));
    check("provider: microsoft, client_id: d", None, None);
    check("token_url: 'https://other.example/t', client_id: d, refresh_token: own", None, Some("own"));
}

#[test]
fn what_a_whole_section_lacks_is_told_where_it_stands() {
    let said = with_oauth2("client_id: c", "provider: google").unwrap_err();
    assert_eq!(said, "/etc/F:7: mailboxes[0].oauth2.client_id: is missing; write the client's identifier");
}

#[test]
fn a_problem_is_told_where_it_was_written() {
    check(&[ONE, EXTRA], "no problem");
    check(&[EXTRA, ("/etc/conf.d", "")], "no problem");
    check(
        &[("/etc/conf.d/one.yaml", "\nmailboxes:\n  - name: b\n    username: b\n    poll_interval: 0\n"), EXTRA],
        "/etc/conf.d/one.yaml:5: mailboxes[0].poll_interval: is too short; write 1s or more",
    );
    check(
        &[("/etc/conf.d/one.yaml", "mailboxes:\n  - name: b\n"), EXTRA],
        "/etc/conf.d/one.yaml:2: mailboxes[0].username: is missing; write the login name",
    );
    check(
        &[ONE],
        "/etc/F:3: include[1]: cannot be read: entity not found; write a file or a folder, relative to this file",
    );
    check(
        &[("/etc/conf.d/one.yaml", "spool: {}\nmailbox: []\nroutes: 5\n"), EXTRA],
        "/etc/conf.d/one.yaml:1: spool: does not stand in an included file; an included file has mailboxes, endpoints, routes, defaults\n\
         /etc/conf.d/one.yaml:2: mailbox: does not stand in an included file; did you mean mailboxes?\n\
         /etc/conf.d/one.yaml:3: routes: is no list; write one",
    );
    check(
        &[("/etc/conf.d/one.yaml", "a: [")],
        "/etc/F:3: include[1]: cannot be read: entity not found; write a file or a folder, relative to this file\n/etc/conf.d/one.yaml:2: is not YAML: did not find expected node content",
    );
    check(
        &[("/etc/conf.d/one.yaml", "- a\n"), EXTRA],
        "/etc/conf.d/one.yaml: is no mapping; write mailboxes, endpoints, routes",
    );
}

#[test]
fn a_problem_of_the_defaults_is_told_once() {
    let many: String = (0..300).map(|n| format!("  - {{ name: m{n}, username: m{n} }}\n")).collect();
    let bad = |line: &str| MAIN.replace("    start_from: all\n", &format!("    start_from: all\n    {line}\n"));
    let said = |line: &str| read(&format!("{}{many}", bad(line)), &[ONE, EXTRA]).unwrap_err();
    assert_eq!(said("poll_interval: 0"), "/etc/F:9: defaults.mailboxes.poll_interval: is too short; write 1s or more");
    assert!(said("colour: blue").starts_with("/etc/F:9: defaults.mailboxes.colour: is an unknown key"));
    assert!(said("colour: blue").lines().count() == 1);
    assert!(said("poll_interval: [1]").starts_with("/etc/F:9: defaults.mailboxes.poll_interval: is a list"));
}

/// The limits of endpoints with these lines, where the defaults limit attachments; or what is wrong.
fn limited(defaults: &str, endpoints: &[&str]) -> Result<Vec<(Option<u64>, OnLarge)>, String> {
    let lines: String = endpoints
        .iter()
        .zip('a'..)
        .map(|(lines, name)| format!("  - {{ name: {name}, url: 'http://localhost/', signing: none, {lines} }}\n"))
        .collect();
    let text = format!(
        "spool: {{ url: 'sqlite:s.db' }}\ndefaults: {{ endpoints: {{ {defaults} }} }}\nendpoints:\n{lines}mailboxes:\n  \
         - {{ name: m, username: m, host: h, password: p, start_from: all, deliver_to: [a] }}\n"
    );
    let limits = |config: Config| config.deliver.endpoints.iter().map(|e| (e.limits.one, e.limits.on_large)).collect();
    read(&text, &[("/etc/t.jinja", "{}")]).map(limits)
}

#[test]
fn a_default_that_has_no_effect_at_an_endpoint_is_not_taken_there() {
    let defaults = "max_attachment_size: 1KiB, on_large_attachment: refuse";
    let (none, some) = ((None, OnLarge::Omit), (Some(1024), OnLarge::Refuse));
    let check = |own: &str, expected| assert_eq!(limited(defaults, &[own, ""]), Ok(vec![expected, some]), "{own}");
    check("attachments: omit", none);
    check("format: raw", none);
    check("format: template, template: { file: /etc/t.jinja }", none);
    check("format: template, template: { file: /etc/t.jinja }, attachments: inline", some);
    check("attachments: multipart", some);
    check("max_attachment_size: null", none);
    assert_eq!(
        limited("attachments: omit, max_attachment_size: 1KiB", &["attachments: inline", ""]),
        Ok(vec![(Some(1024), OnLarge::Omit), none])
    );
    assert_eq!(
        limited("on_large_attachment: refuse", &["max_attachments_size: 1KiB", ""]),
        Ok(vec![(None, OnLarge::Refuse), none])
    );
    assert_eq!(limited("attachments: multipart", &["format: raw"]), Ok(vec![none]));
}

#[test]
fn a_limit_of_an_endpoint_itself_that_has_no_effect_is_told_with_its_name_and_place() {
    let said =
        limited("max_attachments_size: 1KiB", &["", "attachments: omit, max_attachment_size: 1KiB"]).unwrap_err();
    let told = "has no effect with attachments: omit at endpoint b; take one of them out";
    assert_eq!(said, format!("/etc/F:5: endpoints[1].max_attachment_size: {told}"));
}
