//! Output on its way to other programs: remote log drivers and plugins are sent what stands in a container's log.
//!
//! The shim writes the log, whoever else wants it, so that nothing is lost while the daemon or a remote is away. One thread for each
//! container that has a destination follows the log and remembers in a file how far it came, after each delivery; the next daemon
//! goes on from there. The log's own size is the limit of what waits: what falls away before it was delivered is told of in the daemon's
//! log and by the event `log-undelivered`.

mod control;
mod place;
mod plugin;
mod sender;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gantry_api::container::LogConfig;
use gantry_log_drivers::{Delivery, Origin};
use gantry_types::ContainerId;
use tokio::sync::watch;

use super::logs::attributes;
use crate::Result;
use crate::blocking::{block, thread};
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::{self, Destination, LogPlan};
use crate::record::{ContainerRecord, Snapshot};
use crate::rollback::Rollback;
use control::Control;
pub(crate) use plugin::clear;

/// How long the removal of a container waits for the rest of its lines to be delivered, where the remote takes them.
const SETTLE: Duration = Duration::from_secs(10);
/// How long the end of the daemon waits for what is just being sent.
const CLOSE: Duration = Duration::from_secs(2);

/// Who is sent what, by container.
#[derive(Default)]
pub(crate) struct LogDeliveries {
    /// Connections of starts that are not over.
    prepared: Mutex<HashMap<ContainerId, Prepared>>,
    sending: Mutex<HashMap<ContainerId, Arc<Control>>>,
}

/// A connection, and the way by which it was made.
type Prepared = (Way, Box<dyn Delivery>);

impl LogDeliveries {
    fn sending(&self) -> std::sync::MutexGuard<'_, HashMap<ContainerId, Arc<Control>>> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prepared(&self) -> std::sync::MutexGuard<'_, HashMap<ContainerId, Prepared>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects to where a container's output shall go: a start fails when that is not there.
pub(super) fn prepare(
    engine: &Engine,
    record: &Arc<ContainerRecord>,
    rollback: &mut Rollback,
) -> Result<()> {
    let Some((_, destination)) = destination(record) else { return Ok(()) };
    let way = Way::of(engine, record, destination)?;
    if way.may_be_away() {
        return Ok(());
    }
    let delivery = way.connect().map_err(|error| Error::LogDriver { source: Box::new(error) })?;
    engine.log_deliveries.prepared().insert(record.id.clone(), (way, delivery));
    let (engine, record) = (engine.clone(), Arc::clone(record));
    rollback.on_failure(move || {
        let prepared = engine.log_deliveries.prepared().remove(&record.id);
        if let Some((way, _)) = prepared {
            way.end();
        }
    });
    Ok(())
}

/// Sends the output of a container that runs from now on, until it ends and all is delivered.
pub(super) fn begin(
    engine: &Engine,
    record: &Arc<ContainerRecord>,
    snapshots: watch::Receiver<Snapshot>,
) {
    let Some(control) = send(engine, record) else { return };
    tokio::spawn(finish_with(snapshots, control));
}

/// After a start of the daemon: goes on where the one before was.
pub(super) fn resume(
    engine: &Engine,
    record: &Arc<ContainerRecord>,
    snapshots: watch::Receiver<Snapshot>,
) {
    if destination(record).is_none() {
        return;
    }
    if record.state.is_active() {
        begin(engine, record, snapshots);
    } else if place::has_rest(&engine.settings, record)
        && let Some(control) = send(engine, record)
    {
        control.finish();
    }
}

async fn finish_with(mut snapshots: watch::Receiver<Snapshot>, control: Arc<Control>) {
    let mut done = control.done();
    tokio::select! {
        // An error means that the container is gone, which is an end as well.
        _ = snapshots.wait_for(|snapshot| !snapshot.record.state.is_active()) => control.finish(),
        _ = done.wait_for(|done| *done) => {}
    }
}

/// Before a container's log goes: delivers what is left, if that is possible at all.
pub(super) async fn settle(engine: &Engine, record: &ContainerRecord) {
    let Some(control) = engine.log_deliveries.sending().remove(&record.id) else { return };
    control.finish();
    let mut done = control.done();
    let mut settled = *done.borrow();
    if !settled && !control.is_failing() {
        let waited = tokio::time::timeout(SETTLE, done.wait_for(|done| *done)).await;
        settled = waited.is_ok_and(|done| done.is_ok());
    }
    if !settled {
        control.cancel();
        let driver = driver_of(record);
        tracing::warn!(id = %record.id, driver, "a container goes before all of its output was delivered");
    }
}

/// When the daemon ends: what is just being sent gets through, and the rest is the next daemon's.
pub(crate) async fn close(engine: &Engine) {
    let all: Vec<_> = engine.log_deliveries.sending().drain().map(|(_, control)| control).collect();
    for control in &all {
        control.cancel();
    }
    let done = async {
        for control in &all {
            drop(control.done().wait_for(|done| *done).await);
        }
    };
    drop(tokio::time::timeout(CLOSE, done).await);
}

/// Begins to send what is not delivered yet; after the thread of an earlier run, if there still is one.
fn send(engine: &Engine, record: &Arc<ContainerRecord>) -> Option<Arc<Control>> {
    let (log, destination) = destination(record)?;
    let prepared = engine.log_deliveries.prepared().remove(&record.id);
    let way = match prepared {
        Some((way, connection)) => Ok((way, Some(connection))),
        None => Way::of(engine, record, destination).map(|way| (way, None)),
    };
    let (way, connection) = match way {
        Ok(way) => way,
        Err(error) => {
            let error = gantry_types::error_chain(&error);
            tracing::error!(error, id = %record.id, "a container's output cannot be delivered");
            return None;
        }
    };
    let (control, done) = Control::new();
    let control = Arc::new(control);
    let before = {
        let mut sending = engine.log_deliveries.sending();
        sending.insert(record.id.clone(), Arc::clone(&control))
    };
    let dir = engine.settings.container_dir(record.id.as_str());
    let sender = sender::Sender {
        engine: engine.clone(),
        record: Arc::clone(record),
        log: log.path(&dir),
        place: dir.join(place::FILE),
        way,
        connection,
        before,
        failing_since: None,
        too_long: sender::TooLong::default(),
        control: Arc::clone(&control),
        done,
    };
    if let Err(error) = thread("log-delivery", move || sender.run()) {
        tracing::error!(error = gantry_types::error_chain(&error), id = %record.id, "a container's output cannot be delivered");
        return None;
    }
    Some(control)
}

fn destination(record: &ContainerRecord) -> Option<(&LogPlan, &Destination)> {
    let log = record.plan.log.as_ref()?;
    Some((log, log.destination.as_ref()?))
}

fn driver_of(record: &ContainerRecord) -> &str {
    destination(record).map_or("", |(_, destination)| destination.name())
}

/// Fails unless there is such a plugin, where the driver is one. Blocks.
pub(crate) fn check_plugin(engine: &Engine, log: Option<&LogPlan>) -> Result<()> {
    let destination = log.and_then(|log| log.destination.as_ref());
    let Some(Destination::Plugin { name, .. }) = destination else { return Ok(()) };
    if engine.plugins.has(name, plan::PLUGIN_KIND) {
        Ok(())
    } else {
        Err(Error::NoSuchLogDriver(name.clone()))
    }
}

/// Fails unless the daemon's own driver and options make sense.
pub(crate) async fn check_defaults(engine: &Engine) -> Result<()> {
    let log = plan::resolve_log(&mut LogConfig::default(), &engine.settings.logs)?;
    clear(&engine.settings);
    let engine = engine.clone();
    block(move || check_plugin(&engine, log.as_ref())).await
}

/// How a destination is reached, as often as that is needed.
enum Way {
    Remote { remote: gantry_log_drivers::Remote, origin: Box<Origin> },
    Plugin(Box<plugin::PluginLog>),
}

impl Way {
    fn of(engine: &Engine, record: &ContainerRecord, destination: &Destination) -> Result<Self> {
        match destination {
            Destination::Remote { driver, options } => Ok(Self::Remote {
                remote: plan::remote(driver, options)?,
                origin: Box::new(origin(engine, record)?),
            }),
            Destination::Plugin { name, options } => {
                Ok(Self::Plugin(Box::new(plugin::PluginLog::new(engine, record, name, options))))
            }
        }
    }

    fn may_be_away(&self) -> bool {
        matches!(self, Self::Remote { remote, .. } if remote.may_be_away())
    }

    fn retries(&self) -> gantry_log_drivers::Retries {
        match self {
            Self::Remote { remote, .. } => remote.retries(),
            Self::Plugin(_) => {
                gantry_log_drivers::Retries { limit: None, pause: Duration::from_secs(1) }
            }
        }
    }

    fn connect(&self) -> Result<Box<dyn Delivery>> {
        match self {
            Self::Remote { remote, origin } => Ok(remote.connect(origin)?),
            Self::Plugin(plugin) => plugin.start(),
        }
    }

    /// Nothing more will be sent for now.
    fn end(&self) {
        if let Self::Plugin(plugin) = self {
            plugin.stop();
        }
    }
}

fn origin(engine: &Engine, record: &ContainerRecord) -> Result<Origin> {
    let fields = attributes::tag_fields(record, &engine.host.hostname);
    let options = &record.plan.host_config.log_config.config;
    let template = options.get("tag").filter(|tag| !tag.is_empty());
    Ok(Origin {
        tag: plan::render_tag(template.map_or("{{.ID}}", String::as_str), &fields)?,
        attributes: attributes::chosen(record),
        created: record.created_at.to_string(),
        pid: std::process::id(),
        container_id: fields.id,
        container_name: fields.name,
        image_id: fields.image_id,
        image_name: fields.image_name,
        command: fields.command,
        hostname: fields.hostname,
    })
}
