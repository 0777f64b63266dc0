//! Authorization plugins; the one here is a thread behind a socket, which notes what it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::daemon::{PATIENCE, Places, ask, until};

/// Answers every question by `judge`; gives what it was asked.
fn plugin(
    socket: &Path,
    judge: impl Fn(&str, &Value) -> Value + Send + 'static,
) -> Arc<Mutex<Vec<(String, Value)>>> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (listener, noted) = (UnixListener::bind(socket).unwrap(), Arc::clone(&asked));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let path = first.split(' ').nth(1).unwrap().to_owned();
            let question: Value = serde_json::from_slice(&body).unwrap_or_default();
            let answer = match path.as_str() {
                "/Plugin.Activate" => json!({"Implements": ["authz"]}),
                _ => judge(&path, &question),
            };
            noted.lock().unwrap().push((path, question));
            let text = answer.to_string();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
            stream.write_all((head + &text).as_bytes()).unwrap();
        }
    });
    asked
}

#[test]
fn a_plugin_sees_requests_and_answers_and_may_refuse_both() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("plugins");
    std::fs::create_dir(&folder).unwrap();
    let asked = plugin(&folder.join("guard.sock"), |path, question| {
        let uri = question["RequestUri"].as_str().unwrap_or_default();
        match path {
            "/AuthZPlugin.AuthZReq" if uri.contains("/volumes/create") => {
                let body = STANDARD.decode(question["RequestBody"].as_str().unwrap()).unwrap();
                let body: Value = serde_json::from_slice(&body).unwrap();
                json!({"Allow": body["Name"] != "forbidden", "Msg": "no such names"})
            }
            "/AuthZPlugin.AuthZRes" if uri.ends_with("/version") => {
                json!({"Allow": false, "Msg": "that is nobody's business"})
            }
            "/AuthZPlugin.AuthZReq" if uri.ends_with("/info") => json!({"Err": "I am ill"}),
            _ => json!({"Allow": true}),
        }
    });
    let flag = format!("--plugin-dir={}", folder.display());
    let places = Places::below(&dir, "own").with(&[&flag, "--authorization-plugin", "guard"]);
    let daemon = places.start();
    let create = |name: &str| {
        let body = json!({ "Name": name }).to_string();
        ask(&places.socket, "POST", "/v1.45/volumes/create", &body).unwrap()
    };
    let allowed = create("one");
    assert!(allowed.starts_with("HTTP/1.1 201"), "{allowed}");
    let refused = create("forbidden");
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    assert!(
        refused
            .ends_with("{\"message\":\"authorization denied by plugin guard: no such names\"}\n"),
        "{refused}"
    );
    let listed = ask(&places.socket, "GET", "/volumes", "").unwrap();
    assert!(listed.contains("\"one\"") && !listed.contains("forbidden"), "{listed}");
    let hidden = ask(&places.socket, "GET", "/version", "").unwrap();
    assert!(hidden.starts_with("HTTP/1.1 403") && !hidden.contains("ApiVersion"), "{hidden}");
    let failed = ask(&places.socket, "GET", "/info", "").unwrap();
    assert!(failed.starts_with("HTTP/1.1 500"), "{failed}");
    assert!(
        failed.contains("plugin guard failed with error: guard: AuthZPlugin.AuthZReq: I am ill")
    );
    let asked = asked.lock().unwrap();
    let (_, answer) = asked
        .iter()
        .find(|(path, question)| {
            path.ends_with("AuthZRes") && question["RequestUri"] == "/v1.45/volumes/create"
        })
        .unwrap();
    assert_eq!(
        (&answer["ResponseStatusCode"], &answer["RequestMethod"]),
        (&json!(201), &json!("POST"))
    );
    let body = STANDARD.decode(answer["ResponseBody"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8(body).unwrap().contains("\"Name\":\"one\""));
    assert_eq!(answer["RequestHeaders"]["Content-Type"], "application/json");
    drop(asked);
    daemon.end();
}

#[test]
fn a_guard_that_is_not_there_keeps_the_daemon_from_starting() {
    let dir = TempDir::new().unwrap();
    let places = Places::below(&dir, "own").with(&["--authorization-plugin", "no-such-guard"]);
    let said = places.refused();
    assert!(
        said.contains(
            "failed to validate authorization plugin: plugin \"no-such-guard\" not found"
        ),
        "{said}"
    );
}

#[test]
fn a_guard_that_goes_away_lets_nothing_pass() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("plugins");
    std::fs::create_dir(&folder).unwrap();
    plugin(&folder.join("guard.sock"), |_, _| json!({"Allow": true}));
    let flag = format!("--plugin-dir={}", folder.display());
    let places = Places::below(&dir, "own").with(&[&flag, "--authorization-plugin", "guard"]);
    let daemon = places.start();
    std::fs::remove_file(folder.join("guard.sock")).unwrap();
    let answer = ask(&places.socket, "GET", "/version", "").unwrap();
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(answer.contains("plugin guard failed with error"), "{answer}");
    daemon.end();
}

#[test]
fn who_comes_to_look_on_at_the_end_is_not_waited_for() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("plugins");
    std::fs::create_dir(&folder).unwrap();
    let (began, is_asked) = mpsc::channel();
    let (let_go, may_answer) = mpsc::channel::<()>();
    plugin(&folder.join("guard.sock"), move |path, question| {
        if path.ends_with("AuthZReq") && question["RequestUri"] == "/events" {
            began.send(()).unwrap();
            may_answer.recv_timeout(PATIENCE).unwrap();
        }
        json!({"Allow": true})
    });
    let flag = format!("--plugin-dir={}", folder.display());
    let places = Places::below(&dir, "own").with(&[
        &flag,
        "--authorization-plugin=guard",
        "--shutdown-timeout=-1",
    ]);
    let daemon = places.start();
    let mut events = UnixStream::connect(&places.socket).unwrap();
    events.write_all(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    is_asked.recv_timeout(PATIENCE).unwrap();
    daemon.signal(Signal::TERM);
    until("nobody listens", || UnixStream::connect(&places.socket).is_err());
    let_go.send(()).unwrap();
    assert_eq!(daemon.code(), Some(0));
    drop(events);
}
