//! Calls that go on: hijacked connections, waits, logs.

use std::sync::mpsc;
use std::time::Duration;

use gantry_api::exec::ExecStartRequest;
use gantry_client::{AttachQuery, LogsQuery, WaitCondition, demultiplex};
use gantry_types::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::Server;

const UPGRADED: &str = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n";

#[tokio::test]
async fn output_goes_on_after_the_input_is_closed() {
    let server = Server::start(|mut peer| {
        let request = peer.request().unwrap();
        let expected = "POST /v1.55/containers/web/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a HTTP/1.1";
        assert_eq!(request.line, expected);
        assert!(request.headers.contains("upgrade: tcp\r\n"), "{}", request.headers);
        let kind = "application/vnd.docker.multiplexed-stream";
        // The first bytes of the stream may come with the headers.
        peer.send(format!("{UPGRADED}Content-Type: {kind}\r\n\r\n\x01\0\0\0\0\0\0\x03one"));
        let input = peer.rest();
        assert_eq!(input, "typed");
        peer.send(b"\x02\0\0\0\0\0\0\x03two");
    });
    let query = AttachQuery {
        stdin: true,
        stdout: true,
        detach_keys: "ctrl-a".into(),
        ..AttachQuery::default()
    };
    let mut attached = server.client().container_attach("web", &query).await.unwrap();
    assert!(attached.multiplexed);
    attached.input.write_all(b"typed").await.unwrap();
    attached.input.shutdown().await.unwrap();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    demultiplex(&mut attached.output, &mut stdout, &mut stderr).await.unwrap();
    assert_eq!((stdout.as_slice(), stderr.as_slice()), (&b"one"[..], &b"two"[..]));
}

#[tokio::test]
async fn an_exec_sends_its_document_and_takes_raw_bytes() {
    let server = Server::start(|mut peer| {
        let request = peer.request().unwrap();
        assert_eq!(request.line, "POST /v1.55/exec/e/start HTTP/1.1");
        assert_eq!(request.body, r#"{"Detach":false,"Tty":true,"ConsoleSize":[24,80]}"#);
        let kind = "application/vnd.docker.raw-stream";
        peer.send(format!("{UPGRADED}Content-Type: {kind}\r\n\r\nprompt"));
    });
    let start = ExecStartRequest { detach: false, tty: true, console_size: Some([24, 80]) };
    let mut attached = server.client().exec_start("e", &start).await.unwrap();
    assert!(!attached.multiplexed);
    let mut output = String::new();
    attached.output.read_to_string(&mut output).await.unwrap();
    assert_eq!(output, "prompt");
}

#[tokio::test]
async fn a_refused_stream_is_an_error() {
    let server = Server::always("409 Conflict", r#"{"message":"container web is not running"}"#);
    let error = server.client().container_attach("web", &AttachQuery::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let server = Server::always("200 OK", "");
    let error = server.client().container_attach("web", &AttachQuery::default()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the daemon did not open a stream for POST /containers/web/attach: it answered with status 200"
    );
}

#[tokio::test]
async fn a_wait_begins_with_the_headers_and_ends_with_the_body() {
    let (go, gone) = mpsc::sync_channel::<()>(1);
    let gone = std::sync::Arc::new(std::sync::Mutex::new(gone));
    let server = Server::start(move |mut peer| {
        let request = peer.request().unwrap();
        let expected = "POST /v1.55/containers/web/wait?condition=next-exit HTTP/1.1";
        assert_eq!(request.line, expected);
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        gone.lock().unwrap().recv().unwrap();
        peer.send("11\r\n{\"StatusCode\":42}\r\n0\r\n\r\n");
    });
    let client = server.client();
    let wait = client.container_wait("web", WaitCondition::NextExit);
    let wait = tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap().unwrap();
    go.send(()).unwrap();
    assert_eq!(wait.result().await.unwrap().status_code, 42);
}

#[tokio::test]
async fn a_wait_that_is_cut_off_is_an_error() {
    let server = Server::start(|mut peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    });
    let wait = server.client().container_wait("web", WaitCondition::Removed).await.unwrap();
    let error = wait.result().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn logs_are_read_as_they_come() {
    let server = Server::start(|mut peer| {
        let request = peer.request().unwrap();
        let expected = "GET /v1.55/containers/web/logs?follow=1&stdout=1&tail=5 HTTP/1.1";
        assert_eq!(request.line, expected);
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        // A frame may be cut anywhere.
        peer.send("3\r\n\x01\0\0\r\n7\r\n\0\0\0\0\x02hi\r\n0\r\n\r\n");
    });
    let query =
        LogsQuery { follow: true, stdout: true, tail: Some("5".into()), ..LogsQuery::default() };
    let mut log = server.client().container_logs("web", &query).await.unwrap();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    demultiplex(&mut log, &mut stdout, &mut stderr).await.unwrap();
    assert_eq!((stdout.as_slice(), stderr.as_slice()), (&b"hi"[..], &b""[..]));
}
