//! What an endpoint's own status map changes in the meaning of its answers. Pure.
//!
//! Its code decides, else its class (`4xx`), else the preset, else what `outcome` says of every endpoint. Two things
//! hold whatever is written: 2xx is accepted, and an answer that asks to wait (429, 503 with `Retry-After`) pauses the
//! endpoint unless its very code is named. A preset follows what a mail vendor does with the answers of its customers'
//! receivers; but where the vendor drops mail, the message is refused here, and ends in the list of dead letters.

use std::collections::BTreeMap;
use std::time::Duration;

use super::outcome::Judgement;
use super::outcome::Outcome;
use super::outcome::Says;
use super::outcome::judge;

/// What an answer is to mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It failed, and is tried again.
    Retry,
    /// The endpoint will not take this message; five times, and it is a dead letter.
    Refuse,
    /// The endpoint takes nothing until a human has looked.
    Hold,
    /// The endpoint has the message, whatever the status says.
    Accept,
}

/// Whose receivers an endpoint was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Nobody's.
    Default,
    /// Postmark's inbound webhook: 403 ends the retries, everything else but 200 is tried again.
    Postmark,
    /// `CloudMailin`: 4xx rejects the mail, everything else is tried again.
    Cloudmailin,
    /// Inbound Parse of `SendGrid`: only 5xx is tried again.
    Sendgrid,
    /// Mailgun's routes: 406 ends the retries, everything else but 200 is tried again.
    Mailgun,
}

/// The status map of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses {
    /// What holds where nothing else is written.
    pub preset: Preset,
    /// Per hundreds: 3, 4 or 5.
    pub classes: BTreeMap<u16, Meaning>,
    /// Per code, from 300 to 599.
    pub codes: BTreeMap<u16, Meaning>,
}

impl Default for Statuses {
    fn default() -> Statuses {
        Statuses { preset: Preset::Default, classes: BTreeMap::new(), codes: BTreeMap::new() }
    }
}

impl Statuses {
    /// Judges an HTTP status; `retry_after` is the wait that the answer asked for.
    pub(super) fn judge(&self, status: u16, retry_after: Option<Duration>) -> Judgement {
        let usual = judge(status, retry_after);
        let asks_to_wait = matches!(usual.says, Says::Wait(_));
        let general = || self.classes.get(&(status / 100)).copied().or_else(|| self.preset.meaning(status));
        let meaning = match self.codes.get(&status) {
            _ if usual.outcome == Outcome::Delivered => return usual,
            Some(meaning) => *meaning,
            None if asks_to_wait => return usual,
            None => match general() {
                Some(meaning) => meaning,
                None => return usual,
            },
        };
        match meaning {
            Meaning::Retry if asks_to_wait => usual,
            Meaning::Retry => Judgement { outcome: Outcome::Deferred, says: Says::Nothing },
            Meaning::Refuse => Judgement { outcome: Outcome::Refused, says: Says::Nothing },
            Meaning::Hold => Judgement { outcome: Outcome::Deferred, says: Says::Hold },
            Meaning::Accept => Judgement { outcome: Outcome::Delivered, says: Says::Nothing },
        }
    }
}

impl Preset {
    fn meaning(self, status: u16) -> Option<Meaning> {
        match (self, status) {
            (Preset::Postmark, 403) | (Preset::Mailgun, 406) | (Preset::Cloudmailin | Preset::Sendgrid, 400..=499) => {
                Some(Meaning::Refuse)
            }
            (Preset::Postmark | Preset::Mailgun, 400..=499) => Some(Meaning::Retry),
            (Preset::Default | Preset::Postmark | Preset::Mailgun | Preset::Cloudmailin | Preset::Sendgrid, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(7);

    fn map(preset: Preset, classes: &[(u16, Meaning)], codes: &[(u16, Meaning)]) -> Statuses {
        Statuses { preset, classes: classes.iter().copied().collect(), codes: codes.iter().copied().collect() }
    }

    /// An answer with this status, `Retry-After` 7 seconds where the status may carry it.
    fn check(map: &Statuses, statuses: &[u16], outcome: Outcome, says: Says) {
        for status in statuses {
            let retry_after = matches!(status, 429 | 503).then_some(WAIT);
            assert_eq!(map.judge(*status, retry_after), Judgement { outcome, says }, "{status} {map:?}");
        }
    }

    #[test]
    fn without_a_map_every_status_means_what_it_always_does() {
        for status in 100..1000 {
            for after in [None, Some(WAIT)] {
                assert_eq!(Statuses::default().judge(status, after), judge(status, after));
            }
        }
    }

    #[test]
    fn a_code_beats_its_class_and_a_class_the_preset() {
        use Outcome::Deferred;
        use Outcome::Delivered;
        use Outcome::Refused;
        let map = map(
            Preset::Sendgrid,
            &[(5, Meaning::Hold)],
            &[(409, Meaning::Accept), (404, Meaning::Retry), (500, Meaning::Refuse)],
        );
        check(&map, &[409], Delivered, Says::Nothing);
        check(&map, &[404, 302], Deferred, Says::Nothing);
        check(&map, &[400, 401, 403, 410, 500], Refused, Says::Nothing);
        check(&map, &[501, 502, 599], Deferred, Says::Hold);
        check(&map, &[429, 503], Deferred, Says::Wait(WAIT));
        check(&map, &[200, 202, 204], Delivered, Says::Nothing);
    }

    #[test]
    fn a_class_does_not_make_a_request_to_wait_a_refusal_but_its_code_does() {
        let by_class = map(Preset::Default, &[(4, Meaning::Refuse), (5, Meaning::Refuse)], &[]);
        check(&by_class, &[429, 503], Outcome::Deferred, Says::Wait(WAIT));
        let by_code =
            map(Preset::Default, &[], &[(429, Meaning::Refuse), (503, Meaning::Retry), (410, Meaning::Retry)]);
        check(&by_code, &[429], Outcome::Refused, Says::Nothing);
        check(&by_code, &[503], Outcome::Deferred, Says::Wait(WAIT));
        check(&by_code, &[410], Outcome::Deferred, Says::Nothing);
    }

    #[test]
    fn the_presets_follow_the_vendors_and_drop_nothing() {
        use Outcome::Deferred;
        use Outcome::Refused;
        check(&map(Preset::Postmark, &[], &[]), &[403], Refused, Says::Nothing);
        check(&map(Preset::Postmark, &[], &[]), &[400, 404, 410, 422, 500], Deferred, Says::Nothing);
        check(&map(Preset::Mailgun, &[], &[]), &[406], Refused, Says::Nothing);
        check(&map(Preset::Mailgun, &[], &[]), &[400, 403, 422, 500], Deferred, Says::Nothing);
        for preset in [Preset::Cloudmailin, Preset::Sendgrid] {
            check(&map(preset, &[], &[]), &[400, 403, 404, 406, 410], Refused, Says::Nothing);
            check(&map(preset, &[], &[]), &[301, 500, 502], Deferred, Says::Nothing);
        }
        for preset in [Preset::Default, Preset::Postmark, Preset::Cloudmailin, Preset::Sendgrid, Preset::Mailgun] {
            check(&map(preset, &[], &[]), &[200, 299], Outcome::Delivered, Says::Nothing);
            check(&map(preset, &[], &[]), &[429, 503], Deferred, Says::Wait(WAIT));
        }
    }
}
