//! `wait`: how a container ends. Registered first, awaited later, so that no end is missed in between.

use gantry_api::container::WaitResponse;
use tokio::sync::watch;

use crate::Result;
use crate::engine::Engine;
use crate::record::Snapshot;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitCondition {
    /// It is not running, which may be so already.
    #[default]
    NotRunning,
    /// Its process ends after now.
    NextExit,
    /// It is gone.
    Removed,
}

/// A wait that has begun.
pub struct Waiting {
    snapshots: watch::Receiver<Snapshot>,
    condition: WaitCondition,
    exits_before: u64,
}

/// Begins to wait; what happens from now on counts.
pub fn wait(engine: &Engine, container: &str, condition: WaitCondition) -> Result<Waiting> {
    let snapshots = engine.container(container)?.snapshots;
    let exits_before = snapshots.borrow().exits;
    Ok(Waiting { snapshots, condition, exits_before })
}

impl Waiting {
    /// Completes when the condition holds, with the exit code of the last process.
    pub async fn result(mut self) -> WaitResponse {
        let exits_before = self.exits_before;
        // An error means that the container is gone, which ends every wait.
        match self.condition {
            WaitCondition::NotRunning => {
                drop(self.snapshots.wait_for(|snapshot| !snapshot.record.state.is_running()).await);
            }
            WaitCondition::NextExit => {
                drop(self.snapshots.wait_for(|snapshot| snapshot.exits > exits_before).await);
            }
            WaitCondition::Removed => while self.snapshots.changed().await.is_ok() {},
        }
        let code = self.snapshots.borrow().record.state.exit_code();
        WaitResponse { status_code: i64::from(code), error: None }
    }
}
