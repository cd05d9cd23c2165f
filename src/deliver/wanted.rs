//! What a queue asks of the spool: how many deliveries, how heavy, in which order. Pure.

use jiff::Timestamp;

use super::Endpoint;
use super::Format;
use super::Ordering;
use super::Signing;
use super::backoff;
use super::slots::Reserved;
use crate::spool::Wanted;
use crate::spool::Weight;

/// The memory of an attempt, at its peak: the raw bytes, in which the attachments stay, and the texts that were made of
/// them. A large body is never held; a small one, or the chunks of a large one on their way, is what is added.
const WEIGHT: Weight = Weight { times: 2, plus: 256 << 10 };
/// The whole body is held, to be signed.
const WEIGHT_WHOLE: Weight = Weight { times: 4, plus: 256 << 10 };
/// A template is rendered whole, out of a copy of all that it may ask for.
const WEIGHT_TEMPLATE: Weight = WEIGHT_WHOLE_WITH_RAW;
/// The whole message in base64 comes to the body.
const WEIGHT_WHOLE_WITH_RAW: Weight = Weight { times: 5, plus: 256 << 10 };

/// Without slots, it is only to see where the endpoint stands.
pub(super) fn wanted(
    endpoint: &Endpoint,
    reserved: Option<&Reserved>,
    retries: usize,
    untried_since: Option<Timestamp>,
) -> Wanted {
    let weight = weight(endpoint);
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

fn weight(endpoint: &Endpoint) -> Weight {
    if matches!(endpoint.format, Format::Template(_)) {
        return WEIGHT_TEMPLATE;
    }
    match &endpoint.signing {
        Signing::Keys(keys) if keys.need_whole_bodies() && endpoint.include_raw => WEIGHT_WHOLE_WITH_RAW,
        Signing::Keys(keys) if keys.need_whole_bodies() => WEIGHT_WHOLE,
        Signing::Keys(_) | Signing::None => WEIGHT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::Keyring;
    use crate::deliver::SigningKey;
    use crate::deliver::signature::Key;
    use crate::secret::Secret;

    #[test]
    fn a_body_that_must_be_held_weighs_more() {
        let check = |key: &str, include_raw, times| {
            let key = Key::parse(&Secret::new(key)).unwrap();
            let mut endpoint = Endpoint::for_testing("http://localhost/");
            endpoint.signing = Signing::Keys(Keyring(vec![SigningKey { key, from: None, until: None }]));
            endpoint.include_raw = include_raw;
            assert_eq!(weight(&endpoint).times, times);
        };
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false, 2);
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true, 2);
        let ed25519 = format!("whsk_{}", base64_simd::STANDARD.encode_to_string([7; 32]));
        check(&ed25519, false, 4);
        check(&ed25519, true, 5);
    }
}
