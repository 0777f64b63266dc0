//! Compiled system call filters, which the shims of neighbouring bundles have in common.

use crate::bundle::Bundles;
use gantry_shim_protocol::task::CreateTaskRequest;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

/// Runs a container whose profile refuses `mkdir`; what became of its attempt.
fn run(bundles: &mut Bundles, name: &str) -> u32 {
    let refuse = |config: &mut Value| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
        });
    };
    let bundle = bundles.make(name, "mkdir /tmp/made && exit 9; exit 4", refuse);
    let id = bundles.id(name);
    let mut caller = bundles.start(name);
    let request = CreateTaskRequest {
        id: id.clone(),
        bundle: bundle.to_str().unwrap().to_owned(),
        ..Default::default()
    };
    caller.create(&request).unwrap();
    caller.start(&id, "").unwrap();
    let status = caller.wait(&id, "").unwrap();
    caller.delete(&id, "").unwrap();
    caller.shutdown(&id);
    status
}

#[test]
fn a_profile_is_compiled_once_for_all_and_a_damaged_filter_again() {
    let mut bundles = Bundles::new();
    let cache = bundles.path().join("state/.gantry-filters");
    let kept = || -> Vec<PathBuf> {
        fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    assert_eq!(run(&mut bundles, "first"), 4);
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    let [file] = &kept()[..] else { panic!("one filter") };
    let good = fs::read(file).unwrap();
    let number = || fs::metadata(file).unwrap().ino();
    let first = number();
    assert_eq!(run(&mut bundles, "second"), 4);
    assert_eq!(kept().len(), 1);
    assert_eq!(number(), first, "it was not written again");
    let mut damaged = good.clone();
    damaged.truncate(good.len() - 16);
    fs::write(file, &damaged).unwrap();
    assert_eq!(run(&mut bundles, "third"), 4);
    assert_eq!(fs::read(file).unwrap(), good);
    assert_ne!(number(), first, "it was written anew, beside the old one");
}
