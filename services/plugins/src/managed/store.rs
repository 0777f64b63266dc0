//! The plugins that are there: rows and directories, found by name or id, and changed by one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use gantry_db::Db;
use gantry_types::{Digest, ImageReference, error_chain};

use super::blobs::{self, Complete, Incoming, failed, remove_tree};
use super::record::{PLUGINS, Record};
use super::settings;
use crate::{Error, Result};

/// Directories on their way in and out; no id begins so.
const INCOMING: &str = ".in-";
const OUTGOING: &str = ".out-";
/// Below a plugin's directory, where it mounts what containers see, and may keep what is not mounted. It outlives the plugin's content.
const PROPAGATED: &str = "propagated-mount";

/// The managed plugins of a data root. `Send + Sync`; everything blocks on the disk at most.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    db: Arc<Db>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Somebody has given back the right to change a plugin.
    given_back: Condvar,
}

#[derive(Debug, Default)]
struct State {
    plugins: BTreeMap<String, Record>,
    /// By ids of those that somebody is changing, and names that are about to be given.
    busy: BTreeMap<String, Holder>,
}

/// Who is changing a plugin.
#[derive(Debug, Default)]
struct Holder {
    /// It gives the right back when somebody wants it.
    yields: bool,
    is_wanted: bool,
}

/// The right to change one plugin until it is dropped.
#[derive(Debug)]
pub struct Change {
    shared: Arc<Shared>,
    key: String,
}

impl Change {
    /// Whether somebody waits for it: see [`Store::change_for_now`].
    pub fn is_wanted(&self) -> bool {
        self.shared.lock().busy.get(&self.key).is_some_and(|holder| holder.is_wanted)
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        self.shared.lock().busy.remove(&self.key);
        self.shared.given_back.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Opens `<data-root>/plugins`, and removes what belongs to no row.
    ///
    /// # Errors
    /// The database or the directory cannot be read.
    pub fn open(data_root: &Path, db: Arc<Db>) -> Result<Self> {
        let root = data_root.join("plugins");
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&root);
        made.map_err(failed("create directory", &root))?;
        let rows = db.read(|tx| PLUGINS.list(tx))?;
        let plugins: BTreeMap<String, Record> = rows.into_iter().collect();
        let mut kept = BTreeSet::new();
        for record in plugins.values() {
            if let Err(error) = end_replacement(&root, record) {
                let (error, name) = (error_chain(&error), record.familiar());
                tracing::error!(error, name, "a plugin's earlier content stays beside it");
                kept.insert(aside_name(record));
            }
        }
        for entry in fs::read_dir(&root).map_err(failed("read", &root))?.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !plugins.contains_key(&name)
                && !kept.contains(&name)
                && let Err(error) = remove_tree(&root, &name)
            {
                tracing::warn!(
                    error = error_chain(&error),
                    name,
                    "cannot remove what belongs to no plugin"
                );
            }
        }
        let state = Mutex::new(State { plugins, ..State::default() });
        Ok(Self { root, db, shared: Arc::new(Shared { state, ..Shared::default() }) })
    }

    /// A plugin's directory.
    pub fn dir(&self, id: &str) -> PathBuf {
        self.root.join(id)
    }

    /// A plugin's root file system.
    pub fn rootfs(&self, id: &str) -> PathBuf {
        blobs::rootfs(&self.dir(id))
    }

    /// Where a plugin's mounts that containers see are on the host.
    pub fn propagated(&self, id: &str) -> PathBuf {
        self.dir(id).join(PROPAGATED)
    }

    /// A blob of a plugin's.
    pub fn blob(&self, id: &str, digest: &Digest) -> PathBuf {
        blobs::blob(&self.dir(id), digest)
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<Record> {
        let mut all: Vec<Record> = self.shared.lock().plugins.values().cloned().collect();
        all.sort_by_key(Record::familiar);
        all
    }

    /// The one that `text` names: a name, an id, or what no other id begins with.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn find(&self, text: &str) -> Result<Record> {
        find(&self.shared.lock().plugins, text).cloned()
    }

    /// The one of that name, which lacks nothing but perhaps its tag.
    pub fn named(&self, text: &str) -> Option<Record> {
        let name: ImageReference = text.parse().ok()?;
        self.shared.lock().plugins.values().find(|it| it.name == name).cloned()
    }

    /// The right to change the plugin that `text` names, and the plugin as it is then.
    ///
    /// # Errors
    /// There is none, or somebody else is changing it.
    pub fn change(&self, text: &str) -> Result<(Change, Record)> {
        self.change_as(text, false)
    }

    /// [`Self::change`] for one who looks at [`Change::is_wanted`] and gives it back then.
    ///
    /// # Errors
    /// Those of [`Self::change`].
    pub fn change_for_now(&self, text: &str) -> Result<(Change, Record)> {
        self.change_as(text, true)
    }

    /// [`Self::change`] that waits for whoever has it for now.
    ///
    /// # Errors
    /// Those of [`Self::change`].
    pub fn change_soon(&self, text: &str) -> Result<(Change, Record)> {
        let mut state = self.shared.lock();
        loop {
            let record = find(&state.plugins, text)?.clone();
            match state.busy.get_mut(&record.id) {
                Some(holder) if holder.yields => holder.is_wanted = true,
                _ => {
                    let (key, name) = (record.id.clone(), record.familiar());
                    return Ok((self.take(&mut state, (key, &name), false)?, record));
                }
            }
            let waited = self.shared.given_back.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn change_as(&self, text: &str, yields: bool) -> Result<(Change, Record)> {
        let mut state = self.shared.lock();
        let record = find(&state.plugins, text)?.clone();
        let (key, name) = (record.id.clone(), record.familiar());
        Ok((self.take(&mut state, (key, &name), yields)?, record))
    }

    /// The right to give a name that nothing has.
    ///
    /// # Errors
    /// A plugin has it, or is about to.
    pub fn reserve(&self, name: &ImageReference) -> Result<Change> {
        let mut state = self.shared.lock();
        if state.plugins.values().any(|it| it.name == *name) {
            return Err(Error::Exists(name.familiar()));
        }
        self.take(&mut state, (name.to_string(), &name.familiar()), false)
    }

    fn take(&self, state: &mut State, (key, name): (String, &str), yields: bool) -> Result<Change> {
        if state.busy.contains_key(&key) {
            return Err(Error::Busy(name.to_owned()));
        }
        state.busy.insert(key.clone(), Holder { yields, is_wanted: false });
        Ok(Change { shared: Arc::clone(&self.shared), key })
    }

    /// A place for a plugin that comes in.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn incoming(&self, id: &str) -> Result<Incoming> {
        Incoming::new(self.root.join(format!("{INCOMING}{id}")))
    }

    /// Makes a plugin of an archive with `config.json` and `rootfs/`.
    ///
    /// # Errors
    /// The archive or the configuration in it is none; nothing is left then.
    pub fn create(
        &self,
        (id, name): (&str, ImageReference),
        archive: impl Read + Send,
    ) -> Result<Record> {
        let incoming = self.incoming(id)?;
        let complete = incoming.take_context(archive)?;
        let origin = name.to_string();
        self.add(incoming, (id, name, origin), complete)
    }

    /// Makes a plugin of blobs that were fetched, under a name that was reserved.
    ///
    /// # Errors
    /// They are not what their manifest says, or no plugin.
    pub fn adopt(
        &self,
        incoming: Incoming,
        (id, name, origin): (&str, ImageReference, String),
        manifest: (&str, &[u8]),
    ) -> Result<Record> {
        let complete = incoming.take_blobs(manifest)?;
        self.add(incoming, (id, name, origin), complete)
    }

    fn add(
        &self,
        incoming: Incoming,
        (id, name, origin): (&str, ImageReference, String),
        Complete { manifest, config }: Complete,
    ) -> Result<Record> {
        let settings = settings::defaults(&config);
        let id = id.to_owned();
        let record =
            Record { id, name, origin, manifest, config, settings, enabled: false, timeout_s: 0 };
        let done = incoming.settle(&self.dir(&record.id)).and_then(|()| self.save(&record));
        if let Err(error) = done {
            self.drop_dir(&record.id);
            return Err(error);
        }
        Ok(record)
    }

    /// Puts other content in a plugin's place. It keeps its id, its name, what was set in it, as far as that is there, and what lies where
    /// its mounts are.
    ///
    /// # Errors
    /// Those of [`Self::adopt`]; the plugin is as it was then.
    pub fn replace(
        &self,
        incoming: Incoming,
        (record, origin): (&Record, String),
        manifest: (&str, &[u8]),
    ) -> Result<Record> {
        let Complete { manifest, config } = incoming.take_blobs(manifest)?;
        let settings = settings::carry_over((&record.config, &record.settings), &config);
        let next = Record { origin, manifest, config, settings, ..record.clone() };
        // What an earlier one left here could not be moved then.
        end_replacement(&self.root, record)?;
        let (place, aside) = (self.dir(&record.id), self.root.join(aside_name(record)));
        fs::rename(&place, &aside).map_err(failed("move", &place))?;
        let done = incoming.settle(&place).and_then(|()| self.save(&next));
        if let Err(error) = done {
            // Whatever has come into its place goes again.
            self.drop_dir(&record.id);
            fs::rename(&aside, &place).map_err(failed("move", &aside))?;
            return Err(error);
        }
        end_replacement(&self.root, &next)?;
        Ok(next)
    }

    /// Writes down what a plugin is now.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn save(&self, record: &Record) -> Result<()> {
        self.db.write(|tx| PLUGINS.put(tx, &record.id, record))?;
        self.shared.lock().plugins.insert(record.id.clone(), record.clone());
        Ok(())
    }

    /// Forgets a plugin, and removes its files.
    ///
    /// # Errors
    /// The database cannot be written; files that cannot be removed are told in the log.
    pub fn remove(&self, record: &Record) -> Result<()> {
        self.db.write(|tx| PLUGINS.remove(tx, &record.id))?;
        self.shared.lock().plugins.remove(&record.id);
        self.drop_dir(&record.id);
        Ok(())
    }

    fn drop_dir(&self, name: &str) {
        if self.root.join(name).exists()
            && let Err(error) = remove_tree(&self.root, name)
        {
            tracing::warn!(error = error_chain(&error), name, "cannot remove a plugin's files");
        }
    }
}

/// Where a plugin's earlier content is while it gets another.
fn aside_name(record: &Record) -> String {
    format!("{OUTGOING}{}", record.id)
}

/// Of two contents the one that the row is about stays, with what the plugin keeps where its mounts are. So it is when a plugin has got other
/// content, and when the daemon died in the middle of that.
fn end_replacement(root: &Path, record: &Record) -> Result<()> {
    let (place, aside) = (root.join(&record.id), root.join(aside_name(record)));
    if !aside.exists() {
        return Ok(());
    }
    if !blobs::blob(&place, &record.manifest.digest).exists() {
        if place.exists() {
            remove_tree(root, &record.id)?;
        }
        return fs::rename(&aside, &place).map_err(failed("move", &aside));
    }
    // Before anything of the earlier content goes: this is the only copy.
    let kept = aside.join(PROPAGATED);
    if kept.exists() {
        fs::rename(&kept, place.join(PROPAGATED)).map_err(failed("move", &kept))?;
    }
    remove_tree(root, &aside_name(record))
}

fn find<'a>(plugins: &'a BTreeMap<String, Record>, text: &str) -> Result<&'a Record> {
    let missing = || Error::NotFound(text.to_owned());
    if let Some(found) = plugins.get(text) {
        return Ok(found);
    }
    if let Ok(name) = text.parse::<ImageReference>()
        && let Some(found) = plugins.values().find(|it| it.name == name)
    {
        return Ok(found);
    }
    let is_prefix = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut matching = plugins.values().filter(|it| is_prefix && it.id.starts_with(text));
    match (matching.next(), matching.next()) {
        (Some(found), None) => Ok(found),
        (Some(_), Some(_)) => Err(Error::Ambiguous(text.to_owned())),
        _ => Err(missing()),
    }
}
