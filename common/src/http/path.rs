//! Parameters in the path.

use std::str::FromStr;

use percent_encoding::percent_decode_str;
use schemars::JsonSchema;

use super::endpoint::{Endpoint, Extract};
use super::openapi::Operation;
use super::request::Request;
use crate::auth::SessionId;
use crate::problem::{FieldError, Kind, Problem};

/// A value in the path.
pub trait PathParameter: FromStr<Err = String> + JsonSchema + Send {
    /// The name in braces.
    const NAME: &'static str;
}

/// The path parameter of this type.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: PathParameter> Extract for Path<T> {
    fn extract(request: &Request) -> Result<Self, Problem> {
        let parameter = request.parameters.iter().find(|(name, _)| *name == T::NAME);
        let (_, text) = parameter.ok_or_else(|| {
            Problem::internal(format!(
                "the path of this endpoint has no parameter {}",
                T::NAME
            ))
        })?;
        text.parse().map(Self).map_err(|rule| {
            Problem::malformed_parameter(vec![FieldError::parameter(T::NAME, rule)])
        })
    }

    fn describe(operation: &mut Operation) {
        operation.takes_path_parameter::<T>(T::NAME);
        operation.may_answer(&[Kind::MALFORMED_PARAMETER, Kind::NOT_FOUND]);
    }
}

impl PathParameter for SessionId {
    const NAME: &'static str = "session_id";
}

impl Endpoint {
    /// The values of the endpoint's path parameters in this path, percent-decoded; `None` if the
    /// path does not match.
    ///
    /// # Errors
    /// 400 when a decoded parameter is not UTF-8.
    pub fn match_path(&self, path: &str) -> Result<Option<Vec<(&'static str, String)>>, Problem> {
        if self.method == super::Method::Any {
            return Ok(Some(Vec::new()));
        }
        // Not matchit: a router for this one template costs a warm get-task 2 to 3 % of its
        // processor time. See docs/architecture.md.
        let (mut wanted, mut given) = (self.path.split('/'), path.split('/'));
        let mut parameters = Vec::new();
        loop {
            let (template, segment) = match (wanted.next(), given.next()) {
                (None, None) => return Ok(Some(parameters)),
                (Some(template), Some(segment)) => (template, segment),
                _ => return Ok(None),
            };
            let parameter = template
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'));
            match parameter {
                Some(_) if segment.is_empty() => return Ok(None),
                Some(name) => parameters.push((name, decoded(name, segment)?)),
                None if template == segment => {}
                None => return Ok(None),
            }
        }
    }
}

fn decoded(name: &str, segment: &str) -> Result<String, Problem> {
    let decoded = percent_decode_str(segment).decode_utf8();
    decoded.map(|value| value.into_owned()).map_err(|_| {
        Problem::malformed_parameter(vec![FieldError::parameter(name, "must be UTF-8")])
    })
}
