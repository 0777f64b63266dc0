//! Docker Compose, unmodified, with an application of three services. Here is the stage: a host of its own, the project's folder, and the
//! command; the files beside it have the tests. They run with every version of Compose that `make test-tools` installs.

mod changes;
mod lives;
mod views;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gantry_testkit::{
    Daemon, Invocation, NetworkHost, Options, Outcome, busybox, compose_programs, poll,
};
use serde_json::Value;

/// A database that needs a moment, a one-shot that prepares it, a web server that wants both; a fourth one only where somebody asks.
const APPLICATION: &str = r#"
name: shop
services:
  db:
    image: busybox
    init: true
    command: ["sh", "-c", "sleep 0.3; cp /run/secrets/password /data/password; touch /tmp/up; exec sleep 1000"]
    stop_grace_period: 1s
    healthcheck: {test: ["CMD", "test", "-e", "/tmp/up"], interval: 200ms, timeout: 5s, retries: 50}
    volumes: ["data:/data"]
    secrets: [password]
    networks: {back: {aliases: [database]}}
    labels: {tier: "1"}
  migrate:
    image: busybox
    command: ["sh", "-c", "nslookup database >/dev/null && echo migrated > /data/schema"]
    volumes: ["data:/data"]
    networks: [back]
    depends_on: {db: {condition: service_healthy}}
  web:
    image: busybox
    init: true
    command: ["sh", "-c", "echo serving $$WORD; exec httpd -f -v -p 80 -h /www"]
    environment: {WORD: "${WORD:-first}"}
    stop_grace_period: 1s
    volumes:
      - "data:/www/data:ro"
      - {type: tmpfs, target: /scratch, tmpfs: {size: 1048576}}
      - ./page.html:/www/index.html:ro
    configs: [{source: settings, target: /www/settings}]
    ports: ["${PORT:-8080}:80"]
    networks: [front, back]
    healthcheck: {test: ["CMD", "wget", "-qO-", "http://127.0.0.1/"], interval: 200ms, timeout: 5s, retries: 50}
    depends_on:
      db: {condition: service_healthy, restart: true}
      migrate: {condition: service_completed_successfully}
    restart: unless-stopped
  worker:
    image: busybox
    init: true
    command: ["sh", "-c", "echo working; exec sleep 1000"]
    profiles: [extra]
    networks: [back]
    deploy: {replicas: 2, resources: {limits: {memory: 64M, cpus: "0.5"}}}
networks:
  front: {}
  back: {internal: true, ipam: {config: [{subnet: 10.77.0.0/24}]}}
volumes:
  data: {labels: {kept: "yes"}}
secrets:
  password: {environment: PASSWORD}
configs:
  settings: {content: "colour=${COLOUR:-red}\n"}
"#;

/// A daemon on a host of its own, and an application beside it.
struct Project {
    daemon: Daemon,
    host: Arc<NetworkHost>,
    folder: PathBuf,
    program: PathBuf,
}

impl Project {
    fn new(program: PathBuf) -> Self {
        let host = Arc::new(NetworkHost::new());
        let network = Some(Arc::clone(&host));
        let daemon = Daemon::start_with(Options { network, ..Options::default() });
        daemon.load(&busybox());
        let folder = daemon.scratch("shop");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("page.html"), "welcome\n").unwrap();
        fs::write(folder.join("compose.yaml"), APPLICATION).unwrap();
        Self { daemon, host, folder, program }
    }

    fn invocation(&self, words: &[&str]) -> Invocation {
        Invocation::new(&self.program)
            .env("DOCKER_HOST", self.daemon.host())
            .env("DOCKER_CONFIG", self.daemon.folder().join("docker-config"))
            .env("PASSWORD", "open sesame")
            .current_dir(&self.folder)
            .timeout(Duration::from_mins(1))
            .args(["--progress", "plain"])
            .args(words)
    }

    fn run(&self, words: &[&str]) -> Outcome {
        self.invocation(words).run()
    }

    /// Runs it, asserts success, gives what it printed.
    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        self.run(words).success()
    }

    /// The ids of a service's containers, running or not.
    fn ids(&self, service: &str) -> Vec<String> {
        let listed = self.ok(&["ps", "-a", "-q", service]);
        listed.lines().map(str::to_owned).collect()
    }

    /// What the web server says at a path.
    fn page(&self, path: &str) -> String {
        let url = format!("http://127.0.0.1:8080/{path}");
        poll(&format!("{url} answers"), || {
            Some(self.host.fetch(&url, "5")).filter(|said| !said.is_empty())
        })
    }

    /// What the daemon lists under a path that takes filters, of this project.
    fn listed(&self, path: &str) -> Value {
        let filters = "%7B%22label%22%3A%5B%22com.docker.compose.project%3Dshop%22%5D%7D";
        self.daemon.http("GET", &format!("{path}filters={filters}"), &[]).json()
    }

    /// Asserts that nothing of the project is left.
    #[track_caller]
    fn is_gone(&self) {
        assert_eq!(self.listed("/containers/json?all=1&").as_array().unwrap().len(), 0);
        assert_eq!(self.listed("/networks?").as_array().unwrap().len(), 0);
        let volumes = self.listed("/volumes?")["Volumes"].clone();
        assert_eq!(volumes.as_array().map_or(0, Vec::len), 0, "{volumes}");
    }
}

/// Runs a test with every version of Compose that is there.
fn with_each(test: impl Fn(&Project)) {
    for program in compose_programs() {
        eprintln!("with {}", program.display());
        test(&Project::new(program));
    }
}
