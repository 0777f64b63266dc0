//! `volume rename`: another name, also in the containers that have the volume and do not run. Their records change with the
//! volume's row; what the daemon has in memory follows.

use std::sync::Arc;

use gantry_api::volume::Volume;
use gantry_db::WriteTx;
use gantry_volumes::VolumeName;

use super::{document, parse, tell, users};
use crate::Result;
use crate::blocking::block;
use crate::container;
use crate::engine::{CONTAINERS, Engine};

/// Renames a volume that no running container uses.
pub async fn rename(engine: &Engine, from: &str, to: &str) -> Result<Volume> {
    let to = parse(to)?;
    let (engine_, from_, to_) = (engine.clone(), from.to_owned(), to.clone());
    let mut pins = engine.volumes.pins();
    let (renamed, having, pins) = block(move || {
        let running = |name: &VolumeName| users(&engine_, name, |record| record.state.is_running());
        let before = engine_.volumes.find(&from_)?.name;
        let having = users(&engine_, &before, |_| true);
        let records = |tx: &WriteTx<'_>, from: &VolumeName, to: &VolumeName| {
            for id in &having {
                if let Some(mut record) = CONTAINERS.get(tx, id)? {
                    let plan = container::with_volume_renamed(&engine_, &record.plan, (from, to));
                    record.plan = Arc::new(plan);
                    CONTAINERS.put(tx, id, &record)?;
                }
            }
            Ok(())
        };
        let renamed = engine_.volumes.rename((&from_, &to_), running, records, &mut pins)?;
        // Those that came meanwhile, too.
        Ok::<_, crate::Error>((renamed, (users(&engine_, &before, |_| true), before), pins))
    })
    .await?;
    let (containers, before) = having;
    for id in containers {
        container::rename_volume(engine, &id, (&before, &to)).await?;
    }
    drop(pins);
    tell(engine, "rename", &renamed);
    Ok(document(engine, &renamed))
}
