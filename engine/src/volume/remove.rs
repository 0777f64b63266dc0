//! `volume rm`: its row and its files. Also what goes along with a container.

use gantry_types::{ErrorKind, error_chain};
use gantry_volumes::{CreateOptions, Volume};

use super::{driver, tell, users};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::record::ContainerRecord;

/// Removes a volume that no container has. By force, one that is not there is as good as removed.
pub async fn remove(engine: &Engine, name: &str, force: bool) -> Result<()> {
    let (engine, name) = (engine.clone(), name.to_owned());
    block(move || match remove_now(&engine, &name) {
        Err(error) if force && error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    })
    .await
}

/// [`remove`] for who may block.
pub(super) fn remove_now(engine: &Engine, name: &str) -> Result<()> {
    let removed = engine.volumes.remove(name, |name| users(engine, name, |_| true))?;
    if !removed.is_local()
        && let Err(error) = driver::remove(engine, &removed)
    {
        let Volume { name, driver, options, labels, .. } = removed;
        let again = CreateOptions { driver, options, labels };
        engine.volumes.create(&name, again, removed.created_at)?;
        return Err(error);
    }
    tell(engine, "destroy", &removed);
    Ok(())
}

/// Removes the nameless volumes of a container that is gone, but for those that others have. Blocks.
pub(crate) fn remove_anonymous(engine: &Engine, record: &ContainerRecord) {
    for volume in record.plan.mounts.iter().filter_map(|mount| mount.volume()) {
        if !volume.anonymous {
            continue;
        }
        match remove_now(engine, volume.name_text()) {
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => {
                let name = volume.name_text();
                tracing::warn!(error = error_chain(&error), name, "cannot remove a volume");
            }
            _ => {}
        }
    }
}
