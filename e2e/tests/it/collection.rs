//! Everything that brings images in and takes them away at once: what a running operation needs stays, and what nobody needs
//! goes.

use std::fs;
use std::thread;

use gantry_testkit::{Daemon, Image, Layer, Options, Outcome, Registry, Tar, busybox_layer, poll};
use serde_json::json;

/// How often each of the workers does its work.
const ROUNDS: usize = 8;

/// Images that share their lower layers.
const IMAGES: usize = 3;

fn image(name: &str, number: usize) -> Image {
    let noise = |seed: usize| -> Vec<u8> {
        (0..300_000_u32)
            .map(|at| {
                at.wrapping_mul(2_654_435_761)
                    .rotate_right(u32::try_from(seed).unwrap())
                    .to_le_bytes()[0]
            })
            .collect()
    };
    let layer = |seed| Tar::new().file(&format!("noise-{seed}"), 0o644, &noise(seed)).finish();
    let layers = [busybox_layer(), layer(number / 2 + 10), layer(number)];
    Image {
        name: name.to_owned(),
        layers: layers.into_iter().map(|tar| Layer { tar, gzip: false }).collect(),
        config: json!({"Cmd": ["true"]}),
    }
}

/// What may be said when somebody else was quicker.
const OTHERS_WERE_QUICKER: [&str; 6] = [
    "No such image",
    "is using its referenced image",
    "must be forced",
    "pull access denied",
    "manifest unknown",
    "not found",
];

#[track_caller]
fn may_be_late(outcome: &Outcome) {
    let said = OTHERS_WERE_QUICKER.iter().any(|words| outcome.stderr.contains(words));
    assert!(outcome.code == 0 || said, "{outcome}");
}

struct Scene {
    daemon: Daemon,
    registry: Registry,
}

impl Scene {
    fn name(&self, number: usize) -> String {
        format!("{}/collected/image-{number}:1", self.registry.address())
    }

    /// What is printed, unless somebody else was quicker.
    fn tries(&self, words: &[&str]) -> Option<String> {
        let outcome = self.daemon.gantry(words).run();
        may_be_late(&outcome);
        (outcome.code == 0).then_some(outcome.stdout)
    }

    fn pull(&self, round: usize) {
        self.daemon.ok(&["pull", "-q", &self.name(round % IMAGES)]);
    }

    fn load(&self, round: usize) {
        let number = (round + 1) % IMAGES;
        let archive = self.daemon.folder().join(format!("{number}.tar"));
        self.daemon.ok(&["load", "-q", "-i", archive.to_str().unwrap()]);
    }

    fn save(&self, round: usize) {
        let file = self.daemon.scratch("saved.tar");
        self.tries(&["save", "-o", file.to_str().unwrap(), &self.name(round % IMAGES)]);
        drop(fs::remove_file(file));
    }

    fn remove(&self, round: usize) {
        self.tries(&["rmi", "-f", &self.name((round + 2) % IMAGES)]);
    }

    fn prune(&self) {
        self.tries(&["image", "prune", "-af"]);
        self.tries(&["builder", "prune", "-af"]);
    }

    /// What runs is all there, whatever the others do.
    fn run(&self, round: usize) {
        let name = self.name(round % IMAGES);
        let words = ["run", "--rm", "--network", "none", &name, "sh", "-c", "cat /noise-* | wc -c"];
        if let Some(said) = self.tries(&words) {
            assert_eq!(said.trim(), "600000");
        }
    }

    fn build(&self, round: usize) {
        let context = self.daemon.scratch("context");
        fs::create_dir_all(&context).unwrap();
        let name = self.name(round % IMAGES);
        let text = format!("FROM {name}\nRUN cat /noise-* >/all && echo {round} >/round\n");
        fs::write(context.join("Dockerfile"), text).unwrap();
        let built = format!("built-{round}:1");
        self.tries(&["build", "-q", "-t", &built, context.to_str().unwrap()]);
        self.tries(&["rmi", &built]);
    }

    fn commit(&self, round: usize) {
        let name = self.name(round % IMAGES);
        let (id, made) = (format!("made-{round}"), format!("made-{round}:1"));
        let script = "head -c 200000 /dev/urandom >/own";
        let words = ["run", "--name", &id, "--network", "none", &name, "sh", "-c", script];
        if self.tries(&words).is_none() {
            return;
        }
        // The image of a container that has ended can be removed by force.
        self.tries(&["commit", &id, &made]);
        self.daemon.ok(&["rm", &id]);
        self.tries(&["rmi", &made]);
    }
}

#[test]
fn nothing_that_is_needed_goes_and_nothing_stays() {
    let flags = vec!["--layer-archives".to_owned(), "0s".to_owned()];
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    let scene = Scene { daemon, registry: Registry::open() };
    for number in 0..IMAGES {
        let name = scene.name(number);
        let archive = scene.daemon.folder().join(format!("{number}.tar"));
        fs::write(archive, image(&name, number).docker_archive()).unwrap();
        scene.daemon.load(&image(&name, number));
        scene.daemon.ok(&["push", "-q", &name]);
    }
    thread::scope(|scope| {
        let scene = &scene;
        let work: [Box<dyn Fn(usize) + Send>; 8] = [
            Box::new(|round| scene.pull(round)),
            Box::new(|round| scene.load(round)),
            Box::new(|round| scene.save(round)),
            Box::new(|round| scene.remove(round)),
            Box::new(|_| scene.prune()),
            Box::new(|round| scene.run(round)),
            Box::new(|round| scene.build(round)),
            Box::new(|round| scene.commit(round)),
        ];
        for one in work {
            scope.spawn(move || (0..ROUNDS).for_each(one));
        }
    });
    let daemon = &scene.daemon;
    daemon.ok(&["system", "check", "--deep"]);
    for id in daemon.ok(&["images", "-q"]).lines() {
        daemon.ok(&["save", "-o", "/dev/null", id]);
    }
    daemon.ok(&["image", "prune", "-af"]);
    daemon.ok(&["builder", "prune", "-af"]);
    let count = |folder: &str| {
        let entries = fs::read_dir(daemon.data_root().join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| !matches!(name.as_str(), "0" | "ingest" | "points" | "spare" | "trash"))
            .count()
    };
    poll("the store to be empty", || {
        (count("layers") == 0 && count("layers/ingest") == 0 && count("layers/trash") == 0)
            .then_some(())
    });
    daemon.ok(&["system", "check"]);
    assert_eq!(daemon.ok(&["images", "-aq"]), "");
    assert_eq!(blobs(&daemon.data_root().join("blobs/sha256")), 0);
}

fn blobs(folder: &std::path::Path) -> usize {
    let shards = fs::read_dir(folder).unwrap().map(|shard| shard.unwrap().path());
    shards.map(|shard| fs::read_dir(shard).unwrap().count()).sum()
}
