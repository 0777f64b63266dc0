//! Runs a filter as the kernel would: the classic BPF instructions that seccomp allows, and nothing else.

use gantry_seccomp::Instruction;

/// What a filter sees of one system call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) audit: u32,
    pub(crate) number: u32,
    pub(crate) args: [u64; 6],
}

/// A filter's answer, and how many instructions it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) answer: u32,
    pub(crate) steps: usize,
}

impl Call {
    fn word(self, offset: u32) -> u32 {
        let low = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap();
        match offset {
            0 => self.number,
            4 => self.audit,
            16..64 if offset.is_multiple_of(4) => {
                let value = self.args[usize::try_from((offset - 16) / 8).unwrap()];
                if offset.is_multiple_of(8) { low(value) } else { low(value >> 32) }
            }
            _ => panic!("load from offset {offset}"),
        }
    }
}

/// Panics where the kernel would have refused the filter.
pub(crate) fn run(program: &[Instruction], call: Call) -> Run {
    let mut accumulator = 0_u32;
    let mut at = 0;
    for steps in 1.. {
        let Instruction { code, jt, jf, k } = program[at];
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        at += 1;
        match code {
            0x20 => accumulator = call.word(k),
            0x54 => accumulator &= k,
            0x05 => at += usize::try_from(k).unwrap(),
            0x15 => at += jump(accumulator == k),
            0x25 => at += jump(accumulator > k),
            0x35 => at += jump(accumulator >= k),
            0x45 => at += jump(accumulator & k != 0),
            0x06 => return Run { answer: k, steps },
            _ => panic!("instruction {code:#x}"),
        }
    }
    unreachable!("jumps go forward only")
}
