//! One process as `/proc` shows it.

use std::fs::{self, File};
use std::io::Read as _;

/// What the columns are made of. Times are in hundredths of a second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub pid: u32,
    pub ppid: u32,
    pub pgid: i64,
    pub session: i64,
    pub state: char,
    pub tty: i64,
    pub cpu_ticks: u64,
    pub priority: i64,
    pub nice: i64,
    pub threads: i64,
    /// After the host's start.
    pub started_ticks: u64,
    pub virtual_bytes: u64,
    pub resident_pages: u64,
    /// The real and the effective one.
    pub uid: u32,
    pub euid: u32,
    pub gid: u32,
    pub command: String,
    pub arguments: String,
}

/// A command line is read up to here: how long it is, is the process's choice.
const ARGUMENTS_BYTES: u64 = 4096;

impl Process {
    /// Reads a process; `None` when it is gone.
    pub(super) fn read(pid: u32) -> Option<Self> {
        let text = |name: &str| fs::read(format!("/proc/{pid}/{name}")).ok();
        let stat = String::from_utf8_lossy(&text("stat")?).into_owned();
        let mut process = Self::parse(pid, &stat)?;
        let status = String::from_utf8_lossy(&text("status")?).into_owned();
        let ids = |key: &str| -> Vec<u32> {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_default().split_whitespace().filter_map(|id| id.parse().ok()).collect()
        };
        let (users, groups) = (ids("Uid:"), ids("Gid:"));
        process.uid = users.first().copied()?;
        process.euid = users.get(1).copied()?;
        process.gid = groups.first().copied()?;
        let mut words = Vec::new();
        if let Ok(file) = File::open(format!("/proc/{pid}/cmdline")) {
            // What was read before an error is shown as well.
            drop(file.take(ARGUMENTS_BYTES).read_to_end(&mut words));
        }
        let words = String::from_utf8_lossy(&words);
        let words = printable(&words.trim_end_matches('\0').replace('\0', " "));
        // A process without a command line is one of the kernel's, or has ended and waits for its parent.
        process.arguments = match (words.is_empty(), process.state) {
            (false, _) => words,
            (true, 'Z') => format!("[{}] <defunct>", process.command),
            (true, _) => format!("[{}]", process.command),
        };
        Some(process)
    }

    /// `/proc/<pid>/stat`; the name in it may have blanks and brackets of its own.
    fn parse(pid: u32, stat: &str) -> Option<Self> {
        let (command, rest) = (stat.find('(')? + 1, stat.rfind(')')?);
        let fields: Vec<&str> = stat.get(rest + 1..)?.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|text| text.parse::<i64>().ok());
        let unsigned = |index: usize| number(index).and_then(|number| u64::try_from(number).ok());
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            ppid: u32::try_from(number(1)?).ok()?,
            pgid: number(2)?,
            session: number(3)?,
            tty: number(4)?,
            cpu_ticks: unsigned(11)? + unsigned(12)?,
            priority: number(15)?,
            nice: number(16)?,
            threads: number(17)?,
            started_ticks: unsigned(19)?,
            virtual_bytes: unsigned(20)?,
            resident_pages: unsigned(21)?,
            command: printable(stat.get(command..rest)?),
            ..Self::default()
        })
    }
}

/// What a process calls itself must neither steer a terminal nor look like another column.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_the_end_of_one() {
        let stat = "7 (a) b (c) S 1 7 7 34817 7 0 0 0 0 0 5 6 0 0 20 0 3 0 900 4096 2 18446744073709551615";
        let process = Process::parse(7, stat).unwrap();
        assert_eq!((process.command.as_str(), process.state, process.ppid), ("a) b (c", 'S', 1));
        assert_eq!((process.tty, process.cpu_ticks, process.threads), (34_817, 11, 3));
        assert_eq!(
            (process.started_ticks, process.virtual_bytes, process.resident_pages),
            (900, 4096, 2)
        );
    }

    #[test]
    fn a_name_has_no_control_characters() {
        let stat = "7 (a\u{1b}[2J\tb\n) S 1 7 7 34817 7 0 0 0 0 0 5 6 0 0 20 0 3 0 900 4096 2 0";
        assert_eq!(Process::parse(7, stat).unwrap().command, "a?[2J?b?");
    }

    #[test]
    fn a_command_line_is_read_up_to_its_limit_and_printable() {
        let long = "x".repeat(64 << 10);
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "echo; read x", "0\t\u{1b}[2J", &long])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // Its arguments are its own from its first word on, and it waits for ours.
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let found = Process::read(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        let arguments = found.unwrap().arguments;
        assert_eq!(arguments.len() as u64, ARGUMENTS_BYTES);
        assert!(
            arguments.starts_with("/bin/sh -c echo; read x 0??[2J xxx"),
            "{}",
            &arguments[..40]
        );
    }

    #[test]
    fn this_process_is_there() {
        let own = Process::read(std::process::id()).unwrap();
        assert!(own.resident_pages > 0 && !own.arguments.is_empty());
        assert_eq!(Process::read(u32::MAX), None);
    }
}
