//! The condition of a mailbox, as its visits show it. Pure.
//!
//! A refused login counts at once: nothing but a human mends it, and it is tried only every few minutes. Networks and
//! servers fail for a while and come back, so a mailbox is unreachable only after [`FAILURES_MAX`] visits in a row.

/// Visits that fail in a row until a mailbox is unreachable; with an interval of a minute, that takes three minutes.
const FAILURES_MAX: u32 = 3;

/// What a visit says of its mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visited {
    /// It was let in.
    Well,
    /// The login was refused, or there is none.
    Refused,
    /// The server says that a human must look at the account.
    NeedsHuman,
    /// Anything else.
    Failed,
}

/// The condition of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// It can be visited.
    #[default]
    Ok,
    /// Its login is refused.
    AuthFailed,
    /// It cannot be visited.
    Unreachable,
}

impl Condition {
    /// All conditions.
    pub const ALL: [Condition; 3] = [Condition::Ok, Condition::AuthFailed, Condition::Unreachable];

    /// The name in the spool and in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Condition::Ok => "ok",
            Condition::AuthFailed => "auth_failed",
            Condition::Unreachable => "unreachable",
        }
    }

    /// Reads the name back.
    pub fn parse(text: &str) -> Option<Condition> {
        Condition::ALL.into_iter().find(|condition| condition.as_str() == text)
    }

    /// The condition after a visit, and how many have failed in a row by then.
    pub(super) fn after(self, failures: u32, visited: Visited) -> (Condition, u32) {
        match visited {
            Visited::Well => (Condition::Ok, 0),
            Visited::Refused => (Condition::AuthFailed, 0),
            Visited::NeedsHuman => (Condition::Unreachable, FAILURES_MAX),
            Visited::Failed if failures + 1 >= FAILURES_MAX => (Condition::Unreachable, FAILURES_MAX),
            Visited::Failed => (self, failures + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What visits make of a mailbox that is well: `w`ell, `r`efused, needs a `h`uman, `f`ailed.
    fn check(visits: &str, expected: Condition) {
        let visited = |c| match c {
            'w' => Visited::Well,
            'r' => Visited::Refused,
            'h' => Visited::NeedsHuman,
            _ => Visited::Failed,
        };
        let step = |(condition, failures), visit| Condition::after(condition, failures, visited(visit));
        let (condition, failures) = visits.chars().fold((Condition::Ok, 0), step);
        assert_eq!(condition, expected, "{visits}");
        assert!(failures <= FAILURES_MAX, "{visits}");
    }

    #[test]
    fn a_refused_login_counts_at_once_and_a_failed_visit_the_third_time() {
        for (visits, expected) in [
            ("", Condition::Ok),
            ("r", Condition::AuthFailed),
            ("rw", Condition::Ok),
            ("ff", Condition::Ok),
            ("fff", Condition::Unreachable),
            ("ffffffffff", Condition::Unreachable),
            ("ffwff", Condition::Ok),
            ("rff", Condition::AuthFailed),
            ("rfff", Condition::Unreachable),
            ("ffrff", Condition::AuthFailed),
            ("fffr", Condition::AuthFailed),
            ("h", Condition::Unreachable),
            ("hw", Condition::Ok),
        ] {
            check(visits, expected);
        }
    }

    #[test]
    fn every_condition_reads_back() {
        for condition in Condition::ALL {
            assert_eq!(Condition::parse(condition.as_str()), Some(condition));
        }
    }
}
