//! The published API document, and answers to requests whose path or method is not served.

use std::collections::BTreeMap;

use http::{HeaderValue, StatusCode, header};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::endpoint::Extract;
use super::openapi::{Operation, Success};
use super::request::Request;
use super::response::{Reply, Representation, Response};
use crate::problem::{Kind, Problem};

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(transparent)]
pub struct Document(&'static RawValue);

/// The part of a document that tells the methods of a path.
#[derive(Deserialize)]
struct Paths<'d> {
    #[serde(borrow)]
    paths: BTreeMap<&'d str, BTreeMap<&'d str, &'d RawValue>>,
}

impl Document {
    /// Parses a document.
    ///
    /// # Errors
    /// 500 when it is not JSON, which a test rules out.
    pub fn parse(text: &'static str) -> Result<Self, Problem> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(Problem::internal)
    }

    /// The methods that are served at this path; empty if it is not served.
    ///
    /// # Errors
    /// 500 when it is not an OpenAPI document, which a test rules out.
    pub fn methods_at(&self, path: &str) -> Result<Vec<String>, Problem> {
        let document: Paths<'_> = serde_json::from_str(self.0.get()).map_err(Problem::internal)?;
        let mut templates = matchit::Router::new();
        for (template, methods) in document.paths {
            templates
                .insert(template, methods)
                .map_err(Problem::internal)?;
        }
        let Ok(found) = templates.at(path) else {
            return Ok(Vec::new());
        };
        let mut methods: Vec<String> = found
            .value
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".to_owned());
        }
        if !methods.is_empty() {
            methods.push("OPTIONS".to_owned());
        }
        Ok(methods)
    }
}

impl JsonSchema for Document {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Document".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "description": "An OpenAPI 3.1 document.", "required": ["openapi", "info", "paths"]})
    }
}

impl Representation for Document {
    fn example() -> Value {
        json!({"openapi": "3.1.0", "info": {"title": "Tasklane", "version": "0.1.0"}, "paths": {}})
    }
}

/// The API is healthy.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Health {
    /// Always `ok`: everything else is a problem.
    #[schemars(extend("const" = "ok"))]
    pub status: &'static str,
}

impl Representation for Health {
    fn example() -> Value {
        json!({"status": "ok"})
    }
}

/// The method and path of a request, for the endpoint that answers unknown routes.
#[derive(Clone, Debug)]
pub struct RequestLine {
    method: http::Method,
    /// The path, not decoded.
    pub path: String,
}

/// 204 to `OPTIONS`: the methods of a path (RFC 9110, section 9.3.7).
#[derive(Debug)]
pub struct Options(String);

impl RequestLine {
    /// Answers a request whose method is not served at its path. `allowed` are the methods that
    /// are.
    ///
    /// # Errors
    /// 405 for every method but `OPTIONS`.
    pub fn answer_with(&self, allowed: &[String]) -> Result<Options, Problem> {
        let allow = allowed.join(", ");
        if self.method == http::Method::OPTIONS {
            return Ok(Options(allow));
        }
        Err(Problem::new(
            Kind::METHOD_NOT_ALLOWED,
            format!("This path serves {allow}."),
        )
        .with_header(header::ALLOW, &allow))
    }
}

impl Extract for RequestLine {
    // An unknown route has no resource to check preconditions against (RFC 9110, section 13.2.1).
    const CONDITIONAL: bool = true;

    fn extract(request: &Request) -> Result<Self, Problem> {
        Ok(Self {
            method: request.method.clone(),
            path: request.path.clone(),
        })
    }

    fn describe(_: &mut Operation) {}
}

impl Reply for Options {
    fn into_response(self, _: &Request) -> Result<Response, Problem> {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().insert(
            header::ALLOW,
            HeaderValue::try_from(self.0).map_err(Problem::internal)?,
        );
        Ok(response)
    }

    fn describe(operation: &mut Operation) {
        operation.answers(Success::empty(204));
    }
}
