//! Finding the program that `args[0]` names, inside the container and as its user, with the messages that Docker's clients look for.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::failure::{Class, Failure, errno_text};

/// The path to execute. A name without a slash is looked for in the directories of `PATH`.
pub(crate) fn find(name: &str, env: &[String]) -> Result<String, Failure> {
    if name.contains('/') {
        return check(Path::new(name))
            .map(|()| name.to_owned())
            .map_err(|error| refuse(name, &error));
    }
    let path = env.iter().rev().find_map(|entry| entry.strip_prefix("PATH="));
    for directory in path.unwrap_or_default().split(':') {
        // An empty entry means the working directory, which is no place to run programs from by accident.
        if directory.is_empty() {
            continue;
        }
        let candidate = format!("{}/{name}", directory.trim_end_matches('/'));
        if !name.is_empty() && check(Path::new(&candidate)).is_ok() {
            return Ok(candidate);
        }
    }
    Err(Failure::new(
        Class::CommandNotFound,
        format!("exec: {name:?}: executable file not found in $PATH"),
    ))
}

/// What `execve(2)` said about a program that was found.
pub(crate) fn refused(path: &str, error: &io::Error) -> Failure {
    let class = match error.kind() {
        io::ErrorKind::NotFound => Class::CommandNotFound,
        _ => Class::CommandNotExecutable,
    };
    Failure::new(class, format!("exec {path}: {}", errno_text(error)))
}

fn check(path: &Path) -> io::Result<()> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)?)
}

fn refuse(path: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::IsADirectory => {
            Failure::new(Class::CommandNotExecutable, format!("exec: {path:?}: is a directory"))
        }
        io::ErrorKind::PermissionDenied => {
            Failure::new(Class::CommandNotExecutable, format!("exec: {path:?}: permission denied"))
        }
        kind => {
            let class = match kind {
                io::ErrorKind::NotFound => Class::CommandNotFound,
                _ => Class::CommandNotExecutable,
            };
            Failure::new(class, format!("exec: {path:?}: stat {path}: {}", errno_text(error)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn check_refused(name: &str, path: &str, class: Class, words: &str) {
        let failure = find(name, &[format!("PATH={path}")]).unwrap_err();
        assert_eq!((failure.class, failure.message.as_str()), (class, words));
    }

    #[test]
    fn programs_are_found_and_refusals_have_dockers_words() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().to_str().unwrap();
        for (name, mode) in [("good", 0o755), ("plain", 0o644)] {
            let path = dir.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = format!("/nonexistent::{bin}/");
        assert_eq!(find("good", &[format!("PATH={path}")]).unwrap(), format!("{bin}/good"));
        let good = format!("{bin}/good");
        assert_eq!(find(&good, &[]).unwrap(), good);

        let not_found = Class::CommandNotFound;
        check_refused(
            "nope",
            &path,
            not_found,
            "exec: \"nope\": executable file not found in $PATH",
        );
        check_refused("", &path, not_found, "exec: \"\": executable file not found in $PATH");
        check_refused(
            "/no/x",
            &path,
            not_found,
            "exec: \"/no/x\": stat /no/x: no such file or directory",
        );
        let (plain, not_executable) = (format!("{bin}/plain"), Class::CommandNotExecutable);
        check_refused(&plain, "", not_executable, &format!("exec: \"{plain}\": permission denied"));
        check_refused(bin, "", not_executable, &format!("exec: \"{bin}\": is a directory"));
        check_refused(
            "plain",
            bin,
            not_found,
            "exec: \"plain\": executable file not found in $PATH",
        );
    }
}
