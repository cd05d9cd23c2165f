//! What is wrong with a configuration file: where it stands, and what to write instead.
//!
//! A problem never carries the value of a secret. Every text names its remedy.

use std::fmt;
use std::path::PathBuf;

/// The way from the top of the file to one value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// One problem of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The included file that it stands in; `None`: the main one.
    pub file: Option<PathBuf>,
    /// The line, from 1; `None` where the file as a whole is meant.
    pub line: Option<usize>,
    /// The keys that lead to the value, such as `mailboxes[0].poll_interval`; empty at the top of the file.
    pub path: String,
    /// What is wrong, and the remedy.
    pub text: String,
}

/// All problems of one configuration, in the order of files and lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The main file.
    pub file: PathBuf,
    /// What is wrong.
    pub list: Vec<Problem>,
}

/// Gathers problems while the file is read.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<(Path, String)>);

impl Path {
    pub(super) fn key(&self, key: &str) -> Path {
        self.with(Step::Key(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Path {
        self.with(Step::Index(index))
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The path without its last step; `None` at the top.
    pub(super) fn parent(&self) -> Option<Path> {
        let (_, above) = self.0.split_last()?;
        Some(Path(above.to_vec()))
    }

    /// Whether `key` is the last step.
    pub(super) fn ends_with(&self, key: &str) -> bool {
        matches!(self.0.last(), Some(Step::Key(last)) if last == key)
    }

    fn with(&self, step: Step) -> Path {
        let mut steps = self.0.clone();
        steps.push(step);
        Path(steps)
    }
}

impl FromIterator<Step> for Path {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Path {
        Path(steps.into_iter().collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Report {
    /// Notes what is wrong at `path`.
    pub(super) fn add(&mut self, path: &Path, text: impl Into<String>) {
        self.0.push((path.clone(), text.into()));
    }

    /// Notes that the key at `path` is missing; `remedy` completes the sentence. Says nothing where a problem with the
    /// key, within its value or with the section around it is noted already: it may have been written, and could not be
    /// read.
    pub(super) fn missing(&mut self, path: &Path, remedy: &str) {
        let around = self.0.iter().any(|(spoilt, _)| path.steps().starts_with(spoilt.steps()));
        if !around && !self.has_within(path) {
            self.add(path, format!("is missing; {remedy}"));
        }
    }

    /// Whether something is noted at this path or within its value.
    pub(super) fn has_within(&self, path: &Path) -> bool {
        self.0.iter().any(|(noted, _)| noted.steps().starts_with(path.steps()))
    }

    /// Whether something is noted at exactly this path.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.0.iter().any(|(noted, _)| noted == path)
    }

    /// What was noted.
    pub(super) fn into_notes(self) -> Vec<(Path, String)> {
        self.0
    }
}

/// One line a problem: `FILE:LINE: path: text`.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{}", problem.file.as_ref().unwrap_or(&self.file).display())?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            if !problem.path.is_empty() {
                write!(f, ": {}", problem.path)?;
            }
            write!(f, ": {}", problem.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
