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
        let code_of = |snapshot: &Snapshot| snapshot.record.state.exit_code();
        let over = |snapshot: &Snapshot| snapshot.exits > exits_before;
        // An error means that the container is gone, which ends every wait.
        let seen = match self.condition {
            // With a restart policy another process may follow, without a moment between that is an end.
            WaitCondition::NotRunning => {
                let over =
                    |snapshot: &Snapshot| over(snapshot) || !snapshot.record.state.is_active();
                self.snapshots.wait_for(over).await.ok().map(|snapshot| code_of(&snapshot))
            }
            WaitCondition::NextExit => {
                self.snapshots.wait_for(over).await.ok().map(|snapshot| code_of(&snapshot))
            }
            WaitCondition::Removed => {
                while self.snapshots.changed().await.is_ok() {}
                None
            }
        };
        let code = seen.unwrap_or_else(|| code_of(&self.snapshots.borrow()));
        WaitResponse { status_code: i64::from(code), error: None }
    }
}
