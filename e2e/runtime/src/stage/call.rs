//! One call of the runtime, with a deadline. Output goes to files: what lives on in the container would keep a pipe
//! open.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use gantry_testkit::Outcome;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How long a call may take. An emulated machine is slow.
pub(crate) const DEADLINE: Duration = Duration::from_mins(2);

/// Runs `command` to its end, with its output in `folder`.
pub(super) fn run(mut command: Command, folder: &Path, number: u32) -> Outcome {
    let line: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let line = line.join(" ");
    let (out, err) = (folder.join(format!("out-{number}")), folder.join(format!("err-{number}")));
    let file = |path: &Path| File::create(path).expect("make a file for output");
    command.stdout(file(&out)).stderr(file(&err));
    let mut child = command.spawn().unwrap_or_else(|error| panic!("start `{line}`: {error}"));
    let status = wait(&mut child, DEADLINE);
    let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let (stdout, stderr) = (text(&out), text(&err));
    let Some(status) = status else {
        drop(child.kill());
        drop(child.wait());
        panic!("`{line}` did not end in {DEADLINE:?}\n{stdout}\n{stderr}");
    };
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Outcome { command: line, code, stdout, stderr }
}

/// A call under way whose output nobody looks at.
pub(super) fn spawn(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("start the runtime: {error}"))
}

/// Waits for the child's end; none when it does not come in time.
pub(super) fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a child has a pid");
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("open a pidfd of our child");
    let limit = Timespec { tv_sec: limit.as_secs().try_into().expect("short"), tv_nsec: 0 };
    poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit)).expect("poll a pidfd");
    child.try_wait().expect("wait for our child")
}
