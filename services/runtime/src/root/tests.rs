//! Hostile trees: every link in them tries to lead out of the root.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

struct Tree {
    outside: tempfile::TempDir,
    root: Root,
}

impl Tree {
    fn new() -> Self {
        let outside = tempfile::tempdir().unwrap();
        let path = outside.path().join("root");
        fs::create_dir(&path).unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
        Self { outside, root: Root::new(fd) }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.outside.path().join("root").join(inside)
    }

    /// Makes `path` and tells where it came to lie inside the root.
    fn check_made(&self, path: &str, missing: Missing, lies_at: &str) {
        self.root.find_or_make(Path::new(path), missing).unwrap();
        let metadata = fs::symlink_metadata(self.path(lies_at)).unwrap();
        assert_eq!(metadata.is_dir(), missing == Missing::Directory, "{path}");
        let outside = fs::read_dir(self.outside.path()).unwrap().count();
        assert_eq!(outside, 1, "{path} left something outside the root");
    }
}

#[test]
fn missing_components_are_made() {
    let tree = Tree::new();
    tree.check_made("/a/b/c", Missing::Directory, "a/b/c");
    tree.check_made("/a/b/c", Missing::Directory, "a/b/c");
    tree.check_made("/a/f/file", Missing::File, "a/f/file");
    tree.check_made("/a/../../../../x", Missing::Directory, "x");
}

#[test]
fn links_stay_inside() {
    let tree = Tree::new();
    symlink("/", tree.path("slash")).unwrap();
    symlink("../../../../..", tree.path("up")).unwrap();
    symlink("/deep/target", tree.path("dangling")).unwrap();
    symlink("dangling/more", tree.path("chain")).unwrap();
    tree.check_made("/slash/one", Missing::Directory, "one");
    tree.check_made("/up/two", Missing::File, "two");
    tree.check_made("/dangling/three", Missing::Directory, "deep/target/three");
    tree.check_made("/chain", Missing::File, "deep/target/more");
}

#[test]
fn a_circle_of_links_and_dots_below_missing_things_are_errors() {
    let tree = Tree::new();
    symlink("b", tree.path("a")).unwrap();
    symlink("a", tree.path("b")).unwrap();
    assert!(tree.root.find_or_make(Path::new("/a/x"), Missing::Directory).is_err());
    assert!(tree.root.find_or_make(Path::new("/no/../../x"), Missing::Directory).is_err());
}

#[test]
fn a_file_in_the_way_is_an_error() {
    let tree = Tree::new();
    fs::write(tree.path("file"), "").unwrap();
    assert!(tree.root.find_or_make(Path::new("/file/below"), Missing::Directory).is_err());
}

#[test]
fn reading_is_bounded_and_only_of_files() {
    let tree = Tree::new();
    fs::write(tree.path("f"), "12345").unwrap();
    fs::create_dir(tree.path("d")).unwrap();
    let fifo = tree.path("p");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert_eq!(tree.root.read(Path::new("/f"), 5).unwrap().unwrap(), b"12345");
    assert_eq!(tree.root.read(Path::new("/none"), 5).unwrap(), None);
    for (path, limit) in [("/f", 4), ("/d", 4), ("/p", 4)] {
        assert!(tree.root.read(Path::new(path), limit).is_err(), "{path} was read");
    }
    symlink("/etc/hostname", tree.path("out")).unwrap();
    assert_eq!(tree.root.read(Path::new("/out"), 4096).unwrap(), None);
}

#[test]
fn a_link_can_be_refused() {
    let tree = Tree::new();
    fs::create_dir(tree.path("d")).unwrap();
    symlink("d", tree.path("l")).unwrap();
    assert!(tree.root.find_without_links(Path::new("/d")).is_ok());
    assert!(tree.root.find_without_links(Path::new("/l")).is_err());
}
