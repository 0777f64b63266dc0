//! Requests that no good client sends: the right status, Docker's error shape, a sentence; and the daemon lives on.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use gantry_testkit::Daemon;

use crate::shared::{shared, unique};

#[test]
fn bodies_that_are_no_json() {
    for body in
        [&b"<html>"[..], b"{\"Image\": ", b"[]", b"\"text\"", b"\xff\xfe", b"{\"Image\": 5}"]
    {
        let message = shared().http("POST", "/containers/create", body).error(400);
        assert!(!message.is_empty() && !message.contains('\n'), "{message}");
    }
}

#[test]
fn requests_that_lack_something() {
    shared().http("POST", "/containers/create", b"{}").error(400);
    shared().http("POST", "/containers/create", br#"{"Image":"no-such-image"}"#).error(404);
    let name = unique("conflict");
    let target = format!("/containers/create?name={name}");
    let body = br#"{"Image":"busybox","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}"#;
    assert_eq!(shared().http("POST", &target, body).status, 201);
    shared().http("POST", &target, body).error(409);
    shared().http("POST", "/containers/create?name=%00", body).error(400);
    shared().remove(&[&name]);
}

#[test]
fn places_that_are_not_there() {
    assert_eq!(shared().http("GET", "/nowhere", &[]).error(404), "page not found");
    assert_eq!(shared().http("GET", "/v1.50/nowhere", &[]).error(404), "page not found");
    assert_eq!(
        shared().http("GET", "/containers/ghost/json", &[]).error(404),
        "No such container: ghost"
    );
    let message = shared().http("GET", "/images/ghost/json", &[]).error(404);
    assert!(message.contains("No such image: ghost"), "{message}");
    let status = shared().http("GET", "/containers/../../etc/passwd", &[]).status;
    assert!(status == 404 || status == 301 || status == 400, "{status}");
}

#[test]
fn versions_out_of_range() {
    let message = shared().http("GET", "/v1.99/containers/json", &[]).error(400);
    assert!(
        message.contains("client version 1.99 is too new. Maximum supported API version is "),
        "{message}"
    );
    let message = shared().http("GET", "/v1.12/containers/json", &[]).error(400);
    assert!(message.contains("client version 1.12 is too old"), "{message}");
    for version in ["1.40", "1.41", "1.43", "1.50", "1.52", "1.55"] {
        assert_eq!(
            shared().http("GET", &format!("/v{version}/containers/json"), &[]).status,
            200,
            "{version}"
        );
    }
}

#[test]
fn what_is_not_there_yet_says_so() {
    for (method, target) in [("POST", "/swarm/join"), ("POST", "/swarm/init")] {
        let message = shared().http(method, target, b"{}").error(501);
        assert!(message.contains(target), "{message}");
    }
    shared().http("GET", "/swarm", &[]).error(503);
}

#[test]
fn bodies_without_an_end() {
    let huge = vec![b' '; 16 << 20];
    let reply = shared().http("POST", "/containers/create", &huge);
    assert!(matches!(reply.status, 400 | 413), "{}", reply.status);
    reply.error(reply.status);
}

#[test]
fn noise_on_the_socket() {
    let daemon = Daemon::start();
    for noise in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"GET",
        b"GET / HTTP/9.9\r\n\r\n",
        &vec![b'A'; 100_000],
        b"\r\n\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nshort",
    ] {
        let mut stream = UnixStream::connect(daemon.socket()).unwrap();
        // The daemon may hang up in the middle; that is its right.
        drop(stream.write_all(noise));
        drop(stream.shutdown(std::net::Shutdown::Write));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
    }
    assert_eq!(daemon.http("GET", "/_ping", &[]).text(), "OK");
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

#[test]
fn parameters_that_make_no_sense() {
    let name = unique("parameters");
    shared().ok(&["create", "--network", "none", "--name", &name, "busybox", "true"]);
    for (method, target) in [
        ("GET", "/containers/json?filters=nonsense".to_owned()),
        ("GET", "/containers/json?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D".to_owned()),
        ("GET", "/containers/json?limit=x".to_owned()),
        ("POST", format!("/containers/{name}/kill?signal=NOPE")),
        ("POST", format!("/containers/{name}/wait?condition=never")),
        ("POST", format!("/containers/{name}/stop?t=soon")),
        ("GET", format!("/containers/{name}/logs?stdout=1&since=yesterday")),
        ("POST", format!("/containers/{name}/rename")),
    ] {
        let reply = shared().http(method, &target, &[]);
        assert_eq!(reply.status, 400, "{method} {target}: {}", reply.text());
        reply.error(400);
    }
    shared().remove(&[&name]);
}

#[test]
fn ping_tells_who_we_are() {
    let reply = shared().http("HEAD", "/_ping", &[]);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("ostype"), Some("linux"));
    assert_eq!(reply.header("api-version"), Some("1.55"));
    assert!(reply.header("server").unwrap().ends_with("(linux)"));
    assert!(reply.body.is_empty());
}
