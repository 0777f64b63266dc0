//! Who waits: for a container's ends and its removal, in all conditions, and for readers that take their time.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use gantry_testkit::poll;
use serde_json::Value;

use crate::shared::{detached, shared, unique};

/// A connection on which the daemon has answered this with a head that begins so.
fn begun(request: &str, answer: &str) -> UnixStream {
    let mut stream = UnixStream::connect(shared().socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(answer.as_bytes()), "{}", String::from_utf8_lossy(&head));
    stream
}

/// A wait that the daemon knows of.
fn waiting(name: &str, condition: &str) -> UnixStream {
    // Of HTTP/1.0, whose bodies have no chunks.
    let target = format!("/containers/{name}/wait?condition={condition}");
    begun(&format!("POST {target} HTTP/1.0\r\nHost: x\r\n\r\n"), "HTTP/1.0 200")
}

fn code(mut waiting: UnixStream) -> i64 {
    let mut body = String::new();
    waiting.read_to_string(&mut body).unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    body["StatusCode"].as_i64().unwrap()
}

#[test]
fn each_condition_has_its_moment() {
    let name = unique("conditions");
    let script = "test -e /ran && exit 8; touch /ran; exit 7";
    shared().ok(&["create", "--network", "none", "--name", &name, "busybox", "sh", "-c", script]);
    // One that never ran does not run.
    assert_eq!(code(waiting(&name, "not-running")), 0);
    assert_eq!(code(waiting(&name, "")), 0);
    let (next, removed) = (waiting(&name, "next-exit"), waiting(&name, "removed"));
    shared().gantry(&["start", "-a", &name]).run().exits(7);
    assert_eq!(code(next), 7);
    assert_eq!(code(waiting(&name, "not-running")), 7);
    let next = waiting(&name, "next-exit");
    shared().gantry(&["start", "-a", &name]).run().exits(8);
    // The end that was is not the next.
    assert_eq!(code(next), 8);
    shared().ok(&["rm", &name]);
    assert_eq!(code(removed), 8);
    let target = format!("/containers/{name}/wait?condition=removed");
    shared().http("POST", &target, &[]).error(404);
    let target = "/containers/x/wait?condition=whenever";
    let error = shared().http("POST", target, &[]).error(400);
    assert!(error.contains("whenever"), "{error}");
}

#[test]
fn the_container_s_own_time_to_stop_counts() {
    let name = unique("own-time");
    let script = "trap 'echo no' TERM; echo up; while :; do sleep 0.1; done";
    detached(&name, &["--stop-timeout", "1"], &["sh", "-c", script]);
    poll("it is up", || shared().ok(&["logs", &name]).contains("up").then_some(()));
    let began = Instant::now();
    shared().ok(&["stop", &name]);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(8), "{took:?}");
    assert_eq!(shared().inspect(&name)["State"]["ExitCode"], 137);
    assert!(shared().ok(&["logs", &name]).contains("no"));
    shared().remove(&[&name]);
}

/// A client that is attached by hand.
fn attached(name: &str) -> UnixStream {
    let request = format!(
        "POST /containers/{name}/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\n\
         Connection: Upgrade\r\nContent-Length: 0\r\n\r\n"
    );
    begun(&request, "HTTP/1.1 101")
}

#[test]
fn a_reader_that_takes_its_time_stalls_nobody_and_misses_nothing() {
    let name = unique("slow-reader");
    let script = "seq 1 1000000; echo over >&2; exit 5";
    let create = ["create", "--network", "none", "--name", &name, "busybox", "sh", "-c", script];
    shared().ok(&create);
    let mut slow = attached(&name);
    let fast = shared().gantry(&["start", "-a", &name]).run();
    fast.exits(5);
    let all: String = (1..=1_000_000).map(|number| format!("{number}\n")).collect();
    assert!(fast.stdout == all && fast.stderr == "over\n");
    // It has ended, although one of its readers has taken nothing.
    assert_eq!(shared().inspect(&name)["State"]["Status"], "exited");
    let mut taken = Vec::new();
    slow.read_to_end(&mut taken).unwrap();
    let (mut output, mut errors, mut rest) = (Vec::new(), Vec::new(), &taken[..]);
    while let [stream, _, _, _, a, b, c, d, after @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let to = if *stream == 1 { &mut output } else { &mut errors };
        to.extend_from_slice(&after[..length]);
        rest = &after[length..];
    }
    assert!(rest.is_empty() && output == all.as_bytes() && errors == b"over\n");
    shared().remove(&[&name]);
}
