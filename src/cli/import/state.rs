//! The files in which other programs remember what they have taken.

use std::collections::BTreeSet;

use crate::ident::UniqueId;

/// What a state file says of one mailbox.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The unique-ids that were taken.
    pub(super) unique_ids: BTreeSet<UniqueId>,
    /// Lines about other logins.
    pub(super) others: usize,
    /// Lines whose id no server can give.
    pub(super) unusable: usize,
}

impl State {
    fn note(&mut self, id: &[u8]) {
        match UniqueId::parse(id) {
            Some(id) => drop(self.unique_ids.insert(id)),
            None => self.unusable += 1,
        }
    }
}

/// Reads fetchmail's `.fetchids`: `USER@HOST UNIQUE-ID` a line, where a user's name may have an `@` of its own. Only those
/// of `login` (`USER@HOST`, whose case fetchmail ignores) count.
///
/// # Errors
/// The number of the first line that is none.
pub(super) fn fetchmail(text: &[u8], login: &str) -> Result<State, usize> {
    read(text, |line, state| {
        let (who, id) = line.split_at_checked(line.iter().position(u8::is_ascii_whitespace)?)?;
        if !who.contains(&b'@') {
            return None;
        }
        match who.eq_ignore_ascii_case(login.as_bytes()) {
            true => state.note(id.trim_ascii()),
            false => state.others += 1,
        }
        Some(())
    })
}

/// Reads getmail's `oldmail-SERVER-PORT-USER`: a unique-id, NUL and the time a line, of one login alone.
///
/// # Errors
/// The number of the first line that is none.
pub(super) fn getmail(text: &[u8]) -> Result<State, usize> {
    read(text, |line, state| {
        let (id, time) = line.split_at_checked(line.iter().position(|b| *b == 0)?)?;
        let time = time.get(1..)?;
        if time.is_empty() || !time.iter().all(u8::is_ascii_digit) {
            return None;
        }
        state.note(id);
        Some(())
    })
}

fn read(text: &[u8], take: impl Fn(&[u8], &mut State) -> Option<()>) -> Result<State, usize> {
    let mut state = State::default();
    for (line, number) in text.split(|b| *b == b'\n').zip(1usize..) {
        let line = line.trim_ascii();
        if !line.is_empty() {
            take(line, &mut state).ok_or(number)?;
        }
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: Result<State, usize>, expected: Result<(&[&str], usize, usize), usize>) {
        let found = found.map(|state| {
            let ids: Vec<String> = state.unique_ids.iter().map(ToString::to_string).collect();
            (ids, state.others, state.unusable)
        });
        let expected = expected.map(|(ids, others, unusable)| {
            (ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>(), others, unusable)
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn fetchmail_s_lines_name_the_login_before_the_id() {
        let of = |text: &str, login: &str| fetchmail(text.as_bytes(), login);
        let two = "ann@pop.example.com 0001\nann@pop.example.com 0002\nbob@pop.example.com 0001\n";
        check(of(two, "ann@pop.example.com"), Ok((&["0001", "0002"], 1, 0)));
        check(
            of("Ann@POP.example.com a%b\r\n\nann@pop.example.com a%b", "ann@pop.example.com"),
            Ok((&["a%25b"], 0, 0)),
        );
        check(of("a@b 1 2\n", "a@b"), Ok((&["1%202"], 0, 0)));
        check(of("ann@x.org@pop.example.com  7\n", "ann@x.org@pop.example.com"), Ok((&["7"], 0, 0)));
        check(of(&format!("a@b {}\n", "x".repeat(1025)), "a@b"), Ok((&[], 0, 1)));
        check(of("", "a@b"), Ok((&[], 0, 0)));
        for broken in ["a@b 1\nno login\n", "a@b 1\na@b\n", "a@b 1\n1\x001700000000\n"] {
            check(of(broken, "a@b"), Err(2));
        }
    }

    #[test]
    fn getmail_s_lines_give_the_time_behind_the_id() {
        check(
            getmail(b"0001\x001700000000\n0002\x001700000001\r\n0001\x001700000000\n"),
            Ok((&["0001", "0002"], 0, 0)),
        );
        check(getmail(b"a\tb\x001\n"), Ok((&[], 0, 1)));
        for broken in [&b"1\x001\nann@pop.example.com 0001\n"[..], b"1\x001\n2\x00now\n", b"1\x001\n2\x00\n"] {
            check(getmail(broken), Err(2));
        }
    }
}
