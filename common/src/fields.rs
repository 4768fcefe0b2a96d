//! Reads a JSON object field by field, so that all faults are reported at once, each with a JSON
//! pointer.
//!
//! The reader is strict where JSON parsers are usually lax. It refuses duplicate names (RFC 8259,
//! section 4, calls their meaning unpredictable), deep nesting, numbers out of range, lone
//! surrogates and trailing data.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::problem::FieldError;

pub use macros::Body;

/// How deep arrays and objects may nest: deeper than any body of this API, but safe for the stack.
const MAX_DEPTH: usize = 32;

/// A type that can be read from a JSON value. Reading checks its rules.
pub trait Field: Sized {
    /// Reads the value, or returns its faults.
    fn read(value: Value) -> Result<Self, Faults>;
}

/// The faults of a value: for each a pointer relative to the value (empty for the value itself) and
/// the broken rule.
pub type Faults = Vec<(String, String)>;

/// A fault of the whole value.
pub fn fault(rule: impl Into<String>) -> Faults {
    vec![(String::new(), rule.into())]
}

/// A body that consists of fields; derived from their names.
pub trait Body: Sized {
    /// Takes the fields. `None` if one is missing or invalid; its error is then in `fields`.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// How a field of a body is read from the member of the same name, depending on the field's type.
pub trait Member: Sized {
    /// Takes the member. `None` if it is invalid; its error is then in `fields`.
    fn take(fields: &mut Fields, name: &str) -> Option<Self>;
}

impl<T: Field> Member for T {
    fn take(fields: &mut Fields, name: &str) -> Option<Self> {
        fields.required(name)
    }
}

impl<T: Field> Member for Option<T> {
    fn take(fields: &mut Fields, name: &str) -> Option<Self> {
        fields.optional(name)
    }
}

impl<T: Field> Member for Change<T> {
    fn take(fields: &mut Fields, name: &str) -> Option<Self> {
        fields.change(name)
    }
}

/// A member of a JSON Merge Patch (RFC 7396).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// Absent: keep it.
    #[default]
    Keep,
    /// `null`: clear it.
    Clear,
    /// A value: set it.
    Set(T),
}

impl<T> Change<T> {
    /// The same change with another value.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Keep => Change::Keep,
            Self::Clear => Change::Clear,
            Self::Set(value) => Change::Set(make(value)),
        }
    }
}

impl<T: Clone + Default> Change<T> {
    /// The new value of a field with a default, if it changes.
    pub fn new_value(&self) -> Option<T> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(T::default()),
            Self::Set(value) => Some(value.clone()),
        }
    }
}

/// The members of a JSON object that have not been taken yet, and the errors of those that have.
#[derive(Debug)]
pub struct Fields {
    members: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Reads a whole body. Reports every fault of every field, and every unknown field.
    pub fn read<T: Body>(members: Map<String, Value>) -> Result<T, Vec<FieldError>> {
        let mut fields = Self {
            members,
            errors: Vec::new(),
        };
        let body = T::read(&mut fields);
        for name in fields.members.keys() {
            fields.errors.push(FieldError::pointer(
                pointer_to(name),
                "is not a field of this body",
            ));
        }
        match body {
            Some(body) if fields.errors.is_empty() => Ok(body),
            _ => Err(fields.errors),
        }
    }

    /// A required field, which must not be null.
    pub fn required<T: Field>(&mut self, name: &str) -> Option<T> {
        match self.members.shift_remove(name) {
            Some(value) => self.read_member(name, value),
            None => self.refuse(name, "is required"),
        }
    }

    /// A field that may be absent or null, with the same meaning. The outer `None` means it is
    /// invalid.
    pub fn optional<T: Field>(&mut self, name: &str) -> Option<Option<T>> {
        match self.members.shift_remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => self.read_member(name, value).map(Some),
        }
    }

    /// A member of a merge patch, for a field that can be cleared.
    pub fn change<T: Field>(&mut self, name: &str) -> Option<Change<T>> {
        match self.members.shift_remove(name) {
            None => Some(Change::Keep),
            Some(Value::Null) => Some(Change::Clear),
            Some(value) => self.read_member(name, value).map(Change::Set),
        }
    }

    /// A member of a merge patch, for a field that cannot be cleared: absent, or a value.
    pub fn replacement<T: Field>(&mut self, name: &str) -> Option<Option<T>> {
        match self.members.shift_remove(name) {
            None => Some(None),
            Some(value) => self.read_member(name, value).map(Some),
        }
    }

    fn read_member<T: Field>(&mut self, name: &str, value: Value) -> Option<T> {
        match T::read(value) {
            Ok(field) => Some(field),
            Err(faults) => {
                let at = pointer_to(name);
                self.errors.extend(
                    faults
                        .into_iter()
                        .map(|(inside, rule)| FieldError::pointer(format!("{at}{inside}"), rule)),
                );
                None
            }
        }
    }

    fn refuse<T>(&mut self, name: &str, rule: &str) -> Option<T> {
        self.errors
            .push(FieldError::pointer(pointer_to(name), rule));
        None
    }
}

impl Field for String {
    fn read(value: Value) -> Result<Self, Faults> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(fault(format!("must be a string, not {}", kind_of(&other)))),
        }
    }
}

/// The JSON type of a value.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The JSON pointer (RFC 6901) to a member of the top-level object.
fn pointer_to(name: &str) -> String {
    format!("/{}", escape(name))
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Parses one JSON document strictly. The error has a pointer, and a line and column if known.
pub fn parse_json(bytes: &[u8]) -> Result<Value, FieldError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        FieldError::pointer(
            "",
            format!("must be UTF-8; byte {} is not", error.valid_up_to()),
        )
    })?;
    let mut at = Path::default();
    let mut parser = serde_json::Deserializer::from_str(text);
    let parsed = Strict {
        at: &mut at,
        depth: 0,
    }
    .deserialize(&mut parser)
    .and_then(|value| parser.end().map(|()| value));
    // serde_json appends the position to its messages, and quotes only single characters of the
    // input.
    parsed.map_err(|error| FieldError::pointer(at.pointer(), error.to_string()))
}

/// The position of the parser in the document.
#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn pointer(&self) -> String {
        self.0
            .iter()
            .fold(String::new(), |pointer, step| pointer + "/" + &escape(step))
    }
}

struct Strict<'p> {
    at: &'p mut Path,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > MAX_DEPTH {
            return Err(D::Error::custom(format!(
                "nests deeper than {MAX_DEPTH} levels"
            )));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        loop {
            self.at.0.push(array.len().to_string());
            let Some(item) = items.next_element_seed(Strict {
                at: &mut *self.at,
                depth: self.depth + 1,
            })?
            else {
                break;
            };
            self.at.0.pop();
            array.push(item);
        }
        self.at.0.pop();
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.at.0.push(name.clone());
            if object.contains_key(&name) {
                return Err(A::Error::custom("occurs more than once"));
            }
            let value = members.next_value_seed(Strict {
                at: &mut *self.at,
                depth: self.depth + 1,
            })?;
            self.at.0.pop();
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> (String, String) {
        let error = parse_json(json.as_bytes()).expect_err(json);
        match error.place {
            crate::problem::Place::Pointer(pointer) => (pointer, error.detail),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_duplicate_name_is_refused_with_its_position() {
        let (pointer, detail) = refused(r#"{"a": [{"b/c": 1, "b/c": 2}]}"#);
        assert_eq!(pointer, "/a/0/b~1c");
        assert!(detail.starts_with("occurs more than once"), "{detail}");
    }

    #[test]
    fn input_that_only_lax_parsers_accept_is_refused() {
        for (json, word) in [
            (r#"{"a": 1e999}"#, "out of range"),
            (r#""\ud800""#, "hex escape"),
            (r#""\ud800x""#, "hex escape"),
            (r#"{} {}"#, "trailing"),
            (r#"{"a": 1,}"#, "trailing comma"),
            ("", "EOF"),
        ] {
            let (_, detail) = refused(json);
            assert!(detail.contains(word), "{json}: {detail}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse_json(deep(MAX_DEPTH).as_bytes()).is_ok());

        let (_, detail) = refused(&deep(MAX_DEPTH + 2));
        assert!(detail.contains("nests deeper"), "{detail}");

        refused(&deep(30_000));
    }

    #[test]
    fn invalid_utf8_is_refused_with_its_position() {
        let error = parse_json(b"{\"a\": \"\xff\"}").expect_err("not UTF-8");
        assert!(error.detail.contains("byte 7"), "{}", error.detail);
    }

    proptest::proptest! {
        #[test]
        fn strict_parsing_agrees_with_the_usual_parser_on_what_both_accept(text in "\\PC{0,60}") {
            if let Ok(strict) = parse_json(text.as_bytes()) {
                let usual: Value = serde_json::from_str(&text).expect("accepted by the strict reader");
                proptest::prop_assert_eq!(strict, usual);
            }
        }

        #[test]
        fn every_document_without_duplicates_is_parsed_unchanged(numbers in proptest::collection::vec(proptest::num::i64::ANY, 0..8), text in ".*") {
            let document = serde_json::json!({"numbers": numbers, "text": text, "nested": {"null": null, "true": true}});
            proptest::prop_assert_eq!(parse_json(document.to_string().as_bytes()).expect("valid"), document);
        }
    }
}
