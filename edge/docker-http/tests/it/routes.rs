//! Ping, versions, and what is answered where there is nothing to serve.

use tokio::net::TcpListener;

use crate::server::{Answer, Client, PATIENCE, Server, config};

#[tokio::test]
async fn ping_has_the_headers_clients_choose_by() {
    let server = Server::start().await;
    let get = server.ask("GET /_ping").await;
    assert_eq!((get.status, get.body.as_str()), (200, "OK"));
    for (name, value) in [
        ("api-version", "1.55"),
        ("ostype", "linux"),
        ("docker-experimental", "false"),
        ("builder-version", "1"),
        ("swarm", "inactive"),
        ("server", "Gantry/0.1.0 (linux)"),
        ("cache-control", "no-cache, no-store, must-revalidate"),
        ("pragma", "no-cache"),
        ("content-type", "text/plain; charset=utf-8"),
    ] {
        assert_eq!(get.header(name), Some(value), "{name}");
    }
    let head = server.ask("HEAD /v1.41/_ping").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(
        (head.header("api-version"), head.header("content-length")),
        (Some("1.55"), Some("0"))
    );
    server.stop().await;
}

#[tokio::test]
async fn versions_are_checked_in_dockers_words() {
    let server = Server::start().await;
    for (request, text) in [
        (
            "GET /v1.99/info",
            "client version 1.99 is too new. Maximum supported API version is 1.55",
        ),
        (
            "GET /v1.12/info",
            "client version 1.12 is too old. Minimum supported API version is 1.40, please upgrade your client to a \
             newer version",
        ),
        (
            "GET /v1.56/_ping",
            "client version 1.56 is too new. Maximum supported API version is 1.55",
        ),
    ] {
        let answer = server.ask(request).await;
        assert_eq!((answer.status, answer.message()), (400, text), "{request}");
    }
    for path in ["/v1.40/version", "/v1.50/version", "/v1.55/version", "/version"] {
        let answer = server.ask(&format!("GET {path}")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.body.contains("\"ApiVersion\":\"1.55\",\"MinAPIVersion\":\"1.40\""),
            "{answer:?}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_served_says_so() {
    let server = Server::start().await;
    let cluster = "volumes of swarms have no other settings here";
    for (request, status, text) in [
        ("GET /nothing", 404, "page not found"),
        ("GET /", 404, "page not found"),
        ("PUT /v1.50/containers/json", 404, "page not found"),
        ("GET /v1.50", 404, "page not found"),
        ("GET /containers/absent/json", 404, "No such container: absent"),
        ("POST /exec/absent/start", 404, "No such exec instance: absent"),
        ("GET /volumes/data", 404, "get data: no such volume"),
        ("GET /networks/a%20b", 404, "network a b not found"),
        ("PUT /volumes/data", 501, &format!("PUT /volumes/{{name}} is not there yet: {cluster}")),
        ("GET /info?a=%zz", 400, "invalid URL escape \\\"%zz\\\""),
        ("POST /containers/absent/wait?condition=later", 400, "invalid condition: \\\"later\\\""),
    ] {
        let answer = server.ask(request).await;
        assert_eq!((answer.status, answer.message()), (status, text), "{request}");
    }
    let services = server.ask("GET /services").await;
    assert_eq!(services.status, 503);
    assert!(services.message().starts_with("This node is not a swarm manager."));
    let pull = server.ask("POST /images/create?fromImage=127.0.0.1%3A1%2Fx&tag=latest").await;
    assert_eq!(pull.status, 500);
    assert!(pull.message().starts_with("cannot reach the registry at "), "{pull:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send("HEAD /_ping HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    // Two at once, the second to be the last.
    client.send("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let both = client.rest().await;
    assert!(both.starts_with("HTTP/1.1 404") && both.ends_with("\r\n\r\nOK"), "{both:?}");
    server.stop().await;
}

#[tokio::test]
async fn tcp_serves_the_same() {
    let server = Server::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ending, ended) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async { drop(ended.await) };
    let engine = server.engine.clone();
    let serving = tokio::spawn(gantry_docker_http::serve(
        gantry_docker_http::Listener::Tcp(listener),
        engine,
        config(),
        shutdown,
    ));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut text = String::new();
    tokio::io::AsyncWriteExt::write_all(
        &mut stream,
        b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await
    .unwrap();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut text).await.unwrap();
    assert_eq!(Answer::parse(&text).body, "OK");
    drop(ending);
    tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
    server.stop().await;
}

#[tokio::test]
async fn the_server_ends_although_clients_stay() {
    let server = Server::start().await;
    let asked = std::time::Instant::now();
    let idle = server.connect().await;
    let mut used: Client = server.connect().await;
    used.send("HEAD /_ping HTTP/1.1\r\nHost: x\r\n\r\n").await;
    used.head().await;
    server.stop().await;
    assert_eq!(used.rest().await, "");
    drop(idle);
    assert!(asked.elapsed() < std::time::Duration::from_secs(5), "idle clients are waited for");
}
