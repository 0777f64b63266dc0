//! What the containers of a build's commands may use, as parameters. What is 0 or empty says nothing.

use crate::query::Query;

/// See the head of this file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildLimits {
    /// Bytes of memory.
    pub memory: i64,
    /// Bytes of memory and swap; -1 for any.
    pub memory_swap: i64,
    /// The weight among others.
    pub cpu_shares: i64,
    /// Microseconds of a period.
    pub cpu_period: i64,
    /// Microseconds of each period; -1 for any.
    pub cpu_quota: i64,
    /// Processors, `0-3,5`.
    pub cpuset_cpus: String,
    /// Memory nodes, the same way.
    pub cpuset_mems: String,
}

impl BuildLimits {
    pub(super) fn add_to(&self, mut query: Query) -> Query {
        for (name, number) in [
            ("memory", self.memory),
            ("memswap", self.memory_swap),
            ("cpushares", self.cpu_shares),
            ("cpuperiod", self.cpu_period),
            ("cpuquota", self.cpu_quota),
        ] {
            if number != 0 {
                query = query.text(name, &number.to_string());
            }
        }
        for (name, list) in [("cpusetcpus", &self.cpuset_cpus), ("cpusetmems", &self.cpuset_mems)] {
            if !list.is_empty() {
                query = query.text(name, list);
            }
        }
        query
    }
}
