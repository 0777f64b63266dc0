//! Times for people: how long ago, and moments that the user names.

use std::time::Duration;

use gantry_sys::clock;
use gantry_types::Timestamp;

use crate::flags::duration_ns;

/// A duration in one unit, in Docker's words.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, ..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".to_owned(),
        (.., ..48) => format!("{hours} hours"),
        (.., ..336) => format!("{} days", hours / 24),
        (.., ..1440) => format!("{} weeks", hours / 24 / 7),
        (.., ..17_520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

/// How long ago a moment in seconds since 1970 was.
pub(crate) fn ago(seconds: i64) -> String {
    let moment = Timestamp { seconds, nanos: 0 };
    format!("{} ago", human(clock::now().since(moment)))
}

/// `2024-02-29 12:34:56 +0000 UTC`, the form of `CreatedAt`.
pub(crate) fn full(seconds: i64) -> String {
    let text = Timestamp { seconds, nanos: 0 }.to_string();
    let text = text.trim_end_matches('Z').replacen('T', " ", 1);
    format!("{text} +0000 UTC")
}

/// What `--since` and `--until` take: a moment, seconds since 1970, or a duration before `now`. The result is seconds
/// with decimals, or the text as it was where the daemon knows better.
pub(crate) fn moment(text: &str, now: Timestamp) -> String {
    match duration_ns(text) {
        Ok(ns) if text != "0" => {
            let nanos = now.as_nanos() - i128::from(ns);
            format!("{}.{:09}", nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000))
        }
        _ => match text.parse::<Timestamp>() {
            Ok(moment) => format!("{}.{:09}", moment.seconds, moment.nanos),
            Err(_) => date_only(text).unwrap_or_else(|| text.to_owned()),
        },
    }
}

/// A day without a time means its beginning.
fn date_only(text: &str) -> Option<String> {
    let moment: Timestamp = format!("{text}T00:00:00Z").parse().ok()?;
    Some(format!("{}.{:09}", moment.seconds, moment.nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit() {
        const HOUR: u64 = 3600;
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (120, "2 minutes"),
            (HOUR, "About an hour"),
            (2 * HOUR, "2 hours"),
            (47 * HOUR, "47 hours"),
            (48 * HOUR, "2 days"),
            (14 * 24 * HOUR, "2 weeks"),
            (60 * 24 * HOUR, "2 months"),
            (730 * 24 * HOUR, "2 years"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn moments() {
        let now = Timestamp { seconds: 1_709_208_000, nanos: 500_000_000 };
        for (text, expected) in [
            ("10m", "1709207400.500000000"),
            ("1.5s", "1709207999.000000000"),
            ("2024-02-29T12:00:00Z", "1709208000.000000000"),
            ("2024-02-29", "1709164800.000000000"),
            ("1709208000.25", "1709208000.250000000"),
            ("0", "0.000000000"),
            ("yesterday", "yesterday"),
        ] {
            assert_eq!(moment(text, now), expected, "{text}");
        }
    }

    #[test]
    fn full_moments() {
        assert_eq!(full(1_709_208_000), "2024-02-29 12:00:00 +0000 UTC");
    }
}
