//! What is said about each thing that an operator can get wrong.

use crate::config::tests::ENDPOINTS;
use crate::config::tests::MAILBOXES;
use crate::config::tests::SPOOL;
use crate::config::tests::check;

/// How a secret may be written.
const FORMS: &str = "write { file: PATH }, { env: NAME }, { command: [PROGRAM] } or a text";

/// A good file and these keys after it, on line 4.
#[track_caller]
fn check_top(more: &str, expected: &str) {
    check(&format!("{SPOOL}{MAILBOXES}{ENDPOINTS}{more}"), expected);
}

/// A good file whose only mailbox also has these keys, on line 9.
#[track_caller]
fn check_mailbox(more: &str, expected: &str) {
    let mailbox = "mailboxes:\n  - name: a\n    host: h\n    username: u\n    password: p\n    start_from: all\n";
    let more: String = more.lines().map(|line| format!("    {line}\n")).collect();
    check(&format!("{SPOOL}{ENDPOINTS}{mailbox}{more}"), expected);
}

/// A good file whose only endpoint has these keys too, on line 6.
#[track_caller]
fn check_endpoint(more: &str, expected: &str) {
    let more: String = more.lines().map(|line| format!("    {line}\n")).collect();
    check(&format!("{SPOOL}{MAILBOXES}endpoints:\n  - name: e\n    url: http://h/\n{more}"), expected);
}

#[test]
fn what_is_no_yaml_is_told_with_its_line() {
    check("a: 1\nb: [1\nc: 2\n", "F:3: is not YAML: did not find expected ',' or ']'");
    check("a: b: c\n", "F:1: is not YAML: mapping values are not allowed in this context");
    check("a: *nowhere\n", "F:1: is not YAML: unknown anchor");
    check("<<: 5\n", "F: is not YAML: expected a mapping or list of mappings for merging, but found scalar");
    let documents = "deserializing from YAML containing more than one document is not supported";
    check("a: 1\n---\na: 2\n", &format!("F: is not YAML: {documents}"));
}

#[test]
fn a_key_that_stands_twice_is_found() {
    check_top("spool: {}\n", "F:4: spool: stands twice; take one out");
    check_mailbox("labels:\n  x: a\n  y: b\n  x: c\n", "F:12: mailboxes[0].labels.x: stands twice; take one out");
    check_mailbox("host: other\n", "F:9: mailboxes[0].host: stands twice; take one out");
}

#[test]
fn a_recipient_header_is_a_name() {
    check_mailbox(
        "parse: { recipient_headers: [X-For, \"To: a\"] }\n",
        "F:9: mailboxes[0].parse.recipient_headers[1]: is no name of a header field; write one such as X-Original-To",
    );
}

#[test]
fn a_trusted_server_is_a_name() {
    check_mailbox(
        "parse: { trusted_authserv_ids: [mx.example.com, \"mx.example.com; spf=pass\"] }\n",
        "F:9: mailboxes[0].parse.trusted_authserv_ids[1]: is no name that a server writes at the head of \
         Authentication-Results; write it as it stands there, such as mx.example.com",
    );
}

#[test]
fn what_yaml_allows_and_we_do_not() {
    let tag = "has a YAML tag (a word that starts with !); take it out, or put the value in quotes";
    check_mailbox("ca_file: !file x\n", &format!("F:9: mailboxes[0].ca_file: {tag}"));
    check_mailbox("labels: { 1: a }\n", "F:9: mailboxes[0].labels: has a key that is no text; put the key in quotes");
    check_mailbox(
        "deliver_to:\n  - e\n  -\n",
        "F:11: mailboxes[0].deliver_to[1]: is empty; write a value, or take the line out",
    );
}

#[test]
fn what_has_the_wrong_shape() {
    check("- a\n- b\n", "F:1: is a list; write a mapping");
    check("hello\n", "F:1: is a text; write a mapping");
    let list = "write a list (one item a line, with - before each, or [one, two])";
    check_mailbox("deliver_to: e\n", &format!("F:9: mailboxes[0].deliver_to: is a text; {list}"));
    check_mailbox("retention: keep\n", "F:9: mailboxes[0].retention: is a text; write a mapping");
    check_mailbox("retention: [keep]\n", "F:9: mailboxes[0].retention: is a list; write a mapping");
    check_mailbox("labels: { tier: 1 }\n", "F:9: mailboxes[0].labels.tier: is not read as a text; put it in quotes");
    check_endpoint(
        "signing: none\ninclude_raw: \"yes\"\n",
        "F:7: endpoints[0].include_raw: is a text; write true or false",
    );
    check_endpoint("signing_keys: hunter2\n", &format!("F:6: endpoints[0].signing_keys: is a text; {list}"));
    check_endpoint("signing: none\nheaders: hunter2\n", "F:7: endpoints[0].headers: is a text; write a mapping");
    check_top(
        "routes:\n  - when: [{ mailbox: a }]\n    deliver_to: [e]\n  - 5\n",
        "F:5: routes[0].when: is a list; write a mapping\nF:7: routes[1]: is a number; write a mapping",
    );
}

#[test]
fn a_section_of_the_wrong_shape_is_not_missing_too() {
    check(&format!("spool: here\n{MAILBOXES}{ENDPOINTS}"), "F:1: spool: is a text; write a mapping");
    check(&format!("{SPOOL}{MAILBOXES}endpoints: [5]\n"), "F:3: endpoints[0]: is a number; write a mapping");
}

#[test]
fn an_unknown_key_is_told_with_its_neighbours() {
    check_top(
        "colour: red\n",
        "F:4: colour: is an unknown key; known here: admin, attachment_store, collect, defaults, deliver, egress, endpoints, grace, include, mailboxes, notices, reload, removed_endpoints, routes, spool",
    );
    check_mailbox(
        "retention:\n  delete_afer: 1d\n",
        "F:10: mailboxes[0].retention.delete_afer: is an unknown key; did you mean delete_after?",
    );
    check_top(
        "routes:\n  - when:\n      subjct: x\n    deliver_to: [e]\n",
        "F:6: routes[0].when.subjct: is an unknown key; did you mean subject?",
    );
}

#[test]
fn the_spool_is_one_file() {
    let remedy = "write sqlite: and the path of a file, such as sqlite:/var/lib/pophook/spool.db";
    for (url, wrong) in [
        ("postgresql://u:hunter2@h/d", "PostgreSQL is not supported yet"),
        ("mysql://u:hunter2@h/d", "is of no known kind"),
        ("/var/lib/spool.db", "is of no known kind"),
        ("sqlite:///var/lib/spool.db", "has the slashes of a web address"),
        ("\"sqlite:\"", "names no file"),
        ("sqlite:/var/lib/", "names no file"),
        ("\"sqlite::memory:\"", "would be lost with the process"),
        ("sqlite:a.db?mode=rwc", "has parameters, which are not used here"),
    ] {
        check(&format!("spool:\n  url: {url}\n{MAILBOXES}{ENDPOINTS}"), &format!("F:2: spool.url: {wrong}; {remedy}"));
    }
}

#[test]
fn a_secret_that_cannot_be_used_is_named_and_not_told() {
    let forms = "write a text in quotes, { file: PATH }, { env: NAME } or { command: [PROGRAM, ARGUMENT] }";
    for (form, wrong) in [
        ("{ file: /none }", "cannot read /none: entity not found; create the file, or let pophook read it"),
        ("{ file: /latin1 }", "/latin1 is not UTF-8; save it as such"),
        ("{ file: /empty }", "/empty is empty; fill it"),
        ("{ file: /two-lines }", "/two-lines holds a line break or NUL inside; take it out"),
        ("{ env: NONE }", "the environment variable \"NONE\" is not set, or not UTF-8; set it"),
        ("{ env: LINE_END }", "the environment variable \"LINE_END\" holds a line break or NUL inside; take it out"),
        ("{ command: [none] }", "the command \"none\" cannot be run: entity not found; run it by hand to see why"),
        ("{ command: [] }", &format!("the command has no program; {forms}")),
        ("\"\"", "the secret is empty; fill it"),
        ("\"hunter2\\0\"", "the secret holds a line break or NUL inside; take it out"),
        ("{ value: hunter2 }", &format!("is no form of a secret; {forms}")),
        ("{ hunter2 }", &format!("is no form of a secret; {forms}")),
        ("{ env: LINE_END, file: /crlf }", &format!("is no form of a secret; {forms}")),
        ("{}", &format!("is no form of a secret; {forms}")),
        ("12.5", "is a number; put it in quotes"),
        ("true", "is true or false; put it in quotes"),
        ("[hunter2]", "is a list; write a secret"),
    ] {
        let mailboxes = MAILBOXES.replace("password: p", &format!("password: {form}"));
        check(&format!("{SPOOL}{ENDPOINTS}{mailboxes}"), &format!("F:3: mailboxes[0].password: {wrong}"));
    }
    check(
        &format!("{SPOOL}{ENDPOINTS}{}", MAILBOXES.replace(" password: p,", "")),
        &format!("F:3: mailboxes[0].password: is missing; {FORMS}, or log in by oauth2"),
    );
}

#[test]
fn a_command_that_cannot_be_read_is_one_problem() {
    let at = "F:3: mailboxes[0].password.command";
    for (words, expected) in [
        ("[false]", format!("{at}[0]: is not read as a text; put it in quotes")),
        ("[vault, 5]", format!("{at}[1]: is not read as a text; put it in quotes")),
        ("[vault, [hunter2]]", format!("{at}[1]: is a list; write a text")),
        ("[vault, ~]", format!("{at}[1]: is empty; write a value, or take the line out")),
        ("[5, 6]", format!("{at}[0]: is not read as a text; put it in quotes")),
        ("vault", format!("{at}: is a text; write a list (one item a line, with - before each, or [one, two])")),
    ] {
        let mailboxes = MAILBOXES.replace("password: p", &format!("password: {{ command: {words} }}"));
        check(&format!("{SPOOL}{ENDPOINTS}{mailboxes}"), &expected);
    }
    check_endpoint(
        "signing_keys: [{ command: [false] }]\n",
        "F:6: endpoints[0].signing_keys[0].command[0]: is not read as a text; put it in quotes",
    );
}

#[test]
fn the_spool_has_room_for_the_largest_message() {
    let spool = |size: &str, expected: &str| {
        let spool = format!("spool: {{ url: sqlite:s.db, max_size: {size} }}\n");
        check(
            &format!("{spool}{ENDPOINTS}{}", MAILBOXES.replace("start_from", "max_message_size: 1GiB, start_from")),
            expected,
        );
    };
    for small in ["0", "1kB", "63MiB"] {
        spool(small, "F:1: spool.max_size: leaves no room for mail; write 64MiB or more");
    }
    for size in ["64MiB", "1GiB"] {
        spool(
            size,
            "F:1: spool.max_size: is too small for a message of mailboxes[0], which may have 1.0 GiB (max_message_size); write more than that",
        );
    }
    spool("1025MiB", "no problem");
    check(&format!("spool: {{ url: sqlite:s.db, max_size: 64MiB }}\n{MAILBOXES}{ENDPOINTS}"), "no problem");
}

#[test]
fn a_mailbox_has_a_password_or_a_token() {
    let instead = |instead: &str, expected: &str| {
        check(&format!("{SPOOL}{ENDPOINTS}{}", MAILBOXES.replace("password: p", instead)), expected);
    };
    for auth in ["auto", "user", "plain", "login", "scram", "apop"] {
        instead(&format!("password: p, auth: {auth}"), "no problem");
    }
    for auth in ["user", "plain", "login", "scram", "apop"] {
        instead(
            &format!("oauth2: {{ token: t }}, auth: {auth}"),
            "F:3: mailboxes[0].auth: takes a password, not a token; write auto, xoauth2 or oauthbearer",
        );
        instead(
            &format!("auth: {auth}"),
            &format!("F:3: mailboxes[0].password: is missing; {FORMS}, or log in by oauth2"),
        );
    }
    for auth in ["xoauth2", "oauthbearer"] {
        instead(
            &format!("password: p, auth: {auth}"),
            "F:3: mailboxes[0].auth: takes an access token; write oauth2 in place of password",
        );
        instead(&format!("auth: {auth}"), "F:3: mailboxes[0].oauth2: is missing; write where access tokens come from");
    }
    check_mailbox("oauth2: { token: t }", "F:9: mailboxes[0].oauth2: contradicts password; take one of them out");
    instead("oauth2: t", "F:3: mailboxes[0].oauth2: is a text; write a mapping");
    instead("oauth2: { token: 5 }", "F:3: mailboxes[0].oauth2.token: is a number; put it in quotes");
    instead(
        "oauth2: { token: { env: LINE_END } }",
        "F:3: mailboxes[0].oauth2.token: the environment variable \"LINE_END\" holds a line break or NUL inside; take it out",
    );
}

#[test]
fn a_token_is_not_sent_in_clear() {
    let check = |host: &str, credential: &str, expected: &str| {
        let mailboxes = MAILBOXES.replace("host: h", &format!("host: {host}, tls: none"));
        check(&format!("{SPOOL}{ENDPOINTS}{}", mailboxes.replace("password: p", credential)), expected);
    };
    let clear = "F:3: mailboxes[0].tls: would send the access token in clear, for anybody to log in with; write implicit or starttls";
    check("pop.example.com", "oauth2: { token: t }", clear);
    check("192.0.2.1", "oauth2: { command: [get-token] }", clear);
    check("pop.example.com", "password: p", "no problem");
    for host in ["localhost", "127.0.0.1", "'::1'"] {
        check(host, "oauth2: { token: t }", "no problem");
    }
}

/// What is said about the only mailbox's `oauth2`, one problem a line.
#[track_caller]
fn check_oauth2(oauth2: &str, expected: &[(&str, &str)]) {
    let told = |(key, text): &(&str, &str)| match *key {
        "" => format!("F:3: mailboxes[0].oauth2: {text}"),
        key => format!("F:3: mailboxes[0].oauth2.{key}: {text}"),
    };
    let expected = if expected.is_empty() {
        "no problem".to_owned()
    } else {
        expected.iter().map(told).collect::<Vec<_>>().join("\n")
    };
    let mailboxes = MAILBOXES.replace("password: p", &format!("oauth2: {{ {oauth2} }}"));
    check(&format!("{SPOOL}{ENDPOINTS}{mailboxes}"), &expected);
}

#[test]
fn there_is_a_way_to_a_token() {
    for good in [
        "token: t",
        "command: [get, token]",
        "provider: google, client_id: c, client_secret: s",
        "provider: microsoft, client_id: c, tenant: example.com",
        "provider: microsoft, client_id: c, refresh_token: r",
        "token_url: \"https://h/token\", client_id: c, refresh_token: r",
        "token_url: \"http://127.0.0.1:1/token\", device_url: \"http://[::1]:1/\", client_id: c",
        "provider: microsoft, grant: client_credentials, tenant: 0-a, client_id: c, client_secret: s",
        "token_url: \"https://h/\", grant: client_credentials, client_id: c, client_secret: s",
        "provider: google, service_account: { file: /google.json }",
        "token_url: \"https://h/\", scope: mail, service_account: { file: /google.json }",
    ] {
        check_oauth2(good, &[]);
    }
    let ways = "write provider and client_id, then run `pophook oauth login`; or service_account, command or token";
    check_oauth2("", &[("", &format!("leads to no access token; {ways}"))]);
    check_oauth2("command: []", &[("command", "has no program; write [PROGRAM, ARGUMENT]")]);
}

#[test]
fn a_way_to_a_token_has_what_it_needs_and_nothing_else() {
    let id = ("client_id", "is missing; write the client's identifier");
    let url = ("token_url", "is missing; write provider: google or microsoft, or where tokens are asked for");
    let first = "is missing; write it, or device_url, where `pophook oauth login` can get one";
    check_oauth2("provider: google", &[id]);
    check_oauth2("client_id: c", &[url, ("refresh_token", first)]);
    check_oauth2("refresh_token: r", &[url, id]);
    check_oauth2(
        "provider: microsoft, grant: client_credentials, refresh_token: r",
        &[
            ("refresh_token", "has no effect beside grant; take one of them out"),
            ("tenant", "is missing; write the directory's name or id"),
            id,
            ("client_secret", "is missing; write { file: PATH }, say, with the client's secret"),
        ],
    );
    check_oauth2(
        "provider: google, grant: client_credentials, client_id: c, client_secret: s",
        &[("grant", "is not for mail at Google; write service_account instead")],
    );
    check_oauth2(
        "grant: password, client_id: c, client_secret: s, provider: google",
        &[("grant", "\"password\" is not known; known here: client_credentials")],
    );
    check_oauth2(
        "token: t, provider: google, command: [x]",
        &[
            ("provider", "has no effect beside token; take one of them out"),
            ("command", "has no effect beside token; take one of them out"),
        ],
    );
    check_oauth2(
        "provider: microsoft, service_account: { file: /google.json }",
        &[("service_account", "is Google's; for Microsoft write grant: client_credentials")],
    );
    let no_key = "is no JSON key of a service account; make a new one at Google";
    check_oauth2("provider: google, service_account: { file: /crlf }", &[("service_account", no_key)]);
    let scope = ("scope", "is missing; write what tokens are asked for, such as https://mail.google.com/");
    check_oauth2("service_account: { file: /google.json }", &[url, scope]);
    check_oauth2("provider: googel, client_id: c", &[("provider", "\"googel\" is not known; did you mean google?")]);
    check_oauth2("providers: google, token: t", &[("providers", "is an unknown key; did you mean provider?")]);
}

#[test]
fn secrets_go_to_where_nobody_listens() {
    let clear = "would carry secrets in clear; write a URL that starts with https://";
    for bad in ["http://login.example.com/token", "ftp://h/"] {
        let oauth2 = format!("token_url: \"{bad}\", client_id: c, refresh_token: r");
        check_oauth2(&oauth2, &[("token_url", clear)]);
    }
    check_oauth2(
        "provider: google, device_url: \"https://hunter2@h/\", client_id: c",
        &[("device_url", "carries a user name or password; write them as client_id and client_secret")],
    );
    check_oauth2(
        "token_url: hunter2, client_id: c, refresh_token: r",
        &[("token_url", "is no URL (relative URL without a base); write one such as https://example.com/token")],
    );
    check_oauth2(
        "provider: microsoft, tenant: a/b, client_id: c",
        &[("tenant", "is no directory; write its name, such as example.com, or its id")],
    );
    check_oauth2(
        "provider: google, tenant: a, client_id: c",
        &[("tenant", "has no effect without provider: microsoft; take it out")],
    );
}

#[test]
fn a_username_goes_in_one_line() {
    for username in ["u\\r\\nDELE 1", "u\\n", "u\\0", "u\\u0001auth=x"] {
        let mailboxes = MAILBOXES.replace("username: u", &format!("username: \"{username}\""));
        let expected = "F:3: mailboxes[0].username: holds a control character; take it out";
        check(&format!("{SPOOL}{ENDPOINTS}{mailboxes}"), expected);
    }
}

#[test]
fn one_maildrop_is_one_mailbox() {
    let mailboxes = |second: &str| {
        format!(
            "{SPOOL}{ENDPOINTS}mailboxes:
  - {{ name: a, host: pop.example.com, username: u, password: p, start_from: all }}
  - {{ name: b, username: u, password: p, start_from: all, {second} }}
"
        )
    };
    let again = "F:5: mailboxes[1]: has the host, port and username of mailboxes[0]; one maildrop is one mailbox";
    check(&mailboxes("host: POP.example.com."), again);
    check(&mailboxes("host: pop.example.com, port: 995, tls: none"), again);
    check(&mailboxes("host: pop.example.com, tls: starttls"), "no problem");
    check(&mailboxes("host: pop2.example.com"), "no problem");
    let taken = "F:5: mailboxes[1].former_name: \"a\" is taken by mailboxes[0]; choose another name";
    check(&mailboxes("host: other, former_name: a"), taken);
}

#[test]
fn a_mailbox_makes_sense() {
    let name = r#"is no name: use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"#;
    check_mailbox("former_name: a b\n", &format!("F:9: mailboxes[0].former_name: \"a b\" {name}"));
    check_mailbox("poll_interval: 500ms\n", "F:9: mailboxes[0].poll_interval: is too short; write 1s or more");
    check_mailbox("visit_timeout: 0\n", "F:9: mailboxes[0].visit_timeout: is too short; write 1s or more");
    check_mailbox(
        "max_message_size: 0\n",
        "F:9: mailboxes[0].max_message_size: would take no mail at all; write a size such as 50MiB",
    );
    check_mailbox("port: 0\n", "F:9: mailboxes[0].port: \"0\" does not fit; write a whole number from 1 to 65535");
    check_mailbox(
        "pipelining: true\n",
        "F:9: mailboxes[0].pipelining: \"true\" is no window; write off, or a whole number from 1 to 1000",
    );
    check_mailbox("pipelining: false\n", "no problem");
    check_mailbox("retention: { on_server: keep, delete_after: 0, keep_latest: 0 }\n", "no problem");
    check_mailbox(
        "retention: { keep_latest: 5 }\n",
        "F:9: mailboxes[0].retention.keep_latest: has no effect with on_server: keep; take it out, or write when mail is deleted",
    );
    check_mailbox(
        "retention: { on_server: delete, delete_after: 5d }\n",
        "F:9: mailboxes[0].retention.on_server: \"delete\" is not known; known here: keep, delete_when_delivered, delete_when_spooled",
    );
}

#[test]
fn a_host_is_a_name_or_an_address() {
    let host = |host: &str, expected: &str| {
        check(&format!("{SPOOL}{ENDPOINTS}{}", MAILBOXES.replace("host: h", &format!("host: \"{host}\""))), expected);
    };
    for good in ["pop.example.com", "pop3_a", "192.0.2.1", "2001:db8::1"] {
        host(good, "no problem");
    }
    let port = "write the port with the key port, and an IPv6 address without brackets";
    host("pop.example.com:995", &format!("F:3: mailboxes[0].host: \"pop.example.com:995\" is no host name; {port}"));
    host("[::1]", &format!("F:3: mailboxes[0].host: \"[::1]\" is no host name; {port}"));
    host("a b", "F:3: mailboxes[0].host: \"a b\" is no host name; write a name such as pop.example.com");
    host(
        "pöp.de",
        "F:3: mailboxes[0].host: \"pöp.de\" is no host name; write it in its ASCII form, which starts with xn--",
    );
    host("", "F:3: mailboxes[0].host: is empty; write the server's name, such as pop.example.com");
}

#[test]
fn certificates_are_read_and_tried() {
    let at = "F:9: mailboxes[0].ca_file:";
    check_mailbox(
        "ca_file: /none\n",
        &format!("{at} cannot read /none: entity not found; create the file, or let pophook read it"),
    );
    check_mailbox(
        "ca_file: /no-ca.pem\n",
        &format!("{at} /no-ca.pem holds no certificate; write PEM, which starts with -----BEGIN CERTIFICATE-----"),
    );
    check_mailbox("ca_file: /ca.pem\n", &format!("{at} certificate 1 in /ca.pem is damaged; copy it anew"));
    let no_effect = format!("{at} has no effect with tls: none; take one of them out");
    check_mailbox(
        "ca_file: /ca.pem\ntls: none\n",
        &format!("{no_effect}\n{at} certificate 1 in /ca.pem is damaged; copy it anew"),
    );
}

#[test]
fn an_endpoint_is_signed_or_says_that_it_is_not() {
    let make = "make one with: echo whsec_$(openssl rand -base64 32)";
    check_endpoint("", &format!("F:4: endpoints[0].signing_keys: is missing; write keys ({make}), or signing: none"));
    check_endpoint(
        "signing_keys: []\n",
        &format!("F:6: endpoints[0].signing_keys: holds no key; write one ({make}), or signing: none instead"),
    );
    check_endpoint(
        "signing: none\nsigning_keys: [{ env: HELPDESK_WEBHOOK_SECRET }]\n",
        "F:6: endpoints[0].signing: contradicts signing_keys; take one of them out",
    );
    check_endpoint("signing: nobody\n", "F:6: endpoints[0].signing: \"nobody\" is not known; known here: none");
}

#[test]
fn an_endpoint_makes_sense() {
    let url = |url: &str, expected: &str| {
        check(&format!("{SPOOL}{MAILBOXES}{}", ENDPOINTS.replace("http://h/", url)), expected);
    };
    url("https://h:8443/a?b=c", "no problem");
    url(
        "hunter2",
        "F:3: endpoints[0].url: is no URL (relative URL without a base); write one such as https://example.com/inbound",
    );
    url("ftp://h/", "F:3: endpoints[0].url: is not for HTTP; write a URL that starts with https:// or http://");

    let more = |more: &str, expected: &str| check_endpoint(&format!("signing: none\n{more}\n"), expected);
    more(
        "max_concurrency: 65",
        "F:7: endpoints[0].max_concurrency: \"65\" does not fit; write a whole number from 1 to 64",
    );
    more("rate_limit: 10/s", "no problem");
    more(
        "rate_limit: 10/d",
        "F:7: endpoints[0].rate_limit: \"10/d\" is no rate; write a whole number and its time, such as 10/s, 100/m or \
         1000/h",
    );
    more("backoff: []", "F:7: endpoints[0].backoff: holds no wait; write at least one, such as [5s, 30s, 2m]");
    more("backoff: [5s, 0]", "F:7: endpoints[0].backoff[1]: is too short; write 100ms or more");
    more("timeout: 0", "F:7: endpoints[0].timeout: is too short; write 100ms or more");
    more(
        "ca_file: /no-ca.pem",
        "F:7: endpoints[0].ca_file: has no effect with a url that starts with http:; take it out, or post to https:
F:7: endpoints[0].ca_file: /no-ca.pem holds no certificate; write PEM, which starts with -----BEGIN CERTIFICATE-----",
    );
    more(
        "headers:\n  a b: hunter2\n  Content-Type: x\n  X-A: \"\\u0001hunter2\"\n  X-B: ü\n  x-b: c\n",
        "F:8: endpoints[0].headers.a b: is no name of a header field; write letters, digits and '-'
F:9: endpoints[0].headers.Content-Type: is set by pophook itself; take it out
F:10: endpoints[0].headers.X-A: has a value with a control character; take it out
F:12: endpoints[0].headers.x-b: stands here twice, as case does not count; take one out",
    );
}

#[test]
fn a_dead_letter_is_told_where_somebody_hears_of_it() {
    let told = |told: &str, expected: &str| {
        check_endpoint(&format!("signing: none\non_dead_letter: {{ {told} }}\n"), expected);
    };
    told(
        "endpoint: e",
        "F:7: endpoints[0].on_dead_letter.endpoint: is this very endpoint, which did not take the mail; \
         name another endpoint, or write on_dead_letter: null where it comes from the defaults",
    );
    told("endpoint: f", r#"F:7: endpoints[0].on_dead_letter.endpoint: no endpoint is named "f"; known here: e"#);
    told(
        "email: true",
        "F:7: endpoints[0].on_dead_letter.email: has no mail server; write notices.smtp, with host, from and to",
    );
    told("email: false", "no problem");
    told("mail: true", "F:7: endpoints[0].on_dead_letter.mail: is an unknown key; did you mean email?");
}

#[test]
fn a_mail_server_can_be_reached_and_is_trusted_with_its_password() {
    let smtp = |smtp: &str, expected: &str| check_top(&format!("notices: {{ smtp: {{ {smtp} }} }}\n"), expected);
    const WHO: &str = "from: a@h, to: [b@h]";
    smtp(&format!("host: h, {WHO}"), "no problem");
    smtp(&format!("host: h, {WHO}, username: u, password: hunter2"), "no problem");
    smtp(&format!("host: localhost, {WHO}, tls: none, username: u, password: hunter2"), "no problem");
    smtp(
        &format!("host: h, {WHO}, tls: none, username: u, password: hunter2"),
        "F:4: notices.smtp.tls: would send the password in clear; write starttls or implicit",
    );
    smtp(
        &format!("host: h, {WHO}, username: u"),
        "F:4: notices.smtp.password: is missing; write the password of username, or take username out",
    );
    smtp(
        "host: h, from: Ann <hunter2@h>, to: [b, c@h]",
        "F:4: notices.smtp.from: is no mail address; write one such as ops@example.com, without a name and <>
F:4: notices.smtp.to[0]: is no mail address; write one such as ops@example.com, without a name and <>",
    );
    smtp(
        "port: 0",
        r#"F:4: notices.smtp.port: "0" does not fit; write a whole number from 1 to 65535
F:4: notices.smtp.host: is missing; write the server's name, such as smtp.example.com
F:4: notices.smtp.from: is missing; write an address, such as pophook@example.com
F:4: notices.smtp.to: is missing; write at least one address, such as [ops@example.com]"#,
    );
}

#[test]
fn what_is_under_way_at_once_makes_sense() {
    let deliver = |section: &str, expected: &str| check_top(&format!("deliver: {section}\n"), expected);
    deliver("{ max_in_flight: 1, max_bytes_in_flight: 1MiB }", "no problem");
    deliver(
        "{ max_bytes_in_flight: 1MB }",
        "F:4: deliver.max_bytes_in_flight: is too little for more than one mail at a time; write 1MiB or more",
    );
    deliver(
        "{ max_in_flight: 0 }",
        "F:4: deliver.max_in_flight: \"0\" does not fit; write a whole number from 1 to 10000",
    );
}

#[test]
fn routes_name_what_exists() {
    let route = |route: &str, expected: &str| check_top(&format!("routes:\n  - {route}\n"), expected);
    route("{ deliver_to: [e], continue: true }", "no problem");
    route("{ when: { mailbox: [A, x*, /y/] }, deliver_to: [e] }", "no problem");
    route(
        "{ when: { mailbox: [a, b] }, deliver_to: [e] }",
        "F:5: routes[0].when.mailbox[1]: no mailbox is named \"b\"; known here: a",
    );
    route("{ deliver_to: [f] }", "F:5: routes[0].deliver_to[0]: no endpoint is named \"f\"; known here: e");
    let remedy = "is missing; write the endpoints that get this mail, such as [helpdesk], or drop: true";
    route("{}", &format!("F:5: routes[0].deliver_to: {remedy}"));
    route("{ deliver_to: [] }", &format!("F:5: routes[0].deliver_to: {remedy}"));
    route(
        "{ when: { sender: [] }, deliver_to: [e] }",
        "F:5: routes[0].when.sender: holds no pattern, so no mail would match; write one, or take the key out",
    );
    route(
        "{ when: { subject: [ok, /x] }, deliver_to: [e] }",
        "F:5: routes[0].when.subject[1]: \"/x\" starts as a regular expression; end it with / or, to ignore case, with /i",
    );
    route(
        "{ when: { subject: 5 }, deliver_to: [e] }",
        "F:5: routes[0].when.subject: is a number; write a pattern in quotes, or a list of them",
    );
    route(
        "{ when: { header: { \"X Y\": a } }, deliver_to: [e] }",
        "F:5: routes[0].when.header.X Y: is no name of a header field; write it without colon and spaces",
    );
    route(
        "{ when: { larger_than: 2MB, smaller_than: 2MB }, deliver_to: [e] }",
        "F:5: routes[0].when.smaller_than: leaves no size above larger_than; write a larger one",
    );
}

#[test]
fn conditions_of_routes_are_such_as_some_mail_can_meet() {
    let when = |when: &str, expected: &str| {
        check_top(&format!("routes:\n  - {{ when: {when}, deliver_to: [e] }}\n"), expected);
    };
    let wrong = |conditions: &str, path: &str, expected: &str| {
        when(conditions, &format!("F:5: routes[0].when.{path}: {expected}"));
    };
    when("{ kind: [bounce, AUTO_REPLY, m*], spam: true, spam_score_from: 7.5, tag: x, list_id: y }", "no problem");
    when("{ auth: { dkim: pass, spf: [fail, softfail] }, attachment_name: a, attachment_type: b }", "no problem");
    when(
        "{ all: [{ subject: a }, { not: { any: [{ tag: b }] } }], any: [{ sender: c }], not: { tag: d } }",
        "no problem",
    );
    wrong("{ kind: bouce }", "kind", "\"bouce\" is not known; did you mean bounce?");
    wrong(
        "{ kind: [bounce, x] }",
        "kind[1]",
        "\"x\" is not known; known here: message, bounce, complaint, receipt, auto_reply, calendar",
    );
    wrong("{ auth: { dkim: passed } }", "auth.dkim", "\"passed\" is not known; did you mean pass?");
    wrong("{ auth: { dmrc: pass } }", "auth.dmrc", "is an unknown key; did you mean dmarc?");
    wrong("{ spam_score_from: high }", "spam_score_from", "\"high\" is no number; write one such as 5 or 7.5");
    wrong("{ spam_score_from: \"inf\" }", "spam_score_from", "\"inf\" is no number; write one such as 5 or 7.5");
    wrong("{ label: { team: a } }", "label.team", "no label is named \"team\"; none is known here");
    wrong("{ tag: [] }", "tag", "holds no pattern, so no mail would match; write one, or take the key out");
    wrong("{ any: [] }", "any", "holds no condition; write some, each group after a -, or take the key out");
    wrong("{ not: {} }", "not", "holds no condition, so no mail would match; write one, or take the key out");
    let always = "holds no condition, so every mail would match; write one, or take";
    when("{}", &format!("F:5: routes[0].when: {always} the key out"));
    for empty in ["{}", "{ all: [{ tag: a }, {}] }"] {
        let path = if empty == "{}" { "any[1]" } else { "any[1].all[1]" };
        wrong(&format!("{{ any: [{{ sender: x }}, {empty}] }}"), path, &format!("{always} the group out"));
    }
    when("", "F:5: routes[0].when: is nothing; write a mapping");
    wrong("{ sender: x, auth: }", "auth", "is nothing; write a mapping");
    for (key, name) in [("label", "a name"), ("header", "a name"), ("auth", "spf, dkim, dmarc or arc")] {
        let remedy = format!("holds no pattern; write {name} and a pattern below it, or take the key out");
        wrong(&format!("{{ {key}: {{}} }}"), key, &remedy);
        wrong(&format!("{{ sender: x, {key}: {{}} }}"), key, &remedy);
    }
    wrong("{ any: [{ not: { subjct: a } }] }", "any[0].not.subjct", "is an unknown key; did you mean subject?");
    wrong("{ any: [{ subject: a }, { mailbox: b }] }", "any[1].mailbox", "no mailbox is named \"b\"; known here: a");
    wrong("{ not: { subject: /(/ } }", "not.subject", "\"/(/\" is no regular expression: unclosed group");
    let deep = |depth: usize| format!("{}{{ tag: a }}{}", "{ not: ".repeat(depth), " }".repeat(depth));
    when(&deep(7), "no problem");
    wrong(&deep(8), &["not"; 8].join("."), "is nested deeper than 8 conditions; write several rules");
}

#[test]
fn a_rule_drops_mail_or_sends_it_somewhere() {
    let route = |route: &str, expected: &str| check_top(&format!("routes:\n  - {route}\n"), expected);
    route("{ name: spam, drop: true }", "no problem");
    route("{ drop: { counts_as_delivered: true } }", "no problem");
    route("{ drop: false, deliver_to: [e] }", "no problem");
    let remedy = "is missing; write the endpoints that get this mail, such as [helpdesk], or drop: true";
    route("{ drop: false }", &format!("F:5: routes[0].deliver_to: {remedy}"));
    route(
        "{ drop: true, deliver_to: [e] }",
        "F:5: routes[0].deliver_to: stands beside drop, which sends mail nowhere; take one of the two out",
    );
    route(
        "{ drop: true, continue: true }",
        "F:5: routes[0].continue: stands beside drop, after which no rule is read; take one of the two out",
    );
    route("{ drop: now }", "F:5: routes[0].drop: is a text; write true, false, or a mapping");
    route(
        "{ drop: { counts_as_deliverd: true } }",
        "F:5: routes[0].drop.counts_as_deliverd: is an unknown key; did you mean counts_as_delivered?",
    );
    let remedy = "is no name for a rule; write letters, digits, -, _ and ., 64 at most, and not digits alone";
    for name in ["a b", "\"7\"", "\"\""] {
        route(&format!("{{ name: {name}, drop: true }}"), &format!("F:5: routes[0].name: {remedy}"));
    }
    route(
        "{ name: a, drop: true }\n  - { name: a, drop: true }",
        "F:6: routes[1].name: \"a\" is taken by routes[0]; choose another name",
    );
}

#[test]
fn the_operators_server_has_an_address_or_is_off() {
    check_top("admin: { listen: off }\n", "no problem");
    check_top("admin: { listen: \"[::]:8080\" }\n", "no problem");
    check_top(
        "admin: { listen: localhost:8080 }\n",
        "F:4: admin.listen: \"localhost:8080\" is no address; write an IP address and a port such as 127.0.0.1:8080, or off",
    );
}

#[test]
fn a_token_is_long_has_a_name_of_its_own_and_a_role() {
    const LONG: &str = "0123456789-0123456789";
    let check = |tokens: &str, problem: &str| {
        check_top(&format!("admin: {{ tokens: [{tokens}] }}\n"), &format!("F:4: admin.tokens[{problem}"));
    };
    let whole = |more: &str| format!("{{ name: a, token: {LONG}, role: read{more} }}");
    check_top(&format!("admin: {{ tokens: [{}] }}\n", whole(", mail_content: true")), "no problem");
    check(
        "{ name: a, token: short, role: read }",
        "0].token: has less than 20 characters; make one with: openssl rand -hex 32",
    );
    check(
        "{ name: a, token: 0123456789abcdef-make-your-own, role: read }",
        "0].token: is that of an example, which everybody knows; make one with: openssl rand -hex 32",
    );
    check(
        "{ name: a, token: \"0123456789 0123456789\", role: read }",
        "0].token: holds blanks, or what is no ASCII; make one with: openssl rand -hex 32",
    );
    check(&format!("{{ token: {LONG}, role: read }}"), "0].name: is missing; write what it is called in the log");
    check("{ name: a, role: read }", "0].token: is missing; write it as a secret, such as { env: NAME }");
    check(&format!("{{ name: a, token: {LONG} }}"), "0].role: is missing; write read or operate");
    check(
        &format!("{{ name: a, token: {LONG}, role: admin }}"),
        "0].role: \"admin\" is no role; write read or operate",
    );
    check(
        &format!("{{ name: a, token: {LONG}, role: operate, mail_content: false }}"),
        "0].mail_content: cannot be false with role: operate, which needs to see what it settles; take it out",
    );
    check(
        &format!("{}, {{ name: b, token: {LONG}, role: operate }}", whole("")),
        "1].token: is the token of another name, too; make each its own",
    );
    check(
        &format!("{}, {{ name: a, token: x{LONG}, role: operate }}", whole("")),
        "1].name: stands twice; each token has a name of its own",
    );
    check_top(
        "admin: { cert_file: /client.pem }\n",
        "F:4: admin.key: is missing; write { file: PATH } with the key of cert_file, in PEM",
    );
    check_top(
        "admin: { cert_file: /client.pem, key: { file: /other.key } }\n",
        "F:4: admin.key: is not the key of the first certificate in cert_file; take those that belong together",
    );
    check_top("admin: { cert_file: /client.pem, key: { file: /client.key } }\n", "no problem");
    check_top(
        "admin: { listen: \"127.0.0.1:1\", probes_listen: \"127.0.0.1:1\" }\n",
        "F:4: admin.probes_listen: is the address of listen; write another one, or take it out",
    );
}

/// The one problem of a good endpoint with these keys.
#[track_caller]
fn check_line(more: &str, line: usize, problem: &str) {
    check_endpoint(&format!("signing: none\n{more}"), &format!("F:{line}: endpoints[0].{problem}"));
}

#[test]
fn a_status_map_names_codes_and_classes_and_leaves_success_alone() {
    let known = "is no status; write a code such as 409, or 3xx, 4xx or 5xx";
    check_line("statuses: { 99: retry }\n", 7, &format!("statuses.99: {known}"));
    check_line("statuses: { 6xx: retry }\n", 7, &format!("statuses.6xx: {known}"));
    check_line("statuses:\n  4xx: refuse\n  client_error: refuse\n", 9, &format!("statuses.client_error: {known}"));
    let success = "is a success, which is always accepted; take it out";
    check_line("statuses: { 204: refuse }\n", 7, &format!("statuses.204: {success}"));
    check_line("statuses: { 2xx: hold }\n", 7, &format!("statuses.2xx: {success}"));
    let unknown = "statuses.409: \"acept\" is not known; did you mean accept?";
    check_line("statuses: { 409: acept }\n", 7, unknown);
    check_line("status_preset: postmarc\n", 7, "status_preset: \"postmarc\" is not known; did you mean postmark?");
}

#[test]
fn an_endpoint_says_who_we_are_in_one_way() {
    let ways = "is not the only way to say who we are; write one of headers.Authorization, basic_auth, bearer_token";
    let basic = "basic_auth: { username: u, password: hunter2 }\n";
    check_line(&format!("headers: {{ authorization: hunter2 }}\n{basic}"), 8, &format!("basic_auth: {ways}"));
    check_line(&format!("{basic}bearer_token: hunter2\n"), 8, &format!("bearer_token: {ways}"));
    check_line(
        "bearer_token: Bearer hunter2\n",
        7,
        "bearer_token: begins with Bearer, which pophook writes itself; leave it out",
    );
    check_line(
        "basic_auth: { username: 'a:b', password: hunter2 }\n",
        7,
        "basic_auth.username: has a colon, which ends a user name in HTTP; write one without",
    );
    let password = "basic_auth.password: is missing; write { file: PATH }, say, with the user's password";
    check_line("basic_auth: { username: u }\n", 7, password);
}

#[test]
fn a_proxy_speaks_http() {
    let no_proxy = "proxy: is no URL of an HTTP proxy; write one such as http://proxy.example.com:3128, or none";
    for bad in ["proxy.example.com:3128", "socks5://u:hunter2@proxy.example.com", "off", "'http://'"] {
        check_line(&format!("proxy: {bad}\n"), 7, no_proxy);
    }
    let path = "proxy: has a path, which a proxy does not; write one such as http://proxy.example.com:3128, or none";
    check_line("proxy: http://u:hunter2@proxy.example.com/x\n", 7, path);
}

#[test]
fn a_client_certificate_has_its_key() {
    let secure = |more: &str| {
        let more: String = more.lines().map(|line| format!("    {line}\n")).collect();
        format!("{SPOOL}{MAILBOXES}endpoints:\n  - name: e\n    url: https://h/\n    signing: none\n{more}")
    };
    check(
        &secure("client_cert_file: /client.pem\n"),
        "F:4: endpoints[0].client_key: is missing; write { file: PATH } with the key of client_cert_file, in PEM",
    );
    check(
        &secure("client_key: { file: /client.key }\n"),
        "F:4: endpoints[0].client_cert_file: is missing; write the PEM file of the certificate that client_key is for",
    );
    check(
        &secure("client_cert_file: /client.pem\nclient_key: hunter2\n"),
        "F:8: endpoints[0].client_key: is no private key in PEM, or has a password; write it without, with: openssl pkey -in KEY -out NEW",
    );
    check(
        &secure("client_cert_file: /client.pem\nclient_key: { file: /other.key }\n"),
        "F:8: endpoints[0].client_key: is not the key of the first certificate in client_cert_file; take those that belong together",
    );
    check_line(
        "client_cert_file: /client.pem\nclient_key: { file: /client.key }\n",
        7,
        "client_cert_file: has no effect with a url that starts with http:; take it out, or post to https:",
    );
}

#[test]
fn an_address_that_egress_refuses_is_told_before_anything_is_sent() {
    let endpoint = |url: &str| format!("endpoints: [{{ name: e, url: '{url}', signing: none }}]\n");
    let refused = |address| {
        format!(
            "F:3: endpoints[0].url: names the address {address}, which egress refuses; write another, or allow it there"
        )
    };
    let top = format!("{SPOOL}{MAILBOXES}");
    check(&format!("{top}{}", endpoint("http://2852039166/x")), &refused("169.254.169.254"));
    check(&format!("{top}{}", endpoint("http://[::ffff:a9fe:a9fe]/")), &refused("::ffff:169.254.169.254"));
    let deny = "egress: { deny: [10.0.0.0/8] }\n";
    check(&format!("{top}{}{deny}", endpoint("http://10.1.2.3/")), &refused("10.1.2.3"));
    check_top(
        "egress: { deny: [10.0.0.1/8] }\n",
        "F:4: egress.deny[0]: \"10.0.0.1/8\" is an address inside of a network; write 10.0.0.0/8",
    );
}

#[test]
fn the_whole_time_is_not_shorter_than_the_wait_for_the_answer() {
    check_line("total_timeout: 29s\n", 7, "total_timeout: is too short; write 30s or more");
    check_line("connect_timeout: 10ms\n", 7, "connect_timeout: is too short; write 100ms or more");
}

#[test]
fn an_endpoint_is_not_there_and_removed_at_once() {
    check_top(
        "removed_endpoints: [e]\n",
        "F:4: removed_endpoints[0]: \"e\" stands under endpoints, too; take it out of one of them",
    );
    check_top("reload: { watch: 1ms }\n", "F:4: reload.watch: is too short; write 100ms or more");
}
