//! Running a bundle's hooks: the only programs that the runtime executes besides the container's.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gantry_oci::runtime::{Hook, State};
use gantry_sys::pidfd;

use crate::failure::{Class, Failure, errno_text};

/// How much of a failed hook's standard error goes into the message.
const STDERR_LIMIT_BYTES: u64 = 1024;

/// Runs hooks one after the other; the first that fails ends it. Each reads the state from its standard input.
pub(crate) fn run(stage: &str, hooks: &[Hook], state: &State) -> Result<(), Failure> {
    if hooks.is_empty() {
        return Ok(());
    }
    let state = serde_json::to_vec(state).map_err(|error| Failure::invalid(error.to_string()))?;
    hooks.iter().try_for_each(|hook| {
        run_one(hook, &state).map_err(|reason| {
            Failure::new(
                Class::Internal,
                format!("error running {stage} hook {}: {reason}", hook.path),
            )
        })
    })
}

fn run_one(hook: &Hook, state: &[u8]) -> Result<(), String> {
    if !hook.path.starts_with('/') {
        return Err("its path is not absolute".to_owned());
    }
    let timeout = match hook.timeout {
        None => None,
        Some(seconds) => match u64::try_from(seconds) {
            Ok(seconds) if seconds > 0 => Some(Duration::from_secs(seconds)),
            _ => return Err(format!("its timeout of {seconds} s is not above zero")),
        },
    };
    let mut child = command(hook).spawn().map_err(|error| errno_text(&error))?;
    let result = feed_and_wait(&mut child, state, timeout);
    if result.is_err() {
        // It may be gone already; either way it must not outlive us.
        drop(child.kill());
        drop(child.wait());
    }
    result
}

fn command(hook: &Hook) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(&hook.path);
    if let Some((name, args)) = hook.args.split_first() {
        command.arg0(name).args(args);
    }
    command.env_clear();
    command.envs(hook.env.iter().filter_map(|entry| entry.split_once('=')));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn feed_and_wait(child: &mut Child, state: &[u8], timeout: Option<Duration>) -> Result<(), String> {
    let text = |error: std::io::Error| errno_text(&error);
    let pid = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    let handle = pidfd::open(pid).map_err(text)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A state is far smaller than a pipe's buffer, so this cannot block. A hook need not read it.
        match stdin.write_all(state) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                return Err(text(error));
            }
            _ => {}
        }
    }
    if !pidfd::wait_ended(handle.as_fd(), timeout).map_err(text)? {
        return Err(format!("it did not end within {} s", timeout.unwrap_or_default().as_secs()));
    }
    let status = child.wait().map_err(text)?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{status}, stderr: {}", said(child)))
}

/// What the hook left in the pipe; its own children may still hold the other end, so nothing is waited for.
fn said(child: &mut Child) -> String {
    let Some(stderr) = child.stderr.take() else { return String::new() };
    let mut text = Vec::new();
    if rustix::io::ioctl_fionbio(&stderr, true).is_ok() {
        // Whatever came before an error is still of use.
        drop(stderr.take(STDERR_LIMIT_BYTES).read_to_end(&mut text));
    }
    String::from_utf8_lossy(&text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use gantry_oci::runtime::Status;

    use super::*;

    fn check(script: &str, timeout: Option<i64>) -> Result<(), String> {
        let hook = Hook {
            path: "/bin/sh".into(),
            args: vec!["hook".into(), "-c".into(), script.into()],
            env: vec!["COLOR=green".into()],
            timeout,
        };
        let state = State {
            oci_version: "1.3.0".into(),
            id: "the-id".into(),
            status: Status::Created,
            pid: Some(7),
            bundle: "/b".into(),
            annotations: std::collections::BTreeMap::new(),
        };
        run("prestart", &[hook], &state).map_err(|failure| failure.message)
    }

    #[test]
    fn a_hook_gets_the_state_and_its_environment_only() {
        check("grep -q '\"id\":\"the-id\"' && test $COLOR = green && test -z \"$HOME\"", None)
            .unwrap();
        // Not reading the state is fine too.
        check("exit 0", None).unwrap();
    }

    #[test]
    fn a_failing_hook_is_named_with_what_it_said() {
        let message = check("echo sorry >&2; exit 3", None).unwrap_err();
        assert!(message.starts_with("error running prestart hook /bin/sh: "), "{message}");
        assert!(message.contains('3') && message.ends_with("sorry"), "{message}");
    }

    #[test]
    fn a_hook_that_takes_too_long_is_ended() {
        assert!(check("exec sleep 60", Some(1)).unwrap_err().contains("within 1 s"));
        assert!(check("exit 0", Some(0)).unwrap_err().contains("timeout"));
    }
}
