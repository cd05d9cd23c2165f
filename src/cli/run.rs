//! `pophook run`: the daemon.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::Notify;

use super::ConfigFile;
use super::FAULT;
use super::block_on;
use super::interrupt::Signals;
use super::log;
use crate::app::App;
use crate::app::Origin;
use crate::clock::Clock;
use crate::config;

/// Runs until SIGTERM or Ctrl-C: visits mailboxes when they are due and delivers their mail
///
/// SIGTERM stops it politely: nothing new begins, what is under way ends, at most the configured grace. A second one is
/// at once; what was under way is then done again at the next start. SIGHUP, or a change of the configuration's files,
/// has these read anew; what cannot be taken leaves everything as it was (`reload` in the file). Exit code 0 stopped, 1 fault, 64 configuration.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    config: ConfigFile,
    /// How log lines look; `POPHOOK_LOG=debug` shows more of them
    #[arg(long, value_enum, default_value_t = log::Format::Text)]
    log_format: log::Format,
}

impl Run {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        log::start(self.log_format, "info");
        block_on(async {
            let (mut asked_by, mut hangup) = (Signals::listen()?, signal(SignalKind::hangup())?);
            let path = self.config.config;
            let file = path.clone();
            // Commands that print secrets may take their time, in which nothing is under way yet.
            let (config, watched) = tokio::select! {
                read = tokio::task::spawn_blocking(move || config::load_watched(&file)) => read?,
                () = asked_by.any() => return Ok(ExitCode::SUCCESS),
            };
            let config = config?;
            let asked = Arc::new(Notify::new());
            let origin = Origin { path, watched, asked: Arc::clone(&asked) };
            tokio::spawn(async move {
                while hangup.recv().await.is_some() {
                    asked.notify_one();
                }
            });
            let app = App::open(config, Clock::system()).await?;
            let (asked, at_once) = tokio::sync::oneshot::channel();
            let running = app.run(origin, async { at_once.await.unwrap_or_default() });
            let signals = async {
                asked_by.any().await;
                // Nobody listens only if the daemon has ended already.
                asked.send(()).unwrap_or_default();
                asked_by.any().await;
            };
            tokio::select! {
                ended = running => ended.map(|()| ExitCode::SUCCESS),
                () = signals => {
                    tracing::warn!("asked twice: ending at once");
                    Ok(ExitCode::from(FAULT))
                }
            }
        })
    }
}
