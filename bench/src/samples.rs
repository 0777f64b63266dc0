//! A series of measured times and what one says about it.

use std::time::Duration;

/// Times of one subject.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    times: Vec<Duration>,
}

impl Samples {
    pub(crate) fn add(&mut self, time: Duration) {
        self.times.push(time);
    }

    /// The value below which `part` (0 to 1) of the times lie, in milliseconds.
    pub(crate) fn quantile_ms(&self, part: f64) -> f64 {
        let mut sorted = self.times.clone();
        sorted.sort();
        let last = sorted.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a few hundred samples"
        )]
        let index = (last as f64 * part).round() as usize;
        sorted.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }

    pub(crate) fn median_ms(&self) -> f64 {
        self.quantile_ms(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_an_odd_number() {
        let mut samples = Samples::default();
        for ms in [5, 1, 3, 2, 4] {
            samples.add(Duration::from_millis(ms));
        }
        let quantiles = [0.0, 0.5, 1.0].map(|part| samples.quantile_ms(part));
        assert!(quantiles.iter().zip([1.0, 3.0, 5.0]).all(|(is, want)| (is - want).abs() < 1e-9));
    }

    #[test]
    fn nothing_measured_is_no_number() {
        assert!(Samples::default().median_ms().is_nan());
    }
}
