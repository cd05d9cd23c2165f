//! What becomes of a delivery after an attempt. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::Endpoint;
use super::backoff;
use super::outcome::Judgement;
use super::outcome::Outcome;
use super::outcome::Says;
use crate::spool::Claim;
use crate::spool::Counts;
use crate::spool::End;
use crate::spool::Reason;

/// A message is dead at this many refusals.
const REFUSALS_MAX: u32 = 5;

/// Decides; `chance` is from 0 to 1 and lengthens waits.
pub(super) fn settle(judgement: Judgement, claim: &Claim, endpoint: &Endpoint, now: Timestamp, chance: f64) -> End {
    let due = |wait: Duration| now.checked_add(wait).unwrap_or(Timestamp::MAX);
    let expired = claim.tried_for >= endpoint.give_up_after;
    let next = || due(backoff::wait(&endpoint.backoff, claim.failures, chance));
    match (judgement.outcome, judgement.says) {
        (Outcome::Delivered, _) => End::Delivered,
        (Outcome::Refused, _) if claim.refusals + 1 >= REFUSALS_MAX => End::Dead(Reason::Refused),
        // Its time is over, and this attempt has failed too.
        (Outcome::Refused | Outcome::Deferred, _) if expired => End::Dead(Reason::Expired),
        (Outcome::Refused, _) => End::Deferred { due: next(), counts: Counts::Refusal },
        (Outcome::Deferred, Says::Wait(wait)) => {
            End::Deferred { due: due(backoff::longer(wait, chance)), counts: Counts::Nothing }
        }
        (Outcome::Deferred, Says::Nothing | Says::Gone) => End::Deferred { due: next(), counts: Counts::Failure },
    }
}
