//! A range of numbers, cut into pieces that each lead somewhere.

/// Pieces of `0..=last`: each begins at its `start` and ends before the next one's. The first begins at 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition<T> {
    last: u64,
    pieces: Vec<(u64, T)>,
}

impl<T: Copy + PartialEq> Partition<T> {
    pub(crate) fn new(last: u64, target: T) -> Self {
        Self { last, pieces: vec![(0, target)] }
    }

    /// Lets `from..=to` lead to `target`, whatever was there. An empty range changes nothing.
    pub(crate) fn paint(&mut self, from: u64, to: u64, target: T) {
        let to = to.min(self.last);
        if from > to {
            return;
        }
        let after = (to < self.last).then(|| (to + 1, self.at(to + 1)));
        let begin = self.pieces.partition_point(|&(start, _)| start < from);
        let end =
            self.pieces.partition_point(|&(start, _)| start <= to.saturating_add(1)).max(begin);
        // A range up to the very end has nothing after it.
        let end = if after.is_some() { end } else { self.pieces.len() };
        self.pieces.splice(begin..end, std::iter::once((from, target)).chain(after));
    }

    /// The pieces as `(first, last, target)`, neighbours with the same target joined.
    pub(crate) fn pieces(&self) -> Vec<(u64, u64, T)> {
        let mut joined: Vec<(u64, u64, T)> = Vec::with_capacity(self.pieces.len());
        for (index, &(start, target)) in self.pieces.iter().enumerate() {
            let end = self.pieces.get(index + 1).map_or(self.last, |&(next, _)| next - 1);
            match joined.last_mut() {
                Some(previous) if previous.2 == target => previous.1 = end,
                _ => joined.push((start, end, target)),
            }
        }
        joined
    }

    fn at(&self, number: u64) -> T {
        let index = self.pieces.partition_point(|&(start, _)| start <= number);
        self.pieces[index - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn painting_agrees_with_an_array() {
        // Every pair of ranges over a small space, one painted over the other.
        let last = 6_u64;
        let ranges: Vec<_> = (0..=last).flat_map(|a| (0..=last).map(move |b| (a, b))).collect();
        for &(a, b) in &ranges {
            for &(c, d) in &ranges {
                let mut partition = Partition::new(last, 0);
                partition.paint(a, b, 1);
                partition.paint(c, d, 2);
                let expected: Vec<i32> = (0..=last)
                    .map(|n| if (c..=d).contains(&n) { 2 } else { i32::from((a..=b).contains(&n)) })
                    .collect();
                let mut found = Vec::new();
                for (first, end, target) in partition.pieces() {
                    found.extend((first..=end).map(|_| target));
                }
                assert_eq!(found, expected, "{a}..={b} then {c}..={d}");
                assert!(partition.pieces().windows(2).all(|pair| pair[0].2 != pair[1].2));
            }
        }
    }

    #[test]
    fn the_whole_range_of_64_bits() {
        let mut partition = Partition::new(u64::MAX, 'a');
        partition.paint(u64::MAX, u64::MAX, 'b');
        partition.paint(0, 0, 'c');
        assert_eq!(
            partition.pieces(),
            [(0, 0, 'c'), (1, u64::MAX - 1, 'a'), (u64::MAX, u64::MAX, 'b')]
        );
    }
}
