//! Messages, page by page.

use jiff::Timestamp;

use super::Glance;
use super::MessageKey;
use super::Spooled;
use super::State;
use super::glance::searchable;

/// Which messages are wanted; nothing set means all whose copy is here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// These ids; also of messages whose copy was released.
    pub ids: Vec<String>,
    /// These mailboxes.
    pub mailboxes: Vec<String>,
    /// These endpoints: one has or had a delivery of it.
    pub endpoints: Vec<String>,
    /// These states.
    pub states: Vec<State>,
    /// These kinds, by their names: events, `mail`, and what a mail can be (`bounce`).
    pub kinds: Vec<String>,
    /// Mails that hold all of these words, anywhere in the subject, the addresses, the names of attachments and the text.
    /// `"several words"` in quotation marks stand together. What is beyond [`Search::TEXT_MAX`] is not looked for.
    pub text: String,
    /// Committed at this time or later.
    pub since: Option<Timestamp>,
    /// Committed at this time or before.
    pub until: Option<Timestamp>,
    /// Only what waits for a human: a delivery is dead and not dropped, or it is unrouted or quarantined.
    pub waits_for_human: bool,
    /// Committed before this message: the last one of the page before.
    pub before: Option<MessageKey>,
}

impl Search {
    /// The most characters of [`Search::text`]: each word of it is a look into every mail that held the words before it.
    pub const TEXT_MAX: usize = 300;

    /// The words of `text`, ready to be looked for.
    pub(super) fn words(&self) -> Vec<String> {
        let (mut words, mut quoted) = (Vec::new(), false);
        let text: String = self.text.chars().take(Search::TEXT_MAX).collect();
        for piece in text.split('"') {
            match quoted {
                true => words.push(searchable(piece)),
                false => words.extend(piece.split_whitespace().map(searchable)),
            }
            quoted = !quoted;
        }
        words.retain(|word| !word.is_empty());
        words
    }
}

/// One page, the newest message first.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The messages.
    pub messages: Vec<MessageRow>,
    /// After which message the next page begins; `None`: there is none.
    pub next: Option<MessageKey>,
}

/// A message, and what became of it.
#[derive(Debug, Clone)]
pub struct MessageRow {
    /// The message.
    pub message: Spooled,
    /// What is true of our copy.
    pub state: State,
    /// The mail that a notice tells of.
    pub about: Option<String>,
    /// The rule that dropped it.
    pub dropped_by: Option<String>,
    /// When our copy was released.
    pub released_at: Option<Timestamp>,
    /// What is kept of a mail to be shown; `None` of an event, and of a mail that nobody has read yet.
    pub glance: Option<Glance>,
    /// Its deliveries, by endpoint.
    pub deliveries: Vec<DeliveryRow>,
}

impl MessageRow {
    /// Whether its mail was read whole, so that reading it again does no harm: one that kills its reader is quarantined.
    pub fn is_read(&self) -> bool {
        self.glance.is_some() && !matches!(self.state, State::Spooled | State::Quarantined)
    }
}

/// A delivery, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The endpoint.
    pub endpoint: String,
    /// `pending`, `delivered` or `dead`.
    pub state: String,
    /// Why it is dead, or why its endpoint is held.
    pub reason: Option<String>,
    /// Attempts made.
    pub attempts: u32,
    /// The last HTTP status.
    pub last_status: Option<u16>,
    /// When the next attempt is due.
    pub due: Option<Timestamp>,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
}

impl MessageKey {
    /// The key as a number that only its own spool understands.
    pub fn number(self) -> i64 {
        self.0
    }

    /// The key of this number.
    pub fn of_number(number: i64) -> MessageKey {
        MessageKey(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_looked_for_in_any_case_and_quoted_ones_together() {
        let check = |text: &str, expected: &[&str]| {
            let search = Search { text: text.to_owned(), ..Search::default() };
            assert_eq!(search.words(), expected, "{text}");
        };
        check("", &[]);
        check("  Invoice  ÜBER ", &["invoice", "über"]);
        check("late \"your  Order\" now", &["late", "your order", "now"]);
        check("\"open", &["open"]);
        check("\"\" \" \"", &[]);
        check("1 2 3 4 5 6 7 8 9", &["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        check(&format!("{}end beyond", " ".repeat(Search::TEXT_MAX - 3)), &["end"]);
    }
}
