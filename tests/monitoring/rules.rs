//! deploy/prometheus, as data: which alerts there are, and in which cases they are tried.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_yaml::Value;

use super::file;
use super::named;

/// Every rule, in order.
fn rules() -> Vec<Value> {
    let rules: Value = serde_yaml::from_str(&file("deploy/prometheus/rules.yaml")).unwrap();
    let groups = rules["groups"].as_sequence().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_sequence().unwrap().clone()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is no text")).to_owned()
}

/// Every alert, in order.
pub(crate) fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule.get("alert").is_some()).collect()
}

/// The name of every alert, in order.
pub(crate) fn names() -> Vec<String> {
    alerts().iter().map(|alert| text(&alert["alert"])).collect()
}

/// What recording rules record.
pub(crate) fn recorded() -> BTreeSet<String> {
    rules().iter().filter_map(|rule| rule.get("record").map(text)).collect()
}

/// The expression of every rule.
pub(crate) fn expressions() -> Vec<String> {
    rules().iter().map(|rule| text(&rule["expr"])).collect()
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on() {
    for alert in alerts() {
        let (name, about) = (text(&alert["alert"]), &alert["annotations"]);
        assert!(name.starts_with("Pophook"), "{name}");
        assert!(["critical", "warning"].contains(&text(&alert["labels"]["severity"]).as_str()), "{name}");
        assert!(!text(&about["summary"]).is_empty() && !text(&about["description"]).is_empty(), "{name}");
        assert_eq!(text(&about["runbook_url"]), format!("deploy/RUNBOOK.md#{}", name.to_lowercase()));
    }
}

#[test]
fn every_alert_is_tried_in_cases_that_fire_and_in_cases_that_must_not() {
    let tests: Value = serde_yaml::from_str(&file("deploy/prometheus/rules_test.yaml")).unwrap();
    let mut tried: BTreeMap<String, [bool; 2]> = BTreeMap::new();
    for case in tests["tests"].as_sequence().unwrap() {
        for one in case["alert_rule_test"].as_sequence().unwrap() {
            let fires = !one["exp_alerts"].as_sequence().unwrap().is_empty();
            tried.entry(text(&one["alertname"])).or_default()[usize::from(fires)] = true;
        }
    }
    for name in names() {
        assert_eq!(tried.remove(&name), Some([true, true]), "{name}");
    }
    assert!(tried.is_empty(), "no such alerts: {tried:?}");
}

#[test]
fn what_is_recorded_is_asked_for() {
    let asked: BTreeSet<String> = alerts().iter().flat_map(|alert| named(&text(&alert["expr"]))).collect();
    for record in recorded() {
        assert!(asked.contains(&record), "no alert asks for {record}");
    }
}
