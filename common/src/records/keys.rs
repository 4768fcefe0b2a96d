//! The texts by which both stores sort records.
//!
//! A record's position in an order is `ORDER#KEY`, or `KEY` in the order of keys. `ORDER` is
//! escaped so that it contains no `#`, and so that adding `#KEY` does not change how orders sort.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

use super::{KeyRange, RecordOrder, RecordQuery};

/// The last of all characters.
const LAST: char = char::MAX;

/// The greatest escaped character. It must not be less than `#`.
const ESCAPE: char = '$';
/// The distance from an escaped character to its replacement after `$`.
const SHIFT: u32 = 0x40;

/// Escapes a text so that it contains no `#`. Escaped texts sort like the texts themselves;
/// followed by `#`, a text still sorts before all longer texts that start with it.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character <= ESCAPE {
            escaped.push(ESCAPE);
            escaped.extend(char::from_u32(u32::from(character) + SHIFT));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

fn unescape(escaped: &str) -> String {
    let mut characters = escaped.chars();
    let mut text = String::with_capacity(escaped.len());
    while let Some(character) = characters.next() {
        if character == ESCAPE {
            let shifted = characters.next().map_or(0, u32::from);
            text.extend(shifted.checked_sub(SHIFT).and_then(char::from_u32));
        } else {
            text.push(character);
        }
    }
    text
}

/// The position of a record in the first or second order.
pub(super) fn position(order: &str, key: &str) -> String {
    format!("{}#{key}", escape(order))
}

/// The order key of a position in the first or second order.
pub(super) fn order_of(position: &str) -> Option<String> {
    position.split_once('#').map(|(order, _)| unescape(order))
}

/// The key of a position.
pub(super) fn key_of(order: RecordOrder, position: &str) -> Option<&str> {
    match order {
        RecordOrder::Key => Some(position),
        RecordOrder::First | RecordOrder::Second => position.split_once('#').map(|(_, key)| key),
    }
}

/// Positions from `from` (inclusive or not) up to `before` (exclusive).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: String,
    pub(super) with_from: bool,
    pub(super) before: String,
}

impl Span {
    /// The positions that a query asks for, after the previous page.
    pub(super) fn of(query: &RecordQuery) -> Self {
        let bound = |text: &str| match query.order {
            RecordOrder::Key => text.to_owned(),
            RecordOrder::First | RecordOrder::Second => escape(text),
        };
        let (from, before) = match &query.range {
            KeyRange::All => (String::new(), LAST.to_string()),
            KeyRange::StartingWith(prefix) => {
                let prefix = bound(prefix);
                (prefix.clone(), format!("{prefix}{LAST}"))
            }
            KeyRange::Between { from, before } => (bound(from), bound(before)),
        };
        let mut span = Self {
            from,
            with_from: true,
            before,
        };
        if let Some(after) = &query.after {
            span.move_past(&from_cursor(&after.position), query.descending);
        }
        span
    }

    /// Removes everything up to this position.
    pub(super) fn move_past(&mut self, position: &str, descending: bool) {
        if descending {
            if position < self.before.as_str() {
                self.before = position.to_owned();
            }
        } else if position >= self.from.as_str() {
            self.from = position.to_owned();
            self.with_from = false;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.from >= self.before
    }

    #[cfg(any(feature = "dynamodb", test))]
    pub(super) fn contains(&self, position: &str) -> bool {
        position < self.before.as_str()
            && (position > self.from.as_str() || self.with_from && position == self.from)
    }
}

/// Encodes a position for a cursor: visible ASCII.
pub(super) fn to_cursor(position: &str) -> String {
    let mut encoded = String::with_capacity(position.len());
    for byte in position.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Decodes the position of a cursor. Any text is a valid position.
fn from_cursor(encoded: &str) -> String {
    percent_decode_str(encoded).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::paging::Cursor;
    use crate::records::Kind;

    /// Texts with escaped characters and common prefixes.
    const TEXT: &str = "([ab !#$%]|[\\x00-\\x7f]|.){0,5}";

    proptest! {
        #[test]
        fn positions_sort_by_order_then_key(a in TEXT, b in TEXT, key_a in TEXT, key_b in TEXT) {
            prop_assert_eq!(
                position(&a, &key_a).cmp(&position(&b, &key_b)),
                (&a, &key_a).cmp(&(&b, &key_b))
            );
        }

        #[test]
        fn order_and_key_are_read_from_a_position(order in TEXT, key in TEXT) {
            let position = position(&order, &key);

            prop_assert_eq!(order_of(&position), Some(order));
            prop_assert_eq!(key_of(RecordOrder::First, &position), Some(key.as_str()));
        }

        #[test]
        fn a_span_has_the_order_keys_of_its_range(order in TEXT, key in TEXT, from in TEXT, before in TEXT) {
            let query = |range| RecordQuery {
                order: RecordOrder::First,
                range,
                ..RecordQuery::new(Kind::new("kind"), "somebody", 10)
            };

            let at = position(&order, &key);
            let all = Span::of(&query(KeyRange::All));
            prop_assert!(all.contains(&at));

            let prefixed = Span::of(&query(KeyRange::StartingWith(from.clone())));
            prop_assert_eq!(prefixed.contains(&at), order.starts_with(&from));

            let between = Span::of(&query(KeyRange::Between { from: from.clone(), before: before.clone() }));
            prop_assert_eq!(between.contains(&at), from <= order && order < before);
        }

        #[test]
        fn a_cursor_leads_past_its_position_in_both_directions(at in "[ -~]{1,5}é?", other in "[ -~]{1,5}é?", descending: bool) {
            let cursor = Cursor::new("order", &to_cursor(&at));
            let query = RecordQuery {
                descending,
                after: Some(cursor.to_string().parse().expect("a cursor")),
                ..RecordQuery::new(Kind::new("kind"), "somebody", 10)
            };
            let to_come = if descending { other < at } else { other > at };

            prop_assert_eq!(Span::of(&query).contains(&other), to_come);
        }

        #[test]
        fn any_cursor_is_a_position(text in ".{0,50}") {
            let query = RecordQuery {
                after: Some(Cursor::new("order", &text)),
                ..RecordQuery::new(Kind::new("kind"), "somebody", 10)
            };
            let _ = Span::of(&query);
        }
    }
}
