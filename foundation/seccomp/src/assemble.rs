//! Assembly from the end to the beginning, so that every jump's target is known when the jump is written.
//!
//! A conditional jump reaches 255 instructions ahead. What lies farther is brought near by a second return instruction or an
//! unconditional jump, which reaches everything.

use crate::action::Verdict;
use crate::instruction::{Instruction, JUMP, LOAD, RETURN};

/// How far a conditional jump reaches.
const REACH: usize = 255;

/// An instruction that is already written, counted from the program's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// Where control goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Answer(Verdict),
    At(Label),
}

/// Instructions so far, the last one first.
#[derive(Default)]
pub(crate) struct Assembler {
    reversed: Vec<Instruction>,
    /// The nearest return instruction for each verdict.
    returns: Vec<(Verdict, Label)>,
}

impl Assembler {
    pub(crate) fn len(&self) -> usize {
        self.reversed.len()
    }

    /// The whole program, which begins at `entry`; that must be what was written last.
    pub(crate) fn finish(mut self, entry: Target) -> Vec<Instruction> {
        self.fall_through(entry);
        self.reversed.reverse();
        self.reversed
    }

    /// A comparison with `k`.
    pub(crate) fn branch(&mut self, code: u16, k: u32, yes: Target, no: Target) -> Target {
        // Bringing the second target near may write one instruction, which the first must still reach over.
        let no = self.near(no, 1);
        let yes = self.near(yes, 0);
        let (jt, jf) = (self.distance(yes), self.distance(no));
        self.push(Instruction { code, jt: short(jt), jf: short(jf), k })
    }

    /// A load of the word at `offset`, followed by `next`.
    pub(crate) fn load(&mut self, offset: u32, next: Target) -> Target {
        self.straight(LOAD, offset, next)
    }

    /// An instruction that never jumps, followed by `next`.
    pub(crate) fn straight(&mut self, code: u16, k: u32, next: Target) -> Target {
        self.fall_through(next);
        self.push(Instruction { code, jt: 0, jf: 0, k })
    }

    fn push(&mut self, instruction: Instruction) -> Target {
        self.reversed.push(instruction);
        Target::At(Label(self.reversed.len() - 1))
    }

    /// Makes `target` the next instruction.
    fn fall_through(&mut self, target: Target) {
        match target {
            Target::At(label) if self.distance(label) == 0 => {}
            Target::At(label) => {
                self.jump(label);
            }
            Target::Answer(verdict) => {
                self.answer(verdict);
            }
        }
    }

    /// A label for `target` that a conditional jump reaches, even after `slack` more instructions.
    fn near(&mut self, target: Target, slack: usize) -> Label {
        match target {
            Target::At(label) if self.distance(label) + slack <= REACH => label,
            Target::At(label) => self.jump(label),
            Target::Answer(verdict) => {
                let known = self.returns.iter().find(|(known, _)| *known == verdict);
                match known {
                    Some(&(_, label)) if self.distance(label) + slack <= REACH => label,
                    _ => self.answer(verdict),
                }
            }
        }
    }

    fn jump(&mut self, label: Label) -> Label {
        // A program of 2^32 instructions is refused long before; the cut cannot happen.
        let k = u32::try_from(self.distance(label)).unwrap_or(u32::MAX);
        self.push(Instruction { code: JUMP, jt: 0, jf: 0, k });
        Label(self.reversed.len() - 1)
    }

    fn answer(&mut self, verdict: Verdict) -> Label {
        self.push(Instruction { code: RETURN, jt: 0, jf: 0, k: verdict.0 });
        let label = Label(self.reversed.len() - 1);
        self.returns.retain(|(known, _)| *known != verdict);
        self.returns.push((verdict, label));
        label
    }

    /// How many instructions the next one would have to skip.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - label.0 - 1
    }
}

/// `near` saw to it that the distance fits.
fn short(distance: usize) -> u8 {
    debug_assert!(distance <= REACH);
    u8::try_from(distance).unwrap_or(u8::MAX)
}
