//! A real image registry of a test's own: Debian's `docker-registry` on a free port of the loopback.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::deadline::poll;
use crate::http::http_at;
use crate::{Invocation, sha256};

/// `ann` with the password `secret`, as `htpasswd -B` writes it.
const ANN: &str = "ann:$2y$05$0jFxS.R9HSxun5fL5H9HMuGdJPzSyJUZOp/2XA0Y1570Y1PJGpAMW\n";

/// Ends the registry when its input ends, and so also when the test is killed.
const WATCHED: &str = "docker-registry serve \"$0\" & read _; kill $!; wait";

/// A registry under a test.
pub struct Registry {
    address: String,
    folder: TempDir,
    watcher: Child,
}

impl Registry {
    /// A registry that lets everybody in.
    pub fn open() -> Self {
        Self::open_in(folder())
    }

    /// The same, which keeps everything in this folder.
    pub fn open_in(folder: TempDir) -> Self {
        Self::start(folder, "", "")
    }

    /// A registry that wants the user `ann` and her password `secret`.
    pub fn with_password() -> Self {
        Self::start(folder(), "", "auth: {htpasswd: {realm: test, path: FOLDER/htpasswd}}\n")
    }

    /// A registry with TLS: `server.crt` and `server.key` are in the folder; with `asks`, so is `ca.crt`, the authority
    /// whose certificate a client has to have.
    pub fn with_tls(files: &Path, asks: bool) -> Self {
        let files = files.display();
        let asks = if asks { format!(", clientcas: [{files}/ca.crt]") } else { String::new() };
        let tls =
            format!(", tls: {{certificate: {files}/server.crt, key: {files}/server.key{asks}}}");
        Self::start(folder(), &tls, "")
    }

    fn start(folder: TempDir, tls: &str, extra: &str) -> Self {
        // Between our end and the registry's beginning somebody else may take the port: then it says so and ends.
        let listener = TcpListener::bind("127.0.0.1:0").expect("find a free port");
        let address = listener.local_addr().expect("ask for the port").to_string();
        drop(listener);
        let place = folder.path().display().to_string();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nhttp: {{addr: \"{address}\"{tls}}}\n\
             storage: {{filesystem: {{rootdirectory: FOLDER/store}}, delete: {{enabled: true}}}}\n{extra}"
        );
        let path = folder.path().join("config.yml");
        fs::write(&path, config.replace("FOLDER", &place)).expect("write the registry's settings");
        fs::write(folder.path().join("htpasswd"), ANN).expect("write the registry's users");
        let log = fs::File::create(folder.path().join("log")).expect("make the registry's log");
        let watcher = Command::new("sh")
            .args(["-c", WATCHED])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("share the registry's log"))
            .stderr(log)
            .spawn()
            .expect("start a registry: is docker-registry installed?");
        let registry = Self { address, folder, watcher };
        poll("the registry answers", || TcpStream::connect(&registry.address).ok());
        registry
    }

    /// Its `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it keeps what it was given.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Puts a blob into a repository; its digest.
    #[track_caller]
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let target = format!("/v2/{repository}/blobs/uploads/");
        let begun = http_at(&self.address, ("POST", &target), ("", &[]));
        let location = begun.header("location").expect("the registry says where to put the blob");
        let target = location.split_once(&self.address).map_or(location, |(_, target)| target);
        let digest = format!("sha256:{}", sha256(bytes));
        let target = format!("{target}&digest={digest}");
        let body = ("application/octet-stream", bytes);
        let reply = http_at(&self.address, ("PUT", &target), body);
        assert_eq!(reply.status, 201, "{}", reply.text());
        digest
    }

    /// Puts a manifest or index into a repository, under a tag or its digest; its digest.
    #[track_caller]
    pub fn put_manifest(&self, (repository, name): (&str, &str), document: &Value) -> String {
        let bytes = document.to_string().into_bytes();
        let kind = document["mediaType"].as_str().expect("the document says what it is");
        let target = format!("/v2/{repository}/manifests/{name}");
        let reply = http_at(&self.address, ("PUT", &target), (kind, &bytes));
        assert_eq!(reply.status, 201, "{}", reply.text());
        format!("sha256:{}", sha256(&bytes))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// `skopeo ARGUMENTS…`, which speaks to it without TLS.
    pub fn skopeo(&self, arguments: &[&str]) -> Invocation {
        Invocation::new("skopeo").args(arguments).env("HOME", self.folder.path())
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("make a folder for a registry")
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        drop(self.watcher.wait());
    }
}
