//! The faults of a request, limited in size whatever was sent.

use schemars::JsonSchema;
use serde::Serialize;

/// How many faults a problem lists; further ones are only counted.
pub(super) const MAX_NAMED: usize = 50;
/// The largest size of a name or pointer that quotes the request, in bytes of JSON.
const MAX_PLACE: usize = 128;
/// The same for the rule, which quotes at most one character.
const MAX_DETAIL: usize = 256;

/// One fault in a request: where it is and which rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// Where the fault is. A name or pointer that is very long is cut and ends with an ellipsis.
    #[serde(flatten)]
    pub place: Place,
    /// The rule that was broken.
    pub detail: String,
}

/// The part of a request that an error is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A JSON pointer (RFC 6901) into the body; empty for the whole body.
    Pointer(String),
    /// The name of a query or path parameter; empty for all parameters.
    Parameter(String),
    /// A header's name, in lower case.
    Header(String),
}

/// The errors of a problem: the first fifty, shortened where they quote too much, and one that
/// counts the rest. So a problem is never much larger than the request that caused it.
#[derive(Debug, Default)]
pub(super) struct Errors(Vec<FieldError>);

impl FieldError {
    /// An error at a JSON pointer into the body.
    pub fn pointer(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            place: Place::Pointer(pointer.into()),
            detail: detail.into(),
        }
    }

    /// An error in a query or path parameter.
    pub fn parameter(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            place: Place::Parameter(name.into()),
            detail: detail.into(),
        }
    }

    fn cut(&mut self) {
        let (Place::Pointer(place) | Place::Parameter(place) | Place::Header(place)) =
            &mut self.place;
        cut(place, MAX_PLACE);
        cut(&mut self.detail, MAX_DETAIL);
    }
}

impl Errors {
    pub(super) fn new(mut errors: Vec<FieldError>) -> Self {
        let rest = errors.len().saturating_sub(MAX_NAMED);
        errors.truncate(MAX_NAMED);
        errors.iter_mut().for_each(FieldError::cut);
        if rest > 0 {
            let place = match errors.last().map(|error| &error.place) {
                Some(Place::Parameter(_)) => Place::Parameter(String::new()),
                _ => Place::Pointer(String::new()),
            };
            errors.push(FieldError {
                place,
                detail: format!("has {rest} more errors, which are not listed"),
            });
        }
        Self(errors)
    }

    pub(super) fn as_slice(&self) -> &[FieldError] {
        &self.0
    }
}

/// Shortens a text to at most this many bytes of JSON.
fn cut(text: &mut String, max: usize) {
    let mut bytes = 0;
    let over = text.char_indices().find(|(_, c)| {
        bytes += match c {
            '\0'..='\u{1f}' => 6,
            '"' | '\\' => 2,
            other => other.len_utf8(),
        };
        bytes > max
    });
    if let Some((at, _)) = over {
        text.truncate(at);
        text.push('\u{2026}');
    }
}
