//! When a task is due: on a day, or at a point in time.

use std::fmt;
use std::str::FromStr;

use common::fields::{Faults, Field, fault};
use common::time::{Timestamp, date};
use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A due date: an RFC 3339 full-date, or a date-time, stored in UTC to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// On this day; sorts as the start of the day in UTC.
    On(Date),
    At(Timestamp),
}

impl Due {
    /// The point in time as text that sorts chronologically: `2026-03-01T00:00:00.000Z`.
    pub fn sort_key(self) -> String {
        match self {
            Self::On(date) => format!("{date}T00:00:00.000Z"),
            Self::At(instant) => instant.to_string(),
        }
    }
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(date) => date.fmt(f),
            Self::At(instant) => instant.fmt(f),
        }
    }
}

impl FromStr for Due {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A date has the length of a date-time's date.
        match text.len() {
            10 => date(text).map(Self::On),
            0..10 => Err(
                "must be an RFC 3339 date or date-time, such as 2026-03-01 or 2026-03-01T09:30:00Z"
                    .to_owned(),
            ),
            _ => text.parse().map(Self::At),
        }
    }
}

impl TryFrom<String> for Due {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Serialize for Due {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Due {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Field for Due {
    fn read(value: Value) -> Result<Self, Faults> {
        String::read(value)?
            .parse()
            .map_err(|rule: String| fault(rule))
    }
}

impl JsonSchema for Due {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Due".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A date, which means the start of that day in UTC, or a date-time, which is stored in UTC to the millisecond; its year in UTC must have four digits. A leap second is stored as the last millisecond before its end.",
            "type": "string",
            "anyOf": [{"format": "date"}, {"format": "date-time"}],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn due(text: &str) -> Result<String, String> {
        text.parse::<Due>().map(|due| due.to_string())
    }

    #[test]
    fn dates_and_date_times_are_read_as_rfc_3339_writes_them() {
        assert_eq!(due("2026-03-01"), Ok("2026-03-01".to_owned()));
        assert_eq!(
            due("2026-03-01T09:30:00+02:00"),
            Ok("2026-03-01T07:30:00.000Z".to_owned())
        );
        assert_eq!(
            due("2026-03-01t09:30:00.123999z"),
            Ok("2026-03-01T09:30:00.123Z".to_owned())
        );
        assert_eq!(
            due("9999-12-31T23:59:59Z"),
            Ok("9999-12-31T23:59:59.000Z".to_owned())
        );

        for bad in [
            "2026-02-29",
            "2026-13-01",
            "2026-3-1",
            "20260301",
            "2026-03-01T09:30Z",
            "2026-03-01T09:30:00",
            "2026-03-01T24:00:00Z",
            "2026-03-01 09:30:00Z",
            "2026-03-01T09:30:00Z[UTC]",
            "+002026-03-01T09:30:00Z",
            "2026-W09-7",
            "tomorrow",
            "",
            "0000-01-01T00:00:00+01:00",
        ] {
            assert!(due(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_and_a_parsed_one_is_stable(text in "[-0-9TZ:+.]{0,30}|\\PC{0,30}") {
            if let Ok(due) = text.parse::<Due>() {
                prop_assert_eq!(due.to_string().parse::<Due>(), Ok(due));
            }
        }

        #[test]
        fn the_sort_key_sorts_as_time_does(a in -62_167_219_200_000_i64..253_402_300_800_000, b in -62_167_219_200_000_i64..253_402_300_800_000) {
            let [a, b] = [a, b].map(Timestamp::from_millisecond);
            prop_assert_eq!(Due::At(a).sort_key().cmp(&Due::At(b).sort_key()), a.cmp(&b));
        }
    }
}
