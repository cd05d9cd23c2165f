//! Arguments → a command, exit code.

use std::io;
use std::io::ErrorKind;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use pophook::cli::Cli;
use pophook::cli::DONE;
use pophook::cli::USAGE;
use pophook::cli::exit_code;
use pophook::config::Problems;

fn main() -> ExitCode {
    // Where, and no more: the words of a panic may hold what a mail says.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        drop(writeln!(io::stderr().lock(), "pophook: panicked at {place}"));
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // Help and version are told, not refused. Nothing is left to do if even that cannot be printed.
            drop(told.print());
            return ExitCode::from(if told.use_stderr() { USAGE } else { DONE });
        }
    };
    match cli.run() {
        Ok(code) => code,
        // Whoever read our output has seen enough.
        Err(error) if error.downcast_ref().is_some_and(|e: &io::Error| e.kind() == ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            // Problems of a file are a list, each with the file's name and its line in front, as compilers write them.
            let name = if error.is::<Problems>() { "" } else { "pophook: " };
            drop(writeln!(std::io::stderr().lock(), "{name}{error:#}"));
            ExitCode::from(exit_code(&error))
        }
    }
}
