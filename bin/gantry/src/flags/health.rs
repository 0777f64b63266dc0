//! How the container's health is probed.

use gantry_api::container::{CreateRequest, HealthConfig};

use super::value;
use crate::error::Error;

#[derive(Debug, clap::Args)]
pub(crate) struct HealthFlags {
    /// Command to run to check health
    #[arg(long)]
    health_cmd: Option<String>,
    /// Time between running the check (ms|s|m|h)
    #[arg(long, value_parser = value::duration_ns)]
    health_interval: Option<i64>,
    /// Consecutive failures needed to report unhealthy
    #[arg(long)]
    health_retries: Option<i64>,
    /// Time between running the check during the start period (ms|s|m|h)
    #[arg(long, value_parser = value::duration_ns)]
    health_start_interval: Option<i64>,
    /// Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)
    #[arg(long, value_parser = value::duration_ns)]
    health_start_period: Option<i64>,
    /// Maximum time to allow one check to run (ms|s|m|h)
    #[arg(long, value_parser = value::duration_ns)]
    health_timeout: Option<i64>,
    /// Disable any container-specified HEALTHCHECK
    #[arg(long)]
    no_healthcheck: bool,
}

impl HealthFlags {
    pub(super) fn apply(&self, request: &mut CreateRequest) -> Result<(), Error> {
        let config = HealthConfig {
            test: self
                .health_cmd
                .iter()
                .flat_map(|command| ["CMD-SHELL".to_owned(), command.clone()])
                .collect(),
            interval: self.health_interval.unwrap_or_default(),
            timeout: self.health_timeout.unwrap_or_default(),
            start_period: self.health_start_period.unwrap_or_default(),
            start_interval: self.health_start_interval.unwrap_or_default(),
            retries: self.health_retries.unwrap_or_default(),
        };
        let given = config != HealthConfig::default();
        if self.no_healthcheck && given {
            return Err(Error::refused("--no-healthcheck conflicts with --health-* options"));
        }
        if config.retries < 0 {
            return Err(Error::refused("--health-retries cannot be negative"));
        }
        if self.no_healthcheck {
            let config = HealthConfig { test: vec!["NONE".to_owned()], ..config };
            request.config.healthcheck = Some(config);
        } else if given {
            request.config.healthcheck = Some(config);
        }
        Ok(())
    }
}
