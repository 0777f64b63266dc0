//! What is known of a container: the record that outlives the daemon, and the snapshot that use cases read.

use std::sync::Arc;

use gantry_network::Endpoint;
use gantry_shims::Shim;
use gantry_types::{ContainerId, ContainerName, Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::plan::{CgroupPlace, ContainerPlan, MountSource};

/// A container as the database keeps it. Only the container's own task changes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ContainerRecord {
    pub id: ContainerId,
    pub name: ContainerName,
    pub created_at: Timestamp,
    pub image: ImageUsed,
    pub plan: Arc<ContainerPlan>,
    pub state: State,
    /// Its cgroup in its last run; before that, where the settings would have it.
    #[serde(default)]
    pub cgroup: Option<CgroupPlace>,
    /// Its places in networks while it runs.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// Those of its last run, whose addresses it gets again if nobody else has them.
    #[serde(default)]
    pub earlier_endpoints: Vec<Endpoint>,
    /// Only in the database: while it ran, its networks began to change, and no later record says what became of that.
    #[serde(default)]
    pub changes_networks: bool,
    /// Only in the database: places that it was about to take in networks. Where the next daemon finds them here, nobody knows how far
    /// that came, and they are given back.
    #[serde(default)]
    pub joining: Vec<Endpoint>,
    /// Only in the database: what it was before its last start, about which the record speaks as if it had come to pass. Where no later
    /// record says what became of it, the shim knows.
    #[serde(default)]
    pub before_start: Option<State>,
    /// How often its restart policy has started it since somebody did.
    #[serde(default)]
    pub restart_count: u32,
    /// Somebody ended it, which `unless-stopped` honours over a start of the daemon.
    #[serde(default)]
    pub manually_stopped: bool,
    /// What its health check found; `None` without one, and before the first start.
    #[serde(default)]
    pub health: Option<HealthRecord>,
}

impl ContainerRecord {
    /// What is kept of endpoints for the next run: all but their ports, which that run takes anew.
    pub(crate) fn remembered(endpoints: &[Endpoint]) -> Vec<Endpoint> {
        let of = |it: &Endpoint| Endpoint { ports: Vec::new(), ..it.clone() };
        endpoints.iter().map(of).collect()
    }

    /// The layers that must stay: those of its image, and those of images that it mounts.
    pub(crate) fn chains(&self) -> Vec<Vec<Digest>> {
        let mounted = self.plan.mounts.iter().filter_map(|mount| match &mount.source {
            MountSource::Image(image) => Some(image.chain.clone()),
            _ => None,
        });
        std::iter::once(self.image.chain.clone()).chain(mounted).collect()
    }
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
    Created { failure: Option<StartFailure> },
    Running {
        pid: u32,
        started_at: Timestamp,
        /// Its processes stand still, because somebody wants it so.
        #[serde(default)]
        paused: bool,
    },
    Exited {
        code: u8,
        started_at: Timestamp,
        finished_at: Timestamp,
        /// The kernel killed a process of the container for want of memory.
        #[serde(default)]
        oom_killed: bool,
        failure: Option<StartFailure>,
        /// Its restart policy is about to start it again.
        #[serde(default)]
        restarting: bool,
    },
}

/// What the probes of a container's run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HealthRecord {
    pub status: HealthStatus,
    /// Failures since the last success, those of the start period left out.
    pub failing_streak: u32,
    /// The latest probes, oldest first.
    pub log: Vec<Probe>,
}

/// What the probes say in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HealthStatus {
    Starting,
    Healthy,
    Unhealthy,
}

impl HealthStatus {
    /// The word of the Engine API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub start: Timestamp,
    pub end: Timestamp,
    /// −1 when it took too long or could not be run.
    pub code: i32,
    /// The beginning of what it wrote.
    pub output: String,
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
            Self::Running { paused: true, .. } => "paused",
            Self::Running { .. } => "running",
            Self::Exited { restarting: true, .. } => "restarting",
            Self::Exited { .. } => "exited",
        }
    }

    /// Whether its processes stand still because somebody wants it so.
    pub(crate) fn is_paused(&self) -> bool {
        matches!(self, Self::Running { paused: true, .. })
    }

    /// Whether its restart policy is about to start it again.
    pub(crate) fn is_restarting(&self) -> bool {
        matches!(self, Self::Exited { restarting: true, .. })
    }

    /// Whether it has a process, or will have one soon.
    pub(crate) fn is_active(&self) -> bool {
        self.is_running() || self.is_restarting()
    }

    /// Whether it has a process, which may stand still.
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
