//! `pophook route explain`: where a mail in a file would go, and why.
//!
//! It quotes the mail: what it prints is for the operator's own terminal, and never for a log.

mod shown;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::Subcommand;

use super::BadArgument;
use super::ConfigFile;
use super::log;
use super::out;
use super::parse::read_mail;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::did_you_mean;
use crate::deliver::Endpoint;
use crate::deliver::Links;
use crate::deliver::carriage::Link;
use crate::deliver::carriage::TooLarge;
use crate::deliver::carriage::Way;
use crate::deliver::carriage::ways;
use crate::deliver::payload;
use crate::deliver::payload::Facts;
use crate::deliver::payload::Source;
use crate::ident::Content;
use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::parse::Attachment;
use crate::parse::Mail;
use crate::route;
use crate::route::Decision;

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
    post: Result<Post, TooLarge>,
}

struct Post {
    content_type: String,
    /// Bytes of the body.
    size: u64,
    ways: Vec<Way>,
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
            out::json(&shown::as_json(mailbox, &told, &mail, &deliveries))?;
        } else {
            for line in shown::as_text(mailbox, &told, &mail, &deliveries) {
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
    let links = config.deliver.store.as_ref().and_then(|store| Links::new(store).ok());
    let link = |part: &Attachment| match &links {
        Some(links) => links.to(&id, &part.part, facts.spooled_at),
        None => Link { url: String::new(), expires_at: String::new() },
    };
    let ways = match ways(&mail.attachments, (endpoint.attachments, &endpoint.limits), link) {
        Ok(ways) => ways,
        Err(why) => return Ok(Delivery { endpoint, post: Err(why) }),
    };
    let source = Source { facts, mail, raw, options, ways: &ways };
    let mut body = Measured(0);
    payload::write(&endpoint.format, &source, &mut body)?;
    let content_type = payload::head(&endpoint.format, &source).content_type;
    Ok(Delivery { endpoint, post: Ok(Post { content_type, size: body.0, ways }) })
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
