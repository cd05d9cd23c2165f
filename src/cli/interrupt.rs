//! SIGTERM and Ctrl-C, and what a command does before it ends by them.

use std::io;

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use super::out;
use crate::app;
use crate::oauth::Fetches;

/// The signals that ask for the end.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they end nothing by themselves.
    pub(super) fn listen() -> io::Result<Signals> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns at the next one.
    pub(super) async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Carries `work` out; `None` if a signal came first, which is answered with `note`.
///
/// Either way, access tokens that are under way are waited for, until another signal comes.
pub(super) async fn unless_interrupted<T>(
    fetches: &Fetches,
    note: &str,
    work: impl Future<Output = T>,
) -> io::Result<Option<T>> {
    let mut signals = Signals::listen()?;
    let done = tokio::select! {
        done = work => Some(done),
        () = signals.any() => {
            out::note(note)?;
            None
        }
    };
    tokio::select! {
        () = app::end_fetches(fetches, Fetches::LONGEST) => {}
        () = signals.any() => {}
    }
    Ok(done)
}
