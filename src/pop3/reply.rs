//! Replies: the status, the code in brackets, and the words behind them.
//!
//! RFC 1939 section 3 (`+OK`, `-ERR`), RFC 2449 section 8 (codes), RFC 3206 (`AUTH`, `SYS/…`). Codes are believed
//! whether or not the server announced RESP-CODES, because many do not. Pure: bytes in, facts out. A server's words
//! leave this file only escaped and cut, and without the secrets that the caller names.

use super::code::Code;
use super::error::Pop3Error;

/// How much of a server's text is kept, in bytes: enough for a sentence in a log.
const TEXT_MAX: usize = 200;

/// The status of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// `+OK`
    Ok,
    /// `-ERR`
    Err,
}

/// One status line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: Status,
    text: Vec<u8>,
}

impl Reply {
    /// Reads a status line; `None` if it is none.
    pub(super) fn parse(line: &[u8]) -> Option<Reply> {
        let token_end = line.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(line.len());
        let (token, text) = line.split_at_checked(token_end)?;
        let status = match token.trim_ascii_end().to_ascii_uppercase().as_slice() {
            b"+OK" => Status::Ok,
            b"-ERR" => Status::Err,
            _ => return None,
        };
        Some(Reply { status, text: text.trim_ascii().to_vec() })
    }

    /// The code that the server gave.
    pub(super) fn code(&self) -> Option<Code> {
        Code::parse(&self.text)
    }

    /// The code that the server gave, or the one that the words of a refused login amount to.
    pub(super) fn login_code(&self) -> Option<Code> {
        self.code().or_else(|| Code::guess(&self.text))
    }

    /// The server's words as they came.
    pub(super) fn words(&self) -> &[u8] {
        &self.text
    }

    /// The server's words, fit for a log.
    pub(super) fn text(&self) -> String {
        clean(&self.text)
    }

    /// The server's words, should it repeat one of `secrets`, without it.
    pub(super) fn text_without(&self, secrets: &[&str]) -> String {
        let mut text = String::from_utf8_lossy(&self.text).into_owned();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "[secret]");
        }
        clean(text.as_bytes())
    }

    /// The error of a command that was answered by this.
    pub(super) fn refused(&self, command: &'static str) -> Pop3Error {
        Pop3Error::Refused { command, code: self.code(), text: self.text() }
    }
}

/// A server's bytes as text for a log: control characters escaped, mail addresses left out, cut to 200 bytes.
fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let word = |word| if str::contains(word, '@') { "[address]" } else { word };
    let words: Vec<&str> = text.split(' ').map(word).collect();
    escape(words.join(" ").as_bytes(), TEXT_MAX)
}

/// A server's bytes as text: what is no UTF-8 replaced, control characters and those that turn the direction of writing
/// escaped, cut to `longest` bytes.
pub(super) fn escape(bytes: &[u8], longest: usize) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(bytes).chars() {
        let harmful =
            c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let piece = if harmful { c.escape_default().to_string() } else { c.to_string() };
        if text.len().saturating_add(piece.len()) > longest {
            break;
        }
        text.push_str(&piece);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &[u8], expected: Option<(Status, Option<Code>, &str)>) {
        let reply = Reply::parse(line);
        let found = reply.as_ref().map(|reply| (reply.status, reply.code(), reply.text()));
        let expected = expected.map(|(status, code, text)| (status, code, text.to_owned()));
        assert_eq!(found, expected, "{:?}", line.escape_ascii());
    }

    #[test]
    fn the_status_is_the_first_word() {
        check(b"+OK", Some((Status::Ok, None, "")));
        check(b"+ok ready", Some((Status::Ok, None, "ready")));
        check(b"+OK\t2 octets ", Some((Status::Ok, None, "2 octets")));
        check(b"-ERR", Some((Status::Err, None, "")));
        check(b"-err  no", Some((Status::Err, None, "no")));
        for none in [&b""[..], b"+", b"+OKAY", b"-", b"--boundary", b"OK", b" +OK", b"250 ok"] {
            check(none, None);
        }
    }

    #[test]
    fn codes_are_believed_whatever_was_announced() {
        for (line, code) in [
            (&b"-ERR [AUTH] Authentication failed."[..], Some(Code::Auth)),
            (b"-ERR [in-use] locked", Some(Code::InUse)),
            (b"-ERR [LOGIN-DELAY 300] wait", Some(Code::LoginDelay)),
            (b"-ERR [SYS/TEMP] later", Some(Code::SysTemp)),
            (b"-ERR [SYS/PERM] call us", Some(Code::SysPerm)),
            (b"-ERR [UTF8] international message", Some(Code::Utf8)),
            (b"-ERR [SYS/WEIRD] hm", Some(Code::SysTemp)),
            (b"-ERR [WEIRD] hm", None),
            (b"-ERR no [AUTH] in front", None),
        ] {
            assert_eq!(Reply::parse(line).unwrap().code(), code, "{:?}", line.escape_ascii());
        }
    }

    #[test]
    fn known_words_stand_for_a_code_at_login() {
        for (line, code) in [
            (&b"-ERR maildrop already locked"[..], Some(Code::InUse)),
            (b"-ERR /var/mail/.x.pop lock busy!  Is another session active?", Some(Code::InUse)),
            (b"-ERR Mailbox is in use by your account in another session", Some(Code::InUse)),
            (b"-ERR Busy - please try later", Some(Code::SysTemp)),
            (b"-ERR Service Unavailable", Some(Code::SysTemp)),
            (b"-ERR Maximum number of connections exceeded", Some(Code::SysTemp)),
            (b"-ERR Server error - Please try again later", Some(Code::SysTemp)),
            (b"-ERR login failed, try again later", None),
            (b"-ERR Logins must be at least 1 minute(s) apart", Some(Code::LoginDelay)),
            (b"-ERR [AUTH] wait", Some(Code::Auth)),
            (b"-ERR your account is locked", None),
            (b"-ERR wrong password, please wait before you try again", None),
            (b"-ERR you are blocked", None),
            (b"-ERR Logon failure: unknown user name or bad password", None),
        ] {
            assert_eq!(Reply::parse(line).unwrap().login_code(), code, "{:?}", line.escape_ascii());
        }
    }

    #[test]
    fn words_of_the_server_cannot_forge_a_log_line() {
        check(b"-ERR a\x1b[2J\rb\0", Some((Status::Err, None, "a\\u{1b}[2J\\rb\\u{0}")));
        check("-ERR a\u{202e}b\u{2028}c\u{85}".as_bytes(), Some((Status::Err, None, "a\\u{202e}b\\u{2028}c\\u{85}")));
        let long = Reply::parse(&[b"-ERR ", &[0xe9; 5000][..]].concat()).unwrap();
        assert_eq!(long.text().len(), 198);
    }

    #[test]
    fn a_secret_that_the_server_repeats_is_not_kept() {
        let reply = Reply::parse(b"-ERR wrong password hunter2!").unwrap();
        assert_eq!(reply.text_without(&["", "hunter2"]), "wrong password [secret]!");
    }

    #[test]
    fn an_address_in_the_servers_words_is_not_repeated() {
        let reply = Reply::parse(b"-ERR [AUTH] Login of <ann@example.org> failed, sorry").unwrap();
        assert_eq!(reply.text(), "[AUTH] Login of [address] failed, sorry");
    }
}
