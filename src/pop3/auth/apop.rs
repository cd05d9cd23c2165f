//! APOP: a digest of the greeting's timestamp and the password.
//!
//! RFC 1939 section 7. Pure. MD5 protects nobody any more, so this is used only where it is configured. A timestamp
//! that is no message id is refused, because forged ones betray the password letter by letter (CVE-2007-1558).

use data_encoding::HEXLOWER;
use md5::Digest as _;
use md5::Md5;

/// The timestamp in a greeting's text, with its brackets.
pub(super) fn timestamp(greeting: &[u8]) -> Option<&[u8]> {
    let start = greeting.iter().position(|&b| b == b'<')?;
    let from_start = greeting.get(start..)?;
    let end = from_start.iter().position(|&b| b == b'>')?;
    let timestamp = from_start.get(..=end)?;
    let inside = timestamp.strip_prefix(b"<")?.strip_suffix(b">")?;
    let mut halves = inside.split(|&b| b == b'@');
    let both =
        halves.next().is_some_and(|local| !local.is_empty()) && halves.next().is_some_and(|host| !host.is_empty());
    let legal = both && halves.next().is_none() && inside.iter().all(|b| b.is_ascii_graphic() && *b != b'<');
    legal.then_some(timestamp)
}

/// What stands behind the user name in the command.
pub(super) fn digest(timestamp: &[u8], password: &str) -> String {
    HEXLOWER.encode(&Md5::new().chain_update(timestamp).chain_update(password).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(greeting: &str, expected: Option<&str>) {
        let found = timestamp(greeting.as_bytes());
        assert_eq!(found, expected.map(str::as_bytes), "{greeting}");
    }

    #[test]
    fn the_example_of_the_rfc() {
        let timestamp = timestamp(b"POP3 server ready <1896.697170952@dbc.mtview.ca.us>").unwrap();
        assert_eq!(digest(timestamp, "tanstaaf"), "c4c9334bac560ecc979e58001b3e22fb");
    }

    #[test]
    fn a_timestamp_is_a_message_id() {
        check("hi <1@host> there", Some("<1@host>"));
        check("<1@[127.0.0.1]>", Some("<1@[127.0.0.1]>"));
        for none in ["hi", "<>", "<@>", "<1@>", "<@host>", "<1>", "1@host", "<1@host", "<a b@host>", "<1@a@b>"] {
            check(none, None);
        }
        check("<ü@host>", None);
        check("<\u{7f}1@host>", None);
        check("<<1@host>", None);
    }
}
