//! Clients and containers that keep the daemon busy for ever, hundreds at a time: whoever asks for another container notices nothing,
//! and when they go away nothing of them stays.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use gantry_testkit::{Daemon, TIMEOUT, poll};

/// More than the threads that the daemon shares among short work.
const STUCK: usize = 600;
/// What nobody should wait for an answer, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request whose client reads nothing, or of whose body no more comes.
fn stuck(daemon: &Daemon, request: &str) -> UnixStream {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn head(method: &str, target: &str, more: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{more}\r\n")
}

/// Ways to be stuck: none of them has an answer that ends while its client does nothing.
fn ways() -> Vec<String> {
    let coming = "Content-Type: application/x-tar\r\nContent-Length: 1000000\r\n";
    let json = "Content-Type: application/json\r\nContent-Length: 1000\r\n";
    let hijack = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    vec![
        head("GET", "/containers/large/archive?path=/large", ""),
        head("GET", "/containers/large/export", ""),
        head("GET", "/containers/chatty/logs?stdout=1&follow=1", ""),
        head("POST", "/containers/chatty/attach?stream=1&stdout=1", hijack),
        head("GET", "/containers/chatty/stats", ""),
        head("PUT", "/containers/large/archive?path=/tmp", coming),
        head("POST", "/images/load", coming),
        head("POST", "/build?t=stuck", coming),
        head("POST", "/containers/create", json),
        head("POST", "/containers/bystander/wait", ""),
        head("POST", "/containers/deaf/stop?t=3600", ""),
        head("GET", "/events", ""),
        head("GET", "/containers/frozen/archive?path=/etc", ""),
        head("GET", "/containers/frozen/stats?stream=0", ""),
        head("POST", "/gantry/volumes/filled/import", coming),
        "GET /containers/json HTTP/1.1\r\nHo".to_owned(),
    ]
}

fn set_up() -> Daemon {
    let daemon = Daemon::with_busybox();
    let run = |name: &str, script: &str| {
        let words = ["run", "-d", "--network", "none", "--name", name, "busybox", "sh", "-c"];
        daemon.ok(&[&words[..], &[script]].concat());
    };
    run("large", "truncate -s 4G /large; exec sleep 100000");
    // Enough for a reader who does not read, and no more: this is no test of the disk.
    run(
        "chatty",
        "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i of many, and all of them wait; done; exec sleep 100000",
    );
    run("deaf", "trap '' TERM; exec sleep 100000");
    run("frozen", "exec sleep 100000");
    run("bystander", "exec sleep 100000");
    daemon.ok(&["pause", "frozen"]);
    daemon.ok(&["volume", "create", "filled"]);
    poll("a large file", || {
        daemon.gantry(&["exec", "large", "test", "-s", "/large"]).run().code.eq(&0).then_some(())
    });
    daemon
}

/// What somebody else does, and how long the longest of it took.
fn longest(daemon: &Daemon) -> (Duration, &'static str) {
    let mut longest = (Duration::ZERO, "");
    let mut take = |what: &'static str, work: &dyn Fn()| {
        let begin = Instant::now();
        work();
        longest = longest.max((begin.elapsed(), what));
    };
    for _ in 0..5 {
        take("inspect", &|| drop(daemon.inspect("bystander")));
        take("ps", &|| drop(daemon.ok(&["ps", "-a"])));
        take("exec", &|| drop(daemon.ok(&["exec", "bystander", "true"])));
        take("logs", &|| drop(daemon.ok(&["logs", "bystander"])));
        take("cp", &|| drop(daemon.ok(&["cp", "bystander:/etc/passwd", "-"])));
        take("run", &|| {
            drop(daemon.ok(&["run", "--rm", "--network", "none", "busybox", "true"]));
        });
        take("images", &|| drop(daemon.ok(&["images"])));
        take("volume", &|| {
            daemon.ok(&["volume", "create", "other"]);
            daemon.ok(&["volume", "rm", "other"]);
        });
    }
    longest
}

#[test]
fn who_is_stuck_keeps_nobody_else_and_leaves_nothing() {
    let daemon = set_up();
    longest(&daemon);
    let before = daemon.snapshot();
    let ways = ways();
    let clients: Vec<UnixStream> =
        (0..STUCK).map(|number| stuck(&daemon, &ways[number % ways.len()])).collect();
    // All of them at once are work, before they are stuck.
    poll("them to be stuck", || {
        let begin = Instant::now();
        daemon.inspect("bystander");
        (begin.elapsed() < Duration::from_millis(500)).then_some(())
    });
    let (took, what) = longest(&daemon);
    println!("beside {STUCK} who are stuck, the longest wait was {took:?}, for {what}");
    assert!(took < PATIENCE, "{what} took {took:?}");
    // Half of them close one side first, some say something more, and then all are gone.
    for (number, client) in clients.iter().enumerate() {
        if number.is_multiple_of(2) {
            drop(client.shutdown(Shutdown::Write));
        }
    }
    let (took, what) = longest(&daemon);
    assert!(took < PATIENCE, "{what} took {took:?} beside those who closed one side");
    drop(clients);
    let (took, what) = longest(&daemon);
    assert!(took < PATIENCE, "{what} took {took:?} after they had gone");
    before.assert_restored(&daemon);
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

#[test]
fn hijacked_connections_that_go_away_are_let_go() {
    let daemon = Daemon::with_busybox();
    let words = ["run", "-d", "-i", "--network", "none", "--name", "talker", "busybox", "cat"];
    daemon.ok(&words);
    daemon.ok(&["exec", "talker", "true"]);
    let before = daemon.snapshot();
    let hijack = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    let attach = head("POST", "/containers/talker/attach?stream=1&stdin=1&stdout=1", hijack);
    for round in 0..30 {
        let mut client = stuck(&daemon, &attach);
        // Some go before the answer, some behind it, some in the middle of what they say.
        if round % 3 > 0 {
            let mut answer = [0; 12];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 101");
        }
        if round % 3 > 1 {
            client.write_all(b"a line without an end").unwrap();
        }
    }
    // The last words of all of them are there, and the container hears on.
    before.assert_restored(&daemon);
    assert_eq!(daemon.inspect("talker")["State"]["Status"], "running");
    daemon.remove(&["talker"]);
}
