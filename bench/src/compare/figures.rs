//! What is counted rather than timed: memory and sizes, with the bars they are held to.

/// A table of numbers in one unit.
pub(crate) struct Figures {
    pub(crate) title: String,
    pub(crate) columns: Vec<&'static str>,
    /// Each with one number for each column.
    pub(crate) rows: Vec<(String, Vec<f64>)>,
    pub(crate) limits: Vec<Limit>,
}

/// A promise: `is` is at most `most`, in the unit that `promise` names.
pub(crate) struct Limit {
    pub(crate) promise: String,
    pub(crate) is: f64,
    pub(crate) most: f64,
}

impl Limit {
    pub(crate) fn new(promise: impl Into<String>, is: f64, most: f64) -> Self {
        Self { promise: promise.into(), is, most }
    }

    /// Whether it holds, and else by how much it is missed.
    pub(crate) fn verdict(&self) -> String {
        let Self { promise, is, most } = self;
        if is <= most {
            format!("{promise}: {is:.2}, holds")
        } else if is.is_nan() {
            format!("{promise}: not measured")
        } else {
            format!("{promise}: {is:.2}, misses by {:.0} %", (is / most - 1.0) * 100.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_tells_by_how_much_it_is_missed() {
        let verdict = |is| Limit::new("x ≤ 2", is, 2.0).verdict();
        assert_eq!(verdict(2.0), "x ≤ 2: 2.00, holds");
        assert_eq!(verdict(2.5), "x ≤ 2: 2.50, misses by 25 %");
        assert_eq!(verdict(f64::NAN), "x ≤ 2: not measured");
    }
}
