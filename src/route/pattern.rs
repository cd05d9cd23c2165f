//! What an operator writes to match a text: a glob, or a regular expression between slashes.

use std::fmt;

use regex::Regex;
use regex::RegexBuilder;

/// The most memory that one compiled pattern may take, in bytes: generous for a condition on one line of a mail, and a
/// thousand of them still fit.
const COMPILED_MAX: usize = 1024 * 1024;

/// One text to match with.
///
/// A *glob* covers the whole value and ignores case; `*` stands for any text, `?` for one character, and everything
/// else for itself (brackets too: subjects are full of them). A *regular expression* is written `/…/`, or `/…/i` to
/// ignore case, and may match any place of the value.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// Any of several patterns.
#[derive(Debug, Clone)]
pub struct AnyOf(Vec<Pattern>);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It starts like a regular expression and does not end like one.
    #[error("{0:?} starts as a regular expression; end it with / or, to ignore case, with /i")]
    Open(String),
    /// The regular expression is broken, or too large.
    #[error("{text:?} is no regular expression: {reason}")]
    Regex {
        /// The whole pattern.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`PatternError`] if it is a regular expression that is not closed, broken or too large.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let (expression, ignore_case) = match text.strip_prefix('/') {
            None => (glob(text), true),
            Some(rest) => match rest.rsplit_once('/') {
                Some((expression, "")) => (expression.to_owned(), false),
                Some((expression, "i")) => (expression.to_owned(), true),
                Some(_) | None => return Err(PatternError::Open(text.to_owned())),
            },
        };
        let regex = RegexBuilder::new(&expression)
            .case_insensitive(ignore_case)
            .size_limit(COMPILED_MAX)
            .build()
            .map_err(|e| PatternError::Regex { text: text.to_owned(), reason: reason(&e) })?;
        Ok(Pattern { text: text.to_owned(), regex })
    }

    /// Whether `value` matches.
    pub fn matches(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }

    /// The one value that this pattern names, if it is neither a regular expression nor has a wildcard.
    pub fn literal(&self) -> Option<&str> {
        let plain = !self.text.starts_with('/') && !self.text.contains(['*', '?']);
        plain.then_some(self.text.as_str())
    }
}

impl AnyOf {
    /// Matches what any of `patterns` matches.
    pub fn new(patterns: impl IntoIterator<Item = Pattern>) -> AnyOf {
        AnyOf(patterns.into_iter().collect())
    }

    /// Whether any pattern matches `value`.
    pub fn matches(&self, value: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(value))
    }
}

impl fmt::Display for AnyOf {
    /// The patterns as they are written, each in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, pattern) in self.0.iter().enumerate() {
            let joint = if at == 0 { "" } else { " or " };
            write!(f, "{joint}{:?}", pattern.text)?;
        }
        Ok(())
    }
}

/// A regular expression that matches what the glob `text` matches.
fn glob(text: &str) -> String {
    let middle: String = text
        .chars()
        .map(|c| match c {
            '*' => ".*".to_owned(),
            '?' => ".".to_owned(),
            other => regex::escape(other.encode_utf8(&mut [0; 4])),
        })
        .collect();
    format!(r"(?s)\A{middle}\z")
}

/// The last line of the error; the ones above draw the expression again.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => format!("it takes more than {limit} bytes; make it simpler"),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let compiled = Pattern::parse(pattern).unwrap();
        for value in matching {
            assert!(compiled.matches(value), "{pattern} should match {value:?}");
        }
        for value in others {
            assert!(!compiled.matches(value), "{pattern} should not match {value:?}");
        }
    }

    #[test]
    fn a_glob_covers_the_whole_value_and_ignores_case() {
        check("billing@*", &["billing@example.com", "Billing@EXAMPLE.com", "billing@"], &["x-billing@example.com"]);
        check("?illing", &["billing", "äilling"], &["illing", "bbilling"]);
        check("*", &["", "a\nb"], &[]);
        check("", &[""], &["a"]);
        check("ÄRGER*", &["ärger im büro"], &["aerger"]);
    }

    #[test]
    fn everything_but_the_two_wildcards_stands_for_itself() {
        check("[ticket #?] {a,b} (x) a.b\\", &["[TICKET #7] {a,b} (x) a.b\\"], &["t", "[ticket #7] a (x) a.b\\"]);
    }

    #[test]
    fn a_regular_expression_stands_between_slashes() {
        check("/^order [0-9]+$/", &["order 17"], &["Order 17", "order", "my order 17"]);
        check("/invoice/i", &["Your INVOICE is here"], &["bill"]);
        check(r"/^\/srv/", &["/srv/x"], &["srv"]);
        check("/^$/", &[""], &["a"]);
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        let error = |text: &str| Pattern::parse(text).unwrap_err().to_string();
        let open = "starts as a regular expression; end it with / or, to ignore case, with /i";
        assert_eq!(error("/a"), format!("\"/a\" {open}"));
        assert_eq!(error("/a/x"), format!("\"/a/x\" {open}"));
        assert_eq!(error("/(/"), "\"/(/\" is no regular expression: unclosed group");
        assert_eq!(
            error("/(.{1000}){1000}/"),
            "\"/(.{1000}){1000}/\" is no regular expression: it takes more than 1048576 bytes; make it simpler"
        );
    }

    #[test]
    fn only_a_pattern_without_wildcards_names_one_value() {
        let literal = |text: &str| Pattern::parse(text).unwrap().literal().map(str::to_owned);
        assert_eq!(literal("support"), Some("support".into()));
        assert_eq!((literal("sup*"), literal("suppor?"), literal("/support/")), (None, None, None));
    }
}
