//! Names: containers find each other by them, the world outside is asked through them, and `/etc` says them.

use std::process::Command;

use gantry_testkit::poll;

use super::Place;

impl Place {
    /// A container that does nothing.
    pub(super) fn sleeper(&self, name: &str, flags: &[&str]) {
        let mut words = vec!["run", "-d", "--name", name];
        words.extend(flags);
        words.extend(["busybox", "sleep", "1000"]);
        self.daemon.ok(&words);
    }

    /// `dig` in a container's network namespace, from the test machine.
    pub(super) fn dig(&self, container: &str, words: &[&str]) -> String {
        let pid = self.daemon.inspect(container)["State"]["Pid"].to_string();
        let output = Command::new("nsenter")
            .args([&format!("--net=/proc/{pid}/ns/net"), "dig", "@127.0.0.11", "+tries=1"])
            .args(words)
            .output()
            .expect("run dig");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(super) fn short(&self, container: &str, words: &[&str]) -> String {
        self.dig(container, &[words, &["+short"]].concat())
    }

    pub(super) fn address_in(&self, container: &str, network: &str) -> String {
        let settings = self.daemon.inspect(container);
        let networks = &settings["NetworkSettings"]["Networks"];
        networks[network]["IPAddress"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn file(&self, container: &str, path: &str) -> String {
        self.daemon.ok(&["exec", container, "cat", path])
    }
}

fn with_network() -> Place {
    let place = Place::new();
    place.daemon.ok(&["network", "create", "lan"]);
    place
}

#[test]
fn containers_find_each_other_by_every_name() {
    let place = with_network();
    place.sleeper("one", &["--network", "lan"]);
    place.sleeper(
        "web",
        &["--network", "lan", "--network-alias", "shop", "--hostname", "host", "--expose", "80"],
    );
    let address = place.address_in("web", "lan");
    let id = place.daemon.inspect("web")["Id"].as_str().unwrap()[..12].to_owned();
    for name in ["web", "shop", "host", &id, "web.lan", "WEB"] {
        assert_eq!(place.short("one", &[name]), address, "{name}");
        assert_eq!(place.short("one", &["+tcp", name]), address, "{name} by TCP");
    }
    assert_eq!(place.short("one", &["-x", &address]), "web.lan.");
    assert_eq!(place.short("one", &["SRV", "_http._tcp.shop"]), "0 0 80 web.lan.");
    let empty = place.dig("one", &["AAAA", "web"]);
    assert!(empty.contains("NOERROR") && empty.contains("ANSWER: 0"), "{empty}");
    let names = place.daemon.inspect("web");
    let names = &names["NetworkSettings"]["Networks"]["lan"]["DNSNames"];
    assert_eq!(names, &serde_json::json!(["web", "shop", id, "host"]));
    // Programs of the container's own do, too.
    let ping = ["exec", "one", "ping", "-c", "1", "-W", "5", "shop"];
    assert!(place.daemon.ok(&ping).contains(&format!("({address})")));
    let looked = place.daemon.ok(&["exec", "one", "nslookup", "shop"]);
    assert!(looked.contains(&address), "{looked}");
}

#[test]
fn answers_follow_connect_disconnect_rename_and_the_end() {
    let place = with_network();
    place.daemon.ok(&["network", "create", "far"]);
    place.sleeper("one", &["--network", "lan"]);
    place.sleeper("web", &["--network", "far"]);
    assert_eq!(place.short("one", &["web"]), "");
    place.daemon.ok(&["network", "connect", "--alias", "shop", "lan", "web"]);
    let address = place.address_in("web", "lan");
    assert_eq!(place.short("one", &["web"]), address);
    assert_eq!(place.short("one", &["shop"]), address);
    place.daemon.ok(&["rename", "web", "www"]);
    assert_eq!(place.short("one", &["www"]), address);
    assert_eq!(place.short("one", &["web"]), "");
    place.daemon.ok(&["network", "disconnect", "lan", "www"]);
    assert_eq!(place.short("one", &["www"]), "");
    place.daemon.ok(&["network", "connect", "far", "one"]);
    assert_eq!(place.short("one", &["www"]), place.address_in("www", "far"));
    let hosts = place.file("one", "/etc/hosts");
    assert!(hosts.contains(&place.address_in("one", "far")), "{hosts}");
    assert!(hosts.contains(&place.address_in("one", "lan")), "{hosts}");
    place.daemon.ok(&["rm", "-f", "www"]);
    assert_eq!(place.short("one", &["www"]), "");
}

#[test]
fn several_with_one_alias_take_turns() {
    let place = with_network();
    place.sleeper("one", &["--network", "lan"]);
    for name in ["a1", "a2", "a3"] {
        place.sleeper(name, &["--network", "lan", "--network-alias", "all"]);
    }
    let answers: Vec<String> = (0..3).map(|_| place.short("one", &["all"])).collect();
    assert!(answers.iter().all(|answer| answer.lines().count() == 3), "{answers:?}");
    let mut firsts: Vec<&str> = answers.iter().filter_map(|it| it.lines().next()).collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts.len(), 3, "{answers:?}");
}

#[test]
fn names_go_on_when_the_daemon_was_killed() {
    let place = with_network();
    place.sleeper("one", &["--network", "lan"]);
    place.sleeper("web", &["--network", "lan", "--network-alias", "shop"]);
    let address = place.address_in("web", "lan");
    place.daemon.kill();
    place.daemon.start_again();
    assert_eq!(place.short("one", &["shop"]), address);
    place.daemon.ok(&["restart", "-t", "0", "web"]);
    assert_eq!(place.short("one", &["shop"]), place.address_in("web", "lan"));
}

/// A name server at 192.0.2.2, which has one address for everything.
const SERVER: &str = "import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('192.0.2.2', 53))
while True:
    m, a = s.recvfrom(4096)
    q = m.index(0, 12) + 5
    head = m[:2] + bytes([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
    s.sendto(head + m[12:q] + bytes([192, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 198, 51, 100, 7]), a)
";

#[test]
fn the_world_outside_is_asked_through_the_way_out_only() {
    let place = with_network();
    let mut server =
        place.outside.command("python3").args(["-c", SERVER]).spawn().expect("start a server");
    place.daemon.ok(&["network", "create", "--internal", "closed"]);
    place.sleeper("one", &["--network", "lan", "--dns", "192.0.2.2"]);
    poll("the server answers", || {
        (place.short("one", &["+time=1", "www.example.com"]) == "198.51.100.7").then_some(())
    });
    place.sleeper("shut", &["--network", "closed", "--dns", "192.0.2.2"]);
    let shut = place.dig("shut", &["www.example.com"]);
    assert!(shut.contains("SERVFAIL"), "{shut}");
    place.daemon.ok(&["network", "connect", "lan", "shut"]);
    assert_eq!(place.short("shut", &["www.example.com"]), "198.51.100.7");
    server.kill().expect("end the server");
    server.wait().expect("wait for the server");
}

#[test]
fn the_files_say_what_was_asked_for() {
    let place = with_network();
    place.sleeper(
        "one",
        &[
            "--network",
            "lan",
            "--dns",
            "192.0.2.9",
            "--dns-search",
            "example.org",
            "--dns-option",
            "timeout:1",
            "--add-host",
            "db:10.9.9.9",
            "--add-host",
            "host:host-gateway",
            "--hostname",
            "one",
            "--domainname",
            "example.org",
        ],
    );
    let conf = place.file("one", "/etc/resolv.conf");
    let lines: Vec<&str> = conf.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, ["nameserver 127.0.0.11", "search example.org", "options timeout:1 ndots:0"]);
    let hosts = place.file("one", "/etc/hosts");
    let own = format!("{}\tone.example.org one", place.address_in("one", "lan"));
    for line in ["10.9.9.9\tdb\n", "172.17.0.1\thost\n", &own] {
        assert!(hosts.contains(line), "{line:?} in {hosts}");
    }
    assert_eq!(place.file("one", "/etc/hostname"), "one");
    place.sleeper("two", &["--dns", "192.0.2.9"]);
    assert!(place.file("two", "/etc/resolv.conf").starts_with("nameserver 192.0.2.9"));
    place.daemon.ok(&["network", "connect", "lan", "two"]);
    assert!(place.file("two", "/etc/resolv.conf").contains("nameserver 127.0.0.11"));
    place.daemon.ok(&["network", "disconnect", "lan", "two"]);
    assert!(place.file("two", "/etc/resolv.conf").starts_with("nameserver 192.0.2.9"));
    for (flags, words) in [
        (["--dns", "name"], "name"),
        (["--dns-search", "a b"], "white space"),
        (["--add-host", "db"], "db"),
    ] {
        let all = [&["create"][..], &flags, &["busybox"]].concat();
        place.daemon.gantry(&all).run().complains(words);
    }
}

#[test]
fn a_file_that_was_changed_by_hand_stays() {
    let place = with_network();
    place.daemon.ok(&["network", "create", "far"]);
    place.sleeper("one", &["--network", "lan"]);
    let add = "echo 10.1.1.1 mine >>/etc/hosts; echo options rotate >/etc/resolv.conf";
    place.daemon.ok(&["exec", "one", "sh", "-c", add]);
    place.daemon.ok(&["network", "connect", "far", "one"]);
    place.daemon.ok(&["restart", "-t", "0", "one"]);
    let hosts = place.file("one", "/etc/hosts");
    assert!(hosts.contains("10.1.1.1 mine"), "{hosts}");
    assert_eq!(place.file("one", "/etc/resolv.conf"), "options rotate");
}

/// Binds the port of names on all addresses, by UDP and TCP, and asks the container's own server while it has it.
const BIND: &str = "import socket, subprocess
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('0.0.0.0', 53))
t = socket.socket(); t.bind(('0.0.0.0', 53)); t.listen()
print(subprocess.check_output(['dig', '@127.0.0.11', '+short', '+tries=1', 'web']).decode())";

#[test]
fn a_server_in_the_container_can_have_the_port() {
    let place = with_network();
    place.sleeper("one", &["--network", "lan"]);
    place.sleeper("web", &["--network", "lan"]);
    let pid = place.daemon.inspect("one")["State"]["Pid"].to_string();
    let output = Command::new("nsenter")
        .args([&format!("--net=/proc/{pid}/ns/net"), "python3", "-c", BIND])
        .output()
        .expect("run python3");
    let answer = String::from_utf8_lossy(&output.stdout);
    assert_eq!(answer.trim(), place.address_in("web", "lan"), "{output:?}");
}

#[test]
fn links_bring_lines_and_variables_or_a_name() {
    let place = with_network();
    place.sleeper("db", &["--expose", "5432", "-e", "USER=me"]);
    place.sleeper("app", &["--link", "db:data"]);
    let address = place.address_in("db", "bridge");
    let hosts = place.file("app", "/etc/hosts");
    assert!(hosts.contains(&format!("{address}\tdata ")), "{hosts}");
    let variables = place.daemon.ok(&["exec", "app", "cat", "/proc/1/environ"]);
    for wanted in [
        "DATA_NAME=/app/data".to_owned(),
        format!("DATA_PORT=tcp://{address}:5432"),
        format!("DATA_PORT_5432_TCP_ADDR={address}"),
        "DATA_ENV_USER=me".to_owned(),
    ] {
        assert!(variables.split('\0').any(|it| it == wanted), "{wanted} in {variables}");
    }
    let links = place.daemon.inspect("app")["HostConfig"]["Links"].clone();
    assert_eq!(links, serde_json::json!(["/db:/app/data"]));
    // Another one takes the address meanwhile.
    place.daemon.ok(&["stop", "-t", "0", "db"]);
    place.sleeper("thief", &["--network", "bridge"]);
    place.daemon.ok(&["start", "db"]);
    let address = place.address_in("db", "bridge");
    let hosts = place.file("app", "/etc/hosts");
    assert!(hosts.contains(&format!("{address}\tdata ")), "{hosts}");
    place.daemon.ok(&["stop", "-t", "0", "db", "app"]);
    place
        .daemon
        .gantry(&["start", "app"])
        .run()
        .exits(1)
        .complains("Cannot link to a non running container: /db AS /app/data");
    place.daemon.gantry(&["create", "--link", "nobody", "busybox"]).run().complains("nobody");

    place.sleeper("far", &["--network", "lan"]);
    place.sleeper("near", &["--network", "lan", "--link", "far:friend"]);
    assert_eq!(place.short("near", &["friend"]), place.address_in("far", "lan"));
    assert_eq!(place.short("far", &["friend"]), "", "only who asked for it has it");
    // Made anew, it is the same friend.
    place.daemon.ok(&["rm", "-f", "far"]);
    place.sleeper("far", &["--network", "lan"]);
    assert_eq!(place.short("near", &["friend"]), place.address_in("far", "lan"));
}

#[test]
fn links_to_many_that_start_at_once_have_the_addresses_of_all() {
    let place = with_network();
    let names: Vec<String> = (0..6).map(|number| format!("db{number}")).collect();
    for name in &names {
        place.sleeper(name, &[]);
    }
    let flags: Vec<&str> = names.iter().flat_map(|name| ["--link", name.as_str()]).collect();
    place.sleeper("app", &flags);
    for _ in 0..3 {
        std::thread::scope(|scope| {
            for name in &names {
                scope.spawn(|| place.daemon.ok(&["restart", "-t", "0", name]));
            }
        });
        let hosts = place.file("app", "/etc/hosts");
        for name in &names {
            let wanted = format!("{}\t{name} ", place.address_in(name, "bridge"));
            assert!(hosts.contains(&wanted), "{wanted} in {hosts}");
        }
    }
}

#[test]
fn the_docker_command_line_s_flags_for_names_do_the_same() {
    let place = with_network();
    let docker = |words: &[&str]| place.daemon.docker(words).run().success();
    let run = |name: &str, flags: &[&str]| {
        let first = ["run", "-d", "--name", name, "--network", "lan"];
        docker(&[&first[..], flags, &["busybox", "sleep", "1000"]].concat())
    };
    run("db", &["--network-alias", "data"]);
    run("app", &["--link", "db:friend", "--dns", "192.0.2.9", "--add-host", "x:1.2.3.4"]);
    let address = place.address_in("db", "lan");
    assert_eq!(place.short("app", &["data"]), address);
    assert_eq!(place.short("app", &["friend"]), address);
    assert!(place.file("app", "/etc/hosts").contains("1.2.3.4\tx\n"));
}
