//! Durations as Go writes them: `1m30s`, `500ms`, `1.5h`.

/// The nanoseconds of a duration of at least zero; `None` when the text is none, or too long for 63
/// bits.
pub(super) fn parse_nanos(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total: f64 = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        rest = &rest[end..];
        total += number * unit;
    }
    // Below 2^53 nanoseconds, which are 104 days, the value is exact.
    let exact = !text.is_empty() && total < 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is below 2^53")]
    exact.then_some(total.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_s_durations() {
        let cases = [
            ("0", Some(0)),
            ("30s", Some(30_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("500ms", Some(500_000_000)),
            ("1h2m3s4ms5us6ns", Some(3_723_004_005_006)),
            ("", None),
            ("30", None),
            ("s", None),
            ("-1s", None),
            ("1d", None),
            ("1..5s", None),
            ("99999999h", None),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_nanos(text), nanos, "{text:?}");
        }
    }
}
