//! SIGHUP: the file is read again, and what cannot be understood changes nothing.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::daemon::{Daemon, PATIENCE, Places, ask, until};

struct Rig {
    file: PathBuf,
    places: Places,
    daemon: Daemon,
    _dir: TempDir,
}

impl Rig {
    fn start(file: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("daemon.json");
        std::fs::write(&path, file).unwrap();
        let flag = format!("--config-file={}", path.display());
        let places = Places::below(&dir, "own").with(&[&flag]);
        let daemon = places.start();
        Self { file: path, places, daemon, _dir: dir }
    }

    fn reload(&self, file: &str) {
        // As a whole: the daemon may be reading because of the signal before.
        let new = self.file.with_extension("new");
        std::fs::write(&new, file).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
        self.daemon.signal(Signal::HUP);
    }
}

fn info(socket: &Path) -> String {
    ask(socket, "GET", "/info", "").unwrap()
}

/// Events from now on.
fn events(socket: &Path) -> impl Iterator<Item = String> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /v1.50/events HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines();
    // The head comes when the listening has begun.
    while !lines.next().unwrap().unwrap().is_empty() {}
    lines.map(Result::unwrap).filter(|line| line.starts_with('{'))
}

#[test]
fn what_a_file_says_later_is_taken() {
    let rig = Rig::start(r#"{"labels":["a=1"],"insecure-registries":["one.example:5000"]}"#);
    let socket = &rig.places.socket;
    let before = info(socket);
    assert!(before.contains(r#""Labels":["a=1"]"#) && before.contains("one.example:5000"));
    assert!(before.contains(r#""Debug":false"#));
    let mut events = events(socket);
    rig.reload(r#"{"labels":["b=2"],"debug":true,"registry-mirrors":["https://m.example/"],"shutdown-timeout":3}"#);
    let event = events.next().unwrap();
    for part in [
        r#""Type":"daemon""#,
        r#""Action":"reload""#,
        r#""labels":"[\"b=2\"]""#,
        r#""debug":"true""#,
        r#""registry-mirrors":"[\"https://m.example/\"]""#,
        r#""insecure-registries":"[]""#,
        r#""shutdown-timeout":"3""#,
        r#""live-restore":"true""#,
    ] {
        assert!(event.contains(part), "{part} is not in {event}");
    }
    let after = info(socket);
    assert!(after.contains(r#""Labels":["b=2"]"#) && after.contains("https://m.example/"));
    assert!(after.contains(r#""Debug":true"#) && !after.contains("one.example"), "{after}");
    rig.daemon.end();
}

#[test]
fn a_broken_file_changes_nothing() {
    let rig = Rig::start(r#"{"labels":["a=1"]}"#);
    let socket = &rig.places.socket;
    let mut events = events(socket);
    for broken in [
        "{",
        r#"{"labels":["b=2"],"data-rot":1}"#,
        r#"{"labels":["b=2"],"bridge":"none"}"#,
        r#"{"labels":["b=2"],"max-concurrent-downloads":-1}"#,
        r#"{"labels":["b=2"],"authorization-plugins":["no-such-plugin"]}"#,
    ] {
        rig.reload(broken);
    }
    rig.reload(r#"{"labels":["c=3"]}"#);
    // The one event is that of the last.
    let event = events.next().unwrap();
    assert!(event.contains(r#""labels":"[\"c=3\"]""#), "{event}");
    until("the label", || info(socket).contains(r#""Labels":["c=3"]"#));
    rig.daemon.end();
}
