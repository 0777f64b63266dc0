//! The columns of `ps`: which of them its arguments ask for, and what stands in them.

use super::Host;
use super::process::Process;
use crate::Result;
use crate::error::Error;

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Pid,
    Ppid,
    Pgid,
    Session,
    Uid,
    User,
    Gid,
    State,
    Tty,
    Cpu,
    CpuWhole,
    MemoryShare,
    Resident,
    Virtual,
    Priority,
    Nice,
    Threads,
    Start,
    Elapsed,
    Time,
    ShortTime,
    Command,
    Arguments,
}

const TICKS_PER_SECOND: u64 = 100;
const PAGE_BYTES: u64 = 4096;
const DAY_S: i64 = 86_400;

/// Every name of a column after `-o`, and its title.
const NAMED: &[(&str, Column, &str)] = &[
    ("pid", Column::Pid, "PID"),
    ("ppid", Column::Ppid, "PPID"),
    ("pgid", Column::Pgid, "PGID"),
    ("pgrp", Column::Pgid, "PGRP"),
    ("sid", Column::Session, "SID"),
    ("sess", Column::Session, "SESS"),
    ("uid", Column::Uid, "UID"),
    ("euid", Column::Uid, "EUID"),
    ("user", Column::User, "USER"),
    ("euser", Column::User, "EUSER"),
    ("uname", Column::User, "USER"),
    ("gid", Column::Gid, "GID"),
    ("s", Column::State, "S"),
    ("state", Column::State, "S"),
    ("stat", Column::State, "STAT"),
    ("tty", Column::Tty, "TT"),
    ("tt", Column::Tty, "TT"),
    ("tname", Column::Tty, "TTY"),
    ("pcpu", Column::Cpu, "%CPU"),
    ("%cpu", Column::Cpu, "%CPU"),
    ("c", Column::CpuWhole, "C"),
    ("pmem", Column::MemoryShare, "%MEM"),
    ("%mem", Column::MemoryShare, "%MEM"),
    ("rss", Column::Resident, "RSS"),
    ("rssize", Column::Resident, "RSS"),
    ("vsz", Column::Virtual, "VSZ"),
    ("vsize", Column::Virtual, "VSZ"),
    ("pri", Column::Priority, "PRI"),
    ("ni", Column::Nice, "NI"),
    ("nice", Column::Nice, "NI"),
    ("nlwp", Column::Threads, "NLWP"),
    ("thcount", Column::Threads, "THCNT"),
    ("stime", Column::Start, "STIME"),
    ("start", Column::Start, "START"),
    ("start_time", Column::Start, "START"),
    ("etime", Column::Elapsed, "ELAPSED"),
    ("time", Column::Time, "TIME"),
    ("cputime", Column::Time, "TIME"),
    ("comm", Column::Command, "COMMAND"),
    ("ucmd", Column::Command, "CMD"),
    ("ucomm", Column::Command, "COMMAND"),
    ("args", Column::Arguments, "COMMAND"),
    ("command", Column::Arguments, "COMMAND"),
    ("cmd", Column::Arguments, "CMD"),
];

const FULL: &[(Column, &str)] = &[
    (Column::User, "UID"),
    (Column::Pid, "PID"),
    (Column::Ppid, "PPID"),
    (Column::CpuWhole, "C"),
    (Column::Start, "STIME"),
    (Column::Tty, "TTY"),
    (Column::Time, "TIME"),
    (Column::Arguments, "CMD"),
];
const OF_USERS: &[(Column, &str)] = &[
    (Column::User, "USER"),
    (Column::Pid, "PID"),
    (Column::Cpu, "%CPU"),
    (Column::MemoryShare, "%MEM"),
    (Column::Virtual, "VSZ"),
    (Column::Resident, "RSS"),
    (Column::Tty, "TTY"),
    (Column::State, "STAT"),
    (Column::Start, "START"),
    (Column::ShortTime, "TIME"),
    (Column::Arguments, "COMMAND"),
];
const OF_BSD: &[(Column, &str)] = &[
    (Column::Pid, "PID"),
    (Column::Tty, "TTY"),
    (Column::State, "STAT"),
    (Column::ShortTime, "TIME"),
    (Column::Arguments, "COMMAND"),
];
const SHORT: &[(Column, &str)] =
    &[(Column::Pid, "PID"), (Column::Tty, "TTY"), (Column::Time, "TIME"), (Column::Command, "CMD")];

/// The columns with their titles that the arguments of `ps` ask for.
pub(super) fn of(arguments: &str) -> Result<Vec<(Column, String)>> {
    let refuse = || {
        Error::invalid(format!(
            "gantry top does not know the ps arguments {arguments:?}: give -ef, -e, ax, aux, or -o with columns such as \
             pid,ppid,user,comm,args,pcpu,pmem,rss,vsz,stat,tty,time,etime,stime"
        ))
    };
    let (mut style, mut chosen) = (None, Vec::new());
    let mut words = arguments.split_whitespace();
    while let Some(word) = words.next() {
        let bare = word.trim_start_matches('-');
        let list = match word {
            "-o" | "o" | "--format" => Some(words.next().ok_or_else(refuse)?),
            _ => word.strip_prefix("--format=").or_else(|| {
                let (flags, list) = bare.split_once('o')?;
                let is_flag = flags.chars().all(|flag| "eAaxwf".contains(flag));
                (is_flag && !list.is_empty()).then_some(list)
            }),
        };
        if let Some(list) = list {
            for name in list.split(',').filter(|name| !name.is_empty()) {
                chosen.push(named(name).ok_or_else(refuse)?);
            }
            continue;
        }
        style = match bare {
            "" => return Err(refuse()),
            // `-eo` is followed by its columns.
            "eo" | "axo" | "Ao" => {
                for name in words.next().ok_or_else(refuse)?.split(',') {
                    chosen.push(named(name).ok_or_else(refuse)?);
                }
                continue;
            }
            flags if !flags.chars().all(|flag| "eAaxufwF".contains(flag)) => return Err(refuse()),
            flags if flags.contains('u') => Some(OF_USERS),
            flags if flags.contains(['f', 'F']) && word.starts_with('-') => Some(FULL),
            flags if word.starts_with('-') && flags.contains(['e', 'A', 'a']) => {
                style.or(Some(SHORT))
            }
            _ => style.or(Some(OF_BSD)),
        };
    }
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let style = style.unwrap_or(FULL);
    Ok(style.iter().map(|(column, title)| (*column, (*title).to_owned())).collect())
}

/// One of the names after `-o`, perhaps with a title of its own.
fn named(text: &str) -> Option<(Column, String)> {
    let (name, own) = text.split_once('=').map_or((text, None), |(name, own)| (name, Some(own)));
    let (_, column, title) =
        NAMED.iter().find(|(known, ..)| *known == name.to_ascii_lowercase())?;
    Some((*column, own.unwrap_or(title).to_owned()))
}

impl Column {
    /// What stands in this column of a process's row.
    pub(super) fn cell(self, process: &Process, host: &Host) -> String {
        let share = |part: u64, whole: u64| {
            let tenths = part.saturating_mul(1000).checked_div(whole).unwrap_or(0);
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        let begun = started_at(process, host);
        let age = u64::try_from(host.now - begun).unwrap_or(0);
        let cpu_s = process.cpu_ticks / TICKS_PER_SECOND;
        match self {
            Self::Pid => process.pid.to_string(),
            Self::Ppid => process.ppid.to_string(),
            Self::Pgid => process.pgid.to_string(),
            Self::Session => process.session.to_string(),
            Self::Uid => process.euid.to_string(),
            Self::User => host.user(process.euid),
            Self::Gid => process.gid.to_string(),
            Self::State => process.state.to_string(),
            Self::Tty => terminal(process.tty),
            Self::Cpu => share(process.cpu_ticks, age * TICKS_PER_SECOND),
            Self::CpuWhole => {
                let whole = age * TICKS_PER_SECOND;
                (process.cpu_ticks * 100).checked_div(whole).unwrap_or(0).min(99).to_string()
            }
            Self::MemoryShare => share(process.resident_pages * PAGE_BYTES, host.memory_bytes),
            Self::Resident => (process.resident_pages * PAGE_BYTES / 1024).to_string(),
            Self::Virtual => (process.virtual_bytes / 1024).to_string(),
            Self::Priority => (39 - process.priority).to_string(),
            Self::Nice => process.nice.to_string(),
            Self::Threads => process.threads.to_string(),
            Self::Start => start(begun, host.now),
            Self::Elapsed => elapsed(age),
            Self::Time => {
                format!("{:02}:{:02}:{:02}", cpu_s / 3600, cpu_s / 60 % 60, cpu_s % 60)
            }
            Self::ShortTime => format!("{}:{:02}", cpu_s / 60, cpu_s % 60),
            Self::Command => process.command.clone(),
            Self::Arguments => process.arguments.clone(),
        }
    }
}

fn started_at(process: &Process, host: &Host) -> i64 {
    let after = i64::try_from(process.started_ticks / TICKS_PER_SECOND).unwrap_or(0);
    host.booted_at + after
}

/// `pts/0`; `?` without a terminal.
fn terminal(device: i64) -> String {
    const FIRST_PTS: i64 = 136;
    const LAST_PTS: i64 = 143;
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    match major {
        0 => "?".to_owned(),
        FIRST_PTS..=LAST_PTS => format!("pts/{}", minor + (major - FIRST_PTS) * 256),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        _ => format!("{major},{minor}"),
    }
}

/// The hour within a day, the day otherwise; in UTC.
fn start(begun: i64, now: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = gantry_types::Timestamp { seconds: begun, nanos: 0 }.to_string();
    if now - begun < DAY_S {
        return text.get(11..16).unwrap_or("?").to_owned();
    }
    let month = text.get(5..7).and_then(|month| month.parse::<usize>().ok()).unwrap_or(1);
    let month = MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or("?");
    format!("{month}{}", text.get(8..10).unwrap_or("?"))
}

/// `[[days-]hours:]minutes:seconds`.
fn elapsed(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60 % 60, seconds / 3600 % 24, seconds / 86_400);
    let seconds = seconds % 60;
    match (days, hours) {
        (0, 0) => format!("{minutes:02}:{seconds:02}"),
        (0, _) => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        _ => format!("{days}-{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(arguments: &str) -> String {
        let columns = of(arguments).unwrap();
        columns.into_iter().map(|(_, title)| title).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_usual_arguments() {
        let full = "UID PID PPID C STIME TTY TIME CMD";
        assert_eq!(
            (titles(""), titles("-ef"), titles("-e -f")),
            (full.into(), full.into(), full.into())
        );
        let users = "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND";
        assert_eq!(
            (titles("aux"), titles("-aux"), titles("axu")),
            (users.into(), users.into(), users.into())
        );
        assert_eq!(titles("ax"), "PID TTY STAT TIME COMMAND");
        assert_eq!(titles("-e"), "PID TTY TIME CMD");
    }

    #[test]
    fn columns_by_name() {
        assert_eq!(titles("-o pid,comm"), "PID COMMAND");
        assert_eq!(titles("-eo pid,user=WHO"), "PID WHO");
        assert_eq!(titles("-opid,args"), "PID COMMAND");
        assert_eq!(titles("ax -o pid -o %cpu"), "PID %CPU");
        for wrong in ["-o", "-o nonsense", "-Z", "--help", "; id"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn cells() {
        let host = Host {
            users: [(0, "root".into())].into(),
            memory_bytes: 1 << 30,
            now: 5000,
            booted_at: 1000,
        };
        let process = Process {
            pid: 7,
            cpu_ticks: 20_000,
            started_ticks: 200_000,
            resident_pages: 1 << 16,
            tty: 34_817,
            ..Process::default()
        };
        for (column, expected) in [
            (Column::User, "root"),
            (Column::Cpu, "10.0"),
            (Column::CpuWhole, "10"),
            (Column::MemoryShare, "25.0"),
            (Column::Resident, "262144"),
            (Column::Time, "00:03:20"),
            (Column::ShortTime, "3:20"),
            (Column::Elapsed, "33:20"),
            (Column::Start, "00:50"),
            (Column::Tty, "pts/1"),
        ] {
            assert_eq!(column.cell(&process, &host), expected, "{column:?}");
        }
    }
}
