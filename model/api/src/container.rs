//! Containers: what is sent to create one and what is told about it.

mod config;
mod create;
mod device;
mod host_config;
mod inspect;
mod list;
mod state;
mod wait;

pub use config::{Config, HealthConfig};
pub use create::{CreateRequest, CreateResponse};
pub use device::{DeviceMapping, DeviceRequest, ThrottleDevice, Ulimit, WeightDevice};
pub use host_config::{HostConfig, LogConfig, RestartPolicy};
pub use inspect::{ContainerInspect, GraphDriver};
pub use list::{ContainerSummary, SummaryHostConfig, SummaryNetworkSettings};
pub use state::{ContainerState, Health, HealthResult};
pub use wait::{WaitError, WaitResponse};
