//! `--metrics-addr`: what Prometheus reads.

use std::net::{TcpListener, TcpStream};

use tempfile::TempDir;

use crate::daemon::{Places, ask, exchange};

#[test]
fn prometheus_reads_what_the_daemon_did() {
    let dir = TempDir::new().unwrap();
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let places = Places::below(&dir, "own").with(&["--metrics-addr", &address.to_string()]);
    let daemon = places.start();
    ask(&places.socket, "GET", "/v1.43/containers/none/json", "").unwrap();
    ask(&places.socket, "GET", "/nonsense", "").unwrap();
    ask(&places.socket, "POST", "/volumes/create", r#"{"Name":"one"}"#).unwrap();
    let read = |path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        exchange(&mut stream, "GET", path, "").unwrap()
    };
    let page = read("/metrics");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("text/plain; version=0.0.4"));
    for line in [
        "engine_daemon_container_states_containers{state=\"running\"} 0",
        "gantry_http_requests_total{method=\"GET\",route=\"/containers/{name}/json\",status=\"404\"} 1",
        "gantry_http_requests_total{method=\"\",route=\"\",status=\"404\"} 1",
        "gantry_http_request_seconds_count{method=\"POST\",route=\"/volumes/create\"} 1",
        // That of the built-in image, which a new data root gets, and that of the volume.
        "engine_daemon_events_total 2",
        "gantry_volumes 1",
    ] {
        assert!(page.lines().any(|there| there == line), "{line} is not in\n{page}");
    }
    assert!(page.contains("engine_daemon_engine_info{version=\""), "{page}");
    assert!(read("/").starts_with("HTTP/1.1 404"));
    daemon.end();
}
