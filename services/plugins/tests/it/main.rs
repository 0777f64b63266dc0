//! Plugins over real sockets: what the other side plays is the test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod managed;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use gantry_plugins::{Config, Error, Plugins, Running, listens};
use serde_json::{Value, json};

/// Answers each question by `answer`, until the test ends.
fn play(folder: &Path, name: &str, answer: impl Fn(&str) -> String + Send + 'static) {
    let listener = UnixListener::bind(folder.join(format!("{name}.sock"))).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = vec![0; 4096];
            let count = stream.read(&mut asked).unwrap_or(0);
            let text = String::from_utf8_lossy(&asked[..count]).into_owned();
            drop(stream.write_all(answer(&text).as_bytes()));
        }
    });
}

fn says(status: u16, body: &Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn plugins(folder: &Path, patience: Duration) -> Plugins {
    Plugins::new(Config { sockets: vec![folder.to_owned()], specs: Vec::new(), patience })
}

#[test]
fn a_plugin_is_activated_and_asked() {
    let folder = tempfile::tempdir().unwrap();
    play(folder.path(), "one", |asked| match asked.split(' ').nth(1).unwrap_or_default() {
        "/Plugin.Activate" => says(200, &json!({"Implements": ["VolumeDriver"]})),
        "/VolumeDriver.Get" => says(200, &json!({"Volume": {"Name": "v"}, "Err": ""})),
        "/VolumeDriver.Create" => says(200, &json!({"Err": "no room"})),
        _ => says(404, &json!("nothing")),
    });
    let plugins = plugins(folder.path(), Duration::from_secs(30));
    let answer: Value = plugins.call("one", "VolumeDriver", "Get", &json!({"Name": "v"})).unwrap();
    assert_eq!(answer["Volume"]["Name"], "v");
    let ask = |kind: &str, method: &str| {
        plugins.call::<Value>("one", kind, method, &json!({})).unwrap_err().to_string()
    };
    assert_eq!(ask("VolumeDriver", "Create"), "one: VolumeDriver.Create: no room");
    assert!(ask("VolumeDriver", "List").contains("status 404"));
    assert_eq!(ask("NetworkDriver", "Join"), "the plugin one is no NetworkDriver");
    assert_eq!(plugins.names("VolumeDriver"), ["one"]);
    assert!(plugins.names("NetworkDriver").is_empty());
    let error = plugins.call::<Value>("two", "VolumeDriver", "Get", &json!({})).unwrap_err();
    assert_eq!(error.to_string(), "plugin \"two\" not found");
}

#[test]
fn a_managed_plugin_leads_nobody_to_other_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("own");
    fs::create_dir(&here).unwrap();
    play(folder.path(), "other", |_| says(200, &json!({"Volume": {"Name": "v"}})));
    let plugins = plugins(&here, Duration::from_secs(30));
    let add = |socket: &str| {
        plugins.add(Running {
            name: "vol".parse().unwrap(),
            socket: folder.path().join(socket),
            kinds: vec!["VolumeDriver".to_owned()],
        });
        plugins.call::<Value>("vol", "VolumeDriver", "Get", &json!({"Name": "v"}))
    };
    assert_eq!(add("other.sock").unwrap()["Volume"]["Name"], "v");
    symlink(folder.path().join("other.sock"), here.join("p.sock")).unwrap();
    assert!(matches!(add("own/p.sock"), Err(Error::Connect { .. })));
    assert!(!listens(&here.join("p.sock")) && listens(&folder.path().join("other.sock")));
}

#[test]
fn one_that_hangs_or_dies_is_told() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody accepts: the connection stands, and nothing comes.
    let _listener = UnixListener::bind(folder.path().join("slow.sock")).unwrap();
    drop(UnixListener::bind(folder.path().join("dead.sock")).unwrap());
    // One whose queue is full: it is not even connected to.
    let full = UnixListener::bind(folder.path().join("full.sock")).unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let _queued = UnixStream::connect(folder.path().join("full.sock")).unwrap();
    let plugins = plugins(folder.path(), Duration::from_millis(300));
    let ask =
        |name: &str| plugins.call::<Value>(name, "VolumeDriver", "Get", &json!({})).unwrap_err();
    assert!(matches!(ask("slow"), Error::Exchange { .. }));
    assert!(matches!(ask("dead"), Error::Connect { .. }));
    assert!(matches!(ask("full"), Error::Connect { .. }));
}
