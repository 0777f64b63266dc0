//! How a shim is started, and what it says about itself: flags, parameters in protobuf, `-v`, `-info`.

use crate::bundle::Bundles;
use crate::caller::{Caller, options, start, start_output};
use crate::container::{binary, is_running, poll};
use gantry_shim_protocol::bootstrap::{BootstrapParams, BootstrapResult, Extension};
use gantry_shim_protocol::info::{FEATURES_TYPE_URL, RuntimeInfo};
use gantry_shim_protocol::task::{CreateTaskRequest, RuncOptions};
use gantry_shim_protocol::wire::Message;
use gantry_shims::Shims;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs `start` in an empty bundle, checks that the answer is of use, and ends the shim.
fn check_start(flags: &[&str], stdin: &[u8], variables: &[(&str, &str)]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let output = start_output(directory.path(), flags, stdin, variables);
    assert!(output.status.success(), "{output:?}");
    let result = BootstrapResult::parse(&output.stdout).unwrap();
    assert_eq!(Path::new(result.socket_path()), directory.path().join("task.sock"));
    let shims = Shims::new().unwrap();
    let shim = shims.connect(directory.path(), "c1").unwrap();
    shim.shutdown().unwrap();
    poll("the sockets are gone", || fs::read_dir(&directory).unwrap().count() == 0);
    output.stdout
}

#[test]
fn every_version_of_containerd_gets_its_answer() {
    let flags = ["-namespace", "default", "-id", "c1", "-address", "/run/containerd.sock"];
    assert!(check_start(&flags, b"", &[]).starts_with(b"unix:///"));
    // 1.7 to 2.2 say that version 2 is the latest they understand.
    assert!(check_start(&flags, b"", &[("MAX_SHIM_VERSION", "2")]).starts_with(b"unix:///"));
    assert!(check_start(&flags, b"", &[("MAX_SHIM_VERSION", "3")]).starts_with(b"{"));
    let params = BootstrapParams {
        instance_id: "c1".to_owned(),
        namespace: "default".to_owned(),
        ..Default::default()
    };
    for flags in [&flags[..], &[]] {
        let answer = check_start(flags, &params.encode(), &[]);
        let result = BootstrapResult::decode(&answer).unwrap();
        assert_eq!((result.version, result.protocol.as_str()), (3, "ttrpc"));
    }
}

#[test]
fn parameters_that_make_no_sense_are_refused_and_leave_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let params = BootstrapParams { instance_id: "c1".to_owned(), ..Default::default() };
    let long = "x".repeat(300);
    let cases: [(&[&str], &[u8], &str); 6] = [
        (&[], b"", "-namespace is missing"),
        (&["-namespace", "n"], b"", "-id is missing"),
        (&["-namespace", "n", "-id", &long], b"", "longer than 255 bytes"),
        (&[], &params.encode(), "-namespace is missing"),
        (&["-namespace", "n", "-wrong", "x"], b"", "unknown flag"),
        (&["-namespace", "n", "-id", "c1"], &[0xff; 1 << 12], ""),
    ];
    for (flags, stdin, words) in cases {
        let output = start_output(directory.path(), flags, stdin, &[]);
        if words.is_empty() {
            // Noise on stdin is nobody's options.
            let result = BootstrapResult::parse(&output.stdout).unwrap();
            Caller::connect(Path::new(result.socket_path())).shutdown("c1");
            poll("it ends", || fs::read_dir(&directory).unwrap().count() == 0);
            continue;
        }
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(words), "{said}");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }
    fs::write(directory.path().join("config.json"), r#"{"io.containerd.runc.v2.group": "#).unwrap();
    let output = start_output(directory.path(), &["-namespace", "n", "-id", "c1"], b"", &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("config.json"), "{output:?}");
}

/// A cgroup that goes with the test.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> Self {
        let path = Path::new("/sys/fs/cgroup/pids").join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn pids(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.0.join("cgroup.procs")).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        poll("the cgroup is empty", || fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn the_shims_of_a_containerd_share_one_sealed_copy_of_the_program() {
    let mut bundles = Bundles::new();
    let mut programs = Vec::new();
    for name in ["a", "b", "c"] {
        let bundle = bundles.make(name, "exit 1", |_| {});
        if name == "b" {
            // Not every pid is a shim's: this one is the test's.
            fs::write(bundle.join("shim.pid"), std::process::id().to_string()).unwrap();
            continue;
        }
        let mut caller = bundles.start(name);
        let shim = caller.shim_pid(&bundles.id(name));
        let program = fs::File::open(format!("/proc/{shim}/exe")).unwrap();
        programs.push(program.metadata().unwrap().ino());
        assert!(
            rustix::fs::fcntl_get_seals(&program)
                .unwrap()
                .contains(rustix::fs::SealFlags::WRITE | rustix::fs::SealFlags::SEAL)
        );
    }
    assert_eq!(programs[0], programs[1]);
    for name in ["a", "c"] {
        let address = fs::read_to_string(bundles.bundle(name).join("address")).unwrap();
        let mut caller = Caller::connect(Path::new(address.strip_prefix("unix://").unwrap()));
        caller.shutdown(&bundles.id(name));
    }
}

#[test]
fn the_shim_may_have_a_cgroup_of_its_own() {
    let mut bundles = Bundles::new();
    let bundle = bundles.make("c", "exec sleep 100", |_| {});
    let id = bundles.id("c");
    let cgroup = Cgroup::new(&format!("{id}-shim"));
    let shim_cgroup = format!("/{id}-shim");
    let any = options(&RuncOptions { shim_cgroup: shim_cgroup.clone(), ..Default::default() });
    let flags = ["-namespace", "tests", "-id", &id];
    // By the options on stdin, and by those among the parameters.
    let params = BootstrapParams {
        instance_id: id.clone(),
        namespace: "tests".to_owned(),
        extensions: vec![Extension { value: Some(any.clone()) }],
        ..Default::default()
    };
    for stdin in [any.encode(), params.encode()] {
        let result = start(&bundle, &flags, &stdin, &[]);
        let mut caller = Caller::connect(Path::new(result.socket_path()));
        let shim = caller.shim_pid(&id);
        assert_eq!(cgroup.pids(), [shim]);
        caller.shutdown(&id);
        poll("the shim ends", || !is_running(shim));
    }
    let any = options(&RuncOptions { shim_cgroup: shim_cgroup + "/none", ..Default::default() });
    let output = start_output(&bundle, &flags, &any.encode(), &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("/none"), "{said}");
    assert!(!bundle.join("task.sock").exists() && !bundle.join("address").exists());
    bundles.expect_end_of(0);
}

#[test]
fn the_processs_pipes_may_belong_to_somebody() {
    let mut bundles = Bundles::new();
    let script = "for fd in 0 2; do stat -L -c %u:%g /proc/self/fd/$fd; done > /tmp/owners";
    let bundle = bundles.make("c", script, |config| {
        config["process"]["user"] = serde_json::json!({ "uid": 1234, "gid": 1234 });
    });
    let tmp = bundles.path().join("rootfs/tmp");
    fs::set_permissions(&tmp, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    std::os::unix::fs::symlink("busybox", bundles.path().join("rootfs/bin/stat")).unwrap();
    let stdin = bundle.join("in");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &stdin, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let mut caller = bundles.start("c");
    let file = |name: &str| format!("file://{}", bundle.join(name).display());
    let request = CreateTaskRequest {
        id: bundles.id("c"),
        bundle: bundle.to_str().unwrap().to_owned(),
        stdin: stdin.to_str().unwrap().to_owned(),
        stdout: file("out"),
        stderr: file("err"),
        options: Some(options(&RuncOptions { io_uid: 77, io_gid: 78, ..Default::default() })),
        ..Default::default()
    };
    assert_eq!(caller.run(&request), 0, "{:?}", fs::read_to_string(bundle.join("err")));
    let owners = fs::read_to_string(tmp.join("owners")).unwrap();
    // The runtime gives them to the container's user, as runc does; group as asked.
    assert_eq!(owners, "1234:78\n".repeat(2));
    caller.shutdown(&bundles.id("c"));
}

fn info(stdin: &[u8]) -> Output {
    let mut child = Command::new(binary())
        .arg("-info")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn it_tells_who_it_is() {
    let output = Command::new(binary()).arg("-v").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains(env!("CARGO_PKG_VERSION")));

    let own = RuntimeInfo::decode(&info(b"").stdout).unwrap();
    assert_eq!(own.name, "io.containerd.gantry.v2");
    assert_eq!(own.version.unwrap().version, env!("CARGO_PKG_VERSION"));
    let any = options(&RuncOptions { binary_name: "runc".to_owned(), ..Default::default() });
    let runc = RuntimeInfo::decode(&info(&any.encode()).stdout).unwrap();
    assert_eq!(runc.options, Some(any));
    for (who, features) in [("own", own.features), ("runc", runc.features)] {
        // runc 1.1 has the command, with fewer words.
        let features = features.unwrap_or_else(|| panic!("{who} has no features"));
        assert_eq!(features.type_url, FEATURES_TYPE_URL);
        let document: serde_json::Value = serde_json::from_slice(&features.value).unwrap();
        let options = document["mountOptions"].as_array().unwrap();
        assert!(options.iter().any(|option| option == "rbind"), "{who}: {document}");
    }
    let any = options(&RuncOptions { binary_name: "no-such".to_owned(), ..Default::default() });
    let output = info(&any.encode());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-such"), "{output:?}");
}
