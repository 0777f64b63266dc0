//! A compiled system call filter: loading it, and keeping it beside the container's record for later `exec`s.

mod cache;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gantry_oci::runtime::Seccomp;
use gantry_seccomp::Program;
use gantry_sys::seccomp::{FLAG_NEW_LISTENER, Instruction, load};
use rustix::io::Errno;

use crate::error::Error;
use crate::failure::{During, Failure};
use crate::listener::Handover;
use cache::Place;

/// Instructions and the flags to load them with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    instructions: Vec<Instruction>,
    flags: u32,
}

/// `SECCOMP_FILTER_FLAG_SPEC_ALLOW`: a hint that kernels may not know.
const FLAG_SPEC_ALLOW: u32 = 4;
/// `SECCOMP_FILTER_FLAG_TSYNC`: all threads of the process.
const FLAG_TSYNC: u32 = 1;
/// In the state directory.
pub(crate) const FILTER_NAME: &str = "seccomp.bpf";
const INSTRUCTION_BYTES: usize = 8;

impl Filter {
    /// Compiles a profile, unless it is ready since the build or was compiled before and kept in the directory.
    pub(crate) fn cached(profile: &Seccomp, directory: Option<&Path>) -> Result<Self, Error> {
        if let Some(program) = gantry_seccomp::ready(profile).map_err(Error::Seccomp)? {
            return Ok(Self::from(&program));
        }
        let place = directory.and_then(|directory| Place::of(profile, directory));
        if let Some(found) = place.as_ref().and_then(Place::find) {
            return Ok(found);
        }
        let filter = Self::compile(profile)?;
        if let Some(place) = place {
            // The next one compiles again.
            drop(place.keep(&filter));
        }
        Ok(filter)
    }

    pub(crate) fn compile(profile: &Seccomp) -> Result<Self, Error> {
        Ok(Self::from(&gantry_seccomp::compile(profile).map_err(Error::Seccomp)?))
    }

    fn from(program: &Program) -> Self {
        let instructions = program
            .instructions()
            .iter()
            .map(|step| Instruction {
                code: step.code,
                jump_true: step.jt,
                jump_false: step.jf,
                value: step.k,
            })
            .collect();
        let mut flags = program.flags().bits();
        if flags & FLAG_NEW_LISTENER != 0 {
            // The kernel takes only one of the two; the process has one thread.
            flags &= !FLAG_TSYNC;
        }
        Self { instructions, flags }
    }

    /// Whether system calls are passed on to an agent.
    pub(crate) fn notifies(&self) -> bool {
        self.flags & FLAG_NEW_LISTENER != 0
    }

    /// Loads it into this process. A filter that [`notifies`](Self::notifies) needs the agent's handover.
    pub(crate) fn load(&self, agent: Option<&Handover<'_>>) -> Result<(), Failure> {
        if self.notifies() && agent.is_none() {
            return Err(Failure::invalid("SCMP_ACT_NOTIFY needs linux.seccomp.listenerPath"));
        }
        let result = match load(&self.instructions, self.flags) {
            Err(error)
                if Errno::from_io_error(&error) == Some(Errno::INVAL)
                    && self.flags & FLAG_SPEC_ALLOW != 0 =>
            {
                load(&self.instructions, self.flags & !FLAG_SPEC_ALLOW)
            }
            result => result,
        };
        let notifications = result.during("load the seccomp filter")?;
        match (notifications, agent) {
            (Some(notifications), Some(agent)) => agent.send(&notifications),
            _ => Ok(()),
        }
    }

    pub(crate) fn save(&self, state_dir: &Path) -> io::Result<()> {
        fs::write(path(state_dir), self.encode())
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + self.instructions.len() * INSTRUCTION_BYTES);
        bytes.extend_from_slice(&self.flags.to_ne_bytes());
        self.write_program(&mut bytes);
        bytes
    }

    /// The instructions as the kernel takes and shows them.
    pub(crate) fn program(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.instructions.len() * INSTRUCTION_BYTES);
        self.write_program(&mut bytes);
        bytes
    }

    fn write_program(&self, bytes: &mut Vec<u8>) {
        for step in &self.instructions {
            let [c0, c1] = step.code.to_ne_bytes();
            let [v0, v1, v2, v3] = step.value.to_ne_bytes();
            bytes.extend_from_slice(&[c0, c1, step.jump_true, step.jump_false, v0, v1, v2, v3]);
        }
    }

    /// The filter of a container; `None` when it has none.
    pub(crate) fn read(state_dir: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(path(state_dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        Self::decode(&bytes).map(Some)
    }

    pub(crate) fn decode(bytes: &[u8]) -> io::Result<Self> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "damaged filter");
        let (flags, steps) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (steps, rest) = steps.as_chunks::<INSTRUCTION_BYTES>();
        if steps.is_empty() || !rest.is_empty() {
            return Err(damaged());
        }
        let instructions = steps
            .iter()
            .map(|&[c0, c1, jump_true, jump_false, v0, v1, v2, v3]| Instruction {
                code: u16::from_ne_bytes([c0, c1]),
                jump_true,
                jump_false,
                value: u32::from_ne_bytes([v0, v1, v2, v3]),
            })
            .collect();
        Ok(Self { instructions, flags: u32::from_ne_bytes(*flags) })
    }
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(FILTER_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_kept_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Filter::read(dir.path()).unwrap(), None);
        let step = Instruction { code: 6, jump_true: 1, jump_false: 2, value: 0x7fff_0000 };
        let filter = Filter { instructions: vec![step; 3], flags: 4 };
        filter.save(dir.path()).unwrap();
        assert_eq!(Filter::read(dir.path()).unwrap(), Some(filter));
        for damaged in [&b"abc"[..], b"abcd", b"abcd1234567"] {
            fs::write(path(dir.path()), damaged).unwrap();
            assert!(Filter::read(dir.path()).is_err());
        }
    }
}
