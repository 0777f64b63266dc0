//! Bridge networks: containers reach one another and the outside, are reached by published ports, and keep all that while the daemon is
//! away. Each test has a host of its own: a network namespace in which its daemon runs.

use std::sync::Arc;

use gantry_testkit::{Daemon, NetworkHost, Options, busybox, poll};

struct Place {
    host: Arc<NetworkHost>,
    /// A machine at 192.0.2.2; the host is 192.0.2.1 there.
    outside: NetworkHost,
    daemon: Daemon,
}

impl Place {
    fn new() -> Self {
        let (host, outside) = (Arc::new(NetworkHost::new()), NetworkHost::new());
        host.connect("wire", "192.0.2.1/24", &outside, "192.0.2.2/24");
        let network = Some(Arc::clone(&host));
        let daemon = Daemon::start_with(Options { network, ..Options::default() });
        daemon.load(&busybox());
        Self { host, outside, daemon }
    }

    /// A web server that answers with its own name.
    fn serve(&self, name: &str, flags: &[&str]) {
        let script =
            format!("mkdir /www && echo {name} >/www/index.html && exec httpd -f -p 80 -h /www");
        let mut words = vec!["run", "-d", "--name", name];
        words.extend(flags);
        words.extend(["busybox", "sh", "-c", &script]);
        self.daemon.ok(&words);
    }

    fn address_of(&self, name: &str) -> String {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        self.daemon.ok(&["inspect", "-f", format, name])
    }
}

/// Prints a page, or nothing when it does not come in time.
const FETCH: &str = "import sys, urllib.request as r
try: print(r.build_opener(r.ProxyHandler({})).open(sys.argv[1], timeout=float(sys.argv[2])).read().decode(), end='')
except OSError: pass";

fn fetch(from: &NetworkHost, address: &str, seconds: &str) -> String {
    let text = from.prints("python3", &["-c", FETCH, &format!("http://{address}/"), seconds]);
    text.trim().to_owned()
}

/// What a page says, asked for until it answers.
fn page(from: &NetworkHost, address: &str) -> String {
    poll(&format!("{address} answers"), || {
        Some(fetch(from, address, "5")).filter(|text| !text.is_empty())
    })
}

fn refuses(from: &NetworkHost, address: &str) -> bool {
    fetch(from, address, "1").is_empty()
}

#[test]
fn containers_have_addresses_and_reach_their_neighbours() {
    let place = Place::new();
    place.serve("one", &[]);
    let address = place.address_of("one");
    assert_eq!(address, "172.17.0.2");
    assert_eq!(page(&place.host, &address), "one");
    let neighbour = place.daemon.ok(&["run", "--rm", "busybox", "wget", "-q", "-O", "-", &address]);
    assert_eq!(neighbour.trim(), "one");
    let hosts = place.daemon.ok(&["exec", "one", "cat", "/etc/hosts"]);
    let id = place.daemon.ok(&["inspect", "-f", "{{.Config.Hostname}}", "one"]);
    assert!(hosts.contains(&format!("172.17.0.2\t{}", id.trim())), "{hosts}");
    assert!(refuses(&place.outside, &address), "it has no way in");
}

#[test]
fn published_ports_lead_in_and_are_told() {
    let place = Place::new();
    place.serve("web", &["-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "80"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    assert_eq!(page(&place.host, "127.0.0.1:8080"), "web");
    assert_eq!(page(&place.host, "127.0.0.1:8081"), "web");
    assert!(refuses(&place.outside, "192.0.2.1:8081"));
    let ports = place.daemon.ok(&["port", "web", "80"]);
    let random =
        ports.lines().find_map(|line| line.strip_prefix("0.0.0.0:").filter(|it| *it != "8080"));
    assert_eq!(page(&place.outside, &format!("192.0.2.1:{}", random.unwrap())), "web");
    let row = place.daemon.ok(&["ps", "--format", "{{.Ports}}"]);
    assert!(
        row.contains("0.0.0.0:8080->80/tcp") && row.contains("127.0.0.1:8081->80/tcp"),
        "{row}"
    );

    let late = ["run", "--name", "late", "-p", "8080:80", "busybox", "true"];
    place
        .daemon
        .gantry(&late)
        .run()
        .exits(125)
        .complains("failed to bind host port 0.0.0.0:8080/tcp: Address already in use");
    place.daemon.ok(&["rm", "-f", "web", "late"]);
    assert!(refuses(&place.outside, "192.0.2.1:8080"));
    place.serve("again", &["-p", "8080:80"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "again");
}

#[test]
fn networks_stay_while_the_daemon_is_away() {
    let place = Place::new();
    place.daemon.ok(&["network", "create", "--subnet", "10.50.0.0/24", "own"]);
    place.serve("web", &["--network", "own", "--ip", "10.50.0.9", "-p", "8080:80"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    place.daemon.kill();
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    place.daemon.start_again();
    assert_eq!(place.address_of("web"), "10.50.0.9");
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    place.daemon.gantry(&["network", "rm", "own"]).run().exits(1).complains("has active endpoints");
    let taken = ["run", "--rm", "--network", "own", "--ip", "10.50.0.9", "busybox", "true"];
    place.daemon.gantry(&taken).run().exits(125).complains("Address already in use");
    place.daemon.ok(&["rm", "-f", "web"]);
    place.daemon.ok(&["network", "rm", "own"]);
}

#[test]
fn nothing_is_left_of_networks_at_the_end() {
    let place = Place::new();
    place.serve("web", &["-p", "8080:80"]);
    place.daemon.ok(&["network", "create", "own"]);
    place.daemon.ok(&["rm", "-f", "web"]);
    place.daemon.stop();
    assert_eq!(place.host.prints("nft", &["list", "ruleset"]), "");
    let links = place.host.prints("ip", &["-o", "link"]);
    let names: Vec<_> = links.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(names, ["lo", names[1]], "{links}");
    assert!(names[1].starts_with("wire"), "{links}");
}

#[test]
fn the_docker_command_line_manages_networks() {
    let place = Place::new();
    let docker = |words: &[&str]| place.daemon.docker(words).run().success();
    let id = docker(&[
        "network",
        "create",
        "--label",
        "a=b",
        "--subnet",
        "10.51.0.0/16",
        "--gateway",
        "10.51.0.7",
        "mine",
    ]);
    let listed = docker(&["network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"]);
    assert_eq!(listed, "bridge bridge local\nhost host local\nmine bridge local\nnone null local");
    assert_eq!(place.daemon.ok(&["network", "ls", "--no-trunc", "-q", "-f", "name=mine"]), id);
    place.serve("web", &["--network", "mine"]);
    let format = "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}} {{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}";
    let shown = docker(&["network", "inspect", "-f", format, "mine"]);
    assert_eq!(shown, "10.51.0.0/16 10.51.0.7 web 10.51.0.1/16");
    assert_eq!(docker(&["network", "prune", "-f"]), "");
    docker(&["rm", "-f", "web"]);
    assert_eq!(docker(&["network", "prune", "-f"]), "Deleted Networks:\nmine");
}
