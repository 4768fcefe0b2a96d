//! Parameters in the path.

use std::str::FromStr;

use percent_encoding::percent_decode_str;
use schemars::JsonSchema;

use super::endpoint::{Endpoint, Extract};
use super::openapi::Operation;
use super::request::Request;
use crate::problem::{FieldError, Kind, Problem};

/// A value that stands in the path.
pub trait PathParameter: FromStr<Err = String> + JsonSchema + Send {
    /// Its name between the braces.
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
        operation.may_answer(&[Kind::MalformedParameter, Kind::NotFound]);
    }
}

impl Endpoint {
    /// The parameters that this path has under the endpoint's own, percent-decoded; `None` when it
    /// is another path.
    ///
    /// # Errors
    /// 400 when a parameter is not UTF-8 once decoded.
    pub fn match_path(&self, path: &str) -> Result<Option<Vec<(String, String)>>, Problem> {
        if self.method == super::Method::Any {
            return Ok(Some(Vec::new()));
        }
        let mut template = matchit::Router::new();
        template.insert(self.path, ()).map_err(Problem::internal)?;
        let Ok(found) = template.at(path) else {
            return Ok(None);
        };
        let parameters = found.params.iter().map(|(name, value)| {
            let refused = |_| {
                Problem::malformed_parameter(vec![FieldError::parameter(name, "must be UTF-8")])
            };
            Ok((
                name.to_owned(),
                percent_decode_str(value)
                    .decode_utf8()
                    .map_err(refused)?
                    .into_owned(),
            ))
        });
        parameters.collect::<Result<_, _>>().map(Some)
    }
}
