//! `RUN --mount`: what a command sees beside its root, and what of that its result depends on.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use gantry_dockerfile::{Mount, MountKind, Run};

use super::Builder;
use crate::elsewhere::Source;
use crate::files::{Changes, Files};
use crate::key::Key;
use crate::place::{self, Place};
use crate::request::{Context, Secret};
use crate::select::Tree;
use crate::transfer::{self, absolute};
use crate::walk::walk;
use crate::workshop::{Layer, RunMount, Workshop};
use crate::{Error, Result};

/// What a command has by its mounts.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) mounts: Vec<RunMount>,
    /// Variables whose values are secrets.
    pub(super) secret_env: Vec<(String, Secret)>,
    /// Other variables.
    pub(super) env: Vec<String>,
}

impl<W: Workshop> Builder<'_, W> {
    pub(super) fn mounts(&self, run: &Run, key: &mut Key) -> Result<Seen> {
        let mut seen = Seen::default();
        let mounts = run.mounts(|text| self.word(text))?;
        key.number(mounts.len() as u64);
        for mount in mounts {
            // All but what is in caches and secrets: these are no part of what a step depends on.
            key.part(format!("{mount:?}"));
            match mount.kind {
                MountKind::Bind => seen.mounts.push(self.bind(&mount, key)?),
                MountKind::Tmpfs => seen.mounts.push(RunMount::Memory {
                    target: self.target(&mount),
                    size_limit: mount.size_limit,
                }),
                MountKind::Cache => seen.mounts.push(self.cache(&mount)?),
                MountKind::Secret => self.secret(&mount, &mut seen)?,
                MountKind::Ssh => self.agent(&mount, &mut seen)?,
            }
        }
        Ok(seen)
    }

    fn target(&self, mount: &Mount) -> String {
        let path = mount.target.clone().unwrap_or_default();
        absolute(&self.state.config.config.working_dir, &path)
    }

    /// Files of a context, a stage or an image.
    fn bind(&self, mount: &Mount, key: &mut Key) -> Result<RunMount> {
        let target = self.target(mount);
        let tree = self.still(self.tree(mount.from.as_deref())?)?;
        let source = mount.source.as_deref().unwrap_or("/");
        let found = found(&tree, source)?;
        let (layers, is_image) = self.layers_behind(mount)?;
        match &layers {
            // Of an image each file is known by its layers, and so is all of a stage. Of a part of a stage what is in it counts.
            Some(layers) if is_image || found.path.is_empty() => {
                let layers: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
                key.list(&layers);
            }
            _ => self.identify(&tree, &found, key)?,
        }
        match layers {
            Some(layers) if mount.is_read_only && found.is_directory() => {
                let path = String::from_utf8(found.path).map_err(|_| {
                    Error::invalid("source", source, "its path is not UTF-8: it cannot be mounted")
                })?;
                Ok(RunMount::Merged { layers, path, target })
            }
            layers => {
                let held = place::hold(tree.root.as_fd(), &found)?;
                // What is in layers has no place that could be mounted.
                let is_copied = layers.is_some() || !mount.is_read_only;
                let is_read_only = mount.is_read_only;
                Ok(RunMount::Held { place: Arc::new(held), target, is_read_only, is_copied })
            }
        }
    }

    /// A tree that nobody changes: of the user's own directory a copy, without what does not count.
    fn still<'t>(&self, tree: Tree<'t>) -> Result<Tree<'t>> {
        let (Some(hashes), Some(ignore)) = (tree.hashes.clone(), tree.ignore) else {
            return Ok(tree);
        };
        let failed = |error| Error::read(b"/", error);
        let mut copies = self.site.copies();
        let root = if let Some(copy) = copies.get(&tree.name) {
            Arc::clone(copy)
        } else {
            let root = tree.root.try_clone().map_err(failed)?;
            let live = Context { root, ignore: ignore.clone(), hashes: Some(hashes) };
            let files = transfer::all_of(&live, &|| self.site.check_wanted())?;
            let folder = self.site.workshop.scratch()?;
            let copy = Arc::new(OwnedFd::from(File::open(folder).map_err(failed)?));
            files.lay_out(copy.as_fd())?;
            copies.insert(tree.name.clone(), Arc::clone(&copy));
            copy
        };
        Ok(Tree { root, hashes: None, ..tree })
    }

    /// The layers of a stage or an image that a mount names, and whether it is an image.
    fn layers_behind(&self, mount: &Mount) -> Result<(Option<Vec<Layer>>, bool)> {
        let Some(from) = mount.from.as_deref() else { return Ok((None, false)) };
        match self.site.source(self.number, from)? {
            Source::Stage(layers) => Ok((Some(layers), false)),
            Source::Image(layers) => Ok((Some(layers), true)),
            Source::Files(_) => Ok((None, false)),
        }
    }

    /// Adds to a key what lies at a place.
    fn identify(&self, tree: &Tree<'_>, found: &Place, key: &mut Key) -> Result<()> {
        let owner = tree.ignore.is_some().then_some((0, 0));
        let changes = Changes { owner, ..self.changes(tree.ignore.is_some()) };
        let mut files = Files::knowing(tree.hashes.clone());
        if found.is_directory() {
            walk(tree.root.as_fd(), &found.path, &mut |visited| {
                if tree.ignore.is_some() {
                    place::no_device(visited.path, visited.kind())?;
                }
                self.site.check_wanted()?;
                files.bring_visited(&tree.root, visited, visited.path, changes)?;
                Ok(true)
            })?;
        } else {
            files.bring(&tree.root, &found.path, &found.path, changes)?;
        }
        files.identify(key, &|| self.site.check_wanted())
    }

    /// A directory that outlives builds. What a new one begins with is another one's content: so is its name.
    fn cache(&self, mount: &Mount) -> Result<RunMount> {
        let target = self.target(mount);
        let mut id = mount.id.clone().unwrap_or_else(|| target.clone());
        let mut seed = None;
        if let Some(from) = &mount.from {
            let tree = self.tree(Some(from))?;
            let source = mount.source.as_deref().unwrap_or("/");
            let found = found(&tree, source)?;
            if !found.is_directory() {
                return Err(Error::invalid("source", source, "a cache begins with a directory"));
            }
            let layers = self.layers_behind(mount)?.0;
            let mut key = Key::new("cache", layers.as_deref().unwrap_or_default());
            key.part(&found.path);
            if layers.is_none() {
                self.identify(&tree, &found, &mut key)?;
            }
            let short = key.finish().hex()[..12].to_owned();
            id = format!("{id} from {short}");
            seed = Some(Arc::new(place::hold(tree.root.as_fd(), &found)?));
        }
        Ok(RunMount::Cache {
            id,
            target,
            is_read_only: mount.is_read_only,
            sharing: mount.sharing,
            born: owned(mount, 0o755),
            seed,
        })
    }

    fn secret(&self, mount: &Mount, seen: &mut Seen) -> Result<()> {
        let named = mount.target.as_deref().and_then(|target| target.rsplit('/').next());
        let id = mount.id.as_ref().or(mount.source.as_ref()).map(String::as_str);
        let id = id.or(named).or(mount.env.as_deref()).unwrap_or_default().to_owned();
        let Some(content) = self.site.plan.request.secrets.get(&id) else {
            return if mount.is_required {
                let reason = "it is required, and the build was given none of that id";
                Err(Error::invalid("secret", &id, reason))
            } else {
                Ok(())
            };
        };
        if let Some(name) = &mount.env {
            if content.bytes().contains(&0) {
                let reason = "it has a NUL byte in it, which no variable can have";
                return Err(Error::invalid("secret", &id, reason));
            }
            if std::str::from_utf8(content.bytes()).is_err() {
                let reason = "it is not UTF-8, and a variable would change it: mount it as a file";
                return Err(Error::invalid("secret", &id, reason));
            }
            seen.secret_env.push((name.clone(), content.clone()));
        }
        // As a variable alone it is no file.
        if mount.env.is_none() || mount.target.is_some() {
            let owned = owned(mount, 0o400);
            let target = match &mount.target {
                Some(_) => self.target(mount),
                None => format!("/run/secrets/{id}"),
            };
            seen.mounts.push(RunMount::Secret { content: content.clone(), target, owned });
        }
        Ok(())
    }

    fn agent(&self, mount: &Mount, seen: &mut Seen) -> Result<()> {
        let id = mount.id.clone().unwrap_or_else(|| "default".to_owned());
        if !self.site.workshop.has_agent(&id) {
            if mount.is_required {
                let reason = "it is required, and the build was given none of that id (--ssh)";
                return Err(Error::invalid("SSH agent", &id, reason));
            }
            return Ok(());
        }
        let number = seen.mounts.iter().filter(|m| matches!(m, RunMount::Agent { .. })).count();
        let target = match &mount.target {
            Some(_) => self.target(mount),
            None => format!("/run/buildkit/ssh_agent.{number}"),
        };
        // The first one is the one that programs find.
        if number == 0 {
            seen.env.push(format!("SSH_AUTH_SOCK={target}"));
        }
        seen.mounts.push(RunMount::Agent { id, target, owned: owned(mount, 0o600) });
        Ok(())
    }
}

/// What is at a place of a tree.
fn found(tree: &Tree<'_>, source: &str) -> Result<Place> {
    let found = place::resolve(tree.root.as_fd(), source.as_bytes())?;
    if found.stat.is_none() {
        let place = tree.name.clone();
        return Err(Error::NotFound { path: source.to_owned(), place, hint: "" });
    }
    Ok(found)
}

fn owned(mount: &Mount, mode: u32) -> (u32, u32, u32) {
    (mount.uid.unwrap_or(0), mount.gid.unwrap_or(0), mount.mode.unwrap_or(mode))
}
