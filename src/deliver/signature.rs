//! Signatures as Standard Webhooks writes them: HMAC-SHA256 over `id.timestamp.body`.
//!
//! Pure. Posts are signed with every key that is valid now; a receiver accepts any one of its own.

use std::fmt;

use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use sha2::Sha256;

use crate::secret::Secret;

/// The lengths of a key in bytes that the specification allows.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// How far a receiver's clock and ours may differ, in seconds.
const TOLERANCE: u64 = 5 * 60;

/// A signing key. `Debug` never shows it.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// Accepts `whsec_` and the base64 of 24 to 64 bytes.
    pub fn parse(secret: &Secret) -> Option<Key> {
        let text = secret.reveal().trim().strip_prefix("whsec_")?;
        let bytes = base64_simd::STANDARD.decode_to_vec(text).ok().filter(|bytes| KEY_BYTES.contains(&bytes.len()))?;
        Hmac::new_from_slice(&bytes).ok().map(Key)
    }

    fn over(&self, id: &str, at: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for piece in [id.as_bytes(), b".", at.as_bytes(), b".", body] {
            mac.update(piece);
        }
        mac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The value of `webhook-signature`: one signature per key, in the order of the keys. `at` is in Unix seconds.
pub fn sign(keys: &[Key], id: &str, at: i64, body: &[u8]) -> String {
    let at = at.to_string();
    let one = |key: &Key| {
        let mac = key.over(id, &at, body).finalize().into_bytes();
        format!("v1,{}", base64_simd::STANDARD.encode_to_string(mac))
    };
    keys.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Why a receiver does not believe a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mistrust {
    /// A header of the three is missing.
    #[error("the request lacks webhook-id, webhook-timestamp or webhook-signature")]
    Missing,
    /// The timestamp is no number.
    #[error("webhook-timestamp is not a number of seconds")]
    Timestamp,
    /// The timestamp is too old or lies ahead.
    #[error("webhook-timestamp is more than five minutes from now: a replay, or a clock is wrong")]
    TooFar,
    /// No signature fits.
    #[error("no signature in webhook-signature fits: another secret, or the body was changed on its way")]
    Wrong,
}

/// The three headers of a signed post, as they came.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// `webhook-id`.
    pub id: Option<&'a str>,
    /// `webhook-timestamp`.
    pub timestamp: Option<&'a str>,
    /// `webhook-signature`.
    pub signature: Option<&'a str>,
}

/// Whether a post was signed with one of `keys`, and not long ago. `now` is in Unix seconds.
///
/// # Errors
/// [`Mistrust`], with the reason.
pub fn verify(keys: &[Key], signed: Signed<'_>, now: i64, body: &[u8]) -> Result<(), Mistrust> {
    let (Some(id), Some(at), Some(signatures)) = (signed.id, signed.timestamp, signed.signature) else {
        return Err(Mistrust::Missing);
    };
    let seconds: i64 = at.parse().map_err(|_| Mistrust::Timestamp)?;
    if seconds.abs_diff(now) > TOLERANCE {
        return Err(Mistrust::TooFar);
    }
    let given: Vec<Vec<u8>> = signatures
        .split(' ')
        .filter_map(|one| base64_simd::STANDARD.decode_to_vec(one.strip_prefix("v1,")?).ok())
        .collect();
    // `verify_slice` takes the same time wherever the first wrong byte stands.
    let fits = keys.iter().any(|key| {
        let mac = key.over(id, at, body);
        given.iter().any(|bytes| mac.clone().verify_slice(bytes).is_ok())
    });
    if fits { Ok(()) } else { Err(Mistrust::Wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDmQ==";

    fn key(text: &str) -> Key {
        Key::parse(&Secret::new(text)).unwrap()
    }

    fn signed<'a>(at: &'a str, signature: &'a str) -> Signed<'a> {
        Signed { id: Some("msg_1"), timestamp: Some(at), signature: Some(signature) }
    }

    #[test]
    fn the_specification_s_own_example() {
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(&[key(SECRET)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_reference_library_believes_us_until_a_byte_is_flipped() {
        let at = crate::clock::Clock::system().now().as_second();
        let body = "{\"text\":\"café\"}".as_bytes().to_vec();
        let signature = sign(&[key(OTHER), key(SECRET)], "msg_1", at, &body);
        let at = at.to_string();
        let judge = standardwebhooks::Webhook::new(SECRET).unwrap();
        let headers = [("webhook-id", "msg_1"), ("webhook-timestamp", &*at), ("webhook-signature", &*signature)];
        let headers =
            headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).into_iter().collect();
        judge.verify(&body, &headers).unwrap();
        let mut flipped = body.clone();
        flipped[2] ^= 1;
        assert!(judge.verify(&flipped, &headers).is_err());
        let seconds = at.parse().unwrap();
        assert_eq!(verify(&[key(SECRET)], signed(&at, &signature), seconds, &body), Ok(()));
        assert_eq!(verify(&[key(SECRET)], signed(&at, &signature), seconds, &flipped), Err(Mistrust::Wrong));
    }

    #[test]
    fn a_receiver_says_why_it_does_not_believe() {
        let signature = sign(&[key(SECRET)], "msg_1", 1000, b"x");
        let check = |signed, now, expected| assert_eq!(verify(&[key(SECRET)], signed, now, b"x"), expected);
        check(signed("1000", &signature), 1300, Ok(()));
        check(signed("1000", &signature), 1301, Err(Mistrust::TooFar));
        check(signed("1000", &signature), 699, Err(Mistrust::TooFar));
        check(signed("1001", &signature), 1000, Err(Mistrust::Wrong));
        check(signed("soon", &signature), 1000, Err(Mistrust::Timestamp));
        check(signed("1000", "v1,AAAA v1a,x ,"), 1000, Err(Mistrust::Wrong));
        check(Signed { id: None, ..signed("1000", &signature) }, 1000, Err(Mistrust::Missing));
    }

    #[test]
    fn only_keys_of_the_specified_form_are_taken() {
        for bad in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64 at all, I fear!!"]
        {
            assert!(Key::parse(&Secret::new(bad)).is_none(), "{bad:?}");
        }
        assert_eq!(format!("{:?}", key(SECRET)), "[secret]");
    }
}
