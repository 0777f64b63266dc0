//! Which system calls a command makes, and the words by which strace kills it at one of them: it counts each kind by itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Case, Sweeper};

/// One system call of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    name: String,
    /// The how manieth of its kind.
    occurrence: u32,
}

impl Sweeper {
    /// Takes down what a command calls when nobody kills it.
    pub(super) fn take_down(&mut self, case: Case) -> Result<(), String> {
        self.calls.clear();
        self.attempt(case, 0)?;
        let text = std::fs::read_to_string(self.list()).map_err(|error| error.to_string())?;
        self.calls = parse(&text, case == Case::Newborn);
        if self.calls.is_empty() {
            Err("strace has seen no system call".to_owned())
        } else {
            Ok(())
        }
    }

    pub(super) fn last_call(&self) -> u32 {
        u32::try_from(self.calls.len()).unwrap_or(u32::MAX)
    }

    /// What strace is told: to kill at the n-th call, or, for 0, to write down all of them.
    pub(super) fn strace_flags(&self, number: u32) -> Vec<String> {
        let index = (number as usize).checked_sub(1);
        match index.and_then(|index| self.calls.get(index)) {
            Some(Call { name, occurrence }) => {
                let inject = format!("inject={name}:signal=KILL:when={occurrence}");
                ["-qq", "-o", "/dev/null", "-e", &inject].map(str::to_owned).to_vec()
            }
            None => {
                vec!["-qq".to_owned(), "-o".to_owned(), self.list().to_string_lossy().into_owned()]
            }
        }
    }

    fn list(&self) -> PathBuf {
        self.folder.join(format!("calls-{}", std::process::id()))
    }
}

/// The calls in strace's output; with `children`, those of other processes than the first.
fn parse(text: &str, children: bool) -> Vec<Call> {
    let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut first = None;
    let mut calls = Vec::new();
    for line in text.lines() {
        let (pid, rest) = match line.split_once(' ') {
            Some((pid, rest)) if pid.bytes().all(|byte| byte.is_ascii_digit()) => {
                (pid, rest.trim_start())
            }
            _ => ("", line),
        };
        let first = *first.get_or_insert(pid);
        let Some((name, _)) = rest.split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let occurrence = counts.entry((pid, name)).or_default();
        *occurrence += 1;
        if !children || pid != first {
            calls.push(Call { name: name.to_owned(), occurrence: *occurrence });
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_kind_and_process() {
        let call = |name: &str, occurrence| Call { name: name.to_owned(), occurrence };
        let plain =
            "execve(\"/x\", [\"x\"]) = 0\nbrk(NULL) = 1\nbrk(1) = 2\n+++ exited with 0 +++\n";
        assert_eq!(parse(plain, false), [call("execve", 1), call("brk", 1), call("brk", 2)]);
        let family = "7 brk(NULL) = 1\n8  brk(NULL <unfinished ...>\n7 brk(1) = 1\n8 <... brk resumed>) = 2\n8 brk(1) = 3\n";
        assert_eq!(parse(family, true), [call("brk", 1), call("brk", 2)]);
    }
}
