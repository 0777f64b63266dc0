//! Programs that outlive the terminal they were started from: a session of their own between fork and exec.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has `command` run in a session of its own: no terminal, and none of its signals.
pub fn in_new_session(command: &mut Command) -> &mut Command {
    // SAFETY: setsid is async-signal-safe, and the closure does nothing else: no allocation, no lock.
    unsafe { command.pre_exec(crate::process::setsid) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_child_leads_its_session() {
        // Field 6 of proc(5)'s `stat` is the session's id, which is its leader's pid.
        let script = "read -r pid _ _ _ _ session _ < /proc/self/stat; test $$ = $session";
        let mut command = Command::new("/bin/sh");
        let status = in_new_session(command.args(["-c", script])).status().unwrap();
        assert!(status.success(), "{status}");
    }
}
