//! Access tokens: the texts of XOAUTH2 and OAUTHBEARER.
//!
//! RFC 7628 section 3, and for XOAUTH2 the form that Google and Microsoft publish. Pure. Where a token is refused, the
//! server says why in a challenge, and refuses only after that was answered.

use serde_json::Value;

/// What answers the challenge that tells why an OAUTHBEARER token was refused (RFC 7628 section 3.2.3).
pub(super) const OAUTHBEARER_HEARD: &str = "AQ==";
/// What answers that of XOAUTH2.
pub(super) const XOAUTH2_HEARD: &str = "";

/// The longest `status` that is repeated; real ones are `401` and `invalid_token`.
const STATUS_MAX: usize = 32;

/// The only message of XOAUTH2.
pub(super) fn xoauth2(username: &str, token: &str) -> String {
    format!("user={username}\x01auth=Bearer {token}\x01\x01")
}

/// The only message of OAUTHBEARER; the name is escaped as RFC 5801 section 4 asks for.
pub(super) fn oauthbearer(username: &str, host: &str, port: u16, token: &str) -> String {
    let username = username.replace('=', "=3D").replace(',', "=2C");
    format!("n,a={username},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01")
}

/// The `status` in the challenge of a server that refused a token; nothing else of it is believed or kept.
pub(super) fn status(challenge: &[u8]) -> Option<String> {
    let Value::Object(mut told) = serde_json::from_slice(challenge).ok()? else { return None };
    let status = match told.remove("status")? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let legal = status.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    (legal && (1..=STATUS_MAX).contains(&status.len())).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_and_of_the_providers() {
        let token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
        let message = oauthbearer("user@example.com", "server.example.com", 143, token);
        let encoded = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI\
            HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
        assert_eq!(base64_simd::STANDARD.encode_to_string(message), encoded);

        let message = xoauth2("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
        let encoded = "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJo\
            ZG1semRHRXVZMjl0Q2cBAQ==";
        assert_eq!(base64_simd::STANDARD.encode_to_string(message), encoded);
    }

    #[test]
    fn a_name_cannot_end_its_field() {
        assert_eq!(oauthbearer("a,b=c", "h", 1, "t"), "n,a=a=2Cb=3Dc,\x01host=h\x01port=1\x01auth=Bearer t\x01\x01");
    }

    fn check(challenge: &[u8], expected: Option<&str>) {
        assert_eq!(status(challenge).as_deref(), expected, "{:?}", challenge.escape_ascii());
    }

    #[test]
    fn only_the_status_of_an_error_is_believed() {
        check(br#"{"status":"invalid_token","scope":"x","openid-configuration":"https://h/"}"#, Some("invalid_token"));
        check(br#"{"status":"401","schemes":"bearer","scope":"mail"}"#, Some("401"));
        check(br#"{"status":400}"#, Some("400"));
        let nonsense = [
            &b""[..],
            b"401",
            b"{}",
            b"[]",
            b"\xff",
            br#"{"status":null}"#,
            br#"{"status":""}"#,
            br#"{"status":"log\nline"}"#,
            br#"{"status":"ann@example.org"}"#,
            br#"{"status":"ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"}"#,
        ];
        for nonsense in nonsense {
            check(nonsense, None);
        }
    }
}
