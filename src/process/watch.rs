//! Notices that mounted files have changed, by looking at their contents now and then.
//!
//! Kubernetes updates a volume by swapping a symbolic link two levels up; watches on the file itself stay on the old
//! one (istio/ztunnel's comment on CRL files). A few small reads every few seconds see every kind of change.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// The last seen contents of some files.
#[derive(Debug)]
pub struct FileWatch {
    files: Vec<PathBuf>,
    seen: [u8; 32],
}

impl FileWatch {
    /// Takes the files as they are now.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let seen = fingerprint(&files);
        Self { files, seen }
    }

    /// Watches other files from now on, if they are others; their contents are looked at with the next question.
    pub fn follow(&mut self, files: Vec<PathBuf>) {
        self.files = files;
    }

    /// Whether the contents differ from what was seen last; what is there now counts as seen.
    pub fn changed(&mut self) -> bool {
        let now = fingerprint(&self.files);
        std::mem::replace(&mut self.seen, now) != now
    }
}

fn fingerprint(files: &[PathBuf]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for file in files {
        match std::fs::read(file) {
            Ok(contents) => {
                hash.update([1]);
                hash.update(Sha256::digest(&contents));
            }
            Err(_) => hash.update([0]),
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_symbolic_link_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (version, text) in [("..v1", "old"), ("..v2", "new")] {
            std::fs::create_dir(path(version)).unwrap();
            std::fs::write(path(version).join("tls.crt"), text).unwrap();
        }
        std::os::unix::fs::symlink("..v1", path("..data")).unwrap();
        std::os::unix::fs::symlink("..data/tls.crt", path("tls.crt")).unwrap();
        let mut watch = FileWatch::new(vec![path("tls.crt")]);
        assert!(!watch.changed());
        std::os::unix::fs::symlink("..v2", path("..tmp")).unwrap();
        std::fs::rename(path("..tmp"), path("..data")).unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
    }
}
