//! Parses RFC 3339 date-times exactly: everything that section 5.6 allows is accepted, anything
//! else is refused with a specific reason.
//!
//! jiff knows the calendar. Its own parser reads ISO 8601, which allows more, and its range ends a
//! day before the end of the year 9999.

use jiff::civil::Date;

use super::{EPOCH, MAX, MIN, Timestamp};

const SHAPE: &str = "must be an RFC 3339 date-time, such as 2026-03-01T09:30:00Z";

/// The numbers of a date-time, as written.
struct Fields {
    date: Date,
    hour: i64,
    minute: i64,
    second: i64,
    millisecond: i64,
    /// Minutes ahead of UTC.
    offset: i64,
}

/// Parses a date-time with any offset. Digits beyond milliseconds are dropped.
pub(super) fn parse(text: &str) -> Result<Timestamp, String> {
    let fields = split(text)?;
    let leap = fields.second == 60;
    // A leap second becomes the last millisecond before it ends, so that it stays on its own day.
    let (second, millisecond) = if leap {
        (59, 999)
    } else {
        (fields.second, fields.millisecond)
    };
    let days = EPOCH.date().duration_until(fields.date).as_hours() / 24;
    let minutes = (days * 24 + fields.hour) * 60 + fields.minute - fields.offset;
    let milliseconds = (minutes * 60 + second) * 1_000 + millisecond;
    if !(MIN..=MAX).contains(&milliseconds) {
        return Err("must be within the years 0000 to 9999 in UTC".to_owned());
    }
    let instant = Timestamp::from_millisecond(milliseconds);
    if leap && !["06-30T23:59:59", "12-31T23:59:59"].contains(&&instant.to_string()[5..19]) {
        return Err(
            "must have a second from 00 to 59; 60 is a leap second, which can only be 23:59:60 in UTC on 30 June or 31 December".to_owned()
        );
    }
    Ok(instant)
}

fn split(text: &str) -> Result<Fields, String> {
    let (start, rest) = text
        .split_at_checked("0000-00-00T00:00:00".len())
        .filter(|(start, _)| like(start, "0000-00-00T00:00:00"))
        .ok_or(SHAPE)?;
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(
            rest.find(|c: char| !c.is_ascii_digit())
                .filter(|end| *end > 0)
                .ok_or(SHAPE)?,
        ),
        None => ("", rest),
    };
    if !["Z", "+00:00", "-00:00"]
        .iter()
        .any(|shape| like(offset, shape))
    {
        return Err(SHAPE.to_owned());
    }
    let number = |text: &str, at: usize| {
        text.get(at..at + 2)
            .and_then(|digits| digits.parse::<i64>().ok())
            .unwrap_or(0)
    };
    let within = |number: i64, most: i64, name: &str| {
        if number <= most {
            Ok(number)
        } else {
            Err(format!("must have {name} from 00 to {most}"))
        }
    };
    Ok(Fields {
        date: date(&start[..10])?,
        hour: within(number(start, 11), 23, "an hour")?,
        minute: within(number(start, 14), 59, "a minute")?,
        second: within(number(start, 17), 60, "a second")?,
        millisecond: format!("{fraction:0<3.3}").parse().unwrap_or(0),
        offset: match offset.as_bytes() {
            [sign @ (b'+' | b'-'), ..] => {
                let ahead = within(number(offset, 1), 23, "an offset with an hour")? * 60
                    + within(number(offset, 4), 59, "an offset with a minute")?;
                if *sign == b'-' { -ahead } else { ahead }
            }
            _ => 0,
        },
    })
}

/// Parses a full-date.
pub fn date(text: &str) -> Result<Date, String> {
    if !like(text, "0000-00-00") {
        return Err("must be an RFC 3339 date, such as 2026-03-01".to_owned());
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<i16>().unwrap_or(0);
    let (month, day) = (
        i8::try_from(number(5..7)).unwrap_or(0),
        i8::try_from(number(8..10)).unwrap_or(0),
    );
    if !(1..=12).contains(&month) {
        return Err("must have a month from 01 to 12".to_owned());
    }
    Date::new(number(0..4), month, day)
        .map_err(|_| "must have a day that exists in its month".to_owned())
}

/// Whether the text has this shape, where 0 stands for any digit.
fn like(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(b, like)| {
            if like == b'0' {
                b.is_ascii_digit()
            } else {
                b.eq_ignore_ascii_case(&like)
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        parse(text).map(|instant| instant.to_string())
    }

    #[test]
    fn every_form_that_rfc_3339_allows_is_read() {
        for (text, instant) in [
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"),
            ("9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"),
            ("0000-01-01T23:59:00+23:59", "0000-01-01T00:00:00.000Z"),
            ("9999-12-31T00:00:59.999-23:59", "9999-12-31T23:59:59.999Z"),
            (
                "2026-03-01T09:30:00.1234567890123Z",
                "2026-03-01T09:30:00.123Z",
            ),
            ("2026-03-01T09:30:00.1Z", "2026-03-01T09:30:00.100Z"),
            (
                "1969-12-31T23:59:59.9999999999Z",
                "1969-12-31T23:59:59.999Z",
            ),
            ("2026-03-01t09:30:00-00:00", "2026-03-01T09:30:00.000Z"),
            ("1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870Z"),
            // Leap seconds: both examples of RFC 3339 are the same one.
            ("1990-12-31T23:59:60Z", "1990-12-31T23:59:59.999Z"),
            ("1990-12-31T15:59:60-08:00", "1990-12-31T23:59:59.999Z"),
            ("2015-07-01T08:59:60.5+09:00", "2015-06-30T23:59:59.999Z"),
            ("9999-12-31T23:59:60Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(read(text), Ok(instant.to_owned()), "{text}");
        }
    }

    #[test]
    fn every_other_form_is_refused_with_its_own_reason() {
        for (text, reason) in [
            (
                "2026-03-01T09:30:00+24:00",
                "an offset with an hour from 00 to 23",
            ),
            (
                "2026-03-01T09:30:00+25:59",
                "an offset with an hour from 00 to 23",
            ),
            (
                "2026-03-01T09:30:00-01:60",
                "an offset with a minute from 00 to 59",
            ),
            ("2026-03-01T24:00:00Z", "an hour from 00 to 23"),
            ("2026-03-01T09:60:00Z", "a minute from 00 to 59"),
            ("2026-03-01T09:30:61Z", "a second from 00 to 60"),
            ("2026-03-01T09:30:60Z", "leap second"),
            ("2026-12-31T23:59:60+01:00", "leap second"),
            ("2026-09-30T23:59:60Z", "leap second"),
            ("2026-13-01T09:30:00Z", "a month from 01 to 12"),
            ("2026-00-01T09:30:00Z", "a month from 01 to 12"),
            ("2026-02-29T09:30:00Z", "a day that exists in its month"),
            ("2026-03-00T09:30:00Z", "a day that exists in its month"),
            ("0000-01-01T00:00:00+00:01", "the years 0000 to 9999 in UTC"),
            ("9999-12-31T23:59:59-00:01", "the years 0000 to 9999 in UTC"),
        ] {
            assert!(
                read(text).expect_err(text).contains(reason),
                "{text}: {:?}",
                read(text)
            );
        }

        for text in [
            "",
            "2026-03-01",
            "2026-03-01T09:30Z",
            "2026-03-01T09:30:00",
            "2026-03-01T09:30:00.Z",
            "2026-03-01T09:30:00,5Z",
            "2026-03-01 09:30:00Z",
            "2026-03-01T09:30:00+0200",
            "2026-03-01T09:30:00Z[UTC]",
            "-2026-03-01T09:30:00Z",
            "2026-03-01T09:30:0\u{663}Z",
        ] {
            assert_eq!(read(text), Err(SHAPE.to_owned()), "{text}");
        }
    }
}
