//! Upper directories as overlayfs leaves them, compared with what was below.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{FileType, XattrFlags, mknodat, setxattr};

use super::*;

struct Trees {
    temp: tempfile::TempDir,
}

impl Trees {
    /// A lower tree with two directories of files, and an upper one with nothing.
    fn new() -> Self {
        let trees = Self { temp: tempfile::tempdir().unwrap() };
        for path in ["lower/etc/rc", "lower/var/log", "upper"] {
            fs::create_dir_all(trees.temp.path().join(path)).unwrap();
        }
        for path in ["etc/passwd", "etc/rc/one", "var/log/a", "var/log/b"] {
            fs::write(trees.lower(path), path).unwrap();
        }
        trees
    }

    fn lower(&self, path: &str) -> std::path::PathBuf {
        self.temp.path().join("lower").join(path)
    }

    fn upper(&self, path: &str) -> std::path::PathBuf {
        self.temp.path().join("upper").join(path)
    }

    /// What overlayfs does when something in the directory is to change.
    fn copy_up(&self, path: &str) {
        fs::create_dir_all(self.upper(path)).unwrap();
    }

    fn whiteout(&self, path: &str) {
        let dir = File::open(self.temp.path().join("upper")).unwrap();
        mknodat(&dir, path, FileType::CharacterDevice, Mode::empty(), 0).unwrap();
    }

    fn fds(&self) -> (File, File) {
        (File::open(self.upper("")).unwrap(), File::open(self.lower("")).unwrap())
    }

    fn changes(&self, without: &BTreeSet<Vec<u8>>) -> Vec<String> {
        let (upper, lower) = self.fds();
        let found = changes(upper.as_fd(), lower.as_fd(), without).unwrap();
        let text = |change: &Change| {
            let letter = match change.kind {
                ChangeKind::Modified => 'C',
                ChangeKind::Added => 'A',
                ChangeKind::Deleted => 'D',
            };
            format!("{letter} {}", String::from_utf8_lossy(&change.path))
        };
        found.iter().map(text).collect()
    }

    fn points(&self, points: &[&str]) -> Vec<String> {
        let (upper, lower) = self.fds();
        let points = points.iter().map(|point| point.as_bytes());
        let made = mount_points(upper.as_fd(), lower.as_fd(), points).unwrap();
        made.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect()
    }
}

#[test]
fn adds_changes_and_deletions() {
    let trees = Trees::new();
    assert!(trees.changes(&BTreeSet::new()).is_empty());
    trees.copy_up("etc");
    fs::write(trees.upper("etc/passwd"), "another").unwrap();
    trees.copy_up("var/log");
    trees.whiteout("var/log/a");
    // There was nothing of that name: nothing was deleted either.
    trees.whiteout("var/log/never");
    fs::create_dir_all(trees.upper("new/deep")).unwrap();
    fs::write(trees.upper("new/deep/file"), "").unwrap();
    // By the order of bytes alone it would stand between the directory and what is in it.
    fs::write(trees.upper("new-er"), "").unwrap();
    let expected = [
        "C etc",
        "C etc/passwd",
        "A new",
        "A new/deep",
        "A new/deep/file",
        "A new-er",
        "C var",
        "C var/log",
        "D var/log/a",
    ];
    assert_eq!(trees.changes(&BTreeSet::new()), expected);
    let without: BTreeSet<Vec<u8>> = [b"new".to_vec(), b"var".to_vec()].into();
    assert_eq!(trees.changes(&without), ["C etc", "C etc/passwd", "A new-er"]);
}

#[test]
fn what_was_copied_up_alone_has_not_changed() {
    let trees = Trees::new();
    trees.copy_up("etc/rc");
    assert!(trees.changes(&BTreeSet::new()).is_empty());
    fs::set_permissions(trees.upper("etc/rc"), PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(trees.changes(&BTreeSet::new()), ["C etc", "C etc/rc"]);
}

#[test]
fn an_opaque_directory_hides_what_is_below() {
    let trees = Trees::new();
    trees.copy_up("var/log");
    setxattr(trees.upper("var/log"), metadata::OPAQUE, b"y", XattrFlags::empty()).unwrap();
    fs::write(trees.upper("var/log/b"), "again").unwrap();
    assert_eq!(
        trees.changes(&BTreeSet::new()),
        ["C var", "C var/log", "D var/log/a", "C var/log/b"]
    );
}

#[test]
fn another_kind_of_entry_is_a_change() {
    let trees = Trees::new();
    symlink("/etc/shadow", trees.upper("var")).unwrap();
    fs::create_dir_all(trees.upper("etc/passwd/in")).unwrap();
    assert_eq!(
        trees.changes(&BTreeSet::new()),
        ["C etc", "C etc/passwd", "A etc/passwd/in", "C var"]
    );
}

#[test]
fn links_lead_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "").unwrap();
    let trees = Trees::new();
    symlink(outside.path(), trees.lower("way")).unwrap();
    fs::create_dir(trees.upper("way")).unwrap();
    fs::write(trees.upper("way/secret"), "").unwrap();
    assert_eq!(trees.changes(&BTreeSet::new()), ["C way", "A way/secret"]);
    symlink(outside.path(), trees.upper("out")).unwrap();
    assert!(trees.points(&["/out/secret", "/way/../../secret"]).is_empty());
    assert!(Path::new(&outside.path().join("secret")).exists());
}

#[test]
fn mount_points_are_told_from_what_was_written() {
    let trees = Trees::new();
    trees.copy_up("etc");
    fs::write(trees.upper("etc/hosts"), "").unwrap();
    for dir in ["proc", "dev/pts", "mnt/deep/er", "sys", "var/log/kept"] {
        fs::create_dir_all(trees.upper(dir)).unwrap();
    }
    fs::write(trees.upper("sys/own"), "").unwrap();
    fs::write(trees.upper("var/log/own"), "").unwrap();
    fs::write(trees.upper("written"), "text").unwrap();
    let points = [
        "/etc/hosts",
        "/proc",
        "/dev",
        "/dev/pts",
        "/mnt/deep/er",
        "/sys",
        "/written",
        "/none",
        "/etc/rc",
        "/",
    ];
    let expected = ["dev", "dev/pts", "etc", "etc/hosts", "mnt", "mnt/deep", "mnt/deep/er", "proc"];
    assert_eq!(trees.points(&points), expected);
    fs::write(trees.upper("etc/own"), "").unwrap();
    assert_eq!(trees.points(&["/etc/hosts"]), ["etc/hosts"]);
}

#[test]
fn names_and_paths_have_a_budget() {
    let trees = Trees::new();
    trees.copy_up("etc/rc");
    fs::write(trees.upper("etc/rc/two"), "").unwrap();
    let (upper, lower) = trees.fds();
    let within = |limits| changes_within(upper.as_fd(), lower.as_fd(), &BTreeSet::new(), limits);
    // One change, and the two directories that it is in: their bytes, and what each costs besides.
    let limits = |remembered_bytes| Limits { remembered_bytes, ..Limits::default() };
    let needed = "etc/rc/two".len() + "etc/rc".len() + "etc".len() + 3 * 48;
    assert_eq!(within(limits(needed)).unwrap().len(), 3);
    assert!(matches!(within(limits(needed - 1)), Err(Error::Limit { .. })));
    let path = |path_bytes| Limits { path_bytes, ..Limits::default() };
    assert!(within(path("etc/rc/two".len())).is_ok());
    assert!(matches!(within(path("etc/rc".len())), Err(Error::Limit { .. })));
}
