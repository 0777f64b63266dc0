//! Containers whose ids are others on the host, by the daemon's setting and by their own: images, volumes and what is written keep the ids
//! that the container knows.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use gantry_testkit::{Daemon, Options, busybox, poll};

/// The arguments of a container with a mapping of its own.
const OWN: [&str; 5] = ["run", "--network", "none", "--userns", "map:100000"];

fn owners(path: &std::path::Path) -> (u32, u32) {
    let about = fs::symlink_metadata(path).unwrap();
    (about.uid(), about.gid())
}

/// Who a file of the container `ids` belongs to in an archive of it.
fn copied(daemon: &Daemon, path: &str) -> String {
    let archive = daemon.scratch("out.tar");
    // The archive's bytes are no text for the command line's output here.
    let raw = daemon.http("GET", &format!("/containers/ids/archive?path=/{path}"), b"");
    fs::write(&archive, &raw.body).unwrap();
    let listed =
        Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(&archive).output().unwrap();
    String::from_utf8_lossy(&listed.stdout).split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn ids_are_the_container_s_wherever_one_looks() {
    let daemon = Daemon::with_busybox();
    let ok = |words: &[&str]| daemon.ok(words);
    let script =
        "touch /own /v/f /etc/x && chown 1000:1001 /own /v/f && touch /ready && sleep 1000";
    let id =
        ok(&[&OWN[..], &["-d", "--name", "ids", "-v", "vol1:/v", "busybox", "sh", "-c", script]]
            .concat());
    poll("the files", || {
        (daemon.gantry(&["exec", "ids", "test", "-e", "/ready"]).run().code == 0).then_some(())
    });
    // Its root is none of the host's.
    let pid = daemon.inspect("ids")["State"]["Pid"].as_u64().unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Uid:\t100000\t100000\t100000\t100000"), "{status}");
    // What it sees, and what is on the disk.
    assert_eq!(
        ok(&["exec", "ids", "stat", "-c", "%u:%g", "/bin/busybox", "/own", "/v/f"]),
        "0:0\n1000:1001\n1000:1001"
    );
    assert_eq!(ok(&["exec", "-u", "app", "ids", "id", "-u"]), "1000");
    assert_eq!(owners(&daemon.data_root().join("rw").join(&id).join("u/own")), (1000, 1001));
    assert_eq!(owners(&daemon.data_root().join("volumes/vol1/_data/f")), (1000, 1001));
    ok(&["exec", "ids", "sh", "-c", "echo 192.0.2.1 more >> /etc/hosts"]);
    // Out and in, while it runs and while it does not.
    let scratch = daemon.scratch("files");
    fs::create_dir(&scratch).unwrap();
    fs::write(scratch.join("in"), "from outside").unwrap();
    let come = scratch.join("in");
    daemon.gantry(&["cp", "ids:/own", "-"]).run().exits(0);
    assert_eq!(copied(&daemon, "own"), "1000/1001");
    ok(&["cp", come.to_str().unwrap(), "ids:/in"]);
    assert_eq!(ok(&["exec", "ids", "stat", "-c", "%u:%g", "/in"]), "0:0");
    ok(&["stop", "-t", "0", "ids"]);
    assert_eq!(copied(&daemon, "own"), "1000/1001");
    ok(&["cp", come.to_str().unwrap(), "ids:/later"]);
    ok(&["start", "ids"]);
    assert_eq!(
        ok(&["exec", "ids", "stat", "-c", "%u:%g", "/own", "/in", "/later"]),
        "1000:1001\n0:0\n0:0"
    );
    // Others share the volume and what becomes of it, with the same ids.
    let changes = ok(&["diff", "ids"]);
    assert!(changes.contains("A /own") && changes.contains("A /in"), "{changes}");
    ok(&["commit", "ids", "made"]);
    let ls = ["stat", "-c", "%u:%g", "/own", "/v/f"];
    let run = |flags: &[&str]| {
        ok(&[&["run", "--rm", "--network", "none", "-v", "vol1:/v"], flags, &["made"], &ls]
            .concat())
    };
    assert_eq!(run(&[]), "1000:1001\n1000:1001");
    assert_eq!(run(&["--userns", "map:300000:70000"]), "1000:1001\n1000:1001");
    daemon.remove(&["ids"]);
}

#[test]
fn what_is_the_host_s_keeps_its_ids() {
    let daemon = Daemon::with_busybox();
    let host = daemon.scratch("host");
    fs::create_dir_all(&host).unwrap();
    fs::write(host.join("f"), "the host's").unwrap();
    let device = format!("device={}", host.display());
    daemon.ok(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "hosts"]);
    let script = "stat -c %u:%g /v/f; echo x >/v/new";
    let own = [&OWN[..], &["--rm", "-v", "hosts:/v", "busybox", "sh", "-c", script]].concat();
    let outcome = daemon.gantry(&own).run();
    // Its root is nobody there, whatever way leads to the host's files.
    assert_eq!(outcome.stdout.trim(), "65534:65534", "{outcome}");
    assert!(!host.join("new").exists(), "{outcome}");
    let image = ["--rm", "--mount", "type=image,src=busybox,dst=/image", "busybox", "true"];
    daemon.gantry(&[&OWN[..], &image].concat()).run().complains("with ids of its own");
    daemon.ok(&["volume", "rm", "hosts"]);
}

#[test]
fn what_is_copied_in_has_the_same_owner_whether_the_container_runs_or_not() {
    let daemon = Daemon::with_busybox();
    let (host, files) = (daemon.scratch("host"), daemon.scratch("files"));
    fs::create_dir(&host).unwrap();
    fs::create_dir(&files).unwrap();
    fs::write(files.join("f"), "from outside").unwrap();
    let bind = format!("{}:/b", host.display());
    let words = ["create", "--network", "none", "--userns", "map:100000", "--name", "ids"];
    let mounts = ["-v", &bind, "-v", "vol1:/v", "busybox", "sleep", "1000"];
    daemon.ok(&[&words[..], &mounts].concat());
    let upper = daemon.data_root().join("rw").join(daemon.ok(&["inspect", "-f", "{{.Id}}", "ids"]));
    for state in ["created", "running", "exited"] {
        match state {
            "running" => drop(daemon.ok(&["start", "ids"])),
            "exited" => drop(daemon.ok(&["kill", "ids"])),
            _ => {}
        }
        poll(state, || (daemon.inspect("ids")["State"]["Status"] == state).then_some(()));
        for folder in ["b", "tmp", "v"] {
            daemon.ok(&[
                "cp",
                files.join("f").to_str().unwrap(),
                &format!("ids:/{folder}/{state}"),
            ]);
            assert_eq!(copied(&daemon, &format!("{folder}/{state}")), "0/0", "{folder} {state}");
        }
        // The host's files belong to the container's root, and the container's own to root as it knows it.
        assert_eq!(owners(&host.join(state)), (100_000, 100_000), "{state}");
        let volume = daemon.data_root().join("volumes/vol1/_data");
        assert_eq!(owners(&volume.join(state)), (0, 0), "{state}");
        for path in ["b", "v", "tmp"].map(|name| upper.join("u").join(name)) {
            assert_eq!(owners(&path), (0, 0), "{}", path.display());
        }
        assert_eq!(owners(&upper.join("u/tmp").join(state)), (0, 0), "{state}");
    }
    daemon.remove(&["ids"]);
}

#[test]
fn what_shares_the_host_s_namespaces_is_refused() {
    let daemon = Daemon::with_busybox();
    for (flags, says) in [
        (&["--privileged"][..], "privileged mode is incompatible with user namespaces"),
        (&["--pid", "host"], "cannot share the host PID namespace"),
        (&["--ipc", "host"], "cannot share the host's IPC namespace"),
        (&["--uts", "host"], "cannot share the host's UTS namespace"),
    ] {
        daemon.gantry(&[&OWN[..], flags, &["busybox", "true"]].concat()).run().complains(says);
    }
    let bad = daemon.gantry(&["run", "--userns", "map:0", "busybox", "true"]).run();
    bad.exits(125).complains("invalid USER mode: map:0");
}

#[test]
fn the_daemon_s_mapping_is_for_all_who_do_not_say_host() {
    let flags = vec!["--userns-remap=map:200000:70000".to_owned()];
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    daemon.load(&busybox());
    let map = |flags: &[&str]| {
        let base = ["run", "--rm", "--network", "none"];
        let words = [&base[..], flags, &["busybox", "cat", "/proc/self/uid_map"]].concat();
        let text = daemon.docker(&words).run().success();
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(map(&[]), ["0", "200000", "70000"]);
    assert_eq!(map(&["--userns", "host"])[1], "0");
    assert_eq!(map(&["--userns", "host", "--privileged"])[1], "0");
    let info = daemon.docker(&["info", "-f", "{{json .SecurityOptions}}"]).run().success();
    assert!(info.contains("name=userns"), "{info}");
}

#[test]
fn a_user_without_subordinate_ids_is_told() {
    let flags = vec!["--userns-remap=nobody-has-this-name".to_owned()];
    let daemon = Daemon::prepare(Options { flags, ..Options::default() });
    let error = daemon.try_start().unwrap_err();
    assert!(error.contains("userns-remap") && error.contains("/etc/sub"), "{error}");
}
