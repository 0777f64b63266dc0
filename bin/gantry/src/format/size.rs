//! Sizes for people: decimal units and three or four digits, as Docker prints them.

/// `bytes` in the largest unit that leaves a number of one or more, with three digits.
pub(crate) fn decimal(bytes: i64) -> String {
    in_units(bytes, 10)
}

/// [`decimal`] with four digits.
pub(crate) fn exact(bytes: i64) -> String {
    in_units(bytes, 1)
}

/// How much room something made.
pub(crate) fn reclaimed(bytes: u64) -> String {
    exact(i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// The smallest step is in thousandths of a unit, for numbers below ten.
fn in_units(bytes: i64, smallest_step: u128) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let negative = if bytes < 0 { "-" } else { "" };
    let bytes = u128::from(bytes.unsigned_abs());
    let mut unit = 0;
    let mut divisor = 1_u128;
    while bytes / divisor >= 1000 && unit + 1 < UNITS.len() {
        divisor *= 1000;
        unit += 1;
    }
    let thousandths = bytes * 1000 / divisor;
    let step = match thousandths {
        0..10_000 => smallest_step,
        10_000..100_000 => smallest_step * 10,
        _ => smallest_step * 100,
    };
    let rounded = (bytes * 1000 * 2 / divisor + step) / (2 * step) * step;
    let (whole, fraction) = (rounded / 1000, rounded % 1000);
    let fraction = format!("{fraction:03}");
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{negative}{whole}{point}{fraction}{}", UNITS[unit])
}

/// `bytes` in binary units with up to four digits, as `info` shows memory.
pub(crate) fn binary(bytes: i64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let bytes = u128::from(bytes.unsigned_abs());
    let mut unit = 0;
    while bytes >> (10 * (unit + 1)) > 0 && unit + 1 < UNITS.len() {
        unit += 1;
    }
    let scaled = (bytes * 10_000) >> (10 * unit);
    let step = match scaled {
        0..100_000 => 10,
        100_000..1_000_000 => 100,
        1_000_000..10_000_000 => 1000,
        _ => 10_000,
    };
    let rounded = (scaled + step / 2) / step * step;
    let fraction = format!("{:04}", rounded % 10_000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}{}", rounded / 10_000, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1_236_000, "1.24MB"),
            (1_240_000, "1.24MB"),
            (4_261_574, "4.26MB"),
            (72_800_000, "72.8MB"),
            (124_400_000, "124MB"),
            (13_256, "13.3kB"),
            (2_000_000_000, "2GB"),
            (i64::MAX, "9.22EB"),
        ] {
            assert_eq!(decimal(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn binary_units() {
        for (bytes, text) in
            [(0, "0B"), (1024, "1KiB"), (16_509_861_888, "15.38GiB"), (4_056_743_936, "3.778GiB")]
        {
            assert_eq!(binary(bytes), text, "{bytes}");
        }
    }
}
