//! Levels: a sensitivity and two of 1024 categories, which no two containers share unless they are told to.

use std::collections::HashMap;

use super::context::Context;

/// What policies have: c0 to c1023.
const CATEGORIES: u32 = 1024;
/// Pairs of different categories, in either order.
const PAIRS: u32 = CATEGORIES * (CATEGORIES - 1) / 2;

/// Levels that somebody has, and how many do.
#[derive(Debug)]
pub(super) struct Levels(HashMap<String, usize>);

impl Levels {
    /// The level of `private` is never given away.
    pub(super) fn new(private: &Context) -> Self {
        Self(HashMap::from([(private.level.clone(), 1)]))
    }

    pub(super) fn take(&mut self, level: &str) {
        *self.0.entry(level.to_owned()).or_default() += 1;
    }

    pub(super) fn give_back(&mut self, level: &str) {
        if let Some(count) = self.0.get_mut(level) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(level);
            }
        }
    }

    /// One that nobody has, of the sensitivity of `level`; `random` says where the search begins. None when all are taken.
    pub(super) fn free(&self, level: &str, random: u32) -> Option<String> {
        let begin = random % PAIRS;
        let mut levels = (0..PAIRS).map(|step| of_pair(level, pair((begin + step) % PAIRS)));
        levels.find(|level| !self.0.contains_key(level))
    }
}

/// The level with the last two categories.
pub(super) fn last(level: &str) -> String {
    of_pair(level, (CATEGORIES - 2, CATEGORIES - 1))
}

fn of_pair(level: &str, (low, high): (u32, u32)) -> String {
    let sensitivity = level.split([':', '-']).next().unwrap_or_default();
    format!("{sensitivity}:c{low},c{high}")
}

/// The pairs in a row: (0,1), (0,2), (1,2), (0,3) …
fn pair(number: u32) -> (u32, u32) {
    // The largest `high` before whose first pair there are no more than `number`.
    let mut high = (1 + 8 * number).isqrt().div_ceil(2);
    while high * (high - 1) / 2 > number {
        high -= 1;
    }
    (number - high * (high - 1) / 2, high)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_number_is_a_pair_of_its_own() {
        let pairs: HashSet<_> = (0..PAIRS).map(pair).collect();
        assert_eq!(pairs.len(), 523_776);
        assert!(pairs.iter().all(|(low, high)| low < high && *high < CATEGORIES));
    }

    #[test]
    fn nobody_gets_what_another_one_has() {
        let private: Context = "u:object_r:f:s0:c1022,c1023".parse().unwrap();
        let mut levels = Levels::new(&private);
        let first = levels.free("s0", 0).unwrap();
        assert_eq!(first, "s0:c0,c1");
        levels.take(&first);
        assert_eq!(levels.free("s0", 0).unwrap(), "s0:c0,c2");
        // The last pair is private, so the search goes on from the beginning.
        assert_eq!(levels.free("s0-s0:c0.c1023", PAIRS - 1).unwrap(), "s0:c0,c2");
        levels.take(&first);
        levels.give_back(&first);
        assert_eq!(levels.free("s0", 0).unwrap(), "s0:c0,c2");
        levels.give_back(&first);
        levels.give_back(&first);
        assert_eq!(levels.free("s0", 0).unwrap(), first);
        for number in 0..PAIRS {
            levels.take(&of_pair("s0", pair(number)));
        }
        assert_eq!(levels.free("s0", 7), None);
        assert_eq!(levels.free("s1", 7).unwrap(), of_pair("s1", pair(7)));
    }
}
