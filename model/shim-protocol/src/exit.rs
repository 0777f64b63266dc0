//! The lines of a bundle's `exits` file: one JSON object for every process that ended. The shim
//! appends, the daemon reads them when the shim can no longer be asked.

use crate::Error;
use gantry_types::Timestamp;
use serde::{Deserialize, Serialize};

/// How one process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// The container.
    pub id: String,
    /// Empty: its first process.
    pub exec_id: String,
    /// The pid it had on the host.
    pub pid: u32,
    /// 0 to 255; 128 + n when signal n ended it.
    pub status: u32,
    pub exited_at: Timestamp,
    /// The kernel has killed in the container's cgroup for want of memory. Told where it may be why the first process ended: that one
    /// was killed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oom_killed: bool,
}

impl ExitRecord {
    /// The record as a line, with its newline.
    pub fn to_line(&self) -> String {
        // A struct of numbers and text always serialises.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Reads one line.
    pub fn parse(line: &str) -> Result<Self, Error> {
        serde_json::from_str(line)
            .map_err(|_| Error::ExitRecord { line: line.chars().take(80).collect() })
    }

    /// The last record of `exec_id` in a whole file; lines that are torn are passed over.
    pub fn find(file: &str, exec_id: &str) -> Option<Self> {
        file.lines()
            .rev()
            .filter_map(|line| Self::parse(line).ok())
            .find(|record| record.exec_id == exec_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_record_counts() {
        let record = |exec_id: &str, status| ExitRecord {
            id: "c".to_owned(),
            exec_id: exec_id.to_owned(),
            pid: 7,
            status,
            exited_at: Timestamp { seconds: 1, nanos: 2 },
            oom_killed: false,
        };
        let torn = &record("", 9).to_line()[..20];
        let file = [&record("", 3).to_line(), &record("e", 4).to_line(), torn].concat();
        assert_eq!(ExitRecord::find(&file, ""), Some(record("", 3)));
        assert_eq!(ExitRecord::find(&file, "e"), Some(record("e", 4)));
        assert_eq!(ExitRecord::find(&file, "x"), None);
        assert!(ExitRecord::parse(torn).is_err());
    }
}
