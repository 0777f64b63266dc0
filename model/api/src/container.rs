//! Containers: what is sent to create one and what is told about it.

mod commit;
mod config;
mod create;
mod device;
mod diff;
mod host_config;
mod inspect;
mod list;
mod path_stat;
mod prune;
mod state;
mod stats;
mod top;
mod update;
mod wait;

pub use commit::CommitResponse;
pub use config::{Config, HealthConfig};
pub use create::{CreateRequest, CreateResponse};
pub use device::{DeviceMapping, DeviceRequest, ThrottleDevice, Ulimit, WeightDevice};
pub use diff::FileChange;
pub use host_config::{HostConfig, LogConfig, RestartPolicy};
pub use inspect::{ContainerInspect, GraphDriver};
pub use list::{ContainerSummary, SummaryHealth, SummaryHostConfig, SummaryNetworkSettings};
pub use path_stat::ContainerPathStat;
pub use prune::ContainersPruned;
pub use state::{ContainerState, Health, HealthResult};
pub use stats::{
    BlkioEntry, BlkioStats, ContainerStats, CpuStats, CpuUsage, MemoryStats, NetworkStats,
    PidsStats, ThrottlingData,
};
pub use top::ContainerTop;
pub use update::UpdateResponse;
pub use wait::{WaitError, WaitResponse};
