//! Parameters in the query.

use std::marker::PhantomData;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use schemars::JsonSchema;

use super::endpoint::Extract;
use super::openapi::Operation;
use super::request::Request;
use crate::paging::Cursor;
use crate::problem::{FieldError, Kind, Problem};

/// The default number of items in a page.
const DEFAULT_LIMIT: usize = 50;
/// The largest number of items in a page.
const MAX_LIMIT: usize = 100;

/// How often a parameter may be repeated.
const MAX_REPEATS: usize = 20;

/// The parameters of an endpoint's query.
pub trait Parameters: JsonSchema + Sized + Send {
    /// Takes the parameters. `None` if one is invalid; its error is then in `fields`.
    fn read(fields: &mut QueryFields) -> Option<Self>;
}

/// The parsed and valid query.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

/// The requested page of a list.
#[derive(Clone, Debug)]
pub struct PageQuery<T> {
    /// The largest number of items in the page.
    pub limit: usize,
    /// The position after which the page starts; `None` for the first page.
    pub after: Option<Cursor>,
    of: PhantomData<fn() -> T>,
}

/// A type that is listed in only one order.
pub trait Listed: Send {
    /// The order's name in cursors.
    const ORDER: &'static str;
}

impl<T: Listed> Parameters for PageQuery<T> {
    fn read(fields: &mut QueryFields) -> Option<Self> {
        let (limit, after) = fields.page(T::ORDER);
        Some(Self {
            limit: limit?,
            after: after?,
            of: PhantomData,
        })
    }
}

/// [`PageQuery`]'s parameters, for the API document.
#[derive(JsonSchema)]
#[schemars(rename = "PageQuery")]
#[expect(dead_code, reason = "a schema only")]
struct PageQuerySchema {
    /// The maximum number of items in the page; 50 by default.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page; absent for the first page.
    #[schemars(length(min = 1))]
    cursor: Option<String>,
}

impl<T> JsonSchema for PageQuery<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        PageQuerySchema::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        PageQuerySchema::json_schema(generator)
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
    pub fn one<T: FromStr<Err = String>>(&mut self, name: &str) -> Option<Option<T>> {
        self.one_with(name, str::parse)
    }

    /// A parameter that may be sent once, parsed by a function.
    pub fn one_with<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match self.take(name).as_slice() {
            [] => Some(None),
            [text] => match read(text) {
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

    /// `limit` and `cursor`. The cursor must belong to this order.
    pub fn page(&mut self, order: &str) -> (Option<usize>, Option<Option<Cursor>>) {
        let limit = self.one_with("limit", |text| match text.parse::<usize>() {
            Ok(limit @ 1..=MAX_LIMIT) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(limit),
            _ => Err(format!("must be a whole number from 1 to {MAX_LIMIT}")),
        });
        let cursor = self.one_with("cursor", |text| match text.parse::<Cursor>() {
            Ok(cursor) if cursor.order != order => {
                Err("must be a next_cursor of a list with the same sort".to_owned())
            }
            other => other,
        });
        (limit.map(|limit| limit.unwrap_or(DEFAULT_LIMIT)), cursor)
    }

    /// A parameter that may be sent several times.
    pub fn many<T: FromStr<Err = String>>(&mut self, name: &str) -> Option<Vec<T>> {
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

    #[test]
    fn every_bad_parameter_is_named_at_once() {
        let errors = QueryFields::parse("limit=0&limit=1&cursor=%%&q=%ff&colour=red")
            .read(|fields| fields.page("-created").1)
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
            .read(|fields| fields.page("-created").1)
            .expect_err("other order");

        assert!(errors[0].detail.contains("same sort"));
    }
}
