//! A disk that is really full: a file system of few megabytes, mounted in a name space of its own.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process;

/// Tells the test, started anew inside its name space, where the small file system is.
const SMALL_DISK: &str = "POPHOOK_TEST_SMALL_DISK";

/// Runs the test `name` again where a file system of `megabytes` is mounted; `None` out here, the place in there.
///
/// Needs no privilege, but a kernel that lets users have name spaces. Where it does not, there is nothing to test on.
pub fn small_disk(name: &str, megabytes: u32) -> Option<PathBuf> {
    if let Some(place) = std::env::var_os(SMALL_DISK) {
        return Some(place.into());
    }
    let place = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o "size=$1m" none "$2" || exit 77; exec "$3" --exact "$4" --nocapture"#;
    let test = std::env::current_exe().unwrap();
    let ran = process::Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh", &megabytes.to_string()])
        .args([place.path(), &test, Path::new(name)])
        .env(SMALL_DISK, place.path())
        .output();
    let Ok(ran) = ran else { return None };
    let told = String::from_utf8_lossy(&ran.stderr);
    let no_name_space = ran.status.code() == Some(77) || told.contains("unshare failed");
    assert!(ran.status.success() || no_name_space, "{}{told}", String::from_utf8_lossy(&ran.stdout));
    None
}

/// Fills the disk at `place` to its last byte.
pub fn fill(place: &Path) {
    let mut filler = OpenOptions::new().create(true).append(true).open(place.join("filler")).unwrap();
    for size in [1 << 20, 1 << 12, 1] {
        while filler.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Fills the disk at `place` but for so many bytes.
pub fn fill_but(place: &Path, left: u64) {
    fill(place);
    let filler = OpenOptions::new().write(true).open(place.join("filler")).unwrap();
    filler.set_len(filler.metadata().unwrap().len() - left).unwrap();
}

/// Gives the space back.
pub fn make_space(place: &Path) {
    std::fs::remove_file(place.join("filler")).unwrap();
}

/// Has every write to the file system at `place` refused. Nobody may have a file open there for writing.
pub fn make_read_only(place: &Path) {
    remount(place, "remount,ro");
}

/// Lets it be written again.
pub fn make_writable(place: &Path) {
    remount(place, "remount,rw");
}

fn remount(place: &Path, options: &str) {
    let ran = process::Command::new("mount").args(["-o", options]).arg(place).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
