//! The identities that every room shares, each with its validity rule.
//!
//! Parsed once at the border and believed inside: a value of these types is always legal. Nothing here does I/O,
//! and nothing here knows where an identity is used.

mod content;
mod reserved;
mod unique_id;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use sha2::Digest as _;
use sha2::Sha256;

pub use content::Content;
pub use unique_id::UniqueId;

/// The longest name of a mailbox or an endpoint, in bytes: it becomes a metric label and a table column.
const NAME_MAX: usize = 64;

/// Why a string is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name: use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit")]
pub struct NameError(String);

fn legal_name(name: &str) -> Result<Arc<str>, NameError> {
    let legal = (1..=NAME_MAX).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if legal { Ok(name.into()) } else { Err(NameError(name.to_owned())) }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Accepts `name` if it is 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit.
            ///
            /// # Errors
            /// [`NameError`] otherwise.
            pub fn parse(name: &str) -> Result<Self, NameError> {
                legal_name(name).map(Self)
            }

            /// The name as it stands in the configuration.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The configured name of a mailbox: part of every message's identity, so it never changes.
    MailboxName
}

name! {
    /// The configured name of an HTTP receiver.
    EndpointName
}

/// Our name for one message, sent as `webhook-id`. That of an event about something else than one mail of a server
/// begins with `evt_`; see [`MessageId::of_event`].
///
/// `msg_` and the first 26 characters of lower-case unpadded base32 (RFC 4648) of
/// SHA-256(`v1` NUL mailbox NUL content). It depends on the mail alone, so a spool that was lost and filled again
/// gives every mail the id that it had before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Arc<str>);

impl MessageId {
    /// The id of a message in `mailbox` that is known by its `content`.
    pub fn of(mailbox: &MailboxName, content: &Content) -> MessageId {
        MessageId::from_hash(Self::hash(mailbox, content))
    }

    /// The id where two equal mails under two unique-ids shall be two messages (`dedupe: unique_id`).
    pub fn of_copy(mailbox: &MailboxName, content: &Content, unique_id: &UniqueId) -> MessageId {
        MessageId::from_hash(Self::hash(mailbox, content).chain_update([0]).chain_update(unique_id.as_bytes()))
    }

    /// The id of the event that tells of a message that is too large: it is known by what the server calls it, and by
    /// its size, because nobody has read it.
    pub fn of_oversize(mailbox: &MailboxName, unique_id: &UniqueId, size: u64) -> MessageId {
        let hash = Sha256::new_with_prefix(b"v1\0").chain_update(mailbox.as_str()).chain_update(b"\0mail.oversize\0");
        MessageId::from_hash(hash.chain_update(unique_id.as_bytes()).chain_update([0]).chain_update(size.to_string()))
    }

    /// The id of an event: `evt_` and the same of SHA-256(`v1` NUL type NUL subject NUL generation). The subject is what
    /// it tells of, the generation what makes another event of the same thing another one.
    pub fn of_event(kind: &str, subject: &str, generation: &str) -> MessageId {
        let hash = Sha256::new_with_prefix(b"v1\0").chain_update(kind).chain_update([0]).chain_update(subject);
        MessageId::written("evt", hash.chain_update([0]).chain_update(generation))
    }

    /// Accepts the text of an id that was given out before.
    pub fn parse(text: &str) -> Option<MessageId> {
        let tail = text.strip_prefix("msg_").or_else(|| text.strip_prefix("evt_"))?;
        let legal = tail.len() == 26 && tail.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        legal.then(|| MessageId(text.into()))
    }

    /// The id as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn hash(mailbox: &MailboxName, content: &Content) -> Sha256 {
        Sha256::new_with_prefix(b"v1\0")
            .chain_update(mailbox.as_str())
            .chain_update([0])
            .chain_update(content.as_bytes())
    }

    fn from_hash(hash: Sha256) -> MessageId {
        MessageId::written("msg", hash)
    }

    fn written(prefix: &str, hash: Sha256) -> MessageId {
        let text = data_encoding::BASE32_NOPAD.encode(&hash.finalize()).to_ascii_lowercase();
        MessageId(format!("{prefix}_{}", text.get(..26).unwrap_or(&text)).into())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_printable() {
        for good in ["support", "a", "0day", "eu.sales-2_x", &"x".repeat(64)] {
            assert_eq!(MailboxName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-x", ".x", "a b", "ä", "a/b", "a\0", &"x".repeat(65)] {
            assert!(MailboxName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_id_of_the_published_test_vector() {
        let content = Content::of(b"Subject: hi\r\nX-UIDL: abc\r\n\r\nhello\r\n\r\n");
        let id = MessageId::of(&MailboxName::parse("support").unwrap(), &content);
        assert_eq!(id.as_str(), "msg_p54ru6mx5sc2wc6slugowgnw2j");
        assert_eq!(MessageId::parse(id.as_str()), Some(id));
    }

    #[test]
    fn another_mailbox_or_unique_id_gives_another_id() {
        let content = Content::of(b"\r\n");
        let (a, b) = (MailboxName::parse("a").unwrap(), MailboxName::parse("b").unwrap());
        assert_ne!(MessageId::of(&a, &content), MessageId::of(&b, &content));
        let copy = MessageId::of_copy(&a, &content, &UniqueId::parse(b"1").unwrap());
        assert_ne!(copy, MessageId::of(&a, &content));
    }

    #[test]
    fn an_event_has_an_id_of_its_own_for_each_message_and_size() {
        let check = |mailbox: &str, unique_id: &[u8], size| {
            MessageId::of_oversize(&MailboxName::parse(mailbox).unwrap(), &UniqueId::parse(unique_id).unwrap(), size)
        };
        let id = check("support", b"7", 60_000_000);
        assert_eq!(id.as_str(), "msg_owr5etbu7myd4ue5zudtiyykki");
        assert_eq!(MessageId::parse(id.as_str()), Some(id.clone()));
        let others = [check("sales", b"7", 60_000_000), check("support", b"8", 60_000_000), check("support", b"7", 6)];
        assert!(others.iter().all(|other| *other != id));
    }

    #[test]
    fn an_event_of_ours_is_known_by_what_it_tells_of_and_its_generation() {
        let id = MessageId::of_event("mail.dead_letter", "msg_p54ru6mx5sc2wc6slugowgnw2j desk", "1");
        assert_eq!(id.as_str(), "evt_7lip5ubhymhc4mustwzfy2b67q");
        assert_eq!(MessageId::parse(id.as_str()), Some(id.clone()));
        let others = [("mailbox.recovered", "m", "1"), ("mail.dead_letter", "m", "1"), ("mail.dead_letter", "m", "2")];
        let others = others.map(|(kind, subject, generation)| MessageId::of_event(kind, subject, generation));
        assert!(others.iter().all(|other| *other != id) && others[1] != others[2]);
    }

    #[test]
    fn only_our_own_ids_are_accepted_back() {
        for bad in [
            "",
            "msg_",
            "msg_p54ru6mx5sc2wc6slugowgnw2J",
            "evt_p54ru6mx5sc2wc6slugowgnw2",
            "eve_p54ru6mx5sc2wc6slugowgnw2j",
            "msg_p54ru6mx5sc2wc6slugowgnw2jj",
        ] {
            assert_eq!(MessageId::parse(bad), None, "{bad:?}");
        }
    }
}
