//! The ways to registries that `daemon.json` describes: mirrors, proxies, registries without TLS.

use std::fs;

use gantry_testkit::{ConnectProxy, Daemon, MadeRegistry, Options, Reply};
use serde_json::{Value, json};

use super::shelf::Shelf;

fn daemon_with(settings: &Value) -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daemon.json");
    fs::write(&file, settings.to_string()).unwrap();
    let flags = vec!["--config-file".to_owned(), file.display().to_string()];
    Daemon::start_with(Options { flags, ..Options::default() })
}

#[test]
fn a_mirror_is_asked_before_docker_hub() {
    let shelf = Shelf::with_image("from the mirror");
    let mirror = MadeRegistry::new(move |request| {
        let mut request = request.clone();
        // The shelf's repository is called so.
        request.target = request.target.replace("/v2/library/mirrored/", "/v2/a/");
        shelf.answer(&request)
    });
    let broken = MadeRegistry::new(|_| Reply::new(404, "nothing here"));
    let mirrors = [broken.address(), mirror.address()].map(|address| format!("http://{address}/"));
    let daemon = daemon_with(&json!({ "registry-mirrors": mirrors }));
    let info = daemon.http("GET", "/info", b"").json();
    assert_eq!(info["RegistryConfig"]["Mirrors"].as_array().unwrap().len(), 2, "{info}");
    daemon.ok(&["pull", "mirrored:1"]);
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", "mirrored:1"]), "from the mirror");
    assert!(broken.count("/v2/library/mirrored/") > 0, "the first mirror is asked first");
    assert!(mirror.count("/v2/library/mirrored/manifests/1") > 0);
}

#[test]
fn a_proxy_stands_between() {
    let shelf = Shelf::with_image("through the proxy");
    let registry = MadeRegistry::new(move |request| shelf.answer(request));
    let proxy = ConnectProxy::before(registry.address());
    let address = format!("http://{}", proxy.address());
    let daemon = daemon_with(&json!({
        "insecure-registries": ["r.example"],
        "proxies": {"http-proxy": address, "https-proxy": address, "no-proxy": "other.example"},
    }));
    daemon.ok(&["pull", "-q", "r.example/a:1"]);
    let said = daemon.ok(&["run", "--rm", "--network", "none", "r.example/a:1"]);
    assert_eq!(said, "through the proxy");
    let asked = proxy.asked();
    assert!(asked.iter().all(|name| name.starts_with("r.example:")), "{asked:?}");
    assert!(registry.count("/v2/a/manifests/1") > 0);
    // No name service knows it, and no proxy is asked.
    daemon.gantry(&["pull", "other.example/a:1"]).run().exits(1).plainly();
    assert_eq!(proxy.asked().len(), asked.len());
}
