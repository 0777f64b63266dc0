//! A real distribution on the default network: its package manager, and a server for its neighbours.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

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
        let found = place.host.prints("python3", &["-c", super::FETCH, "http://192.0.2.2/", "1"]);
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
