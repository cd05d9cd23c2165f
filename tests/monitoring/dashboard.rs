//! deploy/grafana, as data: what a Grafana would stumble over, and the queries.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::file;
use super::rules;
use super::support::prometheus::promtool;

fn dashboard() -> Value {
    serde_json::from_str(&file("deploy/grafana/pophook.json")).unwrap()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Every query: of the panels, the annotations and, as far as they name series, the variables.
pub(crate) fn queries() -> Vec<String> {
    let dashboard = dashboard();
    let panels = list(&dashboard["panels"]).into_iter().flat_map(|panel| list(&panel["targets"]));
    let annotations = list(&dashboard["annotations"]["list"]);
    let expressions = panels.chain(annotations).map(|target| target["expr"].as_str().unwrap().to_owned());
    let of_variable = Regex::new(r"^label_values\((.+), \w+\)$").unwrap();
    let variables = list(&dashboard["templating"]["list"]);
    let variables = variables.iter().filter_map(|variable| variable["query"]["query"].as_str());
    expressions.chain(variables.map(|query| of_variable.captures(query).unwrap()[1].to_owned())).collect()
}

/// A query as Grafana sends it, with every mailbox and endpoint chosen.
pub(crate) fn filled_in(query: &str) -> String {
    let query = query.replace("$__rate_interval", "5m").replace("$__range", "5m");
    Regex::new(r"\$\w+").unwrap().replace_all(&query, ".*").into_owned()
}

#[test]
fn every_query_is_promql() {
    let rules: Vec<Value> = queries()
        .iter()
        .enumerate()
        .map(|(number, query)| serde_json::json!({ "record": format!("query:{number}"), "expr": filled_in(query) }))
        .collect();
    let group = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    let written = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(written.path(), group.to_string()).unwrap();
    assert_eq!(promtool(&["check", "rules", written.path().to_str().unwrap()], ""), "");
}

#[test]
fn every_panel_has_its_place_a_unit_and_a_source_that_can_be_chosen() {
    let panels = list(&dashboard()["panels"]);
    let mut taken = BTreeSet::new();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "one id for each");
    for panel in &panels {
        let title = panel["title"].as_str().unwrap();
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title} is too far to the right");
        for cell in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{title} lies on another panel");
        }
        assert!(!title.is_empty(), "a panel without a title");
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| text.len() > 20), "{title} is not described");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        assert!(!list(&panel["targets"]).is_empty(), "{title} asks for nothing");
        for one in list(&panel["targets"]).iter().chain([panel]) {
            assert_eq!(one["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}

#[test]
fn every_line_has_a_name_of_its_own_and_what_is_coloured_says_from_where_on() {
    for panel in list(&dashboard()["panels"]) {
        let (title, kind) = (panel["title"].as_str().unwrap(), panel["type"].as_str().unwrap());
        let legends: Vec<String> =
            list(&panel["targets"]).iter().map(|target| target["legendFormat"].as_str().unwrap().to_owned()).collect();
        let names: BTreeSet<&String> = legends.iter().collect();
        assert_eq!(names.len(), legends.len(), "{title}: {legends:?}");
        assert!(!matches!(kind, "timeseries" | "state-timeline") || !names.contains(&String::new()), "{title}");
        let defaults = &panel["fieldConfig"]["defaults"];
        let steps = list(&defaults["thresholds"]["steps"]);
        assert!(defaults["color"]["mode"] != "thresholds" || !steps.is_empty(), "{title} has no thresholds");
        let from: Vec<f64> = steps.iter().filter_map(|step| step["value"].as_f64()).collect();
        assert!(from.is_sorted(), "{title}: {from:?}");
        assert!(
            kind != "state-timeline" || !list(&defaults["mappings"]).is_empty(),
            "{title} shows numbers for states"
        );
    }
}

#[test]
fn a_panel_leads_to_the_section_of_the_runbook_for_each_alert_and_to_none_that_is_not_there() {
    let panels = list(&dashboard()["panels"]);
    let links = panels.iter().flat_map(|panel| list(&panel["links"]));
    let linked: BTreeSet<String> = links
        .map(|link| {
            let alert = link["title"].as_str().unwrap().to_owned();
            assert_eq!(link["url"], format!("${{runbook}}#{}", alert.to_lowercase()));
            alert
        })
        .collect();
    assert_eq!(linked, rules::names().into_iter().collect());
}

#[test]
fn every_variable_that_is_asked_for_is_there() {
    let text = file("deploy/grafana/pophook.json");
    let variables = list(&dashboard()["templating"]["list"]);
    let known: BTreeSet<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    for found in Regex::new(r"\$\{?(\w+)").unwrap().captures_iter(&text) {
        assert!(known.contains(&found[1]) || found[1].starts_with("__"), "${} is not there", &found[1]);
    }
    for name in known {
        assert!(text.contains(&format!("${name}")) || text.contains(&format!("${{{name}}}")), "nobody asks for {name}");
    }
}
