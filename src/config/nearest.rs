//! Which of the known names was meant.

/// How alike two names must be (Jaro-Winkler, 0 to 1) for one to be offered in place of the other.
const ALIKE: f64 = 0.8;

/// `; did you mean NAME?` with the most similar of `known`, if one is similar enough.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let likeness = |name: &str| strsim::jaro_winkler(&word.to_lowercase(), &name.to_lowercase());
    let scored = known.into_iter().map(|name| (likeness(name), name)).filter(|(score, _)| *score >= ALIKE);
    let (_, best) = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(format!("; did you mean {best}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expected: Option<&str>) {
        let offered = did_you_mean(word, ["username", "poll_interval", "port", "password"]);
        assert_eq!(offered, expected.map(|name| format!("; did you mean {name}?")), "{word}");
    }

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        check("poll_intervall", Some("poll_interval"));
        check("pasword", Some("password"));
        check("user", Some("username"));
        check("PORT", Some("port"));
        check("colour", None);
    }
}
