//! Where it happens: a daemon, a registry, and a few images that share layers.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use gantry_testkit::{Daemon, Image, Layer, Options, Registry, Tar, busybox_layer, poll};
use serde_json::{Value, json};

use super::store::Store;

/// How many images there are.
pub(crate) const IMAGES: u32 = 3;

/// Bytes in each layer of noise: enough for a transfer that takes a while.
const NOISE_BYTES: usize = 3 << 20;

pub(crate) struct Stage {
    pub daemon: Daemon,
    pub registry: Registry,
    /// Archives of the images, by number.
    pub archives: Vec<PathBuf>,
    /// Grows with every cycle, so that names are new.
    pub cycle: u32,
}

impl Stage {
    pub(crate) fn build() -> Self {
        // Archives of layers go at once, in the middle of whatever comes next.
        let flags = vec!["--layer-archives".to_owned(), "0s".to_owned()];
        let daemon = Daemon::start_with(Options { flags, ..Options::default() });
        let registry = Registry::open();
        let folder = daemon.scratch("archives");
        fs::create_dir_all(&folder).expect("make a folder for archives");
        let mut stage = Self { daemon, registry, archives: Vec::new(), cycle: 0 };
        for number in 0..IMAGES {
            let image = image(&stage.name(number), number);
            let archive = folder.join(format!("{number}.tar"));
            fs::write(&archive, image.docker_archive()).expect("write an archive");
            stage.archives.push(archive);
            stage.load(number);
            stage.daemon.ok(&["push", &stage.name(number)]);
        }
        stage
    }

    /// The name of an image, which is one at the registry.
    pub(crate) fn name(&self, number: u32) -> String {
        format!("{}/chaos/image-{number}:1", self.registry.address())
    }

    pub(crate) fn load(&self, number: u32) {
        self.daemon.ok(&["load", "-q", "-i", &self.archive(number)]);
    }

    pub(crate) fn archive(&self, number: u32) -> String {
        self.archives[number as usize].display().to_string()
    }

    /// Where images are saved.
    pub(crate) fn saved(&self) -> String {
        self.daemon.folder().join("saved.tar").display().to_string()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        !self.daemon.ok(&["images", "-q", name]).is_empty()
    }

    /// Sees to it that an image is there, or is not.
    pub(crate) fn set(&self, number: u32, wanted: bool) {
        let name = self.name(number);
        match (self.has(&name), wanted) {
            (false, true) => self.load(number),
            (true, false) => drop(self.daemon.ok(&["rmi", "-f", &name])),
            _ => {}
        }
    }

    pub(crate) fn turn(&mut self, cycle: u32) {
        self.cycle = cycle + 1;
        // Names and images that operations made: a store that only grows would slow everything down.
        for line in self
            .daemon
            .ok(&["images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}}"])
            .lines()
        {
            if line.contains("/made-") {
                self.daemon.ok(&["rmi", "-f", line]);
            }
        }
    }

    /// Everything that has to hold while nothing is going on.
    pub(crate) fn examine(&self, deep: bool) {
        let mut words = vec!["system", "check"];
        words.extend(deep.then_some("--deep"));
        self.daemon.gantry(&words).run().exits(0);
        let ids: BTreeSet<String> =
            self.daemon.ok(&["images", "-aq", "--no-trunc"]).lines().map(str::to_owned).collect();
        let images: Vec<Value> = ids.iter().map(|id| self.inspect(id)).collect();
        for image in &images {
            let id = image["Id"].as_str().expect("an id");
            // The built-in image has but one program.
            let words = ["run", "--rm", "--network", "none", id];
            let command: &[&str] = if is_busybox(image) { &["true"] } else { &[] };
            self.daemon.gantry(&[&words[..], command].concat()).run().exits(0);
        }
        let store = Store::new(self.daemon.data_root());
        let layers: BTreeSet<&str> = images.iter().flat_map(layers).collect();
        let needed = store.blobs_of(&ids);
        let present = store.blobs();
        let extra: Vec<_> = present.difference(&needed).collect();
        assert!(extra.is_empty(), "blobs that no image needs: {extra:?}");
        // What has gone was a layer's archive, and comes out of the layer.
        let gone: Vec<_> = needed.difference(&present).collect();
        assert!(gone.iter().all(|digest| layers.contains(digest.as_str())), "lost: {gone:?}");
        assert!(gone.len() <= store.splits(), "{} of {gone:?} can be had", store.splits());
        poll("nothing to be on its way", || store.is_settled().then_some(()));
        poll("the trash to be empty", || store.trash_is_empty().then_some(()));
        assert_eq!(store.layers(), layers.len(), "layers on the disk, and those of images");
        store.assert_explained();
    }

    /// Removes everything: then nothing is left.
    pub(crate) fn empty(&self) {
        for id in self.daemon.ok(&["ps", "-aq"]).lines() {
            self.daemon.ok(&["rm", "-f", id]);
        }
        for id in self.daemon.ok(&["images", "-q", "--no-trunc"]).lines().collect::<BTreeSet<_>>() {
            self.daemon.ok(&["rmi", "-f", id]);
        }
        self.examine(true);
        let store = Store::new(self.daemon.data_root());
        assert_eq!(
            (store.blobs().len(), store.layers()),
            (0, 0),
            "a store without images is empty"
        );
    }

    fn inspect(&self, id: &str) -> Value {
        let text = self.daemon.ok(&["image", "inspect", id]);
        let mut all: Vec<Value> = serde_json::from_str(&text).expect("inspect prints JSON");
        all.remove(0)
    }
}

fn is_busybox(image: &Value) -> bool {
    image["Config"]["Labels"]["chaos"] == "1"
}

fn layers(image: &Value) -> impl Iterator<Item = &str> {
    image["RootFS"]["Layers"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The first layer is everybody's, the second one its neighbour's too, the third its own.
fn image(name: &str, number: u32) -> Image {
    let noise = |seed: u32| {
        let tar = Tar::new().directory("data/", 0o755);
        tar.file(&format!("data/{seed}"), 0o644, &noise(seed)).finish()
    };
    let layer = |tar| Layer { tar, gzip: false };
    Image {
        name: name.to_owned(),
        layers: vec![layer(busybox_layer()), layer(noise(100 + number / 2)), layer(noise(number))],
        config: json!({"Cmd": ["true"], "Labels": {"chaos": "1"}}),
    }
}

/// Bytes that do not compress.
fn noise(seed: u32) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(seed + 1) << 32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).take(NOISE_BYTES / 8).flatten().collect()
}
