//! How a mailbox and an endpoint stand, in words, and what to do about it. Pure.

use jiff::Timestamp;

use super::frame::Badge;
use super::words;
use crate::metrics::CollectMetrics;
use crate::metrics::DeliverMetrics;
use crate::spool::Breaker;
use crate::spool::EndpointRow;
use crate::spool::Hold;
use crate::spool::MailboxRow;

/// What the metrics say of a configured mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gauges {
    /// In Unix time; 0 for none.
    pub(super) last_success: i64,
    pub(super) next_visit: i64,
    pub(super) listed: i64,
    pub(super) stopped: bool,
}

/// Reads them. Only of a mailbox that is configured: its label pairs exist.
pub(super) fn gauges(metrics: &CollectMetrics, name: &str) -> Gauges {
    let name = [name];
    Gauges {
        last_success: metrics.last_success.with_label_values(&name).get(),
        next_visit: metrics.next_visit.with_label_values(&name).get(),
        listed: metrics.maildrop_messages.with_label_values(&name).get(),
        stopped: metrics.stopped.with_label_values(&name).get() == 1,
    }
}

/// The mean time of an attempt since the start; `None` before the first. Only of an endpoint that is configured.
pub(super) fn mean(metrics: &DeliverMetrics, name: &str) -> Option<String> {
    let histogram = metrics.attempt_seconds.with_label_values(&[name]);
    let count = u32::try_from(histogram.get_sample_count()).ok().filter(|count| *count > 0)?;
    Some(format!("{:.0} ms", 1000.0 * histogram.get_sample_sum() / f64::from(count)))
}

/// What is remembered and measured of a mailbox; no gauges where it is not configured any more.
pub(super) fn mailbox(row: &MailboxRow, gauges: Option<Gauges>, now: Timestamp) -> (Badge, Option<&'static str>) {
    let since = row.condition_since.as_deref().and_then(|at| at.parse().ok()).map(|at| words::ago(now, at));
    let since = since.map(|since| format!(" (since {since})")).unwrap_or_default();
    let Some(gauges) = gauges else {
        let remedy =
            "It is no longer configured: its mail is still delivered, and nothing more is deleted on its server.";
        return (Badge::new("faint", "removed"), Some(remedy));
    };
    if row.paused_since.is_some() {
        return (Badge::new("warn", "paused"), Some("An operator paused it. Its mail stays on the server; resume it."));
    }
    if row.flood == "unresolved" {
        let remedy = "Most of its known unique-ids are gone at once, and nothing is retrieved until you decide: \
                      `pophook mailbox reset NAME --as seen` or `--as new`.";
        return (Badge::new("bad", "the server numbered its mail anew"), Some(remedy));
    }
    let reason = row.condition_reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match row.condition.as_str() {
        "auth_failed" => {
            let remedy = if gauges.stopped {
                "It is visited no more until its credentials change, so that the account is not locked: set a right \
                 password or log in anew, and reload."
            } else {
                "The server refuses the login: look at user name, password or token."
            };
            (Badge::new("bad", format!("login refused{reason}{since}")), Some(remedy))
        }
        "unreachable" => {
            let remedy = "Visits fail: look at host, port and TLS with `pophook check --online`; the log says why.";
            (Badge::new("bad", format!("cannot be visited{reason}{since}")), Some(remedy))
        }
        _ if gauges.stopped => {
            (Badge::new("bad", "stopped"), Some("The server wants a human to look: the log says why."))
        }
        _ if gauges.last_success == 0 => (Badge::new("warn", "not visited yet"), None),
        _ => (Badge::new("good", "well"), None),
    }
}

/// What is remembered of an endpoint.
pub(super) fn endpoint(row: &EndpointRow, now: Timestamp) -> (Badge, Option<&'static str>) {
    if let Some(held) = row.held {
        let remedy = match held {
            Hold::Gone => "Its deliveries wait. Is its URL right? Then resume it.",
            Hold::RefusesAll => {
                "Its deliveries wait, so that a faulty release buries nothing. Mend it, then resume it."
            }
            Hold::HeadRefused => "Settle the message that it refuses, or mend the endpoint; then resume it.",
            Hold::Status => "Its deliveries wait for you: mend it, then resume it.",
            Hold::NoValidKey => "Give it a signing key that is valid now; the hold ends by itself.",
            Hold::Removed => {
                "Its deliveries wait. Hand them over with `pophook spool retry --endpoint OLD --to NEW`, or drop them."
            }
        };
        return (Badge::new("bad", format!("held: {}", words::why_held(held.as_str()))), Some(remedy));
    }
    if let Some(until) = row.paused_until.filter(|until| *until > now) {
        let text = format!("asked to be left alone, tried again {}", words::ago(now, until));
        return (Badge::new("warn", text), None);
    }
    match row.breaker {
        Breaker::Closed => (Badge::new("good", "well"), None),
        Breaker::HalfOpen => (Badge::new("warn", "tried out after failures"), None),
        Breaker::Open { .. } => {
            let remedy = "It failed again and again, so it is spared but for a single try from time to time.";
            (Badge::new("bad", "breaker open"), Some(remedy))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::EndpointName;

    const WELL: Gauges = Gauges { last_success: 1, next_visit: 2, listed: 0, stopped: false };

    fn now() -> Timestamp {
        "2026-01-31T12:00:00Z".parse().unwrap()
    }

    fn row() -> MailboxRow {
        MailboxRow {
            mailbox: "support".to_owned(),
            listed_at: None,
            flood: "none".to_owned(),
            taken: 0,
            skipped: 0,
            oversize: 0,
            condition: "ok".to_owned(),
            condition_since: None,
            condition_reason: None,
            paused_since: None,
        }
    }

    fn check(row: &MailboxRow, gauges: Option<Gauges>, expected: &str, helps: bool) {
        let (badge, remedy) = mailbox(row, gauges, now());
        assert_eq!((&*badge.text, remedy.is_some()), (expected, helps));
    }

    #[test]
    fn a_mailbox_says_what_is_wrong_and_what_to_do() {
        check(&row(), Some(WELL), "well", false);
        check(&row(), Some(Gauges { last_success: 0, ..WELL }), "not visited yet", false);
        check(&row(), None, "removed", true);
        let refused = MailboxRow {
            condition: "auth_failed".to_owned(),
            condition_since: Some("2026-01-31T10:00:00.000Z".to_owned()),
            condition_reason: Some("login_refused".to_owned()),
            ..row()
        };
        check(&refused, Some(WELL), "login refused: login_refused (since 2 h ago)", true);
        let stopped = Some(Gauges { stopped: true, ..WELL });
        assert_ne!(mailbox(&refused, stopped, now()).1, mailbox(&refused, Some(WELL), now()).1);
        let paused = MailboxRow { paused_since: Some("2026-01-31T10:00:00.000Z".to_owned()), ..refused };
        check(&paused, Some(WELL), "paused", true);
        let flooded = MailboxRow { flood: "unresolved".to_owned(), ..row() };
        check(&flooded, Some(WELL), "the server numbered its mail anew", true);
        let unreachable = MailboxRow { condition: "unreachable".to_owned(), ..row() };
        check(&unreachable, Some(WELL), "cannot be visited", true);
    }

    #[test]
    fn an_endpoint_says_why_nothing_is_posted() {
        let row = EndpointRow {
            endpoint: EndpointName::parse("desk").unwrap(),
            paused_until: None,
            held: None,
            breaker: Breaker::Closed,
            pending: 0,
        };
        let check = |row: EndpointRow, expected: &str| assert_eq!(endpoint(&row, now()).0.text, expected);
        check(row.clone(), "well");
        let until = "2026-01-31T12:05:00Z".parse().ok();
        check(EndpointRow { paused_until: until, ..row.clone() }, "asked to be left alone, tried again in 5 min");
        check(EndpointRow { paused_until: "2026-01-31T11:00:00Z".parse().ok(), ..row.clone() }, "well");
        let open = Breaker::Open { probe_at: now(), failed: 3 };
        check(EndpointRow { breaker: open, ..row.clone() }, "breaker open");
        for held in Hold::ALL {
            let (badge, remedy) = endpoint(&EndpointRow { held: Some(held), breaker: open, ..row.clone() }, now());
            assert!(badge.text.starts_with("held: ") && remedy.is_some(), "{held:?}");
        }
    }
}
