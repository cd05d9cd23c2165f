//! `pophook parse`: what an endpoint would get for a mail in a file.

use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use anyhow::anyhow;
use clap::Args;
use clap::ValueEnum;
use jiff::Timestamp;

use crate::cli::out;
use crate::clock::Clock;
use crate::deliver;
use crate::deliver::Attachments;
use crate::deliver::CloudEvents;
use crate::deliver::Cloudmailin;
use crate::deliver::Sendgrid;
use crate::deliver::carriage::unlimited;
use crate::deliver::payload;
use crate::deliver::payload::Facts;
use crate::deliver::payload::Options;
use crate::deliver::payload::Source;
use crate::deliver::payload::Template;
use crate::deliver::payload::TemplateError;
use crate::ident::Content;
use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::ident::UniqueId;
use crate::parse;
use crate::secret::Secret;

/// Shows the body that an endpoint would get for a mail.
///
/// Nothing is sent, and no configuration is needed. The id is the one that the daemon would give: it depends on the
/// mailbox's name and the mail alone. Try it with a mail saved from your mail program:
///
///   pophook parse mail.eml
///   pophook parse - < mail.eml | jq .data.subject
///   pophook parse mail.eml --format template --template deploy/templates/slack.json.jinja
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Parse {
    /// The mail as a file (.eml); `-` reads it from standard input
    file: PathBuf,
    /// The body's shape, as an endpoint's `format`
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// With `--format template`, the template; tried on samples first, as `pophook check` does
    #[arg(long, value_name = "FILE", required_if_eq("format", "template"))]
    template: Option<PathBuf>,
    /// With `--format template`, the content type of what it makes
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    content_type: String,
    /// The mailbox that it is said to come from; part of the id
    #[arg(long, value_name = "NAME", default_value = "parse", value_parser = MailboxName::parse)]
    mailbox: MailboxName,
    /// The unique-id that the server is said to have given it
    #[arg(long, value_name = "ID", value_parser = unique_id)]
    unique_id: Option<UniqueId>,
    /// Leave the bytes of attachments out, as `attachments: omit` does
    #[arg(long)]
    no_attachments: bool,
    /// Add the whole message in base64, as `include_raw: true` does
    #[arg(long)]
    include_raw: bool,
    /// Add the HTML in a form that is safe to show, as `include_sanitized_html: true` does
    #[arg(long)]
    include_sanitized_html: bool,
    /// Print one line even on a terminal
    #[arg(long)]
    json: bool,
}

/// The shapes that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The native format
    Json,
    /// CloudEvents in structured mode
    Cloudevents,
    /// CloudEvents in binary mode
    CloudeventsBinary,
    /// The mail as it is
    Raw,
    /// Postmark's inbound webhook
    Postmark,
    /// CloudMailin's normalised JSON
    Cloudmailin,
    /// CloudMailin's normalised form
    CloudmailinMultipart,
    /// SendGrid's Inbound Parse
    Sendgrid,
    /// SendGrid's Inbound Parse with the whole mail
    SendgridRaw,
    /// A forwarding route of Mailgun, signed with the key `key`
    Mailgun,
    /// A template of your own
    Template,
}

impl Format {
    /// Whether a terminal is shown it line by line.
    fn is_json(self) -> bool {
        matches!(
            self,
            Format::Json | Format::Cloudevents | Format::CloudeventsBinary | Format::Postmark | Format::Cloudmailin
        )
    }
}

fn unique_id(text: &str) -> Result<UniqueId, &'static str> {
    UniqueId::from_text(text).ok_or("not a unique-id: 1 to 1024 printable bytes, others as %XX")
}

impl Parse {
    /// Reads, parses and prints the mail.
    ///
    /// # Errors
    /// When the file cannot be read or standard output is gone.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let raw = read_mail(&self.file)?;
        let body = self.body(&raw, Clock::system().now())?;
        if self.json || !self.format.is_json() || !out::is_terminal() {
            out::line(&body)?;
        } else {
            let value: serde_json::Value = serde_json::from_slice(&body).context("the payload is no JSON")?;
            out::line(&serde_json::to_vec_pretty(&value)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn format(&self) -> anyhow::Result<deliver::Format> {
        Ok(match self.format {
            Format::Json => deliver::Format::Json,
            Format::Cloudevents => deliver::Format::CloudEvents(CloudEvents::Structured),
            Format::CloudeventsBinary => deliver::Format::CloudEvents(CloudEvents::Binary),
            Format::Raw => deliver::Format::Raw,
            Format::Postmark => deliver::Format::Postmark,
            Format::Cloudmailin => deliver::Format::Cloudmailin(Cloudmailin::Json),
            Format::CloudmailinMultipart => deliver::Format::Cloudmailin(Cloudmailin::Multipart),
            Format::Sendgrid => deliver::Format::Sendgrid(Sendgrid::Parsed),
            Format::SendgridRaw => deliver::Format::Sendgrid(Sendgrid::Raw),
            Format::Mailgun => deliver::Format::Mailgun(Secret::new("key")),
            Format::Template => {
                let path = self.template.as_deref().context("name the template with --template")?;
                let name = path.display();
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
                let template = Template::new(text, self.content_type.clone());
                let place = |error: &TemplateError| error.line.map(|line| format!(":{line}")).unwrap_or_default();
                let template = template.map_err(|error| anyhow!("{name}{}: {error}", place(&error)))?;
                deliver::Format::Template(Arc::new(template))
            }
        })
    }

    fn body(&self, raw: &[u8], now: Timestamp) -> anyhow::Result<Vec<u8>> {
        let id = MessageId::of(&self.mailbox, &Content::of(raw));
        let facts = Facts { unique_id: self.unique_id.as_ref(), ..Facts::of(raw, &id, &self.mailbox, now) };
        let attachments = if self.no_attachments { Attachments::Omit } else { Attachments::Inline };
        let include_sanitized_html = self.include_sanitized_html;
        let options = Options { attachments, include_raw: self.include_raw, include_sanitized_html };
        let mail = parse::parse(raw, &parse::Options::default());
        let ways = unlimited(&mail.attachments, attachments);
        let mut body = Vec::new();
        payload::write(&self.format()?, &Source { facts, mail: &mail, raw, options, ways: &ways }, &mut body)?;
        Ok(body)
    }
}

/// The bytes of a mail in a file; `-` is standard input.
pub(super) fn read_mail(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return std::fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    }
    let mut raw = Vec::new();
    std::io::stdin().lock().read_to_end(&mut raw).context("cannot read standard input")?;
    Ok(raw)
}
