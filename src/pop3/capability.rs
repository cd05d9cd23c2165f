//! What the server says it can do: the answer to CAPA.
//!
//! RFC 2449 sections 5 and 6. Pure. The list is a hint, not a promise: servers omit what they can do and announce what
//! they refuse, so a configured choice always wins over it. A server without CAPA has an empty list.

use std::time::Duration;

use super::reply::escape;
use super::wire;
use super::wire::LINE_MAX;

/// How long the server keeps mail that was left on it (RFC 2449 section 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expire {
    /// For good.
    Never,
    /// For this many days; 0 means that a message may be deleted as soon as it was retrieved.
    Days(u32),
}

/// The capabilities that a server announced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The keyword in capitals, and its parameters as sent.
    lines: Vec<(String, String)>,
}

impl Capabilities {
    /// Reads the body of an answer to CAPA.
    pub fn parse(body: &[u8]) -> Capabilities {
        let entry = |line: &[u8]| {
            // Before the rest is escaped, to which a tab would fall.
            let spaced: Vec<u8> = line.trim_ascii().iter().map(|&b| if b == b'\t' { b' ' } else { b }).collect();
            let line = escape(&spaced, LINE_MAX);
            let (keyword, parameters) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            (keyword.to_ascii_uppercase(), parameters.trim().to_owned())
        };
        let lines = wire::lines(body).map(entry).filter(|(keyword, _)| !keyword.is_empty()).collect();
        Capabilities { lines }
    }

    /// Whether `keyword`, in capitals, was announced.
    pub fn has(&self, keyword: &str) -> bool {
        self.parameters(keyword).is_some()
    }

    /// The SASL mechanisms, in capitals.
    pub fn sasl(&self) -> Vec<String> {
        let mechanisms = self.lines.iter().filter(|(keyword, _)| keyword == "SASL");
        mechanisms.flat_map(|(_, names)| names.split_whitespace()).map(str::to_ascii_uppercase).collect()
    }

    /// How long mail that is left on the server stays there; `None` if not told.
    pub fn expire(&self) -> Option<Expire> {
        let when = self.parameters("EXPIRE")?.split_whitespace().next()?;
        if when.eq_ignore_ascii_case("NEVER") { Some(Expire::Never) } else { when.parse().ok().map(Expire::Days) }
    }

    /// How long to wait from one login to the next; `None` if not told.
    pub fn login_delay(&self) -> Option<Duration> {
        let seconds = self.parameters("LOGIN-DELAY")?.split_whitespace().next()?;
        seconds.parse().ok().map(Duration::from_secs)
    }

    /// The server's product, should it tell.
    pub fn implementation(&self) -> Option<&str> {
        self.parameters("IMPLEMENTATION").filter(|name| !name.is_empty())
    }

    /// Every line as `KEYWORD parameters`, in the server's order.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.lines.iter().map(|(keyword, parameters)| format!("{keyword} {parameters}").trim_end().to_owned())
    }

    fn parameters(&self, keyword: &str) -> Option<&str> {
        self.lines.iter().find(|(known, _)| known == keyword).map(|(_, parameters)| parameters.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gmail_is_understood() {
        let body = b"USER\r\nRESP-CODES\r\nEXPIRE 0\r\nLOGIN-DELAY 300\r\nTOP\r\nUIDL\r\nX-GOOGLE-RICO\r\n\
            SASL PLAIN XOAUTH2 OAUTHBEARER\r\n";
        let capabilities = Capabilities::parse(body);
        assert!(capabilities.has("UIDL") && capabilities.has("X-GOOGLE-RICO"));
        assert!(!capabilities.has("PIPELINING") && !capabilities.has("STLS"));
        assert_eq!(capabilities.sasl(), ["PLAIN", "XOAUTH2", "OAUTHBEARER"]);
        assert_eq!(capabilities.expire(), Some(Expire::Days(0)));
        assert_eq!(capabilities.login_delay(), Some(Duration::from_secs(300)));
        assert_eq!(capabilities.implementation(), None);
        assert_eq!(capabilities.lines().nth(3).unwrap(), "LOGIN-DELAY 300");
    }

    #[test]
    fn the_unusual_is_understood_too() {
        let capabilities = Capabilities::parse(
            b"stls\n\n  sasl\tlogin\r\nSASL Plain\r\nExpire never USER\r\n\
            LOGIN-DELAY soon\r\nIMPLEMENTATION a\x1bb c\r\n",
        );
        assert!(capabilities.has("STLS"));
        assert_eq!(capabilities.sasl(), ["LOGIN", "PLAIN"]);
        assert_eq!(capabilities.expire(), Some(Expire::Never));
        assert_eq!(capabilities.login_delay(), None);
        assert_eq!(capabilities.implementation(), Some("a\\u{1b}b c"));
        assert_eq!(Capabilities::parse(b""), Capabilities::default());
    }
}
