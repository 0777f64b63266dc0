//! Repositories on a server of git's own, fetched and unpacked.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use gantry_git::{Checkout, Error, Repositories, Wanted};
use server::Server;
use tempfile::TempDir;

/// What a test fetches with.
struct Place {
    root: TempDir,
    repositories: Repositories,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("kept");
        Self { repositories: Repositories { folder, ..Repositories::default() }, root }
    }

    fn fetch(&self, wanted: &Wanted) -> Result<(PathBuf, Checkout), Error> {
        self.fetch_while(wanted, &|| true)
    }

    fn fetch_while(
        &self,
        wanted: &Wanted,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<(PathBuf, Checkout), Error> {
        let folder = tempfile::tempdir_in(self.root.path()).unwrap().keep();
        let (into, room) = (folder.join("files"), folder.join("room"));
        fs::create_dir(&into).unwrap();
        fs::create_dir(&room).unwrap();
        let checkout = self.repositories.checkout(wanted, (&into, &room), is_wanted)?;
        Ok((into, checkout))
    }
}

fn wanted(url: &str, reference: &str) -> Wanted {
    let (url, reference) = (url.to_owned(), reference.to_owned());
    Wanted { url, reference, has_submodules: true, ..Wanted::default() }
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn branches_tags_and_commits_are_found() {
    let server = Server::start();
    let first = server.commit("a", &[("file", "one"), ("dir/inner", "x")]);
    server.git("a", &["tag", "-a", "-m", "v1", "v1"]);
    server.git("a", &["checkout", "-q", "-b", "side"]);
    let second = server.commit("a", &[("file", "two")]);
    server.git("a", &["checkout", "-q", "main"]);
    let place = Place::new();
    let url = server.url("a");
    for (reference, file, commit) in [
        ("", "one", &first),
        ("main", "one", &first),
        ("v1", "one", &first),
        ("refs/tags/v1", "one", &first),
        ("side", "two", &second),
        ("refs/heads/side", "two", &second),
        (first.as_str(), "one", &first),
        (&second[..10], "two", &second),
    ] {
        let (files, checkout) = place.fetch(&wanted(&url, reference)).unwrap();
        assert_eq!(
            (read(&files, "file").as_str(), &checkout.commit),
            (file, commit),
            "{reference}"
        );
        assert!(!files.join(".git").exists(), "{reference}");
        assert_eq!(read(&files, "dir/inner"), "x");
    }
    // What is kept knows a commit when nobody is there any more.
    drop(server);
    let (files, _) = place.fetch(&wanted(&url, &first)).unwrap();
    assert_eq!(read(&files, "file"), "one");
    assert!(place.fetch(&wanted(&url, "main")).is_err());
}

#[test]
fn a_branch_that_moved_is_fetched_again() {
    let server = Server::start();
    server.commit("a", &[("file", "one")]);
    let (place, url) = (Place::new(), server.url("a"));
    assert_eq!(read(&place.fetch(&wanted(&url, "main")).unwrap().0, "file"), "one");
    server.commit("a", &[("file", "two")]);
    assert_eq!(read(&place.fetch(&wanted(&url, "main")).unwrap().0, "file"), "two");
}

#[test]
fn the_repository_s_own_directory_comes_along_when_it_is_wanted() {
    let server = Server::start();
    let commit = server.commit("a", &[("file", "one")]);
    server.git("a", &["tag", "v1"]);
    let keeping = Wanted { keeps_git_dir: true, ..wanted(&server.url("a"), "v1") };
    let place = Place::new();
    let (files, _) = place.fetch(&keeping).unwrap();
    let git = |words: &[&str]| server::output(&files, words);
    assert_eq!(git(&["rev-parse", "HEAD"]), commit);
    assert_eq!(git(&["describe", "--tags"]), "v1");
    assert_eq!(git(&["remote", "get-url", "origin"]), server.url("a"));
    assert_eq!(git(&["status", "--porcelain"]), "");
}

#[test]
fn submodules_come_along_unless_they_are_not_wanted() {
    let server = Server::start();
    server.commit("inner", &[("deep", "inner")]);
    server.commit("outer", &[("file", "outer")]);
    server.git("outer", &["submodule", "--quiet", "add", &server.url("inner"), "sub"]);
    server.git("outer", &["commit", "-q", "-m", "with a submodule"]);
    let place = Place::new();
    let (files, _) = place.fetch(&wanted(&server.url("outer"), "")).unwrap();
    assert_eq!(read(&files, "sub/deep"), "inner");
    assert!(!files.join("sub/.git").exists());
    let alone = Wanted { has_submodules: false, ..wanted(&server.url("outer"), "") };
    let (files, _) = place.fetch(&alone).unwrap();
    assert!(!files.join("sub/deep").exists());
}

#[test]
fn what_a_repository_asks_for_beside_its_files_is_not_done() {
    let server = Server::start();
    // A submodule on this host's disk, which only the daemon may read.
    let secret = tempfile::tempdir().unwrap();
    server.commit("hidden", &[("file", "hidden")]);
    let hidden = format!("file://{}", server.folder("hidden").display());
    server.commit("a", &[("file", "one")]);
    server.git("a", &["submodule", "--quiet", "add", &server.url("hidden"), "sub"]);
    let modules = format!("[submodule \"sub\"]\n\tpath = sub\n\turl = {hidden}\n");
    server.commit("a", &[(".gitmodules", &modules)]);
    let place = Place::new();
    let error = place.fetch(&wanted(&server.url("a"), "")).unwrap_err().to_string();
    assert!(error.contains("submodules") && error.contains("not allowed"), "{error}");
    // Filters and hooks that its attributes and files name.
    let touched = secret.path().join("touched");
    let hook = format!("#!/bin/sh\ntouch {}\n", touched.display());
    server.commit(
        "b",
        &[(".gitattributes", "* filter=evil\n"), ("hooks/post-checkout", &hook), ("file", "b")],
    );
    let (files, _) = place.fetch(&wanted(&server.url("b"), "")).unwrap();
    assert_eq!(read(&files, "file"), "b");
    assert!(!touched.exists());
}

#[test]
fn a_small_repository_of_very_many_files_is_refused() {
    let server = Server::start();
    server.commit("bomb", &[("file", "x")]);
    // Each tree has ten times the one before: 10^7 files in a few objects.
    let blob = server.git("bomb", &["hash-object", "-w", "file"]);
    let (mut entry, mut mode) = (blob, "100644 blob");
    for _ in 0..7 {
        let lines: Vec<_> = (0..10).map(|n| format!("{mode} {entry}\tn{n}\n")).collect();
        entry = server.feed("bomb", &["mktree"], &lines.concat());
        mode = "040000 tree";
    }
    let commit = server.git("bomb", &["commit-tree", "-m", "bomb", &entry]);
    server.git("bomb", &["update-ref", "refs/heads/bomb", &commit]);
    let error = Place::new().fetch(&wanted(&server.url("bomb"), "bomb")).unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error}");
}

#[test]
fn what_is_not_there_is_said_in_one_sentence() {
    let server = Server::start();
    server.commit("a", &[("file", "one")]);
    let place = Place::new();
    let missing = place.fetch(&wanted(&server.url("a"), "none")).unwrap_err();
    assert!(matches!(missing, Error::NoReference { .. }), "{missing}");
    let nobody = place.fetch(&wanted(&server.url("nobody"), "")).unwrap_err().to_string();
    assert!(nobody.starts_with("cannot read the references of git://"), "{nobody}");
    let secret = "https://me:hidden@127.0.0.1:1/a.git";
    let refused = place.fetch(&wanted(secret, "")).unwrap_err().to_string();
    assert!(refused.contains("127.0.0.1") && !refused.contains("hidden"), "{refused}");
    let local = format!("file://{}", server.folder("a").display());
    assert!(place.fetch(&wanted(&local, "")).unwrap_err().to_string().contains("not allowed"));
}

#[test]
fn a_fetch_that_nobody_wants_any_more_ends() {
    // It takes connections and never says anything.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("git://{}/a", silent.local_addr().unwrap());
    let asked = Cell::new(0);
    let is_wanted = || {
        asked.set(asked.get() + 1);
        asked.get() < 5
    };
    let error = Place::new().fetch_while(&wanted(&url, ""), &is_wanted).unwrap_err();
    assert!(matches!(error, Error::CalledOff), "{error}");
}

#[test]
fn a_submodule_of_very_many_files_is_refused() {
    let server = Server::start();
    server.commit("many", &[("file", "x")]);
    let blob = server.git("many", &["hash-object", "-w", "file"]);
    let (mut entry, mut mode) = (blob, "100644 blob");
    for _ in 0..4 {
        let lines: Vec<_> = (0..10).map(|n| format!("{mode} {entry}\tn{n}\n")).collect();
        entry = server.feed("many", &["mktree"], &lines.concat());
        mode = "040000 tree";
    }
    let commit = server.git("many", &["commit-tree", "-m", "many", &entry]);
    server.git("many", &["update-ref", "refs/heads/many", &commit]);
    server.commit("outer", &[("file", "outer")]);
    let url = server.url("many");
    server.git("outer", &["submodule", "--quiet", "add", "-b", "many", &url, "sub"]);
    server.git("outer", &["commit", "-q", "-m", "with a submodule"]);
    let mut place = Place::new();
    let (files, _) = place.fetch(&wanted(&server.url("outer"), "")).unwrap();
    assert!(files.join("sub/n0/n0/n0/n0").exists());
    place.repositories.limits.files = 5_000;
    let error = place.fetch(&wanted(&server.url("outer"), "")).unwrap_err();
    assert!(matches!(error, Error::Limit { limit: 5_000, .. }), "{error}");
}

/// All files below a folder with what is in them.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut pending) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), bytes);
            }
        }
    }
    found
}

#[test]
fn git_s_own_directory_is_the_same_each_time() {
    let server = Server::start();
    server.commit("inner", &[("deep", "inner")]);
    let many: Vec<(String, String)> =
        (0..200).map(|n| (format!("file{n}"), format!("{n} ").repeat(100))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    server.commit("outer", &many);
    server.git("outer", &["submodule", "--quiet", "add", &server.url("inner"), "a/sub"]);
    server.git("outer", &["commit", "-q", "-m", "with a submodule"]);
    let whole = Wanted { keeps_git_dir: true, ..wanted(&server.url("outer"), "main") };
    // Each with a repository of its own, as on two machines.
    let (one, other) = (Place::new(), Place::new());
    let (first, _) = one.fetch(&whole).unwrap();
    let (again, _) = one.fetch(&whole).unwrap();
    let (elsewhere, _) = other.fetch(&whole).unwrap();
    let first_contents = contents(&first);
    for second in [again, elsewhere] {
        let second = contents(&second);
        let names: Vec<_> = first_contents.keys().chain(second.keys()).collect();
        let differ = |name: &&&PathBuf| first_contents.get(**name) != second.get(**name);
        assert_eq!(names.iter().find(differ), None);
    }
    // It is whole, and says nothing of where it was made.
    assert_eq!(server::output(&first, &["status", "--porcelain"]), "");
    assert_eq!(server::output(&first.join("a/sub"), &["status", "--porcelain"]), "");
    let place = one.root.path().to_string_lossy().into_owned();
    let says = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).contains(&place);
    assert!(!first_contents.values().any(says));
}

#[test]
fn a_fetch_that_was_killed_is_no_obstacle_to_the_next() {
    let server = Server::start();
    // What no compression makes small, so that it is on its way for a while.
    let mut state = 1_u64;
    let mut noise = Vec::new();
    for _ in 0..4 << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        noise.extend_from_slice(&(state >> 16).to_le_bytes()[..6]);
    }
    server.commit("a", &[("file", "one")]);
    fs::write(server.folder("a").join("noise"), noise).unwrap();
    server.commit("a", &[]);
    let (place, url) = (Place::new(), server.url("a"));
    let kept = |name: &str| {
        let folders = fs::read_dir(place.root.path().join("kept")).into_iter().flatten();
        folders.flatten().map(|entry| entry.path().join(name)).find(|path| path.exists())
    };
    let is_wanted = || kept("shallow.lock").is_none();
    let error = place.fetch_while(&wanted(&url, "main"), &is_wanted).unwrap_err();
    assert!(matches!(error, Error::CalledOff), "{error}");
    assert!(kept("shallow.lock").is_some(), "it was not killed in the middle");
    let (files, _) = place.fetch(&wanted(&url, "main")).unwrap();
    assert_eq!(read(&files, "file"), "one");
    assert!(kept("shallow.lock").is_none());
    let packs = fs::read_dir(kept("objects/pack").unwrap()).unwrap().flatten();
    let halves = packs.filter(|entry| entry.file_name().to_string_lossy().starts_with("tmp_"));
    assert_eq!(halves.count(), 0);
}

#[test]
fn who_waits_for_another_s_fetch_can_be_called_off() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("git://{}/a", silent.local_addr().unwrap());
    let (place, is_over) = (Place::new(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let first = scope
            .spawn(|| place.fetch_while(&wanted(&url, ""), &|| !is_over.load(Ordering::Relaxed)));
        // It has the repository when it asks the server.
        let caller = silent.accept().unwrap();
        let asked = Cell::new(0);
        let is_wanted = || {
            asked.set(asked.get() + 1);
            asked.get() < 3
        };
        let error = place.fetch_while(&wanted(&url, ""), &is_wanted).unwrap_err();
        assert!(matches!(error, Error::CalledOff), "{error}");
        assert!(!first.is_finished());
        is_over.store(true, Ordering::Relaxed);
        assert!(matches!(first.join().unwrap(), Err(Error::CalledOff)));
        drop(caller);
    });
}
