//! What is shown.

use serde_json::json;

use crate::CLERK;
use crate::LOOKER;
use crate::Stage;
use crate::support::mails;
use crate::support::pop3_server::Message;
use crate::support::receiver::Answer;
use crate::support::wait_for;

#[test]
fn messages_come_page_by_page_and_none_is_missed_or_shown_twice() {
    let ids: Vec<String> = (0..7).map(|number| format!("m{number}")).collect();
    let stage = Stage::start(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    wait_for("all are delivered", || stage.found("state=delivered").len() == 7);
    let all = stage.found("limit=500");
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = stage.get(&format!("/messages?limit=3{cursor}"));
        let shown = page["messages"].as_array().unwrap();
        assert!(shown.len() <= 3);
        paged.extend(shown.iter().map(|message| message["id"].as_str().unwrap().to_owned()));
        if paged.len() == 3 {
            stage.server.put(Message::new("late", &mails::plain("late")));
            wait_for("another mail came between two pages", || stage.found("limit=500").len() == 8);
        }
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all, "the newest first, each once, whatever came meanwhile");
}

#[test]
fn a_search_takes_what_fits_all_its_keys() {
    let stage = Stage::start(&["a", "b"]);
    wait_for("both are delivered", || stage.found("state=delivered").len() == 2);
    let [b, a] = <[String; 2]>::try_from(stage.found("")).unwrap();
    let at = |id: &str| stage.get(&format!("/messages/{id}"))["spooled_at"].as_str().unwrap().to_owned();
    let check = |query: &str, expected: &[&String]| {
        let expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
        assert_eq!(stage.found(query), expected, "{query}");
    };
    check("mailbox=support", &[&b, &a]);
    check("mailbox=other", &[]);
    check("mailbox=other&mailbox=support", &[&b, &a]);
    check("endpoint=desk", &[&b, &a]);
    check("endpoint=erp", &[]);
    check("state=dead&state=routed", &[]);
    check("kind=mail", &[&b, &a]);
    check("kind=mail.dead_letter", &[]);
    check(&format!("id={a}"), &[&a]);
    check(&format!("id={a}&id={b}"), &[&b, &a]);
    let since = stage.found(&format!("since={}", at(&b)));
    assert!(since[0] == b && (since.len() == 1 || at(&a) == at(&b)), "{since:?}");
    check(&format!("until={}", at(&b)), &[&b, &a]);
    check("until=2020-01-01T00:00:00Z", &[]);
    for bad in [
        "stat=dead",
        "state=dea",
        "limit=0",
        "limit=501",
        "limit=x",
        "since=yesterday",
        "since=",
        "cursor=x",
        "cursor=",
        "cursor=-1",
    ] {
        let refused = stage.ask("GET", &format!("/api/v1/messages?{bad}"), Some(CLERK), None).expect(400).json();
        assert!(refused["message"].as_str().is_some_and(|message| message.len() > 20), "{bad}: {refused}");
    }
}

#[test]
fn mail_is_found_by_what_it_says_and_named_only_to_who_may_see_it() {
    let stage = Stage::start(&["offer", "invoice"]);
    wait_for("both are delivered", || stage.found("state=delivered").len() == 2);
    let list = |token, query: &str| stage.ask("GET", &format!("/api/v1/messages?{query}"), Some(token), None);
    let [invoice, offer] = <[String; 2]>::try_from(stage.found("")).unwrap();
    for (query, expected) in [
        ("q=Hello+INVOICE", vec![&invoice]),
        ("q=ann%40example.com", vec![&invoice, &offer]),
        ("q=%22from+offer%22&state=delivered", vec![&offer]),
        ("q=%22offer+from%22", vec![]),
        ("q=offer&mailbox=other", vec![]),
    ] {
        assert_eq!(stage.found(query).iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let shown = list(CLERK, "q=invoice").expect(200).json();
    let message = &shown["messages"][0];
    assert_eq!((&message["subject"], &message["sender"]), (&json!("invoice"), &json!("Ann <ann@example.com>")));
    let paged = list(CLERK, "q=hello&limit=1").expect(200).json();
    let next = paged["next"].as_str().unwrap();
    assert_eq!(stage.found(&format!("q=hello&limit=1&cursor={next}")), [offer.as_str()]);

    for path in ["messages", "dead-letters"] {
        let refused = stage.ask("GET", &format!("/api/v1/{path}?q=invoice"), Some(LOOKER), None).expect(403).json();
        assert_eq!(refused["error"], "no_mail_content");
        assert!(refused["message"].as_str().unwrap().contains("mail_content"), "{refused}");
    }
    let hidden = list(LOOKER, "").expect(200);
    for secret in ["ann@", "Ann", "Hello", "example.com"] {
        assert!(!hidden.text().contains(secret), "{secret}: {}", hidden.text());
    }
    assert_eq!(hidden.json()["messages"][0]["subject"], json!(null));
    let one = stage.ask("GET", &format!("/api/v1/messages/{invoice}"), Some(LOOKER), None).expect(200);
    assert_eq!((&one.json()["subject"], one.text().contains("ann@")), (&json!(null), false));
    for bad in ["q=", "q=+", "q=%22+%22", &format!("q={}", "a".repeat(301))] {
        list(CLERK, bad).expect(400);
    }
}

#[test]
fn deliveries_come_page_by_page_and_none_is_missed_or_shown_twice() {
    let ids: Vec<String> = (0..5).map(|number| format!("m{number}")).collect();
    let stage = Stage::start(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    wait_for("all are delivered", || stage.found("state=delivered").len() == 5);
    let lines = |page: &serde_json::Value| -> Vec<String> {
        let lines = page["deliveries"].as_array().unwrap();
        lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = stage.get("/deliveries");
    assert_eq!((&all["more"], &all["next"]), (&json!(false), &json!(null)));
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = stage.get(&format!("/deliveries?limit=2&state=delivered{cursor}"));
        paged.extend(lines(&page));
        if paged.len() == 2 {
            stage.server.put(Message::new("late", &mails::plain("late")));
            wait_for("another mail came between two pages", || stage.found("state=delivered").len() == 6);
        }
        assert_eq!(page["more"], json!(page["next"].is_string()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged.len(), 6, "{paged:?}");
    assert_eq!(paged[..5], lines(&all)[..], "the oldest first, each once, and what came meanwhile last");
    for bad in ["", "x", "1", "1-2", "1-2-3-4", "-1-2-3", "6-1-FF", "6-1-0123456789abcdef"] {
        let refused = stage.ask("GET", &format!("/api/v1/deliveries?cursor={bad}"), Some(LOOKER), None).expect(400);
        assert!(refused.json()["message"].as_str().unwrap().contains("`next` of a page"), "{bad}");
    }
}

#[test]
fn a_message_shows_its_attempts_and_an_answer_only_to_who_may_see_mail() {
    let stage = Stage::start(&[]);
    stage.desk.script([Answer::Body(500, "we quote: hello a".into())]);
    stage.server.put(Message::new("a", &mails::plain("a")));
    wait_for("it is delivered at the second attempt", || stage.found("state=delivered").len() == 1);
    let id = stage.found("").remove(0);
    let show = |token| stage.ask("GET", &format!("/api/v1/messages/{id}"), Some(token), None).expect(200).json();
    let shown = show(CLERK);
    assert_eq!(shown["deliveries"][0]["state"], "delivered");
    let outcomes = |shown: &serde_json::Value| -> Vec<(serde_json::Value, serde_json::Value)> {
        let attempts = shown["attempts"].as_array().unwrap();
        attempts.iter().map(|attempt| (attempt["outcome"].clone(), attempt["status"].clone())).collect()
    };
    assert_eq!(outcomes(&shown), [(json!("deferred"), json!(500)), (json!("delivered"), json!(200))]);
    assert_eq!(shown["attempts"][0]["answer"], "we quote: hello a");
    let hidden = show(LOOKER);
    assert_eq!(outcomes(&hidden), outcomes(&shown));
    assert_eq!(hidden["attempts"][0]["answer"], json!(null));
    stage.ask("GET", "/api/v1/messages/msg_aaaaaaaaaaaaaaaaaaaaaaaaaa", Some(CLERK), None).expect(404);
}

#[test]
fn a_mail_is_given_as_it_came_in_its_parts_and_as_it_was_posted() {
    let stage = Stage::start(&[]);
    let mail = mails::attached("with a file", b"\x00\x01 the content");
    stage.server.put(Message::new("a", &mail));
    wait_for("it is delivered", || stage.found("state=delivered").len() == 1);
    let id = stage.found("").remove(0);
    let get = |rest: &str| stage.ask("GET", &format!("/api/v1/messages/{id}{rest}"), Some(CLERK), None);
    let raw = get("/raw").expect(200);
    assert_eq!(raw.body, mail);
    assert_eq!(raw.header("content-type"), "message/rfc822");
    assert!(raw.header("content-disposition").starts_with("attachment;"));
    assert_eq!(raw.header("content-security-policy"), "sandbox; default-src 'none'");
    let posted: serde_json::Value = get("/payload?endpoint=desk").expect(200).json();
    assert_eq!(posted, stage.desk.hits()[0].json(), "what the endpoint got");
    assert_eq!(get("/payload").expect(200).json()["data"]["subject"], "with a file");
    get("/payload?endpoint=erp").expect(404);
    let listed = get("/attachments").expect(200).json();
    let name = listed["attachments"][0]["safe_filename"].as_str().unwrap().to_owned();
    assert_eq!(listed["attachments"].as_array().unwrap().len(), 1, "{listed}");
    let file = get("/attachments/0").expect(200);
    assert_eq!(file.body, b"\x00\x01 the content");
    assert!(file.header("content-disposition").contains(&name), "{file:?}");
    get("/attachments/1").expect(404);
    get("/attachments/x").expect(404);
}

#[test]
fn a_copy_that_was_erased_is_gone_and_the_message_is_still_known() {
    let stage = Stage::start(&["a"]);
    wait_for("it is delivered", || stage.found("state=delivered").len() == 1);
    let id = stage.found("").remove(0);
    let erased =
        stage.post("/drop", Some(&json!({ "select": { "ids": [id] }, "erase": true, "yes": true }))).expect(200);
    assert_eq!((&erased.json()["changed"], &erased.json()["erased"]), (&json!(1), &json!(1)));
    assert!(stage.found("").is_empty());
    assert_eq!(stage.found(&format!("id={id}")).first(), Some(&id));
    assert!(stage.get(&format!("/messages/{id}"))["released_at"].is_string());
    for rest in ["raw", "payload", "attachments", "attachments/0"] {
        let refused = stage.ask("GET", &format!("/api/v1/messages/{id}/{rest}"), Some(CLERK), None).expect(410);
        assert_eq!(refused.json()["error"], "gone", "{rest}");
    }
}

#[test]
fn mailboxes_and_endpoints_tell_how_they_are() {
    let stage = Stage::start(&["a"]);
    wait_for("a visit was made", || stage.get("/mailboxes/support")["last_visit"].is_string());
    let support = stage.get("/mailboxes/support");
    assert_eq!((&support["configured"], &support["condition"]), (&json!(true), &json!("ok")));
    assert_eq!((&support["on_server"], &support["on_server_now"]), (&json!("keep"), &json!(1)));
    assert_eq!(support["poll_interval_seconds"], 1);
    assert_eq!(stage.get("/mailboxes")["mailboxes"][0]["mailbox"], "support");
    let desk = stage.get("/endpoints/desk");
    assert_eq!((&desk["held"], &desk["breaker"], &desk["configured"]), (&json!(null), &json!("closed"), &json!(true)));
    assert!(!desk["server"].as_str().unwrap().contains("inbound"), "the path of a URL may be a secret: {desk}");
    for path in ["/mailboxes/none", "/endpoints/none"] {
        stage.ask("GET", &format!("/api/v1{path}"), Some(LOOKER), None).expect(404);
    }
}
