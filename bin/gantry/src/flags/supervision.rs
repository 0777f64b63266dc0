//! What happens around the container's life: its name, its end, its restart, its log, its image.

use std::path::PathBuf;

use gantry_api::container::{CreateRequest, RestartPolicy};

use super::value;
use crate::error::Error;

#[derive(Debug, clap::Args)]
pub(crate) struct SupervisionFlags {
    /// Write the container ID to the file
    #[arg(long)]
    pub(crate) cidfile: Option<PathBuf>,
    /// Skip image verification
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        action = clap::ArgAction::Set, value_parser = crate::cli::boolean)]
    disable_content_trust: Option<bool>,
    /// Logging driver for the container
    #[arg(long)]
    log_driver: Option<String>,
    /// Log driver options
    #[arg(long, value_parser = value::pair)]
    log_opt: Vec<(String, String)>,
    /// Assign a name to the container
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Set platform if server is multi-platform capable
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// Pull image before running ("always", "missing", "never")
    #[arg(long, default_value = "missing")]
    pub(crate) pull: String,
    /// Suppress the pull output
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Restart policy to apply when a container exits
    #[arg(long, default_value = "no")]
    restart: String,
    /// Automatically remove the container and its associated anonymous volumes when it exits
    #[arg(long)]
    pub(crate) rm: bool,
    /// Signal to stop the container
    #[arg(long)]
    stop_signal: Option<String>,
    /// Timeout (in seconds) to stop a container
    #[arg(long)]
    stop_timeout: Option<i64>,
}

/// When an image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pull {
    Always,
    Missing,
    Never,
}

impl SupervisionFlags {
    pub(super) fn apply(&self, request: &mut CreateRequest) -> Result<(), Error> {
        let config = &mut request.config;
        config.stop_signal = self.stop_signal.clone().unwrap_or_default();
        config.stop_timeout = self.stop_timeout;
        let host = &mut request.host_config;
        host.auto_remove = self.rm;
        host.restart_policy = restart_policy(&self.restart)?;
        if self.rm && host.restart_policy.name != "no" {
            let text = "conflicting options: cannot specify both --restart and --rm";
            return Err(Error::refused(text));
        }
        host.log_config.r#type = self.log_driver.clone().unwrap_or_default();
        host.log_config.config = self.log_opt.iter().cloned().collect();
        if host.log_config.r#type == "none" && !self.log_opt.is_empty() {
            return Err(Error::refused("invalid logging opts for driver none"));
        }
        if let Some(path) = &self.cidfile {
            host.container_id_file = path.to_string_lossy().into_owned();
        }
        Ok(())
    }

    /// When the image is fetched.
    pub(crate) fn pull(&self) -> Result<Pull, Error> {
        match self.pull.as_str() {
            "always" => Ok(Pull::Always),
            "missing" | "" => Ok(Pull::Missing),
            "never" => Ok(Pull::Never),
            other => Err(Error::refused(format!(
                "invalid pull option: '{other}': must be one of \"always\", \"missing\" or \"never\""
            ))),
        }
    }
}

/// A policy's name; `on-failure` may have a count behind a colon.
pub(crate) fn restart_policy(text: &str) -> Result<RestartPolicy, Error> {
    let invalid = |reason: &str| Error::refused(format!("invalid restart policy format: {reason}"));
    let (name, count) = match text.split_once(':') {
        Some((name, count)) => {
            (name, count.parse().map_err(|_| invalid("maximum retry count must be an integer"))?)
        }
        None => (text, 0),
    };
    if name.is_empty() && !text.is_empty() {
        return Err(invalid("no policy provided before colon"));
    }
    let name = if name.is_empty() { "no" } else { name };
    Ok(RestartPolicy { name: name.to_owned(), maximum_retry_count: count })
}
