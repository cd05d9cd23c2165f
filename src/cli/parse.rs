//! `pophook parse`: what an endpoint would get for a mail in a file.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use clap::ValueEnum;
use jiff::Timestamp;
use sha2::Digest as _;
use sha2::Sha256;

use crate::cli::out;
use crate::clock::Clock;
use crate::deliver::Attachments;
use crate::deliver::payload::Facts;
use crate::deliver::payload::Options;
use crate::deliver::payload::Source;
use crate::deliver::payload::json;
use crate::ident::Content;
use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::ident::UniqueId;
use crate::parse;

/// Shows the JSON that an endpoint would get for a mail.
///
/// Nothing is sent, and no configuration is needed. The id is the one that the daemon would give: it depends on the
/// mailbox's name and the mail alone. Try it with a mail saved from your mail program:
///
///   pophook parse mail.eml
///   pophook parse - < mail.eml | jq .data.subject
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Parse {
    /// The mail as a file (.eml); `-` reads it from standard input
    file: PathBuf,
    /// The body's shape, as an endpoint's `format`
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
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
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// The native format
    Json,
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
        let body = match self.format {
            Format::Json => self.body(&raw, Clock::system().now())?,
        };
        if self.json || !out::is_terminal() {
            out::line(&body)?;
        } else {
            let value: serde_json::Value = serde_json::from_slice(&body).context("the payload is no JSON")?;
            out::line(&serde_json::to_vec_pretty(&value)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn body(&self, raw: &[u8], now: Timestamp) -> std::io::Result<Vec<u8>> {
        let facts = Facts {
            id: &MessageId::of(&self.mailbox, &Content::of(raw)),
            mailbox: &self.mailbox,
            labels: &BTreeMap::new(),
            unique_id: self.unique_id.as_ref(),
            spooled_at: now,
            size: raw.len().try_into().unwrap_or(u64::MAX),
            sha256: Sha256::digest(raw).into(),
        };
        let attachments = if self.no_attachments { Attachments::Omit } else { Attachments::Inline };
        let include_sanitized_html = self.include_sanitized_html;
        let options = Options { attachments, include_raw: self.include_raw, include_sanitized_html };
        let mail = parse::parse(raw, &parse::Options::default());
        let mut body = Vec::new();
        json::write(&Source { facts, mail: &mail, raw, options }, &mut body)?;
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
