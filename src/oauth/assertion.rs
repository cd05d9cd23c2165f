//! The assertion of a service account: a JSON Web Token (RFC 7519), signed with RS256 (RFC 7518 section 3.3).
//!
//! Google's form of RFC 7523: the account is the issuer, the mailbox's user the subject, `scope` stands inside.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde_json::json;

use super::config::ServiceAccount;
use super::error::OauthError;

/// How long an assertion counts; Google takes an hour at most.
const LIFETIME_SECONDS: i64 = 3600;

/// The signed assertion, as of `now`.
pub(super) fn assertion(account: &ServiceAccount, now: Timestamp) -> Result<String, OauthError> {
    let mut header = json!({ "alg": "RS256", "typ": "JWT" });
    if let (Some(header), Some(id)) = (header.as_object_mut(), account.key.id()) {
        header.insert("kid".to_owned(), id.into());
    }
    let claims = json!({
        "iss": account.key.email(),
        "sub": account.subject.reveal(),
        "scope": account.scope,
        "aud": account.token_url.as_str(),
        "iat": now.as_second(),
        "exp": now.as_second().saturating_add(LIFETIME_SECONDS),
    });
    let encoded = |value: serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let signature = account.key.sign(signed.as_bytes()).map_err(|error| OauthError::Unsigned(Arc::new(error)))?;
    Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
}

#[cfg(test)]
mod tests {
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::rsa::Rsa;
    use openssl::sign::Verifier;
    use serde_json::Value;

    use super::*;
    use crate::oauth::ServiceKey;
    use crate::oauth::service_key::tests::file;
    use crate::oauth::service_key::tests::pem;
    use crate::secret::Secret;

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
}
