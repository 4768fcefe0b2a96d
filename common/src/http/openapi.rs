//! The OpenAPI 3.1 document, generated from the endpoints' declarations and types.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::conditional::TAGS_PATTERN;
use super::endpoint::{Endpoint, Method, Service};
use crate::problem::{Kind, ProblemBody};

/// The description of one endpoint's arguments and answers.
pub struct Operation<'g> {
    /// Generates the schemas of requests.
    schemas: &'g mut SchemaGenerator,
    /// Generates the schemas of answers, where fields that are always present are required.
    answers: &'g mut SchemaGenerator,
    parameters: Vec<Value>,
    body: Option<Value>,
    successes: Vec<Success>,
    problems: Vec<Kind>,
    authenticated: bool,
}

/// Generates the schema of an answer when the document is generated.
type MakeSchema = fn(&mut SchemaGenerator) -> Value;

/// An answer other than a problem.
pub struct Success {
    status: u16,
    content: Option<(MakeSchema, Value)>,
    headers: Vec<(&'static str, &'static str)>,
}

impl Success {
    pub fn json<T: JsonSchema>(status: u16, example: Value) -> Self {
        Self {
            status,
            content: Some((|schemas| schemas.subschema_for::<T>().to_value(), example)),
            headers: Vec::new(),
        }
    }

    pub fn empty(status: u16) -> Self {
        Self {
            status,
            content: None,
            headers: Vec::new(),
        }
    }

    #[must_use]
    pub fn with_location(mut self) -> Self {
        self.headers
            .push(("Location", "The URL of the new resource."));
        self
    }

    #[must_use]
    pub fn with_link(mut self) -> Self {
        self.headers.push((
            "Link",
            "rel=\"next\": the next page (RFC 8288), when there is one.",
        ));
        self
    }
}

impl Operation<'_> {
    pub fn requires_access_token(&mut self) {
        self.authenticated = true;
        self.may_answer(&[Kind::UNAUTHENTICATED]);
    }

    pub fn takes_body<T: JsonSchema>(&mut self, example: Value) {
        let schema = self.schemas.subschema_for::<T>();
        self.body = Some(json!({"schema": schema, "example": example}));
    }

    pub fn takes_path_parameter<T: JsonSchema>(&mut self, name: &str) {
        let schema = self.schemas.subschema_for::<T>();
        self.parameters
            .push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
    }

    pub fn takes_header(&mut self, name: &str, description: &str, schema: Value, example: &str) {
        self.parameters.push(json!({
            "name": name, "in": "header", "required": false, "description": description, "schema": schema, "example": example,
        }));
    }

    /// The properties of this type are the query's parameters, each of which may be absent.
    pub fn takes_query<T: JsonSchema>(&mut self) {
        let schema = T::json_schema(self.schemas).to_value();
        for (name, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let mut property = property.clone();
            not_null(&mut property);
            let description = property
                .as_object_mut()
                .and_then(|property| property.shift_remove("description"));
            self.parameters.push(json!({
                "name": name, "in": "query", "required": false, "description": description, "schema": property,
            }));
        }
    }

    /// Adds a possible answer.
    pub fn answers(&mut self, success: Success) {
        self.successes.push(success);
    }

    /// Adds possible problems.
    pub fn may_answer(&mut self, kinds: &[Kind]) {
        self.problems.extend(kinds);
    }
}

/// A query parameter cannot be null, only absent.
fn not_null(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice != &json!({"type": "null"}));
        if let [only] = choices.as_slice() {
            let only = only.clone();
            object.shift_remove("anyOf");
            object.extend(only.as_object().cloned().unwrap_or_default());
        }
    }
}

/// The description of the API.
pub struct About {
    pub title: &'static str,
    /// A short summary.
    pub summary: &'static str,
    /// The rules of every call.
    pub description: &'static str,
}

/// Generates the OpenAPI 3.1 document of the whole API.
pub fn document(about: &About, services: &[&Service]) -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let (mut schemas, mut answers) = (
        settings.clone().into_generator(),
        settings.for_serialize().into_generator(),
    );
    let problem = answers.subschema_for::<ProblemBody<'_>>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for service in services {
        for endpoint in service
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.method != Method::Any)
        {
            let operation = describe(
                endpoint,
                service.name,
                &mut schemas,
                &mut answers,
                problem.as_value(),
            );
            paths
                .entry(endpoint.path)
                .or_default()
                .insert(endpoint.method.as_str().to_lowercase(), operation);
        }
    }
    let mut definitions = schemas.take_definitions(true);
    // A type of both requests and answers, such as a status, has the same schema in both.
    definitions.extend(answers.take_definitions(true));
    let tags: Vec<Value> = services
        .iter()
        .map(|service| json!({"name": service.name, "description": service.summary}))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": about.title,
            "version": env!("CARGO_PKG_VERSION"),
            "summary": about.summary,
            "description": about.description,
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {
                "access_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The `access_token` that register, login and refresh return."},
            },
            "schemas": definitions,
        },
    })
}

fn describe(
    endpoint: &Endpoint,
    tag: &str,
    schemas: &mut SchemaGenerator,
    answers: &mut SchemaGenerator,
    problem: &Value,
) -> Value {
    let operation = Operation::of(endpoint, schemas, answers);
    let mut responses = Map::new();
    for success in operation.successes {
        let status = success.status.to_string();
        responses.insert(status, success.response(operation.answers));
    }
    for (status, kinds) in by_status(&operation.problems) {
        let response = problem_response(endpoint.method, status, &kinds, problem);
        responses.insert(status.to_string(), response);
    }
    let takes_key = operation
        .parameters
        .iter()
        .any(|parameter| parameter["name"] == "Idempotency-Key");
    let mut documented = json!({
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [tag],
        "parameters": operation.parameters,
        "responses": responses,
        "security": if operation.authenticated { json!([{"access_token": []}]) } else { json!([]) },
    });
    if endpoint.method != Method::Get && !takes_key {
        documented["description"] = json!("This endpoint ignores an Idempotency-Key.");
    }
    if let Some(content) = operation.body {
        documented["requestBody"] = request_body(endpoint.method, content);
    }
    documented
}

impl<'g> Operation<'g> {
    /// The arguments and answers of an endpoint, with those that every endpoint has.
    fn of(
        endpoint: &Endpoint,
        schemas: &'g mut SchemaGenerator,
        answers: &'g mut SchemaGenerator,
    ) -> Self {
        let mut operation = Self {
            schemas,
            answers,
            parameters: Vec::new(),
            body: None,
            successes: Vec::new(),
            problems: Vec::new(),
            authenticated: false,
        };
        (endpoint.describe)(&mut operation);
        operation.may_answer(endpoint.problems);
        if !(endpoint.settings)().is_empty() {
            operation.may_answer(&[Kind::UNAVAILABLE]);
        }
        // Faults that are found before the request reaches an endpoint.
        operation.may_answer(&[
            Kind::MALFORMED_BODY,
            Kind::MALFORMED_HEADER,
            Kind::REQUEST_TIMEOUT,
            Kind::TOO_LARGE,
            Kind::TOO_MANY_REQUESTS,
        ]);
        operation.may_answer(&[Kind::INTERNAL]);
        operation.may_answer(&[Kind::MALFORMED_HEADER, Kind::PRECONDITION_FAILED]);
        if endpoint.method == Method::Get {
            operation.takes_conditions();
        }
        operation
    }

    /// The preconditions of a read.
    fn takes_conditions(&mut self) {
        self.takes_header(
            "If-Match",
            "The entity tags that are expected; any other version returns 412.",
            json!({"type": "string", "pattern": TAGS_PATTERN}),
            "\"3\"",
        );
        self.takes_header(
            "If-None-Match",
            "The entity tag that the client has; the same version returns 304.",
            json!({"type": "string", "pattern": TAGS_PATTERN}),
            "\"3\"",
        );
        self.answers(Success::empty(304));
    }
}

impl Success {
    fn response(self, schemas: &mut SchemaGenerator) -> Value {
        let headers = headers(self.headers.into_iter().chain([REQUEST_ID]));
        let mut response = json!({"description": reason(self.status), "headers": headers});
        if let Some((schema, example)) = self.content {
            response["content"] =
                json!({"application/json": {"schema": schema(schemas), "example": example}});
        }
        response
    }
}

/// The different problems of each status.
fn by_status(problems: &[Kind]) -> BTreeMap<u16, Vec<Kind>> {
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    for kind in problems {
        let kinds = by_status.entry(kind.status.as_u16()).or_default();
        if !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    by_status
}

fn problem_response(method: Method, status: u16, kinds: &[Kind], schema: &Value) -> Value {
    let titles: Vec<String> = kinds.iter().map(|kind| kind.title()).collect();
    let example = json!({
        "type": kinds[0].uri(), "title": titles[0], "status": status, "detail": format!("{}.", titles[0]),
        "request_id": "0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55",
    });
    let of_status = problem_headers(method, status);
    let headers = headers([REQUEST_ID].into_iter().chain(of_status));
    json!({
        "description": titles.join(", or "), "headers": headers,
        "content": {"application/problem+json": {"schema": schema, "example": example}},
    })
}

/// The headers that problems of this status have, by name, with their descriptions.
fn problem_headers(method: Method, status: u16) -> Vec<(&'static str, &'static str)> {
    let retry_after = ("Retry-After", "Seconds to wait before the next attempt.");
    let accept = if method == Method::Patch {
        "Accept-Patch"
    } else {
        "Accept-Post"
    };
    match status {
        401 => vec![("WWW-Authenticate", "Bearer (RFC 6750).")],
        412 => vec![("ETag", "The current version, if there is one.")],
        415 => vec![
            (
                accept,
                "The accepted media types, if the body has another one.",
            ),
            ("Accept-Encoding", "identity, if the body was compressed."),
        ],
        429 => vec![
            retry_after,
            (
                "RateLimit",
                "The remaining quota, and when it is full again (draft-ietf-httpapi-ratelimit-headers).",
            ),
            ("RateLimit-Policy", "The quota and its window in seconds."),
        ],
        503 => vec![retry_after],
        _ => Vec::new(),
    }
}

fn request_body(method: Method, content: Value) -> Value {
    let mut media_types = Map::new();
    if method == Method::Patch {
        media_types.insert("application/merge-patch+json".to_owned(), content.clone());
    }
    media_types.insert("application/json".to_owned(), content);
    json!({"required": true, "content": media_types})
}

/// The header of every answer.
const REQUEST_ID: (&str, &str) = (
    "X-Request-Id",
    "The identifier of this request in the logs.",
);

fn headers(descriptions: impl IntoIterator<Item = (&'static str, &'static str)>) -> Value {
    descriptions
        .into_iter()
        .map(|(name, description)| (name.to_owned(), header(description)))
        .collect::<Map<_, _>>()
        .into()
}

fn header(description: &str) -> Value {
    json!({"description": description, "schema": {"type": "string"}})
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK.",
        201 => "Created.",
        204 => "No content.",
        304 => "The client has the current version.",
        _ => "Answered.",
    }
}
