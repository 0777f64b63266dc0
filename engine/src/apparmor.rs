//! AppArmor: the profile that containers get unless they ask for another, and how it comes into the kernel. Which profile a
//! container gets is the plan's business; the runtime applies it.

mod default_profile;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gantry_oci::runtime::Process;

use crate::Result;
use crate::error::Error;
use crate::plan::HostFacts;

/// The name that Docker's own profile has: tools look for it.
pub(crate) const DEFAULT_PROFILE: &str = "docker-default";

/// Where the kernel tells which profiles it has, a line for each: `name (mode)`.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";
const PARSERS: [&str; 2] = ["/sbin/apparmor_parser", "/usr/sbin/apparmor_parser"];
/// A profile of a few lines takes a fraction of a second.
const PARSER_LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);
/// Of a parser's complaint.
const WORDS_BYTES: u64 = 4096;

/// The program that loads profiles, where there is one and the kernel shows where they go.
pub(crate) fn parser() -> Option<PathBuf> {
    let shown = Path::new(LOADED).exists();
    PARSERS.map(PathBuf::from).into_iter().find(|path| shown && path.is_file())
}

/// Before a process with a profile is made: profiles get lost when others load theirs anew, and a kernel that was started
/// without AppArmor knows none.
pub(crate) fn provide(host: &HostFacts, process: &mut Process) -> Result<()> {
    if !host.apparmor {
        process.apparmor_profile.clear();
    }
    if process.apparmor_profile != DEFAULT_PROFILE || is_loaded(DEFAULT_PROFILE) {
        return Ok(());
    }
    let failed = |why: String| Error::AppArmor { profile: DEFAULT_PROFILE, why };
    let Some(parser) = &host.apparmor_parser else {
        return Err(failed("there is no apparmor_parser on this host".to_owned()));
    };
    load(parser, &default_profile::text(DEFAULT_PROFILE)).map_err(failed)
}

/// Whether the kernel has a profile of that name.
fn is_loaded(profile: &str) -> bool {
    let names = |line: &str| line.rsplit_once(" (").is_some_and(|(name, _)| name == profile);
    fs::read_to_string(LOADED).is_ok_and(|text| text.lines().any(names))
}

fn load(parser: &Path, text: &str) -> Result<(), String> {
    let failed =
        |what: &str, error: std::io::Error| format!("{what} {}: {error}", parser.display());
    let mut child = Command::new(parser)
        // It keeps no copy that could be older than this, and replaces what is there.
        .args(["--skip-cache", "--replace", "--quiet"])
        .env_clear()
        .env("PATH", gantry_types::SEARCH_PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed("execute", error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends without reading says why.
        drop(stdin.write_all(text.as_bytes()));
    }
    let deadline = Instant::now() + PARSER_LIMIT;
    loop {
        match child.try_wait().map_err(|error| failed("wait for", error))? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{} ({status})", complaint(&mut child))),
            None if Instant::now() >= deadline => {
                drop(child.kill());
                drop(child.wait());
                return Err(format!("{} takes longer than {PARSER_LIMIT:?}", parser.display()));
            }
            None => std::thread::sleep(PAUSE),
        }
    }
}

/// What it says of itself, on one line.
fn complaint(child: &mut Child) -> String {
    let mut words = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        drop(stderr.take(WORDS_BYTES).read_to_end(&mut words));
    }
    let words = String::from_utf8_lossy(&words);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("parser");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    #[test]
    fn the_parser_gets_the_text_and_its_complaint_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        let parser = program(dir.path(), &format!("#!/bin/sh\ncat >{}\n", kept.display()));
        load(&parser, "profile x {}\n").unwrap();
        assert_eq!(fs::read_to_string(kept).unwrap(), "profile x {}\n");
        let parser = program(dir.path(), "#!/bin/sh\necho bad >&2\necho line >&2\nexit 3\n");
        assert_eq!(load(&parser, "x").unwrap_err(), "bad line (exit status: 3)");
        assert!(load(&dir.path().join("none"), "x").unwrap_err().starts_with("execute "));
    }
}
