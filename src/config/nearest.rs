//! Which of the known names was meant.

/// How alike two names must be (Jaro-Winkler, 0 to 1) for one to be offered in place of the other.
const ALIKE: f64 = 0.8;

/// How far the best must lead: between two that are as good, the choice is not ours.
const LEAD: f64 = 0.02;

/// `; did you mean NAME?` with the most similar of `known`, if it is similar enough and no other one is as similar.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let likeness = |name: &str| strsim::jaro_winkler(&word.to_lowercase(), &name.to_lowercase());
    let mut scored: Vec<(f64, &str)> = known.into_iter().map(|name| (likeness(name), name)).collect();
    scored.sort_by(|(a, left), (b, right)| b.total_cmp(a).then(left.cmp(right)));
    scored.dedup_by_key(|(_, name)| *name);
    let mut best = scored.into_iter();
    let (score, name) = best.next().filter(|(score, _)| *score >= ALIKE)?;
    let rival = best.next().is_some_and(|(next, _)| score - next < LEAD);
    (!rival).then(|| format!("; did you mean {name}?"))
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

    #[test]
    fn between_two_the_choice_is_not_ours() {
        assert_eq!(did_you_mean("delete", ["delete_when_delivered", "delete_when_spooled"]), None);
    }
}
