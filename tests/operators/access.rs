//! Who is let in.

use serde_json::json;

use crate::CHIEF;
use crate::CLERK;
use crate::LOOKER;
use crate::Stage;
use crate::support::free_port;
use crate::support::http;
use crate::support::http::Reply;
use crate::support::pop3_server::Pop3Server;
use crate::support::pophook::Endpoint;
use crate::support::pophook::Mailbox;
use crate::support::pophook::Pophook;
use crate::support::receiver::Receiver;
use crate::support::wait_for;
use crate::tokens;

/// Every path of the document with every method of it, and a name for what stands in braces.
fn paths(stage: &Stage) -> Vec<(String, String)> {
    let document = stage.get("/openapi.json");
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        let path = path.replace("{mailbox}", "support").replace("{endpoint}", "desk").replace("{number}", "0");
        let path = path.replace("{id}", "msg_aaaaaaaaaaaaaaaaaaaaaaaaaa");
        item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
    });
    let all: Vec<_> = each.collect();
    assert!(all.len() >= 20, "{all:?}");
    all
}

#[test]
fn every_path_of_the_api_asks_for_a_token_and_names_what_is_missing() {
    let mut stage = Stage::start(&[]);
    let extra = [("GET", "/api/v1/openapi.json"), ("GET", "/api/v1/none"), ("DELETE", "/api/v1/messages")];
    let extra = extra.map(|(method, path)| (method.to_owned(), path.to_owned()));
    let all: Vec<_> = paths(&stage).into_iter().chain(extra).collect();
    for (method, path) in &all {
        let refused = stage.ask(method, path, None, None).expect(401);
        assert_eq!(refused.json()["error"], "no_token", "{method} {path}");
        assert!(refused.header("www-authenticate").starts_with("Bearer"), "{method} {path}");
    }
    for (method, path) in all.iter().filter(|(method, _)| method == "POST") {
        for token in [LOOKER, CLERK] {
            let refused = stage.ask(method, path, Some(token), Some(&json!({}))).expect(403);
            assert_eq!(refused.json()["error"], "read_only_token", "{method} {path}");
        }
    }
    let document = stage.get("/openapi.json");
    let of_mail: Vec<_> =
        document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.contains("{id}/")).collect();
    for (path, item) in &of_mail {
        let told = item["get"]["description"].as_str().unwrap_or_default();
        assert!(told.contains("`mail_content`") && told.contains("403"), "{path} is offered to all: {item}");
    }
    assert_eq!(of_mail.len(), 4, "{of_mail:?}");
    for (method, path) in all.iter().filter(|(_, path)| path.contains("/messages/msg_aaaaaaaaaaaaaaaaaaaaaaaaaa/")) {
        let refused = stage.ask(method, path, Some(LOOKER), None).expect(403);
        assert_eq!(refused.json()["error"], "no_mail_content", "{method} {path}");
        stage.ask(method, path, Some(CLERK), None).expect(404);
    }
    stage.ask("GET", "/api/v1/messages", Some("nobody-has-this-token-at-all"), None).expect(401);
    for open in ["/metrics", "/healthz", "/readyz"] {
        stage.ask("GET", open, None, None).expect(200);
    }
    let said = stage.stop();
    assert!(said.contains("a wrong token was refused"), "{said}");
    assert!(![LOOKER, CLERK, CHIEF].iter().any(|token| said.contains(token)), "no token in the log");
}

#[test]
fn without_a_token_only_metrics_and_health_are_served_to_the_network() {
    let stage = Stage::configured(&[], "");
    let port = stage.pophook.admin_port();
    stage.pophook.write_config(
        &std::fs::read_to_string(stage.pophook.config()).unwrap().replace("listen: 127.0.0.1", "listen: 0.0.0.0"),
    );
    let mut stage = stage;
    stage.stop();
    stage.run();
    for path in ["/api/v1/messages", "/api/v1/openapi.json", "/api/v1/whoami"] {
        let refused = http::ask(port, "GET", path, &[], b"").expect(404);
        assert!(refused.json()["message"].as_str().unwrap().contains("admin.tokens"), "{path}");
    }
    let log_in = http::ask(port, "POST", "/login", &[], b"token=whatever-it-may-be").expect(404);
    assert!(log_in.text().contains("admin.tokens"), "{}", log_in.text());
    http::ask(port, "GET", "/metrics", &[], b"").expect(200);
    assert!(stage.stop().contains("page and API are off"));
}

#[test]
fn without_a_token_this_machine_operates_and_no_page_of_another_name_does() {
    let stage = Stage::configured(&[], "");
    let ask = |method, headers: &[(&str, &str)]| {
        let path = if method == "GET" { "/api/v1/whoami" } else { "/api/v1/mailboxes/support/pause" };
        stage.pophook.ask(method, path, headers, b"")
    };
    assert_eq!(ask("GET", &[]).expect(200).json()["name"], "loopback");
    ask("GET", &[("host", "localhost:8080")]).expect(200);
    ask("POST", &[]).expect(200);
    for method in ["GET", "POST"] {
        assert_eq!(ask(method, &[("host", "evil.example")]).expect(403).json()["error"], "other_name");
        ask(method, &[("host", "127.0.0.1.evil.example:8080")]).expect(403);
    }
    for foreign in [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        assert_eq!(ask("POST", &[foreign]).expect(403).json()["error"], "foreign_origin", "{foreign:?}");
    }
    ask("POST", &[("origin", "http://127.0.0.1")]).expect(200);
}

#[test]
fn without_a_token_what_a_proxy_hands_on_is_refused_and_with_one_it_is_not() {
    let ask = |stage: &Stage, path: &str, header: (&str, &str)| stage.pophook.ask("GET", path, &[header], b"");
    let stage = Stage::configured(&[], "");
    let by_proxy = [
        ("x-forwarded-for", "192.0.2.7"),
        ("forwarded", "for=192.0.2.7"),
        ("x-real-ip", "192.0.2.7"),
        ("via", "1.1 proxy"),
        ("x-forwarded-proto", "https"),
    ];
    for header in by_proxy {
        let refused = ask(&stage, "/api/v1/whoami", header).expect(403);
        assert_eq!(refused.json()["error"], "proxied", "{header:?}");
        assert!(refused.json()["message"].as_str().unwrap().contains("configure admin.tokens"), "{refused:?}");
        for page in ["/", "/messages", "/dead"] {
            assert!(ask(&stage, page, header).expect(403).text().contains("configure admin.tokens"), "{page}");
        }
        let act = stage.pophook.ask("POST", "/api/v1/mailboxes/support/pause", &[header], b"").expect(403);
        assert_eq!(act.json()["error"], "proxied");
        for open in ["/metrics", "/healthz", "/readyz"] {
            ask(&stage, open, header).expect(200);
        }
    }
    let old = http::send(stage.pophook.admin_port(), b"GET /api/v1/whoami HTTP/1.0\r\nhost: 127.0.0.1:8080\r\n\r\n");
    assert_eq!(old.expect(403).json()["error"], "proxied", "older nginx adds nothing, and asks so");

    let stage = Stage::start(&[]);
    let bearer = format!("Bearer {LOOKER}");
    for header in by_proxy {
        stage.pophook.ask("GET", "/api/v1/whoami", &[header, ("authorization", &bearer)], b"").expect(200);
    }
}

/// Logs in with `token`, as the form of the page does.
fn log_in(stage: &Stage, token: &str) -> Reply {
    let body = format!("token={token}&next=%2Fmessages");
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", "http://127.0.0.1")];
    stage.pophook.ask("POST", "/login", &headers, body.as_bytes())
}

fn cookie(reply: &Reply) -> String {
    reply.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[test]
fn a_login_is_a_cookie_that_holds_no_token_and_acts_only_from_our_own_pages() {
    let mut stage = Stage::start(&[]);
    let reply = log_in(&stage, CHIEF).expect(303);
    assert_eq!(reply.header("location"), "/messages");
    let set = reply.header("set-cookie");
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && !set.contains(CHIEF), "{set}");
    assert!(!set.contains("Secure"), "no line of TLS is known of");
    let behind_tls = stage.pophook.ask(
        "POST",
        "/login",
        &[("x-forwarded-proto", "https"), ("origin", "http://127.0.0.1")],
        format!("token={CHIEF}").as_bytes(),
    );
    assert!(behind_tls.header("set-cookie").contains("; Secure"), "{:?}", behind_tls.headers);

    let cookie = cookie(&reply);
    let ours = ("sec-fetch-site", "same-origin");
    fn with<'a>(cookie: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [&[("cookie", cookie)], more].concat()
    }
    let whoami = stage.pophook.ask("GET", "/api/v1/whoami", &with(&cookie, &[]), b"").expect(200).json();
    assert_eq!((&whoami["name"], &whoami["role"]), (&json!("chief"), &json!("operate")));
    let csrf = whoami["csrf"].as_str().unwrap().to_owned();
    let pause = |headers: &[(&str, &str)]| {
        stage.pophook.ask("POST", "/api/v1/mailboxes/support/pause", &with(&cookie, headers), b"")
    };
    assert_eq!(pause(&[ours]).expect(403).json()["error"], "no_csrf_token");
    assert_eq!(pause(&[ours, ("x-csrf-token", "made-up")]).expect(403).json()["error"], "no_csrf_token");
    for foreign in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example")]
    {
        assert_eq!(pause(&[foreign, ("x-csrf-token", &csrf)]).expect(403).json()["error"], "foreign_origin");
    }
    assert_eq!(pause(&[("x-csrf-token", &csrf)]).expect(403).json()["error"], "foreign_origin", "no browser");
    pause(&[ours, ("x-csrf-token", &csrf)]).expect(200);

    stage.pophook.ask("POST", "/logout", &with(&cookie, &[("origin", "http://evil.example")]), b"").expect(403);
    let left = stage.pophook.ask("POST", "/logout", &with(&cookie, &[ours]), b"").expect(303);
    assert!(left.header("set-cookie").contains("Max-Age=0"));
    stage.pophook.ask("GET", "/api/v1/whoami", &with(&cookie, &[]), b"").expect(401);
    let said = stage.stop();
    assert!(said.contains("logged in") && said.contains("logged out"), "{said}");
    assert!(!said.contains(cookie.split_once('=').unwrap().1), "no cookie in the log");
}

#[test]
fn a_new_login_ends_the_one_before_and_never_takes_over_what_a_browser_brings() {
    let stage = Stage::start(&[]);
    let first = cookie(&log_in(&stage, CHIEF).expect(303));
    let body = format!("token={CHIEF}");
    let again = stage.pophook.ask("POST", "/login", &[("cookie", &first)], body.as_bytes()).expect(303);
    let second = cookie(&again);
    assert_ne!(first, second);
    let whoami = |cookie: &str| stage.pophook.ask("GET", "/api/v1/whoami", &[("cookie", cookie)], b"").status;
    assert_eq!((whoami(&first), whoami(&second)), (401, 200));
    let planted = "pophook_session=planted-by-somebody";
    stage.pophook.ask("POST", "/login", &[("cookie", planted)], body.as_bytes()).expect(303);
    assert_eq!(whoami(planted), 401);
}

#[test]
fn a_login_from_another_site_is_none() {
    let stage = Stage::start(&[]);
    let body = format!("token={CHIEF}");
    let reply = stage.pophook.ask("POST", "/login", &[("origin", "http://evil.example")], body.as_bytes()).expect(403);
    assert_eq!(reply.header("set-cookie"), "");
}

#[test]
fn an_address_that_guesses_is_not_listened_to_and_who_is_in_stays_in() {
    let stage = Stage::start(&[]);
    let inside = cookie(&log_in(&stage, CHIEF).expect(303));
    for guess in 0..10 {
        let reply = log_in(&stage, &format!("a-guess-of-more-than-twenty-{guess}")).expect(303);
        assert!(reply.header("location").starts_with("/login?failed=token"), "{:?}", reply.headers);
        assert_eq!(reply.header("set-cookie"), "");
    }
    let refused = log_in(&stage, CHIEF).expect(429);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    let refused = stage.ask("GET", "/api/v1/whoami", Some(CHIEF), None).expect(429);
    assert_eq!(refused.json()["error"], "too_many_wrong_tokens");
    stage.pophook.ask("GET", "/api/v1/whoami", &[("cookie", &inside)], b"").expect(200);
    stage.ask("GET", "/metrics", None, None).expect(200);
}

#[test]
fn a_token_that_leaves_the_configuration_takes_its_logins_along() {
    let stage = Stage::start(&[]);
    let inside = cookie(&log_in(&stage, CHIEF).expect(303));
    let whoami = || stage.pophook.ask("GET", "/api/v1/whoami", &[("cookie", &inside)], b"").status;
    assert_eq!(whoami(), 200);
    let other = "another-0123456789-0123456789";
    stage.configure(&tokens().replace(CHIEF, other));
    wait_for("the new token counts", || stage.ask("GET", "/api/v1/whoami", Some(other), None).status == 200);
    assert_eq!(whoami(), 401);
    stage.ask("GET", "/api/v1/whoami", Some(CHIEF), None).expect(401);
}

#[test]
fn every_answer_tells_browsers_to_keep_it_to_themselves() {
    let stage = Stage::start(&[]);
    for (path, token) in [("/api/v1/whoami", Some(CHIEF)), ("/api/v1/whoami", None), ("/api/v1/nothing", Some(CHIEF))] {
        let reply = stage.ask("GET", path, token, None);
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"), "{reply:?}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), value, "{name} of {path}");
        }
    }
}

#[test]
fn metrics_and_health_can_have_an_address_of_their_own() {
    let port = free_port();
    let (server, desk, pophook) = (Pop3Server::start(Vec::new()), Receiver::start(), Pophook::new([], []));
    let more = format!("  probes_listen: 127.0.0.1:{port}\n{}", tokens());
    pophook.configure([Mailbox::scripted(&server)], [Endpoint::desk(&desk)], &more);
    let daemon = pophook.start(&["run"]);
    wait_for("the probes are served", || http::ask(port, "GET", "/healthz", &[], b"").status == 200);
    http::ask(port, "GET", "/metrics", &[], b"").expect(200);
    http::ask(port, "GET", "/api/v1/whoami", &[], b"").expect(404);
    let bearer = format!("Bearer {CHIEF}");
    pophook.ask("GET", "/api/v1/whoami", &[("authorization", &bearer)], b"").expect(200);
    for moved in ["/metrics", "/healthz", "/readyz"] {
        pophook.ask("GET", moved, &[("authorization", &bearer)], b"").expect(404);
    }
    daemon.terminate();
    daemon.wait().expect(0);
}
