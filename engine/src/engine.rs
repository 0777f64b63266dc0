//! The engine itself: the services it holds, how it opens, and how it comes back after the daemon was away.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use gantry_cgroup::Hierarchies;
use gantry_db::{Db, Table};
use gantry_images::Images;
use gantry_layers::Layers;
use gantry_network::Networks;
use gantry_plugins::Plugins;
use gantry_plugins::managed::Store;
use gantry_shims::Shims;
use gantry_types::{ContainerId, ExecId, error_chain};
use gantry_volumes::Volumes;

use crate::blocking::block;
use crate::error::Error;
use crate::events::Events;
use crate::exec::ExecSession;
use crate::live::Live;
use crate::plan::{self, HostFacts};
use crate::record::{ContainerRecord, Snapshot};
use crate::registry::{Handle, Registry};
use crate::selinux::Selinux;
use crate::settings::{LiveSettings, Settings};
use crate::{
    Result, build, cgroups, container, facts, housekeeping, image, network, plugin, random, system,
    user_namespaces, volume,
};

/// One container engine over one data root. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

/// An engine that may be gone.
pub(crate) struct WeakEngine(Weak<Inner>);

impl WeakEngine {
    pub(crate) fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(Engine)
    }
}

pub struct Inner {
    pub(crate) settings: Settings,
    pub(crate) host: HostFacts,
    /// The labels of containers.
    pub(crate) selinux: Selinux,
    pub(crate) db: Arc<Db>,
    pub(crate) images: Images,
    pub(crate) layers: Layers,
    /// What earlier builds have given.
    pub(crate) build_memory: gantry_build::Memory,
    /// Builds that go on, and what is known of those that were.
    pub(crate) build_history: build::History,
    /// Who has which cache mount.
    pub(crate) build_caches: build::Caches,
    /// What builds and their clients hand each other.
    pub(crate) exchanges: build::Exchanges,
    /// What may change while it runs.
    pub(crate) live: Live,
    /// What images from registries must fulfil, where the administrator says so.
    pub(crate) signature_policy: Option<gantry_trust::Policy>,
    pub(crate) plugins: Arc<Plugins>,
    /// Those that are kept here, and those of them that run.
    pub(crate) managed_plugins: Store,
    pub(crate) plugin_runs: plugin::Runs,
    /// Output on its way to other programs.
    pub(crate) log_deliveries: container::log_delivery::LogDeliveries,
    pub(crate) networks: Networks,
    /// Containers' name servers.
    pub(crate) dns: gantry_dns::Dns,
    pub(crate) volumes: Volumes,
    pub(crate) shims: Shims,
    /// For the ids of files that containers with other ids see.
    pub(crate) user_namespaces: user_namespaces::UserNamespaces,
    pub(crate) cgroups: Hierarchies,
    pub(crate) containers: Registry,
    /// What happens, for those who listen.
    pub(crate) events: Events,
    /// How health checks go.
    pub(crate) probes: system::ProbeCounts,
    /// How logs went of containers that have ended.
    pub(crate) ended_logs: system::EndedLogs,
    /// Counts builds that fail.
    pub(crate) failed_builds: build::FailureCounts,
    pub(crate) build_clearing: build::Clearing,
    pub(crate) execs: Mutex<HashMap<ExecId, Arc<ExecSession>>>,
    /// Keeps containers from starting while somebody writes into their files.
    pub(crate) rooms: container::Rooms,
    /// Keeps layers from going while somebody begins to need them.
    pub(crate) image_changes: image::Changes,
    /// Held by a check that reads everything.
    pub(crate) deep_check: Arc<tokio::sync::Mutex<()>>,
    /// What a list of all images says, as long as nothing changes.
    pub(crate) image_rows: image::Rows,
    /// What a list of containers says, as far as it is still so.
    pub(crate) container_rows: container::Rows,
    /// Hears of layers that came in.
    pub(crate) arrivals: housekeeping::layer_archives::Arrivals,
}

impl std::ops::Deref for Engine {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The records of all containers, by id.
pub(crate) const CONTAINERS: Table<ContainerRecord> = Table::new("containers");

impl Engine {
    /// Opens the data root, finds the containers that went on running, and brings the embedded image in when the
    /// data root is new.
    pub async fn open(settings: Settings) -> Result<Self> {
        let guards = settings.live.authorization_plugins.clone();
        // Before anything is touched; managed ones have to be started first.
        if !plugin::has_any(&settings) {
            let plugins = Arc::new(Plugins::new(settings.plugins.clone()));
            system::check_plugins(plugins, guards.clone()).await?;
        }
        let (engine, records) = block(move || Self::open_services(settings)).await?;
        plugin::restore(&engine).await;
        system::check_plugins(Arc::clone(&engine.plugins), guards).await?;
        container::log_delivery::check_defaults(&engine).await?;
        let (volumes, users) = (engine.clone(), volume::of_running(&records));
        block(move || volumes.volumes.restore(users)).await;
        let (networks, running) = (engine.clone(), network::of_running(&records));
        block(move || network::restore(&networks, running)).await?;
        container::restore(&engine, records).await;
        let keep = engine.clone();
        block(move || {
            keep.remove_strangers()?;
            build::reconcile(&keep)
        })
        .await?;
        image::unpack::collect_now(&engine).await;
        image::embed(&engine).await?;
        housekeeping::layer_archives::start(&engine);
        housekeeping::log_files::start(&engine);
        Ok(engine)
    }

    fn open_services(settings: Settings) -> Result<(Self, Vec<ContainerRecord>)> {
        make_dirs(&settings)?;
        let db = Arc::new(Db::open(&settings.data_root.join("meta.db"))?);
        let selinux = Selinux::open(settings.selinux)?;
        let layers = open_layers(&settings, &db, &selinux)?;
        let elsewhere = housekeeping::layer_archives::InLayers(layers.archives());
        let images = Images::open(
            gantry_images::Config {
                root: settings.data_root.clone(),
                elsewhere: Some(Arc::new(elsewhere)),
            },
            Arc::clone(&db),
        )?;
        tell_what_is_lost(&layers, &images);
        let records = readable_records(&db)?;
        let signature_policy =
            settings.signature_policy.as_deref().map(gantry_trust::Policy::read).transpose()?;
        let cgroups = Hierarchies::detect()?;
        for record in &records {
            selinux.keep(&record.plan.security.selinux);
        }
        let plugins = Arc::new(Plugins::new(settings.plugins.clone()));
        let inner = Inner {
            host: facts::gather(&cgroups, settings.default_bridge, &selinux),
            selinux,
            dns: gantry_dns::Dns::new(gantry_dns::Config {
                resolv_conf: settings.names.resolv_conf.clone(),
            })?,
            networks: Networks::open(
                network::config(&settings, &identity(&db)?, &plugins),
                Arc::clone(&db),
            )?,
            volumes: Volumes::open(
                &gantry_volumes::Config { root: settings.data_root.clone() },
                Arc::clone(&db),
            )?,
            shims: Shims::new()?,
            user_namespaces: user_namespaces::UserNamespaces::default(),
            cgroups,
            live: Live::new(settings.live.clone()),
            signature_policy,
            plugins,
            managed_plugins: Store::open(&settings.data_root, Arc::clone(&db))?,
            plugin_runs: plugin::Runs::default(),
            build_history: build::History::new(Arc::clone(&db), &settings.data_root),
            settings,
            build_memory: gantry_build::Memory::new(Arc::clone(&db)),
            build_caches: build::Caches::default(),
            exchanges: build::Exchanges::default(),
            db,
            images,
            layers,
            containers: Registry::default(),
            log_deliveries: container::log_delivery::LogDeliveries::default(),
            events: Events::default(),
            probes: system::ProbeCounts::default(),
            ended_logs: system::EndedLogs::default(),
            failed_builds: build::FailureCounts::default(),
            build_clearing: build::Clearing::default(),
            execs: Mutex::default(),
            rooms: container::Rooms::default(),
            image_changes: image::Changes::default(),
            deep_check: Arc::default(),
            image_rows: image::Rows::default(),
            container_rows: container::Rows::default(),
            arrivals: housekeeping::layer_archives::Arrivals::default(),
        };
        Ok((Self(Arc::new(inner)), records))
    }

    /// Removes what belongs to no record: what a create or a removal left behind when the daemon died in it.
    fn remove_strangers(&self) -> Result<()> {
        // Not the registry's ids: a record that cannot be read keeps its files.
        let known = self.db.read(|tx| CONTAINERS.keys_with_prefix(tx, "", usize::MAX))?;
        let known: HashSet<String> = known.into_iter().collect();
        let strangers = |names: Vec<String>| names.into_iter().filter(|name| !known.contains(name));
        for id in strangers(names_in(&self.settings.bundle(""))) {
            let cgroup = cgroups::by_settings(self, &id)?;
            container::leftovers::clear(self, &id, &cgroup.path);
        }
        let root = self.settings.container_dir("");
        for name in strangers(names_in(&root)) {
            tracing::info!(path = %root.join(&name).display(), "removing what belongs to no container");
            if let Err(error) = std::fs::remove_dir_all(root.join(&name)) {
                tracing::warn!(error = error_chain(&error), "cannot remove it");
            }
        }
        for id in strangers(self.layers.containers()) {
            if let Err(error) = self.layers.remove(&id) {
                tracing::warn!(
                    error = error_chain(&error),
                    id,
                    "cannot remove the writable layer of no container"
                );
            }
        }
        Ok(())
    }

    /// For whoever must not keep it.
    pub(crate) fn downgrade(&self) -> WeakEngine {
        WeakEngine(Arc::downgrade(&self.0))
    }

    /// Ends what the engine does on its own. Containers go on running.
    pub async fn close(&self) {
        container::log_delivery::close(self).await;
        housekeeping::flush(self).await;
        let engine = self.clone();
        block(move || {
            engine.networks.close();
            cgroups::remove_unused_parent(&engine);
        })
        .await;
    }

    /// The live settings as they are now.
    pub fn live(&self) -> Arc<LiveSettings> {
        self.live.settings()
    }

    /// Completes when the engine has read something of its own: threads and database are at work.
    pub async fn responds(&self) {
        let engine = self.clone();
        if let Err(error) = block(move || identity(&engine.db)).await {
            tracing::error!(error = error_chain(&error), "cannot read the database");
        }
    }

    /// What this engine calls itself in `info`: made once for each data root.
    pub(crate) fn identity(&self) -> Result<String> {
        identity(&self.db)
    }

    /// Fails when a test asked for a failure at this step.
    pub(crate) fn failpoint(&self, step: &'static str) -> Result<()> {
        let Some(at) = self.settings.fail_at.as_deref() else { return Ok(()) };
        if at.strip_prefix("die:") == Some(step) {
            std::process::abort();
        }
        if at == step { Err(Error::Injected { step }) } else { Ok(()) }
    }

    /// The container that `text` means.
    pub(crate) fn container(&self, text: &str) -> Result<Handle> {
        self.containers.find(text)
    }

    /// What is known of the container that `text` means.
    pub(crate) fn snapshot(&self, text: &str) -> Result<Snapshot> {
        Ok(self.container(text)?.snapshot())
    }
}

fn identity(db: &Db) -> Result<String> {
    const IDENTITY: Table<String> = Table::new("identity");
    if let Some(known) = db.read(|tx| IDENTITY.get(tx, "engine"))? {
        return Ok(known);
    }
    let random = random::bytes()?;
    db.write(|tx| {
        if let Some(known) = IDENTITY.get(tx, "engine")? {
            return Ok(known);
        }
        let new = ContainerId::from_bytes(random).to_string();
        IDENTITY.put(tx, "engine", &new)?;
        Ok(new)
    })
}

/// The records of all containers; one that cannot be read is told of and left alone.
fn readable_records(db: &Db) -> Result<Vec<ContainerRecord>> {
    let records = db.read(|tx| {
        let ids = CONTAINERS.keys_with_prefix(tx, "", usize::MAX)?;
        let read = |id: &String| match CONTAINERS.get(tx, id) {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(
                    error = error_chain(&error),
                    id,
                    "cannot read a container's record"
                );
                None
            }
        };
        Ok::<_, gantry_db::Error>(ids.iter().filter_map(read).collect())
    })?;
    Ok(records)
}

fn open_layers(settings: &Settings, db: &Arc<Db>, selinux: &Selinux) -> Result<Layers> {
    let config = gantry_layers::Config {
        root: settings.data_root.clone(),
        format: settings.layer_format,
        points: plan::POINTS,
        label: selinux.layer_label(),
    };
    let layers = Layers::open(config, Arc::clone(db))?;
    selinux.label_layers(&settings.data_root.join("layers"))?;
    if settings.live.containers.writable_layer_bytes.is_some() {
        layers.can_limit()?;
    }
    Ok(layers)
}

/// After a crash of the machine: what did not reach the disk in time.
fn tell_what_is_lost(layers: &Layers, images: &Images) {
    for diff_id in &layers.reconciled().lost {
        tracing::warn!(%diff_id, "this layer is lost: images with it cannot run until they are loaded again");
    }
    for image in images.incomplete() {
        tracing::warn!(image = %image.image, missing = ?image.missing, "this image is incomplete: load it again");
    }
}

/// The directories that all else lies below.
fn make_dirs(settings: &Settings) -> Result<()> {
    let (data, exec) = (&settings.data_root, &settings.exec_root);
    make_dir(data, 0o710)?;
    make_dir(&data.join("containers"), 0o710)?;
    make_dir(exec, 0o711)?;
    make_dir(&exec.join("containers"), 0o700)
}

fn make_dir(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(Error::file("create directory", path))
}

/// Hidden ones are nobody's: the shims keep compiled filters beside their bundles.
pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| !name.starts_with('.')).collect()
}
