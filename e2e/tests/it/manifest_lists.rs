//! `manifest create`, `annotate`, `push` and `rm`: lists that a user puts together, beside docker's own command line.

use std::fs;
use std::path::PathBuf;

use gantry_testkit::{Daemon, Image, Layer, Outcome, Registry, Tar, busybox_layer};
use serde_json::{Value, json};

/// A daemon, a registry with images in three repositories, and a user whom docker's command line knows, too.
struct Scene {
    daemon: Daemon,
    registry: Registry,
    home: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let (daemon, registry) = (Daemon::start(), Registry::open());
        let home = daemon.folder().join("user");
        let scene = Self { daemon, registry, home };
        for repository in ["one", "two", "list"] {
            let name = scene.name(repository, "1");
            let own = Tar::new().file(repository, 0o644, repository.as_bytes()).finish();
            let layers = [busybox_layer(), own].map(|tar| Layer { tar, gzip: true });
            let config = json!({"Cmd": ["cat", format!("/{repository}")]});
            scene.daemon.load(&Image { name: name.clone(), layers: layers.to_vec(), config });
            scene.daemon.ok(&["push", "-q", &name]);
            scene.daemon.ok(&["rmi", &name]);
        }
        scene
    }

    fn name(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.registry.address())
    }

    fn gantry(&self, verb: &str, words: &[&str]) -> Outcome {
        let words = [&["manifest", verb], words].concat();
        self.daemon.gantry(&words).env("DOCKER_CONFIG", &self.home).run()
    }

    fn docker(&self, verb: &str, words: &[&str]) -> Outcome {
        let words = [&["manifest", verb], words].concat();
        self.daemon.docker(&words).env("DOCKER_CONFIG", &self.home).run()
    }

    /// What the registry has under a name.
    fn raw(&self, name: &str) -> String {
        let source = format!("docker://{name}");
        self.registry.skopeo(&["inspect", "--raw", "--tls-verify=false", &source]).run().success()
    }
}

#[test]
fn a_list_is_made_pushed_and_run() {
    let scene = Scene::new();
    let [one, two, own] = ["one", "two", "list"].map(|repository| scene.name(repository, "1"));
    let list = scene.name("list", "both");
    let made = format!("Created manifest list {list}\n");
    scene.gantry("create", &[&list, &one, &own]).exits(0).prints(&made);
    scene.gantry("create", &[&list, &two]).exits(1).complains("with no --amend flag");
    scene.gantry("create", &["-a", &list, &two]).exits(0).prints(&made);
    let annotate =
        ["--arch", "arm", "--variant", "v7", "--os-features", "a,b", "--os-version", "1"];
    scene.gantry("annotate", &[&annotate[..], &[&list, &two]].concat()).exits(0).prints("");

    // Docker's command line finds the same, and would push the same.
    let shown = scene.gantry("inspect", &[&list]).success();
    assert_eq!(shown, scene.docker("inspect", &[&list]).success());
    for words in [&["-v", &list][..], &["-v", &list, &two], &[&list, &two]] {
        let (ours, theirs) = (scene.gantry("inspect", words), scene.docker("inspect", words));
        assert_eq!(ours.success(), theirs.success(), "{words:?}");
    }
    let pushed = scene.gantry("push", &["--purge", &list]).success();
    assert_eq!(scene.raw(&list), shown);
    let lines: Vec<&str> = pushed.lines().collect();
    let moved = |line: &str| line.starts_with(&format!("Pushed ref {}", &list[..list.len() - 5]));
    assert!(lines.len() == 3 && moved(lines[0]) && moved(lines[1]), "{pushed}");
    assert!(lines[2].starts_with("sha256:"), "{pushed}");
    let listed: Value = serde_json::from_str(&shown).unwrap();
    let platform = &listed["manifests"].as_array().unwrap().last().unwrap()["platform"];
    assert_eq!(platform["variant"], "v7", "{shown}");
    assert_eq!(platform["os.features"], json!(["a", "b"]));

    // The list is gone here, and all of it is there.
    scene.gantry("push", &[&list]).exits(1).complains(&format!("No such manifest: {list}"));
    let remote = scene.gantry("inspect", &["-v", &list]).success();
    assert_eq!(remote, scene.docker("inspect", &["--insecure", "-v", &list]).success());
    let printed = scene.daemon.ok(&["run", "-q", "--rm", "--network", "none", &list]);
    assert!(["one", "list"].contains(&printed.as_str()), "{printed}");
}

#[test]
fn docker_goes_on_with_our_list_and_we_with_its() {
    let scene = Scene::new();
    let [one, two] = ["one", "two"].map(|repository| scene.name(repository, "1"));
    let (ours, theirs) = (scene.name("ours", "1"), scene.name("theirs", "1"));
    scene.gantry("create", &[&ours, &one, &two]).exits(0);
    scene.docker("create", &["--insecure", &theirs, &one, &two]).exits(0);
    let digest = |outcome: Outcome| outcome.success().lines().last().unwrap().to_owned();
    let pushed = digest(scene.docker("push", &["--insecure", &ours]));
    assert_eq!(digest(scene.gantry("push", &[&theirs])), pushed);
    assert_eq!(scene.raw(&ours), scene.raw(&theirs));
    scene.gantry("rm", &[&ours]).exits(0);
    scene.docker("rm", &[&ours]).exits(1).complains("No such manifest");
}

#[test]
fn what_cannot_be_is_said() {
    let scene = Scene::new();
    let (one, list) = (scene.name("one", "1"), scene.name("list", "l"));
    let none = scene.name("none", "1");
    scene.gantry("rm", &[&list, &none]).exits(1).complains("No such manifest");
    scene.gantry("annotate", &[&list, &one]).exits(1).complains("does not exist in");
    scene.gantry("create", &[&list, &none]).exits(1).complains("manifest unknown");
    scene.gantry("create", &["Wrong", &one]).exits(1).complains("must be lowercase");
    scene.gantry("create", &[&list]).exits(1).complains("requires at least 2 arguments");
    scene.gantry("create", &[&list, &one]).exits(0);
    let odd = scene.gantry("annotate", &["--arch", "vax", &list, &one]);
    odd.exits(1).complains("unsupported os/arch combination: /vax");
    scene.gantry("create", &["registry.example/list", &one]).exits(0);
    let other = scene.gantry("push", &["registry.example/list"]);
    other.exits(1).complains("cannot use source images from a different registry");
    scene.gantry("push", &[&list]).exits(0);
    let nested = scene.gantry("create", &[&scene.name("lists", "1"), &list]);
    nested.exits(1).complains("is a manifest list");
    // Files that somebody broke.
    let folder = fs::read_dir(scene.home.join("manifests")).unwrap();
    for file in folder.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap()) {
        fs::write(file.unwrap().path(), "{").unwrap();
    }
    scene.gantry("push", &[&list]).exits(1).plainly().complains("is no manifest of a list");
    scene.gantry("rm", &[&list]).exits(0);
    // And what a client may not ask for.
    let ask = |body: Value| {
        let target = format!("/gantry/distribution/{list}/push");
        scene.daemon.http("POST", &target, body.to_string().as_bytes())
    };
    for (body, says) in [
        (json!({}), "no usable document"),
        (json!({"Raw": "{\"schemaVersion\":2,\"manifests\":[]}"}), "no type of a list"),
        (
            json!({"Raw": shell_list(), "Sources": [format!("{one}@sha256:{}", "0".repeat(64))]}),
            "the list has no manifest",
        ),
        (json!({"Raw": shell_list(), "Sources": ["Wrong"]}), "must be lowercase"),
    ] {
        let reply = ask(body.clone());
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.json()["message"].as_str().unwrap().contains(says), "{body}");
    }
}

/// A list of nothing.
fn shell_list() -> String {
    let kind = "application/vnd.oci.image.index.v1+json";
    json!({"schemaVersion": 2, "mediaType": kind, "manifests": []}).to_string()
}
