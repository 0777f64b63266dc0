//! Times one command from outside: from before the fork to after the wait, as a caller feels it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs `command` to its end; panics with its last words when it fails, since then there is nothing to measure.
pub(crate) fn time(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let begin = Instant::now();
    let child = command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    let output =
        child.wait_with_output().unwrap_or_else(|error| panic!("wait for {command:?}: {error}"));
    let took = begin.elapsed();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}: {words}", output.status);
    took
}
