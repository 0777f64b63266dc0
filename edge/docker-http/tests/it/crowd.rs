//! Many clients at once, slow ones, and those who ask for more than they read: each is its own matter, and none of them
//! keeps another waiting.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::server::{Answer, Client, PATIENCE, Server, config};

/// What nobody else's misbehaviour may cost: far more than an answer takes, far less than any time limit.
const SOON: Duration = Duration::from_secs(5);
const PING: &str = "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";

async fn is_answered_soon(server: &Server) {
    let asked = Instant::now();
    assert_eq!(server.ask("GET /_ping").await.status, 200);
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
}

/// One answer whose length is given; the connection stays.
async fn answer(client: &mut Client) -> Answer {
    let head = client.head().await;
    let mut answer = Answer::parse(&head);
    let length: usize = answer.header("content-length").unwrap().parse().unwrap();
    let mut body = vec![0; length];
    let read = tokio::io::AsyncReadExt::read_exact(&mut client.0, &mut body);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    answer.body = String::from_utf8(body).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_idle_connections_keep_nobody_away() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let server = Server::start().await;
    let mut crowd = Vec::new();
    for _ in 0..2000 {
        let mut client = server.connect().await;
        // Half of them have been answered once, the others have said nothing.
        if crowd.len() % 2 == 0 {
            client.send(PING).await;
            assert_eq!(answer(&mut client).await.status, 200);
        }
        crowd.push(client);
    }
    is_answered_soon(&server).await;
    for client in crowd.iter_mut().step_by(500) {
        client.send(PING).await;
        assert_eq!(answer(client).await.body, "OK");
    }
    let asked = Instant::now();
    server.stop().await;
    assert!(asked.elapsed() < SOON, "idle connections are waited for");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let mut small = config();
    small.max_connections = 2;
    let server = Server::start_with(small).await;
    let mut first = server.connect().await;
    first.send(PING).await;
    assert_eq!(answer(&mut first).await.status, 200);
    let second = server.connect().await;
    let mut third = server.connect().await;
    third.send(PING).await;
    let early = tokio::time::timeout(Duration::from_millis(200), third.head()).await;
    assert!(early.is_err(), "there was a third place");
    drop(second);
    assert_eq!(answer(&mut third).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn heads_that_drip_are_given_up_and_keep_nobody() {
    let mut impatient = config();
    impatient.header_timeout = Duration::from_millis(300);
    let server = Server::start_with(impatient).await;
    let mut slow = server.connect().await;
    let began = Instant::now();
    for byte in PING.bytes().cycle() {
        // It ends when the other side has closed.
        let sent = tokio::io::AsyncWriteExt::write_all(&mut slow.0, &[byte | 0x20]).await;
        if sent.is_err() {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "a head that never ends is read for ever");
        is_answered_soon(&server).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_and_keeps_nobody() {
    let mut impatient = config();
    impatient.body_timeout = Duration::from_millis(300);
    let server = Server::start_with(impatient).await;
    let mut slow = server.connect().await;
    slow.send("POST /volumes/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
        .await;
    for _ in 0..10 {
        // The answer may have come, and the connection be closed behind it.
        drop(tokio::io::AsyncWriteExt::write_all(&mut slow.0, b" ").await);
        is_answered_soon(&server).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = slow.head().await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn requests_in_one_go_are_answered_in_their_order() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let body = r#"{"Name":"one"}"#;
    client
        .send(&format!(
            "POST /volumes/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}\
             GET /volumes/one HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n{PING}",
            body.len()
        ))
        .await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(answer(&mut client).await.status);
    }
    assert_eq!(statuses, [201, 200, 404, 200]);
    server.stop().await;
}

#[tokio::test]
async fn heads_of_any_size_are_answered_or_refused() {
    let server = Server::start().await;
    let many: String =
        (0..200).map(|number| format!("X-{number}: 1\r\n")).collect::<Vec<_>>().concat();
    let long = "x".repeat(2 << 20);
    for (request, statuses) in [
        (format!("GET /_ping HTTP/1.1\r\nHost: x\r\n{many}\r\n"), &[431][..]),
        (format!("GET /_ping HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"), &[431]),
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), &[414, 431]),
        (format!("GET /_ping HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", &long[..60 << 10]), &[200]),
        ("GET /_ping HTTP/9.9\r\nHost: x\r\n\r\n".to_owned(), &[400, 505]),
        ("GET /_ping HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(), &[400]),
        (
            "POST /volumes/create HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
                .to_owned(),
            &[400],
        ),
        (
            "POST /volumes/create HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(),
            &[400],
        ),
    ] {
        let mut client = server.connect().await;
        // It may be refused before it is read to its end.
        drop(tokio::io::AsyncWriteExt::write_all(&mut client.0, request.as_bytes()).await);
        let head = client.head().await;
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(statuses.contains(&status), "{}: {head}", &request[..request.len().min(80)]);
        is_answered_soon(&server).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn who_does_not_read_keeps_nobody_else() {
    let server = Server::start().await;
    // More answers than any socket holds, and nobody who takes them.
    let mut greedy = Vec::new();
    for _ in 0..8 {
        let mut client = server.connect().await;
        let requests = "GET /info HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500);
        let sent = tokio::io::AsyncWriteExt::write_all(&mut client.0, requests.as_bytes());
        drop(tokio::time::timeout(Duration::from_millis(300), sent).await);
        greedy.push(client);
    }
    is_answered_soon(&server).await;
    assert_eq!(server.ask("GET /volumes").await.status, 200);
    drop(greedy);
    server.stop().await;
}
