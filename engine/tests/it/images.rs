//! Images: nobody waits for somebody else's client, and an archive comes in whole or not at all.

use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

use gantry_api::image::ProgressMessage;
use gantry_engine::image::{ImportRequest, import, load, tag};
use gantry_testkit::Tar;

use crate::rig::{Idle, Rig, archive, layer, soon};

#[tokio::test]
async fn an_idle_client_holds_up_nobody() {
    let rig = Rig::new().await;
    rig.import("base").await;
    let (uploaded, release_load) = Idle::new(archive(&[("late", layer("late"))]));
    let (imported, release_import) = Idle::new(layer("later"));
    let loading = rig.load(uploaded);
    let request = ImportRequest { repository: "later".to_owned(), ..ImportRequest::default() };
    let importing = import(&rig.engine, imported, request);
    let others = async {
        soon("tag", tag(&rig.engine, "base", "other", "1")).await.unwrap();
        soon("load", rig.load(Cursor::new(archive(&[("new", layer("new"))])))).await.unwrap();
        soon("import", rig.import("imported")).await;
        soon("create", Box::pin(rig.create("web", "new"))).await.unwrap();
        soon("remove", rig.remove_image("base")).await.unwrap();
        assert_eq!(rig.names().await, ["imported:latest", "new:latest", "other:1"]);
        drop((release_load, release_import));
    };
    let (loaded, imported, ()) = tokio::join!(loading, importing, others);
    loaded.unwrap();
    imported.unwrap();
    let names = ["imported:latest", "late:latest", "later:latest", "new:latest", "other:1"];
    assert_eq!(rig.names().await, names);
}

/// How many clients are being read from.
static READING: AtomicUsize = AtomicUsize::new(0);

struct Counted(Idle);

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        READING.fetch_add(1, Ordering::Relaxed);
        self.0.read(buffer)
    }
}

#[tokio::test]
async fn many_idle_clients_leave_threads_for_the_others() {
    // As many as tokio has for work that blocks, by default.
    const CLIENTS: usize = 512;
    let rig = Rig::new().await;
    let mut releases = Vec::new();
    let mut loads = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (body, release) = Idle::new(Vec::new());
        let body = Counted(body);
        releases.push(release);
        let engine = rig.engine.clone();
        loads.spawn(async move {
            load(&engine, body, Vec::new(), tokio::sync::mpsc::channel(1).0).await
        });
    }
    let all_read = async {
        while READING.load(Ordering::Relaxed) < CLIENTS {
            tokio::task::yield_now().await;
        }
    };
    soon("the beginning of the loads", all_read).await;
    assert!(soon("list", rig.names()).await.is_empty());
    drop(releases);
    while let Some(result) = loads.join_next().await {
        assert!(result.unwrap().is_err(), "an empty body is no archive");
    }
}

#[tokio::test]
async fn a_client_that_reads_no_progress_holds_up_nobody() {
    let rig = Rig::new().await;
    let (progress, mut messages) = tokio::sync::mpsc::channel::<ProgressMessage>(1);
    let both = archive(&[("one", layer("one")), ("two", layer("two")), ("three", layer("three"))]);
    let loading = load(&rig.engine, Cursor::new(both), Vec::new(), progress);
    let others = async {
        // The first line waits in the channel; from here on nothing takes them out.
        while messages.is_empty() {
            tokio::task::yield_now().await;
        }
        soon("remove", rig.remove_image("two")).await.unwrap();
        soon("load", rig.load(Cursor::new(archive(&[("new", layer("new"))])))).await.unwrap();
        let mut lines = Vec::new();
        while let Some(message) = messages.recv().await {
            lines.push(message.stream);
        }
        lines
    };
    let (loaded, lines) = tokio::join!(loading, others);
    loaded.unwrap();
    assert_eq!(lines, ["one", "two", "three"].map(|name| format!("Loaded image: {name}:latest\n")));
}

#[tokio::test]
async fn an_archive_with_a_damaged_image_leaves_nothing() {
    let rig = Rig::new().await;
    rig.load(Cursor::new(archive(&[("kept", layer("kept"))]))).await.unwrap();
    let (layers, blobs) = (rig.layers(), rig.blobs());
    // Its digest is right; what it holds breaks off.
    let damaged = Tar::new().file("x", 0o644, &[b'x'; 2000]).cut_off()[..1024].to_vec();
    let bad = archive(&[("good", layer("good")), ("kept", layer("other")), ("bad", damaged)]);
    let error = rig.load(Cursor::new(bad)).await.unwrap_err();
    assert!(error.to_string().starts_with("extract layer sha256:"), "{error}");
    assert_eq!(rig.names().await, ["kept:latest"]);
    assert_eq!((rig.layers(), rig.blobs()), (layers, blobs));
    // The name leads to what it led to.
    assert_eq!(
        rig.create("web", "kept").await.map(drop).map_err(|error| error.to_string()),
        Ok(())
    );
}
