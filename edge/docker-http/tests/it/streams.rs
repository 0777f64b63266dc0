//! Connections that stay: attach by both ways, and wait.

use crate::server::Server;

const UPGRADED: &str = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\
                        Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const RAW: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";

fn attach(version: &str, upgrade: bool) -> String {
    let upgrade = if upgrade { "Connection: Upgrade\r\nUpgrade: tcp\r\n" } else { "" };
    format!(
        "POST {version}/containers/web/attach?logs=1&stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n"
    )
}

/// A client that ends its input together with its request is attached all the same, until there is nothing to wait for.
#[tokio::test]
async fn an_early_end_of_input_does_not_end_an_attach() {
    let server = Server::start().await;
    for (version, upgrade, expected) in [
        ("/v1.50", true, UPGRADED.to_owned()),
        ("/v1.41", true, UPGRADED.replace("multiplexed", "raw")),
        ("/v1.50", false, RAW.to_owned()),
    ] {
        server.container("web").await;
        let mut client = server.send_all_at_once(&attach(version, upgrade));
        assert_eq!(client.head().await, expected);
        assert_eq!(server.ask("DELETE /containers/web").await.status, 204);
        assert_eq!(client.rest().await, "");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_attach_that_fails_leaves_the_connection_usable() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send(&attach("", true)).await;
    assert!(client.head().await.starts_with("HTTP/1.1 404 Not Found\r\n"));
    // The end of input that was held back while the handler ran is noticed now.
    let mut client = server.send_all_at_once(&attach("", true));
    let answer = client.rest().await;
    assert!(answer.ends_with("{\"message\":\"No such container: web\"}\n"), "{answer:?}");
    server.container("web").await;
    let answer = server.ask("POST /containers/web/attach?detachKeys=nonsense").await;
    assert_eq!(answer.status, 400);
    assert!(answer.message().contains("detachKeys"), "{answer:?}");
    server.stop().await;
}

#[tokio::test]
async fn wait_answers_its_head_at_once() {
    let server = Server::start().await;
    server.container("web").await;
    let mut client = server.connect().await;
    client
        .send("POST /containers/web/wait?condition=removed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(server.ask("DELETE /containers/web").await.status, 204);
    let body = client.rest().await;
    assert!(body.contains("{\"StatusCode\":0}\n"), "{body:?}");
    server.stop().await;
}

#[tokio::test]
async fn the_server_ends_although_somebody_is_attached() {
    let server = Server::start().await;
    server.container("web").await;
    let mut client = server.connect().await;
    client.send(&attach("", true)).await;
    assert_eq!(client.head().await, UPGRADED);
    server.stop().await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn logs_need_a_stream_to_be_chosen() {
    let server = Server::start().await;
    server.container("web").await;
    let answer = server.ask("GET /containers/web/logs").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.message(), "Bad parameters: you must choose at least one stream");
    let answer = server.ask("GET /containers/web/logs?stdout=1&stderr=1&follow=0").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/vnd.docker.multiplexed-stream"));
    server.stop().await;
}
