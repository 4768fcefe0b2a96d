//! Parameters in the query.

use std::str::FromStr;

pub use macros::Parameters;
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;

use super::endpoint::Extract;
use super::openapi::Operation;
use super::request::Request;
use crate::paging::Cursor;
use crate::problem::{FieldError, Kind, Problem};

/// How often a parameter may be repeated.
const MAX_REPEATS: usize = 20;

/// The parameters of an endpoint's query; derived from the names of the fields.
pub trait Parameters: JsonSchema + Sized + Send {
    /// Takes the parameters. `None` if one is invalid; its error is then in `fields`.
    fn read(fields: &mut QueryFields) -> Option<Self>;
}

/// How a field of [`Parameters`] is read from the parameter of the same name, depending on the
/// field's type.
pub trait Parameter: Sized {
    /// Takes the parameter. `None` if it is invalid; its error is then in `fields`.
    fn take(fields: &mut QueryFields, name: &str) -> Option<Self>;
}

impl<T: FromStr<Err = String>> Parameter for Option<T> {
    fn take(fields: &mut QueryFields, name: &str) -> Option<Self> {
        fields.one(name)
    }
}

impl<T: FromStr<Err = String>> Parameter for Vec<T> {
    fn take(fields: &mut QueryFields, name: &str) -> Option<Self> {
        fields.many(name)
    }
}

impl Parameter for Limit {
    fn take(fields: &mut QueryFields, name: &str) -> Option<Self> {
        fields.one(name).map(Option::unwrap_or_default)
    }
}

/// The parsed and valid query.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

/// The maximum number of items in the page; 50 by default.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(inline)]
pub struct Limit(#[schemars(with = "u32", range(min = 1, max = Self::MAX))] pub usize);

impl Limit {
    const MAX: usize = 100;
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(limit @ 1..=Self::MAX) if text.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Self(limit))
            }
            _ => Err(format!("must be a whole number from 1 to {}", Self::MAX)),
        }
    }
}

/// A date or time in a query.
#[derive(Clone, Copy, Debug)]
pub struct TimeBound<T>(pub T);

impl<T: FromStr<Err = String>> FromStr for TimeBound<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|rule| {
            // A plus sign that was not percent-encoded has become a space, which no time contains.
            if text.contains(' ') {
                format!("{rule}; a + in a query is sent as %2B")
            } else {
                rule
            }
        })
    }
}

/// The parameters that have not been taken yet, and the errors of those that have.
#[derive(Debug)]
pub struct QueryFields {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl QueryFields {
    /// Splits `a=1&b=2` and decodes it (application/x-www-form-urlencoded). Refuses malformed input
    /// that lax decoders repair.
    pub fn parse(query: &str) -> Self {
        let mut fields = Self {
            pairs: Vec::new(),
            errors: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(value)) => fields.pairs.push((name, value)),
                (Some(name), None) => fields.refuse(&name, "must be percent-encoded UTF-8"),
                (None, _) => fields.refuse(name, "has a name that is not percent-encoded UTF-8"),
            }
        }
        fields
    }

    /// Reads the whole query. Reports every error of every parameter, and every unknown parameter.
    pub fn read<T>(
        mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<T, Vec<FieldError>> {
        let value = read(&mut self);
        for (name, _) in std::mem::take(&mut self.pairs) {
            self.refuse(&name, "is not a parameter of this call");
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(self.errors),
        }
    }

    /// A parameter that may be sent once. The outer `None` means it is invalid.
    fn one<T: FromStr<Err: Into<String>>>(&mut self, name: &str) -> Option<Option<T>> {
        match self.take(name).as_slice() {
            [] => Some(None),
            [text] => match text.parse() {
                Ok(value) => Some(Some(value)),
                Err(rule) => {
                    self.refuse(name, rule);
                    None
                }
            },
            _ => {
                self.refuse(name, "must be sent once");
                None
            }
        }
    }

    /// A cursor that may be sent once, and must belong to this order. The outer `None` means it is
    /// invalid.
    pub fn cursor(&mut self, name: &str, order: &str) -> Option<Option<Cursor>> {
        let cursor = self.one::<Cursor>(name)?;
        if cursor.as_ref().is_some_and(|cursor| cursor.order != order) {
            self.refuse(name, "must be a next_cursor of a list with the same sort");
            return None;
        }
        Some(cursor)
    }

    /// A parameter that may be sent several times.
    fn many<T: FromStr<Err = String>>(&mut self, name: &str) -> Option<Vec<T>> {
        let texts = self.take(name);
        if texts.len() > MAX_REPEATS {
            self.refuse(name, format!("must be sent at most {MAX_REPEATS} times"));
            return None;
        }
        let parsed: Result<Vec<T>, String> = texts.iter().map(|text| text.parse()).collect();
        parsed.map_err(|rule| self.refuse(name, rule)).ok()
    }

    fn take(&mut self, name: &str) -> Vec<String> {
        let (taken, rest) = std::mem::take(&mut self.pairs)
            .into_iter()
            .partition(|(other, _)| other == name);
        self.pairs = rest;
        Vec::into_iter(taken)
            .map(|(_, value): (String, String)| value)
            .collect()
    }

    fn refuse(&mut self, name: &str, rule: impl Into<String>) {
        self.errors.push(FieldError::parameter(name, rule));
    }
}

impl<T: Parameters> Extract for Query<T> {
    fn extract(request: &Request) -> Result<Self, Problem> {
        QueryFields::parse(&request.query)
            .read(T::read)
            .map(Self)
            .map_err(Problem::malformed_parameter)
    }

    fn describe(operation: &mut Operation) {
        operation.takes_query::<T>();
        operation.may_answer(&[Kind::MALFORMED_PARAMETER]);
    }
}

/// Decodes a name or a value; `None` for a stray percent sign or invalid UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let stray = bytes.iter().enumerate().any(|(at, byte)| {
        *byte == b'%'
            && !bytes
                .get(at + 1..at + 3)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if stray {
        return None;
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, JsonSchema, Parameters)]
    struct Rooms {
        limit: Limit,
        #[query(order = sort)]
        cursor: Option<Cursor>,
        #[schemars(with = "Option<String>")]
        sort: Option<Sort>,
    }

    #[derive(Clone, Copy, Debug, Default)]
    enum Sort {
        #[default]
        Name,
        Size,
    }

    impl Sort {
        fn name(self) -> &'static str {
            match self {
                Self::Name => "name",
                Self::Size => "size",
            }
        }
    }

    impl FromStr for Sort {
        type Err = String;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            match text {
                "name" => Ok(Self::Name),
                "size" => Ok(Self::Size),
                _ => Err("must be name or size".to_owned()),
            }
        }
    }

    #[test]
    fn a_parameter_has_the_name_of_its_field() {
        let cursor = Cursor::new("size", "x");

        let first = QueryFields::parse("").read(Rooms::read).expect("valid");
        let next = QueryFields::parse(&format!("cursor={cursor}&limit=3&sort=size"))
            .read(Rooms::read)
            .expect("valid");

        assert_eq!(
            (first.limit.0, first.cursor, first.sort.is_none()),
            (50, None, true)
        );
        assert_eq!((next.limit.0, next.cursor), (3, Some(cursor)));
        assert!(matches!(next.sort, Some(Sort::Size)));
    }

    #[test]
    fn every_bad_parameter_is_named_at_once() {
        let errors = QueryFields::parse("limit=0&limit=1&cursor=%%&q=%ff&colour=red")
            .read(Rooms::read)
            .expect_err("all wrong");

        let mut named: Vec<_> = errors
            .iter()
            .map(|error| format!("{:?}", error.place))
            .collect();
        named.sort();

        assert_eq!(
            named,
            [
                r#"Parameter("colour")"#,
                r#"Parameter("cursor")"#,
                r#"Parameter("limit")"#,
                r#"Parameter("q")"#
            ]
        );
    }

    #[test]
    fn plus_and_percent_are_decoded() {
        assert_eq!(decode("a+b%20c%C3%A9"), Some("a b c\u{e9}".to_owned()));
        assert_eq!(decode("100%"), None);
        assert_eq!(decode("%f"), None);
    }

    #[test]
    fn a_cursor_of_another_order_is_refused() {
        let query = format!("cursor={}", Cursor::new("due", "x"));

        let errors = QueryFields::parse(&query)
            .read(Rooms::read)
            .expect_err("other order");

        assert!(errors[0].detail.contains("same sort"));
    }
}
