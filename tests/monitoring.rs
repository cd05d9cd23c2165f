//! What deploy/ brings for watching pophook, held against a pophook that runs and a Prometheus that scrapes it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

#[path = "monitoring/dashboard.rs"]
mod dashboard;
#[path = "monitoring/rules.rs"]
mod rules;
#[path = "monitoring/runbook.rs"]
mod runbook;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::Value;
use support::oracle::KEY;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::pophook::Running;
use support::prometheus::Prometheus;
use support::prometheus::promtool;
use support::receiver::Answer;
use support::receiver::Receiver;
use support::stage::messages;
use support::wait_for;

/// A file of the repository, as text.
fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A daemon whose configuration has all that there is a metric for, and mail on every way.
struct Stage {
    server: Pop3Server,
    desk: Receiver,
    pophook: Pophook,
    daemon: Running,
}

impl Stage {
    fn start() -> Stage {
        let (server, desk) = (Pop3Server::start(messages(&["a", "b", "spam"])), Receiver::start());
        let pophook = Pophook::new([], []);
        Stage::configure(&pophook, &server, &desk);
        let daemon = pophook.start(&["run"]);
        wait_for("mail of two mailboxes arrives", || desk.count() == 4);
        Stage { server, desk, pophook, daemon }
    }

    fn configure(pophook: &Pophook, server: &Pop3Server, desk: &Receiver) {
        let with_token = Mailbox::in_clear(server.port, "sales").oauth2("command: [printf, pw]");
        let key = format!("{{ key: {KEY}, not_after: 2999-12-31 }}");
        let more = "routes:\n  - { name: spam, when: { subject: spam }, drop: true }\nreload: { watch: 100ms }\n";
        pophook.configure([Mailbox::scripted(server), with_token], [Endpoint::desk(desk).signed(&[&key])], more);
    }

    /// The page, without the head of the answer.
    fn page(&self) -> String {
        self.pophook.metrics().split_once("\r\n\r\n").unwrap().1.to_owned()
    }
}

/// The names of all series of a page.
fn exposed(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
}

/// The names that the page gives to all series of a metric together: those of histograms have no series of that name.
fn families(page: &str) -> BTreeSet<String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// The names of metrics of ours, of the process, and of recording rules that stand in a text.
fn named(text: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\b(?:[a-z_]+:)?(?:pophook|process)_[a-z_]+[a-z](?::[a-z_0-9]+)?\b").unwrap();
    name.find_iter(text).map(|found| found.as_str().to_owned()).collect()
}

#[test]
fn the_page_is_as_prometheus_wants_it() {
    let stage = Stage::start();
    assert_eq!(promtool(&["check", "metrics"], &stage.page()), "");
}

#[test]
fn the_stage_shows_every_metric_that_there_is() {
    let stage = Stage::start();
    let declared = Regex::new(r#""(pophook_[a-z_]+)""#).unwrap();
    let page = stage.page();
    for metric in declared.captures_iter(&file("src/metrics.rs")).map(|found| found[1].to_owned()) {
        assert!(page.contains(&format!("# TYPE {metric} ")), "{metric} is not shown in\n{page}");
    }
}

#[test]
fn rules_dashboard_and_documents_name_only_what_is_shown_and_leave_nothing_out() {
    let stage = Stage::start();
    let page = stage.page();
    let (shown, families) = (exposed(&page), families(&page));
    let recorded: BTreeSet<String> = shown.union(&rules::recorded()).cloned().collect();
    let told: BTreeSet<String> = recorded.union(&families).cloned().collect();
    let dashboard = dashboard::queries().join("\n");
    for (place, text, known) in [
        ("the rules", rules::expressions().join("\n"), &recorded),
        ("the dashboard", dashboard.clone(), &shown),
        ("the runbook", file("deploy/RUNBOOK.md"), &told),
        ("deploy/README.md", file("deploy/README.md"), &told),
        ("README.md", file("README.md"), &told),
    ] {
        let unknown: Vec<String> = named(&text).into_iter().filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "{place} names what no pophook shows: {unknown:?}");
    }
    let drawn = named(&dashboard);
    let left_out: Vec<&String> = shown
        .iter()
        .filter(|name| name.starts_with("pophook_") && !name.ends_with("_sum") && !name.ends_with("_count"))
        .filter(|name| !drawn.contains(*name))
        .collect();
    assert!(left_out.is_empty(), "the dashboard has no panel for {left_out:?}");
}

#[test]
fn an_alert_goes_from_pending_to_firing_and_away_and_there_is_none_while_all_is_well() {
    let stage = Stage::start();
    let soon =
        Regex::new(r"for: \d+[mh]").unwrap().replace_all(&file("deploy/prometheus/rules.yaml"), "for: 2s").into_owned();
    let prometheus = Prometheus::start(&stage.pophook.admin(), &soon);
    // Of how fast this machine's disk is, it tells nothing.
    let alerts = || prometheus.alerts().into_iter().filter(|(name, _)| name != "PophookSpoolSlow").collect::<Vec<_>>();
    let state = |name: &str| alerts().into_iter().find(|(alert, _)| alert == name).map(|(_, state)| state);
    wait_for("five scrapes", || prometheus.query("count_over_time(up[1m]) >= 5").is_ok_and(|found| !found.is_empty()));
    wait_for("every rule is evaluated", || prometheus.unwell().is_empty());
    wait_for("all is well", || alerts().is_empty());

    stage.pophook.write_config("mailboxes: [");
    wait_for("pending", || state("PophookConfigNotTaken").as_deref() == Some("pending"));
    wait_for("firing", || state("PophookConfigNotTaken").as_deref() == Some("firing"));
    assert_eq!(alerts().len(), 1, "{:?}", alerts());
    Stage::configure(&stage.pophook, &stage.server, &stage.desk);
    wait_for("the file is mended", || alerts().is_empty());

    stage.desk.set(Answer::With(429, "retry-after", "7200".to_owned()));
    stage.server.put(messages(&["c"]).remove(0));
    wait_for("a pause", || state("PophookEndpointPaused").as_deref() == Some("firing"));

    stage.daemon.terminate();
    stage.daemon.wait().expect(0);
    wait_for("nothing to scrape", || state("PophookDown").as_deref() == Some("firing"));
}

/// Queries that find nothing here, or no number, and why that is right.
const RIGHTLY_EMPTY: [(&str, &str); 2] = [
    ("ALERTS{", "there is an alert only where something is wrong"),
    ("pophook_attachment_upload_seconds_bucket", "nothing was uploaded, so there is no quantile of how long it took"),
];

#[test]
fn every_query_of_the_dashboard_finds_a_number() {
    let stage = Stage::start();
    let prometheus = Prometheus::start(&stage.pophook.admin(), &file("deploy/prometheus/rules.yaml"));
    // What happened before the first look at it has no rate.
    let scrapes = |at_least: usize| {
        let counted = format!("count_over_time(up[5m]) >= {at_least}");
        wait_for("a scrape", || prometheus.query(&counted).is_ok_and(|found| !found.is_empty()));
    };
    scrapes(1);
    messages(&["c", "d"]).into_iter().for_each(|message| stage.server.put(message));
    wait_for("more mail of two mailboxes arrives", || stage.desk.count() == 8);
    let is_number = |series: &Value| series["value"][1].as_str().unwrap().parse::<f64>().unwrap().is_finite();
    let ask = |query: &str| match prometheus.query(&dashboard::filled_in(query)) {
        Ok(series) => series.iter().any(is_number),
        Err(error) => panic!("{query}: {error}"),
    };
    let (empty, full): (Vec<String>, Vec<String>) =
        dashboard::queries().into_iter().partition(|query| RIGHTLY_EMPTY.iter().any(|(part, _)| query.contains(part)));
    for query in full {
        wait_for(&query, || ask(&query));
    }
    for (part, why) in RIGHTLY_EMPTY {
        assert!(empty.iter().any(|query| query.contains(part)), "no query has {part}");
        for query in empty.iter().filter(|query| query.contains(part)) {
            assert!(!ask(query), "{query} finds something, although {why}");
        }
    }
}
