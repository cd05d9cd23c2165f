//! Signatures as Standard Webhooks writes them, over `id.timestamp.body`: `v1` is HMAC-SHA256, `v1a` Ed25519.
//!
//! Pure. Posts are signed with every key that is valid now; a receiver accepts any one of its own.

mod key;

use hmac::Hmac;
use hmac::Mac as _;
use openssl::error::ErrorStack;
use sha2::Sha256;

pub use key::Key;
pub use key::NoKey;
pub use key::Trusted;

/// How far a receiver's clock and ours may differ, in seconds.
const TOLERANCE: u64 = 5 * 60;

/// The value of `webhook-signature`: one signature per key, in the order of the keys. `at` is in Unix seconds.
///
/// # Errors
/// OpenSSL cannot sign. What is signed with fewer keys than it should be is not sent.
pub fn sign(keys: &[&Key], id: &str, at: i64, body: &[u8]) -> Result<String, ErrorStack> {
    let at = at.to_string();
    let content = [id.as_bytes(), b".", at.as_bytes(), b".", body];
    let signatures: Vec<String> = keys.iter().map(|key| key.sign(&content)).collect::<Result<_, _>>()?;
    Ok(signatures.join(" "))
}

/// Signs a body that comes piece by piece, with several keys at once.
///
/// Only HMAC reads so: Ed25519 hashes the content twice, the second time with a result of the first.
#[derive(Debug)]
pub struct Signer(Vec<Hmac<Sha256>>);

impl Signer {
    /// Begins the signatures of [`sign`]; `None` where one of the keys needs the whole body.
    pub fn begin(keys: &[&Key], id: &str, at: i64) -> Option<Signer> {
        let mut signer = Signer(keys.iter().map(|key| key.by_pieces()).collect::<Option<_>>()?);
        signer.update(format!("{id}.{at}.").as_bytes());
        Some(signer)
    }

    /// Reads the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.iter_mut().for_each(|mac| mac.update(piece));
    }

    /// The value of `webhook-signature`.
    pub fn finish(self) -> String {
        self.0.into_iter().map(key::v1).collect::<Vec<_>>().join(" ")
    }
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
    /// There is no signature of a kind that could be verified.
    #[error("webhook-signature holds none of the secret's kind: v1 is verified with whsec_…, v1a with whpk_…")]
    Kind,
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
pub fn verify(keys: &[Trusted], signed: Signed<'_>, now: i64, body: &[u8]) -> Result<(), Mistrust> {
    let (Some(id), Some(at), Some(signatures)) = (signed.id, signed.timestamp, signed.signature) else {
        return Err(Mistrust::Missing);
    };
    let seconds: i64 = at.parse().map_err(|_| Mistrust::Timestamp)?;
    if seconds.abs_diff(now) > TOLERANCE {
        return Err(Mistrust::TooFar);
    }
    let content = [id.as_bytes(), b".", at.as_bytes(), b".", body];
    let of_kind = |version: &'static str| {
        let split = signatures.split(' ').filter_map(|one| one.split_once(','));
        split.filter(move |(kind, _)| *kind == version).map(|(_, signature)| signature)
    };
    let fits = |key: &Trusted| {
        let mut given = of_kind(key.version()).filter_map(|one| base64_simd::STANDARD.decode_to_vec(one).ok());
        given.any(|signature| key.verifies(&signature, &content))
    };
    if keys.iter().any(fits) {
        return Ok(());
    }
    let comparable = keys.iter().any(|key| of_kind(key.version()).next().is_some());
    Err(if comparable { Mistrust::Wrong } else { Mistrust::Kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDmQ==";
    const PRIVATE: &str =
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

    fn signature(keys: &[&str], id: &str, at: i64, body: &[u8]) -> String {
        let keys: Vec<Key> = keys.iter().map(|text| Key::parse(&Secret::new(*text)).unwrap()).collect();
        sign(&keys.iter().collect::<Vec<_>>(), id, at, body).unwrap()
    }

    fn trusted(text: &str) -> Trusted {
        Trusted::parse(&Secret::new(text)).unwrap()
    }

    fn signed<'a>(at: &'a str, signature: &'a str) -> Signed<'a> {
        Signed { id: Some("msg_1"), timestamp: Some(at), signature: Some(signature) }
    }

    /// The first is what the reference libraries are tested with; the second stands beside it in the specification, and
    /// its key in the tests of the server that the specification grew from.
    #[test]
    fn the_specification_s_own_examples() {
        let body = br#"{"test": 2432232314}"#;
        let of = |key| signature(&[key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(of(SECRET), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let expected = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
        assert_eq!(of(PRIVATE), expected);
    }

    #[test]
    fn the_reference_library_believes_us_until_a_byte_is_flipped() {
        let at = crate::clock::Clock::system().now().as_second();
        let body = "{\"text\":\"café\"}".as_bytes().to_vec();
        let signature = signature(&[PRIVATE, OTHER, SECRET], "msg_1", at, &body);
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
        for secret in [SECRET, OTHER, PUBLIC, PRIVATE] {
            assert_eq!(verify(&[trusted(secret)], signed(&at, &signature), seconds, &body), Ok(()));
            let refused = verify(&[trusted(secret)], signed(&at, &signature), seconds, &flipped);
            assert_eq!(refused, Err(Mistrust::Wrong));
        }
    }

    #[test]
    fn a_receiver_says_why_it_does_not_believe() {
        let signature = |key| signature(&[key], "msg_1", 1000, b"x");
        let (v1, v1a) = (signature(SECRET), signature(PRIVATE));
        let check = |keys: &[&str], signed, now, expected| {
            let keys: Vec<Trusted> = keys.iter().map(|text| trusted(text)).collect();
            assert_eq!(verify(&keys, signed, now, b"x"), expected, "{signed:?}");
        };
        for (key, good) in [(SECRET, &*v1), (PUBLIC, &*v1a)] {
            check(&[key], signed("1000", good), 1300, Ok(()));
            check(&[OTHER, key], signed("1000", good), 1000, Ok(()));
            check(&[key], signed("1000", good), 1301, Err(Mistrust::TooFar));
            check(&[key], signed("1000", good), 699, Err(Mistrust::TooFar));
            check(&[key], signed("1001", good), 1000, Err(Mistrust::Wrong));
            check(&[key], signed("soon", good), 1000, Err(Mistrust::Timestamp));
            check(&[key], signed("1000", "v1,AAAA v1a,x v1a,AAAA , v2"), 1000, Err(Mistrust::Wrong));
            check(&[key], Signed { id: None, ..signed("1000", good) }, 1000, Err(Mistrust::Missing));
        }
        check(&[OTHER], signed("1000", &v1), 1000, Err(Mistrust::Wrong));
        check(&[SECRET, OTHER], signed("1000", &v1a), 1000, Err(Mistrust::Kind));
        check(&[PUBLIC], signed("1000", &v1), 1000, Err(Mistrust::Kind));
        check(&[OTHER, PUBLIC], signed("1000", &v1), 1000, Err(Mistrust::Wrong));
        check(&[SECRET], signed("1000", ""), 1000, Err(Mistrust::Kind));
    }

    #[test]
    fn a_body_in_pieces_is_signed_as_a_whole_one() {
        let keys: Vec<Key> = [SECRET, OTHER].iter().map(|text| Key::parse(&Secret::new(*text)).unwrap()).collect();
        let keys: Vec<&Key> = keys.iter().collect();
        let mut signer = Signer::begin(&keys, "msg_1", 1000).unwrap();
        [&b"he"[..], b"", b"llo"].iter().for_each(|piece| signer.update(piece));
        assert_eq!(signer.finish(), signature(&[SECRET, OTHER], "msg_1", 1000, b"hello"));
        let whole = Key::parse(&Secret::new(PRIVATE)).unwrap();
        assert!(Signer::begin(&[keys[0], &whole], "msg_1", 1000).is_none());
    }

    #[test]
    fn one_kind_is_never_taken_for_the_other() {
        let v1a = signature(&[PRIVATE], "msg_1", 1000, b"x").replace("v1a,", "v1,");
        let v1 = signature(&[SECRET], "msg_1", 1000, b"x").replace("v1,", "v1a,");
        for key in [SECRET, PUBLIC] {
            assert_eq!(
                verify(&[trusted(key)], signed("1000", &format!("{v1} {v1a}")), 1000, b"x"),
                Err(Mistrust::Wrong)
            );
        }
    }
}
