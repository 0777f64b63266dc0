//! Running a bundle's hooks: the only programs that the runtime executes besides the container's.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gantry_oci::runtime::{Hook, Hooks, State};
use gantry_sys::pidfd;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use crate::failure::{Class, Failure, errno_text};

/// How much of a failed hook's standard error goes into the message.
const STDERR_LIMIT_BYTES: usize = 1024;
/// How much a hook may say at all.
const WORDS_LIMIT_BYTES: u64 = 64 << 10;

/// Refuses what could never run, before anything is made.
pub(crate) fn check(hooks: &Hooks) -> Result<(), Failure> {
    let stages = [
        ("prestart", &hooks.prestart),
        ("createRuntime", &hooks.create_runtime),
        ("createContainer", &hooks.create_container),
        ("startContainer", &hooks.start_container),
        ("poststart", &hooks.poststart),
        ("poststop", &hooks.poststop),
    ];
    for (stage, hooks) in stages {
        for hook in hooks {
            let refused = |reason: String| {
                Failure::invalid(format!("{stage} hook {:?}: {reason}", hook.path))
            };
            if !hook.path.starts_with('/') {
                return Err(refused("its path is not absolute".to_owned()));
            }
            if let Some(seconds) = hook.timeout.filter(|seconds| *seconds <= 0) {
                return Err(refused(format!("its timeout of {seconds} s is not above zero")));
            }
        }
    }
    Ok(())
}

/// Whether any is to run before the container's program does.
pub(crate) fn come_before_start(hooks: &Hooks) -> bool {
    let before =
        [&hooks.prestart, &hooks.create_runtime, &hooks.create_container, &hooks.start_container];
    before.iter().any(|hooks| !hooks.is_empty())
}

/// Runs all hooks even when some fail: what went wrong is for a warning.
pub(crate) fn run_each(stage: &str, hooks: &[Hook], state: &State) -> Vec<String> {
    let one = |hook| run(stage, std::slice::from_ref(hook), state).err();
    hooks.iter().filter_map(one).map(|failure| failure.message).collect()
}

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
    let timeout = hook.timeout.and_then(|seconds| u64::try_from(seconds).ok());
    let timeout = timeout.map(Duration::from_secs);
    let text = |error: io::Error| errno_text(&error);
    let input = state_file(state).map_err(text)?;
    let words = words_file().map_err(text)?;
    let stderr = words.try_clone().map_err(text)?;
    let mut child = command(hook, input, stderr).spawn().map_err(text)?;
    let result = wait(&mut child, &words, timeout);
    if result.is_err() {
        // It may be gone already; either way it must not outlive us.
        drop(child.kill());
        drop(child.wait());
    }
    result
}

/// Not a pipe: its reader need not read, and what is in a document has no limit that would fit into one.
fn state_file(state: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("state", MemfdFlags::CLOEXEC)?);
    file.write_all(state)?;
    file.rewind()?;
    Ok(file)
}

/// As large as it will ever be: a hook that has more to say gets an error for it, and never waits for us.
fn words_file() -> io::Result<File> {
    let file = memfd_create("words", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, WORDS_LIMIT_BYTES)?;
    fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK)?;
    Ok(File::from(file))
}

fn command(hook: &Hook, state: File, words: File) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(&hook.path);
    if let Some((name, args)) = hook.args.split_first() {
        command.arg0(name).args(args);
    }
    command.env_clear();
    command.envs(hook.env.iter().filter_map(|entry| entry.split_once('=')));
    command.stdin(state).stdout(Stdio::null()).stderr(words);
    command
}

fn wait(child: &mut Child, words: &File, timeout: Option<Duration>) -> Result<(), String> {
    let text = |error: io::Error| errno_text(&error);
    let pid = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    let handle = pidfd::open(pid).map_err(text)?;
    if !pidfd::wait_ended(handle.as_fd(), timeout).map_err(text)? {
        return Err(format!("it did not end within {} s", timeout.unwrap_or_default().as_secs()));
    }
    let status = child.wait().map_err(text)?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{status}, stderr: {}", said(words)))
}

/// The beginning of what the hook said; zeros are what nobody has written yet.
fn said(words: &File) -> String {
    let mut bytes = [0; STDERR_LIMIT_BYTES];
    // Nothing is as good as an error here.
    let length = words.read_at(&mut bytes, 0).unwrap_or(0);
    let text = bytes[..length].split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).trim().to_owned()
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
    fn a_hook_that_says_too_much_or_reads_nothing_does_not_hang() {
        let talk = "i=0; while [ $i -lt 2000 ]; do echo a line that is long enough to fill a pipe; i=$((i+1)); done >&2";
        let message = check(&format!("{talk}; exit 3"), Some(20)).unwrap_err();
        assert!(message.contains("a line that is long enough"), "{}", message.len());
        assert!(message.len() < 2048);
        let mut state = vec![b' '; 1 << 20];
        state.extend(b"{}");
        let hook = Hook { path: "/bin/true".into(), timeout: Some(20), ..Hook::default() };
        run_one(&hook, &state).unwrap();
    }

    #[test]
    fn a_hook_that_takes_too_long_is_ended() {
        assert!(check("exec sleep 60", Some(1)).unwrap_err().contains("within 1 s"));
    }

    #[test]
    fn hooks_that_can_never_run_are_refused() {
        for (path, timeout, words) in
            [("bin/sh", None, "not absolute"), ("/bin/sh", Some(0), "timeout of 0 s")]
        {
            let hook = Hook { path: path.into(), timeout, ..Hook::default() };
            let hooks = Hooks { poststop: vec![hook], ..Hooks::default() };
            let message = super::check(&hooks).unwrap_err().message;
            assert!(message.contains(words) && message.contains("poststop"), "{message}");
        }
    }
}
