//! A workshop without a kernel's help: layers are directories, and a command is a line that it understands.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Barrier, Mutex};

use gantry_archive::{ApplyOptions, Header, Whiteouts, Writer, apply};
use gantry_build::{
    Base, Built, Checkout, Context, Download, Error, Execution, Grants, Layer, Memory,
    NamedContext, Plan, Request, Result, RunMount, RunNetwork, Teller, Told, Workshop,
};
use gantry_db::Db;
use gantry_dockerfile::{Dockerfile, IgnoreFile, Repository, Source};
use gantry_oci::image::{Descriptor, ImageConfig, Platform, media_type};
use gantry_types::{Digest, ErrorKind, Timestamp};
use tempfile::TempDir;

/// A workshop, what it remembers, and what it was asked to execute.
pub(crate) struct MadeWorkshop {
    root: TempDir,
    layers: Mutex<HashMap<Digest, Vec<u8>>>,
    pub(crate) executed: Mutex<Vec<String>>,
    pub(crate) told: Mutex<Vec<String>>,
    /// Commands `meet` wait for one another here.
    meeting: Barrier,
    memory: Memory,
}

impl MadeWorkshop {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let db = Db::open(&root.path().join("meta.db")).unwrap();
        Self {
            root,
            layers: Mutex::default(),
            executed: Mutex::default(),
            told: Mutex::default(),
            meeting: Barrier::new(2),
            memory: Memory::new(db.into()),
        }
    }

    /// Builds with these files as the context; the files of the image, `path content`.
    pub(crate) fn build(&self, dockerfile: &str, files: &[(&str, &str)]) -> Result<Vec<String>> {
        self.build_with(dockerfile, files, |_| {})
    }

    pub(crate) fn build_with(
        &self,
        dockerfile: &str,
        files: &[(&str, &str)],
        change: impl FnOnce(&mut Request),
    ) -> Result<Vec<String>> {
        let context = self.fresh("context");
        for (path, content) in files {
            let path = context.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        self.build_in(dockerfile, &context, change)
    }

    pub(crate) fn build_in(
        &self,
        dockerfile: &str,
        context: &Path,
        change: impl FnOnce(&mut Request),
    ) -> Result<Vec<String>> {
        self.built_in(dockerfile, context, change).map(|built| self.list(&built.layers))
    }

    pub(crate) fn built_in(
        &self,
        dockerfile: &str,
        context: &Path,
        change: impl FnOnce(&mut Request),
    ) -> Result<Built> {
        let source = Source::parse(dockerfile)?;
        let platform = Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            ..Platform::default()
        };
        let mut request = Request {
            target: None,
            arguments: [].into(),
            labels: [].into(),
            platform: platform.clone(),
            host: platform,
            ignores_memory: false,
            forgets_stages: [].into(),
            network: RunNetwork::None,
            surroundings: String::new(),
            grants: Grants::default(),
            secrets: [].into(),
            now: Timestamp { seconds: 1_700_000_000, nanos: 0 },
            epoch: None,
            ignores_masks: false,
        };
        change(&mut request);
        let root = File::open(context).unwrap().into();
        let context = Context { root, ignore: IgnoreFile::default(), hashes: None };
        let contexts = self.contexts();
        let plan = Plan { dockerfile: Dockerfile::read(&source)?, context, contexts, request };
        gantry_build::build(self, &self.memory, &plan, self)
    }

    /// `given`, files; `linked`, a link to one that does not count; `swapped`, the image `base`.
    fn contexts(&self) -> BTreeMap<String, NamedContext> {
        let folder = self.fresh("given");
        fs::create_dir(folder.join("sub")).unwrap();
        fs::write(folder.join("sub/mine"), "given").unwrap();
        fs::write(folder.join("hidden"), "hidden").unwrap();
        let ignore = IgnoreFile::parse("hidden").unwrap();
        let given = Context { root: File::open(folder).unwrap().into(), ignore, hashes: None };
        let folder = self.fresh("linked");
        fs::write(folder.join("hidden"), "hidden").unwrap();
        symlink("hidden", folder.join("link")).unwrap();
        let ignore = IgnoreFile::parse("hidden").unwrap();
        let linked = Context { root: File::open(folder).unwrap().into(), ignore, hashes: None };
        BTreeMap::from([
            ("linked".to_owned(), NamedContext::Files(linked)),
            ("given".to_owned(), NamedContext::Files(given)),
            ("swapped".to_owned(), NamedContext::Image("base".to_owned())),
        ])
    }

    pub(crate) fn fresh(&self, name: &str) -> PathBuf {
        let path = tempfile::Builder::new().prefix(name).tempdir_in(self.root.path()).unwrap();
        path.keep()
    }

    fn list(&self, layers: &[Layer]) -> Vec<String> {
        let root = self.merged(layers);
        let mut found = Vec::new();
        let mut pending = vec![root.clone()];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap().display().to_string();
                    found.push(format!("{name} {}", fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    fn merged(&self, layers: &[Layer]) -> PathBuf {
        let root = self.fresh("merged");
        let opened = File::open(&root).unwrap();
        for layer in layers {
            let archive = self.layers.lock().unwrap()[&layer.diff_id].clone();
            let options = ApplyOptions { whiteouts: Whiteouts::Plain, ..ApplyOptions::default() };
            apply(&archive[..], opened.as_fd(), &options).unwrap();
        }
        root
    }
}

impl Workshop for MadeWorkshop {
    fn image(&self, name: &str, _: &Platform) -> Result<Base> {
        if name == "missing" {
            let error = std::io::Error::other("no such image: missing");
            return Err(Error::workshop(ErrorKind::NotFound, error));
        }
        let mut config = ImageConfig::default();
        // An image of this name has a trigger: what follows the colon.
        if let Some(trigger) = name.strip_prefix("triggers:") {
            config.config.on_build = vec![format!("COPY --from={trigger} / /")];
        }
        if name == "takes-network" {
            config.config.on_build = vec!["RUN --network=host write taken 1".to_owned()];
        }
        Ok(Base { layers: Vec::new(), config })
    }

    fn view(&self, layers: &[Layer]) -> Result<OwnedFd> {
        Ok(File::open(self.merged(layers)).unwrap().into())
    }

    fn layer(
        &self,
        _: &[Layer],
        write: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<Option<Layer>> {
        let mut archive = Vec::new();
        write(&mut archive)?;
        let mut hashing =
            gantry_archive::Hashing::new(&archive[..], gantry_types::Algorithm::Sha256);
        std::io::copy(&mut hashing, &mut std::io::sink()).unwrap();
        let diff_id = hashing.digest();
        let blob = Descriptor::new(media_type::OCI_LAYER, diff_id.clone(), archive.len() as u64);
        self.layers.lock().unwrap().insert(diff_id.clone(), archive);
        Ok(Some(Layer { diff_id, blob }))
    }

    /// `write PATH WORDS…`, `names`, `mounts`, `meet`, `fail CODE`, `panic`, `for-ever` (until nobody wants it any more).
    fn run(
        &self,
        below: &[Layer],
        execution: &Execution,
        _: &mut dyn FnMut(&[u8]),
        wanted: &dyn Fn() -> Result<()>,
    ) -> Result<Option<Layer>> {
        let line = execution.args.last().unwrap().clone();
        self.executed.lock().unwrap().push(line.clone());
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "meet" => {
                self.meeting.wait();
                Ok(None)
            }
            // A script with an interpreter of its own.
            "/dev/pipes/script" => {
                self.executed.lock().unwrap().push(execution.args.join(" "));
                Ok(None)
            }
            "panic" => panic!("a command that panics"),
            // What a mount of the context shows.
            "names" => {
                let RunMount::Held { place, .. } = &execution.mounts[0] else { panic!("no mount") };
                let folder = format!("/proc/self/fd/{}", place.as_raw_fd());
                let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
                let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
                names.sort();
                self.executed.lock().unwrap().push(names.join(" "));
                Ok(None)
            }
            "mounts" => {
                let mounts = execution.mounts.iter().map(shown);
                let secrets = execution.secret_env.iter().map(|(name, _)| format!("${name}"));
                let sockets =
                    execution.env.iter().filter(|entry| entry.starts_with("SSH_AUTH_SOCK="));
                let seen = mounts.chain(secrets).chain(sockets.cloned());
                self.executed.lock().unwrap().extend(seen);
                Ok(None)
            }
            "for-ever" => loop {
                wanted()?;
                std::thread::yield_now();
            },
            "fail" => {
                Err(Error::Command { command: line.clone(), code: words[1].parse().unwrap() })
            }
            _ => self.layer(below, &mut |output| {
                let mut writer = Writer::new(output);
                writer.append_bytes(
                    &Header::file(words[1], 0o644),
                    words[2..].join(" ").as_bytes(),
                )?;
                writer.finish()?;
                Ok(())
            }),
        }
    }

    fn has(&self, _: &[Layer], layer: &Layer) -> bool {
        self.layers.lock().unwrap().contains_key(&layer.diff_id)
    }

    fn scratch(&self) -> Result<PathBuf> {
        Ok(self.fresh("scratch"))
    }

    /// What the address's last name is, as a file that says so.
    fn download(
        &self,
        url: &str,
        _: Option<&Digest>,
        _: &dyn Fn() -> Result<()>,
    ) -> Result<Download> {
        self.executed.lock().unwrap().push(format!("fetch {url}"));
        let content = url.rsplit('/').next().unwrap();
        let path = self.fresh("download").join("file");
        fs::write(&path, content).unwrap();
        let mut hashing =
            gantry_archive::Hashing::new(content.as_bytes(), gantry_types::Algorithm::Sha256);
        std::io::copy(&mut hashing, &mut std::io::sink()).unwrap();
        let modified = Some(Timestamp { seconds: 1_000_000_000, nanos: 0 });
        Ok(Download { file: File::open(path).unwrap(), digest: hashing.digest(), modified })
    }

    /// A file that says what was asked for.
    fn checkout(&self, repository: &Repository, _: &dyn Fn() -> Result<()>) -> Result<Checkout> {
        let folder = self.fresh("checkout");
        fs::write(folder.join("asked"), format!("{repository:?}")).unwrap();
        let root = File::open(folder).unwrap().into();
        Ok(Checkout { root, commit: "0123456789abcdef0123456789abcdef01234567".to_owned() })
    }

    fn has_agent(&self, id: &str) -> bool {
        id == "default"
    }
}

/// A mount in one line.
fn shown(mount: &RunMount) -> String {
    match mount {
        RunMount::Held { target, is_read_only, is_copied, .. } => {
            format!("held {target} ro={is_read_only} copied={is_copied}")
        }
        RunMount::Merged { layers, path, target } => {
            format!("merged {} /{path} at {target}", layers.len())
        }
        RunMount::Cache { id, sharing, seed, .. } => {
            format!("cache {} {sharing:?} seeded={}", id.replace(' ', "_"), seed.is_some())
        }
        RunMount::Memory { target, size_limit } => format!("memory {target} {size_limit:?}"),
        RunMount::Secret { target, owned, .. } => format!("secret {target} {owned:?}"),
        RunMount::Agent { id, target, .. } => format!("agent {id} {target}"),
    }
}

impl Teller for MadeWorkshop {
    fn tell(&self, told: Told<'_>) {
        let line = match told {
            Told::Began { number, total, text, .. } => format!("{number}/{total} {text}"),
            Told::Cached { number } => format!("{number} cached"),
            Told::Output { .. } | Told::Ended { .. } | Told::Failed { .. } => return,
        };
        self.told.lock().unwrap().push(line);
    }

    fn is_alone(&self) -> bool {
        false
    }
}
