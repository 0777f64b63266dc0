//! Programs that people build: a compiler with its caches, interpreters with their packages, servers of a distribution. Each is
//! built on Debian, started, and asked for its answer over a published port.

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use gantry_testkit::{Daemon, NetworkHost, Options, debian_archive, poll_for};

use super::{context, run};

/// A daemon with Debian. Commands reach registries as this machine does.
static DEBIAN: LazyLock<Daemon> = LazyLock::new(|| {
    let daemon = Daemon::start();
    let archive = debian_archive();
    let words = ["load", "-i", archive.to_str().unwrap()];
    daemon.gantry(&words).timeout(LONG).run().success();
    daemon
});

/// How long a build, or an image on its way, may take.
const LONG: Duration = Duration::from_secs(400);
/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_mins(1);

/// Builds a context on Debian with this machine's certificates at hand under the name `certificates`.
#[track_caller]
fn build(name: &str, files: &[(&str, &str)]) {
    let root = context(&DEBIAN, name, files);
    let words = ["build", "--progress", "plain", "-t", name, root.to_str().unwrap()];
    let flags = ["--build-context", "certificates=/etc/ssl/certs", "--network", "host"];
    let outcome = DEBIAN.gantry(&[&words[..], &flags].concat()).timeout(LONG).run();
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
}

/// A daemon with bridges, on a host of its own: there images are started and asked.
static SERVING: LazyLock<(Arc<NetworkHost>, Daemon)> = LazyLock::new(|| {
    let host = Arc::new(NetworkHost::new());
    let options = Options { network: Some(Arc::clone(&host)), ..Options::default() };
    (host, Daemon::start_with(options))
});

/// Sends bytes in hexadecimal to an address, and prints what comes back.
const ASK: &str = "import socket, sys\nhost, port = sys.argv[1].rsplit(':', 1)\nstream = socket.create_connection((host, int(port)), 5)\n\
    stream.settimeout(5)\nstream.sendall(bytes.fromhex(sys.argv[2]))\nsaid = b''\nwhile len(said) < 100:\n    piece = stream.recv(4096)\n    said += piece\n    if not piece:\n        break\nprint(said)\n";

/// Starts an image and asks the published port; what it answers, once it holds the words.
#[track_caller]
fn answers(image: &str, port: u16, ask: &[u8], words: &str) {
    let (host, serving) = &*SERVING;
    let archive = DEBIAN.scratch(&format!("{image}.tar"));
    let archive = archive.to_str().unwrap();
    DEBIAN.gantry(&["save", "-o", archive, image]).timeout(LONG).run().success();
    serving.gantry(&["load", "-i", archive]).timeout(LONG).run().success();
    std::fs::remove_file(archive).unwrap();
    let name = format!("{image}-served");
    let publish = format!("127.0.0.1::{port}");
    serving.ok(&["run", "-d", "--name", &name, "-p", &publish, image]);
    let mapped = serving.ok(&["port", &name, &port.to_string()]);
    let ask: String = ask.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut said = String::new();
    let is_there = poll_for(PATIENCE, || {
        said = host.prints("python3", &["-c", ASK, &mapped, &ask]);
        said.contains(words).then_some(())
    });
    let logs = serving.gantry(&["logs", &name]).run();
    assert!(is_there.is_some(), "{image} said {said:?}; {}{}", logs.stdout, logs.stderr);
    serving.remove(&[&name]);
    serving.ok(&["rmi", image]);
    DEBIAN.ok(&["rmi", image]);
}

const GET: &[u8] = b"GET / HTTP/1.0\r\nHost: x\r\n\r\n";

#[test]
fn a_rust_program_with_its_caches() {
    let dockerfile = "FROM debian:stable AS toolchain\n\
        RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \\\n\
        \x20   rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update -q && (apt-get install -y -q --no-install-recommends cargo-web || apt-get install -y -q --no-install-recommends cargo)\n\
        FROM toolchain AS build\nWORKDIR /src\nCOPY Cargo.toml .\nCOPY src src\n\
        RUN --mount=from=certificates,target=/etc/ssl/certs --mount=type=cache,target=/root/.cargo/registry --mount=type=cache,target=/src/target \\\n\
        \x20   cargo build -q --release && cp target/release/served /served\n\
        FROM debian:stable\nCOPY --from=build /served /usr/bin/served\nEXPOSE 8000\nUSER nobody\nCMD [\"served\"]\n";
    let manifest = "[package]\nname = \"served\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"1\"\n";
    let program = "use std::io::{Read, Write};\nfn main() {\n    let listener = std::net::TcpListener::bind(\"0.0.0.0:8000\").unwrap();\n\
        for stream in listener.incoming() {\n        let mut stream = stream.unwrap();\n        let mut ask = [0; 512];\n        let _ = stream.read(&mut ask);\n\
        let mut buffer = itoa::Buffer::new();\n        let _ = write!(stream, \"HTTP/1.0 200 OK\\r\\n\\r\\nrust says {}\\n\", buffer.format(6 * 7));\n    }\n}\n";
    let files = [("Dockerfile", dockerfile), ("Cargo.toml", manifest), ("src/main.rs", program)];
    build("program-rust", &files);
    answers("program-rust", 8000, GET, "rust says 42");
}

#[test]
fn a_python_program_with_a_package() {
    let dockerfile = "FROM debian:stable\nENV PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1\n\
        RUN apt-get update -q && apt-get install -y -q --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*\n\
        RUN python3 -m venv /venv\nENV PATH=/venv/bin:$PATH\nCOPY requirements.txt /\n\
        RUN --mount=from=certificates,target=/etc/ssl/certs --mount=type=cache,target=/root/.cache/pip \\\n\
        \x20   pip install -q --cert /etc/ssl/certs/ca-certificates.crt -r /requirements.txt\n\
        COPY app.py /app/\nWORKDIR /app\nEXPOSE 8000\nCMD [\"python\", \"app.py\"]\n";
    let program = "import bottle\n\n@bottle.route('/')\ndef index():\n    return bottle.template('python says {{answer}}', answer=6 * 7)\n\nbottle.run(host='0.0.0.0', port=8000)\n";
    let files =
        [("Dockerfile", dockerfile), ("requirements.txt", "bottle==0.13.2\n"), ("app.py", program)];
    build("program-python", &files);
    answers("program-python", 8000, GET, "python says 42");
}

#[test]
fn a_node_program_with_a_package() {
    // Debian's own npm is hundreds of packages.
    let dockerfile = "FROM debian:stable AS base\n\
        RUN apt-get update -q && apt-get install -y -q --no-install-recommends nodejs && rm -rf /var/lib/apt/lists/*\n\
        FROM base AS packages\nADD --unpack=true https://registry.npmjs.org/npm/-/npm-10.9.2.tgz /opt/npm/\nWORKDIR /app\nCOPY package.json ./\n\
        RUN --mount=from=certificates,target=/etc/ssl/certs --mount=type=cache,target=/root/.npm \\\n\
        \x20   node /opt/npm/package/bin/npm-cli.js install --omit=dev --no-audit --no-fund --cafile /etc/ssl/certs/ca-certificates.crt\n\
        FROM base\nWORKDIR /app\nCOPY --from=packages /app/node_modules node_modules\nCOPY index.js .\nEXPOSE 8000\nENTRYPOINT [\"node\"]\nCMD [\"index.js\"]\n";
    let manifest = "{\"name\": \"served\", \"version\": \"1.0.0\", \"dependencies\": {\"is-odd\": \"3.0.1\"}}\n";
    let program = "const odd = require('is-odd');\nrequire('http').createServer((_, answer) => answer.end(`node says ${odd(43)} ${6 * 7}\\n`)).listen(8000);\n";
    let files = [("Dockerfile", dockerfile), ("package.json", manifest), ("index.js", program)];
    build("program-node", &files);
    answers("program-node", 8000, GET, "node says true 42");
}

#[test]
fn nginx_of_the_distribution() {
    let dockerfile = "FROM debian:stable\n\
        RUN apt-get update -q && apt-get install -y -q --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/*\n\
        COPY <<EOF /var/www/html/index.html\nnginx says 42\nEOF\n\
        RUN ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log\n\
        EXPOSE 80\nSTOPSIGNAL SIGQUIT\nCMD [\"nginx\", \"-g\", \"daemon off;\"]\n";
    build("program-nginx", &[("Dockerfile", dockerfile)]);
    answers("program-nginx", 80, GET, "nginx says 42");
}

#[test]
fn postgresql_of_the_distribution() {
    let dockerfile = "FROM debian:stable\n\
        RUN apt-get update -q && apt-get install -y -q --no-install-recommends postgresql && rm -rf /var/lib/apt/lists/*\n\
        USER postgres\nENV PGDATA=/var/lib/postgresql/served\n\
        RUN <<EOF\nset -e\nbin=$(echo /usr/lib/postgresql/*/bin)\n$bin/initdb -D $PGDATA --auth=trust\n\
        echo \"listen_addresses = '*'\" >> $PGDATA/postgresql.conf\necho 'host all all 0.0.0.0/0 trust' >> $PGDATA/pg_hba.conf\n\
        $bin/pg_ctl -D $PGDATA -w start\npsql -c 'create table answers as select 42 as answer'\n$bin/pg_ctl -D $PGDATA -w stop\nEOF\n\
        EXPOSE 5432\nSTOPSIGNAL SIGINT\nCMD exec /usr/lib/postgresql/*/bin/postgres -D $PGDATA\n";
    build("program-postgresql", &[("Dockerfile", dockerfile)]);
    answers("program-postgresql", 5432, &ask_of_postgresql(), "answer");
}

/// The beginning of a connection and a query (the protocol's version 3.0, message formats).
fn ask_of_postgresql() -> Vec<u8> {
    let mut start = 196_608_u32.to_be_bytes().to_vec();
    start.extend_from_slice(b"user\0postgres\0database\0postgres\0\0");
    let mut ask = (u32::try_from(start.len()).unwrap() + 4).to_be_bytes().to_vec();
    ask.extend_from_slice(&start);
    let query = b"select answer from answers\0";
    ask.push(b'Q');
    ask.extend_from_slice(&(u32::try_from(query.len()).unwrap() + 4).to_be_bytes());
    ask.extend_from_slice(query);
    ask
}

#[test]
fn docker_s_own_clients_build_the_same() {
    let dockerfile = "FROM debian:stable\nRUN apt-get update -q && apt-get install -y -q --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/*\n\
        RUN echo nginx says 42 > /var/www/html/index.html\nEXPOSE 80\nCMD [\"nginx\", \"-g\", \"daemon off;\"]\n";
    let root = context(&DEBIAN, "program-classic", &[("Dockerfile", dockerfile)]);
    let words = ["build", "--network", "host", "-t", "program-classic", root.to_str().unwrap()];
    let built = DEBIAN.docker(&words).env("DOCKER_BUILDKIT", "0").timeout(LONG);
    built.run().success();
    by_python(&root);
    answers("program-classic", 80, GET, "nginx says 42");
}

/// The same by docker-py: all of it is there already.
fn by_python(root: &Path) {
    let script = "import docker, sys\nclient = docker.from_env()\nimage, log = client.images.build(path=sys.argv[1], tag='program-python-sdk', network_mode='host')\n\
        assert any('Using cache' in line.get('stream', '') for line in log)\nassert 'program-python-sdk:latest' in image.tags\nprint('built')\n";
    let outcome = gantry_testkit::Invocation::new(gantry_testkit::python_with_sdk())
        .args(["-c", script, root.to_str().unwrap()])
        .env("DOCKER_HOST", DEBIAN.host())
        .run();
    assert_eq!(outcome.success(), "built");
    DEBIAN.ok(&["rmi", "program-python-sdk"]);
}

#[test]
fn an_agent_is_reached_by_the_command_s_user_alone() {
    let folder = DEBIAN.scratch("agent");
    std::fs::create_dir_all(&folder).unwrap();
    let socket = folder.join("agent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // An agent that answers a line with another.
    let answering = std::thread::spawn(move || {
        use std::io::{BufRead, BufReader};
        let (caller, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(caller.try_clone().unwrap()).read_line(&mut line).unwrap();
        (&caller).write_all(format!("keys for {line}").as_bytes()).unwrap();
    });
    let dockerfile = "FROM debian:stable\nUSER 1234\nCOPY ask.pl /\n\
        RUN --mount=type=ssh,uid=1234 test -S $SSH_AUTH_SOCK && stat -c %u $SSH_AUTH_SOCK > /tmp/who && perl /ask.pl > /tmp/said\n\
        RUN test -z \"$SSH_AUTH_SOCK\" && test ! -e /run/buildkit/ssh_agent.0\n";
    let program = "use IO::Socket::UNIX;\nmy $s = IO::Socket::UNIX->new(Peer => $ENV{SSH_AUTH_SOCK}) or die;\nprint $s \"me\\n\";\nprint <$s>;\n";
    let root = context(&DEBIAN, "agents", &[("Dockerfile", dockerfile), ("ask.pl", program)]);
    let root = root.to_str().unwrap();
    let ssh = format!("default={}", socket.display());
    let words = ["build", "--network", "none", "--ssh", &ssh, "-t", "agents", root];
    let outcome = DEBIAN.gantry(&words).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    answering.join().unwrap();
    assert_eq!(run(&DEBIAN, "agents", &["cat", "/tmp/who", "/tmp/said"]), "1234\nkeys for me");
    let words = ["build", "--ssh", "default=/etc/passwd", root];
    DEBIAN.gantry(&words).run().exits(1).complains("/etc/passwd: it is no private key of SSH");
    DEBIAN.ok(&["rmi", "agents"]);
}

#[test]
fn commands_ask_for_signatures_by_a_key_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    for (path, kind) in [(&one, "ed25519"), (&two, "ecdsa")] {
        let words = ["-q", "-N", "", "-C", "a-comment", "-t", kind, "-f", path.to_str().unwrap()];
        let made = std::process::Command::new("ssh-keygen").args(words).status();
        assert!(made.unwrap().success());
    }
    // What an agent answers to the question for its keys.
    let program = "use IO::Socket::UNIX;\nmy $s = IO::Socket::UNIX->new(Peer => $ENV{SSH_AUTH_SOCK}) or die;\n\
        print $s pack('NC', 1, 11); read($s, my $l, 4) == 4 or die; read($s, my $a, unpack('N', $l));\n\
        print unpack('x N', $a), \" keys\\n\", join(' ', $a =~ /(ssh-ed25519|ecdsa-sha2-nistp256|a-comment)/g), \"\\n\";\n";
    let dockerfile = "FROM debian:stable\nUSER 1234\nCOPY ask.pl /\nRUN --mount=type=ssh,id=files,uid=1234 perl /ask.pl > /tmp/said\n";
    let root = context(&DEBIAN, "keys", &[("Dockerfile", dockerfile), ("ask.pl", program)]);
    let root = root.to_str().unwrap();
    let ssh = format!("files={},{}", one.display(), two.display());
    let words = ["build", "--network", "none", "--ssh", &ssh, "-t", "keys", root];
    let temporary = folder.path().join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let outcome = DEBIAN.gantry(&words).env("TMPDIR", &temporary).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let said = run(&DEBIAN, "keys", &["cat", "/tmp/said"]);
    assert!(said.starts_with("2 keys\nssh-ed25519 a-comment ecdsa-sha2-nistp256"), "{said}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "the agent is gone");
    DEBIAN.ok(&["rmi", "keys"]);
}
