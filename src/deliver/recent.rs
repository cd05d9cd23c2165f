//! Parsed mails that wait for their first attempt, so that most are parsed once.
//!
//! Nothing depends on it: what is not here is read from the spool and parsed anew.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::parse::Mail;
use crate::spool::MessageKey;

/// Raw bytes of the mails kept at most; parsed they take about as much.
const BYTES_MAX: u64 = 2 << 20;
/// Mails that were not asked for in so long are given up.
const STALE: Duration = Duration::from_secs(5);
/// How long the sorting holds back for first attempts to catch up. Short: an endpoint that is slow must not keep the
/// mail of the others waiting.
const PATIENCE: Duration = Duration::from_millis(50);

/// The mails that were sorted and not tried since.
#[derive(Debug, Default)]
pub(super) struct Recent {
    kept: Mutex<Kept>,
    taken: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    mails: VecDeque<Waiting>,
    bytes: u64,
}

#[derive(Debug)]
struct Waiting {
    message: MessageKey,
    mail: Arc<Mail>,
    size: u64,
    since: Duration,
}

impl Recent {
    /// Keeps `mail`, of `size` raw bytes, if there is room for it: the oldest are asked for first. `now` is the uptime.
    pub(super) fn put(&self, message: MessageKey, mail: Arc<Mail>, size: u64, now: Duration) {
        let mut kept = self.kept();
        // Their endpoint is held, or down: they would keep the room from the mail of others.
        while let Some(oldest) = kept.mails.pop_front_if(|oldest| now.saturating_sub(oldest.since) > STALE) {
            kept.bytes -= oldest.size;
        }
        if kept.bytes + size <= BYTES_MAX {
            kept.bytes += size;
            kept.mails.push_back(Waiting { message, mail, size, since: now });
        }
    }

    /// The parsed mail of `message`, if it is still here.
    pub(super) fn get(&self, message: MessageKey) -> Option<Arc<Mail>> {
        let kept = self.kept();
        kept.mails.iter().find(|waiting| waiting.message == message).map(|waiting| Arc::clone(&waiting.mail))
    }

    /// Forgets `message`: its first attempt has ended.
    pub(super) fn forget(&self, message: MessageKey) {
        let mut kept = self.kept();
        if let Some(at) = kept.mails.iter().position(|waiting| waiting.message == message)
            && let Some(gone) = kept.mails.remove(at)
        {
            kept.bytes -= gone.size;
            self.taken.notify_one();
        }
    }

    /// Waits a little for first attempts to catch up, so that mails are not parsed only to be forgotten.
    pub(super) async fn room(&self) {
        let roomy = async {
            while self.kept().bytes > BYTES_MAX / 2 {
                self.taken.notified().await;
            }
        };
        // Out of patience is no fault: what finds no room is parsed again.
        drop(timeout(PATIENCE, roomy).await);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
