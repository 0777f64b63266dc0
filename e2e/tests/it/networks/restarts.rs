//! The daemon goes away and comes back, at any moment; networks, ports and connections stay, and nothing else does.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread;
use std::time::Duration;

use gantry_testkit::{NetworkHost, poll};

use super::{Place, page, refuses};

#[test]
fn networks_stay_while_the_daemon_is_away() {
    let place = Place::new();
    place.daemon.ok(&["network", "create", "--subnet", "10.50.0.0/24", "own"]);
    place.serve("web", &["--network", "own", "--ip", "10.50.0.9", "-p", "8080:80"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    place.daemon.kill();
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    place.daemon.start_again();
    assert_eq!(place.address_of("web"), "10.50.0.9");
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    place.daemon.gantry(&["network", "rm", "own"]).run().exits(1).complains("has active endpoints");
    let taken = ["run", "--rm", "--network", "own", "--ip", "10.50.0.9", "busybox", "true"];
    place.daemon.gantry(&taken).run().exits(125).complains("Address already in use");
    place.daemon.ok(&["rm", "-f", "web"]);
    place.daemon.ok(&["network", "rm", "own"]);
}

/// By its id, which a daemon that starts anew has to know before it serves the names of those who are linked to it.
#[test]
fn links_lead_to_who_is_renamed_after_a_restart() {
    let place = Place::new();
    place.daemon.ok(&["network", "create", "lan"]);
    place.sleeper("far", &["--network", "lan"]);
    let names: Vec<String> = (0..4).map(|number| format!("near{number}")).collect();
    for name in &names {
        place.sleeper(name, &["--network", "lan", "--link", "far:friend"]);
    }
    place.daemon.kill();
    place.daemon.start_again();
    place.daemon.ok(&["rename", "far", "distant"]);
    let address = place.address_in("distant", "lan");
    for name in &names {
        assert_eq!(place.short(name, &["friend"]), address, "{name}");
    }
}

/// A connection that somebody keeps.
pub(super) struct Line {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Sends on each line, and prints what comes back.
const TALK: &str = "import socket, sys
s = socket.create_connection((sys.argv[1], 8080), 20).makefile('rw', newline='\\n')
for line in sys.stdin:
    s.write(line); s.flush(); print(s.readline(), end='', flush=True)";

impl Line {
    pub(super) fn open(from: &NetworkHost, address: &str) -> Self {
        let mut command = from.command("python3");
        command.args(["-c", TALK, address]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    #[track_caller]
    pub(super) fn talks(&mut self, word: &str) {
        writeln!(self.input, "{word}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), word);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn connections_through_published_ports_go_on() {
    let place = Place::new();
    let echo = ["-p", "8080:80", "busybox", "nc", "-ll", "-p", "80", "-e", "cat"];
    place.daemon.ok(&[&["run", "-d", "--name", "echo"], &echo[..]].concat());
    poll("the container listens", || {
        let table = place.daemon.ok(&["exec", "echo", "cat", "/proc/net/tcp", "/proc/net/tcp6"]);
        table.contains(":0050 0000").then_some(())
    });
    let mut lines = [
        Line::open(&place.outside, "192.0.2.1"),
        Line::open(&place.host, "127.0.0.1"),
        Line::open(&place.host, "192.0.2.1"),
    ];
    for line in &mut lines {
        line.talks("before");
    }
    place.daemon.kill();
    for line in &mut lines {
        line.talks("without a daemon");
    }
    place.daemon.start_again();
    for line in &mut lines {
        line.talks("with the next");
    }
    place.daemon.stop();
    place.daemon.start_again();
    for line in &mut lines {
        line.talks("with the third");
    }
}

/// What the table leads to containers.
pub(super) fn rules(place: &Place) -> String {
    place.host.prints("nft", &["list", "ruleset"])
}

pub(super) fn host_devices(place: &Place) -> Vec<String> {
    let links = place.host.prints("ip", &["-o", "link"]);
    let name = |line: &str| Some(line.split(": ").nth(1)?.split('@').next()?.to_owned());
    links.lines().filter_map(name).collect()
}

#[test]
fn what_ended_while_the_daemon_was_away_leaves_nothing() {
    let place = Place::new();
    place.serve("web", &["-p", "8080:80"]);
    let pid = place.daemon.ok(&["inspect", "-f", "{{.State.Pid}}", "web"]);
    assert!(rules(&place).contains("8080"));
    place.daemon.kill();
    place.host.prints("kill", &["-9", pid.trim()]);
    poll("the device is gone", || {
        host_devices(&place).iter().all(|name| !name.starts_with("veth")).then_some(())
    });
    place.daemon.start_again();
    place.daemon.await_status("web", "exited");
    poll("its ports lead nowhere", || (!rules(&place).contains("8080")).then_some(()));
    assert!(refuses(&place.outside, "192.0.2.1:8080"));
    place.serve("next", &["-p", "8080:80"]);
    assert_eq!(place.address_of("next"), "172.17.0.2");
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "next");
}

#[test]
fn a_daemon_that_is_killed_at_any_moment_leaves_nothing_half_made() {
    let place = Place::new();
    place.serve("stays", &["-p", "8080:80"]);
    let before = (host_devices(&place), rules(&place));
    for round in 0..12 {
        thread::scope(|scope| {
            let killed = scope.spawn(|| {
                let name = format!("net{round}");
                let daemon = &place.daemon;
                drop(daemon.gantry(&["network", "create", &name]).run());
                let port = format!("{}:80", 9000 + round);
                let run = ["run", "--rm", "--network", &name, "-p", &port, "busybox", "true"];
                drop(daemon.gantry(&run).run());
                drop(daemon.gantry(&["network", "rm", &name]).run());
            });
            // No state to wait for: the moments are to be all over those three commands.
            thread::sleep(Duration::from_millis(5 + 9 * round));
            place.daemon.kill();
            killed.join().unwrap();
        });
        place.daemon.start_again();
        assert_eq!(page(&place.outside, "192.0.2.1:8080"), "stays");
        poll("nothing else runs", || {
            let ps = place.daemon.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
            let others: Vec<&str> = ps.lines().filter(|line| !line.starts_with("stays")).collect();
            for name in &others {
                let name = name.split(' ').next().unwrap();
                drop(place.daemon.gantry(&["rm", "-f", name]).run());
            }
            others.is_empty().then_some(())
        });
        place.daemon.ok(&["network", "prune", "-f"]);
    }
    poll("all else is gone", || ((host_devices(&place), rules(&place)) == before).then_some(()));
    place.daemon.ok(&["rm", "-f", "stays"]);
}
