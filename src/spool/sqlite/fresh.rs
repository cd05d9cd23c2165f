//! Bytes of messages that were just accepted, so that the sorting need not read them back from the disk.
//!
//! Only a short cut: what is not here is read from the file. They are known by the message's id, which says what they are:
//! the number of a message whose commit failed is given out again, to whatever comes next.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::ident::MessageId;

/// Bytes kept at most. What does not fit is not kept: the oldest are asked for first.
const BYTES_MAX: usize = 2 << 20;

/// The messages that were accepted and not asked for since.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    kept: VecDeque<(MessageId, Bytes)>,
    bytes: usize,
}

impl Fresh {
    /// Keeps the bytes of a message.
    pub(super) fn put(&mut self, id: &MessageId, raw: &Bytes) {
        drop(self.take(id));
        if self.bytes + raw.len() <= BYTES_MAX {
            self.bytes += raw.len();
            self.kept.push_back((id.clone(), raw.clone()));
        }
    }

    /// Gives the bytes of a message out, once.
    pub(super) fn take(&mut self, id: &MessageId) -> Option<Bytes> {
        let at = self.kept.iter().position(|(kept, _)| kept == id)?;
        let (_, raw) = self.kept.remove(at)?;
        self.bytes -= raw.len();
        Some(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::Content;
    use crate::ident::MailboxName;

    #[test]
    fn the_oldest_stay_and_each_is_given_out_once() {
        let mailbox = MailboxName::parse("support").unwrap();
        let [one, two, three] = [b"1", b"2", b"3"].map(|raw| MessageId::of(&mailbox, &Content::of(raw)));
        let mut fresh = Fresh::default();
        let large = Bytes::from(vec![0; BYTES_MAX / 2]);
        for id in [&one, &two, &three] {
            fresh.put(id, &large);
        }
        assert_eq!(fresh.take(&three), None);
        assert_eq!(fresh.take(&one), Some(large.clone()));
        assert_eq!(fresh.take(&one), None);
        fresh.put(&two, &Bytes::from_static(b"again, after a commit that failed"));
        assert_eq!(fresh.take(&two).unwrap().len(), 33);
        assert_eq!(fresh.bytes, 0);
    }
}
