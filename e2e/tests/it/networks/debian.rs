//! A real distribution on the default network: its package manager, and a server for its neighbours.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gantry_testkit::{debian_archive, poll};

use super::{Place, page};

/// A package that has one file, in an archive with an index, as mirrors have them.
fn mirror(folder: &Path) {
    let package = folder.join("greeting");
    fs::create_dir_all(package.join("DEBIAN")).unwrap();
    fs::create_dir_all(package.join("usr/share/greeting")).unwrap();
    fs::write(package.join("usr/share/greeting/text"), "installed\n").unwrap();
    let control = "Package: greeting\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: a file\n";
    fs::write(package.join("DEBIAN/control"), control).unwrap();
    let script = "chmod -R u=rwX,go=rX greeting && dpkg-deb --root-owner-group -b greeting greeting.deb >/dev/null &&
        { cat greeting/DEBIAN/control; echo Filename: ./greeting.deb; echo Size: $(stat -c %s greeting.deb)
          echo SHA256: $(sha256sum <greeting.deb | cut -d' ' -f1); } >Packages";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).status().unwrap();
    assert!(made.success());
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The mirror is one of our own outside: a test is not to depend on the world.
#[test]
fn apt_get_installs_from_a_mirror_outside() {
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    mirror(folder.path());
    let at = folder.path().to_string_lossy().into_owned();
    let mut command = place.outside.command("python3");
    command
        .args(["-m", "http.server", "-d", &at, "80"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let server = Server(command.spawn().unwrap());
    poll("the mirror answers", || {
        let found = place.host.fetch("http://192.0.2.2/", "1");
        found.contains("Packages").then_some(())
    });
    let archive = debian_archive();
    place.daemon.ok(&["load", "-q", "-i", &archive.to_string_lossy()]);
    let script = "rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
        echo 'deb [trusted=yes] http://192.0.2.2 ./' >/etc/apt/sources.list
        apt-get -q update && apt-get -q install -y greeting && cat /usr/share/greeting/text";
    let printed = place.daemon.ok(&["run", "--rm", "debian:stable", "sh", "-c", script]);
    assert_eq!(printed.lines().last(), Some("installed"), "{printed}");
    drop(server);
}

#[test]
fn a_server_of_a_distribution_serves_its_neighbours() {
    let place = Place::new();
    let archive = debian_archive();
    place.daemon.ok(&["load", "-q", "-i", &archive.to_string_lossy()]);
    // Perl is the only language in there.
    let script = "use IO::Socket::INET; my $l = IO::Socket::INET->new(LocalPort => 80, Listen => 64, ReuseAddr => 1) or die;
        while (my $c = $l->accept) { while (<$c>) { last if /^\\r?$/ } print $c \"HTTP/1.0 200 OK\\r\\n\\r\\nperl\"; close $c }";
    let run =
        ["run", "-d", "--name", "web", "-p", "8080:80", "debian:stable", "perl", "-e", script];
    place.daemon.ok(&run);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "perl");
    let address = place.address_of("web");
    for _ in 0..5 {
        let words = ["run", "--rm", "busybox", "wget", "-q", "-O", "-", &address];
        assert_eq!(place.daemon.ok(&words).trim(), "perl");
    }
}

/// A proxy that listens at its first argument in the namespace that it is started in, and asks from the one that its second names: by the
/// proxy that is its third, where there is one.
const PROXY: &str = r#"
import ctypes, http.server, os, sys, urllib.error, urllib.request
address, namespace, further = sys.argv[1:]
proxies = urllib.request.ProxyHandler({"http": further} if further else {})
opener = urllib.request.build_opener(proxies)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = {key: value for key, value in self.headers.items() if key in ("Range", "If-Range", "If-Modified-Since")}
        try:
            answer = opener.open(urllib.request.Request(self.path, headers=wanted), timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        body = answer.read()
        self.send_response(answer.status)
        for key in ("Content-Type", "Last-Modified", "ETag", "Content-Range"):
            if answer.headers[key]:
                self.send_header(key, answer.headers[key])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

host, port = address.split(":")
server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
if ctypes.CDLL(None).setns(os.open(namespace, os.O_RDONLY), 0x40000000):
    sys.exit("cannot enter the namespace")
server.serve_forever()
"#;

/// What this machine's own apt says, with what it was asked; nothing where there is none.
fn apt(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned()).unwrap_or_default()
}

/// What it goes through; empty for nothing.
fn proxy_of_apt() -> String {
    let text = apt("apt-config", &["shell", "P", "Acquire::http::Proxy"]);
    text.trim().trim_start_matches("P=").trim_matches('\'').to_owned()
}

/// Whether the mirror that this machine installs from, and so the image, can be reached in this way.
fn mirror_answers(place: &Place) -> bool {
    let pages =
        apt("apt-get", &["indextargets", "--format", "$(REPO_URI)dists/$(RELEASE)/Release"]);
    let Some(page) = pages.lines().find(|page| page.starts_with("http://")) else { return false };
    let script = "import sys, urllib.request as r
h = r.ProxyHandler({'http': 'http://192.0.2.1:3128'})
print(r.build_opener(h).open(sys.argv[1], timeout=20).status, end='')";
    place.outside.prints("python3", &["-c", script, page]) == "200"
}

#[test]
fn apt_get_installs_from_the_distribution_s_mirror_by_the_user_s_proxy() {
    let place = Place::new();
    let script = place.daemon.scratch("proxy.py");
    fs::write(&script, PROXY).unwrap();
    let here = format!("/proc/{}/ns/net", std::process::id());
    let mut command = place.host.command("python3");
    let words = [script.to_str().unwrap(), "192.0.2.1:3128", &here, &proxy_of_apt()];
    let _server = Server(command.args(words).spawn().unwrap());
    poll("the proxy listens", || {
        let all = place.host.prints("ss", &["-Hltn"]);
        all.contains("192.0.2.1:3128").then_some(())
    });
    if !mirror_answers(&place) {
        eprintln!("this machine reaches no mirror of Debian: there is nothing to install from");
        return;
    }
    let archive = debian_archive();
    place.daemon.ok(&["load", "-q", "-i", &archive.to_string_lossy()]);
    let config = place.daemon.scratch("config.json");
    let text =
        r#"{"proxies":{"default":{"httpProxy":"http://192.0.2.1:3128","noProxy":"localhost"}}}"#;
    fs::write(&config, text).unwrap();
    let folder = config.parent().unwrap();
    let script =
        "apt-get -q update && apt-get -q install -y --no-install-recommends hello && hello";
    let run = ["run", "--rm", "debian:stable", "sh", "-c", script];
    let installed = place
        .daemon
        .gantry(&run)
        .env("DOCKER_CONFIG", folder)
        .timeout(Duration::from_mins(5))
        .run();
    assert_eq!(installed.success().lines().last(), Some("Hello, world!"));
    // So do builds, whose images know nothing of it.
    let context = place.daemon.scratch("Dockerfile");
    let dockerfile =
        "FROM busybox\nRUN echo $http_proxy,$HTTP_PROXY,$no_proxy >/said\nCMD cat /said; env\n";
    fs::write(&context, dockerfile).unwrap();
    let build = ["build", "-q", "-t", "told", context.parent().unwrap().to_str().unwrap()];
    place.daemon.gantry(&build).env("DOCKER_CONFIG", folder).run().success();
    let said = place.daemon.ok(&["run", "--rm", "told"]);
    let proxy = "http://192.0.2.1:3128";
    assert!(said.starts_with(&format!("{proxy},{proxy},localhost\n")), "{said}");
    assert_eq!(said.matches(proxy).count(), 2, "{said}");
    // Who says otherwise is heard; and so does Docker's own command line with the same file.
    let env = ["run", "--rm", "-e", "HTTP_PROXY=mine", "busybox", "env"];
    let said = place.daemon.gantry(&env).env("DOCKER_CONFIG", folder).run().success();
    let docker = place.daemon.docker(&env).env("DOCKER_CONFIG", folder).run().success();
    let proxies = |text: &str| {
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| line.contains("roxy") || line.contains("PROXY"))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(proxies(&said), proxies(&docker));
    assert!(
        said.contains("HTTP_PROXY=mine") && said.contains(&format!("http_proxy={proxy}")),
        "{said}"
    );
}
