//! Where log lines go: standard error, as text or as JSON.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line for people
    Text,
    /// A JSON object for programs
    Json,
}

/// The environment variable that says which lines are wanted.
const FILTER_ENV: &str = "POPHOOK_LOG";

/// Who did what is written whatever level is wanted, unless somebody says `audit=off`.
const AUDIT: &str = "audit=info";

/// Sends log lines of `level` and above to standard error. `POPHOOK_LOG` says otherwise where it is set, such as
/// `debug` or `pophook::collect=debug,info`. A slip in it silences nothing: it is told, and `level` holds.
pub(super) fn start(format: Format, level: &str) {
    let wanted = std::env::var(FILTER_ENV).ok().filter(|wanted| !wanted.trim().is_empty());
    let read = wanted.as_deref().map(filter).unwrap_or_else(|| filter(level));
    let (filter, slip) = match read {
        Ok(filter) => (filter, None),
        Err(slip) => (EnvFilter::new(format!("{level},{AUDIT}")), Some(slip)),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only where a test has set one up before: then that one is as good.
    let started = match format {
        Format::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
    drop(started);
    if let Some(slip) = slip {
        tracing::error!("{FILTER_ENV}: {slip}; write error, warn, info or debug, or pophook::collect=debug,info");
    }
}

/// Reads what is wanted; a word that is no level would be taken for the name of somebody's code, and all else be silent.
fn filter(wanted: &str) -> Result<EnvFilter, String> {
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    let words = wanted.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    let mut directives: Vec<&str> = words.collect();
    for directive in &directives {
        if !is_level(directive) && !directive.starts_with("pophook") && !directive.contains('=') {
            return Err(format!("{directive:?} is no level"));
        }
    }
    if !directives.iter().any(|directive| directive.starts_with("audit")) {
        directives.push(AUDIT);
    }
    EnvFilter::try_new(directives.join(",")).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_the_wanted_level_is_told() {
        for fine in ["debug", "WARN", "off", "pophook::collect=debug,info", "hyper=warn , debug"] {
            assert!(filter(fine).is_ok(), "{fine}");
        }
        assert!(filter("warn").unwrap().to_string().contains(AUDIT), "who did what is told all the same");
        assert_eq!(filter("audit=off").unwrap().to_string(), "audit=off");
        for slip in ["verbose", "debug,verbos", "pophook=loud"] {
            assert!(filter(slip).is_err(), "{slip}");
        }
    }
}
