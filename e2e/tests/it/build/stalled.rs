//! Builds whose input does not come: a client that sends no more, pipes that nobody writes to.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use gantry_testkit::{Daemon, Tar, poll, poll_for};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

use super::context;
use crate::shared::{shared, unique};

/// Longer than an end takes, much shorter than the daemon waits for the bytes of an archive.
const SOON: Duration = Duration::from_secs(30);

/// A request whose body breaks off after these bytes, and does not end.
fn begin(daemon: &Daemon, target: &str, bytes: &[u8]) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: gantry\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
        .write_all(&[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
        .unwrap();
    BufReader::new(stream)
}

/// What comes until these words do.
#[track_caller]
fn read_until(reply: &mut impl BufRead, words: &str) -> String {
    let mut text = String::new();
    while !text.contains(words) {
        assert_ne!(reply.read_line(&mut text).unwrap_or_default(), 0, "{text}");
    }
    text
}

#[track_caller]
fn cancel(daemon: &Daemon, name: &str) {
    assert_eq!(daemon.http("POST", &format!("/build/cancel?id={name}"), b"").status, 200);
}

fn goes_on(daemon: &Daemon, name: &str) -> bool {
    let told = daemon.http("GET", "/gantry/builds", b"").json();
    let builds = told.as_array().unwrap().iter();
    builds.filter(|build| build["Tags"][0] == name).any(|build| build["Status"] == "running")
}

#[test]
fn a_context_that_stops_coming_is_waited_for_until_the_build_is_cancelled() {
    let daemon = shared();
    let name = unique("stalled");
    let archive =
        Tar::new().file("Dockerfile", 0o644, b"FROM busybox\n").file("x", 0o644, &[7; 9000]);
    let archive = archive.finish();
    let target = format!("/build?t={name}&buildid={name}");
    let mut reply = begin(daemon, &target, &archive[..4000]);
    poll("the build goes on", || goes_on(daemon, &name).then_some(()));
    cancel(daemon, &name);
    read_until(&mut reply, "the build was cancelled");
    poll("it is over", || (!goes_on(daemon, &name)).then_some(()));
}

#[test]
fn so_is_what_it_asked_its_client_for() {
    let daemon = shared();
    let name = unique("asked");
    let mirrored = "0".repeat(64);
    let target = format!("/build?t={name}&buildid={name}&mirrored={mirrored}&exchange=1");
    for bytes in [&b""[..], &[0; 100]] {
        let mut reply = begin(daemon, &target, &Tar::new().finish());
        let told = read_until(&mut reply, "gantry.want");
        let message: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        let wanted = format!("/gantry/build/exchange/{}", message["aux"]["id"].as_str().unwrap());
        // Nothing comes, or a part of it does.
        let bringing = (!bytes.is_empty()).then(|| begin(daemon, &wanted, bytes));
        cancel(daemon, &name);
        read_until(&mut reply, "the build was cancelled");
        poll("it is over", || (!goes_on(daemon, &name)).then_some(()));
        drop(bringing);
    }
}

#[test]
fn pipes_are_not_read() {
    let daemon = shared();
    let name = unique("pipes");
    let make = |path: &std::path::Path| {
        mknodat(CWD, path, FileType::Fifo, Mode::from(0o644), 0).unwrap();
    };
    let dockerfile = "FROM busybox\nCOPY . /all\nCOPY pipe /one\nCOPY pip[e] /two/\nADD pipe /three\n\
        RUN --mount=type=bind,target=/context test -p /context/pipe -a -p /all/pipe -a -p /one -a -p /two/pipe -a -p /three\n";
    let root = context(daemon, &name, &[("Dockerfile", dockerfile)]);
    make(&root.join("pipe"));
    let words = ["build", "--network", "none", root.to_str().unwrap()];
    // Where it lies, and as an archive.
    daemon.gantry(&words).run().exits(0);
    let far = daemon.gantry(&["build", "--network", "none", "-"]);
    let mut archive = std::process::Command::new("tar");
    let archive = archive.arg("-C").arg(&root).args(["-c", "."]).output().unwrap().stdout;
    far.input(archive.clone()).run().exits(0);
    // Where a text is wanted, there is none.
    let (name, root) = (unique("pipes"), daemon.scratch(&unique("pipes")));
    fs::create_dir_all(&root).unwrap();
    make(&root.join("Dockerfile"));
    let mut archive = std::process::Command::new("tar");
    let archive = archive.arg("-C").arg(&root).args(["-c", "."]).output().unwrap().stdout;
    let refused = daemon.gantry(&["build", "-t", &name, "-"]).input(archive).run();
    refused.exits(1).complains("Cannot locate specified Dockerfile: Dockerfile");
}

#[test]
fn an_input_without_an_end_does_not_hold_up_a_refusal() {
    let daemon = shared();
    let archive = Tar::new().file("Dockerfile", 0o644, b"FROM busybox\n").cut_off();
    let wrong = [&archive[..], &[b'x'; 1024]].concat();
    let refusals = [
        // Before anything is read, and when a part of it was.
        (&["-t", "busybox@sha256:1"][..], &archive, "invalid tag"),
        (&[], &wrong, "the archive is damaged"),
    ];
    for (flags, bytes, complaint) in refusals {
        let words = [&["build", "--network", "none"], flags, &["-"]].concat();
        let mut build = daemon.gantry(&words).spawn_fed();
        build.write(std::str::from_utf8(bytes).unwrap());
        let ended = poll_for(SOON, || build.ended().then_some(()));
        assert!(ended.is_some(), "{complaint}");
        build.wait().exits(1).complains(complaint);
    }
}
