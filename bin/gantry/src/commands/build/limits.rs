//! What the containers of a build's commands may use, and flags of older builders that mean nothing here: scripts have them.

use gantry_client::BuildLimits;

use crate::error::Error;
use crate::flags::value;
use crate::output;

/// The flags.
#[derive(Debug, clap::Args)]
pub(super) struct LimitFlags {
    /// Compress the build context using gzip
    #[arg(long, hide = true)]
    compress: bool,
    /// Limit the CPU CFS (Completely Fair Scheduler) period
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    cpu_period: i64,
    /// Limit the CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, default_value_t = 0, hide_default_value = true, allow_negative_numbers = true)]
    cpu_quota: i64,
    /// CPU shares (relative weight)
    #[arg(short, long, default_value_t = 0, hide_default_value = true)]
    cpu_shares: i64,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long, default_value = "", hide_default_value = true)]
    cpuset_cpus: String,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(long, default_value = "", hide_default_value = true)]
    cpuset_mems: String,
    /// Skip image verification
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_content_trust: Option<String>,
    /// Always remove intermediate containers
    #[arg(long, hide = true)]
    force_rm: bool,
    /// Container isolation technology
    #[arg(long, hide = true, default_value = "", hide_default_value = true)]
    isolation: String,
    /// Memory limit
    #[arg(short, long, value_parser = value::bytes)]
    memory: Option<i64>,
    /// Swap limit equal to memory plus swap: -1 to enable unlimited swap
    #[arg(long, value_parser = value::bytes_or_unlimited, allow_negative_numbers = true)]
    memory_swap: Option<i64>,
    /// Remove intermediate containers after a successful build
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rm: Option<String>,
    /// Security options
    #[arg(long, hide = true)]
    security_opt: Vec<String>,
}

impl LimitFlags {
    /// What the daemon is told.
    pub(super) fn read(&self) -> Result<BuildLimits, Error> {
        if !matches!(self.isolation.as_str(), "" | "default") {
            return Err(Error::refused(format!(
                "invalid --isolation {:?}: Linux has \"default\" alone",
                self.isolation
            )));
        }
        for option in &self.security_opt {
            output::remark(&format!(
                "WARNING: --security-opt {option} is ignored: RUN --security=insecure with --allow security.insecure gives privileges"
            ));
        }
        Ok(BuildLimits {
            memory: self.memory.unwrap_or(0),
            memory_swap: self.memory_swap.unwrap_or(0),
            cpu_shares: self.cpu_shares,
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
        })
    }
}
