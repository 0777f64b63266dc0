//! `create`: from a request to a container that has everything but a process.

use std::sync::Arc;

use gantry_api::container::{CreateRequest, CreateResponse};
use gantry_api::image::ImageConfig;
use gantry_types::{ContainerId, ContainerName, ErrorKind, error_chain};

use super::{announce, endpoints, etc_files, joined, links, log_delivery, task};
use crate::blocking::block;
use crate::engine::{CONTAINERS, Engine};
use crate::error::Error;
use crate::image::LayersStay;
use crate::plan::{ContainerPlan, MountSource, Surroundings};
use crate::record::{ContainerRecord, ImageUsed, State};
use crate::rollback::Rollback;
use crate::{Result, image, names, random, selinux, volume};

/// How often a suggested name may be taken before we give up.
const NAME_ATTEMPTS: u32 = 100;

/// The query parameters of a create.
#[derive(Debug, Clone, Default)]
pub struct CreateQuery {
    /// Without one, the engine suggests a name.
    pub name: Option<String>,
    /// `os/arch[/variant]`; must be the image's own.
    pub platform: Option<String>,
}

/// Makes a container. It is listed afterwards and can be started.
pub async fn create(
    engine: &Engine,
    query: CreateQuery,
    request: CreateRequest,
) -> Result<CreateResponse> {
    let working = engine.clone();
    // All of it on one thread: each change of threads costs more than most of the steps.
    let planned = block(move || {
        let planned = Planned::new(&working, &query, request)?;
        Ok::<_, Error>(match working.image_changes.creating_at_once() {
            Some(layers_stay) => Ok(planned.make(&working, layers_stay)?),
            None => Err(Box::new(planned)),
        })
    });
    match planned.await? {
        Ok(created) => Ok(created),
        Err(planned) => {
            // Not on that thread: the removal that is waited for needs one, too.
            let layers_stay = engine.image_changes.creating().await;
            let engine = engine.clone();
            block(move || planned.make(&engine, layers_stay)).await
        }
    }
}

/// A container of which all is known and nothing made.
struct Planned {
    name: Option<ContainerName>,
    id: ContainerId,
    image: ImageUsed,
    plan: ContainerPlan,
    warnings: Vec<String>,
}

impl Planned {
    /// Blocks.
    fn new(engine: &Engine, query: &CreateQuery, request: CreateRequest) -> Result<Self> {
        let name: Option<ContainerName> = match query.name.as_deref() {
            None | Some("") => None,
            Some(text) => Some(text.parse().map_err(|error| Error::invalid(format!("{error}")))?),
        };
        let (image, defaults) =
            image::for_container(engine, &request.config.image, query.platform.as_deref())?;
        let id = ContainerId::from_bytes(random::bytes()?);
        let planned = planned(engine, &id, request, &defaults);
        let (plan, warnings) = planned.map_err(no_missing_image)?;
        Ok(Self { name, id, image, plan, warnings })
    }

    /// Makes it. The layers stay until its record names them: nothing in between may wait for a client or a foreign file system. Blocks.
    fn make(self, engine: &Engine, layers_stay: LayersStay) -> Result<CreateResponse> {
        let Self { name, id, image, mut plan, warnings } = self;
        let mut rollback = Rollback::new();
        let name = reserve_name(engine, name, &id, &mut rollback)?;
        selinux::label(engine, &mut plan, &mut rollback)?;
        let volumes = volume::make(engine, &mut plan, &image.chain, &mut rollback);
        let volumes = volumes.map_err(no_missing_image)?;
        let record = Arc::new(new_record((id, name), image, plan));
        make(engine, &record, &mut rollback)?;
        rollback.keep();
        let id = record.id.to_string();
        adopt(engine, &record);
        drop((layers_stay, volumes));
        Ok(CreateResponse { id, warnings })
    }
}

/// All that is to be known before anything is made, and what to warn of. Blocks.
fn planned(
    engine: &Engine,
    id: &ContainerId,
    request: CreateRequest,
    defaults: &ImageConfig,
) -> Result<(ContainerPlan, Vec<String>)> {
    let request = links::complete(engine, joined::complete(engine, request)?)?;
    let live = engine.live();
    let logs = &engine.settings.logs;
    let cgroup_driver = engine.settings.cgroup_driver;
    let around =
        Surroundings { host: &engine.host, defaults: &live.containers, logs, cgroup_driver };
    let (mut plan, warnings) = ContainerPlan::resolve(id, request, defaults, around)?;
    endpoints::complete(engine, &mut plan);
    etc_files::check(engine, &plan)?;
    log_delivery::check_plugin(engine, plan.log.as_ref())?;
    volume::complete(engine, &mut plan)?;
    check_bind_sources(&plan)?;
    if plan.writable_layer_bytes.is_some() {
        engine.layers.can_limit()?;
    }
    Ok((plan, warnings))
}

/// Whatever else is missing: clients that hear "not found" fetch the image.
fn no_missing_image(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::invalid(error_chain(&error)),
        _ => error,
    }
}

/// A record of a container that has not run.
pub(crate) fn new_record(
    (id, name): (ContainerId, ContainerName),
    image: ImageUsed,
    plan: ContainerPlan,
) -> ContainerRecord {
    ContainerRecord {
        id,
        name,
        created_at: gantry_sys::clock::now(),
        image,
        plan: Arc::new(plan),
        state: State::Created { failure: None },
        cgroup: None,
        endpoints: Vec::new(),
        earlier_endpoints: Vec::new(),
        changes_networks: false,
        joining: Vec::new(),
        before_start: None,
        restart_count: 0,
        manually_stopped: false,
        health: None,
    }
}

/// Everything on disk, the record last.
fn make(engine: &Engine, record: &Arc<ContainerRecord>, rollback: &mut Rollback) -> Result<()> {
    // Since it was chosen, it may have been removed.
    engine.images.resolve(&record.image.id.to_string())?;
    make_files(engine, record, rollback)?;
    engine.failpoint("create-record")?;
    engine.db.write(|tx| CONTAINERS.put(tx, record.id.as_str(), record)).map_err(Error::Database)
}

/// The writable layer, and the directory of the container's other files.
pub(crate) fn make_files(
    engine: &Engine,
    record: &ContainerRecord,
    rollback: &mut Rollback,
) -> Result<()> {
    let id = record.id.to_string();
    engine.failpoint("create-layer")?;
    engine.layers.prepare_with(&id, &record.image.chain, record.plan.writable_layer_bytes)?;
    let undo = (engine.clone(), id.clone());
    rollback.on_failure(move || {
        if let Err(error) = undo.0.layers.remove(&undo.1) {
            tracing::warn!(
                error = error_chain(&error),
                id = undo.1,
                "cannot undo a writable layer"
            );
        }
    });
    engine.failpoint("create-files")?;
    let dir = engine.settings.container_dir(&id);
    let undo = dir.clone();
    rollback.on_failure(move || {
        if let Err(error) = std::fs::remove_dir_all(&undo)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(error = error_chain(&error), path = %undo.display(), "cannot undo a container's directory");
        }
    });
    std::fs::create_dir_all(&dir).map_err(Error::file("create directory", dir))
}

/// Gives a new record its task, and tells of it: when it can be found, and before anything else can happen to it.
fn adopt(engine: &Engine, record: &Arc<ContainerRecord>) {
    let (task, handle, commands) = task::new(engine, Arc::clone(record), None);
    engine.containers.insert(record.id.clone(), handle);
    announce::tell(engine, record, "create");
    task.spawn(commands);
}

fn reserve_name(
    engine: &Engine,
    wanted: Option<ContainerName>,
    id: &ContainerId,
    rollback: &mut Rollback,
) -> Result<ContainerName> {
    let name = match wanted {
        Some(name) => engine.containers.reserve(&name, id).map(|()| name)?,
        None => suggest_name(engine, id)?,
    };
    let undo = (engine.clone(), name.clone());
    rollback.on_failure(move || undo.0.containers.release(&undo.1));
    Ok(name)
}

fn suggest_name(engine: &Engine, id: &ContainerId) -> Result<ContainerName> {
    let mut attempt = 0;
    loop {
        let random: [u8; 32] = random::bytes()?;
        let name = names::suggest([random[0], random[1]], attempt);
        match engine.containers.reserve(&name, id) {
            Ok(()) => return Ok(name),
            Err(error) if attempt >= NAME_ATTEMPTS => return Err(error),
            Err(_) => attempt += 1,
        }
    }
}

/// `--mount type=bind` wants its source to be there when the container is made.
fn check_bind_sources(plan: &ContainerPlan) -> Result<()> {
    let mut wanted = plan.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Bind(bind) if !bind.create => Some(&bind.path),
        _ => None,
    });
    let missing = wanted.find(|path| !std::path::Path::new(path).exists());
    missing.map_or(Ok(()), |path| Err(Error::NoBindSource { path: path.clone() }))
}
