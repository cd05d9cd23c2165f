//! What every page has around it, and the parts that several share.

use crate::admin::access::Who;

/// Around a page.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    /// Which entry of the navigation it belongs to.
    pub(super) here: &'static str,
    /// Who looks; `None` on pages for everybody.
    pub(super) who: Option<Who>,
    /// What the action before this page did.
    pub(super) said: Option<String>,
}

impl Frame {
    /// Around a page for `who`.
    pub(super) fn new(title: impl Into<String>, here: &'static str, who: Who) -> Frame {
        Frame { title: title.into(), here, who: Some(who), said: None }
    }

    /// Around a page for everybody.
    pub(super) fn bare(title: &str) -> Frame {
        Frame { title: title.to_owned(), here: "", who: None, said: None }
    }
}

/// A list to choose from.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) label: &'static str,
    pub(super) name: &'static str,
    /// The value, what is shown for it, and whether it is chosen.
    pub(super) options: Vec<(String, String, bool)>,
}

impl Choice {
    pub(super) fn new<'a>(
        label: &'static str,
        name: &'static str,
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
        chosen: &str,
    ) -> Choice {
        let option = |(value, shown): (&str, &str)| (value.to_owned(), shown.to_owned(), value == chosen);
        Choice { label, name, options: options.into_iter().map(option).collect() }
    }

    /// Names are shown as they are.
    pub(super) fn of_names(label: &'static str, name: &'static str, names: &[String], chosen: &str) -> Choice {
        Choice::new(label, name, names.iter().map(|one| (one.as_str(), one.as_str())), chosen)
    }
}

/// A state in a word, and how it is coloured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Badge {
    /// `good`, `warn`, `bad` or `faint`.
    pub(super) level: &'static str,
    pub(super) text: String,
}

impl Badge {
    pub(super) fn new(level: &'static str, text: impl Into<String>) -> Badge {
        Badge { level, text: text.into() }
    }
}

/// A query string of what is not empty.
pub(super) fn link(path: &str, query: &[(&str, &str)]) -> String {
    let set: Vec<_> = query.iter().filter(|(_, value)| !value.is_empty()).collect();
    match set.is_empty() {
        true => path.to_owned(),
        false => format!(
            "{path}?{}",
            form_urlencoded::Serializer::new(String::new())
                .extend_pairs(set.iter().map(|(name, value)| (name, value)))
                .finish()
        ),
    }
}
