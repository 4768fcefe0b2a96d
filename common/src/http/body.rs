//! JSON bodies.

use http::{HeaderName, header};
use schemars::JsonSchema;
use serde_json::Value;

use super::MAX_BODY;
use super::endpoint::Extract;
use super::openapi::Operation;
use super::request::Request;
use crate::fields::{Body, Fields, kind_of, parse_json};
use crate::problem::{Kind, Problem};

/// A JSON body. As an argument: the parsed and valid value. As an answer: 200 with the value.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A body with an example for the API document.
pub trait Example {
    fn example() -> Value;
}

impl<T: Body + Example + JsonSchema + Send> Extract for Json<T> {
    fn extract(request: &Request) -> Result<Self, Problem> {
        check_size(request)?;
        check_media_type(request)?;
        let value = parse_json(&request.body).map_err(|error| {
            Problem::new(Kind::MALFORMED_BODY, "The body could not be read.")
                .with_errors(vec![error])
        })?;
        match value {
            Value::Object(members) => Fields::read(members)
                .map(Self)
                .map_err(Problem::invalid_fields),
            other => Err(Problem::malformed_body(
                "",
                format!("must be a JSON object, not {}", kind_of(&other)),
            )),
        }
    }

    fn describe(operation: &mut Operation) {
        operation.takes_body::<T>(T::example());
        operation.may_answer(&[
            Kind::MALFORMED_BODY,
            Kind::TOO_LARGE,
            Kind::UNSUPPORTED_MEDIA_TYPE,
            Kind::INVALID_FIELDS,
        ]);
    }
}

/// 413 for a body over [`MAX_BODY`].
pub(super) fn check_size(request: &Request) -> Result<(), Problem> {
    if request.body.len() > MAX_BODY {
        return Err(Problem::new(
            Kind::TOO_LARGE,
            format!("The body must have at most {MAX_BODY} bytes."),
        ));
    }
    Ok(())
}

/// 415 for anything but uncompressed JSON in UTF-8 (`application/json`, and for a patch also
/// `application/merge-patch+json`). The answer names the accepted formats.
fn check_media_type(request: &Request) -> Result<(), Problem> {
    if let Some(encoding) = request.header(&header::CONTENT_ENCODING)?
        && !encoding.eq_ignore_ascii_case("identity")
    {
        let detail = "Content-Encoding must be absent: compressed bodies are not read.";
        // RFC 9110, section 12.5.3.
        return Err(Problem::new(Kind::UNSUPPORTED_MEDIA_TYPE, detail)
            .with_header(header::ACCEPT_ENCODING, "identity"));
    }
    // Accept-Patch is from RFC 5789, section 3.1; Accept-Post from the Linked Data Platform,
    // section 7.1.
    let (accept, taken): (_, &[&str]) = if request.method == http::Method::PATCH {
        (
            HeaderName::from_static("accept-patch"),
            &["application/merge-patch+json", "application/json"],
        )
    } else {
        (
            HeaderName::from_static("accept-post"),
            &["application/json"],
        )
    };
    let refuse = |detail: String| {
        Err(Problem::new(Kind::UNSUPPORTED_MEDIA_TYPE, detail)
            .with_header(accept, &taken.join(", ")))
    };
    let wanted = taken.join(" or ");
    let Some(content_type) = request.header(&header::CONTENT_TYPE)? else {
        return refuse(format!("Content-Type is missing; send {wanted}."));
    };
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    if !taken
        .iter()
        .any(|taken| media_type.eq_ignore_ascii_case(taken))
    {
        return refuse(format!("Content-Type must be {wanted}."));
    }
    for parameter in parts.filter(|part| !part.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let charset = value.trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset")
            && !charset.eq_ignore_ascii_case("utf-8")
            && !charset.eq_ignore_ascii_case("utf8")
        {
            return refuse("The charset must be utf-8.".to_owned());
        }
    }
    Ok(())
}
