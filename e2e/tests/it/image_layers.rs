//! `image layers`: figures, files, and the view on a terminal.

use gantry_testkit::{Daemon, Dockerd, Image, Layer, Tar};
use serde_json::{Value, json};

/// Three layers, of which the upper ones replace, remove and hide.
fn sample() -> Image {
    let base = Tar::new()
        .directory("etc/", 0o755)
        .file("etc/config", 0o644, &[b'x'; 1000])
        .file("etc/kept", 0o644, &[b'x'; 10])
        .directory("var/", 0o755)
        .directory("var/cache/", 0o755)
        .file("var/cache/big", 0o644, &vec![b'x'; 50_000])
        .file("var/cache/other", 0o644, &[b'x'; 500]);
    let upper = Tar::new()
        .directory("etc/", 0o755)
        .file("etc/config", 0o600, &[b'y'; 2000])
        .directory("var/", 0o755)
        .file("var/.wh.cache", 0o644, b"");
    let top = Tar::new().file("bin-new", 0o4755, &[b'z'; 7]).file("etc/.wh.kept", 0o644, b"");
    let layer = |tar: Tar| Layer { tar: tar.finish(), gzip: true };
    Image {
        name: "layered:1".to_owned(),
        layers: vec![layer(base), layer(upper), layer(top)],
        config: json!({ "Cmd": ["true"] }),
    }
}

fn daemon() -> Daemon {
    let daemon = Daemon::start();
    daemon.load(&sample());
    daemon
}

#[test]
fn figures() {
    let daemon = daemon();
    let format = "{{.Layer}} {{.Size}} {{.Added}} {{.Changed}} {{.Removed}} {{.RemovedSize}} {{.Wasted}} {{.WastedFiles}}";
    assert_eq!(
        daemon.ok(&["image", "layers", "--format", format, "layered:1"]),
        "1 51.5kB 4 0 0 0B 51.5kB 4\n2 2kB 0 1 2 50.5kB 0B 0\n3 7B 1 0 1 10B 0B 0"
    );
    let table = daemon.ok(&["image", "layers", "layered:1"]);
    assert!(table.starts_with("LAYER     ID             SIZE"), "{table}");
    assert!(table.contains("testkit"), "the step that made it: {table}");
    assert!(table.ends_with("\n\n3 layers, 53.5kB, 51.5kB wasted (96.2%)"), "{table}");

    let document: Value =
        serde_json::from_str(&daemon.ok(&["image", "layers", "--json", "layered:1"])).unwrap();
    assert_eq!(document["Id"], sample().id());
    assert_eq!(document["RepoTags"], json!(["layered:1"]));
    assert_eq!(document["Layers"][0]["Wasted"], json!({ "Files": 4, "Bytes": 51_510 }));
    assert_eq!(document["Layers"][1]["Removed"], json!({ "Files": 2, "Bytes": 50_500 }));
}

#[test]
fn the_files_of_one_layer() {
    let daemon = daemon();
    let lines = |layer: &str| daemon.ok(&["image", "layers", "--layer", layer, "layered:1"]);
    assert_eq!(
        lines("1"),
        "A  drwxr-xr-x          etc/\n\
         A* -rw-r--r--     1kB    config\n\
         A* -rw-r--r--     10B    kept\n\
         A  drwxr-xr-x          var/\n\
         A* drwxr-xr-x            cache/\n\
         A* -rw-r--r--    50kB      big\n\
         A* -rw-r--r--    500B      other"
    );
    assert_eq!(
        lines("2"),
        "C  drwxr-xr-x          etc/\n\
         C  -rw-------     2kB    config\n\
         C  drwxr-xr-x          var/\n\
         D  drwxr-xr-x  50.5kB    cache/"
    );
    let top = lines("3");
    assert!(top.contains("A  -rwsr-xr-x      7B  bin-new\n"), "{top}");
    assert!(top.ends_with("D  -rw-r--r--     10B    kept"), "{top}");
    for layer in ["0", "4"] {
        daemon
            .gantry(&["image", "layers", "--layer", layer, "layered:1"])
            .run()
            .exits(1)
            .complains(&format!("has no layer {layer}: they are numbered from 1 to 3"))
            .plainly();
    }
    daemon.gantry(&["image", "layers", "none"]).run().exits(1).complains("No such image: none");
}

#[test]
fn on_a_terminal() {
    let daemon = daemon();
    daemon
        .gantry(&["image", "layers", "-i", "layered:1"])
        .run()
        .exits(1)
        .complains("needs a terminal");
    let mut terminal = daemon.gantry(&["image", "layers", "-i", "layered:1"]).terminal(24, 100);
    terminal.expect("layered:1  3 layers, 53.5kB");
    terminal.expect("FILES OF LAYER 1");
    terminal.expect("etc/ …");
    terminal.expect("q quit");
    assert_ne!(
        terminal.modes().local_modes,
        terminal.modes_before().local_modes,
        "keys come one by one"
    );
    // The second layer, its files, the one directory with something in it.
    terminal.send("\x1b[B");
    terminal.expect("FILES OF LAYER 2");
    terminal.expect("var/ …");
    terminal.send("\t\x1b[C");
    terminal.expect("C  -rw-------     2kB    config");
    terminal.send("/cach");
    terminal.expect("D  drwxr-xr-x  50.5kB    cache/");
    terminal.expect("filter: cach_");
    terminal.send("\r");
    terminal.expect("filter: cach  Esc clear");
    terminal.resize(10, 60);
    terminal.expect("layered:1  3 layers");
    terminal.send("\x1bq");
    assert_eq!(terminal.wait(), 0);
    assert!(terminal.screen().ends_with("\x1b[?1049l"), "the old screen is back");
    assert_eq!(terminal.modes().local_modes, terminal.modes_before().local_modes);
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let daemon = daemon();
    let mut terminal = daemon.gantry(&["image", "layers", "-i", "layered:1"]).terminal(24, 100);
    terminal.expect("q quit");
    // setsid(1) became the program by exec.
    let pid = rustix::process::Pid::from_raw(i32::try_from(terminal.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(terminal.wait(), 143);
    assert!(terminal.screen().ends_with("\x1b[?1049l"));
    assert_eq!(terminal.modes().local_modes, terminal.modes_before().local_modes);
}

#[test]
fn an_image_that_docker_made() {
    let (dockerd, daemon) = (Dockerd::start(), Daemon::start());
    let script = "echo changed > /etc/passwd; rm /bin/vi; mkdir /new; echo text > /new/file";
    dockerd.ok(&["run", "--name", "maker", "--net", "none", "busybox", "sh", "-c", script]);
    dockerd.ok(&["commit", "-m", "by docker", "maker", "made:1"]);
    let archive = dockerd.enclosure().folder().join("made.tar");
    dockerd.ok(&["save", "-o", &archive.to_string_lossy(), "made:1"]);
    daemon.ok(&["load", "-q", "-i", &archive.to_string_lossy()]);
    dockerd.ok(&["rm", "maker"]);
    let files = daemon.ok(&["image", "layers", "--layer", "2", "made:1"]);
    let has = |mark: &str, name: &str| {
        assert!(
            files.lines().any(|line| line.starts_with(mark) && line.ends_with(name)),
            "{files}"
        );
    };
    has("C", " passwd");
    has("D", " vi");
    has("A", " new/");
    has("A", " file");
}
