//! Pages of a list, and the cursors between them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;

/// The longest position in a cursor, in bytes: DynamoDB's longest sort key, with three bytes for
/// each of its bytes.
const MAX_POSITION: usize = 3 * 1024;

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// The start of the next page; `None` on the last page.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same page with each item converted.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(make).collect(),
            next: self.next,
        }
    }
}

/// A position in a list: the order, and the key after which the next page starts.
///
/// It is opaque to clients and gives no access: it only moves within the list that the caller's
/// token allows.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(
    inline,
    with = "String",
    description = "The `next_cursor` of the previous page; absent for the first page.",
    extend("minLength" = 1)
)]
pub struct Cursor {
    /// The name of the order.
    pub order: String,
    /// The key of the last item of the previous page.
    pub position: String,
}

impl Cursor {
    pub fn new(order: &str, position: &str) -> Self {
        Self {
            order: order.to_owned(),
            position: position.to_owned(),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("{}\n{}", self.order, self.position)))
    }
}

/// A text that is not a cursor. It is not a `String`, so that a query cannot read a cursor like any
/// other parameter, without its order.
#[derive(Debug, PartialEq, Eq)]
pub struct NotACursor;

impl From<NotACursor> for String {
    fn from(NotACursor: NotACursor) -> Self {
        "must be a next_cursor that a list of this API returned".to_owned()
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotACursor)?;
        let text = String::from_utf8(bytes).map_err(|_| NotACursor)?;
        let (order, position) = text.split_once('\n').ok_or(NotACursor)?;
        let plain = |text: &str| {
            !text.is_empty()
                && text.len() <= MAX_POSITION
                && text.bytes().all(|b| b.is_ascii_graphic())
        };
        if plain(order) && plain(position) {
            Ok(Self::new(order, position))
        } else {
            Err(NotACursor)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_unchanged_by_encoding_and_decoding(order in "[-a-z]{1,20}", position in "[!-~]{1,100}") {
            let cursor = Cursor::new(&order, &position);
            let text = cursor.to_string();

            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(text.parse::<Cursor>(), Ok(cursor));
        }

        #[test]
        fn any_other_text_is_refused_without_a_panic(text in ".{0,200}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
