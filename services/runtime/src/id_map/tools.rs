//! Running `newuidmap` and `newgidmap`, which write mappings on behalf of users: the one case in which the runtime executes a program of
//! the host besides hooks. They are found in the caller's search path, and get no environment, no input and no descriptor of ours.

use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use gantry_oci::runtime::IdMapping;
use gantry_sys::clone::{Fork, fork};
use gantry_sys::exec::{CStringList, execve};
use gantry_sys::pidfd::{self, Ended};
use gantry_sys::{fds, process, signals};
use rustix::fs::{Access, Mode, OFlags, access};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::failure::{Class, During, Failure};

/// They look into two files.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of what they say goes into the message.
const WORDS_LIMIT_BYTES: u64 = 1024;

/// Runs a tool on the user namespace of a process.
pub(super) fn run(
    tool: &str,
    search_path: &str,
    pid: i32,
    mappings: &[IdMapping],
) -> Result<(), Failure> {
    let path = find(tool, search_path)?;
    let mut args = vec![tool.to_owned(), pid.to_string()];
    for map in mappings {
        args.extend([map.container_id, map.host_id, map.size].map(|number| number.to_string()));
    }
    let what = || format!("run {path}");
    let program = Program {
        path: CString::new(path.as_str()).during_with(what)?,
        args: CStringList::new(args).during_with(what)?,
        env: CStringList::new(Vec::<String>::new()).during_with(what)?,
    };
    let (ended, said) = program.run().during_with(what)?;
    if ended == Ended::Exited(0) {
        return Ok(());
    }
    let said = said.replace('\n', "; ");
    let said = said.strip_prefix(&format!("{tool}: ")).unwrap_or(&said).trim_end_matches("; ");
    let reason =
        if said.is_empty() { format!("it ended with {}", ended.code()) } else { said.to_owned() };
    let ids = if tool == "newuidmap" { "uid" } else { "gid" };
    Err(Failure::new(
        Class::InvalidConfig,
        format!(
            "{tool} refused linux.{ids}Mappings, which must be of your own {ids} and of those in /etc/sub{ids}: {reason}"
        ),
    ))
}

/// The absolute path of a tool. Relative directories of a search path mean whatever the caller's directory is, and are passed over.
fn find(tool: &str, search_path: &str) -> Result<String, Failure> {
    let directories = search_path.split(':').filter(|directory| directory.starts_with('/'));
    let mut candidates = directories.map(|it| format!("{}/{tool}", it.trim_end_matches('/')));
    candidates.find(|path| access(path.as_str(), Access::EXEC_OK).is_ok()).ok_or_else(|| {
        Failure::new(
            Class::Internal,
            format!(
                "{tool} is not in the search path {search_path:?}: install the package uidmap (elsewhere \
                 shadow-utils), or map no id but your own"
            ),
        )
    })
}

struct Program {
    path: CString,
    args: CStringList,
    env: CStringList,
}

impl Program {
    /// How it ended, and what it said.
    fn run(&self) -> std::io::Result<(Ended, String)> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let child = match fork()? {
            Fork::Child => self.become_it(&writer),
            Fork::Parent(child) => child,
        };
        drop(writer);
        if !pidfd::wait_ended(child.pidfd.as_fd(), Some(PATIENCE))? {
            // It is root's, so this may be refused; it holds nothing of ours.
            drop(pidfd::send_signal(child.pidfd.as_fd(), gantry_types::Signal::KILL));
            let text = format!("it did not end within {} s", PATIENCE.as_secs());
            return Err(std::io::Error::other(text));
        }
        let mut said = Vec::new();
        // Whatever came before an error is still of use.
        drop(std::fs::File::from(reader).take(WORDS_LIMIT_BYTES).read_to_end(&mut said));
        Ok((pidfd::wait(child.pidfd.as_fd())?, String::from_utf8_lossy(&said).into_owned()))
    }

    /// The child's side.
    fn become_it(&self, words: &OwnedFd) -> ! {
        let prepared = || {
            signals::reset_all()?;
            let null =
                rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            fds::set_stdio(null.as_fd(), words.as_fd(), words.as_fd())?;
            fds::close_on_exec_from(3)
        };
        let error = match prepared() {
            Ok(()) => execve(&self.path, &self.args, &self.env),
            Err(error) => error,
        };
        // Nobody else can be told.
        rustix::io::write(words, error.to_string().as_bytes()).ok();
        process::exit_now(127)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_names_its_package() {
        let failure = find("newuidmap", "relative::/nonexistent").unwrap_err();
        assert!(failure.message.contains("install the package uidmap"), "{}", failure.message);
        assert_eq!(find("sh", ":bin:/bin/").unwrap(), "/bin/sh");
    }
}
