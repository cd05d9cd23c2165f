//! deploy/grafana, as data: what a Grafana would stumble over, and the queries.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::file;
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
    let query = query.replace("$__rate_interval", "20s").replace("$__range", "1m");
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
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        assert!(!list(&panel["targets"]).is_empty(), "{title} asks for nothing");
        for one in list(&panel["targets"]).iter().chain([panel]) {
            assert_eq!(one["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
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
