//! What is known of a container: the record that outlives the daemon, and the snapshot that use cases read.

use std::sync::Arc;

use gantry_network::Endpoint;
use gantry_shims::Shim;
use gantry_types::{ContainerId, ContainerName, Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::plan::ContainerPlan;

/// A container as the database keeps it. Only the container's own task changes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ContainerRecord {
    pub id: ContainerId,
    pub name: ContainerName,
    pub created_at: Timestamp,
    pub image: ImageUsed,
    pub plan: Arc<ContainerPlan>,
    pub state: State,
    /// Its places in networks while it runs.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
}

/// The image a container was made from, as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageUsed {
    /// The config's digest.
    pub id: Digest,
    /// The layers' diffIDs, lowest first.
    pub chain: Vec<Digest>,
}

/// Where a container is in its life. Each state carries what only it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    /// Made and never run, perhaps because a start failed.
    Created {
        failure: Option<StartFailure>,
    },
    Running {
        pid: u32,
        started_at: Timestamp,
    },
    Exited {
        code: u8,
        started_at: Timestamp,
        finished_at: Timestamp,
        /// The kernel killed a process of the container for want of memory.
        #[serde(default)]
        oom_killed: bool,
        failure: Option<StartFailure>,
    },
}

/// A start that failed: what `inspect` shows until the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StartFailure {
    /// 126, 127 or 128, as a shell would say it.
    pub code: u8,
    pub message: String,
}

impl State {
    /// The word of the Engine API.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Running { .. } => "running",
            Self::Exited { .. } => "exited",
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// What the last process ended with, or how the last start failed; zero while running.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Running { .. } => 0,
            Self::Created { failure } => failure.as_ref().map_or(0, |failure| failure.code),
            Self::Exited { code, failure, .. } => {
                failure.as_ref().map_or(*code, |failure| failure.code)
            }
        }
    }

    /// When the last process began, if there was one.
    pub(crate) fn started_at(&self) -> Option<Timestamp> {
        match self {
            Self::Created { .. } => None,
            Self::Running { started_at, .. } | Self::Exited { started_at, .. } => Some(*started_at),
        }
    }

    /// When the last process ended, if it did.
    pub(crate) fn finished_at(&self) -> Option<Timestamp> {
        match self {
            Self::Exited { finished_at, .. } => Some(*finished_at),
            Self::Created { .. } | Self::Running { .. } => None,
        }
    }

    /// The last start's failure.
    pub(crate) fn failure(&self) -> Option<&StartFailure> {
        match self {
            Self::Created { failure } | Self::Exited { failure, .. } => failure.as_ref(),
            Self::Running { .. } => None,
        }
    }
}

/// What the container's task publishes after every change.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub record: Arc<ContainerRecord>,
    /// The way to the processes, while there are any.
    pub shim: Option<Arc<Shim>>,
    /// How often a process of this container has ended since the daemon began; waiters watch it grow.
    pub exits: u64,
}
