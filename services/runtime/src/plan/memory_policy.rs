//! `linux.memoryPolicy`: which memory nodes the process's memory comes from (`set_mempolicy(2)`).

use gantry_oci::runtime::MemoryPolicy;
use serde::{Deserialize, Serialize};

use super::list;
use crate::failure::Failure;

/// What the system call takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemoryPolicyPlan {
    /// The mode with its flags.
    pub mode: u32,
    /// Bits, 64 in each word.
    pub nodes: Vec<u64>,
}

/// Modes by name (`linux/mempolicy.h`), and whether they need nodes, may have them or take none.
const MODES: [(&str, u32, Nodes); 7] = [
    ("MPOL_DEFAULT", 0, Nodes::None),
    ("MPOL_PREFERRED", 1, Nodes::Perhaps),
    ("MPOL_BIND", 2, Nodes::Some),
    ("MPOL_INTERLEAVE", 3, Nodes::Some),
    ("MPOL_LOCAL", 4, Nodes::None),
    ("MPOL_PREFERRED_MANY", 5, Nodes::Some),
    ("MPOL_WEIGHTED_INTERLEAVE", 6, Nodes::Some),
];

const FLAGS: [(&str, u32); 3] = [
    ("MPOL_F_NUMA_BALANCING", 1 << 13),
    ("MPOL_F_RELATIVE_NODES", 1 << 14),
    ("MPOL_F_STATIC_NODES", 1 << 15),
];

/// The kernel's largest number of nodes (`CONFIG_NODES_SHIFT` is at most 10).
const NODES_LIMIT: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nodes {
    None,
    Perhaps,
    Some,
}

/// The names of all modes.
pub(crate) fn memory_policy_modes() -> Vec<&'static str> {
    MODES.into_iter().map(|(name, _, _)| name).collect()
}

/// The names of all flags.
pub(crate) fn memory_policy_flags() -> Vec<&'static str> {
    FLAGS.into_iter().map(|(name, _)| name).collect()
}

impl MemoryPolicyPlan {
    pub(crate) fn new(asked: &MemoryPolicy) -> Result<Self, Failure> {
        let refused = |reason: String| Failure::invalid(format!("linux.memoryPolicy: {reason}"));
        let (name, mut mode, wants) = MODES
            .into_iter()
            .find(|(name, _, _)| *name == asked.mode)
            .ok_or_else(|| refused(format!("the mode {:?} is unknown", asked.mode)))?;
        for flag in &asked.flags {
            let (_, bit) = FLAGS
                .into_iter()
                .find(|(known, _)| known == flag)
                .ok_or_else(|| refused(format!("the flag {flag:?} is unknown")))?;
            mode |= bit;
        }
        match (asked.nodes.is_empty(), wants) {
            (false, Nodes::None) => Err(refused(format!("{name} takes no nodes"))),
            (true, Nodes::Some) => Err(refused(format!("{name} needs nodes"))),
            (true, _) => Ok(Self { mode, nodes: Vec::new() }),
            (false, _) => {
                let numbers = list::numbers(&asked.nodes, NODES_LIMIT).ok_or_else(|| {
                    refused(format!("the nodes {:?} are no list such as 0-3,7", asked.nodes))
                })?;
                Ok(Self { mode, nodes: mask(&numbers) })
            }
        }
    }
}

fn mask(numbers: &[usize]) -> Vec<u64> {
    let words = numbers.iter().max().map_or(0, |highest| highest / 64 + 1);
    let mut mask = vec![0; words];
    for number in numbers {
        mask[number / 64] |= 1 << (number % 64);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(mode: &str, nodes: &str, flags: &[&str]) -> Result<MemoryPolicyPlan, Failure> {
        MemoryPolicyPlan::new(&MemoryPolicy {
            mode: mode.into(),
            nodes: nodes.into(),
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
        })
    }

    #[test]
    fn names_become_what_the_kernel_takes() {
        let policy = plan("MPOL_BIND", "0,65-66", &["MPOL_F_STATIC_NODES"]).unwrap();
        assert_eq!(policy, MemoryPolicyPlan { mode: 2 | 1 << 15, nodes: vec![1, 6] });
        let policy = plan("MPOL_PREFERRED", "", &[]).unwrap();
        assert_eq!(policy, MemoryPolicyPlan { mode: 1, nodes: vec![] });
    }

    #[test]
    fn policies_that_cannot_be_are_refused() {
        for (mode, nodes, flags, words) in [
            ("MPOL_MAGIC", "0", &[][..], "\"MPOL_MAGIC\" is unknown"),
            ("MPOL_BIND", "", &[], "needs nodes"),
            ("MPOL_LOCAL", "0", &[], "takes no nodes"),
            ("MPOL_BIND", "0-", &[], "\"0-\" are no list"),
            ("MPOL_BIND", "1024", &[], "no list"),
            ("MPOL_BIND", "0", &["MPOL_F_X"], "\"MPOL_F_X\" is unknown"),
        ] {
            let failure = plan(mode, nodes, flags).unwrap_err();
            assert!(failure.message.contains(words), "{}", failure.message);
        }
    }
}
