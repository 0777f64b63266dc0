//! Volumes: their life by our commands and by Docker's, what containers see of them, and what is left of them when a
//! container or the daemon goes.

mod clients;

use std::fs;
use std::os::unix::fs::MetadataExt;

use gantry_testkit::{Daemon, Image, Layer, Tar, busybox};
use serde_json::json;

use crate::shared::{run, shared, unique};

/// busybox with content at `/data`, which is a volume.
fn with_content(name: &str) -> Image {
    let tar = Tar::new()
        .directory("data", 0o1770)
        .file("data/file", 0o640, b"of the image")
        .directory("data/dir", 0o755)
        .symlink("data/link", "file")
        .finish();
    let base = busybox();
    let mut config = base.config.clone();
    config["Volumes"] = json!({"/data": {}});
    let layers = [base.layers, vec![Layer { tar, gzip: false }]].concat();
    Image { name: format!("{name}:latest"), layers, config }
}

fn volumes() -> Vec<String> {
    shared().ok(&["volume", "ls", "-q"]).lines().map(str::to_owned).collect()
}

#[test]
fn a_life_in_commands() {
    let name = unique("life-volume");
    assert_eq!(shared().ok(&["volume", "create", "--label", "a=b", &name]), name);
    assert_eq!(shared().ok(&["volume", "create", &name]), name);
    let inspected =
        shared().ok(&["volume", "inspect", "-f", "{{.Driver}} {{.Scope}} {{.Labels.a}}", &name]);
    assert_eq!(inspected, "local local b");
    let mount = format!("{name}:/v");
    run(&["-v", &mount], &["sh", "-c", "echo kept >/v/file"]).exits(0);
    assert_eq!(run(&["-v", &mount], &["cat", "/v/file"]).success(), "kept");
    run(&["-v", &format!("{mount}:ro")], &["touch", "/v/no"]).exits(1).complains("Read-only");
    assert!(shared().ok(&["volume", "ls", "--filter", "label=a=b", "-q"]).contains(&name));
    let container = unique("life-user");
    shared().ok(&["create", "--name", &container, "-v", &mount, "busybox", "true"]);
    let id = shared().inspect(&container)["Id"].as_str().unwrap().to_owned();
    shared()
        .gantry(&["volume", "rm", &name])
        .run()
        .exits(1)
        .complains(&format!("remove {name}: volume is in use - [{id}]"));
    assert!(!shared().ok(&["volume", "ls", "-q", "--filter", "dangling=true"]).contains(&name));
    let point = &shared().inspect(&container)["Mounts"][0];
    for (key, value) in [("Type", "volume"), ("Name", &name), ("Driver", "local"), ("Mode", "z")] {
        assert_eq!(point[key], *value, "{point}");
    }
    assert_eq!(point["Destination"], "/v");
    assert!(point["Source"].as_str().unwrap().ends_with(&format!("volumes/{name}/_data")));
    shared().ok(&["rm", "-v", &container]);
    assert_eq!(shared().ok(&["volume", "rm", &name]), name);
    shared()
        .gantry(&["volume", "rm", &name])
        .run()
        .exits(1)
        .complains(&format!("get {name}: no such volume"));
    shared().ok(&["volume", "rm", "-f", &name]);
}

#[test]
fn an_empty_volume_takes_the_images_content() {
    let image = unique("content");
    shared().load(&with_content(&image));
    let name = unique("content-volume");
    let mount = format!("{name}:/data");
    let container = unique("content-user");
    // When it is made, not when it starts.
    shared().ok(&["create", "--name", &container, "-v", &mount, &image, "true"]);
    let path = shared().ok(&["volume", "inspect", "-f", "{{.Mountpoint}}", &name]);
    assert_eq!(fs::read_to_string(format!("{path}/file")).unwrap(), "of the image");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o1770);
    assert_eq!(fs::read_link(format!("{path}/link")).unwrap().to_str(), Some("file"));
    shared().ok(&["rm", &container]);
    let empty = unique("nocopy-volume");
    let words = [
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        &format!("{empty}:/data:nocopy"),
        &image,
        "ls",
        "/data",
    ];
    assert_eq!(shared().ok(&words), "");
    shared().ok(&["volume", "rm", &name, &empty]);
    shared().ok(&["rmi", &image]);
}

#[test]
fn nameless_volumes_go_with_rm_and_stay_otherwise() {
    let daemon = Daemon::with_busybox();
    daemon.load(&with_content("content"));
    let list = || daemon.ok(&["volume", "ls", "-q"]).lines().count();
    daemon.ok(&["run", "--rm", "--network", "none", "-v", "/more", "content", "cat", "/data/file"]);
    assert_eq!(list(), 0);
    daemon.ok(&["run", "--network", "none", "--name", "one", "-v", "/more", "content", "true"]);
    assert_eq!(list(), 2);
    daemon.ok(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--volumes-from",
        "one:ro",
        "--name",
        "two",
        "busybox",
        "cat",
        "/data/file",
    ]);
    assert_eq!(list(), 2);
    daemon
        .gantry(&[
            "run",
            "--rm",
            "--network",
            "none",
            "--volumes-from",
            "one:ro",
            "busybox",
            "touch",
            "/data/x",
        ])
        .run()
        .exits(1)
        .complains("Read-only");
    daemon.ok(&["rm", "one"]);
    assert_eq!(list(), 2);
    let pruned = daemon.ok(&["volume", "prune", "-f"]);
    assert!(
        pruned.starts_with("Deleted Volumes:\n") && pruned.contains("reclaimed space"),
        "{pruned}"
    );
    assert_eq!(list(), 0);
    daemon.ok(&["volume", "create", "named"]);
    daemon.ok(&["volume", "prune", "-f"]);
    assert_eq!(list(), 1);
    daemon.ok(&["volume", "prune", "-f", "-a"]);
    assert_eq!(list(), 0);
    daemon.ok(&["run", "--network", "none", "--name", "one", "content", "true"]);
    daemon.ok(&["rm", "-v", "one"]);
    assert_eq!(list(), 0);
}

#[test]
fn paths_within_a_volume() {
    let name = unique("sub-volume");
    let fill =
        "mkdir -p /v/a/b; echo sub >/v/a/b/file; ln -s /etc /v/out; ln -s ../../../etc /v/up";
    run(&["-v", &format!("{name}:/v")], &["sh", "-c", fill]).exits(0);
    let mount = |sub: &str| format!("type=volume,src={name},dst=/v,volume-subpath={sub}");
    assert_eq!(run(&["--mount", &mount("a/b")], &["cat", "/v/file"]).success(), "sub");
    for path in ["out", "up", "nothing"] {
        run(&["--mount", &mount(path)], &["true"])
            .exits(125)
            .plainly()
            .complains("cannot be used in the volume");
    }
    for path in ["/a", "../a"] {
        run(&["--mount", &mount(path)], &["true"]).exits(125).plainly().complains("subpath");
    }
    shared().ok(&["volume", "rm", &name]);
}

#[test]
fn an_image_is_a_folder_that_nobody_writes_to() {
    let image = unique("mounted");
    shared().load(&with_content(&image));
    let mount = format!("type=image,src={image},dst=/i");
    assert_eq!(run(&["--mount", &mount], &["cat", "/i/data/file"]).success(), "of the image");
    run(&["--mount", &mount], &["touch", "/i/x"]).exits(1).complains("Read-only");
    let below = format!("{mount},image-subpath=data");
    assert_eq!(run(&["--mount", &below], &["cat", "/i/link"]).success(), "of the image");
    run(&["--mount", "type=image,src=no-such,dst=/i"], &["true"]).exits(125).complains("no-such");
    shared().ok(&["rmi", &image]);
}

#[test]
fn options_are_mounted_while_somebody_uses_them() {
    let daemon = Daemon::with_busybox();
    let create = |name: &str, options: &[&str]| {
        let mut words = vec!["volume", "create"];
        words.extend(options.iter().flat_map(|option| ["-o", option]));
        words.push(name);
        daemon.gantry(&words).run()
    };
    create("mem", &["type=tmpfs", "device=tmpfs", "o=size=1m"]).exits(0);
    let mounted =
        || fs::read_to_string("/proc/self/mountinfo").unwrap().contains("volumes/mem/_data");
    assert!(!mounted());
    daemon.ok(&[
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "one",
        "-v",
        "mem:/m",
        "busybox",
        "sleep",
        "1000",
    ]);
    daemon.ok(&["exec", "one", "sh", "-c", "echo shared >/m/file"]);
    let cat = ["run", "--rm", "--network", "none", "-v", "mem:/m", "busybox", "cat", "/m/file"];
    assert_eq!(daemon.ok(&cat), "shared");
    daemon.kill();
    daemon.start_again();
    assert_eq!(daemon.ok(&cat), "shared");
    daemon.ok(&["rm", "-f", "one"]);
    assert!(!mounted());
    let folder = daemon.scratch("bound");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "of the host").unwrap();
    let device = format!("device={}", folder.display());
    create("bound", &["type=none", "o=bind", &device]).exits(0);
    let words = ["run", "--rm", "--network", "none", "-v", "bound:/m", "busybox", "cat", "/m/file"];
    assert_eq!(daemon.ok(&words), "of the host");
    create("bad", &["type=tmpfs"]).exits(1).complains("missing required option: \"device\"");
    create("bad", &["color=red"]).exits(1).complains("invalid option: \"color\"");
    create("a", &[]).exits(1).complains("volume name is too short");
}

#[test]
fn renamed_cloned_and_archived() {
    let daemon = Daemon::with_busybox();
    let on = |volume: &str, script: &str| {
        daemon.ok(&[
            "run",
            "--rm",
            "--network",
            "none",
            "-v",
            &format!("{volume}:/v"),
            "busybox",
            "sh",
            "-c",
            script,
        ])
    };
    on("data", "echo text >/v/file; chown 12:34 /v/file; ln /v/file /v/hard");
    daemon.ok(&[
        "create",
        "--name",
        "user",
        "--network",
        "none",
        "-v",
        "data:/v",
        "busybox",
        "cat",
        "/v/file",
    ]);
    daemon.ok(&["volume", "rename", "data", "new"]);
    assert_eq!(daemon.inspect("user")["Mounts"][0]["Name"], "new");
    assert_eq!(daemon.ok(&["start", "-a", "user"]), "text");
    daemon.ok(&[
        "run",
        "-d",
        "--name",
        "runs",
        "--network",
        "none",
        "-v",
        "new:/v",
        "busybox",
        "sleep",
        "1000",
    ]);
    daemon.gantry(&["volume", "rename", "new", "other"]).run().exits(1).complains("in use");
    let update = ["volume", "update", "--availability", "drain"];
    let updated = |name| daemon.gantry(&[&update[..], &[name]].concat()).run();
    updated("new").exits(1).complains("Can only update cluster volumes");
    updated("data").exits(1).complains("no such volume");
    daemon.ok(&["volume", "clone", "new", "copy"]);
    assert_eq!(on("copy", "cat /v/hard; stat -c '%u %g %h' /v/file"), "text\n12 34 2");
    let archive = daemon.scratch("volume.tar");
    daemon.ok(&["volume", "export", "-o", archive.to_str().unwrap(), "new"]);
    daemon.ok(&["volume", "import", "back", archive.to_str().unwrap()]);
    assert_eq!(on("back", "cat /v/file; stat -c '%u %g' /v/file"), "text\n12 34");
    daemon
        .gantry(&["volume", "import", "back", archive.to_str().unwrap()])
        .run()
        .exits(1)
        .complains("exists already");
    daemon
        .gantry(&["volume", "import", "broken", "-"])
        .input("no archive".repeat(100))
        .run()
        .exits(1);
    assert!(!daemon.ok(&["volume", "ls", "-q"]).contains("broken"));
    daemon.ok(&["rm", "-f", "runs"]);
}

#[test]
fn the_docker_command_line() {
    let name = unique("docker-volume");
    let docker = |words: &[&str]| shared().docker(words).run();
    docker(&["volume", "create", "--label", "x=y", &name]).exits(0).prints(&format!("{name}\n"));
    docker(&["volume", "inspect", "-f", "{{.Name}} {{.Driver}} {{.Labels.x}}", &name])
        .exits(0)
        .prints(&format!("{name} local y\n"));
    let mount = format!("{name}:/v");
    docker(&["run", "--rm", "--network", "none", "-v", &mount, "busybox", "touch", "/v/f"])
        .exits(0);
    assert!(docker(&["volume", "ls"]).success().contains(&name));
    docker(&["volume", "rm", &name]).exits(0).prints(&format!("{name}\n"));
    docker(&["volume", "inspect", &name]).exits(1).complains("no such volume");
    assert!(!volumes().contains(&name));
    assert!(docker(&["system", "df", "-v"]).success().contains("VOLUME NAME"));
}

#[test]
fn a_daemon_that_dies_while_it_fills_a_volume() {
    let daemon = Daemon::start();
    let mut tar = Tar::new().directory("data", 0o755);
    for number in 0..2000 {
        tar = tar.file(&format!("data/{number}"), 0o644, &[7; 3000]);
    }
    let base = busybox();
    let layers = [base.layers.clone(), vec![Layer { tar: tar.finish(), gzip: false }]].concat();
    daemon.load(&Image { name: "big:latest".to_owned(), layers, ..base });
    let path = daemon.data_root().join("volumes/filled/_data");
    let count = || fs::read_dir(&path).map_or(0, Iterator::count);
    let mut seen = std::collections::BTreeSet::new();
    for moment in [10, 20, 30, 40, 50, 60, 80, 100, 130, 170] {
        let words = ["create", "--name", "user", "-v", "filled:/data", "big", "true"];
        let client = daemon.gantry(&words).spawn();
        // Not a wait for a state: the moment of the kill is what varies.
        std::thread::sleep(std::time::Duration::from_millis(moment));
        daemon.kill();
        client.wait();
        daemon.start_again();
        let after = count();
        assert!(after == 0 || after == 2000, "{after} files after {moment} ms");
        seen.insert(after);
        daemon.gantry(&["rm", "user"]).run();
        daemon.ok(&words);
        assert_eq!(count(), 2000, "not filled again after {moment} ms");
        daemon.ok(&["rm", "user"]);
        daemon.ok(&["volume", "rm", "filled"]);
    }
    assert!(seen.contains(&0), "no kill came before the end of a filling");
}
