//! The assertion of a service account: a JSON Web Token (RFC 7519), signed with RS256 (RFC 7518 section 3.3).
//!
//! Google's form of RFC 7523: the account is the issuer, the mailbox's user the subject, `scope` stands inside.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::Id;
use openssl::pkey::PKey;
use openssl::pkey::Private;
use openssl::sign::Signer;
use serde::Deserialize;
use serde_json::json;

use super::config::ServiceAccount;
use super::error::OauthError;

/// How long an assertion counts; Google takes an hour at most.
const LIFETIME_SECONDS: i64 = 3600;

/// A service account's name and private key. `Debug` prints `[secret]`.
#[derive(Clone)]
pub struct ServiceKey {
    email: String,
    id: Option<String>,
    key: PKey<Private>,
}

/// What is used of Google's file.
#[derive(Deserialize)]
struct File {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
}

impl ServiceKey {
    /// Reads the JSON that Google gives out with the key of a service account; `None` if it is anything else.
    pub fn parse(json: &str) -> Option<ServiceKey> {
        let file: File = serde_json::from_str(json).ok()?;
        let key = PKey::private_key_from_pem(file.private_key.as_bytes()).ok()?;
        let is_rsa = key.id() == Id::RSA;
        is_rsa.then_some(ServiceKey { email: file.client_email, id: file.private_key_id, key })
    }
}

impl PartialEq for ServiceKey {
    fn eq(&self, other: &ServiceKey) -> bool {
        self.email == other.email && self.id == other.id && self.key.public_eq(&other.key)
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The signed assertion, as of `now`.
pub(super) fn assertion(account: &ServiceAccount, now: Timestamp) -> Result<String, OauthError> {
    let mut header = json!({ "alg": "RS256", "typ": "JWT" });
    if let (Some(header), Some(id)) = (header.as_object_mut(), &account.key.id) {
        header.insert("kid".to_owned(), id.as_str().into());
    }
    let claims = json!({
        "iss": account.key.email,
        "sub": account.subject.reveal(),
        "scope": account.scope,
        "aud": account.token_url.as_str(),
        "iat": now.as_second(),
        "exp": now.as_second().saturating_add(LIFETIME_SECONDS),
    });
    let encoded = |value: serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let signature = sign(&account.key.key, signed.as_bytes()).map_err(|error| OauthError::Unsigned(Arc::new(error)))?;
    Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
}

fn sign(key: &PKey<Private>, bytes: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    Signer::new(MessageDigest::sha256(), key)?.sign_oneshot_to_vec(bytes)
}

#[cfg(test)]
mod tests {
    use openssl::rsa::Rsa;
    use openssl::sign::Verifier;
    use serde_json::Value;

    use super::*;
    use crate::secret::Secret;

    fn file(private_key: &str) -> String {
        let file = json!({
            "type": "service_account",
            "client_email": "robot@project.example",
            "private_key": private_key,
            "private_key_id": "k1",
        });
        file.to_string()
    }

    fn pem(key: &PKey<Private>) -> String {
        String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    #[test]
    fn the_assertion_holds_before_the_public_key() {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let account = ServiceAccount {
            token_url: "https://oauth2.googleapis.com/token".parse().unwrap(),
            scope: "https://mail.google.com/".to_owned(),
            key: ServiceKey::parse(&file(&pem(&key))).unwrap(),
            subject: Secret::new("ann@example.com"),
        };
        assert!(!format!("{account:?}").contains("example.com"));
        let assertion = assertion(&account, "2026-01-31T12:00:00Z".parse().unwrap()).unwrap();
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        let public = PKey::public_key_from_pem(&key.public_key_to_pem().unwrap()).unwrap();
        let mut verifier = Verifier::new(MessageDigest::sha256(), &public).unwrap();
        assert!(verifier.verify_oneshot(&signature, signed.as_bytes()).unwrap());
        let parts: Vec<Value> = signed
            .split('.')
            .map(|part| serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap())
            .collect();
        assert_eq!(parts[0], json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
        let claims = json!({
            "iss": "robot@project.example",
            "sub": "ann@example.com",
            "scope": "https://mail.google.com/",
            "aud": "https://oauth2.googleapis.com/token",
            "iat": 1_769_860_800,
            "exp": 1_769_864_400,
        });
        assert_eq!(parts[1], claims);
    }

    #[test]
    fn only_a_service_accounts_rsa_key_is_one() {
        let elliptic = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
        let elliptic = PKey::from_ec_key(openssl::ec::EcKey::generate(&elliptic).unwrap()).unwrap();
        for bad in ["", "{}", "[]", &file("hello"), &file(&pem(&elliptic))] {
            assert!(ServiceKey::parse(bad).is_none(), "{bad}");
        }
    }
}
