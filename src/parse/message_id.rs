//! Message ids and the envelope sender: what stands between angle brackets.

use std::collections::HashSet;

use crate::parse::encoded_word;

/// Ids beyond this are not read: some ten thousand of them fit.
const VALUE_MAX: usize = 1024 * 1024;

/// The ids in `value` without their brackets, in order, each once. Where no bracket stands, words are ids.
pub(super) fn list(value: &[u8]) -> Vec<String> {
    let text = encoded_word::text(value.get(..VALUE_MAX).unwrap_or(value)).0;
    let squeezed = |id: &str| id.split_whitespace().collect::<String>();
    let ids: Vec<String> = if text.contains('<') {
        text.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(id, _)| squeezed(id)).collect()
    } else {
        text.split_whitespace().map(|id| id.trim_matches(['<', '>', ',']).to_owned()).collect()
    };
    let mut seen = HashSet::new();
    ids.into_iter().filter(|id| !id.is_empty() && seen.insert(id.clone())).collect()
}

/// The envelope sender in a Return-Path field: empty for `<>`.
pub(super) fn return_path(value: &[u8]) -> String {
    let text = encoded_word::text(value).0;
    let inner = text.rsplit_once('<').map_or(&*text, |(_, rest)| rest.split('>').next().unwrap_or_default());
    inner.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &[&str]) {
        assert_eq!(list(value.as_bytes()), expected, "{value:?}");
    }

    #[test]
    fn ids_with_and_without_brackets() {
        for (value, expected) in [
            (" <a@b>\r\n <c@d>\r\n", &["a@b", "c@d"][..]),
            ("<a@b><c@d>, <a@b>", &["a@b", "c@d"]),
            ("a@b c@d", &["a@b", "c@d"]),
            ("Your message of Monday <a@b>", &["a@b"]),
            ("<broken\r\n id@b>", &["brokenid@b"]),
            ("<>", &[]),
            ("<never closed", &[]),
            ("", &[]),
        ] {
            check(value, expected);
        }
    }

    #[test]
    fn the_empty_return_path_is_told_from_none() {
        for (value, expected) in [(" <>\r\n", ""), ("<a@b>", "a@b"), ("a@b", "a@b"), ("\"x\" < a@b >", "a@b"), ("", "")]
        {
            assert_eq!(return_path(value.as_bytes()), expected, "{value:?}");
        }
    }
}
