//! The world that a configuration draws its secrets and certificates from. A trait, so that tests can feed a map.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// How long a command that prints a secret may take: long enough for a vault on a slow network, short enough for
/// someone who waits for `check`.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// Where secrets and certificates come from.
pub(super) trait Outside {
    /// The value of an environment variable; `None` if it is not set or not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// What stands in a file.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The paths of what lies in a folder, in order; `None` for a file.
    fn folder(&self, path: &Path) -> io::Result<Option<Vec<PathBuf>>>;

    /// What a command prints. It gets no input; what it complains about goes where our own complaints go.
    fn command(&self, program: &str, arguments: &[String]) -> Result<Vec<u8>, CommandError>;
}

/// Why a command gave no secret. Its output is never repeated.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("cannot be run: {0}")]
    Run(#[from] io::Error),
    #[error("failed with {0}")]
    Failed(std::process::ExitStatus),
    #[error("did not end within {} s", COMMAND_LIMIT.as_secs())]
    TooSlow,
    #[error("could not be watched")]
    Unwatched,
}

/// The real world.
#[derive(Debug)]
pub(super) struct System;

impl Outside for System {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn folder(&self, path: &Path) -> io::Result<Option<Vec<PathBuf>>> {
        if !std::fs::metadata(path)?.is_dir() {
            return Ok(None);
        }
        let mut names = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(Some(names))
    }

    // On a thread of its own, because the caller may stand inside another runtime, where this one could not wait.
    fn command(&self, program: &str, arguments: &[String]) -> Result<Vec<u8>, CommandError> {
        std::thread::scope(|scope| {
            let running = scope.spawn(|| run(program, arguments));
            running.join().unwrap_or(Err(CommandError::Unwatched))
        })
    }
}

fn run(program: &str, arguments: &[String]) -> Result<Vec<u8>, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        let limited = tokio::time::timeout(COMMAND_LIMIT, command.output());
        let output = limited.await.map_err(|_| CommandError::TooSlow)??;
        if output.status.success() { Ok(output.stdout) } else { Err(CommandError::Failed(output.status)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(program: &str, arguments: &[&str], expected: Result<&str, &str>) {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let outcome = System.command(program, &arguments).map_err(|e| e.to_string());
        assert_eq!(outcome, expected.map(|text| text.as_bytes().to_vec()).map_err(str::to_owned));
    }

    #[test]
    fn a_command_gives_what_it_prints() {
        check("printf", &["%s", "hunter2"], Ok("hunter2"));
    }

    #[test]
    fn a_command_that_fails_gives_nothing() {
        check("sh", &["-c", "echo half; exit 3"], Err("failed with exit status: 3"));
        let missing = System.command("/nonexistent/vault", &[]).unwrap_err().to_string();
        assert!(missing.starts_with("cannot be run: "), "{missing}");
    }

    #[tokio::test]
    async fn a_command_can_be_run_inside_a_runtime() {
        check("printf", &["x"], Ok("x"));
    }
}
