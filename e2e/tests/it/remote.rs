//! A daemon on another machine: over TLS with certificates, for our command line and docker's; and by ssh, for which a
//! script stands in that runs what it is told here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use gantry_testkit::{Binaries, Daemon, Invocation, Options, busybox, docker_cli};

/// Makes a CA, and what the daemon and its clients show, by the openssl that users have.
fn certificates(folder: &Path) {
    let script = r"
        set -e
        printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >server.cnf
        printf 'extendedKeyUsage=clientAuth\n' >client.cnf
        new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        $new -x509 -days 2 -subj /CN=authority -keyout ca-key.pem -out ca.pem
        $new -subj /CN=daemon -keyout server-key.pem -out server.csr
        openssl x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca-key.pem -set_serial 1 -extfile server.cnf -out server-cert.pem
        $new -subj /CN=alice -keyout key.pem -out client.csr
        openssl x509 -req -days 2 -in client.csr -CA ca.pem -CAkey ca-key.pem -set_serial 2 -extfile client.cnf -out cert.pem
    ";
    let made = Command::new("sh").arg("-c").arg(script).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn both_command_lines_over_tls() {
    let folder = tempfile::TempDir::new().unwrap();
    certificates(folder.path());
    let file = |flag: &str, name: &str| format!("--{flag}={}", folder.path().join(name).display());
    let flags = vec![
        "--tlsverify".to_owned(),
        file("tlscacert", "ca.pem"),
        file("tlscert", "server-cert.pem"),
        file("tlskey", "server-key.pem"),
        "--host=tcp://127.0.0.1:0".to_owned(),
    ];
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    let host = daemon.tcp_host();
    daemon.load(&busybox());
    let run = [
        "run",
        "-i",
        "--rm",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "cat; echo err >&2; exit 7",
    ];
    for program in [Binaries::find().path("gantry"), docker_cli()] {
        let client = |words: &[&str]| {
            Invocation::new(&program)
                .env("DOCKER_HOST", &host)
                .env("DOCKER_CONFIG", daemon.folder().join("docker-config"))
                .env("GANTRY_AUTOSTART", "0")
                .args(words)
        };
        let safe = |words: &[&str]| {
            client(words).env("DOCKER_TLS_VERIFY", "1").env("DOCKER_CERT_PATH", folder.path())
        };
        // Hijacked streams with both ends of input, too.
        safe(&run).input("through\n").run().exits(7).prints("through\n").complains("err");
        safe(&["ps", "-a"]).run().exits(0);
        let by_flags = [
            "--tlsverify".to_owned(),
            file("tlscacert", "ca.pem"),
            file("tlscert", "cert.pem"),
            file("tlskey", "key.pem"),
            "info".to_owned(),
        ];
        let words: Vec<&str> = by_flags.iter().map(String::as_str).collect();
        client(&words).run().exits(0);
        // Without TLS, and without a certificate.
        assert_ne!(client(&["ps"]).timeout(std::time::Duration::from_secs(30)).run().code, 0);
        let anonymous = tempfile::TempDir::new().unwrap();
        fs::copy(folder.path().join("ca.pem"), anonymous.path().join("ca.pem")).unwrap();
        let refused = client(&["ps"])
            .env("DOCKER_TLS_VERIFY", "1")
            .env("DOCKER_CERT_PATH", anonymous.path())
            .run();
        assert_ne!(refused.code, 0, "{refused:?}");
    }
}

#[test]
fn a_daemon_by_ssh() {
    let daemon = Daemon::with_busybox();
    let bin = tempfile::TempDir::new().unwrap();
    let note = bin.path().join("note");
    // What stands behind the name is what the shell over there runs. A session of its own keeps the terminal's signals away.
    let script = format!(
        "#!/bin/sh\nread -r _ _ _ _ _ session _ </proc/self/stat\ntest $session = $$ || exit 9\n\
         echo \"$@\" >>{}\nwhile [ \"$1\" != -- ]; do shift; done\nshift 2\nexec \"$@\"\n",
        note.display()
    );
    let ssh = bin.path().join("ssh");
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o700)).unwrap();
    let gantry = Binaries::find().path("gantry");
    std::os::unix::fs::symlink(&gantry, bin.path().join("gantry")).unwrap();
    let path =
        format!("{}:{}", bin.path().display(), std::env::var_os("PATH").unwrap().to_string_lossy());
    let host = format!("ssh://me@far.example:2222{}", daemon.socket().display());
    let words = [
        "-H",
        &host,
        "run",
        "-i",
        "--rm",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "cat; exit 3",
    ];
    Invocation::new(&gantry)
        .env("PATH", &path)
        .env("GANTRY_AUTOSTART", "0")
        .args(words)
        .input("far\n")
        .run()
        .exits(3)
        .prints("far\n");
    let told = fs::read_to_string(note).unwrap();
    let begins = "-o ConnectTimeout=30 -T -l me -p 2222 -- far.example gantry --host=unix://";
    assert!(told.lines().all(|line| line.starts_with(begins)), "{told}");
}
