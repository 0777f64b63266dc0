//! Containers: what is told of them when something of theirs is missing, and what is refused.

use std::time::Duration;

use gantry_engine::Error;
use gantry_engine::container::{ListOptions, inspect, list, start};
use gantry_types::{ErrorKind, Filters};
use serde_json::json;

use crate::rig::{Rig, soon};

fn options(size: bool, filters: &[(&str, &str)]) -> ListOptions {
    let mut wanted = Filters::default();
    for (key, value) in filters {
        wanted.insert(*key, *value);
    }
    ListOptions { all: true, size, filters: wanted, ..ListOptions::default() }
}

/// The names of the containers that the filters let through, newest first.
async fn names(rig: &Rig, filters: &[(&str, &str)]) -> Result<Vec<String>, Error> {
    let rows = list(&rig.engine, options(false, filters)).await?;
    Ok(rows.iter().flat_map(|row| row.names.clone()).collect())
}

#[tokio::test]
async fn a_writable_layer_on_its_way_out_counts_nothing() {
    let rig = Rig::new().await;
    rig.import("app").await;
    let going = rig.create("going", "app").await.unwrap();
    let staying = rig.create("staying", "app").await.unwrap();
    let writable = rig.data_root().join("rw");
    std::fs::write(writable.join(&staying).join("u/file"), b"12345").unwrap();
    std::fs::remove_dir_all(writable.join(&going)).unwrap();
    let rows = list(&rig.engine, options(true, &[])).await.unwrap();
    let sizes: Vec<(String, i64)> = rows.iter().map(|row| (row.id.clone(), row.size_rw)).collect();
    assert_eq!(sizes, [(staying, 5), (going.clone(), 0)]);
    assert_eq!(inspect(&rig.engine, &going, true).await.unwrap().size_rw, Some(0));
}

#[test]
fn a_container_with_a_lost_layer_can_be_inspected() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let dir = runtime().block_on(async {
        let rig = Rig::new().await;
        rig.import("app").await;
        rig.create("web", "app").await.unwrap();
        let driver = inspect(&rig.engine, "web", false).await.unwrap().graph_driver;
        assert!(driver.data["LowerDir"].contains("/data/layers/1/"));
        rig.into_dir()
    });
    std::fs::remove_dir_all(dir.path().join("data/layers/1")).unwrap();
    runtime().block_on(async {
        let rig = Rig::open(dir).await;
        let document = inspect(&rig.engine, "web", true).await.unwrap();
        assert_eq!((document.name.as_str(), document.graph_driver.data.len()), ("/web", 0));
    });
}

#[test]
fn one_that_removes_itself_and_never_ran_goes_when_the_daemon_comes_back() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let dir = runtime().block_on(async {
        let rig = Rig::new().await;
        rig.import("app").await;
        let host = json!({"NetworkMode": "none", "AutoRemove": true});
        let request = json!({"Image": "app", "Cmd": ["x"], "HostConfig": host});
        rig.create_with("going", request).await.unwrap();
        rig.create("staying", "app").await.unwrap();
        rig.into_dir()
    });
    runtime().block_on(async {
        let rig = Rig::open(dir).await;
        let gone = async {
            while names(&rig, &[]).await.unwrap().len() > 1 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon("the removal", gone).await;
        assert_eq!(names(&rig, &[]).await.unwrap(), ["/staying"]);
    });
}

#[tokio::test]
async fn one_slash_before_a_name_is_taken() {
    let rig = Rig::new().await;
    rig.import("app").await;
    for name in ["first", "second", "third"] {
        rig.create(name, "app").await.unwrap();
    }
    assert_eq!(inspect(&rig.engine, "/first", false).await.unwrap().name, "/first");
    assert_eq!(names(&rig, &[("before", "/second")]).await.unwrap(), ["/first"]);
    assert_eq!(names(&rig, &[("since", "/second")]).await.unwrap(), ["/third"]);
    for text in ["//first", "/", "/firs"] {
        let error = inspect(&rig.engine, text, false).await.unwrap_err();
        assert_eq!(error.to_string(), format!("No such container: {text}"));
    }
}

#[tokio::test]
async fn filters_take_only_values_that_can_be() {
    let rig = Rig::new().await;
    rig.import("app").await;
    rig.create("web", "app").await.unwrap();
    for (key, value) in [("status", "x"), ("status", ""), ("exited", "x"), ("exited", "1x")] {
        let error = names(&rig, &[("status", "created"), (key, value)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        assert_eq!(error.to_string(), format!("invalid filter '{key}={value}'"));
    }
    for status in ["running", "paused", "restarting", "removing", "exited", "dead"] {
        assert!(names(&rig, &[("status", status)]).await.unwrap().is_empty(), "{status}");
    }
    assert_eq!(names(&rig, &[("status", "created")]).await.unwrap(), ["/web"]);
    assert!(names(&rig, &[("exited", "0"), ("exited", "-1")]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_missing_bind_source_leaves_nothing() {
    let rig = Rig::new().await;
    rig.import("app").await;
    let source = rig.data_root().join("nowhere");
    let mount = json!({"Type": "bind", "Source": source, "Target": "/x"});
    let request = json!({
        "Image": "app", "Cmd": ["x"], "HostConfig": {"NetworkMode": "none", "Mounts": [mount]},
    });
    let error = rig.create_with("web", request).await.unwrap_err();
    let text = "invalid mount config for type \"bind\": bind source path does not exist: ";
    assert_eq!(error.to_string(), format!("{text}{}", source.display()));
    assert!(names(&rig, &[]).await.unwrap().is_empty());
    // Its name is free.
    rig.create("web", "app").await.unwrap();
}

#[tokio::test]
async fn a_bind_source_that_was_made_outlives_a_failed_start() {
    let rig = Rig::new().await;
    rig.import("app").await;
    let source = rig.data_root().join("made/below");
    let bind = format!("{}:/x", source.display());
    let request = json!({
        "Image": "app", "Cmd": ["x"], "HostConfig": {"NetworkMode": "none", "Binds": [bind]},
    });
    rig.create_with("web", request).await.unwrap();
    // There is no shim.
    start(&rig.engine, "web").await.unwrap_err();
    assert!(source.is_dir());
}
