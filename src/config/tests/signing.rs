//! Signing keys: what they may look like, and when they are valid.

use jiff::Timestamp;

use crate::config::tests::ENDPOINTS;
use crate::config::tests::KEY;
use crate::config::tests::MAILBOXES;
use crate::config::tests::SPOOL;
use crate::config::tests::load;
use crate::deliver::Standing;

/// An Ed25519 key of 64 bytes; its first 32 alone are the same key.
const PRIVATE: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const SEED: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=";

fn file(keys: &str) -> String {
    let endpoints = ENDPOINTS.replace("signing: none", &format!("signing_keys: [{keys}]"));
    format!("{SPOOL}{MAILBOXES}{endpoints}")
}

/// Expects these problems with the keys of the only endpoint, of the form `[0]: text`.
#[track_caller]
fn check(keys: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|one| format!("F:3: endpoints[0].signing_keys{one}")).collect();
    super::check(&file(keys), &expected.join("\n"));
}

#[test]
fn what_is_no_signing_key_is_told_with_how_to_make_one() {
    let hmac = "[0]: is no signing key: whsec_ and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)";
    for bad in ["whsec_aHVudGVyMg==", "whsec_hunter2"] {
        check(bad, &[hmac]);
    }
    let neither = "[0]: is no signing key: neither whsec_ (HMAC) nor whsk_ (Ed25519) and base64; make one with: \
                   echo whsec_$(openssl rand -base64 32)";
    for bad in ["aHVudGVyMg", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
        check(bad, &[neither]);
    }
    let ed25519 = "[0]: is no signing key: whsk_ and an Ed25519 private key in base64; make one with: \
                   echo whsk_$(openssl genpkey -algorithm ed25519 -outform DER | tail -c 32 | base64)";
    check("whsk_aHVudGVyMg==", &[ed25519]);
    check(
        "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
        &["[0]: is a public key, which only the receiver needs; write the private one, which begins with whsk_"],
    );
    check(
        &PRIVATE.replace("fVKID", "fVKIE"),
        &["[0]: has a public half that does not belong to the private one; copy it anew"],
    );
}

#[test]
fn a_key_with_its_times_is_checked_as_one_without() {
    check(
        "{ key: hunter2 }",
        &[
            "[0].key: is no signing key: neither whsec_ (HMAC) nor whsk_ (Ed25519) and base64; make one with: echo whsec_$(openssl rand -base64 32)",
        ],
    );
    check("{ not_after: 2026-12-31 }", &["[0].key: is missing; write the key as a secret, such as { env: NAME }"]);
    check(
        "{ key: { env: NOT_SET } }",
        &["[0].key: the environment variable \"NOT_SET\" is not set, or not UTF-8; set it"],
    );
    check("{ key: 5 }", &["[0].key: is a number; put it in quotes"]);
    let no_time = "is no date or time; write one such as 2026-12-31 or 2026-12-31T12:00:00Z";
    check(
        &format!("{{ key: {KEY}, not_before: 2026-02-30, not_after: 5 }}"),
        &[&format!("[0].not_after: \"5\" {no_time}"), &format!("[0].not_before: \"2026-02-30\" {no_time}")],
    );
    check(&format!("{{ key: {KEY}, notafter: x }}"), &["[0].notafter: is an unknown key; did you mean not_after?"]);
    let no_form = "[0]: is no form of a secret; write a text in quotes, { file: PATH }, { env: NAME } or \
                   { command: [PROGRAM, ARGUMENT] }, or { key: SECRET, not_before: TIME, not_after: TIME }";
    for bad in ["{ hunter2: x }", "{}", "{ env: X, not_after: 2026-12-31 }"] {
        check(bad, &[no_form]);
    }
}

#[test]
fn a_key_is_valid_for_a_while_or_it_is_a_slip() {
    let no_time = "[0].not_after: leaves no time after not_before; write a later one";
    let times = |from: &str, until: &str| format!("{{ key: {KEY}, not_before: {from}, not_after: {until} }}");
    check(&times("2026-12-31", "2026-12-30"), &[no_time]);
    check(&times("2026-12-31T00:00:00Z", "2026-12-31T00:00:00Z"), &[no_time]);
    assert!(load(&file(&times("2026-12-31", "2026-12-31"))).is_ok(), "it is valid for that day");
}

#[test]
fn each_key_stands_once_and_there_are_ten_at_most() {
    let same = "[2]: is the same key as signing_keys[0]; take one of them out";
    check(&format!("{KEY}, {PRIVATE}, {{ key: {{ env: HELPDESK_WEBHOOK_SECRET }}, not_after: 2026-12-31 }}"), &[same]);
    check(&format!("{SEED}, {KEY}, {PRIVATE}"), &[same]);
    let keys = |count: u8| {
        let key = |number| format!("whsec_{}", base64_simd::STANDARD.encode_to_string([number; 24]));
        (0..count).map(key).collect::<Vec<_>>().join(", ")
    };
    assert!(load(&file(&keys(10))).is_ok());
    check(&keys(11), &[": holds 11 keys; write at most 10"]);
}

#[test]
fn keys_are_valid_when_the_file_says_so() {
    let keys = format!(
        "{{ not_after: 2026-12-01, key: {KEY} }}, {{ not_before: \"2026-11-30T12:00:00+01:00\", key: {{ file: /seed }} }}"
    );
    let mut world = super::world();
    world.0.insert("/seed", SEED.as_bytes());
    let loaded = crate::config::from_text(&file(&keys), std::path::Path::new("/etc"), &world).unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let standing = |text: &str| loaded.deliver.endpoints[0].signing.standing(at(text)).unwrap();
    let begins = Some(at("2026-11-30T11:00:00Z"));
    let before = Standing { valid: 1, ends: None, begins, changes: begins };
    assert_eq!(standing("2026-11-30T10:59:59Z"), before);
    let ends = Some(at("2026-12-02T00:00:00Z"));
    assert_eq!(standing("2026-11-30T11:00:00Z"), Standing { valid: 2, ends: None, begins: None, changes: ends });
    assert_eq!(standing("2026-12-01T23:59:59Z").valid, 2);
    assert_eq!(standing("2026-12-02T00:00:00Z"), Standing { valid: 1, ends: None, begins: None, changes: None });
    assert!(!format!("{loaded:?}").contains("6Xb"));
}
