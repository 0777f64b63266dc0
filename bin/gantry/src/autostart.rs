//! Starting the daemon for a user who did not: `gantryd`, in a session of its own, with its log in a file.
//!
//! Two of us at once are harmless: the daemon locks its directories, the second one ends, and both clients connect to
//! the first.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gantry_client::{Client, Host};
use gantry_sys::new_session::in_new_session;
use tokio::time::Instant;

use crate::environment::Environment;
use crate::error::Error;
use crate::output;

/// How long a daemon may take until it answers.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long we go on looking after our daemon has ended: when it found another one on the way up, that will answer soon.
const GRACE: Duration = Duration::from_millis(500);
/// How often we look.
const INTERVAL: Duration = Duration::from_millis(10);
/// How much of the end of the log is searched for a reason.
const LOG_TAIL_BYTES: u64 = 8 << 10;

/// Starts a daemon and connects to it.
pub(crate) async fn start(host: &Host, environment: &Environment) -> Result<Client, Error> {
    let program = find(environment)?;
    let (log_path, log) = open_log(environment)?;
    launch(host, &program, (&log_path, log)).await
}

/// Runs `program` with its log appended to a file, until it answers or ends.
async fn launch(host: &Host, program: &Path, log: (&Path, File)) -> Result<Client, Error> {
    let (log_path, log) = log;
    let begins = log.metadata().map(|metadata| metadata.len()).unwrap_or_default();
    output::remark(&format!(
        "Starting the Gantry daemon {} (its log: {})",
        program.display(),
        log_path.display()
    ));
    let mut child = spawn(program, log)?;
    let deadline = Instant::now() + DEADLINE;
    let mut ended = None;
    loop {
        match Client::connect(host.clone()).await {
            Err(error) if error.nobody_listens() => {}
            result => return Ok(result?),
        }
        // Somebody else's daemon may come up in its place.
        if ended.is_none() {
            ended = child.try_wait().ok().flatten().map(|status| (status, Instant::now()));
        }
        if let Some((status, at)) = ended
            && at.elapsed() > GRACE
        {
            let reason = last_line(log_path, begins)
                .unwrap_or_else(|| format!("{} ended with {status}", program.display()));
            return Err(Error::Autostart { reason });
        }
        if Instant::now() > deadline {
            let reason = format!(
                "{} did not answer within {} seconds; its log is {}",
                program.display(),
                DEADLINE.as_secs(),
                log_path.display()
            );
            return Err(Error::Autostart { reason });
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The daemon beside our own executable, else the first one in `PATH`.
fn find(environment: &Environment) -> Result<PathBuf, Error> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned()));
    beside
        .iter()
        .chain(&environment.path)
        .map(|directory| directory.join("gantryd"))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| {
            let reason = "gantryd is neither beside gantry nor in PATH; install it, or name a \
                          running daemon with -H";
            Error::Autostart { reason: reason.to_owned() }
        })
}

/// Opens the daemon's log where we may write: `/var/log`, else the user's own directory.
fn open_log(environment: &Environment) -> Result<(PathBuf, File), Error> {
    let open =
        |path: &Path| fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    let system = PathBuf::from("/var/log/gantryd.log");
    match (open(&system), &environment.state_dir) {
        (Ok(file), _) => Ok((system, file)),
        (Err(_), Some(directory)) => {
            fs::create_dir_all(directory).map_err(Error::file("create directory", directory))?;
            let path = directory.join("gantryd.log");
            let file = open(&path).map_err(Error::file("open", &path))?;
            Ok((path, file))
        }
        (Err(source), None) => Err(Error::File { action: "open", path: system, source }),
    }
}

fn spawn(program: &Path, log: File) -> Result<Child, Error> {
    let second = log.try_clone().map_err(Error::file("open the log of", program))?;
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(log).stderr(second).current_dir("/");
    // Keys pressed at our terminal, and its end, are not meant for the daemon.
    in_new_session(&mut command).spawn().map_err(Error::file("start", program))
}

/// The last line that the daemon wrote since `begins`, which is why it ended.
fn last_line(log: &Path, begins: u64) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(begins.max(length.saturating_sub(LOG_TAIL_BYTES)))).ok()?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().rev().find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_daemon_that_ends_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("gantryd");
        fs::write(&program, "#!/bin/sh\necho starting\necho 'gantryd: no room' >&2\nexit 1\n")
            .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let host = format!("unix://{}/s", directory.path().display()).parse().unwrap();
        let log_path = directory.path().join("log");
        let log = File::create(&log_path).unwrap();
        let error = launch(&host, &program, (&log_path, log)).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot start the Gantry daemon: gantryd: no room");
    }

    #[test]
    fn the_daemon_is_found_in_path() {
        let directory = tempfile::tempdir().unwrap();
        let mut environment = Environment::default();
        assert!(find(&environment).unwrap_err().to_string().contains("nor in PATH"));
        environment.path.push(directory.path().to_owned());
        fs::write(directory.path().join("gantryd"), "").unwrap();
        assert_eq!(find(&environment).unwrap(), directory.path().join("gantryd"));
    }

    #[test]
    fn the_reason_is_the_last_line_of_this_start() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "old failure\n").unwrap();
        let begins = fs::metadata(file.path()).unwrap().len();
        assert_eq!(last_line(file.path(), begins), None);
        fs::write(file.path(), "old failure\nstarting\ngantryd: no space\n\n").unwrap();
        assert_eq!(last_line(file.path(), begins).as_deref(), Some("gantryd: no space"));
    }
}
