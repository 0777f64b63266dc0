//! `update`: other limits and another restart policy for a container, running or not.

use std::sync::Arc;

use gantry_api::container::{HostConfig, RestartPolicy};

use super::task::{self, Command, Task};
use super::{announce, block_devices, stillness};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::with_devices;
use crate::record::ContainerRecord;

/// What is to be different: whatever is not zero or empty.
pub(crate) type Change = HostConfig;

/// Changes a container's limits and its restart policy; gives what to warn of.
pub async fn update(engine: &Engine, container: &str, change: HostConfig) -> Result<Vec<String>> {
    let handle = engine.container(container)?;
    let change = Box::new(change);
    task::ask(&handle, |reply| Command::Update { change, reply }).await
}

/// The task's side of [`update`]: the processes first, the record when they have it.
pub(super) async fn update_now(task: &mut Task, change: Change) -> Result<Vec<String>> {
    let before = Arc::clone(&task.record);
    let (plan, warnings) = before.plan.with_update(&change, &task.engine.host)?;
    let has_new_limits = plan.resources != before.plan.resources
        || block_devices::differ(&plan.host_config, &before.plan.host_config);
    if let Some(shim) = task.shim.clone().filter(|_| before.state.is_running() && has_new_limits) {
        let host = plan.host_config.clone();
        let devices = block(move || block_devices::limits(&host)).await?;
        let resources = serde_json::to_vec(&with_devices(&plan.resources, devices))
            .map_err(|error| Error::invalid(error.to_string()))?;
        let updated = block(move || shim.update(resources)).await;
        updated.map_err(|error| stillness::failed(task, "update", error))?;
    }
    let policy = |policy: &RestartPolicy| policy.clone();
    let has_new_policy =
        policy(&plan.host_config.restart_policy) != policy(&before.plan.host_config.restart_policy);
    let mut record = ContainerRecord { plan: Arc::new(plan), ..ContainerRecord::clone(&before) };
    if has_new_policy {
        record.restart_count = 0;
        task.backoff = super::restart_policy::Backoff::default();
    }
    task.save(Arc::new(record)).await?;
    announce::tell(&task.engine, &task.record, "update");
    Ok(warnings)
}
