//! The flags of `run` and `create`, grouped by topic, and how they become one request to the daemon.
//!
//! Each group's file has its flags and writes them into the request. Defaults that are the daemon's are left to it.

mod gpus;
mod health;
mod limits;
mod lines;
mod mount;
mod network;
mod port;
mod process;
mod security;
mod storage;
mod supervision;
pub(crate) mod value;

use gantry_api::container::CreateRequest;

use crate::error::Error;

pub(crate) use lines::{env_file, environment_entry};
pub(crate) use process::{Streams, without};
pub(crate) use supervision::{Pull, restart_policy};
pub(crate) use value::{detach_keys, duration_ns, environment, label};

/// What a container is made from: all flags and the image with its command.
#[derive(Debug, clap::Args)]
pub(crate) struct ContainerFlags {
    #[command(flatten)]
    pub(crate) process: process::ProcessFlags,
    #[command(flatten)]
    health: health::HealthFlags,
    #[command(flatten)]
    limits: limits::LimitFlags,
    #[command(flatten)]
    network: network::NetworkFlags,
    #[command(flatten)]
    storage: storage::StorageFlags,
    #[command(flatten)]
    security: security::SecurityFlags,
    #[command(flatten)]
    pub(crate) supervision: supervision::SupervisionFlags,
    #[arg(required = true, trailing_var_arg = true, value_name = "IMAGE", hide = true)]
    pub(crate) image_and_command: Vec<String>,
}

impl ContainerFlags {
    /// The image as the user wrote it.
    pub(crate) fn image(&self) -> &str {
        self.image_and_command.first().map_or("", String::as_str)
    }

    /// The request to make the container.
    pub(crate) fn request(&self) -> Result<CreateRequest, Error> {
        let mut request = CreateRequest::default();
        self.image().clone_into(&mut request.config.image);
        let command = self.image_and_command.get(1..).unwrap_or_default();
        request.config.cmd = (!command.is_empty()).then(|| command.to_vec());
        self.process.apply(&mut request)?;
        self.health.apply(&mut request)?;
        self.limits.apply(&mut request);
        self.network.apply(&mut request)?;
        self.storage.apply(&mut request)?;
        self.security.apply(&mut request)?;
        self.supervision.apply(&mut request)?;
        Ok(request)
    }
}

#[cfg(test)]
mod tests;
