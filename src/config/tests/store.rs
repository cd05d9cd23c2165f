//! The attachment store, links, and how large attachments may be.

use std::time::Duration;

use crate::config::tests::MAILBOXES;
use crate::config::tests::SPOOL;
use crate::config::tests::load;
use crate::deliver::Addressing;
use crate::deliver::AttachmentStore;
use crate::deliver::Attachments;
use crate::deliver::Config;
use crate::deliver::Limits;
use crate::deliver::OnLarge;

const STORE: &str = "url: https://s3.example.com\nbucket: letters\naccess_key_id: AKIA\nsecret_access_key: { file: /run/secrets/support }\n";

/// A good file whose only endpoint also has these lines, from line 7 on, and then a store of these.
fn with(endpoint: &str, store: &str) -> String {
    let endpoint: String = endpoint.lines().map(|line| format!("    {line}\n")).collect();
    let store: String = store.lines().map(|line| format!("  {line}\n")).collect();
    let store = if store.is_empty() { store } else { format!("attachment_store:\n{store}") };
    format!("{SPOOL}{MAILBOXES}endpoints:\n  - name: e\n    url: http://h/\n    signing: none\n{endpoint}{store}")
}

fn deliver(endpoint: &str, store: &str) -> Config {
    load(&with(endpoint, store)).unwrap().deliver
}

fn store(more: &str) -> AttachmentStore {
    deliver("", &format!("{STORE}{more}")).store.unwrap()
}

#[track_caller]
fn check(endpoint: &str, store: &str, expected: &[&str]) {
    let said = load(&with(endpoint, store)).err();
    assert_eq!(said.unwrap_or_default().lines().collect::<Vec<_>>(), expected, "{endpoint} {store}");
}

/// The problem of one line of the store, which is line 12.
#[track_caller]
fn check_line(line: &str, expected: &str) {
    let key = line.split(':').next().unwrap();
    let others: String =
        STORE.lines().filter(|other| !other.starts_with(key)).map(|other| format!("{other}\n")).collect();
    let at = 8 + others.lines().count();
    check("", &format!("{others}{line}\n"), &[&format!("F:{at}: attachment_store.{key}: {expected}")]);
}

#[test]
fn a_store_that_says_little_is_what_most_are() {
    let plain = store("");
    assert_eq!((plain.prefix.as_str(), plain.region.as_str(), plain.addressing), ("", "us-east-1", Addressing::Path));
    assert_eq!(plain.link_lifetime, Duration::from_secs(7 * 24 * 3600));
    assert_eq!((plain.access_key_id.reveal(), plain.secret_access_key.reveal()), ("AKIA", "hunter2"));
    assert!(!format!("{plain:?}").contains("hunter2") && !format!("{plain:?}").contains("AKIA"));
    assert!(plain.http.egress.permits("169.254.169.254".parse().unwrap()), "the operator names it");
    for prefix in ["mail", "mail/", "mail///"] {
        assert_eq!(store(&format!("prefix: {prefix}\n")).prefix, "mail/");
    }
    assert_eq!(store("prefix: /\n").prefix, "");
    assert_eq!(store("link_lifetime: 90500ms\n").link_lifetime, Duration::from_secs(90));
    let other = store("addressing: virtual_host\nregion: eu-central-1\ntimeout: 5s\n");
    assert_eq!((other.addressing, other.region.as_str()), (Addressing::VirtualHost, "eu-central-1"));
    assert_eq!(other.http.timeouts.answer, Duration::from_secs(5));
}

#[test]
fn what_makes_no_store_is_told_with_its_remedy() {
    check(
        "",
        "prefix: a\n",
        &[
            "F:7: attachment_store.url: is missing; write the store's address, such as https://s3.eu-central-1.amazonaws.com",
            "F:7: attachment_store.bucket: is missing; write the bucket's name",
            "F:7: attachment_store.access_key_id: is missing; write { file: PATH } or { env: NAME }, say",
            "F:7: attachment_store.secret_access_key: is missing; write { file: PATH } or { env: NAME }, say",
        ],
    );
    let address = "write the store's address, such as https://s3.eu-central-1.amazonaws.com";
    check_line("url: s3.example.com", &format!("is no URL (relative URL without a base); {address}"));
    check_line("url: ftp://s3.example.com", &format!("is not for HTTP; {address}"));
    check_line("url: https://h/?bucket=a", &format!("carries a query; {address}"));
    check_line(
        "url: https://a:hunter2@h/",
        "carries a user name or password; write them as access_key_id and secret_access_key",
    );
    check_line("bucket: a/b", "is no name of a bucket; write letters, digits, dots and hyphens");
    check_line("bucket: ..", "is no name of a bucket; write letters, digits, dots and hyphens");
    let prefix = "is no beginning of a key; write one such as mail/, of letters, digits, dots, hyphens and slashes";
    for wrong in ["prefix: a/../b", "prefix: /a", "prefix: a//b", "prefix: a b"] {
        check_line(wrong, prefix);
    }
    check_line("region: eu central", "is no region; write one such as us-east-1");
    check_line("link_lifetime: 8d", "is longer than S3 allows; write 7d or less");
    check_line("link_lifetime: 10ms", "is too short; write 1s or more");
    check_line("addressing: virtual", "\"virtual\" is not known; did you mean virtual_host?");
    check_line("prefixes: a", "is an unknown key; did you mean prefix?");
    check_line(
        "proxy: socks5://h",
        "is no URL of an HTTP proxy; write one such as http://proxy.example.com:3128, or none",
    );
    check_line(
        "secret_access_key: { env: NOT_THERE }",
        "the environment variable \"NOT_THERE\" is not set, or not UTF-8; set it",
    );
}

#[test]
fn a_bucket_in_the_host_needs_a_host_with_a_name() {
    let address = STORE.replace("s3.example.com", "192.0.2.1") + "addressing: virtual_host\n";
    let text = "cannot carry the bucket's name in its host; write addressing: path, or the name of a host";
    check("", &address, &[&format!("F:8: attachment_store.url: {text}")]);
}

#[test]
fn links_need_a_store_and_a_format_that_has_a_word_for_them() {
    for format in ["json", "cloudevents", "cloudmailin", "template\ntemplate: { file: /good.jinja }"] {
        let config = deliver(&format!("format: {format}\nattachments: link\n"), STORE);
        assert_eq!(config.endpoints[0].attachments, Attachments::Link, "{format}");
    }
    check(
        "attachments: link\n",
        "",
        &[
            "F:7: endpoints[0].attachments: needs attachment_store, which says where attachments lie; write that section",
        ],
    );
    let remedy = "write another choice, or format: json, cloudevents, cloudmailin or template";
    for format in ["postmark", "sendgrid"] {
        let no_place = format!("cannot be link: format: {format} has no place for links; {remedy}");
        check(
            &format!("format: {format}\nattachments: link\n"),
            STORE,
            &[&format!("F:8: endpoints[0].attachments: {no_place}")],
        );
        check(
            &format!("format: {format}\nmax_attachment_size: 1MiB\non_large_attachment: link\n"),
            STORE,
            &[&format!("F:9: endpoints[0].on_large_attachment: {no_place}")],
        );
    }
    check(
        "format: raw\nattachments: link\n",
        "",
        &["F:8: endpoints[0].attachments: has no effect with format: raw, which is the whole mail; take it out"],
    );
}

#[test]
fn limits_count_where_they_can_be_kept() {
    let limits = |more: &str| deliver(more, STORE).endpoints[0].limits;
    assert_eq!(limits(""), Limits { one: None, all: None, on_large: OnLarge::Omit });
    let all = "max_attachment_size: 1KiB\nmax_attachments_size: 2KiB\non_large_attachment: refuse\n";
    assert_eq!(limits(all), Limits { one: Some(1024), all: Some(2048), on_large: OnLarge::Refuse });
    assert_eq!(limits("max_attachment_size: 0\non_large_attachment: link\n").on_large, OnLarge::Link);
    check(
        "on_large_attachment: refuse\n",
        "",
        &[
            "F:7: endpoints[0].on_large_attachment: has no effect without max_attachment_size or max_attachments_size at endpoint e; write one of them",
        ],
    );
    check(
        "attachments: omit\nmax_attachment_size: 1MiB\n",
        "",
        &[
            "F:8: endpoints[0].max_attachment_size: has no effect with attachments: omit at endpoint e; take one of them out",
        ],
    );
    check(
        "format: raw\nmax_attachments_size: 1MiB\n",
        "",
        &[
            "F:8: endpoints[0].max_attachments_size: has no effect with format: raw at endpoint e, which is the whole mail; take it out",
        ],
    );
    check(
        "attachments: link\nmax_attachment_size: 1MiB\non_large_attachment: link\n",
        STORE,
        &[
            "F:9: endpoints[0].on_large_attachment: has no effect: all attachments are links at endpoint e; write omit or refuse, or take it out",
        ],
    );
    check(
        "max_attachment_size: 1MiB\non_large_attachment: link\n",
        "",
        &[
            "F:8: endpoints[0].on_large_attachment: needs attachment_store, which says where attachments lie; write that section",
        ],
    );
    check(
        "max_attachment_size: 1000\n",
        "",
        &["F:7: endpoints[0].max_attachment_size: \"1000\" has no unit; write it with one, such as 50MiB"],
    );
}
