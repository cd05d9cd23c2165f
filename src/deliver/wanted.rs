//! What a queue asks of the spool: how many deliveries, how heavy, in which order. Pure.

use jiff::Timestamp;

use super::Endpoint;
use super::Ordering;
use super::backoff;
use super::slots::Reserved;
use crate::spool::Wanted;
use crate::spool::Weight;

/// The memory of an attempt, at its peak: the raw bytes, the parsed mail with its attachments decoded, and the body,
/// where they stand in base64 again.
const WEIGHT: Weight = Weight { times: 3, plus: 64 << 10 };
/// The whole message in base64 comes to the body, and is copied into it.
const WEIGHT_WITH_RAW: Weight = Weight { times: 5, plus: 64 << 10 };

/// Without slots, it is only to see where the endpoint stands.
pub(super) fn wanted(
    endpoint: &Endpoint,
    reserved: Option<&Reserved>,
    retries: usize,
    untried_since: Option<Timestamp>,
) -> Wanted {
    let weight = if endpoint.include_raw { WEIGHT_WITH_RAW } else { WEIGHT };
    let ordered = endpoint.ordering != Ordering::None;
    let longest_wait = backoff::longest(&endpoint.retry.backoff);
    match reserved {
        None => Wanted { free: 0, untried_since, ordered, longest_wait, ..Wanted::default() },
        Some(reserved) => Wanted {
            free: reserved.attempts(),
            retries,
            bytes: reserved.bytes(),
            weight,
            at_least: reserved.at_least,
            untried_since,
            ordered,
            longest_wait,
        },
    }
}
