//! deploy/RUNBOOK.md and deploy/README.md: a section for each alert, and commands that exist.

use std::process::Command;

use regex::Regex;

use super::file;
use super::rules;

/// The code of a text in Markdown: its blocks, and what stands between backticks.
fn code(text: &str) -> Vec<String> {
    let block = Regex::new(r"(?ms)^```\w*\n(.*?)^```$").unwrap();
    let blocks =
        block.captures_iter(text).flat_map(|found| found[1].lines().map(ToOwned::to_owned).collect::<Vec<_>>());
    let rest = block.replace_all(text, "");
    let spans = Regex::new(r"`([^`]+)`").unwrap();
    blocks.chain(spans.captures_iter(&rest).map(|found| found[1].replace('\n', " "))).collect()
}

/// Every call of pophook in a piece of code: the subcommands, and the options.
fn calls(code: &str) -> Vec<(Vec<String>, Vec<String>)> {
    // A user, a group, a namespace or a container may have the program's name, too.
    let before = r"(?:^|-- |[|(;] *|sudo (?:-u \w+ )?|docker exec \w+ )";
    let call = Regex::new(&format!(r"{before}pophook((?: [a-z]+)+)([^|;#)]*)")).unwrap();
    let option = Regex::new(r"(?:^|\s)(--[a-z-]+|-[a-z])\b").unwrap();
    let words = |text: &str| text.split_whitespace().map(ToOwned::to_owned).collect();
    let options = |text: &str| option.captures_iter(text).map(|found| found[1].to_owned()).collect();
    call.captures_iter(code).map(|found| (words(&found[1]), options(&found[2]))).collect()
}

/// What `--help` says; nothing where there is no such command.
fn help(subcommands: &[String]) -> Option<String> {
    let ran = Command::new(env!("CARGO_BIN_EXE_pophook")).args(subcommands).arg("--help").output().unwrap();
    ran.status.success().then(|| String::from_utf8(ran.stdout).unwrap())
}

#[test]
fn every_alert_has_its_section_in_the_order_of_the_rules_and_every_section_its_alert() {
    let heading = Regex::new(r"(?m)^## (Pophook\w+)$").unwrap();
    let runbook = file("deploy/RUNBOOK.md");
    let sections: Vec<String> = heading.captures_iter(&runbook).map(|found| found[1].to_owned()).collect();
    assert_eq!(sections, rules::names());
}

#[test]
fn every_section_says_what_it_means_what_to_look_at_what_to_do_and_when_it_is_over() {
    let runbook = file("deploy/RUNBOOK.md");
    for section in runbook.split("\n## Pophook").skip(1) {
        for part in ["**Means:**", "**Look:**", "**Do:**", "**Over:**"] {
            assert_eq!(section.matches(part).count(), 1, "{part} in Pophook{section}");
        }
    }
}

#[test]
fn every_command_of_the_documents_exists_with_its_options() {
    for document in ["deploy/RUNBOOK.md", "deploy/README.md", "deploy/prometheus/rules.yaml"] {
        let found: Vec<_> = code(&file(document)).iter().flat_map(|code| calls(code)).collect();
        assert!(!found.is_empty(), "{document} names no command");
        for (subcommands, options) in found {
            let Some(help) = help(&subcommands) else { panic!("{document}: no command {subcommands:?}") };
            for option in options {
                let known = Regex::new(&format!(r"(?m)(^|\s){option}\b")).unwrap();
                assert!(known.is_match(&help), "{document}: {subcommands:?} has no {option}");
            }
        }
    }
}

#[test]
fn every_link_within_the_documents_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)#:]*)(#[^)]*)?\)").unwrap();
    for document in ["deploy/RUNBOOK.md", "deploy/README.md"] {
        let text = file(document);
        for found in link.captures_iter(&text) {
            let target = match &found[1] {
                "" => document.to_owned(),
                relative => format!("deploy/{relative}"),
            };
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&target);
            assert!(path.exists(), "{document} points to {target}");
            let Some(anchor) = found.get(2) else { continue };
            let anchors: Vec<String> =
                file(&target).lines().filter(|line| line.starts_with('#')).map(anchor_of).collect();
            assert!(anchors.contains(&anchor.as_str().to_owned()), "{document} points to {target}{}", anchor.as_str());
        }
    }
}

/// The anchor that a heading gets on GitHub and GitLab.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    format!("#{}", kept.collect::<String>().replace(' ', "-"))
}
