//! One configuration out of several files: what `include` draws in, and what `defaults` fill in.
//!
//! The lists of an included file are appended to those of the main one; each entry is filled up from the `defaults` of
//! its own file, and then from those of the main file. A problem is told where it was written.

use std::path::Path as FilePath;
use std::path::PathBuf;

use serde_json::Map;
use serde_json::Value;

use crate::config::file;
use crate::config::filling::fill_up;
use crate::config::filling::is_whole;
use crate::config::nearest::did_you_mean;
use crate::config::outside::Outside;
use crate::config::problem::Path;
use crate::config::problem::Problem;
use crate::config::problem::Report;
use crate::config::problem::Step;
use crate::config::shape;

/// The lists that an included file may have. Only the first two have defaults.
const LISTS: [&str; 3] = ["mailboxes", "endpoints", "routes"];
const DEFAULTS: &str = "defaults";
/// Nobody reads more problems than these at once.
const PROBLEMS_MAX: usize = 200;

/// The files, in the order in which their lists are joined; the main one is the first.
#[derive(Debug)]
pub(super) struct Sources {
    files: Vec<Source>,
    /// What is wrong with the included files themselves.
    problems: Vec<Problem>,
}

#[derive(Debug)]
struct Source {
    /// `None`: the main file.
    name: Option<PathBuf>,
    text: String,
    /// At which place of the joined lists its own entries begin.
    begins: [usize; LISTS.len()],
}

/// Reads the main file's `text` and what it includes, relative to `folder`, into one tree.
///
/// # Errors
/// The main file is no YAML.
pub(super) fn gather(
    text: &str,
    folder: &FilePath,
    outside: &dyn Outside,
    report: &mut Report,
) -> Result<(Value, Sources), Problem> {
    let mut tree = file::read(text, report)?;
    let main = Source { name: None, text: text.to_owned(), begins: [0; LISTS.len()] };
    let mut sources = Sources { files: vec![main], problems: Vec::new() };
    let defaults = defaults_of(&mut tree, report);
    fill_up(&mut tree, &[&defaults]);
    for name in included(&tree, folder, outside, report) {
        sources.include(name, &mut tree, &defaults, outside, report);
    }
    Ok((tree, sources))
}

/// The files that the main one includes. A folder stands for its YAML files in the order of their names; hidden ones,
/// such as the machinery of a Kubernetes volume, do not count.
fn included(tree: &Value, folder: &FilePath, outside: &dyn Outside, report: &mut Report) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let written = tree.get("include").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (at, name) in written.filter_map(|(at, name)| Some((at, name.as_str()?))) {
        let path = folder.join(name);
        match outside.folder(&path) {
            Ok(Some(names)) => files.extend(names.into_iter().filter(|name| is_yaml(name))),
            Ok(None) => files.push(path),
            Err(error) => {
                let text = format!("cannot be read: {error}; write a file or a folder, relative to this file");
                report.add(&Path::default().key("include").index(at), text);
            }
        }
    }
    files
}

fn is_yaml(path: &FilePath) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    !hidden && path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

impl Sources {
    fn include(
        &mut self,
        name: PathBuf,
        whole: &mut Value,
        defaults: &Map<String, Value>,
        outside: &dyn Outside,
        report: &mut Report,
    ) {
        let problem = |line, path: String, text: String| Problem { file: Some(name.clone()), line, path, text };
        let bytes = match outside.file(&name) {
            Ok(bytes) => bytes,
            Err(error) => return self.problems.push(problem(None, String::new(), format!("cannot be read: {error}"))),
        };
        let text = match file::in_utf8(&bytes) {
            Ok(text) => text,
            Err(line) => return self.problems.push(problem(Some(line), String::new(), file::NO_UTF8.to_owned())),
        };
        let mut own = Report::default();
        let mut tree = match file::read(text, &mut own) {
            Ok(tree) => tree,
            Err(found) => return self.problems.push(Problem { file: Some(name.clone()), ..found }),
        };
        let own_defaults = defaults_of(&mut tree, &mut own);
        fill_up(&mut tree, &[&own_defaults, defaults]);
        let begins = LISTS.map(|list| whole.get(list).and_then(Value::as_array).map_or(0, Vec::len));
        for (path, text) in own.into_notes() {
            match moved(&path, |list, at| at + begins.get(list).copied().unwrap_or_default()) {
                Some(path) => report.add(&path, text),
                None => self.problems.push(problem(
                    file::line_of(&String::from_utf8_lossy(&bytes), &path),
                    path.to_string(),
                    text,
                )),
            }
        }
        match tree {
            Value::Object(keys) => {
                for (key, value) in keys {
                    if let Err(why) = join(whole, &key, value) {
                        let line = file::line_of(text, &Path::default().key(&key));
                        self.problems.push(problem(line, key, why));
                    }
                }
            }
            Value::Null => {}
            _ => {
                let why = format!("is no mapping; write {}", LISTS.join(", "));
                self.problems.push(problem(None, String::new(), why));
            }
        }
        self.files.push(Source { text: text.to_owned(), begins, name: Some(name) });
    }

    /// The problems that `report` notes, each where it was written, in the order of files and lines.
    pub(super) fn into_list(self, report: Report) -> Vec<Problem> {
        let mut list: Vec<Problem> = Vec::new();
        let mut more = 0;
        for (path, text) in report.into_notes() {
            // What stands in the defaults is wrong with each entry, and said once.
            let default = as_default(&path).map(|path| path.to_string());
            if list.iter().any(|said| Some(&said.path) == default.as_ref() && said.text == text) {
                continue;
            }
            if list.len() < PROBLEMS_MAX {
                list.push(self.locate(&path, text));
            } else {
                more += 1;
            }
        }
        list.extend(self.problems);
        list.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        if more > 0 {
            let text = format!("{more} more problems follow; mend these first");
            list.push(Problem { file: None, line: None, path: String::new(), text });
        }
        list
    }

    fn locate(&self, path: &Path, text: String) -> Problem {
        let home = self.home(path);
        let begins = home.map_or([0; LISTS.len()], |source| source.begins);
        let own = moved(path, |list, at| at - begins.get(list).copied().unwrap_or_default().min(at));
        let own = own.unwrap_or_else(|| path.clone());
        let main = self.files.first();
        let found = |source: Option<&Source>, path: Path, line| Problem {
            file: source.and_then(|source| source.name.clone()),
            line,
            path: path.to_string(),
            text: text.clone(),
        };
        let exact =
            |source: Option<&Source>, path: &Path| source.and_then(|source| file::exact_line_of(&source.text, path));
        if let Some(line) = exact(home, &own) {
            return found(home, own, Some(line));
        }
        let whole = match own.steps() {
            [list, at, section @ Step::Key(key), ..] => is_whole(key, |name| {
                let steps = [list, at, section].into_iter().cloned().chain([Step::Key(name.to_owned())]);
                exact(home, &steps.collect()).is_some()
            }),
            _ => false,
        };
        if let Some(default) = as_default(path).filter(|_| !whole) {
            for source in [home, main] {
                if let Some(line) = exact(source, &default) {
                    return found(source, default, Some(line));
                }
            }
        }
        let line = home.and_then(|source| file::line_of(&source.text, &own));
        found(home, own, line)
    }

    /// The file that the entry at `path` stands in; whatever is no entry stands in the main one.
    fn home(&self, path: &Path) -> Option<&Source> {
        let here = |source: &&Source| match entry(path) {
            Some((list, at)) => source.begins.get(list).is_some_and(|begins| *begins <= at),
            None => source.name.is_none(),
        };
        self.files.iter().rfind(here)
    }
}

/// The list and the place in it that a path begins with.
fn entry(path: &Path) -> Option<(usize, usize)> {
    let [Step::Key(key), Step::Index(at), ..] = path.steps() else { return None };
    Some((LISTS.iter().position(|list| list == key)?, *at))
}

/// The path with another place in its list.
fn moved(path: &Path, to: impl Fn(usize, usize) -> usize) -> Option<Path> {
    let (list, at) = entry(path)?;
    let step = |(depth, step): (usize, &Step)| if depth == 1 { Step::Index(to(list, at)) } else { step.clone() };
    Some(path.steps().iter().enumerate().map(step).collect())
}

/// Where the defaults hold what `path` names in an entry.
fn as_default(path: &Path) -> Option<Path> {
    let [Step::Key(list), Step::Index(_), rest @ ..] = path.steps() else { return None };
    let keys = [DEFAULTS, list].map(|key| Step::Key(key.to_owned()));
    (!rest.is_empty()).then(|| keys.into_iter().chain(rest.iter().cloned()).collect())
}

/// The file's defaults, as far as they have their shape; what has not is noted, and taken out.
fn defaults_of(tree: &mut Value, report: &mut Report) -> Map<String, Value> {
    let Some(written) = tree.as_object_mut().and_then(|keys| keys.remove(DEFAULTS)) else { return Map::new() };
    let mut alone = Value::Object(Map::from_iter([(DEFAULTS.to_owned(), written)]));
    shape::clean(&mut alone, report);
    match alone.get_mut(DEFAULTS).map(Value::take) {
        Some(Value::Object(lists)) => lists,
        Some(_) | None => Map::new(),
    }
}

/// Appends one of an included file's lists.
fn join(whole: &mut Value, key: &str, value: Value) -> Result<(), String> {
    if !LISTS.contains(&key) {
        let known = LISTS.into_iter().chain([DEFAULTS]);
        let remedy = did_you_mean(key, known.clone())
            .unwrap_or_else(|| format!("; an included file has {}", known.collect::<Vec<_>>().join(", ")));
        return Err(format!("does not stand in an included file{remedy}"));
    }
    let Value::Array(entries) = value else { return Err("is no list; write one".to_owned()) };
    if whole.is_null() {
        *whole = Value::Object(Map::new());
    }
    let Some(keys) = whole.as_object_mut() else { return Ok(()) };
    // A list of the main file that is none is reported as such.
    if let Some(list) = keys.entry(key).or_insert_with(|| Value::Array(Vec::new())).as_array_mut() {
        list.extend(entries);
    }
    Ok(())
}
