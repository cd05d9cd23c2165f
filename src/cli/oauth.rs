//! `pophook oauth`: a human hands out a mailbox's first refresh token.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use clap::Subcommand;
use serde_json::json;

use super::ConfigFile;
use super::block_on;
use super::log;
use super::out;
use super::store::Kept;
use crate::clock::Clock;
use crate::config::Config;
use crate::ident::MailboxName;
use crate::metrics::Metrics;
use crate::oauth;
use crate::oauth::Grant;
use crate::oauth::Prompt;
use crate::spool::Tokens as _;

/// The longest address or code that is shown.
const SHOWN: usize = 500;

/// Logs mailboxes in that demand OAuth
#[derive(Debug, Subcommand)]
pub(super) enum Oauth {
    /// Log a mailbox in: shows an address and a code for any browser, and keeps the refresh token
    ///
    /// Open the address on any machine, write the code, and log in there as the mailbox's user. The refresh token goes
    /// into the spool, through a running daemon if there is one, and the next visit uses it. Google does not let most
    /// clients ask for mail in this way (`invalid_scope`): write a `refresh_token` that was got elsewhere, or
    /// use `service_account`.
    Login(Login),
}

#[derive(Debug, Args)]
pub(super) struct Login {
    #[command(flatten)]
    config: ConfigFile,
    /// The mailbox
    mailbox: String,
    /// One JSON object a line: first the address and the code, then the end
    #[arg(long)]
    json: bool,
}

impl Oauth {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        log::start(log::Format::Text, "error");
        match self {
            Oauth::Login(login) => block_on(login.run()),
        }
    }
}

impl Login {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let (config, clock) = (self.config.load()?, Clock::system());
        let (mailbox, grant) = grant(&config, &self.mailbox)?;
        let kept = Kept { config: config.spool.clone(), clock: clock.clone(), metrics: Metrics::new()?.spool };
        let login = oauth::Login::begin(mailbox.clone(), grant, clock).await?;
        self.show(&login.prompt)?;
        let token = tokio::select! {
            token = login.wait() => token?,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted; nothing was kept"),
        };
        kept.keep_token(&mailbox, token).await.context("logged in, but the refresh token cannot be kept")?;
        if self.json {
            out::json(&json!({ "mailbox": mailbox.as_str(), "logged_in": true }))?;
        } else {
            out::line(format!("{mailbox} is logged in; the next visit uses it").as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn show(&self, prompt: &Prompt) -> anyhow::Result<()> {
        let code = prompt.user_code.reveal();
        if self.json {
            return Ok(out::json(&json!({
                "verification_uri": prompt.verification_uri,
                "verification_uri_complete": prompt.verification_uri_complete,
                "user_code": code,
                "expires_in": prompt.expires_in.as_secs(),
            }))?);
        }
        let uri = out::excerpt(&prompt.verification_uri, SHOWN);
        out::line(format!("Open {uri} and write this code: {}", out::excerpt(code, SHOWN)).as_bytes())?;
        if let Some(complete) = &prompt.verification_uri_complete {
            out::line(format!("Or open {}", out::excerpt(complete, SHOWN)).as_bytes())?;
        }
        out::line(format!("Waiting, at most {} minutes …", prompt.expires_in.as_secs().div_ceil(60)).as_bytes())?;
        Ok(())
    }
}

fn grant(config: &Config, name: &str) -> anyhow::Result<(MailboxName, Grant)> {
    let mailbox = config.collect.mailboxes.iter().find(|mailbox| mailbox.name.as_str() == name);
    let mailbox = mailbox.with_context(|| format!("no mailbox {name:?} in the configuration"))?;
    let grant = config.oauth.grants.get(&mailbox.name);
    let grant = grant.with_context(|| {
        format!("mailbox {name} logs in with what the file holds; write oauth2 with provider and client_id first")
    })?;
    Ok((mailbox.name.clone(), grant.clone()))
}
