//! A bundle with busybox in a temporary directory, and a shim for it. All of it goes when it is dropped.

use gantry_logs::{Format, LogReader, ReadOptions, Stream};
use gantry_shim_protocol::attach::{AttachHeader, Streams};
use gantry_shim_protocol::stdio::{self, Input, LogFormat, LogTarget};
use gantry_shims::{CreateOptions, ExecOptions, ExitNotice, LaunchOptions, Shim, Shims};
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
const APPLETS: [&str; 14] = [
    "sh", "cat", "echo", "sleep", "true", "false", "yes", "head", "dd", "stty", "seq", "kill",
    "wc", "id",
];

pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) bundle: PathBuf,
    pub(crate) shims: Shims,
    shim: Option<Shim>,
    _directory: tempfile::TempDir,
}

/// How a container is made; the fields that most tests leave alone have defaults.
pub(crate) struct Options {
    pub(crate) script: &'static str,
    pub(crate) terminal: bool,
    pub(crate) stdin: Input,
}

impl Default for Options {
    fn default() -> Self {
        Self { script: "exit 0", terminal: false, stdin: Input::Null }
    }
}

/// A bundle whose process is `sh -c script`, and a shim that has not created it yet.
pub(crate) fn launched(script: &str, terminal: bool) -> Container {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let id = format!("gantry-shim-test-{}-{number}", std::process::id());
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("bundle");
    make_rootfs(&bundle.join("rootfs"));
    fs::write(bundle.join("config.json"), spec(&id, script, terminal).to_string()).unwrap();
    let shims = Shims::new().unwrap();
    let shim = shims
        .launch(&LaunchOptions { binary: binary(), bundle: bundle.clone(), id: id.clone() })
        .unwrap();
    Container { id, bundle, shims, shim: Some(shim), _directory: directory }
}

/// The same, created.
pub(crate) fn created(options: &Options) -> Container {
    let container = launched(options.script, options.terminal);
    container.shim().create(&container.create_options(options)).unwrap();
    container
}

pub(crate) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_gantry-shim"))
}

pub(crate) fn make_rootfs(rootfs: &Path) {
    for name in ["bin", "proc", "dev", "tmp", "etc"] {
        fs::create_dir_all(rootfs.join(name)).unwrap();
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("these tests need Debian's package busybox-static");
    fs::copy(busybox, rootfs.join("bin/busybox")).unwrap();
    for applet in APPLETS {
        std::os::unix::fs::symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
    }
}

/// A process that runs `sh -c script`.
pub(crate) fn process(script: &str, terminal: bool) -> Value {
    let capabilities = json!(["CAP_KILL", "CAP_SETUID", "CAP_SETGID"]);
    json!({
        "terminal": terminal,
        "user": { "uid": 0, "gid": 0 },
        "args": ["sh", "-c", script],
        "env": ["PATH=/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {
            "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
        },
        "noNewPrivileges": true,
    })
}

/// A `config.json` for a bundle with its root beside it.
pub(crate) fn spec(id: &str, script: &str, terminal: bool) -> Value {
    json!({
        "ociVersion": "1.2.0",
        "process": process(script, terminal),
        "root": { "path": "rootfs", "readonly": false },
        "hostname": "shim-test",
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
              "options": ["nosuid", "strictatime", "mode=755", "size=65536k"] },
            { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
              "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] },
        ],
        "linux": {
            "cgroupsPath": format!("/{id}"),
            "namespaces": [
                { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" },
                { "type": "network" },
            ],
        },
    })
}

impl Container {
    pub(crate) fn shim(&self) -> &Shim {
        self.shim.as_ref().unwrap()
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.bundle.join("log")
    }

    /// Attachers and the log get the output.
    pub(crate) fn create_options(&self, options: &Options) -> CreateOptions {
        let log = LogTarget {
            format: LogFormat::Local,
            path: self.log_path(),
            max_size_bytes: None,
            max_files: 1,
        };
        let output = stdio::Output::Relay(Some(log)).to_string();
        CreateOptions {
            terminal: options.terminal,
            stdin: options.stdin.to_string(),
            stderr: if options.terminal { String::new() } else { output.clone() },
            stdout: output,
            ..Default::default()
        }
    }

    pub(crate) fn exec_options(script: &str, terminal: bool) -> ExecOptions {
        let output = stdio::Output::Relay(None).to_string();
        ExecOptions {
            process: process(script, terminal).to_string().into_bytes(),
            terminal,
            stdin: Input::Relay { once: true }.to_string(),
            stderr: if terminal { String::new() } else { output.clone() },
            stdout: output,
        }
    }

    pub(crate) fn start(&self) -> u32 {
        self.shim().start("").unwrap()
    }

    /// Waits for the end of a process; its status.
    pub(crate) fn status(&self, exec_id: &str) -> u32 {
        match self.shim().wait(exec_id, DEADLINE) {
            Some(ExitNotice::Exited { status, .. }) => status,
            other => panic!("{other:?}"),
        }
    }

    /// A connection to all streams of a process.
    pub(crate) fn attach(&self, exec_id: &str) -> UnixStream {
        let streams = Streams { stdin: true, stdout: true, stderr: true };
        let header = AttachHeader { exec_id: exec_id.to_owned(), streams };
        let stream = self.shim().attach(&header).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Forgets the connection, as a daemon that dies does, and finds the shim again.
    pub(crate) fn reconnect(&mut self) {
        self.shim = None;
        self.shims = Shims::new().unwrap();
        self.shim = Some(self.shims.connect(&self.bundle, &self.id).unwrap());
    }

    /// What the log holds of one stream.
    pub(crate) fn logged(&self, stream: Stream) -> String {
        let reader =
            LogReader::open(Format::Local, &self.log_path(), &ReadOptions::default()).unwrap();
        let entries = reader.map(Result::unwrap).filter(|entry| entry.stream == stream);
        String::from_utf8(entries.flat_map(|entry| entry.line).collect()).unwrap()
    }

    /// `gantry-shim delete`, for a shim that is dead.
    pub(crate) fn delete(&self) -> Output {
        Command::new(binary())
            .args(["-namespace", "gantry", "-id", &self.id, "delete"])
            .current_dir(&self.bundle)
            .output()
            .unwrap()
    }

    pub(crate) fn shim_pid(&self) -> u32 {
        self.shim().identify().unwrap().shim_pid
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let Some(shim) = &self.shim else {
            return;
        };
        let pid = shim.identify().map(|answer| answer.shim_pid);
        shim.dismiss();
        match pid {
            Ok(pid) if !std::thread::panicking() => {
                poll(&format!("shim {pid} ends"), || !is_running(pid));
            }
            Ok(_) => {}
            // The test killed it; containerd does then what comes here.
            Err(_) => drop(self.delete()),
        }
        let cgroup = Path::new("/sys/fs/cgroup/pids").join(&self.id);
        assert!(std::thread::panicking() || !cgroup.exists(), "{} is left", cgroup.display());
    }
}

/// Whether a process is there and not a zombie.
pub(crate) fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// What `seq 1 last` prints.
pub(crate) fn numbers(last: u32) -> String {
    let mut text = String::new();
    for number in 1..=last {
        text.push_str(&number.to_string());
        text.push('\n');
    }
    text
}

pub(crate) fn poll(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !reached() {
        assert!(Instant::now() < deadline, "{what}: not reached in time");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// stdout and stderr of a connection, read to its end.
pub(crate) fn frames(mut stream: &UnixStream) -> (String, String) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut header = [0; 8];
    while read_whole(&mut stream, &mut header) {
        let [kind, 0, 0, 0, a, b, c, d] = header else { panic!("{header:?} is no header") };
        let mut data = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
        assert!(read_whole(&mut stream, &mut data), "a frame is torn");
        match kind {
            1 => stdout.extend(data),
            2 => stderr.extend(data),
            other => panic!("stream {other}"),
        }
    }
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn read_whole(stream: &mut impl Read, into: &mut [u8]) -> bool {
    let mut filled = 0;
    while filled < into.len() {
        match stream.read(&mut into[filled..]).unwrap() {
            0 => {
                assert_eq!(filled, 0, "the stream ends inside of something");
                return false;
            }
            length => filled += length,
        }
    }
    true
}

/// Reads until `wanted` has come; gives everything read.
pub(crate) fn read_until(mut stream: &UnixStream, wanted: &str) -> String {
    let mut text = String::new();
    let mut block = [0; 4096];
    while !text.contains(wanted) {
        let length = stream.read(&mut block).unwrap();
        assert!(length > 0, "{wanted:?} did not come, but {text:?}");
        text.push_str(&String::from_utf8_lossy(&block[..length]));
    }
    text
}
