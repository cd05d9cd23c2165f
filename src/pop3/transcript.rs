//! What an operator sees of a session at debug: each command and each answer, without secrets and without mail.
//!
//! A server's words are escaped and cut, addresses left out; where they may repeat a credential, only their code is
//! shown. The caller's span says whose session it is.

use tracing::debug;

use super::error::Step;
use super::reply::Reply;

/// Commands whose arguments are credentials, and whose answers may repeat them.
const SECRET: [&str; 4] = ["USER", "PASS", "APOP", "AUTH"];

/// A command goes out.
pub(super) fn sent(verb: &str, arguments: &str) {
    // The name of a SASL mechanism is no secret.
    let shown = if verb != "AUTH" && SECRET.contains(&verb) { "[secret]" } else { arguments };
    debug!(command = verb, arguments = shown, "sent");
}

/// A response to a challenge goes out.
pub(super) fn responded() {
    debug!(command = "AUTH", arguments = "[secret]", "answered the challenge");
}

/// A status line came in.
pub(super) fn answered(step: Step, reply: &Reply) {
    debug!(to = %step, status = ?reply.status, code = ?reply.code(), words = %words(step, reply), "answered");
}

/// The lines behind a status line came in whole.
pub(super) fn received(verb: &str, bytes: usize) {
    debug!(command = verb, bytes, "received");
}

fn words(step: Step, reply: &Reply) -> String {
    let secret = matches!(step, Step::Answer(verb) if SECRET.contains(&verb));
    if secret { "[withheld]".to_owned() } else { reply.text() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(step: Step, line: &[u8], expected: &str) {
        assert_eq!(words(step, &Reply::parse(line).unwrap()), expected);
    }

    #[test]
    fn what_may_repeat_a_credential_is_withheld() {
        for verb in ["USER", "PASS", "APOP", "AUTH"] {
            check(Step::Answer(verb), b"-ERR [AUTH] no such password: hunter2", "[withheld]");
        }
        check(Step::Answer("LIST"), b"+OK 3 messages", "3 messages");
        check(Step::Greeting, b"+OK ready\x1b[2J for a@example.com", "ready\\u{1b}[2J for [address]");
    }
}
