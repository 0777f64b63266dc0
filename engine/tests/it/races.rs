//! Several clients at once, over and over: whatever comes first, nothing half of it is left.

use std::io::Cursor;

use gantry_engine::{container, system};

use crate::rig::{Rig, archive, layer, soon};

/// Enough that a removal falls into every step of a create.
const ROUNDS: usize = 100;
const CLIENTS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_container_never_loses_its_layers_to_a_removal() {
    let rig = std::sync::Arc::new(Rig::new().await);
    for round in 0..ROUNDS {
        rig.import("app").await;
        let mut creates = tokio::task::JoinSet::new();
        for client in 0..CLIENTS {
            let (rig, name) = (std::sync::Arc::clone(&rig), format!("web{client}"));
            creates.spawn(async move { rig.create(&name, "app").await });
        }
        // Some come before it, some after, and some meanwhile.
        let mut results = Vec::new();
        for _ in 0..round % CLIENTS {
            results.extend(creates.join_next().await.map(Result::unwrap));
        }
        rig.remove_image("app").await.unwrap();
        results.extend(creates.join_all().await);
        for created in results {
            let id = match created {
                Ok(id) => id,
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.starts_with("No such image: "), "round {round}: {text}");
                    continue;
                }
            };
            // No lower directory means that a layer is not there.
            let document = container::inspect(&rig.engine, &id, false).await.unwrap();
            assert!(document.graph_driver.data.contains_key("LowerDir"), "round {round}");
            let options = container::RemoveOptions::default();
            container::remove(&rig.engine, &id, options).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_image_that_is_removed_while_it_is_loaded_is_whole_or_gone() {
    let rig = Rig::new().await;
    let image = archive(&[("app", layer("app"))]);
    for round in 0..ROUNDS {
        let (first, second) =
            (rig.load(Cursor::new(image.clone())), rig.load(Cursor::new(image.clone())));
        let (first, second, _) =
            soon("loads", async { tokio::join!(first, second, rig.remove_image("app")) }).await;
        first.unwrap();
        second.unwrap();
        if rig.names().await.is_empty() {
            assert_eq!((rig.layers(), rig.blobs()), (0, 0), "round {round}");
            continue;
        }
        assert_eq!((rig.layers(), rig.blobs()), (1, 3), "round {round}");
        let created = rig.create("web", "app").await;
        created.unwrap_or_else(|error| panic!("round {round}: {error}"));
        container::remove(&rig.engine, "web", container::RemoveOptions::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_hears_of_a_new_container_finds_it() {
    let rig = std::sync::Arc::new(Rig::new().await);
    rig.import("app").await;
    let mut events = system::events(&rig.engine, system::EventsOptions::default()).unwrap();
    let listening = std::sync::Arc::clone(&rig);
    let found = tokio::spawn(async move {
        for _ in 0..ROUNDS {
            let event = events.next().await.unwrap();
            container::inspect(&listening.engine, &event.actor.id, false).await.unwrap();
        }
    });
    for round in 0..ROUNDS {
        rig.create(&format!("web{round}"), "app").await.unwrap();
    }
    soon("the listener", found).await.unwrap();
}
