//! SSH agents of a client whose daemon is on another machine: the daemon asks for each connection, and the client opens it.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::channel;
use std::time::Duration;

use gantry_testkit::{
    Binaries, Daemon, Invocation, MadeRegistry, Options, Reply, debian_archive, poll,
};
use rustix::process::Signal;

use super::{context, run};

/// Asks an agent for its keys over several connections at once; says how many of them were answered, and with how many keys.
const ASK: &str = "use IO::Socket::UNIX;\n$SIG{PIPE} = 'IGNORE';\n\
    my @all = map { IO::Socket::UNIX->new(Peer => $ENV{SSH_AUTH_SOCK}) or die } 1..$ARGV[0];\nmy ($answers, $keys);\n\
    for my $s (reverse @all) {\n    print $s pack('NC', 1, 11); shutdown($s, 1) if $ARGV[1];\n\
    \x20   read($s, my $l, 4) == 4 or next; read($s, my $a, unpack('N', $l)); $answers++; $keys = unpack('x N', $a);\n}\n\
    print $answers + 0, ' answers, ', $keys + 0, \" keys\\n\"; exit(!$answers);\n";

/// A daemon with Debian that others reach over the network, and its address there.
static FAR: LazyLock<(Daemon, String)> = LazyLock::new(|| {
    let flags = ["--tls=false", "--host=tcp://127.0.0.1:0"].map(str::to_owned).into();
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    let archive = debian_archive();
    let words = ["load", "-i", archive.to_str().unwrap()];
    daemon.gantry(&words).timeout(Duration::from_secs(400)).run().success();
    let host = daemon.tcp_host();
    (daemon, host)
});

/// A build of this Dockerfile by the daemon that is far away; the folder of temporary files is the client's own.
fn building(ssh: &str, name: &str, dockerfile: &str) -> (Invocation, PathBuf) {
    let (daemon, host) = &*FAR;
    let root = context(daemon, name, &[("Dockerfile", dockerfile), ("ask.pl", ASK)]);
    let temporary = daemon.scratch(&format!("{name}-temporary"));
    fs::create_dir_all(&temporary).unwrap();
    let invocation = Invocation::new(Binaries::find().path("gantry"))
        .env("DOCKER_HOST", host)
        .env("DOCKER_CONFIG", daemon.folder().join("docker-config"))
        .env("GANTRY_AUTOSTART", "0")
        .env("TMPDIR", &temporary)
        .args(["build", "--network", "none", "--progress", "plain", "-t", name, "--ssh", ssh])
        .args([root.to_str().unwrap()]);
    (invocation, temporary)
}

fn dockerfile(id: &str, command: &str) -> String {
    format!(
        "FROM debian:stable\nUSER 1234\nCOPY ask.pl /\nRUN --mount=type=ssh,id={id},uid=1234 {command}\n"
    )
}

/// No command, none of its sockets, and nobody who passes on to an agent.
fn nobody_asks(daemon: &Daemon) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap();
    let mut names =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    super::is_over(daemon) && !names.any(|name| name.trim() == "build-ssh")
}

/// OpenSSH's agent.
struct SshAgent {
    child: Child,
    socket: PathBuf,
}

impl SshAgent {
    fn start(folder: &Path) -> Self {
        let socket = folder.join("agent.sock");
        let mut command = Command::new("ssh-agent");
        command.args(["-D", "-a", socket.to_str().unwrap()]).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        poll("the agent listens", || socket.exists().then_some(()));
        Self { child, socket }
    }

    fn add(&self, key: &Path) {
        let mut command = Command::new("ssh-add");
        let added = command.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).status();
        assert!(added.unwrap().success());
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn make_key(path: &Path) {
    let words = ["-q", "-N", "", "-t", "ed25519", "-f", path.to_str().unwrap()];
    assert!(Command::new("ssh-keygen").args(words).status().unwrap().success());
}

#[test]
fn an_agent_of_the_client_answers_far_away() {
    let folder = tempfile::tempdir().unwrap();
    let agent = SshAgent::start(folder.path());
    for name in ["one", "two"] {
        make_key(&folder.path().join(name));
        agent.add(&folder.path().join(name));
    }
    let ssh = format!("default={}", agent.socket.display());
    // More than a command may have at once are closed, and the others go on.
    let dockerfile =
        dockerfile("default", "perl /ask.pl 1 > /tmp/one && perl /ask.pl 40 > /tmp/many");
    let outcome = building(&ssh, "agent-far", &dockerfile).0.run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let (daemon, _) = &*FAR;
    let said = run(daemon, "agent-far", &["cat", "/tmp/one", "/tmp/many"]);
    assert_eq!(said, "1 answers, 2 keys\n32 answers, 2 keys");
    daemon.ok(&["rmi", "agent-far"]);
}

#[test]
fn so_do_keys_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    make_key(&key);
    let ssh = format!("files={}", key.display());
    // Who has nothing more to ask says so, and is answered.
    let dockerfile = dockerfile("files", "perl /ask.pl 3 1 > /tmp/said");
    let (build, temporary) = building(&ssh, "keys-far", &dockerfile);
    let outcome = build.run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let (daemon, _) = &*FAR;
    assert_eq!(run(daemon, "keys-far", &["cat", "/tmp/said"]), "3 answers, 1 keys");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "the client's own agent is gone");
    daemon.ok(&["rmi", "keys-far"]);
}

#[test]
fn an_agent_that_is_silent_holds_up_nobody() {
    let (daemon, _) = &*FAR;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let (sender, callers) = channel();
    // It answers with less than was asked for.
    std::thread::spawn(move || {
        for mut caller in listener.incoming().flatten() {
            caller.write_all(b"hi").unwrap_or_default();
            sender.send(caller).unwrap_or_default();
        }
    });
    let ssh = format!("default={}", socket.display());
    let leaves = "perl -e 'use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ENV{SSH_AUTH_SOCK}) or die; read($s, my $hi, 2) == 2 or die'";
    let outcome = building(&ssh, "silent", &dockerfile("default", leaves)).0.run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let left = callers.recv().unwrap();
    poll("nothing is left of it", || nobody_asks(daemon).then_some(()));
    // A client that dies takes its command and the connections along.
    let build = building(&ssh, "dies", &dockerfile("default", "perl /ask.pl 2")).0.spawn();
    let held = [callers.recv().unwrap(), callers.recv().unwrap()];
    build.signal(Signal::KILL);
    build.wait();
    poll("nothing is left of it", || nobody_asks(daemon).then_some(()));
    drop((held, left));
    daemon.ok(&["rmi", "silent"]);
}

#[test]
fn an_agent_that_cannot_be_reached_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let ssh = format!("default={}", socket.display());
    let build = building(&ssh, "gone", &dockerfile("default", "perl /ask.pl 2")).0;
    let outcome = build.run();
    let complaint = format!("connect to the SSH agent at {}", socket.display());
    outcome.exits(1).complains(&complaint).complains("returned a non-zero code: 1");
    assert_eq!(outcome.stderr.matches(&complaint).count(), 1, "{}", outcome.stderr);
    let required = dockerfile("other,required", "true");
    let build = building(&ssh, "required", &required).0;
    build.run().exits(1).complains("the build was given none of that id (--ssh)");
}

#[test]
fn nobody_gets_at_an_agent_that_was_not_named() {
    let (daemon, _) = &*FAR;
    let refused = daemon.http("POST", "/build?ssh=%7B%22a%22%3A%22%22%7D", b"").error(400);
    assert!(refused.contains("needs a client that connects to it"), "{refused}");
    let unknown = daemon.http("POST", "/gantry/build/exchange/abc/connection", b"").error(400);
    assert_eq!(unknown, "no build offers or wants \"abc\" now");
    // A daemon that asks for an agent which it was not told of.
    let asks = "{\"id\":\"gantry.dial\",\"aux\":{\"id\":\"abc\",\"agent\":\"other\"}}\n";
    let hostile = MadeRegistry::new(move |request| {
        let reply = |status, body: &str| Reply::new(status, body).with("Api-Version", "1.55");
        match request.target.contains("/build?") {
            true => reply(200, asks).endless().at_rate(10 * asks.len()),
            false if request.target.contains("/exchange/") => reply(204, ""),
            false => reply(200, "OK"),
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let ssh = format!("default={}", socket.display());
    let build = building(&ssh, "hostile", "FROM debian:stable\n").0;
    let build = build.env("DOCKER_HOST", format!("tcp://{}", hostile.address())).spawn();
    poll("the client says no", || (hostile.count("/exchange/abc?missing=1") > 0).then_some(()));
    build.signal(Signal::INT);
    build.wait();
    assert_eq!(hostile.count("/connection"), 0);
    assert!(listener.accept().is_err(), "nobody came");
}
