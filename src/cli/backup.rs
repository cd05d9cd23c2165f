//! `pophook spool backup`: a copy of the spool, made beside a daemon or not.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::process;
use std::process::ExitCode;

use anyhow::Context as _;
use bytesize::ByteSize;
use clap::Args;

use super::ConfigFile;
use super::out;
use super::store;
use crate::spool::sqlite;
use crate::spool::sqlite::Copied;

#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    config: ConfigFile,
    /// The file to make, which must not be there; `-` writes it to standard output
    file: PathBuf,
}

impl Backup {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        // Says it where there is none.
        store::read(&self.config)?;
        let spool = self.config.load_spool()?.path;
        if self.file == Path::new("-") {
            // Standard output is the copy's.
            out::note(&told("standard output", write_out(&spool)?))?;
        } else {
            let copied = sqlite::back_up(&spool, &self.file)?;
            out::line(told(&self.file.display().to_string(), copied).as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn told(to: &str, Copied { size, messages }: Copied) -> String {
    format!("copied the spool to {to}: {messages} messages, {}", ByteSize(size))
}

/// Sends the copy through standard output. It lies beside the spool while it is made, where there must be room for it.
fn write_out(spool: &Path) -> anyhow::Result<Copied> {
    let mut name = spool.as_os_str().to_owned();
    name.push(format!(".backup-{}", process::id()));
    let copy = PathBuf::from(name);
    let copied = sqlite::back_up(spool, &copy)?;
    let file = fs::File::open(&copy);
    // Nothing but the open file needs it any more, however this ends.
    fs::remove_file(&copy)?;
    io::copy(&mut file?, &mut io::stdout().lock()).context("cannot write to standard output")?;
    Ok(copied)
}
