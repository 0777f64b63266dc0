//! Managed plugins: a real driver of volumes in a root file system of its own, made, set, used, killed, pushed and installed.

mod kinds;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_testkit::{Daemon, Options, Registry, poll};
use serde_json::{Value, json};

/// The plugin's program, and what runs beside it.
const PROGRAM: &str = env!("CARGO_BIN_EXE_volume-plugin");

fn config() -> Value {
    json!({
        "description": "volumes in memory",
        "entrypoint": ["/volume-plugin"],
        "interface": {"types": ["docker.volumedriver/1.0"], "socket": "vol.sock"},
        "env": [
            {"name": "GREETING", "value": "hello", "settable": ["value"]},
            {"name": "FAIL", "value": "", "settable": ["value"]},
            {"name": "FIXED", "value": "1"},
        ],
        "linux": {"capabilities": ["CAP_SYS_ADMIN"]},
        "network": {"type": "none"},
        "propagatedMount": "/mnt/volumes",
    })
}

/// A folder as `plugin create` takes it.
fn data(daemon: &Daemon, name: &str, config: &Value) -> PathBuf {
    let programs = [("/bin/busybox", "bin/busybox"), (PROGRAM, "volume-plugin")];
    data_with(daemon, name, (config, &programs))
}

/// The same with these programs of the host's, each with its place in the plugin.
fn data_with(
    daemon: &Daemon,
    name: &str,
    (config, programs): (&Value, &[(&str, &str)]),
) -> PathBuf {
    let folder = daemon.scratch(name);
    let rootfs = folder.join("rootfs");
    let bring = |path: &Path, to: &Path| {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    };
    for (program, place) in programs {
        bring(Path::new(program), &rootfs.join(place));
        // A static one needs none.
        let needed = Command::new("ldd").arg(program).output().unwrap();
        let needed = String::from_utf8_lossy(&needed.stdout).into_owned();
        for word in needed.split_whitespace().filter(|it| it.starts_with('/')) {
            bring(Path::new(word), &rootfs.join(word.trim_start_matches('/')));
        }
    }
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    folder
}

fn inspect(daemon: &Daemon, name: &str) -> Value {
    serde_json::from_str(&daemon.ok(&["plugin", "inspect", "-f", "json", name])).unwrap()
}

const CAT: [&str; 8] = ["run", "--rm", "--network", "none", "-v", "vol1:/v", "busybox", "cat"];

#[test]
fn a_plugin_keeps_volumes_while_it_is_enabled() {
    let daemon = Daemon::with_busybox();
    let data = data(&daemon, "data", &config());
    assert_eq!(daemon.ok(&["plugin", "create", "team/vol", data.to_str().unwrap()]), "team/vol");
    let twice =
        daemon.gantry(&["plugin", "create", "team/vol:latest", data.to_str().unwrap()]).run();
    twice.exits(1).complains("plugin \"team/vol:latest\" already exists");
    let volume = daemon.gantry(&["volume", "create", "-d", "team/vol", "vol1"]).run();
    volume.exits(1).complains("plugin \"team/vol:latest\" not found");
    daemon.ok(&["plugin", "set", "team/vol", "GREETING=good day"]);
    let fixed = daemon.gantry(&["plugin", "set", "team/vol", "FIXED=2"]).run();
    fixed.exits(1).complains("not settable");
    daemon.ok(&["plugin", "enable", "team/vol"]);
    let listed = daemon.ok(&[
        "plugin",
        "ls",
        "--format",
        "{{.Name}} {{.Enabled}}",
        "-f",
        "capability=volumedriver",
    ]);
    assert_eq!(listed, "team/vol:latest true");
    assert_eq!(daemon.ok(&["plugin", "ls", "-q", "-f", "enabled=false"]), "");
    daemon.ok(&["volume", "create", "-d", "team/vol", "vol1"]);
    assert_eq!(
        daemon.ok(&["volume", "ls", "--format", "{{.Driver}}", "-f", "name=vol1"]),
        "team/vol:latest"
    );
    assert_eq!(daemon.ok(&[&CAT[..], &["/v/greeting"]].concat()), "good day");
    // Who is in use stays.
    for words in [&["plugin", "disable", "team/vol"][..], &["plugin", "rm", "team/vol"]] {
        daemon.gantry(words).run().exits(1);
    }
    let used = daemon.gantry(&["plugin", "disable", "team/vol"]).run();
    used.complains("plugin \"team/vol:latest\" is in use by volume vol1");
    daemon.ok(&["volume", "rm", "vol1"]);
    daemon.ok(&["plugin", "disable", "team/vol"]);
    assert_eq!(daemon.ok(&["plugin", "rm", "team/vol"]), "team/vol");
    assert_eq!(daemon.ok(&["plugin", "ls", "-q"]), "");
    leaves_nothing(&daemon);
}

/// No files, mounts or processes of plugins.
fn leaves_nothing(daemon: &Daemon) {
    let entries = |path: PathBuf| fs::read_dir(path).map_or(0, Iterator::count);
    assert_eq!(entries(daemon.data_root().join("plugins")), 0);
    assert_eq!(entries(daemon.exec_root().join("plugins")), 0);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let own = daemon.data_root().join("plugins");
    assert!(!mounts.contains(own.to_str().unwrap()), "{mounts}");
}

#[test]
fn a_plugin_that_ends_runs_again_and_so_it_does_with_the_next_daemon() {
    let daemon = Daemon::with_busybox();
    let data = data(&daemon, "data", &config());
    daemon.ok(&["plugin", "create", "vol", data.to_str().unwrap()]);
    daemon.ok(&["plugin", "enable", "vol"]);
    let id = inspect(&daemon, "vol")[0]["Id"].as_str().unwrap().to_owned();
    let pid = || poll("the plugin to run", || plugin_pid(&id));
    let first = pid();
    kill(first);
    poll("another run", || plugin_pid(&id).filter(|pid| *pid != first));
    // It listens a moment later.
    poll("a volume", || {
        (daemon.gantry(&["volume", "create", "-d", "vol", "vol1"]).run().code == 0).then_some(())
    });
    assert_eq!(daemon.ok(&[&CAT[..], &["/v/greeting"]].concat()), "hello");
    // It goes on without the daemon, and the next one finds it.
    let running = pid();
    daemon.stop();
    daemon.start_again();
    assert_eq!(pid(), running);
    assert_eq!(daemon.ok(&[&CAT[..], &["/v/greeting"]].concat()), "hello");
    // Killed while no daemon is there, it is started by the next one.
    daemon.kill();
    kill(running);
    daemon.start_again();
    assert_ne!(pid(), running);
    assert_eq!(daemon.ok(&[&CAT[..], &["/v/greeting"]].concat()), "hello");
    daemon.ok(&["plugin", "rm", "-f", "vol"]);
    leaves_nothing(&daemon);
}

/// The process of a plugin: its cgroup says whose it is.
fn plugin_pid(id: &str) -> Option<u32> {
    process_of(id, "volume-plugin")
}

fn process_of(id: &str, program: &str) -> Option<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| {
        let read =
            |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        read("cgroup").contains(id) && read("comm").starts_with(program)
    })
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn one_that_cannot_start_with_the_daemon_does_so_later() {
    let daemon = Daemon::start();
    let data = data(&daemon, "data", &config());
    daemon.ok(&["plugin", "create", "vol", data.to_str().unwrap()]);
    daemon.ok(&["plugin", "enable", "vol"]);
    let id = inspect(&daemon, "vol")[0]["Id"].as_str().unwrap().to_owned();
    let running = poll("the plugin to run", || plugin_pid(&id));
    daemon.kill();
    kill(running);
    let program = daemon.data_root().join("plugins").join(&id).join("rootfs/volume-plugin");
    let away = program.with_extension("away");
    fs::rename(&program, &away).unwrap();
    daemon.start_again();
    assert_eq!(plugin_pid(&id), None);
    fs::rename(&away, &program).unwrap();
    poll("a volume", || {
        (daemon.gantry(&["volume", "create", "-d", "vol", "vol1"]).run().code == 0).then_some(())
    });
    daemon.ok(&["volume", "rm", "vol1"]);
    daemon.ok(&["plugin", "rm", "-f", "vol"]);
    leaves_nothing(&daemon);
}

#[test]
fn one_that_was_being_disabled_is_ended_by_the_next_daemon() {
    let environment = vec![("GANTRY_FAIL_AT".to_owned(), "die:plugin-disabled".to_owned())];
    let daemon = Daemon::start_with(Options { environment, ..Options::default() });
    let data = data(&daemon, "data", &config());
    daemon.ok(&["plugin", "create", "vol", data.to_str().unwrap()]);
    daemon.ok(&["plugin", "enable", "vol"]);
    let id = inspect(&daemon, "vol")[0]["Id"].as_str().unwrap().to_owned();
    assert_ne!(daemon.gantry(&["plugin", "disable", "vol"]).run().code, 0);
    daemon.kill();
    assert!(plugin_pid(&id).is_some(), "it goes on without the daemon");
    daemon.start_again();
    assert_eq!(inspect(&daemon, "vol")[0]["Enabled"], false);
    assert_eq!(plugin_pid(&id), None);
    daemon.ok(&["plugin", "rm", "vol"]);
    leaves_nothing(&daemon);
}

#[test]
fn one_that_hangs_when_it_starts_again_can_be_ended() {
    let daemon = Daemon::start();
    let data = data(&daemon, "data", &config());
    daemon.ok(&["plugin", "create", "vol", data.to_str().unwrap()]);
    // It may take as long as it wants.
    let path = format!("/plugins/vol/enable?timeout={}", u64::MAX);
    assert_eq!(daemon.http("POST", &path, &[]).status, 200);
    let id = inspect(&daemon, "vol")[0]["Id"].as_str().unwrap().to_owned();
    let running = poll("the plugin to run", || plugin_pid(&id));
    let program = daemon.data_root().join("plugins").join(&id).join("rootfs/volume-plugin");
    fs::remove_file(&program).unwrap();
    fs::write(&program, "#!/bin/busybox sh\nexec /bin/busybox sleep 1000\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    kill(running);
    poll("the next run", || process_of(&id, "busybox"));
    // Only by force: nobody else knows whether it will be needed.
    daemon.gantry(&["plugin", "disable", "vol"]).run().exits(1);
    daemon.ok(&["plugin", "disable", "-f", "vol"]);
    assert_eq!(process_of(&id, "busybox"), None);
    daemon.ok(&["plugin", "rm", "vol"]);
    leaves_nothing(&daemon);
}

#[test]
fn drivers_of_our_own_have_their_names() {
    let daemon = Daemon::with_busybox();
    let data = data(&daemon, "data", &config());
    daemon.ok(&["plugin", "create", "local", data.to_str().unwrap()]);
    for words in [&["volume", "create", "plain"][..], &["volume", "create", "-d", "local", "named"]]
    {
        daemon.ok(words);
    }
    let run = ["run", "--rm", "--network", "none", "-v", "plain:/v", "busybox", "true"];
    daemon.ok(&run);
    let drivers = daemon.ok(&["volume", "ls", "--format", "{{.Name}} {{.Driver}}"]);
    assert_eq!(drivers, "named local\nplain local");
    daemon.ok(&["volume", "rm", "plain", "named"]);
    daemon.ok(&["plugin", "rm", "local"]);
}

#[test]
fn a_plugin_s_links_lead_nowhere_else() {
    let daemon = Daemon::with_busybox();
    let data = data(&daemon, "data", &config());
    daemon.ok(&["plugin", "create", "vol", data.to_str().unwrap()]);
    daemon.ok(&["plugin", "enable", "vol"]);
    let id = inspect(&daemon, "vol")[0]["Id"].as_str().unwrap().to_owned();
    let host = daemon.scratch("host");
    fs::create_dir(&host).unwrap();
    fs::write(host.join("secret"), "the host's").unwrap();
    let volume = ["--volume-driver", "vol", "-v", "vol1:/v"];
    let create = ["create", "--network", "none", "--name", "one"];
    daemon.ok(&[&create[..], &volume, &["busybox", "true"]].concat());
    let place = daemon.data_root().join("plugins").join(&id).join("propagated-mount").join("vol1");
    fs::write(place.join("own"), "the plugin's").unwrap();
    let out = daemon.scratch("out");
    fs::create_dir(&out).unwrap();
    let copy = |path: &str| daemon.gantry(&["cp", path, out.to_str().unwrap()]).run();
    copy("one:/v/own").exits(0);
    fs::remove_file(place.join("own")).unwrap();
    fs::remove_dir(&place).unwrap();
    symlink(&host, &place).unwrap();
    copy("one:/v/secret").exits(1);
    daemon.gantry(&["cp", out.join("own").to_str().unwrap(), "one:/v/"]).run();
    assert!(!host.join("own").exists());
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    // A part of it.
    let mount = "type=volume,src=vol1,dst=/g,volume-driver=vol,volume-subpath=greeting";
    let run = ["run", "--rm", "--network", "none", "--mount", mount, "busybox", "cat", "/g"];
    assert_eq!(daemon.ok(&run), "hello");
    daemon.remove(&["one"]);
    daemon.ok(&["volume", "rm", "vol1"]);
    daemon.ok(&["plugin", "rm", "-f", "vol"]);
    leaves_nothing(&daemon);
}

#[test]
fn one_that_cannot_start_says_why_and_stays_disabled() {
    let daemon = Daemon::start();
    let data = data(&daemon, "data", &config());
    daemon.ok(&["plugin", "create", "vol", data.to_str().unwrap()]);
    daemon.ok(&["plugin", "set", "vol", "FAIL=no room at the inn"]);
    let outcome = daemon.gantry(&["plugin", "enable", "vol"]).run();
    outcome.exits(1).complains("cannot go on: no room at the inn");
    assert_eq!(inspect(&daemon, "vol")[0]["Enabled"], false);
    daemon.ok(&["plugin", "set", "vol", "FAIL="]);
    daemon.ok(&["plugin", "enable", "vol"]);
    daemon.ok(&["plugin", "rm", "-f", "vol"]);
    leaves_nothing(&daemon);
}

#[test]
fn what_is_no_plugin_is_refused() {
    let daemon = Daemon::start();
    let bad = |change: &dyn Fn(&mut Value), says: &str| {
        let mut config = config();
        change(&mut config);
        let data = data(&daemon, "bad", &config);
        daemon
            .gantry(&["plugin", "create", "bad", data.to_str().unwrap()])
            .run()
            .exits(1)
            .complains(says);
        fs::remove_dir_all(data).unwrap();
    };
    bad(&|it| it["entrypoint"] = json!([]), "no Entrypoint");
    bad(&|it| it["interface"]["socket"] = json!("../../x.sock"), "no name of a socket");
    bad(&|it| it["propagatedMount"] = json!("/a/../.."), "PropagatedMount");
    let reply = daemon.http("POST", "/plugins/create?name=x", b"no archive");
    assert_eq!(reply.status, 400, "{reply:?}");
    assert_eq!(daemon.http("GET", "/plugins/nobody/json", b"").status, 404);
    leaves_nothing(&daemon);
}

#[test]
fn a_plugin_comes_from_a_registry_with_what_was_granted() {
    let (registry, one, two) = (Registry::open(), Daemon::start(), Daemon::with_busybox());
    let name = format!("{}/team/vol:1", registry.address());
    let data = data(&one, "data", &config());
    one.docker(&["plugin", "create", "--compress", &name, data.to_str().unwrap()]).run().exits(0);
    let pushed = one.docker(&["plugin", "push", &name]).run();
    assert!(pushed.success().contains(": digest: sha256:"), "{pushed}");
    // Nobody has granted anything.
    let refused = two.http("POST", &format!("/plugins/pull?remote={name}&name=vol"), b"");
    assert_eq!(refused.status, 403, "{refused:?}");
    let asked = two.gantry(&["plugin", "install", &name]).input("n\n").run();
    asked.exits(1).complains("permission denied while installing plugin");
    assert!(asked.stdout.contains(" - capabilities: [CAP_SYS_ADMIN]"), "{asked}");
    let words = [
        "plugin",
        "install",
        "--grant-all-permissions",
        "--alias",
        "vol",
        &name,
        "GREETING=from afar",
    ];
    let installed = two.docker(&words).run();
    assert!(installed.success().contains(&format!("Installed plugin {name}")), "{installed}");
    assert_eq!(
        two.ok(
            &[&CAT[..3], &["none", "--volume-driver", "vol"], &CAT[4..], &["/v/greeting"]].concat()
        ),
        "from afar"
    );
    two.ok(&["volume", "rm", "vol1"]);
    // An image is none.
    let image = format!("{}/busybox:1", registry.address());
    two.ok(&["tag", "busybox", &image]);
    two.ok(&["push", &image]);
    two.docker(&["plugin", "install", "--grant-all-permissions", &image])
        .run()
        .exits(1)
        .complains("(image) when fetching");
    // Another version keeps what was set.
    let mut next = config();
    next["description"] = json!("the next one");
    let data = self::data(&one, "next", &next);
    one.ok(&["plugin", "rm", &name]);
    one.ok(&["plugin", "create", &name, data.to_str().unwrap()]);
    one.ok(&["plugin", "push", &name]);
    let enabled = two.docker(&["plugin", "upgrade", "--grant-all-permissions", "vol"]).run();
    enabled.exits(1).complains("disabled before upgrading");
    two.ok(&["volume", "create", "-d", "vol", "kept"]);
    two.ok(&["plugin", "disable", "-f", "vol"]);
    two.docker(&["plugin", "upgrade", "--grant-all-permissions", "vol"]).run().exits(0);
    two.ok(&["plugin", "enable", "vol"]);
    // Its volumes are still there.
    let kept = ["run", "--rm", "--network", "none", "-v", "kept:/v", "busybox", "cat"];
    assert_eq!(two.ok(&[&kept[..], &["/v/greeting"]].concat()), "from afar");
    two.ok(&["volume", "rm", "kept"]);
    assert_eq!(inspect(&two, "vol")[0]["Config"]["Description"], "the next one");
    assert_eq!(
        two.ok(
            &[&CAT[..3], &["none", "--volume-driver", "vol"], &CAT[4..], &["/v/greeting"]].concat()
        ),
        "from afar"
    );
    two.ok(&["plugin", "rm", "-f", "vol"]);
    one.ok(&["plugin", "rm", &name]);
    leaves_nothing(&two);
    leaves_nothing(&one);
}

#[test]
fn docker_s_command_line_works_on_plugins() {
    let daemon = Daemon::start_with(Options::default());
    let data = data(&daemon, "data", &config());
    let docker = |words: &[&str]| daemon.docker(&[&["plugin"], words].concat()).run();
    docker(&["create", "vol", data.to_str().unwrap()]).exits(0).prints("vol\n");
    let table = docker(&["ls"]).success();
    assert!(
        table.starts_with("ID             NAME         DESCRIPTION         ENABLED"),
        "{table}"
    );
    docker(&["enable", "vol"]).exits(0).prints("vol\n");
    docker(&["enable", "vol"]).exits(1).complains("is enabled");
    docker(&["set", "vol", "GREETING=1"]).exits(1).complains("cannot set on an active plugin");
    let inspected: Value = serde_json::from_str(&docker(&["inspect", "vol"]).success()).unwrap();
    assert_eq!(inspected[0]["Settings"]["Env"], json!(["GREETING=hello", "FAIL=", "FIXED=1"]));
    let info = daemon.docker(&["info", "-f", "{{json .Plugins.Volume}}"]).run().success();
    assert!(info.contains("vol:latest"), "{info}");
    docker(&["rm", "vol"]).exits(1).complains("is enabled");
    docker(&["disable", "vol"]).exits(0).prints("vol\n");
    docker(&["disable", "vol"]).exits(1).complains("is disabled");
    docker(&["rm", "vol"]).exits(0).prints("vol\n");
    docker(&["inspect", "vol"]).exits(1);
    leaves_nothing(&daemon);
}
