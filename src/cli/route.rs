//! `pophook route explain`: where a mail in a file would go, and why.
//!
//! It quotes the mail: what it prints is for the operator's own terminal, and never for a log.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use bytesize::ByteSize;
use clap::Args;
use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use super::BadArgument;
use super::ConfigFile;
use super::log;
use super::out;
use super::parse::read_mail;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::did_you_mean;
use crate::deliver::Attachments;
use crate::deliver::Endpoint;
use crate::deliver::payload;
use crate::deliver::payload::Facts;
use crate::deliver::payload::Source;
use crate::ident::Content;
use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::parse::Mail;
use crate::route;
use crate::route::Decision;
use crate::route::Explanation;
use crate::route::ToldCondition;
use crate::route::ToldRule;
use crate::route::Tried;

/// How much of a value is shown, in characters.
const SHOWN: usize = 60;
/// How many values of one field are shown.
const VALUES_SHOWN: usize = 5;

/// Explains where mail goes
#[derive(Debug, Subcommand)]
pub(super) enum Route {
    /// Tell where a mail in a file would go: which rules are tried, which match and why, and what each endpoint would get
    ///
    /// Nothing is sent, and the spool is not looked at. The mail's own words are shown. Exit code 0, whatever the
    /// decision; 64: the configuration, or a mailbox that is not in it.
    Explain(Explain),
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The mail as a file (.eml); `-` reads it from standard input
    file: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
    /// The mailbox that it is said to come from; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// What an endpoint would get.
struct Delivery<'a> {
    endpoint: &'a Endpoint,
    content_type: String,
    /// Bytes of the body.
    size: u64,
}

impl Route {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Route::Explain(explain) = self;
        log::start(log::Format::Text, "error");
        explain.run()
    }
}

impl Explain {
    fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.config.load()?;
        let mailbox = mailbox(self.mailbox.as_deref(), &config)?;
        let raw = read_mail(&self.file)?;
        let mail = config.deliver.reading.parse(Some(mailbox), &raw.clone().into());
        let told = route::explain(&config.deliver.routes, mailbox, &mail, size(raw.len()));
        let chosen: &[EndpointName] = match &told.decision {
            Decision::Deliver(endpoints) => endpoints,
            Decision::Drop { .. } | Decision::Unrouted => &[],
        };
        let deliveries = chosen.iter().filter_map(|name| {
            let endpoint = config.deliver.endpoints.iter().find(|endpoint| endpoint.name == *name)?;
            Some(delivery(endpoint, &config, (mailbox, &mail, &raw)))
        });
        let deliveries = deliveries.collect::<io::Result<Vec<_>>>()?;
        if self.json {
            out::json(&as_json(mailbox, &told, &mail, &deliveries))?;
        } else {
            for line in as_text(mailbox, &told, &mail, &deliveries) {
                out::line(line.as_bytes())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn mailbox<'a>(named: Option<&str>, config: &'a Config) -> Result<&'a MailboxName, BadArgument> {
    let mut known = config.collect.mailboxes.iter().map(|mailbox| &mailbox.name);
    let names = || config.collect.mailboxes.iter().map(|mailbox| mailbox.name.as_str());
    let listed = || names().collect::<Vec<_>>().join(", ");
    match (named, &config.collect.mailboxes[..]) {
        (None, [only]) => Ok(&only.name),
        (None, _) => Err(BadArgument(format!("name the mailbox with --mailbox; known here: {}", listed()))),
        (Some(name), _) => known.find(|known| known.as_str() == name).ok_or_else(|| {
            let remedy = did_you_mean(name, names()).unwrap_or_else(|| format!("; known here: {}", listed()));
            BadArgument(format!("no mailbox is named {name:?}{remedy}"))
        }),
    }
}

/// Writes the body to nowhere, to measure it.
fn delivery<'a>(
    endpoint: &'a Endpoint,
    config: &Config,
    (mailbox, mail, raw): (&MailboxName, &Mail, &[u8]),
) -> io::Result<Delivery<'a>> {
    let id = MessageId::of(mailbox, &Content::of(raw));
    let mut facts = Facts::of(raw, &id, mailbox, Clock::system().now());
    if let Some(labels) = config.deliver.labels.get(mailbox) {
        facts.labels = labels;
    }
    let options = payload::Options {
        attachments: endpoint.attachments,
        include_raw: endpoint.include_raw,
        include_sanitized_html: endpoint.include_sanitized_html,
    };
    let source = Source { facts, mail, raw, options };
    let mut body = Measured(0);
    payload::write(&endpoint.format, &source, &mut body)?;
    Ok(Delivery { endpoint, content_type: payload::head(&endpoint.format, &source).content_type, size: body.0 })
}

/// Counts bytes and keeps none.
struct Measured(u64);

impl io::Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(size(bytes.len()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn size(length: usize) -> u64 {
    length.try_into().unwrap_or(u64::MAX)
}

/// How attachments travel, in the configuration's word.
fn way(attachments: Attachments) -> &'static str {
    match attachments {
        Attachments::Inline => "inline",
        Attachments::Multipart => "multipart",
        Attachments::Omit => "omit",
    }
}

fn as_json(mailbox: &MailboxName, told: &Explanation, mail: &Mail, deliveries: &[Delivery<'_>]) -> Value {
    let (decision, rule, counts) = match &told.decision {
        Decision::Deliver(_) => ("deliver", None, None),
        Decision::Drop { rule, counts_as_delivered } => ("drop", Some(rule), Some(*counts_as_delivered)),
        Decision::Unrouted => ("unrouted", None, None),
    };
    let rules = told.rules.iter().map(|rule| {
        let ToldRule { number, label, tried, conditions } = rule;
        json!({ "number": number, "name": label, "tried": tried, "conditions": conditions })
    });
    let deliveries = deliveries.iter().map(|delivery| {
        json!({
            "endpoint": delivery.endpoint.name.as_str(), "content_type": delivery.content_type, "size": delivery.size,
            "attachments": way(delivery.endpoint.attachments), "include_raw": delivery.endpoint.include_raw,
        })
    });
    json!({
        "mailbox": mailbox.as_str(), "decision": decision, "dropped_by": rule, "counts_as_delivered": counts,
        "by_mailbox": told.by_mailbox, "only_went_on": told.only_went_on, "attachments": mail.attachments.len(),
        "rules": rules.collect::<Vec<_>>(), "deliveries": deliveries.collect::<Vec<_>>(),
    })
}

fn as_text(mailbox: &MailboxName, told: &Explanation, mail: &Mail, deliveries: &[Delivery<'_>]) -> Vec<String> {
    let mut lines = Vec::new();
    for ToldRule { number, label, tried, conditions } in &told.rules {
        let name = if number.to_string() == *label { String::new() } else { format!(" ({label})") };
        let outcome = match tried {
            Tried::Matched => "matched",
            Tried::NotMatched => "not matched",
            Tried::NotTried => "not tried: a rule before it decided",
        };
        lines.push(format!("rule {number}{name}: {outcome}"));
        if conditions.is_empty() && *tried == Tried::Matched {
            lines.push("    it has no conditions".to_owned());
        }
        conditions.iter().for_each(|one| tell(one, 1, &mut lines));
    }
    if told.by_mailbox {
        lines.push(match &told.decision {
            Decision::Unrouted => format!("no rule matched, and mailbox {mailbox} has no deliver_to"),
            _ => format!("no rule matched: the deliver_to of mailbox {mailbox} counts"),
        });
    }
    if told.only_went_on {
        lines.push(format!("a rule matched, and none decided: the deliver_to of mailbox {mailbox} does not count"));
    }
    match &told.decision {
        Decision::Unrouted => lines.push("unrouted: nobody says where it goes; it would wait for you".to_owned()),
        Decision::Drop { rule, counts_as_delivered: true } => {
            lines.push(format!("dropped by rule {rule}; that counts as delivered"));
        }
        Decision::Drop { rule, counts_as_delivered: false } => {
            lines.push(format!("dropped by rule {rule}; that does not count as delivered"));
        }
        Decision::Deliver(_) => {}
    }
    for Delivery { endpoint, content_type, size } in deliveries {
        let count = mail.attachments.len();
        let raw = if endpoint.include_raw { ", with the raw mail" } else { "" };
        let attachments = match count {
            0 => "no attachments".to_owned(),
            _ => format!("{count} attachments ({})", way(endpoint.attachments)),
        };
        let size = ByteSize(*size);
        lines.push(format!("endpoint {} gets {content_type}, {size}, {attachments}{raw}", endpoint.name));
    }
    lines
}

/// One condition on a line, and those that it joins below.
fn tell(told: &ToldCondition, depth: usize, lines: &mut Vec<String>) {
    let ToldCondition { condition, held, wanted, seen, parts } = told;
    let (indent, holds) = ("    ".repeat(depth), if *held { "yes" } else { "no " });
    if wanted.is_empty() {
        lines.push(format!("{indent}{holds} {condition}"));
    } else {
        let (seen, verb) = match (condition.as_str(), held) {
            ("larger_than" | "smaller_than" | "spam_score_from" | "spam" | "has_attachment", _) => {
                (seen.first().map_or("(none)".to_owned(), Clone::clone), "; wanted:")
            }
            (_, true) => (shown(seen), " matches"),
            (_, false) => (shown(seen), " does not match"),
        };
        lines.push(format!("{indent}{holds} {condition} {seen}{verb} {wanted}"));
    }
    parts.iter().for_each(|part| tell(part, depth + 1, lines));
}

/// Values as they can be shown on a terminal.
fn shown(seen: &[String]) -> String {
    let quoted = seen.iter().take(VALUES_SHOWN).map(|value| format!("\"{}\"", out::excerpt(value, SHOWN)));
    let mut shown: Vec<String> = quoted.collect();
    match seen.len().saturating_sub(VALUES_SHOWN) {
        0 if seen.is_empty() => shown.push("(none)".to_owned()),
        0 => {}
        more => shown.push(format!("and {more} more")),
    }
    shown.join(", ")
}
