//! A plugin that takes logs: a program of this test's, which reads the fifo that it is told of.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use gantry_testkit::{Daemon, Options, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use serde_json::{Value, json};

/// What a plugin was asked and sent.
#[derive(Default)]
struct Heard {
    /// Methods with their requests.
    calls: Vec<(String, Value)>,
    /// Everything that came through fifos.
    bytes: Vec<u8>,
    /// The next fifo is closed as soon as something came through it.
    loses_next: bool,
}

impl Heard {
    fn has(&self, bytes: &[u8]) -> bool {
        self.bytes.windows(bytes.len()).any(|window| window == bytes)
    }
}

fn serve(path: &Path) -> Arc<Mutex<Heard>> {
    let listener = UnixListener::bind(path).unwrap();
    let heard = Arc::<Mutex<Heard>>::default();
    let shared = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            answer(&stream, &shared);
        }
    });
    heard
}

fn answer(mut stream: &UnixStream, heard: &Arc<Mutex<Heard>>) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(reader.read_until(b'\n', &mut head).unwrap() > 0);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let request: Value = serde_json::from_slice(&body).unwrap();
    let method = head.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
    let reply = match &*method {
        "Plugin.Activate" => json!({"Implements": ["LogDriver"]}),
        "LogDriver.StartLogging" => {
            let path = PathBuf::from(request["File"].as_str().unwrap());
            let fifo = File::open(&path).unwrap();
            let heard = Arc::clone(heard);
            thread::spawn(move || follow(fifo, &path, &heard));
            json!({"Err": ""})
        }
        _ => json!({}),
    };
    heard.lock().unwrap().calls.push((method, request));
    let reply = reply.to_string();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{reply}", reply.len()).unwrap();
}

fn follow(mut fifo: File, path: &Path, heard: &Mutex<Heard>) {
    let mut block = [0; 4096];
    while let Ok(length @ 1..) = fifo.read(&mut block) {
        let mut heard = heard.lock().unwrap();
        heard.bytes.extend_from_slice(&block[..length]);
        if std::mem::take(&mut heard.loses_next) {
            // Before anybody sees what was heard. A process that another test is just making has a copy, until it executes its program.
            drop(fifo);
            return poll("the fifo to have no reader", || {
                let opened = open(path, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty());
                (opened.err() == Some(Errno::NXIO)).then_some(())
            });
        }
    }
}

fn daemon_with_plugins(folder: &Path) -> Daemon {
    let flags = vec!["--plugin-dir".to_owned(), folder.display().to_string()];
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    daemon.load(&gantry_testkit::busybox());
    daemon
}

#[test]
fn a_plugin_that_lost_its_fifo_is_told_to_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let heard = serve(&folder.path().join("taker.sock"));
    heard.lock().unwrap().loses_next = true;
    let daemon = daemon_with_plugins(folder.path());
    let run = ["run", "-d", "-i", "--network", "none", "--name", "lost", "--log-driver", "taker"];
    daemon.ok(&[&run[..], &["busybox", "sh", "-c", "echo first; read line; echo second"]].concat());
    poll("the first line", || heard.lock().unwrap().has(b"first").then_some(()));
    let mut typing = daemon.gantry(&["attach", "lost"]).spawn_fed();
    typing.write("\n");
    typing.wait();
    poll("the second line", || heard.lock().unwrap().has(b"second").then_some(()));
    daemon.remove(&["lost"]);
}

#[test]
fn a_plugin_gets_entries_and_is_told_of_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let heard = serve(&folder.path().join("taker.sock"));
    let daemon = daemon_with_plugins(folder.path());
    let run = ["run", "-d", "--network", "none", "--name", "told", "--log-driver", "taker"];
    let rest = ["--log-opt", "own=option", "busybox", "echo", "hello plugin"];
    daemon.ok(&[&run[..], &rest].concat());
    daemon.ok(&["wait", "told"]);
    poll("the plugin to be stopped", || {
        let heard = heard.lock().unwrap();
        heard.calls.iter().any(|(method, _)| method == "LogDriver.StopLogging").then_some(())
    });
    {
        let heard = heard.lock().unwrap();
        let find = |name: &str| &heard.calls.iter().find(|(method, _)| method == name).unwrap().1;
        let (start, stop) = (find("LogDriver.StartLogging"), find("LogDriver.StopLogging"));
        assert_eq!(start["File"], stop["File"]);
        let fifo = Path::new(stop["File"].as_str().unwrap());
        poll("its fifo to go", || (!fifo.exists()).then_some(()));
        assert_eq!(start["Info"]["ContainerName"], "/told");
        assert_eq!(start["Info"]["Config"]["own"], "option");
        // Fields 1 and 3 of the message: the stream, and the line without its newline.
        assert!(heard.has(b"\x1a\x0chello plugin") && heard.has(b"\x0a\x06stdout"));
    }
    assert_eq!(daemon.ok(&["logs", "told"]), "hello plugin");
    assert!(daemon.ok(&["info"]).contains("taker"));
    let unknown =
        daemon.gantry(&["create", "--network", "none", "--log-driver", "nope", "busybox"]).run();
    unknown.exits(1).complains("logger: no log driver named 'nope' is registered");
    daemon.remove(&["told"]);
}
