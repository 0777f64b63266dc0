//! Which limits this host's kernel has: what it lacks is told of and left out, as in Docker, for a container that runs
//! without a limit is of more use than none.

/// What the kernel can limit; gathered once, when the engine opens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(crate) struct LimitSupport {
    pub memory: bool,
    pub swap: bool,
    pub memory_reservation: bool,
    pub swappiness: bool,
    pub oom_kill_disable: bool,
    pub cpu_shares: bool,
    pub cpu_cfs: bool,
    pub cpu_realtime: bool,
    pub cpuset: bool,
    /// Processors that containers can be bound to, as in `0-3,7`.
    pub cpus: String,
    /// Memory nodes, likewise.
    pub memory_nodes: String,
    pub pids: bool,
    pub block_weight: bool,
    pub block_throttle: bool,
}

impl LimitSupport {
    /// A kernel that has them all, for as many processors.
    #[cfg(test)]
    pub(crate) fn everything(cpus: u32) -> Self {
        Self {
            memory: true,
            swap: true,
            memory_reservation: true,
            swappiness: true,
            oom_kill_disable: true,
            cpu_shares: true,
            cpu_cfs: true,
            cpu_realtime: true,
            cpuset: true,
            cpus: format!("0-{}", cpus - 1),
            memory_nodes: "0".to_owned(),
            pids: true,
            block_weight: true,
            block_throttle: true,
        }
    }
}

/// Whether a list such as `0-3,7` has every number of the list `wanted`; `None` when that is no list.
pub(crate) fn list_holds(available: &str, wanted: &str) -> Option<bool> {
    let wanted = ranges(wanted)?;
    let available = ranges(available)?;
    let has =
        |number: u16| available.iter().any(|(first, last)| (*first..=*last).contains(&number));
    Some(wanted.iter().all(|(first, last)| (*first..=*last).all(has)))
}

fn ranges(list: &str) -> Option<Vec<(u16, u16)>> {
    let number = |text: &str| {
        let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        number(first).zip(number(last)).filter(|(first, last)| first <= last)
    };
    list.split(',').filter(|_| !list.is_empty()).map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_numbers() {
        for (available, wanted, holds) in [
            ("0-3", "1,2-3", Some(true)),
            ("0-3,7", "7", Some(true)),
            ("0-3", "4", Some(false)),
            ("0-1,3", "0-3", Some(false)),
            ("0-3", "", Some(true)),
            ("0-3", "a", None),
            ("0-3", "2-1", None),
            ("0-3", "1,", None),
            ("0-3", "-1", None),
            ("0-3", "99999999999", None),
        ] {
            assert_eq!(list_holds(available, wanted), holds, "{wanted} of {available}");
        }
    }
}
