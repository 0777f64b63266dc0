//! Calls that are answered at once: versions, documents, refusals.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use gantry_api::container::CreateRequest;
use gantry_client::{
    ApiVersion, Client, CopyInQuery, Host, ImportQuery, ListQuery, StopQuery, Upload,
};
use gantry_types::{ErrorKind, Filters};

use crate::server::Server;

#[tokio::test]
async fn the_version_is_agreed_upon() {
    for (theirs, agreed) in [("1.50", "1.50"), ("1.99", "1.55"), ("1.41", "1.41")] {
        let server = Server::start(move |mut peer| {
            let request = peer.request().unwrap();
            assert_eq!(request.line, "HEAD /_ping HTTP/1.1");
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";
            peer.send(format!("{head}Api-Version: {theirs}\r\n\r\n"));
            let request = peer.request().unwrap();
            assert_eq!(request.line, format!("GET /v{agreed}/containers/json HTTP/1.1"));
            peer.answer("200 OK", "[]");
        });
        let client = Client::connect(server.host()).await.unwrap();
        assert_eq!(client.version().to_string(), agreed);
        assert!(client.container_list(&ListQuery::default()).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_first_call_agrees_on_the_version() {
    let list = |version: &str| format!("GET /v{version}/containers/json HTTP/1.1");
    for (theirs, refuses, agreed) in [
        ("1.55", false, "1.55"),
        ("1.99", false, "1.55"),
        ("1.50", true, "1.50"),
        ("1.41", false, "1.41"),
    ] {
        let server = Server::start(move |mut peer| {
            while let Some(request) = peer.request() {
                let too_new = refuses && request.line == list("1.55");
                let (status, body) =
                    if too_new { ("400 Bad Request", "{}") } else { ("200 OK", "[]") };
                let expected = [list("1.55"), list(agreed)];
                assert!(expected.contains(&request.line), "{}", request.line);
                let head = format!("HTTP/1.1 {status}\r\nApi-Version: {theirs}\r\n");
                peer.send(format!("{head}Content-Length: 2\r\n\r\n{body}"));
            }
        });
        let client = Client::reach(server.host()).await.unwrap();
        for _ in 0..2 {
            assert!(client.container_list(&ListQuery::default()).await.unwrap().is_empty());
            assert_eq!(client.version().to_string(), agreed);
        }
    }
    let server = Server::start(|mut peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.1 400 Bad Request\r\nApi-Version: 1.24\r\nContent-Length: 2\r\n\r\n{}");
    });
    let client = Client::reach(server.host()).await.unwrap();
    let error = client.container_list(&ListQuery::default()).await.unwrap_err().to_string();
    assert!(error.contains("1.24"), "{error}");
    let nobody = Client::reach(Host::Unix("/nonexistent".into())).await.unwrap_err();
    assert!(nobody.nobody_listens(), "{nobody}");
}

#[tokio::test]
async fn what_can_be_sent_once_is_sent_in_a_version_that_is_known() {
    let server = Server::start(|mut peer| {
        assert_eq!(peer.request().unwrap().line, "HEAD /_ping HTTP/1.1");
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nApi-Version: 1.44\r\n\r\n");
        let request = peer.request().unwrap();
        assert!(request.line.starts_with("PUT /v1.44/containers/x/archive"), "{}", request.line);
        peer.answer("200 OK", "");
    });
    let client = Client::reach(server.host()).await.unwrap();
    let archive = Upload::stream(&b"bytes"[..]);
    client.container_copy_in("x", "/", CopyInQuery::default(), archive).await.unwrap();
}

#[tokio::test]
async fn refusals_carry_the_daemons_words() {
    for (status, body, kind, text) in [
        (
            "404 Not Found",
            r#"{"message":"No such container: x"}"#,
            ErrorKind::NotFound,
            "Error response from daemon: No such container: x",
        ),
        (
            "409 Conflict",
            r#"{"message":"in use"}"#,
            ErrorKind::Conflict,
            "Error response from daemon: in use",
        ),
        (
            "500 Oops",
            "plain words\n",
            ErrorKind::Internal,
            "Error response from daemon: plain words",
        ),
        (
            "503 Later",
            "",
            ErrorKind::Unavailable,
            "Error response from daemon: GET /containers/x/json was answered with status 503",
        ),
        ("413 Big", "{}", ErrorKind::TooLarge, "Error response from daemon: {}"),
    ] {
        let server = Server::always(status, body);
        let error = server.client().container_inspect("x").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[tokio::test]
async fn what_is_so_already_is_no_failure() {
    let server = Server::start(|mut peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.1 304 Not Modified\r\n\r\n");
    });
    server.client().container_start("x", "").await.unwrap();
}

#[tokio::test]
async fn broken_answers_are_told() {
    let server = Server::always("200 OK", "not JSON");
    let error = server.client().container_inspect("x").await.unwrap_err();
    assert_eq!(error.to_string(), "the answer to GET /containers/x/json cannot be understood");
    let server = Server::start(|mut peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
    });
    let error = server.client().container_inspect("x").await.unwrap_err();
    assert_eq!(error.to_string(), "read the stream of GET /containers/x/json");
    let server = Server::start(drop);
    let error = server.client().container_inspect("x").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the connection to the daemon broke during GET /containers/x/json"
    );
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host::Unix(directory.path().join("none"));
    let error = Client::connect(host.clone()).await.unwrap_err();
    let expected = format!("Cannot connect to the Gantry daemon at {host}. Is the daemon running?");
    assert_eq!(error.to_string(), expected);
    assert!(error.nobody_listens());
}

#[tokio::test]
async fn a_socket_under_a_long_path_is_reached() {
    let server = Server::always("200 OK", "[]");
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("d".repeat(200));
    std::fs::create_dir(&deep).unwrap();
    let long = deep.join("s");
    std::os::unix::fs::symlink(&server.socket, &long).unwrap();
    let client = Client::new(Host::Unix(long));
    client.container_list(&ListQuery::default()).await.unwrap();
}

#[tokio::test]
async fn requests_are_written_as_docker_reads_them() {
    let (sender, requests) = mpsc::sync_channel(10);
    let server = Server::start(move |mut peer| {
        while let Some(request) = peer.request() {
            sender.send(request).unwrap();
            peer.answer("200 OK", r#"{"Id":"a"}"#);
        }
    });
    let client = server.client().with_version(ApiVersion { major: 1, minor: 43 });
    let created = client.container_create("web 1", "", &CreateRequest::default()).await.unwrap();
    assert_eq!(created.id, "a");
    let request = requests.recv().unwrap();
    assert_eq!(request.line, "POST /v1.43/containers/create?name=web%201 HTTP/1.1");
    assert!(request.headers.contains("content-type: application/json\r\n"), "{}", request.headers);
    assert!(request.body.contains("\"HostConfig\":{"), "{}", request.body);

    let stop = StopQuery { signal: Some("INT".into()), timeout_s: Some(-1) };
    client.container_stop("a/../b", &stop).await.unwrap();
    let line = requests.recv().unwrap().line;
    assert_eq!(line, "POST /v1.43/containers/a%2F..%2Fb/stop?signal=INT&t=-1 HTTP/1.1");

    let mut filters = Filters::default();
    filters.insert("status", "exited");
    let list = ListQuery { all: true, limit: Some(3), size: false, filters };
    client.container_list(&list).await.unwrap_err();
    let line = requests.recv().unwrap().line;
    let query = "all=1&limit=3&filters=%7B%22status%22%3A%5B%22exited%22%5D%7D";
    assert_eq!(line, format!("GET /v1.43/containers/json?{query} HTTP/1.1"));
}

#[tokio::test]
async fn a_connection_is_used_again_and_replaced_when_it_was_closed() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let server = Server::start(move |mut peer| {
        counter.fetch_add(1, Ordering::SeqCst);
        for _ in 0..2 {
            peer.request().unwrap();
            peer.answer("200 OK", "[]");
        }
    });
    let client = server.client();
    for _ in 0..4 {
        client.container_list(&ListQuery::default()).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_only_asks_is_asked_again_when_the_connection_closes_before_the_answer() {
    let server = Server::start(|mut peer| {
        peer.request().unwrap();
        peer.answer("200 OK", "[]");
        peer.request();
    });
    let client = server.client();
    for _ in 0..3 {
        client.container_list(&ListQuery::default()).await.unwrap();
    }
    let changes = client.container_stop("x", &StopQuery::default()).await.unwrap_err();
    let text = changes.to_string();
    assert!(text.contains("POST /containers/x/stop"), "{text}");
}

#[tokio::test]
async fn archives_are_streamed_and_failures_come_as_messages() {
    let server = Server::start(|mut peer| {
        let request = peer.request().unwrap();
        assert_eq!(request.line, "POST /v1.55/images/create?fromSrc=-&repo=x HTTP/1.1");
        assert_eq!(request.body, "tar bytes");
        peer.answer("200 OK", "{\"status\":\"one\"}\r\n\r\n{\"error\":\"no room\"}\n");
    });
    let query =
        ImportQuery { source: "-".into(), repository: "x".into(), ..ImportQuery::default() };
    let archive = Upload::stream(&b"tar bytes"[..]);
    let mut messages = server.client().image_import(archive, &query).await.unwrap();
    assert_eq!(messages.next().await.unwrap().unwrap().status, "one");
    assert_eq!(messages.next().await.unwrap_err().to_string(), "no room");
    assert!(messages.next().await.unwrap().is_none());
}

#[tokio::test]
async fn files_are_sent_whole_and_in_order() {
    let numbers = (0..200_000).map(|number: u32| number.to_string());
    let content = numbers.collect::<Vec<_>>().join(" ");
    let expected = content.clone();
    let server = Server::start(move |mut peer| {
        let request = peer.request().unwrap();
        assert!(request.body == expected, "{} bytes", request.body.len());
        peer.answer("200 OK", "{\"status\":\"one\"}\n");
    });
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, content.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let query =
        ImportQuery { source: "-".into(), repository: "x".into(), ..ImportQuery::default() };
    let archive = Upload::file(file).unwrap();
    let mut messages = server.client().image_import(archive, &query).await.unwrap();
    assert_eq!(messages.next().await.unwrap().unwrap().status, "one");
}
