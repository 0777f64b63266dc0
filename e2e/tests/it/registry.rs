//! pull, push, login and logout with a real registry, and with the other clients that it serves.

use std::fs;
use std::path::PathBuf;

use gantry_testkit::{
    Daemon, Image, Invocation, Layer, Outcome, Registry, Tar, busybox, busybox_layer, poll,
};
use serde_json::json;

/// The user's side: a daemon, and a home of its own for credentials.
struct Desk {
    daemon: Daemon,
    home: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let daemon = Daemon::start();
        let home = daemon.scratch("home");
        fs::create_dir_all(&home).unwrap();
        Self { daemon, home }
    }

    fn gantry(&self, arguments: &[&str]) -> Invocation {
        self.daemon.gantry(arguments).env("HOME", &self.home)
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        self.gantry(arguments).run().success()
    }

    fn docker(&self, arguments: &[&str]) -> Outcome {
        self.daemon.docker(arguments).env("DOCKER_CONFIG", self.home.join(".docker")).run()
    }
}

/// Layers of which `name` is the second.
fn image(name: &str) -> Image {
    let own = Tar::new().file("own", 0o644, name.as_bytes()).finish();
    let layer = |tar| Layer { tar, gzip: true };
    Image {
        name: name.to_owned(),
        layers: vec![layer(busybox_layer()), layer(own)],
        config: json!({"Cmd": ["cat", "/own"]}),
    }
}

#[test]
fn what_is_pushed_is_pulled_and_runs() {
    let (registry, desk) = (Registry::open(), Desk::new());
    let name = format!("{}/team/app:1", registry.address());
    desk.daemon.load(&image(&name));
    let pushed = desk.ok(&["push", &name]);
    let digest = pushed.lines().last().unwrap().split(' ').nth(2).unwrap().to_owned();
    assert!(digest.starts_with("sha256:"), "{pushed}");
    desk.ok(&["rmi", &name]);

    let pulled = desk.ok(&["pull", &name]);
    assert!(
        pulled.contains(&format!("Digest: {digest}\nStatus: Downloaded newer image for {name}")),
        "{pulled}"
    );
    assert!(pulled.ends_with(&name), "{pulled}");
    assert_eq!(desk.ok(&["run", "--rm", "--network", "none", &name]), name);
    assert!(desk.ok(&["pull", &name]).contains(&format!("Status: Image is up to date for {name}")));
    let by_digest = format!("{}/team/app@{digest}", registry.address());
    let inspected = desk.ok(&["image", "inspect", "-f", "{{json .RepoDigests}}", &name]);
    assert_eq!(inspected, format!("[\"{by_digest}\"]"));
    desk.ok(&["rmi", &name]);
    desk.ok(&["pull", "-q", &by_digest]);
    assert_eq!(desk.ok(&["run", "--rm", "--network", "none", &by_digest]), name);
}

#[test]
fn layers_that_are_here_are_not_fetched() {
    let (registry, desk) = (Registry::open(), Desk::new());
    let (first, second) =
        (format!("{}/a:1", registry.address()), format!("{}/a:2", registry.address()));
    for name in [&first, &second] {
        desk.daemon.load(&image(name));
        desk.ok(&["push", name]);
    }
    desk.ok(&["rmi", &first, &second]);
    let count = |text: &str, words: &str| text.lines().filter(|line| line.ends_with(words)).count();
    let one = desk.ok(&["pull", &first]);
    assert_eq!((count(&one, ": Pull complete"), count(&one, ": Already exists")), (2, 0), "{one}");
    let two = desk.ok(&["pull", &second]);
    assert_eq!((count(&two, ": Pull complete"), count(&two, ": Already exists")), (1, 1), "{two}");
}

#[test]
fn run_pulls_what_is_missing() {
    let (registry, desk) = (Registry::open(), Desk::new());
    let name = format!("{}/b:1", registry.address());
    desk.daemon.load(&image(&name));
    desk.ok(&["push", &name]);
    desk.ok(&["rmi", &name]);
    let outcome = desk.gantry(&["run", "--rm", "--network", "none", &name]).run();
    outcome
        .exits(0)
        .complains(&format!("Unable to find image '{name}' locally"))
        .complains("Pull complete");
    desk.gantry(&["pull", &format!("{}/none", registry.address())])
        .run()
        .exits(1)
        .complains("none:latest not found: manifest unknown");
}

#[test]
fn a_registry_with_users() {
    let (registry, desk) = (Registry::with_password(), Desk::new());
    let address = registry.address();
    let name = format!("{address}/private:1");
    desk.daemon.load(&image(&name));
    desk.gantry(&["push", &name]).run().exits(1).complains("push access denied");

    let login = |password: &str| {
        let words = ["login", "-u", "ann", "--password-stdin", address];
        desk.gantry(&words).input(format!("{password}\n")).run()
    };
    login("wrong").exits(1).complains("unauthorized");
    login("secret").exits(0).prints("Login Succeeded\n");
    desk.ok(&["push", &name]);
    desk.ok(&["rmi", &name]);
    // The file is the one that docker reads.
    desk.docker(&["pull", "-q", &name]).exits(0);
    desk.ok(&["rmi", &name]);
    assert!(desk.ok(&["logout", address]).contains("Removing login credentials"));
    desk.gantry(&["pull", &name]).run().exits(1).complains("pull access denied");
    assert_eq!(desk.ok(&["logout", address]), format!("Not logged in to {address}"));
}

#[test]
fn builds_show_registries_who_asks() {
    let (registry, desk) = (Registry::with_password(), Desk::new());
    let address = registry.address();
    let name = format!("{address}/base:1");
    desk.daemon.load(&image(&name));
    let login = ["login", "-u", "ann", "--password-stdin", address];
    desk.gantry(&login).input("secret\n").run().exits(0);
    desk.ok(&["push", &name]);
    desk.ok(&["rmi", &name]);
    let root = desk.home.join("root");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("Dockerfile"), "FROM base\n").unwrap();
    let named = format!("base=docker-image://{name}");
    let build = ["build", "--network", "none", "-t", "built"];
    desk.ok(&[&build[..], &["--build-context", &named, root.to_str().unwrap()]].concat());
    desk.ok(&["rmi", "built", &name]);
    // Which images the Dockerfile in an archive names, is not known here.
    let dockerfile = format!("FROM {name}\n");
    let archive = Tar::new().file("Dockerfile", 0o644, dockerfile.as_bytes()).finish();
    desk.gantry(&[&build[..], &["-"]].concat()).input(archive).run().exits(0);
}

#[test]
fn a_login_at_a_terminal_does_not_show_the_password() {
    let (registry, desk) = (Registry::with_password(), Desk::new());
    let mut terminal = desk.gantry(&["login", registry.address()]).terminal(24, 80);
    terminal.expect("Username: ");
    terminal.send("ann\r");
    terminal.expect("Password: ");
    terminal.send("secret\r");
    terminal.expect("Login Succeeded");
    assert!(!terminal.screen().contains("secret"), "{}", terminal.screen());
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn the_folder_of_credentials_can_be_named() {
    let (registry, desk) = (Registry::with_password(), Desk::new());
    let folder = desk.home.join("elsewhere");
    let named = folder.to_string_lossy();
    let login = ["--config", &named, "login", "-u", "ann", "--password-stdin", registry.address()];
    desk.gantry(&login).input("secret").run().exits(0).prints("Login Succeeded\n");
    assert!(folder.join("config.json").exists() && !desk.home.join(".docker/config.json").exists());
    let logout = ["-D", "--log-level", "debug", "--config", &named, "logout", registry.address()];
    desk.gantry(&logout).run().exits(0);
    let left = fs::read_to_string(folder.join("config.json")).unwrap();
    assert!(!left.contains(registry.address()), "{left}");
}

#[test]
fn a_credential_helper_keeps_the_secret() {
    let (registry, desk) = (Registry::with_password(), Desk::new());
    let (folder, kept) = (desk.home.join("bin"), desk.home.join("kept"));
    fs::create_dir_all(&folder).unwrap();
    let script = format!(
        "#!/bin/sh\ncase $1 in store) cat >{0};; erase) rm {0};;\n\
         get) [ -e {0} ] && exec cat {0}; echo 'credentials not found in native keychain'; exit 1;; esac\n",
        kept.display()
    );
    let program = folder.join("docker-credential-test");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let config = desk.home.join(".docker/config.json");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, r#"{"credsStore":"test"}"#).unwrap();
    let before = std::env::var_os("PATH").unwrap();
    let path = format!("{}:{}", folder.display(), before.display());

    let words = ["login", "-u", "ann", "-p", "secret", registry.address()];
    desk.gantry(&words).env("PATH", &path).run().exits(0).prints("Login Succeeded\n");
    assert!(fs::read_to_string(&kept).unwrap().contains("secret"));
    assert!(!fs::read_to_string(&config).unwrap().contains("secret"));
    let name = format!("{}/c:1", registry.address());
    desk.daemon.load(&image(&name));
    desk.gantry(&["push", &name]).env("PATH", &path).run().exits(0);
    desk.gantry(&["logout", registry.address()]).env("PATH", &path).run().exits(0);
    assert!(!kept.exists());
}

#[test]
fn docker_and_skopeo_read_what_we_push_and_we_what_they_push() {
    let (registry, desk) = (Registry::open(), Desk::new());
    let ours = format!("{}/ours:1", registry.address());
    desk.daemon.load(&image(&ours));
    desk.ok(&["push", &ours]);
    let source = format!("docker://{ours}");
    let inspected = registry.skopeo(&["inspect", "--tls-verify=false", &source]).run().success();
    assert!(inspected.contains("\"Architecture\""), "{inspected}");

    let theirs = format!("{}/theirs:1", registry.address());
    let target = format!("docker://{theirs}");
    let copy = [
        "copy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        "--dest-compress-format=zstd",
    ];
    registry.skopeo(&[&copy[..], &["--format=oci", &source, &target]].concat()).run().success();
    desk.ok(&["rmi", &ours]);
    assert_eq!(desk.ok(&["run", "-q", "--rm", "--network", "none", &theirs]), ours);

    desk.docker(&["tag", &theirs, &format!("{}/docker:1", registry.address())]).exits(0);
    desk.docker(&["push", "-q", &format!("{}/docker:1", registry.address())]).exits(0);
    let listed = format!("docker://{}/docker", registry.address());
    let tags = registry.skopeo(&["list-tags", "--tls-verify=false", &listed]).run().success();
    assert!(tags.contains("\"1\""), "{tags}");
}

#[test]
fn all_tags() {
    let (registry, desk) = (Registry::open(), Desk::new());
    let repository = format!("{}/many", registry.address());
    let names = ["1", "2", "3"].map(|tag| format!("{repository}:{tag}"));
    for name in &names {
        desk.daemon.load(&image(name));
    }
    desk.ok(&["push", "-a", &repository]);
    for name in &names {
        desk.ok(&["rmi", name]);
    }
    desk.ok(&["pull", "-a", "-q", &repository]);
    for name in &names {
        assert_eq!(desk.ok(&["run", "--rm", "--network", "none", name]), *name);
    }
}

#[test]
fn a_damaged_blob_is_told_and_leaves_nothing() {
    let (registry, desk) = (Registry::open(), Desk::new());
    let name = format!("{}/damaged:1", registry.address());
    desk.daemon.load(&image(&name));
    desk.ok(&["push", &name]);
    desk.ok(&["rmi", &name]);
    // The first layer's bytes in the registry's own store, changed behind its back.
    let blobs = registry.store().join("docker/registry/v2/blobs/sha256");
    let largest = fs::read_dir(blobs)
        .unwrap()
        .flat_map(|shard| fs::read_dir(shard.unwrap().path()).unwrap())
        .map(|blob| blob.unwrap().path().join("data"))
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, bytes).unwrap();

    desk.gantry(&["pull", &name]).run().exits(1).complains("has digest sha256:");
    assert_eq!(desk.ok(&["images", "-q", &name]), "");
    let data = desk.daemon.data_root();
    // The built-in image's three blobs and one layer are all that there is.
    let files = |folder: &str| {
        let listed = Invocation::new("find")
            .args([&data.join(folder).display().to_string(), "-type", "f"])
            .run();
        listed.success().lines().count()
    };
    let before = Daemon::start();
    let clean = Invocation::new("find")
        .args([&before.data_root().join("blobs").display().to_string(), "-type", "f"])
        .run()
        .success();
    assert_eq!(files("blobs"), clean.lines().count());
    assert_eq!(files("ingest"), 0);
    poll("the extracted layers go", || (files("layers/ingest") == 0).then_some(()));
}

#[test]
fn bars_at_a_terminal() {
    let (registry, desk) = (Registry::open(), Desk::new());
    let name = format!("{}/bars:1", registry.address());
    desk.daemon.load(&busybox());
    desk.ok(&["tag", "busybox", &name]);
    let mut terminal = desk.gantry(&["push", &name]).terminal(24, 100);
    terminal.expect("digest: sha256:");
    assert_eq!(terminal.wait(), 0);
    desk.ok(&["rmi", "-f", &name, "busybox"]);
    let mut terminal = desk.gantry(&["pull", &name]).terminal(24, 100);
    terminal.expect("Pull complete");
    terminal.expect("Status: Downloaded newer image");
    assert_eq!(terminal.wait(), 0);
}
