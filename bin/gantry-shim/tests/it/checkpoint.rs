//! Checkpoint, and Create from a checkpoint, with a fake criu: the kernels that tests run on may be newer than the real one knows.

use crate::bundle::Bundles;
use crate::caller::Caller;
use crate::container::poll;
use gantry_shim_protocol::rpc::{Any, Code, Empty};
use gantry_shim_protocol::task::{
    CHECKPOINT_OPTIONS_TYPE_URL, CheckpointOptions, CheckpointTaskRequest, CreateTaskRequest,
    TaskStatus,
};
use gantry_shim_protocol::wire::Message;
use gantry_types::Signal;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const FAKE: &str = include_str!("../../../gantry-runc/tests/it/checkpoint/fake_criu.py");

struct Rig {
    bundles: Bundles,
    caller: Caller,
    id: String,
    images: PathBuf,
}

/// A container that waits for nothing, and a shim that finds a fake criu.
fn rig() -> Rig {
    let mut bundles = Bundles::new();
    let programs = bundles.path().join("programs");
    fs::create_dir(&programs).unwrap();
    fs::write(programs.join("criu"), FAKE).unwrap();
    fs::write(programs.join("manner"), "good").unwrap();
    fs::set_permissions(programs.join("criu"), fs::Permissions::from_mode(0o755)).unwrap();
    bundles.make("c", "exec sleep 1000", |config| {
        let both = json!(["CAP_CHOWN", "CAP_KILL"]);
        config["process"]["capabilities"] =
            json!({"bounding": both, "effective": both, "permitted": both});
    });
    let id = bundles.id("c");
    let address = bundles.path().join("c.sock");
    let flags = ["-namespace", "tests", "-address", address.to_str().unwrap(), "-id", &id];
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let started = crate::caller::start(&bundles.bundle("c"), &flags, b"", &[("PATH", &path)]);
    let mut caller = Caller::connect(Path::new(started.socket_path()));
    bundles.expect_end_of(caller.shim_pid(&id));
    let images = bundles.path().join("images");
    Rig { bundles, caller, id, images }
}

impl Rig {
    fn create(&mut self, checkpoint: &Path) -> u32 {
        let request = CreateTaskRequest {
            id: self.id.clone(),
            bundle: self.bundles.bundle("c").to_str().unwrap().to_owned(),
            checkpoint: checkpoint.to_str().unwrap().to_owned(),
            stdout: format!("file://{}", self.output().display()),
            ..Default::default()
        };
        self.caller.create(&request).unwrap()
    }

    fn output(&self) -> PathBuf {
        self.bundles.path().join("output")
    }

    fn request(&self, options: &CheckpointOptions) -> CheckpointTaskRequest {
        let type_url = CHECKPOINT_OPTIONS_TYPE_URL.to_owned();
        CheckpointTaskRequest {
            id: self.id.clone(),
            path: self.images.to_str().unwrap().to_owned(),
            options: Some(Any { type_url, value: options.encode() }),
        }
    }

    fn end(mut self) {
        drop(self.caller.kill(&self.id, "", Signal::KILL.as_raw().unsigned_abs()));
        self.caller.wait(&self.id, "").unwrap();
        self.caller.delete(&self.id, "").unwrap();
        self.caller.shutdown(&self.id);
    }
}

#[test]
fn a_task_is_written_and_runs_on_or_ends_with_a_fake_criu() {
    let mut rig = rig();
    rig.create(Path::new(""));
    let too_early = rig.request(&CheckpointOptions::default());
    assert_eq!(rig.caller.refusal("Checkpoint", &too_early).0, Code::FailedPrecondition);
    rig.caller.start(&rig.id.clone(), "").unwrap();
    let options = CheckpointOptions { terminal: true, ..Default::default() };
    let request = rig.request(&options);
    let _: Empty = rig.caller.call("Checkpoint", &request).unwrap();
    assert_eq!(rig.caller.state(&rig.id.clone(), "").unwrap().status, TaskStatus::Running);
    let told = fs::read_to_string(rig.images.join("request.json")).unwrap();
    assert!(told.contains("\"leave_running\": 1") && told.contains("\"shell_job\": 1"), "{told}");

    let request = rig.request(&CheckpointOptions { exit: true, ..Default::default() });
    let _: Empty = rig.caller.call("Checkpoint", &request).unwrap();
    assert_eq!(rig.caller.wait(&rig.id.clone(), "").unwrap(), 137);
    rig.end();
}

#[test]
fn a_task_is_restored_when_it_is_started_with_a_fake_criu() {
    let mut rig = rig();
    fs::create_dir(&rig.images).unwrap();
    fs::write(rig.images.join("inventory.img"), "x").unwrap();
    let (images, id) = (rig.images.clone(), rig.id.clone());
    let ran = rig.bundles.path().join("rootfs/tmp/ran");
    assert_eq!(rig.create(&images), 0);
    assert_eq!(rig.caller.state(&id, "").unwrap().status, TaskStatus::Created);
    assert!(!ran.exists());
    // What was refused can be tried again.
    let manner = rig.bundles.path().join("programs/manner");
    fs::write(&manner, "capabilities").unwrap();
    let refused = rig.caller.start(&id, "").unwrap_err();
    assert!(refused.message.contains("does not fit the bundle"), "{}", refused.message);
    fs::write(&manner, "good").unwrap();
    let pid = rig.caller.start(&id, "").unwrap();
    assert!(pid > 0);
    poll("the restored program runs", || ran.exists());
    let state = rig.caller.state(&id, "").unwrap();
    assert_eq!((state.status, state.pid), (TaskStatus::Running, pid));
    rig.end();
}

#[test]
fn wrong_checkpoints_are_named() {
    let mut rig = rig();
    rig.create(Path::new(""));
    rig.caller.start(&rig.id.clone(), "").unwrap();
    for (options, words) in [
        (CheckpointOptions { cgroups_mode: "hard".into(), ..Default::default() }, "cgroups mode"),
        (
            CheckpointOptions { empty_namespaces: vec!["pid".into()], ..Default::default() },
            "network's alone",
        ),
        (CheckpointOptions { work_path: "here".into(), ..Default::default() }, "not absolute"),
    ] {
        let request = rig.request(&options);
        let (code, message) = rig.caller.refusal("Checkpoint", &request);
        assert_eq!(code, Code::InvalidArgument);
        assert!(message.contains(words), "{message}");
    }
    rig.end();
}

/// In the virtual machine of `e2e/vm`, whose kernel criu knows, this variable says that it must work.
const MUST_WORK: &str = "GANTRY_TEST_CRIU_WORKS";

#[test]
fn the_real_criu_writes_a_task_and_restores_it_or_says_why_it_cannot() {
    let mut bundles = Bundles::new();
    let count = "i=0; while :; do i=$((i+1)); echo $i >/tmp/n; sleep 0.05; done";
    bundles.make("c", count, |_| {});
    let (id, images) = (bundles.id("c"), bundles.path().join("images"));
    let caller = bundles.start("c");
    let mut rig = Rig { bundles, caller, id: id.clone(), images: images.clone() };
    let file = rig.bundles.path().join("rootfs/tmp/n");
    let counted = || -> u64 {
        fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    rig.create(Path::new(""));
    rig.caller.start(&id, "").unwrap();
    poll("it counts", || counted() > 3);
    let request = rig.request(&CheckpointOptions { exit: true, ..Default::default() });
    let written: Result<Empty, _> = rig.caller.call("Checkpoint", &request);
    if let Err(refusal) = written {
        let words = refusal.message;
        let told = ["this version does not know this kernel", "criu check", "install the package"];
        assert!(told.iter().any(|advice| words.contains(advice)), "{words}");
        assert!(std::env::var_os(MUST_WORK).is_none(), "{words}");
        let before = counted();
        poll("it goes on as before", || counted() > before);
        return rig.end();
    }
    assert_eq!(rig.caller.wait(&id, ""), Ok(137));
    assert_eq!(rig.caller.delete(&id, ""), Ok(137));
    let before = counted();
    assert_eq!(rig.create(&images), 0);
    rig.caller.start(&id, "").unwrap();
    poll("it goes on where it was", || counted() > before);
    assert!(counted() < before + 1000, "it began again");
    rig.end();
}
