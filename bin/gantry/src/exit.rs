//! Exit codes: the one place where failures become numbers.
//!
//! A container's own code is passed on; our failures are 1, a wrong command line 125 or 1 as in Docker, and `run` tells a
//! program that is missing (127) from one that cannot be executed (126) and everything else (125).

use crate::error::Error;

/// A flag that does not exist or has a wrong value.
pub(crate) const BAD_FLAG: u8 = 125;
/// Any other failure of the command line.
pub(crate) const FAILURE: u8 = 1;
/// A container did not start, for whatever reason that has no code of its own.
const NOT_STARTED: u8 = 125;
/// The daemon could not say how a container ended.
pub(crate) const NO_STATUS: u8 = 125;
/// A template that cannot be read.
pub(crate) const BAD_TEMPLATE: u8 = 64;
/// The reader of our output went away: 128 and SIGPIPE.
const OUTPUT_CLOSED: u8 = 141;

/// The code of a failed command.
pub(crate) fn code(error: &Error) -> u8 {
    match error {
        Error::Usage { code, .. } => *code,
        Error::NotStarted { source, .. } => match source.as_ref() {
            Error::Client(refusal @ gantry_client::Error::Daemon { .. }) => {
                start_code(&refusal.to_string())
            }
            _ => NOT_STARTED,
        },
        Error::OutputClosed => OUTPUT_CLOSED,
        _ => FAILURE,
    }
}

/// The code of a container that did not start, from the daemon's words: the API carries no other sign.
pub(crate) fn start_code(message: &str) -> u8 {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&[
        "executable file not found",
        "no such file or directory",
        "system cannot find the file",
    ]) {
        127
    } else if says(&["permission denied", "is a directory"]) {
        126
    } else {
        NOT_STARTED
    }
}

/// A process's status as our own: the system keeps eight bits.
pub(crate) fn of_status(status: i64) -> u8 {
    u8::try_from(status & 0xff).unwrap_or(FAILURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_daemon() {
        for (message, code) in [
            ("exec: \"foo\": executable file not found in $PATH", 127),
            ("exec: \"/x\": stat /x: no such file or directory", 127),
            ("exec: \"/etc\": permission denied", 126),
            ("exec: \"/etc\": is a directory", 126),
            ("Conflict. The container name is in use", 125),
        ] {
            assert_eq!(start_code(message), code, "{message}");
        }
    }

    #[test]
    fn statuses_keep_eight_bits() {
        assert_eq!((of_status(0), of_status(137), of_status(256), of_status(-1)), (0, 137, 0, 255));
    }

    #[test]
    fn failures_have_codes() {
        let message = "exec: \"x\": permission denied".to_owned();
        let daemons = gantry_client::Error::Daemon { status: 400, message };
        let not_started = |source| Error::NotStarted { command: "run", source: Box::new(source) };
        assert_eq!(code(&not_started(daemons.into())), 126);
        assert_eq!(code(&not_started(Error::refused("permission denied"))), 125);
        assert_eq!(code(&Error::refused("permission denied")), 1);
        assert_eq!(code(&Error::Usage { text: String::new(), code: 125 }), 125);
        assert_eq!(code(&Error::OutputClosed), 141);
    }
}
