//! Containers and their neighbours, the docker command line, and what is left of it all.

use super::{Place, page, refuses};

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
    for (filter, found) in [("name=^mi", id.as_str()), ("name=^mine$", &id), ("name=^in$", "")] {
        let list = ["network", "ls", "--no-trunc", "-q", "-f", filter];
        assert_eq!(place.daemon.ok(&list), found, "{filter}");
    }
    place.serve("web", &["--network", "mine"]);
    let format = "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}} {{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}";
    let shown = docker(&["network", "inspect", "-f", format, "mine"]);
    assert_eq!(shown, "10.51.0.0/16 10.51.0.7 web 10.51.0.1/16");
    assert_eq!(docker(&["network", "prune", "-f"]), "");
    docker(&["rm", "-f", "web"]);
    assert_eq!(docker(&["network", "prune", "-f"]), "Deleted Networks:\nmine");
}
