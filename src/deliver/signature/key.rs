//! Keys as Standard Webhooks writes them: `whsec_` for HMAC-SHA256, `whsk_` and `whpk_` for Ed25519 (RFC 8032).
//!
//! The specification does not say how a `whsk_` key lays its bytes out. Both forms in use are taken: the private key's
//! 32 bytes, and these with the 32 of the public key behind them.

use std::fmt;

use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use openssl::error::ErrorStack;
use openssl::pkey::Id;
use openssl::pkey::PKey;
use openssl::pkey::Private;
use openssl::pkey::Public;
use openssl::sign::Signer;
use openssl::sign::Verifier;
use sha2::Sha256;

use crate::secret::Secret;

/// The lengths of an HMAC key in bytes that the specification allows.
const HMAC_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The length of an Ed25519 key in bytes, of either half.
const ED25519_BYTES: usize = 32;

/// The pieces whose concatenation is signed.
pub(super) type Content<'a> = [&'a [u8]; 5];

/// A key that signs. `Debug` never shows it.
#[derive(Clone)]
pub enum Key {
    /// HMAC-SHA256; signatures are `v1`.
    Hmac(Hmac<Sha256>),
    /// Ed25519; signatures are `v1a`.
    Ed25519(PKey<Private>),
}

/// Why a text is no key that signs; with the remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// It begins with none of the prefixes.
    #[error(
        "is no signing key: neither whsec_ (HMAC) nor whsk_ (Ed25519) and base64; make one with: \
         echo whsec_$(openssl rand -base64 32)"
    )]
    Prefix,
    /// What follows `whsec_` is not a key.
    #[error(
        "is no signing key: whsec_ and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)"
    )]
    Hmac,
    /// What follows `whsk_` is not a key.
    #[error(
        "is no signing key: whsk_ and an Ed25519 private key in base64; make one with: \
         echo whsk_$(openssl genpkey -algorithm ed25519 -outform DER | tail -c 32 | base64)"
    )]
    Ed25519,
    /// The two halves of an Ed25519 key do not belong together.
    #[error("has a public half that does not belong to the private one; copy it anew")]
    Halves,
    /// It is a public key.
    #[error("is a public key, which only the receiver needs; write the private one, which begins with whsk_")]
    Public,
}

impl Key {
    /// Reads `whsec_` and the base64 of 24 to 64 bytes, or `whsk_` and the base64 of an Ed25519 private key.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(secret: &Secret) -> Result<Key, NoKey> {
        let text = secret.reveal().trim();
        if let Some(text) = text.strip_prefix("whsec_") {
            let bytes = base64(text).filter(|bytes| HMAC_BYTES.contains(&bytes.len())).ok_or(NoKey::Hmac)?;
            return Hmac::new_from_slice(&bytes).map(Key::Hmac).map_err(|_| NoKey::Hmac);
        }
        let Some(text) = text.strip_prefix("whsk_") else {
            return Err(if text.starts_with("whpk_") { NoKey::Public } else { NoKey::Prefix });
        };
        let bytes = base64(text).ok_or(NoKey::Ed25519)?;
        let (private, public) = bytes.split_at_checked(ED25519_BYTES).ok_or(NoKey::Ed25519)?;
        let key = PKey::private_key_from_raw_bytes(private, Id::ED25519).map_err(|_| NoKey::Ed25519)?;
        match public.len() {
            0 => Ok(Key::Ed25519(key)),
            ED25519_BYTES if key.raw_public_key().is_ok_and(|derived| derived == public) => Ok(Key::Ed25519(key)),
            ED25519_BYTES => Err(NoKey::Halves),
            _ => Err(NoKey::Ed25519),
        }
    }

    /// The signature, as it stands in `webhook-signature`.
    ///
    /// # Errors
    /// OpenSSL cannot sign, which needs more than a bad key or content.
    pub(super) fn sign(&self, content: &Content<'_>) -> Result<String, ErrorStack> {
        match self {
            Key::Hmac(mac) => Ok(v1(over(mac, content))),
            Key::Ed25519(key) => {
                let signature = Signer::new_without_digest(key)?.sign_oneshot_to_vec(&content.concat())?;
                Ok(format!("v1a,{}", base64_simd::STANDARD.encode_to_string(signature)))
            }
        }
    }

    /// Whether it signs only what it is given at once.
    pub(in crate::deliver) fn needs_whole_body(&self) -> bool {
        self.by_pieces().is_none()
    }

    /// What the signature of content that comes piece by piece is made with; `None` where all of it is needed at once.
    pub(super) fn by_pieces(&self) -> Option<Hmac<Sha256>> {
        match self {
            Key::Hmac(mac) => Some(mac.clone()),
            Key::Ed25519(_) => None,
        }
    }
}

/// Keys are equal that sign alike. Either scheme is deterministic, so that it shows in one signature.
impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        let nothing = [&b""[..]; 5];
        self.sign(&nothing).is_ok_and(|mine| other.sign(&nothing).is_ok_and(|its| mine == its))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What a receiver verifies with: an HMAC key, or the public half of an Ed25519 key. `Debug` never shows it.
#[derive(Clone)]
pub enum Trusted {
    /// HMAC-SHA256; signatures are `v1`.
    Hmac(Hmac<Sha256>),
    /// Ed25519; signatures are `v1a`.
    Ed25519(PKey<Public>),
}

impl Trusted {
    /// Reads `whpk_` and the base64 of an Ed25519 public key, or any key that signs.
    pub fn parse(secret: &Secret) -> Option<Trusted> {
        if let Some(text) = secret.reveal().trim().strip_prefix("whpk_") {
            let bytes = base64(text).filter(|bytes| bytes.len() == ED25519_BYTES)?;
            return PKey::public_key_from_raw_bytes(&bytes, Id::ED25519).ok().map(Trusted::Ed25519);
        }
        match Key::parse(secret).ok()? {
            Key::Hmac(mac) => Some(Trusted::Hmac(mac)),
            Key::Ed25519(key) => {
                let public = key.raw_public_key().ok()?;
                PKey::public_key_from_raw_bytes(&public, Id::ED25519).ok().map(Trusted::Ed25519)
            }
        }
    }

    /// The version of the signatures that it can verify.
    pub(super) fn version(&self) -> &'static str {
        match self {
            Trusted::Hmac(_) => "v1",
            Trusted::Ed25519(_) => "v1a",
        }
    }

    /// Whether `signature` (what follows the version) is by the other half of this key.
    pub(super) fn verifies(&self, signature: &[u8], content: &Content<'_>) -> bool {
        match self {
            // `verify_slice` takes the same time wherever the first wrong byte stands.
            Trusted::Hmac(mac) => over(mac, content).verify_slice(signature).is_ok(),
            Trusted::Ed25519(key) => {
                let verifier = Verifier::new_without_digest(key);
                verifier.is_ok_and(|mut one| one.verify_oneshot(signature, &content.concat()).unwrap_or(false))
            }
        }
    }
}

impl fmt::Debug for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    base64_simd::STANDARD.decode_to_vec(text).ok()
}

/// The signature of what `mac` has read, as it stands in `webhook-signature`.
pub(super) fn v1(mac: Hmac<Sha256>) -> String {
    format!("v1,{}", base64_simd::STANDARD.encode_to_string(mac.finalize().into_bytes()))
}

fn over(mac: &Hmac<Sha256>, content: &Content<'_>) -> Hmac<Sha256> {
    let mut mac = mac.clone();
    for piece in content {
        mac.update(piece);
    }
    mac
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn parse(text: &str) -> Result<Key, NoKey> {
        Key::parse(&Secret::new(text))
    }

    fn base64_of(bytes: &[u8]) -> String {
        base64_simd::STANDARD.encode_to_string(bytes)
    }

    /// RFC 8032 section 7.1: private key, public key, message and signature.
    #[test]
    fn ed25519_signs_as_the_rfc_says() {
        for [private, public, message, signature] in [
            [
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ],
            [
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ],
        ] {
            let [private, public, message, signature] =
                [private, public, message, signature].map(|hex| HEXLOWER.decode(hex.as_bytes()).unwrap());
            let content = [&message[..], b"", b"", b"", b""];
            let both = [&private[..], &public].concat();
            for secret in [&private, &both] {
                let key = parse(&format!("whsk_{}", base64_of(secret))).unwrap();
                assert_eq!(key.sign(&content).unwrap(), format!("v1a,{}", base64_of(&signature)));
            }
            let trusted = Trusted::parse(&Secret::new(format!("whpk_{}", base64_of(&public)))).unwrap();
            assert!(trusted.verifies(&signature, &content));
            assert!(!trusted.verifies(&signature, &[b"another", b"", b"", b"", b""]));
            assert!(!trusted.verifies(&signature[1..], &content));
        }
    }

    #[test]
    fn only_keys_of_the_specified_forms_are_taken() {
        let check = |text: &str, expected| {
            assert_eq!(parse(text).err(), Some(expected), "{text:?}");
            assert!(expected == NoKey::Public || Trusted::parse(&Secret::new(text)).is_none(), "{text:?}");
        };
        check("", NoKey::Prefix);
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", NoKey::Prefix);
        check("WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", NoKey::Prefix);
        check("whsec_", NoKey::Hmac);
        check("whsec_not base64 at all, I fear!!", NoKey::Hmac);
        for length in [23, 65] {
            check(&format!("whsec_{}", base64_of(&vec![7; length])), NoKey::Hmac);
        }
        check("whsk_", NoKey::Ed25519);
        for length in [31, 33, 63, 65, 96] {
            check(&format!("whsk_{}", base64_of(&vec![7; length])), NoKey::Ed25519);
        }
        check(&format!("whsk_{}", base64_of(&[7; 64])), NoKey::Halves);
        check("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", NoKey::Public);
        for bad in ["whpk_", "whpk_AAAA"] {
            assert!(Trusted::parse(&Secret::new(bad)).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_the_same_in_each_of_its_forms() {
        let hmac = |length| parse(&format!("whsec_{}", base64_of(&vec![7; length]))).unwrap();
        let seed = [7; 32];
        let short = parse(&format!("whsk_{}", base64_of(&seed))).unwrap();
        let Key::Ed25519(key) = &short else { panic!("another kind") };
        let both = [&seed[..], &key.raw_public_key().unwrap()].concat();
        let long = parse(&format!("whsk_{}", base64_of(&both))).unwrap();
        assert!(short == long && hmac(32) == hmac(32));
        assert!(hmac(32) != hmac(33) && hmac(32) != short);
        assert_eq!(format!("{short:?}{:?}", hmac(24)), "[secret][secret]");
    }
}
