//! Moments in UTC with nanoseconds, and RFC 3339 as the Engine API writes it. No clock: see `gantry_sys::clock`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid timestamp {0:?}: RFC 3339, or seconds since 1970 with up to nine decimals, is needed"
)]
pub struct InvalidTimestamp(String);

/// A moment: seconds since 1970-01-01T00:00:00Z and nanoseconds below one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp {
    /// Whole seconds since 1970, negative before.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

const NANOS_PER_SECOND: u32 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// What RFC 3339 can say: the years 0 to 9999.
const WRITABLE_SECONDS: RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

impl Timestamp {
    /// Year 1, Go's zero time, which the Engine API shows for "never".
    pub const ZERO: Self = Self { seconds: -62_135_596_800, nanos: 0 };

    /// Nanoseconds since 1970.
    pub fn as_nanos(self) -> i128 {
        i128::from(self.seconds) * i128::from(NANOS_PER_SECOND) + i128::from(self.nanos)
    }

    /// The time from `earlier` to this moment, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        let nanos = (self.as_nanos() - earlier.as_nanos()).max(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Reads the form of dates in HTTP (RFC 9110, section 5.6.7) that is in use: `Wed, 21 Oct 2015 07:28:00 GMT`.
    pub fn of_http_date(text: &str) -> Option<Self> {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (_, rest) = text.trim().split_once(", ")?;
        let [day, month, year, time, "GMT"] = rest.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let month = MONTHS.iter().position(|name| *name == month)? + 1;
        format!("{year}-{month:02}-{day}T{time}Z").parse().ok()
    }

    /// RFC 3339 with all nine decimals, so that texts of different moments line up.
    pub fn to_fixed_string(self) -> String {
        let whole = Self { nanos: 0, ..self }.to_string();
        format!("{}.{:09}Z", whole.trim_end_matches('Z'), self.nanos)
    }

    /// Seconds since 1970 with up to nine decimals, the form of `since` and `until` in queries.
    fn from_unix_text(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        Self::writable(whole.parse().ok()?, nanos_of(fraction)?)
    }

    /// `None` for what could be kept but not written again.
    fn writable(seconds: i64, nanos: u32) -> Option<Self> {
        WRITABLE_SECONDS.contains(&seconds).then_some(Self { seconds, nanos })
    }

    fn from_rfc3339(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once(['T', 't', ' '])?;
        let [year, month, day] = numbers(date, '-')?;
        let zone = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
        let (clock, zone) = rest.split_at(zone);
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let [hour, minute, second] = numbers(clock, ':')?;
        let valid = (0..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..=60).contains(&second);
        if !valid {
            return None;
        }
        let days = days_from_civil(year, month, day);
        let seconds =
            days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - zone_offset(zone)?;
        Self::writable(seconds, nanos_of(fraction)?)
    }
}

/// Seconds east of UTC for `Z`, an empty zone, or `±hh:mm`.
fn zone_offset(zone: &str) -> Option<i64> {
    match zone {
        "" | "Z" | "z" => Some(0),
        _ => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let hours = hours.parse::<u8>().ok().filter(|hours| *hours < 24)?;
            let minutes = minutes.parse::<u8>().ok().filter(|minutes| *minutes < 60)?;
            Some(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
        }
    }
}

/// Three unsigned numbers between separators.
fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| part.parse::<u32>().ok().map(i64::from));
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// The decimals after a point, cut at nine digits.
fn nanos_of(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some(digits.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0')))
}

/// Days since 1970 of a date in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day since 1970: the inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC; decimals only as far as they are not zero, as Go's `RFC3339Nano` prints them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.seconds.div_euclid(SECONDS_PER_DAY));
        let second = self.seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.nanos > 0 {
            let (mut decimals, mut width) = (self.nanos, 9);
            while decimals % 10 == 0 {
                decimals /= 10;
                width -= 1;
            }
            write!(f, ".{decimals:0width$}")?;
        }
        f.write_str("Z")
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Takes RFC 3339 (an absent zone means UTC) and seconds since 1970 with up to nine decimals.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        Self::from_rfc3339(text)
            .or_else(|| Self::from_unix_text(text))
            .ok_or_else(|| InvalidTimestamp(text.chars().take(60).collect()))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidTimestamp;
    fn try_from(text: String) -> Result<Self, InvalidTimestamp> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(moment: Timestamp) -> String {
        moment.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_the_api_does() {
        let cases = [
            (Timestamp { seconds: 0, nanos: 0 }, "1970-01-01T00:00:00Z"),
            (Timestamp::ZERO, "0001-01-01T00:00:00Z"),
            (Timestamp { seconds: 1_709_210_096, nanos: 120_000_000 }, "2024-02-29T12:34:56.12Z"),
            (Timestamp { seconds: 951_782_400, nanos: 1 }, "2000-02-29T00:00:00.000000001Z"),
            (Timestamp { seconds: 253_402_300_799, nanos: 0 }, "9999-12-31T23:59:59Z"),
            (Timestamp { seconds: -62_167_219_200, nanos: 0 }, "0000-01-01T00:00:00Z"),
        ];
        for (moment, text) in cases {
            assert_eq!(moment.to_string(), text);
            assert_eq!(text.parse(), Ok(moment), "{text}");
        }
        let tenth = Timestamp { seconds: 0, nanos: 100_000_000 };
        assert_eq!(tenth.to_fixed_string(), "1970-01-01T00:00:00.100000000Z");
    }

    #[test]
    fn reads_zones_and_unix_seconds() {
        let noon = Timestamp { seconds: 1_709_208_000, nanos: 0 };
        for text in
            ["2024-02-29T12:00:00Z", "2024-02-29T14:00:00+02:00", "1709208000", "1709208000.0"]
        {
            assert_eq!(text.parse(), Ok(noon), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2024-13-01T00:00:00Z",
            "2024-01-01",
            "1.x",
            "2024-01-01T25:00:00Z",
            "10000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-00:01",
            "2024-01-01T00:00:00+9223372036854775807:00",
            "2024-01-01T00:00:00+00:60",
            "-9223372036854775808",
            "253402300800",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
