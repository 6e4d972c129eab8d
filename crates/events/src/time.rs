//! Points in time, cut to microseconds so that every database can hold them unchanged.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, SecondsFormat, TimeDelta, Timelike as _, Utc};
use serde::{Deserialize, Serialize};

/// A point in time, UTC, whole microseconds. Has no `now`: the writer brings the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Cuts a time to microseconds.
    pub fn new(time: DateTime<Utc>) -> Self {
        Self::from_micros(time.timestamp_micros())
    }

    /// From microseconds since 1970; out of range becomes the epoch.
    pub fn from_micros(micros: i64) -> Self {
        Self(DateTime::from_timestamp_micros(micros).unwrap_or_default())
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0.timestamp_micros()
    }

    /// The UTC day, which scopes the keys of texts.
    pub fn day(self) -> NaiveDate {
        self.0.date_naive()
    }

    /// The time as chrono's type.
    pub fn utc(self) -> DateTime<Utc> {
        self.0
    }

    /// This time and `seconds` more (or less, when negative).
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        let delta = TimeDelta::try_seconds(seconds).unwrap_or_default();
        Self(self.0.checked_add_signed(delta).unwrap_or(self.0))
    }

    /// Whole seconds from `earlier` to this time, negative when it lies after.
    pub fn seconds_since(self, earlier: Self) -> i64 {
        (self.0 - earlier.0).num_seconds()
    }
}

/// Bytes of a time as text, of the years with four digits.
const TEXT_BYTES: usize = "2026-01-01T00:00:00.000000Z".len();

impl Timestamp {
    /// As text, much faster than chrono writes it: rows and commits are full of times. `None`
    /// beyond the years with four digits.
    fn text(self) -> Option<[u8; TEXT_BYTES]> {
        let (date, clock) = (self.0.date_naive(), self.0.time());
        let year = u32::try_from(date.year()).ok().filter(|year| *year < 10_000)?;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let mut put = |from: usize, to: usize, mut number: u32| {
            for place in text[from..to].iter_mut().rev() {
                *place = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(0, 4, year);
        put(5, 7, date.month());
        put(8, 10, date.day());
        put(11, 13, clock.hour());
        put(14, 16, clock.minute());
        put(17, 19, clock.second());
        put(20, 26, self.0.timestamp_subsec_micros());
        Some(text)
    }

    /// Reads what [`Self::text`] wrote; `None` when it is written in any other way.
    fn of_text(text: &str) -> Option<Self> {
        let text: &[u8; TEXT_BYTES] = text.as_bytes().try_into().ok()?;
        let number = |from: usize, to: usize| {
            text[from..to].iter().try_fold(0, |number, digit| {
                let digit = digit.wrapping_sub(b'0');
                (digit < 10).then(|| number * 10 + u32::from(digit))
            })
        };
        let signs = [text[4], text[7], text[10], text[13], text[16], text[19], text[26]];
        if &signs != b"--T::.Z" {
            return None;
        }
        let year = number(0, 4)?.cast_signed();
        let date = NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?)?;
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let time = date.and_hms_micro_opt(hour, minute, second, number(20, 26)?)?;
        Some(Self(time.and_utc()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        match text.as_ref().map(|text| str::from_utf8(text)) {
            Some(Ok(text)) => f.write_str(text),
            Some(Err(_)) | None => {
                f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
            }
        }
    }
}

impl FromStr for Timestamp {
    type Err = chrono::ParseError;

    /// Any RFC 3339, cut to microseconds.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::of_text(text).map_or_else(|| text.parse().map(Self::new), Ok)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.collect_str(self) } else { self.micros().serialize(to) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time as in RFC 3339")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }
        }
        if from.is_human_readable() {
            from.deserialize_str(Text)
        } else {
            i64::deserialize(from).map(Self::from_micros)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_chronos_and_read_back() {
        let last = 253_402_300_799_999_999;
        for micros in [0, 1, 1_709_208_000_000_001, 1_767_225_600_123_456, last, last + 1, -1] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(time.to_string(), time.0.to_rfc3339_opts(SecondsFormat::Micros, true));
            assert_eq!(time.to_string().parse(), Ok(time), "{time}");
        }
    }

    #[test]
    fn other_texts_are_read_as_chrono_reads_them() {
        for text in [
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:00:00.1234567+01:00",
            "2026-13-01T00:00:00.000000Z",
            "2026-02-29T00:00:00.000000Z",
            "2026-01-01T24:00:00.000000Z",
            "2026-01-01T00:00:60.000000Z",
            "2026-01-01 00:00:00.000000Z",
            "2026-01-01T00:00:00.00000xZ",
            "yesterday",
            "",
        ] {
            let chronos = text.parse::<DateTime<Utc>>().map(Timestamp::new);
            assert_eq!(text.parse::<Timestamp>().is_ok(), chronos.is_ok(), "{text}");
            assert_eq!(text.parse::<Timestamp>().ok(), chronos.ok(), "{text}");
        }
    }
}
