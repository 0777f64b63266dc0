//! Remote drivers: what arrives, while the daemon, the remote or the container comes and goes.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use gantry_testkit::{Daemon, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use crate::shared::{shared, unique};

/// A program that takes lines over TCP, as a syslog daemon does. Nothing of it outlives the test but threads that wait.
struct Receiver {
    address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Receiver {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Self { address, lines: Arc::default(), connections: Arc::default() };
        receiver.serve(listener);
        receiver
    }

    fn serve(&self, listener: TcpListener) {
        let (lines, connections) = (Arc::clone(&self.lines), Arc::clone(&self.connections));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                connections.lock().unwrap().push(stream.try_clone().unwrap());
                let lines = Arc::clone(&lines);
                thread::spawn(move || {
                    for line in BufReader::new(stream).lines().map_while(Result::ok) {
                        lines.lock().unwrap().push(line);
                    }
                });
            }
        });
    }

    fn flags(&self) -> [String; 4] {
        let address = format!("syslog-address=tcp://{}", self.address);
        ["--log-driver".into(), "syslog".into(), "--log-opt".into(), address]
    }

    /// What came behind the head of each line.
    fn texts(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines.iter().map(|line| line.split_once("]: ").unwrap().1.to_owned()).collect()
    }

    fn await_text(&self, text: &str) {
        poll(text, || self.texts().iter().any(|it| it == text).then_some(()));
    }
}

/// An address of this test's own, which refuses connections until somebody listens there.
fn reserve() -> TcpListener {
    let (family, flags) = (AddressFamily::INET, SocketFlags::CLOEXEC);
    let socket = socket_with(family, SocketType::STREAM, flags, None).unwrap();
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    socket.into()
}

fn create(daemon: &Daemon, name: &str, flags: &[&str], script: &str) {
    let fixed = ["run", "-d", "--network", "none", "--name", name];
    daemon.ok(&[&fixed, flags, &["busybox", "sh", "-c", script]].concat());
}

fn words(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}

#[test]
fn lines_arrive_and_can_be_read_here_too() {
    let receiver = Receiver::listen();
    let name = unique("syslog");
    let flags = receiver.flags();
    let flags = [&words(&flags)[..], &["--log-opt", "tag={{.Name}}/x"]].concat();
    create(shared(), &name, &flags, "echo out; echo err >&2; printf end");
    shared().ok(&["wait", &name]);
    receiver.await_text("end");
    let mut texts = receiver.texts();
    texts.sort();
    assert_eq!(texts, ["end", "err", "out"]);
    assert!(receiver.lines.lock().unwrap()[0].contains(&format!(" {name}/x[")));
    let log = shared().gantry(&["logs", &name]).run();
    log.exits(0).prints("out\nend");
    assert_eq!(log.stderr, "err\n");
    assert_eq!(shared().inspect(&name)["HostConfig"]["LogConfig"]["Type"], "syslog");
    // Another run, by the same name.
    shared().ok(&["start", &name]);
    shared().ok(&["wait", &name]);
    poll("the second run", || (receiver.texts().len() == 6).then_some(()));
    shared().remove(&[&name]);
}

#[test]
fn a_log_may_be_closed_to_readers() {
    let receiver = Receiver::listen();
    let name = unique("hidden");
    let flags = receiver.flags();
    let flags = [&words(&flags)[..], &["--log-opt", "cache-disabled=true"]].concat();
    create(shared(), &name, &flags, "echo seen");
    receiver.await_text("seen");
    let refused = shared().gantry(&["logs", &name]).run();
    refused.exits(1).complains("configured logging driver does not support reading");
    shared().remove(&[&name]);
}

#[test]
fn a_start_needs_its_remote() {
    let reserved = reserve();
    let gone = reserved.local_addr().unwrap();
    let syslog = format!("syslog-address=tcp://{gone}");
    let fluentd = format!("fluentd-address={gone}");
    for (driver, option) in [("syslog", &syslog), ("fluentd", &fluentd)] {
        let name = unique("no-remote");
        let flags = ["--log-driver", driver, "--log-opt", option];
        let fixed = ["run", "-d", "--network", "none", "--name", &name];
        let refused = shared().gantry(&[&fixed[..], &flags, &["busybox", "true"]].concat()).run();
        refused.exits(125).plainly().complains("failed to initialize logging driver");
        refused.complains("Connection refused");
        shared().remove(&[&name]);
    }
    let name = unique("async");
    let flags = ["--log-driver", "fluentd", "--log-opt", &fluentd, "--log-opt", "fluentd-async=1"];
    create(shared(), &name, &flags, "echo kept");
    shared().ok(&["wait", &name]);
    assert_eq!(shared().ok(&["logs", &name]), "kept");
    // Nor does its removal wait for a remote that is not there.
    shared().remove(&[&name]);
}

#[test]
fn what_waits_is_delivered_before_the_container_removes_itself() {
    let receiver = Receiver::listen();
    for round in 0..5 {
        let flags = receiver.flags();
        let fixed = ["run", "--rm", "--network", "none"];
        let script = format!("seq 1 500; echo end {round}");
        let command = ["busybox", "sh", "-c", &script];
        shared().ok(&[&fixed[..], &words(&flags), &command].concat());
        receiver.await_text(&format!("end {round}"));
        assert_eq!(receiver.texts().len(), (round + 1) * 501);
    }
}

#[test]
fn a_remote_that_was_away_gets_what_waited() {
    let receiver = Receiver::listen();
    let daemon = Daemon::with_busybox();
    let flags = receiver.flags();
    let script = "echo one; read line; echo two; read line; echo three";
    create(&daemon, "waits", &[&words(&flags)[..], &["-i"]].concat(), script);
    receiver.await_text("one");
    let mut typing = daemon.gantry(&["attach", "waits"]).spawn_fed();
    // It closes what it has, and takes nothing for a while.
    for connection in receiver.connections.lock().unwrap().drain(..) {
        connection.shutdown(std::net::Shutdown::Both).unwrap();
    }
    typing.write("\n");
    typing.until("two");
    receiver.await_text("two");
    typing.write("\n");
    receiver.await_text("three");
    typing.wait();
    assert_eq!(receiver.texts(), ["one", "two", "three"]);
    assert!(daemon.log().contains("cannot deliver a container's output; trying again"));
    assert!(daemon.log().contains("a container's output goes on"));
    daemon.remove(&["waits"]);
}

#[test]
fn nothing_is_lost_when_the_daemon_is_killed_under_load() {
    /// What may come twice for each time that the daemon is killed.
    const TWICE: usize = 32;
    const KILLS: usize = 3;
    let receiver = Receiver::listen();
    let daemon = Daemon::with_busybox();
    let flags = receiver.flags();
    let script =
        "trap end=1 USR1; i=0; while [ ! \"$end\" ]; do i=$((i+1)); echo $i; done; echo end";
    create(&daemon, "busy", &words(&flags), script);
    for kill in 0..KILLS {
        let before = receiver.texts().len();
        poll("many lines", || (receiver.texts().len() > before + 2000).then_some(()));
        daemon.kill();
        daemon.start_again();
        assert_eq!(daemon.inspect("busy")["State"]["Running"], true, "kill {kill}");
    }
    daemon.ok(&["kill", "--signal", "USR1", "busy"]);
    daemon.ok(&["wait", "busy"]);
    receiver.await_text("end");
    let texts = receiver.texts();
    let mut numbers: Vec<u64> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    let count = numbers.len() as u64;
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "a line was lost");
    assert!(all - numbers.len() <= KILLS * TWICE, "{} came twice", all - numbers.len());
    let kept: Vec<String> = daemon.ok(&["logs", "busy"]).lines().map(str::to_owned).collect();
    let expected: Vec<String> =
        (1..=count).map(|number| number.to_string()).chain(["end".to_owned()]).collect();
    assert!(kept == expected, "the log here is whole, and no line is in it twice");
    daemon.remove(&["busy"]);
}

#[test]
fn what_falls_away_undelivered_is_told() {
    let daemon = Daemon::with_busybox();
    let listener = reserve();
    let gone = listener.local_addr().unwrap();
    let flags = [
        "--log-driver",
        "fluentd",
        "--log-opt",
        &format!("fluentd-address={gone}"),
        "--log-opt",
        "fluentd-async=true",
        "--log-opt",
        "fluentd-retry-wait=10ms",
        "--log-opt",
        "cache-max-size=4k",
        "--log-opt",
        "cache-max-file=2",
    ];
    create(&daemon, "much", &flags, "seq 1 100000; sleep 1000");
    poll("all lines", || daemon.ok(&["logs", "-n", "1", "much"]).contains("100000").then_some(()));
    listen(&listener, 16).unwrap();
    let (stream, _) = listener.accept().unwrap();
    // It is read, so that the rest goes on.
    thread::spawn(move || std::io::copy(&mut &stream, &mut std::io::sink()));
    poll("the daemon to tell", || {
        daemon.log().contains("fell away before all of them was delivered").then_some(())
    });
    let events = ["events", "--since", "1m", "--until", "0s", "--filter", "event=log-undelivered"];
    assert!(daemon.ok(&events).contains("files of the log fell away"));
    daemon.remove(&["much"]);
}

#[test]
fn lines_are_given_up_when_the_options_say_so_and_later_ones_arrive() {
    let daemon = Daemon::with_busybox();
    let listener = reserve();
    let address = format!("fluentd-address={}", listener.local_addr().unwrap());
    let mut flags = vec!["-i", "--log-driver", "fluentd"];
    for option in
        [&*address, "fluentd-async=true", "fluentd-max-retries=1", "fluentd-retry-wait=10ms"]
    {
        flags.extend(["--log-opt", option]);
    }
    create(&daemon, "little", &flags, "echo first; read line; echo second");
    let events = ["events", "--since", "1m", "--until", "0s", "--filter", "event=log-undelivered"];
    poll("the event", || daemon.ok(&events).contains("1 lines were given up").then_some(()));
    let goes_on = || daemon.log().contains("a container's output goes on");
    assert!(!goes_on(), "nobody has taken anything");
    listen(&listener, 16).unwrap();
    let mut typing = daemon.gantry(&["attach", "little"]).spawn_fed();
    typing.write("\n");
    typing.wait();
    let (mut stream, _) = listener.accept().unwrap();
    let mut heard = Vec::new();
    let has = |heard: &[u8], word: &[u8]| heard.windows(word.len()).any(|it| it == word);
    while !has(&heard, b"second") {
        let mut block = [0; 4096];
        let length = stream.read(&mut block).unwrap();
        assert!(length > 0, "the second line has not come");
        heard.extend_from_slice(&block[..length]);
    }
    assert!(!has(&heard, b"first"));
    poll("the end of the outage", || goes_on().then_some(()));
    daemon.remove(&["little"]);
}
