//! The answers of handlers.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use super::body::Json;
use super::openapi::{Operation, Success};
use super::query::decode;
use super::request::Request;
use crate::auth::PublicKeys;
use crate::paging::Page;
use crate::problem::Problem;

pub type Response = http::Response<Bytes>;

/// A successful answer of a handler.
pub trait Reply: Send {
    /// Creates the response to this request.
    ///
    /// # Errors
    /// 500 when the value cannot be serialized, which would be a bug.
    fn into_response(self, request: &Request) -> Result<Response, Problem>;

    /// Documents the answer.
    fn describe(operation: &mut Operation);
}

/// A resource as clients see it, in JSON.
pub trait Representation: Serialize + JsonSchema + Send {
    /// The version, which becomes the entity tag, if there is one.
    fn version(&self) -> Option<u64> {
        None
    }

    /// The URL of a resource that was just created.
    fn location(&self) -> Option<String> {
        None
    }

    /// An example for the API document.
    fn example() -> serde_json::Value;
}

/// 201: the created resource, with `Location`, and with `ETag` if it has a version.
pub struct Created<T>(pub T);

pub struct NoContent;

/// 200: the same answer for everyone, which caches may store for a while.
pub struct PublicJson<T>(pub T);

/// 200: a page of a list, with `Link: rel="next"` if there is another page.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct Listing<T> {
    /// The items of this page, in order.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null on the last page.
    pub next_cursor: Option<String>,
}

impl<T> From<Page<T>> for Listing<T> {
    fn from(page: Page<T>) -> Self {
        Self {
            items: page.items,
            next_cursor: page.next.map(|cursor| cursor.to_string()),
        }
    }
}

impl Representation for PublicKeys {
    fn example() -> serde_json::Value {
        serde_json::json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "sig-1",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }]})
    }
}

const PUBLIC_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

impl<T: Representation> Reply for Json<T> {
    fn into_response(self, _: &Request) -> Result<Response, Problem> {
        represent(StatusCode::OK, &self.0)
    }

    fn describe(operation: &mut Operation) {
        operation.answers(Success::json::<T>(200, T::example()));
    }
}

impl<T: Representation> Reply for Created<T> {
    fn into_response(self, _: &Request) -> Result<Response, Problem> {
        let mut response = represent(StatusCode::CREATED, &self.0)?;
        if let Some(location) = self.0.location() {
            response.headers_mut().insert(
                header::LOCATION,
                HeaderValue::try_from(location).map_err(Problem::internal)?,
            );
        }
        Ok(response)
    }

    fn describe(operation: &mut Operation) {
        operation.answers(Success::json::<T>(201, T::example()).with_location());
    }
}

impl Reply for NoContent {
    fn into_response(self, _: &Request) -> Result<Response, Problem> {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    fn describe(operation: &mut Operation) {
        operation.answers(Success::empty(204));
    }
}

impl<T: Representation> Reply for PublicJson<T> {
    fn into_response(self, _: &Request) -> Result<Response, Problem> {
        let mut response = represent(StatusCode::OK, &self.0)?;
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, PUBLIC_CACHE);
        Ok(response)
    }

    fn describe(operation: &mut Operation) {
        operation.answers(Success::json::<T>(200, T::example()));
    }
}

impl<T: Representation> Reply for Listing<T> {
    fn into_response(self, request: &Request) -> Result<Response, Problem> {
        let mut response = write(StatusCode::OK, &self)?;
        if let Some(cursor) = &self.next_cursor {
            // The same query with another cursor (RFC 8288). The client's query is already
            // percent-encoded, and a cursor contains only URL-safe characters.
            let is_cursor = |pair: &str| {
                pair.split('=')
                    .next()
                    .and_then(decode)
                    .is_some_and(|name| name == "cursor")
            };
            let kept = request
                .query
                .split('&')
                .filter(|pair| !pair.is_empty() && !is_cursor(pair));
            let query = kept
                .chain([format!("cursor={cursor}").as_str()])
                .collect::<Vec<_>>()
                .join("&");
            let link = format!("<{}?{query}>; rel=\"next\"", request.path);
            response.headers_mut().insert(
                header::LINK,
                HeaderValue::try_from(link).map_err(Problem::internal)?,
            );
        }
        Ok(response)
    }

    fn describe(operation: &mut Operation) {
        let example = serde_json::json!({"items": [T::example()], "next_cursor": null});
        operation.answers(Success::json::<Self>(200, example).with_link());
    }
}

/// A response with the value as its body and its version as its entity tag.
fn represent<T: Representation>(status: StatusCode, value: &T) -> Result<Response, Problem> {
    let mut response = write(status, value)?;
    if let Some(version) = value.version() {
        response.headers_mut().insert(
            header::ETAG,
            HeaderValue::try_from(format!("\"{version}\"")).map_err(Problem::internal)?,
        );
    }
    Ok(response)
}

/// A response with the value as its body.
pub(super) fn write<T: Serialize>(status: StatusCode, value: &T) -> Result<Response, Problem> {
    let body = serde_json::to_vec(value).map_err(Problem::internal)?;
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    Ok(response)
}
