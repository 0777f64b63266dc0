//! A server of one test's own, and a client that shows every byte.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use gantry_docker_http::{Config, Listener, serve};
use gantry_engine::{Engine, Settings};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server under way; everything of it goes with it.
pub(crate) struct Server {
    pub(crate) engine: Engine,
    socket: PathBuf,
    ending: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), gantry_docker_http::Error>>,
    _dir: TempDir,
}

pub(crate) fn config() -> Config {
    Config::new("0.1.0")
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(config()).await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        let dir = TempDir::new().unwrap();
        let engine = Engine::open(settings(&dir)).await.unwrap();
        let socket = dir.path().join("api.sock");
        let listener = Listener::Unix(UnixListener::bind(&socket).unwrap());
        let (ending, ended) = oneshot::channel();
        let shutdown = async { drop(ended.await) };
        let serving = tokio::spawn(serve(listener, engine.clone(), config, shutdown));
        Self { engine, socket, ending: Some(ending), serving, _dir: dir }
    }

    /// Tells the server to end and waits until it has.
    pub(crate) async fn stop(mut self) {
        drop(self.ending.take());
        tokio::time::timeout(PATIENCE, self.serving).await.unwrap().unwrap().unwrap();
    }

    pub(crate) async fn connect(&self) -> Client {
        Client(UnixStream::connect(&self.socket).await.unwrap())
    }

    /// A client that has sent `text` and the end of its input before the server saw the first byte: nothing here awaits,
    /// and the tests have one thread.
    pub(crate) fn send_all_at_once(&self, text: &str) -> Client {
        let mut stream = std::os::unix::net::UnixStream::connect(&self.socket).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.set_nonblocking(true).unwrap();
        Client(UnixStream::from_std(stream).unwrap())
    }

    /// Sends one request on a connection of its own and returns the whole answer.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        self.ask_with(request, "").await
    }

    /// [`Self::ask`] with a JSON body.
    pub(crate) async fn ask_with(&self, request: &str, body: &str) -> Answer {
        let content = match body.len() {
            0 => String::new(),
            length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
        };
        let mut client = self.connect().await;
        client
            .send(&format!(
                "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{content}\r\n{body}"
            ))
            .await;
        Answer::parse(&client.rest().await)
    }

    /// Imports an image without any files and makes a container of it; returns the container's id.
    pub(crate) async fn container(&self, name: &str) -> String {
        let mut client = self.connect().await;
        let archive = "\0".repeat(10240);
        client
            .send(&format!(
                "POST /images/create?fromSrc=-&repo=empty HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                 Content-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n{archive}",
                archive.len()
            ))
            .await;
        let imported = Answer::parse(&client.rest().await);
        assert_eq!(imported.status, 200, "{imported:?}");
        let body = r#"{"Image":"empty","Cmd":["nothing"],"OpenStdin":true,"HostConfig":{"NetworkMode":"none"}}"#;
        let created = self.ask_with(&format!("POST /containers/create?name={name}"), body).await;
        assert_eq!(created.status, 201, "{created:?}");
        created.body.split('"').nth(3).unwrap().to_owned()
    }
}

fn settings(dir: &TempDir) -> Settings {
    Settings {
        data_root: dir.path().join("data"),
        exec_root: dir.path().join("exec"),
        shim: PathBuf::from("/nowhere/gantry-shim"),
        init: PathBuf::from("/nowhere/gantry-init"),
        cgroup_driver: gantry_engine::CgroupDriver::Cgroupfs,
        cgroup_parent: "/gantry-test".to_owned(),
        selinux: false,
        live: gantry_engine::LiveSettings::default(),
        logs: gantry_engine::LogDefaults::default(),
        layer_format: None,
        layer_archives: None,
        default_bridge: false,
        plugins: gantry_engine::PluginConfig::default(),
        networks: gantry_engine::NetworkSettings::default(),
        names: gantry_engine::NameSettings::default(),
        signature_policy: None,
        embedded_image: &[],
        fail_at: None,
    }
}

/// One connection.
pub(crate) struct Client(pub(crate) UnixStream);

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads up to the end of a head.
    pub(crate) async fn head(&mut self) -> String {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            let byte = tokio::time::timeout(PATIENCE, self.0.read_u8()).await.unwrap();
            text.push(byte.unwrap_or_else(|error| {
                panic!("{error} after {:?}", String::from_utf8_lossy(&text))
            }));
        }
        String::from_utf8(text).unwrap()
    }

    /// Reads to the end of the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut text = Vec::new();
        tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut text)).await.unwrap().unwrap();
        String::from_utf8(text).unwrap()
    }
}

/// An answer in its parts.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) =
            text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The text of an error, after a look at its shape.
    pub(crate) fn message(&self) -> &str {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let inner =
            self.body.strip_prefix("{\"message\":\"").and_then(|rest| rest.strip_suffix("\"}\n"));
        inner.unwrap_or_else(|| panic!("no message in {self:?}"))
    }
}
