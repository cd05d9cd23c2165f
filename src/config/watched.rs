//! Which files a configuration was read from, and whether one of them has changed since.
//!
//! A file is known by what its path leads to now, symbolic links followed: a Kubernetes volume is changed by turning
//! one link, and each of its files is another one then. A file that is not there is watched, too, so that one that comes
//! is noticed. Nothing here reads a file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;

use crate::config::outside::CommandError;
use crate::config::outside::Outside;

/// The files and folders that were read, each as it was just before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched(BTreeMap<PathBuf, Stamp>);

/// What tells a file from another, and from itself before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamp {
    /// Nothing that could be looked at.
    Missing,
    There {
        device: u64,
        inode: u64,
        size: u64,
        /// Seconds and nanoseconds.
        modified: (i64, i64),
        /// The same of the last change of any kind: who may read it, say.
        changed: (i64, i64),
    },
}

impl Stamp {
    fn of(path: &Path) -> Stamp {
        std::fs::metadata(path).map_or(Stamp::Missing, |found| Stamp::There {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

impl Watched {
    /// The same files as they are now. It asks the disk, so it may block.
    #[must_use]
    pub fn now(&self) -> Watched {
        Watched(self.0.keys().map(|path| (path.clone(), Stamp::of(path))).collect())
    }

    /// Whether one of the files is not what was read. It asks the disk, so it may block.
    pub fn changed(&self) -> bool {
        self.now() != *self
    }
}

/// Passes questions on, and notes which files are asked for.
pub(super) struct Noting<'a> {
    outside: &'a dyn Outside,
    seen: RefCell<Watched>,
}

impl<'a> Noting<'a> {
    pub(super) fn new(outside: &'a dyn Outside) -> Noting<'a> {
        Noting { outside, seen: RefCell::default() }
    }

    pub(super) fn into_watched(self) -> Watched {
        self.seen.into_inner()
    }

    /// Before the reading, and the first time of several: what changes in between must not pass for what was read.
    fn note(&self, path: &Path) {
        self.seen.borrow_mut().0.entry(path.to_owned()).or_insert_with(|| Stamp::of(path));
    }
}

impl Outside for Noting<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.outside.variable(name)
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.note(path);
        self.outside.file(path)
    }

    fn folder(&self, path: &Path) -> io::Result<Option<Vec<PathBuf>>> {
        self.note(path);
        self.outside.folder(path)
    }

    fn command(&self, program: &str, arguments: &[String]) -> Result<Vec<u8>, CommandError> {
        self.outside.command(program, arguments)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::config::outside::System;

    /// Reads `name` in a folder that `before` prepared, and tells whether `change` is noticed.
    fn check(what: &str, before: impl Fn(&Path), name: &str, change: impl Fn(&Path), expected: bool) {
        let dir = tempfile::tempdir().unwrap();
        before(dir.path());
        let noting = Noting::new(&System);
        let path = dir.path().join(name);
        drop(noting.folder(&path));
        drop(noting.file(&path));
        let watched = noting.into_watched();
        assert!(!watched.changed(), "{what}: before the change");
        change(dir.path());
        assert_eq!(watched.changed(), expected, "{what}");
        assert!(!watched.now().changed(), "{what}: after a second look");
    }

    fn write(name: &'static str, text: &'static str) -> impl Fn(&Path) {
        move |dir| fs::write(dir.join(name), text).unwrap()
    }

    /// As the kubelet does: a link to a folder, and beside it a link to each of its files.
    fn mounted(dir: &Path) {
        for (folder, text) in [("..1", "old"), ("..2", "new")] {
            fs::create_dir(dir.join(folder)).unwrap();
            fs::write(dir.join(folder).join("key"), text).unwrap();
        }
        symlink("..1", dir.join("..data")).unwrap();
        symlink("..data/key", dir.join("key")).unwrap();
    }

    fn turned(dir: &Path) {
        symlink("..2", dir.join("..data_tmp")).unwrap();
        fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    }

    #[test]
    fn every_way_in_which_a_file_becomes_another_is_noticed() {
        let nothing = |_: &Path| {};
        let replace = |dir: &Path| {
            fs::write(dir.join("new"), "old").unwrap();
            fs::rename(dir.join("new"), dir.join("key")).unwrap();
        };
        let lock = |dir: &Path| fs::set_permissions(dir.join("key"), Permissions::from_mode(0o600)).unwrap();
        check("nothing happens", write("key", "old"), "key", nothing, false);
        check("another file beside it", write("key", "old"), "key", write("other", "x"), false);
        check("written anew", write("key", "old"), "key", write("key", "newer"), true);
        check("replaced by an equal one", write("key", "old"), "key", replace, true);
        check("another mode", write("key", "old"), "key", lock, true);
        check("removed", write("key", "old"), "key", |dir| fs::remove_file(dir.join("key")).unwrap(), true);
        check("there at last", nothing, "key", write("key", "new"), true);
        check("a link that was turned", mounted, "key", turned, true);
        check("one more file in a folder", write("key", "old"), ".", write("other", "x"), true);
    }
}
