//! Registries that lie: each lie has a text of its own, and leaves nothing behind.

use std::time::Duration;

use gantry_testkit::{Daemon, MadeRegistry, Reply, Request, poll_for};
use serde_json::json;

use super::shelf::{MANIFEST, Shelf, kept};

/// Pulls `a:1` from a registry that answers as `answer` says: the pull fails with `words`, and nothing is left.
#[track_caller]
fn check(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static, words: &str) {
    let (registry, daemon) = (MadeRegistry::new(answer), Daemon::start());
    let before = kept(&daemon);
    let name = format!("{}/a:1", registry.address());
    // A bomb takes a while before it is one.
    let pull = daemon.gantry(&["pull", &name]).timeout(Duration::from_mins(2));
    pull.run().exits(1).complains(words).plainly();
    assert_eq!(daemon.ok(&["images", "-q", &name]), "");
    let left = || kept(&daemon).into_iter().filter(|path| !before.contains(path)).collect();
    let is_clean = |left: &Vec<String>| left.is_empty();
    let gone = poll_for(Duration::from_secs(5), || Some(left()).filter(is_clean));
    assert!(gone.is_some(), "{:?}", left());
}

/// The same for a lie about the largest layer alone.
#[track_caller]
fn check_blob(lie: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static, words: &str) {
    let shelf = Shelf::with_image("never seen");
    let largest = shelf.largest();
    check(
        move |request| {
            let honest = shelf.answer(request);
            if request.target.ends_with(&largest) { lie(request, honest) } else { honest }
        },
        words,
    );
}

#[test]
fn another_blob_of_the_same_size() {
    let shelf = Shelf::with_image("never seen");
    let (path, mut lying) = (shelf.largest(), shelf.clone());
    lying.put(&path, "", &vec![7; shelf.bytes(&path).len()]);
    check(move |request| lying.answer(request), "has digest sha256:");
}

#[test]
fn a_blob_that_is_longer_than_promised() {
    let longer = |_: &Request, honest: Reply| honest.with_more(b"more").of_unknown_length();
    check_blob(longer, "is longer than the");
}

#[test]
fn an_endless_blob() {
    check_blob(|_, honest| honest.endless(), "is longer than the");
}

#[test]
fn a_size_that_is_wrong_in_the_manifest() {
    let mut shelf = Shelf::default();
    let manifest = shelf.image("never seen", |manifest| manifest["layers"][1]["size"] = json!(7));
    shelf.document("1", MANIFEST, &manifest);
    check(move |request| shelf.answer(request), "is longer than the 7 bytes");
}

#[test]
fn a_redirect_to_itself() {
    check(
        |request| Reply::new(307, "").with("Location", request.target.as_str()),
        "it leads on and on elsewhere",
    );
    check_blob(
        |request, _| Reply::new(307, "").with("Location", request.target.as_str()),
        "it leads on and on elsewhere",
    );
}

#[test]
fn a_registry_that_never_lets_anybody_in() {
    check(
        |request| {
            if request.target.starts_with("/token") {
                return Reply::new(200, r#"{"token":"worthless"}"#);
            }
            let host = request.header("host").unwrap_or_default();
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
            Reply::new(401, "").with("WWW-Authenticate", challenge)
        },
        "pull access denied for",
    );
}

#[test]
fn a_limit_on_pulls_is_shown_as_such() {
    let refusal = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"come back tomorrow"}]}"#;
    check(
        move |_| Reply::new(429, refusal).with("Retry-After", "86400"),
        "toomanyrequests: toomanyrequests: come back tomorrow (try again in 86400 s)",
    );
}

#[test]
fn a_page_for_people() {
    check(
        |_| Reply::new(200, "<html>Welcome to the hotel</html>").with("Content-Type", "text/html"),
        "no manifest but \"text/html\"",
    );
    check_blob(
        |_, _| Reply::new(200, "<html>Welcome</html>").with("Content-Type", "text/html"),
        "no blob but a page for people",
    );
}

#[test]
fn a_bomb() {
    // RFC 8878: a frame with a window of 2 MiB, and blocks that say "128 KiB of this byte", 1.5 GiB in all.
    let (start, block) = ([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58], [0x02, 0x00, 0x10, 0x00]);
    let mut bomb = [&start[..], &block.repeat(12_000)].concat();
    bomb.extend_from_slice(&[0x01, 0x00, 0x00]);
    let mut shelf = Shelf::default();
    let mut manifest = shelf.image("never seen", |_| {});
    manifest["layers"][1] = shelf.blob("application/vnd.oci.image.layer.v1.tar+zstd", &bomb);
    shelf.document("1", MANIFEST, &manifest);
    check(move |request| shelf.answer(request), "the archive has more than");
}

/// What came in of it stays for a while, as with every broken connection; a truncated blob is no other thing.
#[test]
fn a_blob_that_always_breaks_off() {
    let shelf = Shelf::with_image("never seen");
    let largest = shelf.largest();
    let registry = MadeRegistry::new(move |request| {
        let honest = shelf.answer(request);
        if !request.target.ends_with(&largest) {
            return honest;
        }
        match request.from() {
            None => honest.cut_after(1000),
            Some(_) => honest.cut_after(0),
        }
    });
    let daemon = Daemon::start();
    let name = format!("{}/a:1", registry.address());
    daemon.gantry(&["pull", &name]).run().exits(1).complains("broke off after 1000 of").plainly();
    assert_eq!(daemon.ok(&["images", "-q", &name]), "");
    let is_partial = |path: &String| path.contains("/ingest/partial-");
    assert!(kept(&daemon).iter().any(is_partial));
}
