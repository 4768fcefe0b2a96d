//! Points in time: RFC 3339 in UTC with milliseconds, and the clock that gives them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, to the millisecond. Shown as RFC 3339 in UTC: `2026-03-01T09:30:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(transparent)]
pub struct Timestamp(#[schemars(with = "String", extend("format" = "date-time"))] jiff::Timestamp);

impl Timestamp {
    /// This many milliseconds after 1970-01-01; what is out of range is clamped to the calendar's ends.
    pub fn from_millisecond(milliseconds: i64) -> Self {
        let clamped = milliseconds.clamp(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
        Self(jiff::Timestamp::from_millisecond(clamped).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Milliseconds since 1970-01-01.
    pub fn as_millisecond(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Whole seconds since 1970-01-01: what tokens (RFC 7519) and DynamoDB's TTL count in.
    pub fn as_second(self) -> i64 {
        self.0.as_second()
    }

    /// The point in time this much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millisecond(self.as_millisecond().saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The point in time this much earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_millisecond(self.as_millisecond().saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Whether the year is one that RFC 3339 can write: 0 to 9999.
    pub fn has_four_digit_year(self) -> bool {
        self.to_string().len() == "0000-00-00T00:00:00.000Z".len()
    }

    /// The earlier of two points in time.
    #[must_use]
    pub fn earlier_of(self, other: Self) -> Self {
        self.min(other)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl FromStr for Timestamp {
    type Err = String;

    /// Reads an RFC 3339 date-time with any offset; digits beyond the millisecond are dropped.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || "must be an RFC 3339 date-time".to_owned();
        // jiff reads more than RFC 3339 allows.
        if !has_rfc3339_shape(text) {
            return Err(refused());
        }
        let instant: jiff::Timestamp = text.parse().map_err(|_| refused())?;
        i64::try_from(instant.as_nanosecond().div_euclid(1_000_000)).map(Self::from_millisecond).map_err(|_| refused())
    }
}

/// Whether the text looks like `2026-03-01T09:30:00Z`, with or without a fraction, with any offset (RFC 3339, section 5.6).
fn has_rfc3339_shape(text: &str) -> bool {
    let like = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text
                .bytes()
                .zip(shape.bytes())
                .all(|(b, like)| if like == b'0' { b.is_ascii_digit() } else { b.eq_ignore_ascii_case(&like) })
    };
    let Some((start, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else { return false };
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => match fraction.find(|c: char| !c.is_ascii_digit()) {
            None | Some(0) => return false,
            Some(end) => &fraction[end..],
        },
        None => rest,
    };
    like(start, "0000-00-00T00:00:00") && (like(offset, "Z") || like(offset, "+00:00") || like(offset, "-00:00"))
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where the time comes from: the machine, or a test.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(jiff::Timestamp::now().as_millisecond())
    }
}
