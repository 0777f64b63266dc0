//! A managed plugin of the tests: a driver of volumes that mounts a tmpfs for each, in the root file system of the plugin, with what its
//! settings say in a file.

#![expect(clippy::disallowed_methods, reason = "a plugin is set up by its environment")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde_json::{Value, json};

const SOCKET: &str = "/run/docker/plugins/vol.sock";
const VOLUMES: &str = "/mnt/volumes";

fn main() {
    if let Ok(reason) = env::var("FAIL")
        && !reason.is_empty()
    {
        eprintln!("cannot go on: {reason}");
        std::process::exit(3);
    }
    fs::create_dir_all(VOLUMES).expect("make the folder of volumes");
    let mut users: BTreeMap<String, usize> = BTreeMap::new();
    for name in names() {
        users.insert(name, 0);
    }
    let served = gantry_e2e::plugin_socket::serve(Path::new(SOCKET), |method, question| {
        reply(method, question["Name"].as_str().unwrap_or_default(), &mut users)
    });
    served.expect("listen");
}

/// Those of earlier runs: their folders stay.
fn names() -> Vec<String> {
    let entries = fs::read_dir(VOLUMES).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn reply(method: &str, name: &str, users: &mut BTreeMap<String, usize>) -> Value {
    let path = format!("{VOLUMES}/{name}");
    match method {
        "VolumeDriver.Create" => {
            fs::create_dir_all(&path).expect("make a volume");
            users.entry(name.to_owned()).or_default();
            json!({"Err": ""})
        }
        "VolumeDriver.Mount" => {
            let count = users.entry(name.to_owned()).or_default();
            *count += 1;
            if *count == 1 {
                busybox(&["mount", "-t", "tmpfs", "shelf", &path]);
                let greeting = env::var("GREETING").unwrap_or_default();
                fs::write(format!("{path}/greeting"), greeting).expect("write the greeting");
            }
            json!({"Mountpoint": path, "Err": ""})
        }
        "VolumeDriver.Unmount" => {
            let count = users.entry(name.to_owned()).or_default();
            *count = count.saturating_sub(1);
            // What an earlier run of this program has mounted went with it.
            if *count == 0 && is_mounted(&path) {
                busybox(&["umount", &path]);
            }
            json!({"Err": ""})
        }
        "VolumeDriver.Remove" => {
            users.remove(name);
            fs::remove_dir(&path).unwrap_or(());
            json!({"Err": ""})
        }
        "VolumeDriver.Get" | "VolumeDriver.Path" if users.contains_key(name) => {
            let volume = json!({"Name": name, "Mountpoint": path});
            json!({"Volume": volume, "Mountpoint": path, "Err": ""})
        }
        "VolumeDriver.Capabilities" => json!({"Capabilities": {"Scope": "local"}}),
        // The test asks for it, to see the plugin run again.
        "VolumeDriver.List" => std::process::exit(1),
        _ => json!({"Err": format!("no such volume: {name}")}),
    }
}

fn is_mounted(path: &str) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(path))
}

fn busybox(words: &[&str]) {
    let status = Command::new("/bin/busybox").args(words).status().expect("run busybox");
    assert!(status.success(), "busybox {words:?}: {status}");
}
