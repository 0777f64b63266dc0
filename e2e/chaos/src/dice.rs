//! Chance that can be repeated: the same seed gives the same choices.

/// The generator `SplitMix64` of Steele, Lea and Flood (2014): one addition and three mixes for each number.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The choices of one cycle: whichever process runs it, they are the same.
    pub(crate) fn of_cycle(seed: u64, cycle: u32) -> Self {
        let mut dice = Self(seed ^ u64::from(cycle).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // Neighbours differ in few bits; one throw spreads them.
        dice.throw();
        dice
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not zero.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        let part = self.throw() % u64::from(limit.max(1));
        u32::try_from(part).unwrap_or_default()
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let count = u32::try_from(choices.len()).unwrap_or(u32::MAX);
        choices[self.below(count) as usize]
    }
}

/// A seed nobody chose.
pub(crate) fn any_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |time| time.subsec_nanos());
    u64::from(nanos) << 20 | u64::from(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_repeats_its_choices_and_differs_from_its_neighbour() {
        let throws = |seed, cycle| {
            let mut dice = Dice::of_cycle(seed, cycle);
            (0..8).map(|_| dice.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(throws(7, 3), throws(7, 3));
        assert_ne!(throws(7, 3), throws(7, 4));
        assert_ne!(throws(7, 3), throws(8, 3));
        assert!(throws(7, 3).iter().all(|number| *number < 1000));
    }
}
