//! Bodies that are not what they have to be.

use std::time::Duration;

use crate::server::{Answer, Server, config};

const TOO_LARGE: &str = "the request body is larger than the limit of 4194304 bytes";

#[tokio::test]
async fn bodies_that_are_not_json() {
    let server = Server::start().await;
    let answer = server.ask_with("POST /containers/create", "not json").await;
    assert_eq!(answer.status, 400);
    assert!(answer.message().starts_with("invalid JSON: "), "{answer:?}");
    let answer =
        server.ask_with("POST /containers/create", r#"{"HostConfig":{"Memory":"1g"}}"#).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.message().starts_with("invalid JSON: HostConfig.Memory: invalid type"),
        "{answer:?}"
    );
    let answer = server.ask("POST /containers/create").await;
    assert_eq!(
        (answer.status, answer.message()),
        (400, "invalid JSON: got EOF while reading request body")
    );

    let mut client = server.connect().await;
    client
        .send("POST /containers/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}")
        .await;
    let answer = Answer::parse(&client.rest().await);
    let text = "unsupported Content-Type header (text/plain): must be 'application/json'";
    assert_eq!((answer.status, answer.message()), (400, text));
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_unread() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client
        .send("POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000000000\r\n\r\n{")
        .await;
    let answer = Answer::parse(&client.rest().await);
    assert_eq!((answer.status, answer.message()), (413, TOO_LARGE));
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_refused() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client
        .send("POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000));
    for _ in 0..4 {
        client.send(&chunk).await;
    }
    client.send("1\r\n \r\n").await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let mut impatient = config();
    impatient.body_timeout = Duration::from_millis(50);
    let server = Server::start_with(impatient).await;
    let mut client = server.connect().await;
    client
        .send("POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
        .await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    server.stop().await;
}

#[tokio::test]
async fn heads_that_are_not_http_or_do_not_come() {
    let mut impatient = config();
    impatient.header_timeout = Duration::from_millis(50);
    let server = Server::start_with(impatient).await;
    let mut client = server.connect().await;
    client.send("hello\r\n\r\n").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 400"));
    let mut client = server.connect().await;
    client.send("GET /_ping HT").await;
    assert_eq!(client.rest().await, "");
    server.stop().await;
}

#[tokio::test]
async fn an_archive_that_is_none_is_refused_and_leaves_nothing() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client
        .send("POST /images/load?quiet=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-tar\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    let answer = Answer::parse(&client.rest().await);
    assert!(answer.status >= 400, "{answer:?}");
    assert!(!answer.message().is_empty());
    assert_eq!(server.ask("GET /images/json").await.body, "[]\n");
    server.stop().await;
}

/// Each would otherwise hold the engine's one place for changes of images.
#[tokio::test]
async fn an_archive_that_stands_still_is_given_up() {
    let mut impatient = config();
    impatient.archive_stall = Duration::from_millis(50);
    let server = Server::start_with(impatient).await;
    for (path, begun) in [
        ("/images/load?quiet=1", String::new()),
        ("/images/load?quiet=1", "\0".repeat(700)),
        ("/images/create?fromSrc=-&repo=stalled", String::new()),
        ("/images/create?fromSrc=-&repo=stalled", "\0".repeat(700)),
    ] {
        let mut client = server.connect().await;
        client
            .send(&format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: 10240\r\n\r\n{begun}"
            ))
            .await;
        let answer = Answer::parse(&client.rest().await);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.message().contains("no byte of the archive came"), "{answer:?}");
    }
    assert_eq!(server.ask("GET /images/json").await.body, "[]\n");
    server.container("next").await;
    server.stop().await;
}
