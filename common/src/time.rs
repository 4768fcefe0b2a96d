//! Points in time: RFC 3339 in UTC with milliseconds, and the clock.

mod rfc3339;

pub use rfc3339::date;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, to the millisecond, in one of the years that RFC 3339 can write: 0000 to 9999.
/// Shown in UTC: `2026-03-01T09:30:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(transparent)]
pub struct Timestamp(#[schemars(with = "String", extend("format" = "date-time"))] i64);

/// 1970-01-01, the start of the count.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// 0000-01-01T00:00:00.000Z in milliseconds.
const MIN: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z in milliseconds.
const MAX: i64 = 253_402_300_799_999;

impl Timestamp {
    /// This many milliseconds after 1970-01-01, clamped to the valid range.
    pub const fn from_millisecond(milliseconds: i64) -> Self {
        Self(if milliseconds < MIN {
            MIN
        } else if milliseconds > MAX {
            MAX
        } else {
            milliseconds
        })
    }

    /// Milliseconds since 1970-01-01.
    pub const fn as_millisecond(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01, the unit of tokens (RFC 7519) and DynamoDB's TTL.
    pub const fn as_second(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// This point in time without its milliseconds: all databases store expiries to the second.
    #[must_use]
    pub const fn whole_seconds(self) -> Self {
        Self::from_millisecond(self.as_second().saturating_mul(1_000))
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millisecond(
            self.as_millisecond()
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_millisecond(
            self.as_millisecond()
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This point in time, or the millisecond after `other` if that is later: successive writes get
    /// times in their order, whatever the clocks say.
    #[must_use]
    pub fn after(self, other: Self) -> Self {
        self.max(Self::from_millisecond(other.as_millisecond() + 1))
    }

    #[must_use]
    pub fn earlier_of(self, other: Self) -> Self {
        self.min(other)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never saturates: the calendar covers every valid point in time.
        let civil = EPOCH.saturating_add(SignedDuration::from_millis(self.0));
        write!(f, "{civil:.3}Z")
    }
}

impl FromStr for Timestamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        rfc3339::parse(text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The source of the time: the system, or a test.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(jiff::Timestamp::now().as_millisecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_point_in_time_are_the_ends_of_the_years_that_have_four_digits() {
        for (milliseconds, text) in [
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            let instant = Timestamp::from_millisecond(milliseconds);

            assert_eq!(
                (instant.to_string().as_str(), text.parse()),
                (text, Ok(instant))
            );
        }

        assert_eq!(Timestamp::from_millisecond(-1).as_second(), -1);
    }

    proptest::proptest! {
        #[test]
        fn a_displayed_time_is_parsed_as_the_same_time(milliseconds in MIN..=MAX) {
            let instant = Timestamp::from_millisecond(milliseconds);
            proptest::prop_assert_eq!(instant.to_string().parse(), Ok(instant));
        }
    }
}
