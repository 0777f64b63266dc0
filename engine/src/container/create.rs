//! `create`: from a request to a container that has everything but a process.

use std::sync::Arc;

use gantry_api::container::{CreateRequest, CreateResponse};
use gantry_types::{ContainerId, ContainerName};

use super::{announce, endpoints, etc_files, joined, links, log_delivery, task};
use crate::blocking::block;
use crate::engine::{CONTAINERS, Engine};
use crate::error::Error;
use crate::plan::{ContainerPlan, MountSource, Surroundings};
use crate::record::{ContainerRecord, ImageUsed, State};
use crate::rollback::Rollback;
use crate::{Result, image, names, random, volume};

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
    let wanted: Option<ContainerName> = match query.name.as_deref() {
        None | Some("") => None,
        Some(text) => Some(text.parse().map_err(|error| Error::invalid(format!("{error}")))?),
    };
    let (used, defaults) =
        image::for_container(engine, &request.config.image, query.platform.as_deref()).await?;
    let id = ContainerId::from_bytes(random::bytes()?);
    let request = links::complete(engine, joined::complete(engine, request)?)?;
    let live = engine.live();
    let logs = &engine.settings.logs;
    let around = Surroundings { host: &engine.host, defaults: &live.containers, logs };
    let (mut plan, warnings) = ContainerPlan::resolve(&id, request, &defaults, around)?;
    endpoints::complete(engine, &mut plan);
    etc_files::check(engine, &plan)?;
    log_delivery::check_plugin(engine, plan.log.as_ref()).await?;
    let engine_ = engine.clone();
    let mut plan = block(move || volume::complete(&engine_, &mut plan).map(|()| plan)).await?;
    check_bind_sources(&plan).await?;

    let mut rollback = Rollback::new();
    let name = reserve_name(engine, wanted, &id, &mut rollback)?;
    // Until the container's record names them. Nothing in between may wait for a client or a foreign file system.
    let layers_stay = engine.image_changes.creating().await;
    let engine_ = engine.clone();
    let (rollback, made) = block(move || {
        let made = volume::make(&engine_, &mut plan, &used.chain, &mut rollback);
        let made = made.and_then(|volumes| {
            let record = Arc::new(new_record((id, name), used, plan));
            make(&engine_, &record, &mut rollback)?;
            Ok((record, volumes))
        });
        (rollback, made)
    })
    .await;
    let (record, volumes) = match made {
        Ok(made) => made,
        Err(error) => {
            rollback.undo().await;
            return Err(error);
        }
    };
    rollback.keep();
    announce::tell(engine, &record, "create");
    let id = record.id.to_string();
    adopt(engine, record);
    drop((layers_stay, volumes));
    Ok(CreateResponse { id, warnings })
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
        endpoints: Vec::new(),
        earlier_endpoints: Vec::new(),
        changes_networks: false,
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

/// The writable layer, and the files for `/etc`.
pub(crate) fn make_files(
    engine: &Engine,
    record: &ContainerRecord,
    rollback: &mut Rollback,
) -> Result<()> {
    let id = record.id.to_string();
    engine.failpoint("create-layer")?;
    engine.layers.prepare(&id, &record.image.chain)?;
    let undo = (engine.clone(), id.clone());
    rollback.on_failure(move || {
        if let Err(error) = undo.0.layers.remove(&undo.1) {
            tracing::warn!(
                error = gantry_types::error_chain(&error),
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
            tracing::warn!(error = gantry_types::error_chain(&error), path = %undo.display(), "cannot undo a container's directory");
        }
    });
    etc_files::write(engine, &dir, record)
}

/// Gives a new or restored record its task.
fn adopt(engine: &Engine, record: Arc<ContainerRecord>) {
    let id = record.id.clone();
    let (task, handle, commands) = task::new(engine, record, None);
    engine.containers.insert(id, handle);
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
async fn check_bind_sources(plan: &ContainerPlan) -> Result<()> {
    let wanted = plan.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Bind(bind) if !bind.create => Some(bind.path.clone()),
        _ => None,
    });
    let wanted: Vec<String> = wanted.collect();
    if wanted.is_empty() {
        return Ok(());
    }
    // On a network's file system, a look at a path can take long.
    let missing =
        block(move || wanted.into_iter().find(|path| !std::path::Path::new(path).exists())).await;
    missing.map_or(Ok(()), |path| Err(Error::NoBindSource { path }))
}
