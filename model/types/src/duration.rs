//! Durations as Go writes them and Docker's users do: `1h2m3.5s`.

/// The nanoseconds of a duration of at least zero; `None` when the text is none, or too long for 63 bits.
pub fn duration_nanos(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (digits, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let nanos: i64 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.len() + fraction.len() == 0 || fraction.len() > 9 {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let billionths: i128 = format!("{fraction:0<9}").parse().ok()?;
        let part = i64::try_from(billionths * i128::from(nanos) / 1_000_000_000).ok()?;
        total = total.checked_add(whole.checked_mul(nanos)?)?.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
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
            (".5s", Some(500_000_000)),
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
            assert_eq!(duration_nanos(text), nanos, "{text:?}");
        }
    }
}
