//! What becomes of a delivery after an attempt. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::AfterBlock;
use super::Endpoint;
use super::HeadBlock;
use super::Ordering;
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
    let wait_for_head = |block: HeadBlock| due(block.at_most.saturating_sub(claim.refused_for));
    let expired = claim.tried_for >= endpoint.retry.give_up_after;
    let next = || due(backoff::wait(&endpoint.retry.backoff, claim.failures, chance));
    if let Says::Never(reason) = judgement.says {
        return End::Dead(reason);
    }
    match judgement.outcome {
        Outcome::Delivered => End::Delivered,
        // However long the store is away: the endpoint was not asked yet.
        Outcome::Deferred if judgement.says == Says::Store => End::Deferred { due: next(), counts: Counts::Store },
        Outcome::Refused if is_over(claim, endpoint.ordering) => End::Dead(Reason::Refused),
        // Its time is over, and this attempt has failed too.
        Outcome::Refused | Outcome::Deferred if expired => End::Dead(Reason::Expired),
        Outcome::Refused => {
            let due = match endpoint.ordering {
                // The last try comes when its time is over, not later.
                Ordering::PerMailbox(block) if claim.refused_for < block.at_most => next().min(wait_for_head(block)),
                Ordering::PerMailbox(_) | Ordering::None => next(),
            };
            End::Deferred { due, counts: Counts::Refusal }
        }
        // A wait that the endpoint asks for is a pause of the whole endpoint, and none of this message alone.
        Outcome::Deferred => End::Deferred { due: next(), counts: Counts::Failure },
    }
}

/// Whether one more refusal ends a delivery: by their number, or, where others wait behind it, by their time.
fn is_over(claim: &Claim, ordering: Ordering) -> bool {
    match ordering {
        Ordering::None => claim.refusals + 1 >= REFUSALS_MAX,
        Ordering::PerMailbox(block) => block.then == AfterBlock::DeadLetter && claim.refused_for >= block.at_most,
    }
}

/// The judgement on an answer; it stops the endpoint where others wait behind a message that was refused for too long.
pub(super) fn halted(judgement: Judgement, claim: &Claim, ordering: Ordering) -> Judgement {
    match ordering {
        Ordering::PerMailbox(HeadBlock { at_most, then: AfterBlock::Halt })
            if judgement.outcome == Outcome::Refused
                && !matches!(judgement.says, Says::Never(_))
                && claim.refused_for >= at_most =>
        {
            Judgement { says: Says::Halt, ..judgement }
        }
        _ => judgement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::Failure;
    use crate::deliver::outcome::judge;
    use crate::ident::Content;
    use crate::ident::MailboxName;
    use crate::ident::MessageId;
    use crate::spool::DeliveryKey;
    use crate::spool::Form;
    use crate::spool::Kind;
    use crate::spool::MessageKey;
    use crate::spool::Spooled;

    const DAY: u64 = 24 * 3600;

    fn claim(failures: u32, refusals: u32, tried_for: Duration) -> Claim {
        let mailbox = MailboxName::parse("m").unwrap();
        let message = Spooled {
            key: MessageKey::for_testing(1),
            id: MessageId::of(&mailbox, &Content::of(b"")),
            mailbox: Some(mailbox),
            unique_id: None,
            sha256: [0; 32],
            size: 0,
            spooled_at: Timestamp::UNIX_EPOCH,
            kind: Kind::Mail,
        };
        let delivery = DeliveryKey::for_testing(1);
        Claim {
            delivery,
            message,
            attempt: 9,
            generation: 1,
            failures,
            refusals,
            refused_for: Duration::ZERO,
            form: Form::Parsed,
            tried_for,
        }
    }

    /// An answer with this status, `Retry-After` 7 seconds where the status heeds one, after so many failures and refusals.
    fn check(status: u16, (failures, refusals): (u32, u32), tried_for: Duration, chance: f64, expected: End) {
        let retry_after = matches!(status, 429 | 503).then_some(Duration::from_secs(7));
        let claim = claim(failures, refusals, tried_for);
        let end = settle(
            judge(status, retry_after),
            &claim,
            &Endpoint::for_testing("http://localhost"),
            Timestamp::UNIX_EPOCH,
            chance,
        );
        assert_eq!(end, expected, "{status} {failures} {refusals} {tried_for:?} {chance}");
    }

    fn later(millis: i64, counts: Counts) -> End {
        End::Deferred { due: Timestamp::from_millisecond(millis).unwrap(), counts }
    }

    #[test]
    fn a_failure_waits_as_the_schedule_says_and_chance_only_adds() {
        use Counts::Failure;
        for status in [500, 404, 302, 410] {
            check(status, (0, 0), Duration::ZERO, 0.0, later(5_000, Failure));
            check(status, (1, 0), Duration::ZERO, 0.0, later(30_000, Failure));
            check(status, (99, 0), Duration::ZERO, 0.0, later(30_000, Failure));
            check(status, (0, 0), Duration::ZERO, 1.0, later(6_250, Failure));
        }
    }

    #[test]
    fn a_wait_that_was_asked_for_is_the_endpoints_and_makes_no_try_earlier_or_later() {
        for status in [429, 503] {
            check(status, (0, 0), Duration::ZERO, 0.0, later(5_000, Counts::Failure));
            check(status, (0, 4), Duration::ZERO, 1.0, later(6_250, Counts::Failure));
            check(status, (3, 0), Duration::ZERO, 0.0, later(30_000, Counts::Failure));
        }
    }

    /// A refusal of a message that others wait for, after so many refusals over so many seconds; an hour is allowed.
    fn check_head(then: AfterBlock, refused_for: u64, expected: End, stops: bool) {
        let ordering = Ordering::PerMailbox(HeadBlock { at_most: Duration::from_secs(3600), then });
        let endpoint = Endpoint { ordering, ..Endpoint::for_testing("http://localhost") };
        let claim = Claim { refused_for: Duration::from_secs(refused_for), ..claim(9, 9, Duration::ZERO) };
        let judgement = halted(judge(422, None), &claim, ordering);
        assert_eq!(
            settle(judgement, &claim, &endpoint, Timestamp::UNIX_EPOCH, 0.0),
            expected,
            "{then:?} {refused_for}"
        );
        assert_eq!(judgement.says == Says::Halt, stops, "{then:?} {refused_for}");
        // The time in which the endpoint was down is no fault of the message.
        let down = halted(judge(500, None), &claim, ordering);
        assert_eq!(settle(down, &claim, &endpoint, Timestamp::UNIX_EPOCH, 0.0), later(30_000, Counts::Failure));
        assert_eq!(down.says, Says::Nothing);
    }

    #[test]
    fn a_message_that_others_wait_for_is_refused_for_a_time_and_not_a_number_of_times() {
        use AfterBlock::DeadLetter;
        use AfterBlock::Halt;
        use Counts::Refusal;
        check_head(DeadLetter, 0, later(30_000, Refusal), false);
        check_head(DeadLetter, 3590, later(10_000, Refusal), false);
        check_head(DeadLetter, 3600, End::Dead(Reason::Refused), false);
        check_head(Halt, 3590, later(10_000, Refusal), false);
        check_head(Halt, 3600, later(30_000, Refusal), true);
    }

    #[test]
    fn the_fifth_refusal_ends_it_whatever_else_happened() {
        for status in [400, 413, 415, 422] {
            check(status, (0, 0), Duration::ZERO, 0.0, later(5_000, Counts::Refusal));
            check(status, (90, 3), Duration::ZERO, 0.0, later(30_000, Counts::Refusal));
            check(status, (4, 4), Duration::ZERO, 0.0, End::Dead(Reason::Refused));
        }
        check(500, (4, 4), Duration::ZERO, 0.0, later(30_000, Counts::Failure));
    }

    /// What becomes of a delivery whose time was over long ago.
    fn check_failure(failure: Failure, ordering: Ordering, expected: End) {
        let endpoint = Endpoint { ordering, ..Endpoint::for_testing("http://localhost") };
        let claim = Claim { refused_for: Duration::from_secs(9999), ..claim(0, 0, Duration::from_secs(99 * DAY)) };
        let judgement = halted(failure.judgement(), &claim, ordering);
        assert_eq!(settle(judgement, &claim, &endpoint, Timestamp::UNIX_EPOCH, 0.0), expected, "{failure:?}");
    }

    #[test]
    fn a_store_that_is_away_ends_nothing_one_that_refuses_does_in_time_and_what_can_never_go_ends_at_once() {
        let block = HeadBlock { at_most: Duration::from_secs(3600), then: AfterBlock::Halt };
        for ordering in [Ordering::None, Ordering::PerMailbox(block)] {
            for failure in [Failure::StoreUnreachable, Failure::StoreFailed] {
                check_failure(failure, ordering, later(5_000, Counts::Store));
            }
            for failure in [Failure::StoreRefused, Failure::Proxy] {
                check_failure(failure, ordering, End::Dead(Reason::Expired));
            }
            for failure in [Failure::AttachmentTooLarge, Failure::StoreTooLarge] {
                check_failure(failure, ordering, End::Dead(Reason::TooLarge));
            }
            check_failure(Failure::Damaged, ordering, End::Dead(Reason::Damaged));
        }
    }

    #[test]
    fn only_an_attempt_that_fails_after_its_time_ends_it() {
        let time = Duration::from_secs(5 * DAY);
        let almost = time - Duration::from_millis(1);
        check(500, (99, 0), almost, 0.0, later(30_000, Counts::Failure));
        check(429, (99, 0), almost, 0.0, later(30_000, Counts::Failure));
        for status in [500, 404, 410, 429, 503, 400] {
            check(status, (0, 0), time, 0.0, End::Dead(Reason::Expired));
        }
        check(400, (0, 4), time, 0.0, End::Dead(Reason::Refused));
        for status in [200, 204, 299] {
            check(status, (99, 4), 10 * time, 0.0, End::Delivered);
        }
    }
}
