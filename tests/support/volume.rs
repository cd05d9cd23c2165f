//! A volume of a Secret or a `ConfigMap`, as the kubelet mounts and changes it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

use super::tick;

/// Its folder. Each file in it is a link to `..data/NAME`, and `..data` a link to the folder of a version.
#[derive(Debug)]
pub struct Volume {
    path: PathBuf,
}

impl Volume {
    /// Mounts these files at `path`.
    pub fn mount(path: PathBuf, files: &[(&str, &str)]) -> Volume {
        fs::create_dir_all(&path).unwrap();
        let volume = Volume { path };
        volume.turn(files);
        volume
    }

    /// Its folder, or a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A secret that is one of its files, as a configuration names it.
    pub fn secret(&self, name: &str) -> String {
        format!("{{ file: {} }}", self.path(name).display())
    }

    /// Changes all files in one instant: a new folder, the one link turned to it, and then the old folder goes. In this
    /// order (`AtomicWriter` in Kubernetes): new folder, `..data`, links of new files, links of old ones, old folder.
    pub fn turn(&self, files: &[(&str, &str)]) {
        let (data, aside) = (self.path("..data"), self.path("..data_tmp"));
        let old = fs::read_link(&data).ok();
        let version = format!("..2026_01_31.{}", tick());
        fs::create_dir(self.path(&version)).unwrap();
        for (name, text) in files {
            fs::write(self.path(&version).join(name), text).unwrap();
        }
        symlink(&version, &aside).unwrap();
        fs::rename(&aside, &data).unwrap();
        for (name, _) in files {
            if fs::symlink_metadata(self.path(name)).is_err() {
                symlink(Path::new("..data").join(name), self.path(name)).unwrap();
            }
        }
        for entry in fs::read_dir(&self.path).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if !name.starts_with("..") && !files.iter().any(|(kept, _)| *kept == name) {
                fs::remove_file(self.path(&name)).unwrap();
            }
        }
        if let Some(old) = old {
            fs::remove_dir_all(self.path.join(old)).unwrap();
        }
    }
}
