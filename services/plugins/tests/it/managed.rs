//! The store of managed plugins: what is made, found, replaced and removed, also after the daemon died in it.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gantry_archive::{Header, Writer};
use gantry_db::Db;
use gantry_plugins::Error;
use gantry_plugins::managed::{Record, Store};
use gantry_types::ImageReference;

const ID: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

fn store(root: &Path) -> Store {
    let db = Arc::new(Db::open(&root.join("meta.db")).unwrap());
    Store::open(root, db).unwrap()
}

fn name(text: &str) -> ImageReference {
    text.parse().unwrap()
}

/// What `plugin create` sends.
fn context(description: &str) -> Cursor<Vec<u8>> {
    let config = format!(
        r#"{{"description": "{description}", "entrypoint": ["/p"], "interface": {{"types": ["docker.volumedriver/1.0"], "socket": "p.sock"}}}}"#
    );
    let mut writer = Writer::new(Vec::new());
    writer.append_bytes(&Header::file("config.json", 0o644), config.as_bytes()).unwrap();
    writer.append_header(&Header::directory("rootfs", 0o755)).unwrap();
    writer.append_bytes(&Header::file("rootfs/p", 0o755), description.as_bytes()).unwrap();
    Cursor::new(writer.finish().unwrap())
}

/// The same plugin as it comes from a registry that has `from`.
fn fetched(store: &Store, from: &Record, id: &str) -> (gantry_plugins::managed::Incoming, Vec<u8>) {
    let manifest = fs::read(store.blob(&from.id, &from.manifest.digest)).unwrap();
    let incoming = store.incoming(id).unwrap();
    for entry in fs::read_dir(store.dir(&from.id).join("blobs")).unwrap().flatten() {
        let digest = format!("sha256:{}", entry.file_name().to_str().unwrap());
        fs::copy(entry.path(), incoming.blob(&digest.parse().unwrap())).unwrap();
    }
    (incoming, manifest)
}

#[test]
fn plugins_are_made_found_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let made = store.create((ID, name("team/p")), context("one")).unwrap();
    assert_eq!(fs::read(store.rootfs(ID).join("p")).unwrap(), b"one");
    for text in ["team/p", "team/p:latest", "docker.io/team/p", ID, "0000"] {
        assert_eq!(store.find(text).unwrap().id, ID, "{text}");
    }
    assert!(matches!(store.find("team/q"), Err(Error::NotFound(_))));
    assert!(matches!(store.reserve(&name("team/p")), Err(Error::Exists(_))));
    let change = store.change("team/p").unwrap();
    assert!(matches!(store.change(ID), Err(Error::Busy(_))));
    drop(change);
    store.remove(&made).unwrap();
    assert!(store.list().is_empty() && !store.dir(ID).exists());
}

#[test]
fn who_changes_a_plugin_for_now_gives_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    store.create((ID, name("p")), context("one")).unwrap();
    let (change, _) = store.change("p").unwrap();
    assert!(matches!(store.change_soon("p"), Err(Error::Busy(_))));
    drop(change);
    let (change, _) = store.change_for_now("p").unwrap();
    assert!(matches!(store.change("p"), Err(Error::Busy(_))));
    assert!(!change.is_wanted());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| store.change_soon("p").map(drop));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !change.is_wanted() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        assert!(!waiting.is_finished());
        drop(change);
        waiting.join().unwrap().unwrap();
    });
    assert!(matches!(store.change_soon("q"), Err(Error::NotFound(_))));
}

#[test]
fn what_is_fetched_is_what_its_manifest_says() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let one = store.create((ID, name("one")), context("one")).unwrap();
    let kind = one.manifest.media_type.as_str();
    let (incoming, manifest) = fetched(&store, &one, "bb");
    let two = ("bb", name("two"), "docker.io/x/two:1".to_owned());
    let two = store.adopt(incoming, two, (kind, &manifest)).unwrap();
    assert_eq!(
        (two.config.description.as_str(), &two.manifest.digest),
        ("one", &one.manifest.digest)
    );
    assert_eq!(fs::read(store.rootfs("bb").join("p")).unwrap(), b"one");
    // A blob that is another one.
    let (incoming, manifest) = fetched(&store, &one, "cc");
    for entry in fs::read_dir(folder.path().join("plugins/.in-cc/blobs")).unwrap().flatten() {
        let mut bytes = fs::read(entry.path()).unwrap();
        bytes.push(0);
        fs::write(entry.path(), bytes).unwrap();
    }
    let bad = ("cc", name("three"), String::new());
    store.adopt(incoming, bad, (kind, &manifest)).unwrap_err();
    assert!(!folder.path().join("plugins/.in-cc").exists());
}

/// What the plugin has written where its mounts are.
fn keep(store: &Store, text: &str) {
    fs::create_dir_all(store.propagated(ID)).unwrap();
    fs::write(store.propagated(ID).join("volume"), text).unwrap();
}

fn kept(store: &Store) -> String {
    fs::read_to_string(store.propagated(ID).join("volume")).unwrap()
}

#[test]
fn other_content_leaves_what_the_plugin_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let one = store.create((ID, name("p")), context("one")).unwrap();
    let two = store.create(("bb", name("q")), context("two")).unwrap();
    keep(&store, "precious");
    let (incoming, manifest) = fetched(&store, &two, "cc");
    let kind = two.manifest.media_type.as_str();
    let next = store.replace(incoming, (&one, "origin".to_owned()), (kind, &manifest)).unwrap();
    assert_eq!((next.id.as_str(), next.config.description.as_str()), (ID, "two"));
    assert_eq!(fs::read(store.rootfs(ID).join("p")).unwrap(), b"two");
    assert_eq!(kept(&store), "precious");
    // What is refused changes nothing.
    let (incoming, mut manifest) = fetched(&store, &two, "dd");
    manifest.truncate(10);
    store.replace(incoming, (&next, String::new()), (kind, &manifest)).unwrap_err();
    assert_eq!(fs::read(store.rootfs(ID).join("p")).unwrap(), b"two");
    assert_eq!(kept(&store), "precious");
    let mut left: Vec<_> = fs::read_dir(folder.path().join("plugins")).unwrap().flatten().collect();
    left.retain(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_a_plugin_keeps_follows_when_the_daemon_died_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    let own = plugins.join(ID);
    let aside = plugins.join(format!(".out-{ID}"));
    {
        let store = store(folder.path());
        store.create((ID, name("p")), context("one")).unwrap();
        // The new content has its place and its row; what the plugin keeps has not followed.
        let copied = Command::new("cp").arg("-a").arg(&own).arg(&aside).status().unwrap();
        assert!(copied.success());
        fs::create_dir(aside.join("propagated-mount")).unwrap();
        fs::write(aside.join("propagated-mount/volume"), "precious").unwrap();
    }
    let again = store(folder.path());
    assert_eq!(kept(&again), "precious");
    assert!(!aside.exists());
    drop(again);
    // Where both have something nothing goes, and the daemon starts.
    fs::create_dir_all(aside.join("propagated-mount")).unwrap();
    fs::write(aside.join("propagated-mount/volume"), "older").unwrap();
    let again = store(folder.path());
    assert_eq!(kept(&again), "precious");
    assert_eq!(fs::read_to_string(aside.join("propagated-mount/volume")).unwrap(), "older");
}

#[test]
fn a_replacement_that_was_broken_off_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("plugins").join(ID);
    let aside = folder.path().join(format!("plugins/.out-{ID}"));
    {
        let store = store(folder.path());
        store.create((ID, name("p")), context("one")).unwrap();
        // The old content is aside, and the new one is there before the row says so.
        fs::rename(&own, &aside).unwrap();
        fs::create_dir(&own).unwrap();
    }
    let store = store(folder.path());
    assert_eq!(fs::read(store.rootfs(ID).join("p")).unwrap(), b"one");
    assert!(!aside.exists());
}
