//! Where log lines go: standard error, as text or as JSON.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line for people
    Text,
    /// A JSON object for programs
    Json,
}

/// Sends log lines of `level` and above to standard error. `POPHOOK_LOG` says otherwise where it is set, such as
/// `debug` or `pophook::collect=debug,info`.
pub(super) fn start(format: Format, level: &str) {
    let filter = EnvFilter::try_from_env("POPHOOK_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only where a test has set one up before: then that one is as good.
    let started = match format {
        Format::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
    drop(started);
}
