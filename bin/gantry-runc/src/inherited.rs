//! Descriptors that the caller hands through to the container's process: `--preserve-fds` and socket activation (`sd_listen_fds(3)`).

use std::env;

use gantry_sys::{fds, process};

use crate::arguments::Arguments;
use crate::error::Error;

/// The caller's descriptors from 3 on.
#[derive(Debug)]
pub(crate) struct Inherited {
    /// The sockets first, then those that are merely preserved.
    pub count: u32,
    /// Tells the process about the sockets.
    pub env: Vec<String>,
}

impl Inherited {
    /// Call it before this program opens anything that stays: a number that the caller left closed would become one of ours, and
    /// the container would get it.
    pub(crate) fn find(args: &Arguments) -> Result<Self, Error> {
        let sockets = listen_fds(
            env::var_os("LISTEN_PID").and_then(|text| text.into_string().ok()).as_deref(),
            env::var_os("LISTEN_FDS").and_then(|text| text.into_string().ok()).as_deref(),
            process::pid(),
        );
        let preserved = args.number("preserve-fds")?.unwrap_or(0);
        let count = sockets.saturating_add(preserved);
        for number in 0..count {
            let number = i32::try_from(number).unwrap_or(i32::MAX).saturating_add(3);
            if !fds::is_open(number) {
                return Err(Error::usage(format!(
                    "descriptor {number} is not open, but --preserve-fds and LISTEN_FDS ask for {count} descriptors from 3 on"
                )));
            }
        }
        // The program is the first process of its pid namespace, as a rule.
        let env = match sockets {
            0 => Vec::new(),
            sockets => vec![format!("LISTEN_FDS={sockets}"), "LISTEN_PID=1".to_owned()],
        };
        Ok(Self { count, env })
    }
}

/// How many sockets there are for us; the variables may be meant for another process.
fn listen_fds(pid: Option<&str>, count: Option<&str>, own: i32) -> u32 {
    let ours = pid.and_then(|pid| pid.parse::<i32>().ok()) == Some(own);
    count.and_then(|count| count.parse().ok()).filter(|_| ours).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_that_are_meant_for_us_count() {
        assert_eq!(listen_fds(Some("7"), Some("2"), 7), 2);
        for (pid, count) in
            [(Some("8"), Some("2")), (None, Some("2")), (Some("7"), None), (Some("7"), Some("x"))]
        {
            assert_eq!(listen_fds(pid, count, 7), 0);
        }
    }
}
