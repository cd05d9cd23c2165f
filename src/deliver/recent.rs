//! Parsed mails that wait for their first attempt, so that most are parsed once.
//!
//! Nothing depends on it: what is not here is read from the spool and parsed anew.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::parse::Mail;
use crate::spool::MessageKey;

/// Raw bytes of the mails kept at most; parsed they take about as much again.
const BYTES_MAX: u64 = 4 << 20;

/// The mails that were sorted last.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    mails: VecDeque<(MessageKey, Arc<Mail>, u64)>,
    bytes: u64,
}

impl Recent {
    /// Keeps `mail`, of `size` raw bytes; the oldest go to make room.
    pub(super) fn put(&self, message: MessageKey, mail: Arc<Mail>, size: u64) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += size;
        kept.mails.push_back((message, mail, size));
        while kept.bytes > BYTES_MAX {
            let Some((_, _, size)) = kept.mails.pop_front() else { break };
            kept.bytes -= size;
        }
    }

    /// The parsed mail of `message`, if it is still here.
    pub(super) fn get(&self, message: MessageKey) -> Option<Arc<Mail>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.mails.iter().find(|(key, ..)| *key == message).map(|(_, mail, _)| Arc::clone(mail))
    }

    /// Forgets `message`.
    pub(super) fn forget(&self, message: MessageKey) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.mails.iter().position(|(key, ..)| *key == message)
            && let Some((_, _, size)) = kept.mails.remove(at)
        {
            kept.bytes -= size;
        }
    }
}
