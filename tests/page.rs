//! The pages for people, as HTTP gives them and as a real browser shows them.
//!
//! The browser is Debian's Chromium, driven by `tests/page/browse.mjs` with playwright-core; `tests/run.sh` installs both.
//! Where no browser can be had, it writes why to `target/browser/none`, and that part of the test says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code"
)]

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use serde_json::Value;
use support::mails;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::pophook::Running;
use support::receiver::Answer;
use support::receiver::Receiver;
use support::wait_for;

/// Somebody who may look, and see no mail.
const READS: &str = "reads-and-sees-no-mail-0123456789";
/// Somebody who may look, and see mail.
const SEES: &str = "reads-and-sees-mail-0123456789";
/// Somebody who may do everything.
const OPERATES: &str = "operates-0123456789-0123456789";

const TOKENS: &str = "  tokens:
    - { name: looker, token: reads-and-sees-no-mail-0123456789, role: read }
    - { name: reader, token: reads-and-sees-mail-0123456789, role: read, mail_content: true }
    - { name: boss, token: operates-0123456789-0123456789, role: operate }
";

/// Three maildrops, two endpoints of which `erp` refuses all that it gets, and the daemon between them.
struct Scene {
    servers: Vec<Pop3Server>,
    desk: Receiver,
    erp: Receiver,
    pophook: Pophook,
    _daemon: Running,
}

impl Scene {
    /// `more` goes below `admin`.
    fn new(maildrops: Vec<(&str, Vec<Message>)>, more: &str) -> Scene {
        let (desk, erp) = (Receiver::start(), Receiver::start());
        erp.set(Answer::Body(422, "{\"error\": \"no such customer\"}".to_owned()));
        let names: Vec<&str> = maildrops.iter().map(|(name, _)| *name).collect();
        let servers: Vec<Pop3Server> = maildrops.into_iter().map(|(_, mails)| Pop3Server::start(mails)).collect();
        let mailboxes: Vec<Mailbox> = servers
            .iter()
            .zip(&names)
            .map(|(server, name)| {
                let mailbox = Mailbox::in_clear(server.port, name);
                match *name {
                    "billing" => mailbox.deliver_to(&["desk", "erp"]),
                    "nowhere" => mailbox.undelivered(),
                    _ => mailbox,
                }
            })
            .collect();
        let endpoints = [Endpoint::desk(&desk), Endpoint::new("erp", &erp.url())];
        let pophook = Pophook::new(mailboxes.clone(), endpoints.clone());
        pophook.configure(mailboxes, endpoints, more);
        pophook.command(&["check"]).expect(0);
        let daemon = pophook.start(&["run"]);
        wait_for("the page is there", || pophook.ask("GET", "/healthz", &[], b"").status == 200);
        Scene { servers, desk, erp, pophook, _daemon: daemon }
    }

    /// A page, as somebody with this token gets it.
    fn page(&self, token: &str, path: &str) -> support::http::Reply {
        self.pophook.ask("GET", path, &[("authorization", &format!("Bearer {token}"))], b"")
    }

    fn submit(&self, token: &str, path: &str, form: &str) -> support::http::Reply {
        let headers =
            [("authorization", &*format!("Bearer {token}")), ("content-type", "application/x-www-form-urlencoded")];
        self.pophook.ask("POST", path, &headers, form.as_bytes())
    }

    #[track_caller]
    fn until_dead(&self, count: usize) {
        wait_for("the refused mail is dead", || self.pophook.in_state("dead").len() == count);
    }

    /// The id of the message whose subject is this, from the list itself.
    fn id_of(&self, subject: &str) -> String {
        let list = self.page(OPERATES, "/messages").expect(200).text();
        let (before, _) = list.split_once(&format!("<bdi>{subject}</bdi>")).expect("the list has it");
        let (_, id) = before.rsplit_once("/messages/").unwrap();
        id.split('"').next().unwrap().to_owned()
    }
}

fn mail(id: &str, raw: &str) -> Message {
    Message::new(id, raw.replace('\n', "\r\n").as_bytes())
}

/// Every way to run or load something that a mail can try, each to this port.
fn hostile(port: u16) -> Message {
    let trap = format!("http://127.0.0.1:{port}");
    mail(
        "hostile",
        &format!(
            "From: \"<script>alert(1)</script>\" <evil@example.org>\nTo: support@example.com\n\
             Subject: Win <img src={trap}/s onerror=alert(1)> now\nMIME-Version: 1.0\n\
             Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\n\
             <html><head><meta http-equiv=refresh content=\"0;url={trap}/refresh\"><base href=\"{trap}/\">\
             <link rel=stylesheet href=\"{trap}/css\"><style>@import url({trap}/import); body{{background:url({trap}/bg)}}</style>\
             <script src=\"{trap}/script\"></script><script>fetch('{trap}/fetch')</script></head>\
             <body onload=\"fetch('{trap}/onload')\" background=\"{trap}/background\"><h1>You have won</h1>\
             <img src=\"{trap}/pixel.gif\"><img srcset=\"{trap}/srcset 2x\"><img src=x onerror=\"fetch('{trap}/onerror')\">\
             <iframe src=\"{trap}/frame\"></iframe><object data=\"{trap}/object\"></object><embed src=\"{trap}/embed\">\
             <video src=\"{trap}/video\" poster=\"{trap}/poster\"></video><audio src=\"{trap}/audio\"></audio>\
             <svg onload=\"fetch('{trap}/svg')\"><image href=\"{trap}/image\"/></svg>\
             <form action=\"{trap}/form\"><input autofocus onfocus=\"this.form.submit()\"></form>\
             <div style=\"background-image:url({trap}/style)\">text in a div</div>\
             <a href=\"javascript:fetch('{trap}/link')\" id=lure>click here</a></body></html>\n--b\n\
             Content-Type: text/html; name=\"../../page.html\"\nContent-Disposition: attachment; filename=\"../../page.html\"\n\n\
             <script>fetch('{trap}/attachment')</script>\n--b--\n"
        ),
    )
}

fn maildrops(port: u16) -> Vec<(&'static str, Vec<Message>)> {
    let letter = |id: &str, subject: &str, text: &str| {
        mail(id, &format!("From: Ada <ada@example.org>\nTo: sales@example.com\nSubject: {subject}\n\n{text}\n"))
    };
    vec![
        ("support", vec![Message::new("plain", &mails::plain("plain")), hostile(port)]),
        ("sales", vec![letter("offer", "An offer", "We need 500 left-handed screwdrivers by Friday.")]),
        ("billing", vec![letter("invoice", "Invoice 4711", "Please find our account number inside.")]),
    ]
}

#[test]
fn one_list_has_the_mail_of_all_mailboxes_and_a_search_finds_what_a_mail_says() {
    let scene = Scene::new(maildrops(9), TOKENS);
    scene.until_dead(1);
    wait_for("all is delivered", || scene.desk.count() == 4);
    let list = scene.page(OPERATES, "/messages").expect(200).text();
    for subject in ["plain", "An offer", "Invoice 4711"] {
        assert!(list.contains(&format!("<bdi>{subject}</bdi>")), "{subject}: {list}");
    }
    assert!(!list.contains("<img") && !list.contains("<script"), "a subject is text: {list}");
    let found = |query: &str| {
        let page = scene.page(OPERATES, &format!("/messages?{query}")).expect(200).text();
        page.matches("<bdi>").count()
    };
    assert_eq!(found("q=LEFT-handed"), 1);
    assert_eq!(found("q=%22screwdrivers+by+friday%22"), 1);
    assert_eq!(found("q=friday+tuesday"), 0);
    assert_eq!((found("mailbox=support"), found("endpoint=erp"), found("state=attention")), (2, 1, 1));
    // The maildrops are gone with the servers; the mail is not.
    let Scene { servers, pophook, desk: _desk, erp: _erp, _daemon: daemon } = scene;
    drop(servers);
    let authorization = [("authorization", &*format!("Bearer {OPERATES}"))];
    let offline = pophook.ask("GET", "/messages?q=screwdrivers", &authorization, b"").expect(200).text();
    assert!(offline.contains("An offer"), "{offline}");
    drop(daemon);
}

#[test]
fn whoever_may_not_see_mail_sees_none_and_whoever_only_reads_changes_nothing() {
    let scene = Scene::new(maildrops(9), TOKENS);
    scene.until_dead(1);
    wait_for("all is delivered", || scene.desk.count() == 4);
    let invoice = scene.id_of("Invoice 4711");
    for path in ["/", "/messages", "/messages?q=account", "/dead", &format!("/messages/{invoice}")] {
        let page = scene.page(READS, path).expect(200).text();
        for secret in ["Invoice", "ada@example.org", "account number", "no such customer", "screwdrivers"] {
            assert!(!page.contains(secret), "{path} shows {secret}: {page}");
        }
        assert!(!page.contains("Retry") && !page.contains("Drop</button>"), "{path}: {page}");
    }
    let list = scene.page(READS, "/messages?q=screwdrivers").expect(200).text();
    assert_eq!(list.matches("<bdi>").count(), 4, "a search that would tell what a mail says is none: {list}");
    let one = scene.page(READS, &format!("/messages/{invoice}")).expect(200).text();
    for part in ["html", "raw", "attachments/0", "payload/desk"] {
        assert!(!one.contains(&format!("/messages/{invoice}/{part}")), "{part} is not offered: {one}");
        scene.page(READS, &format!("/messages/{invoice}/{part}")).expect(403);
    }
    let shown = scene.page(SEES, &format!("/messages/{invoice}")).expect(200).text();
    assert!(shown.contains("account number") && shown.contains("no such customer"), "{shown}");
    let payload = scene.page(SEES, &format!("/messages/{invoice}/payload/desk")).expect(200);
    assert_eq!(payload.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(payload.json()["data"]["subject"], "Invoice 4711");
    for path in
        [&format!("/messages/{invoice}/retry"), "/dead/settle", "/mailboxes/sales/pause", "/endpoints/desk/test"]
    {
        scene.submit(SEES, path, "endpoint=erp&act=drop&all=yes").expect(403);
    }
    assert_eq!(scene.pophook.in_state("dead").len(), 1);
}

#[test]
fn without_a_login_there_is_a_form_for_one_and_nothing_else() {
    let scene = Scene::new(vec![("support", Vec::new())], TOKENS);
    for path in ["/", "/messages", "/messages/msg_x", "/dead"] {
        let refused = scene.pophook.ask("GET", path, &[], b"").expect(303);
        assert!(refused.header("location").starts_with("/login?next="), "{refused:?}");
    }
    let form = scene.pophook.ask("GET", "/login?failed=token&next=%22%3E%3Cscript%3E", &[], b"").expect(200);
    assert!(form.text().contains("No such token") && !form.text().contains("<script>"), "{}", form.text());
    assert!(form.header("content-security-policy").starts_with("default-src 'none'"), "{form:?}");
    assert_eq!(
        scene.pophook.ask("GET", "/style.css", &[], b"").expect(200).header("content-type"),
        "text/css; charset=utf-8"
    );
}

#[test]
fn what_is_downloaded_is_saved_under_a_safe_name_and_never_opened() {
    let scene = Scene::new(maildrops(9), TOKENS);
    wait_for("all is delivered", || scene.desk.count() == 4);
    let list = scene.page(OPERATES, "/messages?q=won").expect(200).text();
    let id = list.split_once("/messages/msg_").unwrap().1.split('"').next().unwrap();
    let attached = scene.page(OPERATES, &format!("/messages/msg_{id}/attachments/0")).expect(200);
    assert_eq!(attached.header("content-type"), "application/octet-stream");
    assert!(attached.header("content-disposition").starts_with("attachment; filename=\""), "{attached:?}");
    assert!(!attached.header("content-disposition").contains(['/', '\\']), "{attached:?}");
    assert!(attached.text().starts_with("<script>"), "{attached:?}");
    let raw = scene.page(OPERATES, &format!("/messages/msg_{id}/raw")).expect(200);
    assert_eq!(raw.body, hostile(9).raw, "byte for byte");
    let html = scene.page(OPERATES, &format!("/messages/msg_{id}/html")).expect(200);
    assert!(html.header("content-security-policy").ends_with("; sandbox"), "{html:?}");
    let text = html.text();
    assert!(text.contains("You have won") && !text.contains("127.0.0.1"), "{text}");
    scene.page(OPERATES, &format!("/messages/msg_{id}/attachments/1")).expect(404);
    scene.page(OPERATES, "/messages/msg_aaaaaaaaaaaaaaaaaaaaaaaaaa").expect(404);
}

#[test]
fn dead_letters_are_shown_first_and_settled_then() {
    let scene = Scene::new(maildrops(9), TOKENS);
    scene.until_dead(1);
    let id = scene.pophook.in_state("dead")[0]["id"].as_str().unwrap().to_owned();
    let dead = scene.page(OPERATES, "/dead").expect(200).text();
    assert!(dead.contains("erp: refused five times") && dead.contains("last answer 422"), "{dead}");
    let preview = scene.submit(OPERATES, "/dead/preview", &format!("act=retry&id={id}")).expect(200).text();
    assert!(preview.contains("try again <strong>1</strong>"), "{preview}");
    assert_eq!(scene.pophook.in_state("dead").len(), 1, "a preview changes nothing");
    scene.erp.set(Answer::Status(200));
    let unseen = scene.submit(OPERATES, "/dead/settle", &format!("act=retry&id={id}")).expect(200).text();
    assert!(unseen.contains("try again <strong>1</strong>"), "a form that was shown nothing is shown first: {unseen}");
    let done = scene.submit(OPERATES, "/dead/settle", &format!("act=retry&id={id}&{}", shown(&preview))).expect(303);
    assert_eq!(done.header("location"), "/dead?done=retry&count=1");
    wait_for("it is delivered", || {
        scene.pophook.in_state("dead").is_empty() && scene.pophook.in_state("pending").is_empty()
    });
    let after = scene.page(OPERATES, done.header("location")).expect(200).text();
    assert!(after.contains("1 delivery or message will be tried again."), "{after}");
    assert!(after.contains("Nothing waits for a human here."), "{after}");
}

/// What a form that shows what would be done carries of it.
fn shown(preview: &str) -> String {
    let field = |name: &str| {
        let (_, value) = preview.split_once(&format!("name=\"{name}\" value=\"")).expect("the form has it");
        value.split('"').next().unwrap().to_owned()
    };
    format!("changed={}&set={}", field("changed"), field("set"))
}

#[test]
fn a_button_that_is_pressed_twice_sends_once() {
    let scene = Scene::new(vec![("support", vec![Message::new("plain", &mails::plain("plain"))])], TOKENS);
    wait_for("it is delivered", || scene.pophook.in_state("delivered").len() == 1);
    let id = scene.id_of("plain");
    let page = scene.page(OPERATES, &format!("/messages/{id}")).expect(200).text();
    let (_, set) = page.split_once("name=\"set\" value=\"").unwrap();
    let form = format!("endpoint=desk&state=delivered&set={}", set.split('"').next().unwrap());
    let path = format!("/messages/{id}/retry");
    let sent = scene.submit(OPERATES, &path, &form).expect(303);
    assert!(sent.header("location").ends_with("count=1"), "{sent:?}");
    wait_for("it is delivered again", || scene.desk.count() == 2 && scene.pophook.in_state("delivered").len() == 1);
    let twice = scene.submit(OPERATES, &path, &form).expect(303);
    assert!(twice.header("location").ends_with("count=0"), "{twice:?}");
    assert_eq!((scene.pophook.in_state("delivered").len(), scene.desk.count()), (1, 2));
}

#[test]
fn nobody_drops_what_was_not_shown() {
    let scene = Scene::new(maildrops(9), TOKENS);
    scene.until_dead(1);
    let all = "act=drop&all=yes&mailbox=&endpoint=";
    let preview = scene.submit(OPERATES, "/dead/preview", all).expect(200).text();
    assert!(preview.contains("drop <strong>1</strong>") && !preview.contains("role=\"alert\""), "{preview}");
    scene.servers[2].put(Message::new("another", &mails::plain("another")));
    scene.until_dead(2);
    let again = scene.submit(OPERATES, "/dead/settle", &format!("{all}&{}", shown(&preview))).expect(409).text();
    assert!(again.contains("Nothing was done") && again.contains("it is 2 now, and was 1"), "{again}");
    assert!(again.contains("drop <strong>2</strong>"), "what it is now is shown: {again}");
    assert_eq!(scene.pophook.in_state("dead").len(), 2);
    // One goes, another comes: as many, and not the same.
    let id = scene.pophook.in_state("dead")[0]["id"].as_str().unwrap().to_owned();
    scene.submit(OPERATES, &format!("/messages/{id}/drop"), "endpoint=erp&state=dead").expect(303);
    scene.servers[2].put(Message::new("a third", &mails::plain("a third")));
    wait_for("it is dead", || scene.page(OPERATES, "/dead").text().contains("<bdi>a third</bdi>"));
    let others = scene.submit(OPERATES, "/dead/settle", &format!("{all}&{}", shown(&again))).expect(409).text();
    assert!(others.contains("as many, but others"), "{others}");
    let done = scene.submit(OPERATES, "/dead/settle", &format!("{all}&{}", shown(&others))).expect(303);
    assert_eq!(done.header("location"), "/dead?done=drop&count=2");
    assert!(scene.page(OPERATES, "/dead").expect(200).text().contains("Nothing waits for a human here."));
}

#[test]
fn mail_that_no_rule_routes_is_sent_to_an_endpoint_by_hand() {
    let scene = Scene::new(vec![("nowhere", vec![Message::new("lost", &mails::plain("lost"))])], TOKENS);
    wait_for("it is unrouted", || scene.pophook.in_state("unrouted").len() == 1);
    let id = scene.id_of("lost");
    let page = scene.page(OPERATES, &format!("/messages/{id}")).expect(200).text();
    assert!(page.contains("unrouted: no rule matched") && page.contains("<option>desk</option>"), "{page}");
    let overview = scene.page(OPERATES, "/").expect(200).text();
    assert!(overview.contains("1 message waits for a human"), "{overview}");
    let retry = format!("/messages/{id}/retry");
    scene.submit(OPERATES, &retry, "to=nobody&state=unrouted").expect(404);
    scene.submit(OPERATES, &retry, "to=desk").expect(409);
    let sent = scene.submit(OPERATES, &retry, "to=desk&state=unrouted").expect(303);
    assert_eq!(sent.header("location"), format!("/messages/{id}?done=retry&count=1"));
    wait_for("it arrives", || scene.desk.subjects() == ["lost"]);
    wait_for("it is delivered", || scene.pophook.in_state("delivered").len() == 1);
    // A page that is older than that: its buttons do nothing any more.
    scene.submit(OPERATES, &format!("/messages/{id}/drop"), "state=unrouted").expect(303);
    scene.submit(OPERATES, &retry, "to=erp&state=unrouted").expect(303);
    assert_eq!((scene.pophook.in_state("delivered").len(), scene.erp.subjects().len()), (1, 0));
    let delivered = scene.page(OPERATES, &format!("/messages/{id}")).expect(200).text();
    assert!(delivered.contains("Send again") && !delivered.contains("Drop</button>"), "{delivered}");
}

/// A listener that nothing may connect to; how many did.
fn trap() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, caught) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&caught);
    thread::spawn(move || {
        for _ in listener.incoming() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, caught)
}

#[test]
fn a_person_with_a_browser_finds_their_way_and_a_hostile_mail_does_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/browser");
    if let Ok(why) = fs::read_to_string(folder.join("none")) {
        println!("no browser was used: {why}");
        return;
    }
    let named = |file: &str| fs::read_to_string(folder.join(file)).expect("tests/run.sh installs a browser");
    let (browser, node) = (named("path"), named("node"));
    let (port, caught) = trap();
    let scene = Scene::new(maildrops(port), TOKENS);
    scene.until_dead(1);
    wait_for("all is delivered", || scene.desk.count() == 4);
    scene.erp.set(Answer::Status(200));
    let shots = folder.join("shots");
    fs::create_dir_all(&shots).unwrap();
    let ran = Command::new(node.trim())
        .arg(root.join("tests/page/browse.mjs"))
        .args([browser.trim(), &format!("http://127.0.0.1:{}", scene.pophook.admin_port()), OPERATES])
        .arg(&shots)
        .arg(folder.join("node_modules/playwright-core/index.mjs"))
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("node runs");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    let told: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(told["errors"], serde_json::json!([]), "the console has no errors");
    assert_eq!(told["elsewhere"], serde_json::json!([]), "nothing is asked for from elsewhere");
    assert_eq!(caught.load(Ordering::SeqCst), 0, "nobody came into the trap");
    wait_for("what the browser retried is delivered", || scene.pophook.in_state("dead").is_empty());
    wait_for("erp has taken it", || scene.pophook.in_state("pending").is_empty());
}
