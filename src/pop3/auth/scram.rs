//! SCRAM: both sides prove that they know the password, and neither says it.
//!
//! RFC 5802 (SCRAM-SHA-1), RFC 7677 (SCRAM-SHA-256), without channel binding. Pure: the server's messages in, ours out.
//! The promise: no proof is made for a server that weakens the hash or does not answer *this* exchange, and a server
//! counts as genuine only by its signature.

use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use pbkdf2::pbkdf2_hmac_array;
use sha1::Sha1;
use sha2::Digest as _;
use sha2::Sha256;

use crate::secret::Secret;

/// How often a server may have the password hashed. Fewer rounds (RFC 7677 section 4) make guessing cheap for whoever
/// listens; more would keep a processor busy for longer than a fraction of a second.
const ROUNDS: std::ops::RangeInclusive<u32> = 4096..=600_000;

/// The hash that a SCRAM is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

/// An exchange whose first message is known.
pub(super) struct Scram {
    hash: Hash,
    password: Secret,
    nonce: String,
    /// The first message without its header.
    bare: String,
}

/// Our proof, and what the server's is compared with.
pub(super) struct Proof {
    hash: Hash,
    /// The last message to the server.
    pub(super) message: String,
    server_key: Vec<u8>,
    /// All that was said before.
    said: String,
}

/// What the server's last message means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The server knows the password.
    Genuine,
    /// It does not believe us.
    Refused,
    /// It does not know the password, or speaks another language.
    Forged,
}

impl Scram {
    /// `nonce` is random, printable and without a comma.
    pub(super) fn new(hash: Hash, username: &str, password: Secret, nonce: &str) -> Scram {
        let username = prepared(username).replace('=', "=3D").replace(',', "=2C");
        Scram { hash, password, nonce: nonce.to_owned(), bare: format!("n={username},r={nonce}") }
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// Answers the server's first message; `None` if it makes no sense or is not for this exchange. It takes the time of
    /// as many rounds as the server asks for.
    pub(super) fn prove(&self, challenge: &[u8]) -> Option<Proof> {
        let challenge = std::str::from_utf8(challenge).ok()?;
        let mut fields = challenge.split(',');
        // An `m=` in front stands for an extension that must be understood; here none is.
        let nonce = fields.next()?.strip_prefix("r=")?;
        let salt = base64_simd::STANDARD.decode_to_vec(fields.next()?.strip_prefix("s=")?).ok()?;
        let rounds: u32 = fields.next()?.strip_prefix("i=")?.parse().ok()?;
        let fresh = nonce.strip_prefix(&self.nonce).is_some_and(|theirs| !theirs.is_empty());
        if !fresh || !ROUNDS.contains(&rounds) {
            return None;
        }
        let hash = self.hash;
        let salted = hash.salted(&prepared(self.password.reveal()), &salt, rounds);
        let client_key = hash.mac(&salted, b"Client Key")?;
        // biws is base64 of the header n,,
        let without_proof = format!("c=biws,r={nonce}");
        let said = format!("{},{challenge},{without_proof}", self.bare);
        let signature = hash.mac(&hash.digest(&client_key), said.as_bytes())?;
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        let message = format!("{without_proof},p={}", base64_simd::STANDARD.encode_to_string(proof));
        Some(Proof { hash, message, server_key: hash.mac(&salted, b"Server Key")?, said })
    }
}

impl Proof {
    /// Judges the server's last message.
    pub(super) fn judge(&self, message: &[u8]) -> Verdict {
        if message.starts_with(b"e=") {
            return Verdict::Refused;
        }
        let first = message.split(|&b| b == b',').next().unwrap_or_default();
        let signature = first.strip_prefix(b"v=").and_then(|text| base64_simd::STANDARD.decode_to_vec(text).ok());
        match signature {
            Some(signature) if self.hash.verifies(&self.server_key, self.said.as_bytes(), &signature) => {
                Verdict::Genuine
            }
            Some(_) | None => Verdict::Forged,
        }
    }
}

impl Hash {
    fn salted(self, password: &str, salt: &[u8], rounds: u32) -> Vec<u8> {
        match self {
            Hash::Sha1 => pbkdf2_hmac_array::<Sha1, 20>(password.as_bytes(), salt, rounds).to_vec(),
            Hash::Sha256 => pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt, rounds).to_vec(),
        }
    }

    fn digest(self, text: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => Sha1::digest(text).to_vec(),
            Hash::Sha256 => Sha256::digest(text).to_vec(),
        }
    }

    fn mac(self, key: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        Some(match self {
            Hash::Sha1 => keyed::<Hmac<Sha1>>(key, text)?.finalize().into_bytes().to_vec(),
            Hash::Sha256 => keyed::<Hmac<Sha256>>(key, text)?.finalize().into_bytes().to_vec(),
        })
    }

    /// Takes the same time wherever the first wrong byte stands.
    fn verifies(self, key: &[u8], text: &[u8], mac: &[u8]) -> bool {
        match self {
            Hash::Sha1 => keyed::<Hmac<Sha1>>(key, text).is_some_and(|keyed| keyed.verify_slice(mac).is_ok()),
            Hash::Sha256 => keyed::<Hmac<Sha256>>(key, text).is_some_and(|keyed| keyed.verify_slice(mac).is_ok()),
        }
    }
}

/// `None` does not happen: HMAC takes keys of every length.
fn keyed<M: KeyInit + Mac>(key: &[u8], text: &[u8]) -> Option<M> {
    Some(<M as KeyInit>::new_from_slice(key).ok()?.chain_update(text))
}

/// The form of a text that both sides hash (RFC 4013). What it forbids goes as it is: the server decides.
fn prepared(text: &str) -> std::borrow::Cow<'_, str> {
    stringprep::saslprep(text).unwrap_or(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Example {
        hash: Hash,
        nonce: &'static str,
        challenge: &'static str,
        answer: &'static str,
        signature: &'static str,
    }

    /// RFC 5802 section 5.
    const SHA1: Example = Example {
        hash: Hash::Sha1,
        nonce: "fyko+d2lbbFgONRv9qkxdawL",
        challenge: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        answer: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        signature: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    };

    /// RFC 7677 section 3.
    const SHA256: Example = Example {
        hash: Hash::Sha256,
        nonce: "rOprNGfwEbeRWgbNEkqO",
        challenge: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        answer: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        signature: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    };

    fn scram(example: &Example) -> Scram {
        Scram::new(example.hash, "user", Secret::new("pencil"), example.nonce)
    }

    #[test]
    fn the_examples_of_both_rfcs() {
        for example in [SHA1, SHA256] {
            assert_eq!(scram(&example).first(), format!("n,,n=user,r={}", example.nonce));
            let proof = scram(&example).prove(example.challenge.as_bytes()).unwrap();
            assert_eq!(proof.message, example.answer);
            assert_eq!(proof.judge(example.signature.as_bytes()), Verdict::Genuine);
            assert_eq!(proof.judge(format!("{},x=y", example.signature).as_bytes()), Verdict::Genuine);
        }
    }

    #[test]
    fn a_server_is_genuine_only_by_its_signature() {
        let proof = scram(&SHA1).prove(SHA1.challenge.as_bytes()).unwrap();
        for forged in
            ["", "v=", "v=AAAA", "rmF9pqV8S7suAoZWja4dJRkFsKQ=", "v=rmF9pqV8S7suAoZWja4dJRkFsKR=", SHA256.signature]
        {
            assert_eq!(proof.judge(forged.as_bytes()), Verdict::Forged, "{forged}");
        }
        assert_eq!(proof.judge(b"e=invalid-proof"), Verdict::Refused);
    }

    #[test]
    fn no_proof_is_made_for_a_challenge_that_is_not_ours() {
        let good = SHA1.challenge;
        for bad in [
            String::new(),
            "nonsense".to_owned(),
            format!("m=more,{good}"),
            good.replace("r=f", "r=g"),
            format!("r={},s=QSXCR+Q6sek8bf92,i=4096", SHA1.nonce),
            good.replace(",s=QSXCR+Q6sek8bf92", ""),
            good.replace("QSXC", "Q!XC"),
            good.replace("i=4096", "i=4095"),
            good.replace("i=4096", "i=600001"),
            good.replace("i=4096", "i=99999999999"),
            good.replace("i=4096", "i=-1"),
        ] {
            assert!(scram(&SHA1).prove(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(scram(&SHA1).prove(b"\xff").is_none());
        assert!(scram(&SHA1).prove(format!("{good},x=unknown").as_bytes()).is_some());
    }

    #[test]
    fn names_are_escaped_and_texts_normalised() {
        let first = |username: &str| Scram::new(Hash::Sha1, username, Secret::new("p"), "n").first();
        assert_eq!(first("a,b=c"), "n,,n=a=2Cb=3Dc,r=n");
        assert_eq!(first("I\u{ad}X"), "n,,n=IX,r=n");
        assert_eq!(first("e\u{301}"), "n,,n=\u{e9},r=n");
        assert_eq!(first("\u{7}"), "n,,n=\u{7},r=n");
    }
}
