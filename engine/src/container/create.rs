//! `create`: from a request to a container that has everything but a process.

use std::sync::Arc;

use gantry_api::container::{CreateRequest, CreateResponse};
use gantry_types::{ContainerId, ContainerName};

use super::{etc_files, task};
use crate::blocking::block;
use crate::engine::{CONTAINERS, Engine};
use crate::error::Error;
use crate::plan::{ContainerPlan, MountSource};
use crate::record::{ContainerRecord, State};
use crate::rollback::Rollback;
use crate::{Result, image, names, random};

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
    let (plan, warnings) = ContainerPlan::resolve(&id, request, &defaults, &engine.host)?;
    check_bind_sources(&plan).await?;

    let mut rollback = Rollback::new();
    let name = reserve_name(engine, wanted, &id, &mut rollback)?;
    let record = Arc::new(ContainerRecord {
        id: id.clone(),
        name,
        created_at: gantry_sys::clock::now(),
        image: used,
        plan: Arc::new(plan),
        state: State::Created { failure: None },
        endpoints: Vec::new(),
    });
    // Until the container's record names them. Nothing in between may wait for a client or a foreign file system.
    let layers_stay = engine.image_changes.creating().await;
    let (engine_, record_) = (engine.clone(), Arc::clone(&record));
    let (rollback, made) = block(move || {
        let made = make(&engine_, &record_, &mut rollback);
        (rollback, made)
    })
    .await;
    if let Err(error) = made {
        rollback.undo().await;
        return Err(error);
    }
    rollback.keep();
    adopt(engine, record);
    drop(layers_stay);
    Ok(CreateResponse { id: id.to_string(), warnings })
}

/// Everything on disk: the writable layer, the files for `/etc`, the record last.
fn make(engine: &Engine, record: &Arc<ContainerRecord>, rollback: &mut Rollback) -> Result<()> {
    let id = record.id.to_string();
    // Since it was chosen, it may have been removed.
    engine.images.resolve(&record.image.id.to_string())?;
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
    etc_files::write(&dir, &record.plan)?;
    engine.failpoint("create-record")?;
    engine.db.write(|tx| CONTAINERS.put(tx, &id, record)).map_err(Error::Database)
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
