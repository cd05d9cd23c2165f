//! States in words. Pure.

use std::time::Duration;

use bytesize::ByteSize;
use jiff::Timestamp;

use super::frame::Badge;
use crate::spool::DeliveryRow;
use crate::spool::MessageRow;
use crate::spool::State;

/// The states that a list can be narrowed to, each with what it is called.
pub(super) const STATES: [(&str, &str); 8] = [
    ("attention", "waits for a human"),
    ("spooled", "not read yet"),
    ("routed", "waits for endpoints"),
    ("delivered", "delivered"),
    ("dead", "dead letter"),
    ("unrouted", "unrouted"),
    ("quarantined", "quarantined"),
    ("dropped", "dropped"),
];

/// What became of our copy.
pub(super) fn of_message(row: &MessageRow) -> Badge {
    match row.state {
        _ if row.released_at.is_some() => Badge::new("faint", "our copy is gone"),
        State::Spooled => Badge::new("warn", "not read yet"),
        State::Routed if row.deliveries.is_empty() => Badge::new("good", "settled"),
        State::Routed => Badge::new("warn", "waits for endpoints"),
        State::Delivered => Badge::new("good", "delivered"),
        State::Dead => Badge::new("bad", "dead letter"),
        State::Unrouted => Badge::new("bad", "unrouted: no rule matched"),
        State::Quarantined => Badge::new("bad", "quarantined: reading it failed three times"),
        State::Dropped => match &row.dropped_by {
            Some(rule) => Badge::new("faint", format!("dropped by {rule}")),
            None => Badge::new("faint", "dropped"),
        },
    }
}

/// What became of one delivery, without its endpoint.
pub(super) fn of_delivery(row: &DeliveryRow) -> Badge {
    let reason = row.reason.as_deref();
    match (&*row.state, reason) {
        ("delivered", _) => Badge::new("good", "delivered"),
        ("dead", Some("dropped")) => Badge::new("faint", "dropped"),
        ("dead", reason) => Badge::new("bad", format!("dead: {}", why_dead(reason.unwrap_or_default()))),
        (_, Some(held)) => Badge::new("warn", format!("held: {}", why_held(held))),
        _ if row.attempts == 0 => Badge::new("warn", "waits"),
        _ => Badge::new("warn", format!("failed {} so far", times(row.attempts))),
    }
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// Why a delivery is dead, in words.
pub(super) fn why_dead(reason: &str) -> &str {
    match reason {
        "refused" => "refused five times",
        "expired" => "its time was over",
        "too_large" => "its attachments are too large for the endpoint",
        "damaged" => "our copy of it is damaged",
        other => other,
    }
}

/// Why an endpoint is held, in words.
pub(super) fn why_held(reason: &str) -> &str {
    match reason {
        "gone" => "it answered 410 twice",
        "refuses_all" => "it refuses every message",
        "head_refused" => "it refuses the message that others wait for",
        "answered_hold" => "its status map says so of an answer",
        "no_valid_key" => "no signing key is valid now",
        "removed" => "it is no longer in the configuration",
        other => other,
    }
}

/// The badges of a line in a list.
pub(super) fn of_line(row: &MessageRow) -> Vec<Badge> {
    if row.deliveries.is_empty() || row.released_at.is_some() {
        return vec![of_message(row)];
    }
    let named = |delivery: &DeliveryRow| {
        let badge = of_delivery(delivery);
        Badge { text: format!("{}: {}", delivery.endpoint, badge.text), ..badge }
    };
    row.deliveries.iter().map(named).collect()
}

/// How long ago `at` was, or in how long it will be.
pub(super) fn ago(now: Timestamp, at: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    let span = span(Duration::from_secs(seconds.unsigned_abs()));
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {span}"),
        _ => format!("{span} ago"),
    }
}

/// A duration in its largest unit.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    for (unit, length) in [("d", 86_400), ("h", 3600), ("min", 60)] {
        if seconds >= 2 * length || (seconds >= length && unit == "min") {
            return format!("{} {unit}", seconds / length);
        }
    }
    format!("{seconds} s")
}

/// A time to read: UTC, to the second.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// A size to read.
pub(super) fn size(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_largest_unit() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let check = |at: &str, expected: &str| assert_eq!(ago(now, at.parse().unwrap()), expected);
        check("2026-01-31T12:00:00Z", "now");
        check("2026-01-31T11:59:01Z", "59 s ago");
        check("2026-01-31T11:58:30Z", "1 min ago");
        check("2026-01-31T10:01:00Z", "119 min ago");
        check("2026-01-31T10:00:00Z", "2 h ago");
        check("2026-01-29T12:00:00Z", "2 d ago");
        check("2026-01-31T12:05:00Z", "in 5 min");
    }

    #[test]
    fn a_delivery_says_what_it_waits_for() {
        let check = |state: &str, reason: Option<&str>, attempts: u32, expected: &str| {
            let row = DeliveryRow {
                endpoint: "desk".to_owned(),
                state: state.to_owned(),
                reason: reason.map(str::to_owned),
                attempts,
                last_status: None,
                due: None,
                settled_at: None,
            };
            assert_eq!(of_delivery(&row).text, expected);
        };
        check("delivered", None, 1, "delivered");
        check("pending", None, 0, "waits");
        check("pending", None, 1, "failed once so far");
        check("pending", None, 7, "failed 7 times so far");
        check("pending", Some("gone"), 2, "held: it answered 410 twice");
        check("dead", Some("refused"), 5, "dead: refused five times");
        check("dead", Some("dropped"), 5, "dropped");
    }

    #[test]
    fn every_reason_has_words_of_its_own() {
        for hold in crate::spool::Hold::ALL {
            assert_ne!(why_held(hold.as_str()), hold.as_str());
        }
        for reason in crate::spool::Reason::DEAD_LETTERS {
            assert_ne!(why_dead(reason.as_str()), reason.as_str());
        }
    }

    #[test]
    fn every_state_can_be_asked_for() {
        for state in State::ALL {
            assert!(STATES.iter().any(|(name, _)| *name == state.as_str()), "{state:?}");
        }
    }
}
