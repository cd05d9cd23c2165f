//! Bytes of messages that were just accepted, so that the sorting need not read them back from the disk.
//!
//! Only a short cut: what is not here is read from the file. A message whose commit failed has no row, so nobody asks
//! for its bytes; its number is given out again, and then overwrites them.

use std::collections::VecDeque;

use bytes::Bytes;

/// Bytes kept at most. What does not fit is not kept: the oldest are asked for first.
const BYTES_MAX: usize = 2 << 20;

/// The messages that were accepted and not asked for since.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    kept: VecDeque<(i64, Bytes)>,
    bytes: usize,
}

impl Fresh {
    /// Keeps the bytes of message `seq`.
    pub(super) fn put(&mut self, seq: i64, raw: &Bytes) {
        drop(self.take(seq));
        if self.bytes + raw.len() <= BYTES_MAX {
            self.bytes += raw.len();
            self.kept.push_back((seq, raw.clone()));
        }
    }

    /// Gives the bytes of message `seq` out, once.
    pub(super) fn take(&mut self, seq: i64) -> Option<Bytes> {
        let at = self.kept.iter().position(|(kept, _)| *kept == seq)?;
        let (_, raw) = self.kept.remove(at)?;
        self.bytes -= raw.len();
        Some(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_stay_and_each_is_given_out_once() {
        let mut fresh = Fresh::default();
        let large = Bytes::from(vec![0; BYTES_MAX / 2]);
        for seq in 1..=3 {
            fresh.put(seq, &large);
        }
        assert_eq!(fresh.take(3), None);
        assert_eq!(fresh.take(1), Some(large.clone()));
        assert_eq!(fresh.take(1), None);
        fresh.put(2, &Bytes::from_static(b"another, after a commit that failed"));
        assert_eq!(fresh.take(2).unwrap().len(), 35);
        assert_eq!(fresh.bytes, 0);
    }
}
