//! Runs an endpoint as a Lambda function behind an API Gateway HTTP API (payload format 2.0).
//!
//! Format:
//! https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::join;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use crate::config::{Environment, METRICS_NAMESPACE, variable};
use crate::http::{Endpoint, Request, Response, Running, fail, refuse, serve};
use crate::part::{StartError, Starter};
use crate::problem::{Kind, Problem};
use crate::telemetry::{self, Format, Invocation};

/// The `main` of every function: starts the parts of the endpoint, then answers events until Lambda
/// ends the environment.
///
/// A missing or malformed setting is logged by name, once, and every request gets a 500 problem: if
/// the process exited instead, Lambda would restart it again and again. If the value that a setting
/// refers to cannot be read, that is logged each time, and the next request tries again: the value
/// may be available then.
pub fn main(endpoint: &'static Endpoint) -> ExitCode {
    telemetry::subscribe();
    // One thread uses one connection to the Runtime API, which is enough: an environment answers
    // one request at a time.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let function = Function {
        endpoint,
        started: OnceCell::new(),
    };
    let function = &function;
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        Ok::<_, std::convert::Infallible>(function.answer(event).await)
    });
    let served = runtime.block_on(async {
        // The parts start before the first event, while Lambda gives the full processor. Errors
        // have been logged. The runtime's client is created while the store's answer is awaited.
        let (_, runtime) = join(function.running(), async {
            Runtime::new(handler).layer(TracingLayer::new())
        })
        .await;
        runtime.run().await
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error.as_ref()),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    tracing::error!(cause = %error, "stopped");
    ExitCode::FAILURE
}

/// An endpoint, and the result of starting it.
struct Function {
    endpoint: &'static Endpoint,
    started: OnceCell<Result<Running, StartError>>,
}

impl Function {
    async fn running(&self) -> Result<&Running, Problem> {
        let started = self.started.get_or_try_init(|| async {
            let started = start(self.endpoint).await;
            if let Err(error) = &started {
                error.log(self.endpoint.name);
            }
            match started {
                Err(error @ StartError::Referred { .. }) => Err(Problem::from(&error)),
                definite => Ok(definite),
            }
        });
        started.await?.as_ref().map_err(Problem::from)
    }

    async fn answer(&self, event: LambdaEvent<Box<RawValue>>) -> Answer {
        let invocation = Invocation::new(
            event.context.request_id,
            event.context.xray_trace_id.as_deref(),
        );
        let json = event.payload.get();
        let response = match (
            self.running().await,
            Event::read(json).and_then(|event| event.into_request(invocation.clone())),
        ) {
            (Ok(running), Ok(request)) => serve(running, request).await,
            (Err(problem), Ok(request)) => fail(self.endpoint, &request, problem),
            (_, Err(reason)) => unsupported(json, &invocation, &reason),
        };
        Answer::from(response)
    }
}

/// Starts the endpoint in this process's environment.
async fn start(endpoint: &'static Endpoint) -> Result<Running, StartError> {
    let environment = Environment::new(&variable);
    telemetry::init(
        environment.log_level()?,
        Format::Json,
        Box::new(std::io::stdout()),
    );
    telemetry::count_in(&environment.text(&METRICS_NAMESPACE)?);
    telemetry::log_panics();
    endpoint.start(&Starter::new(environment)).await
}

/// Refuses an event that is not a gateway request. It may contain anything, so only the difference
/// from the expected shape is logged, and the source address if the event has one.
fn unsupported(json: &str, invocation: &Invocation, reason: &str) -> Response {
    tracing::warn!(
        request_id = invocation.request_id,
        xray_trace_id = invocation.xray_trace_id,
        source = source_of(json).map(tracing::field::display),
        cause = reason,
        "unsupported_event"
    );
    let detail = "This function answers events of an API Gateway HTTP API, payload format 2.0.";
    refuse(
        &Problem::new(Kind::UNSUPPORTED_REQUEST, detail),
        &invocation.request_id,
    )
}

/// The source address in an event of another shape: where HTTP and REST APIs have it.
fn source_of(json: &str) -> Option<IpAddr> {
    let event: serde_json::Value = serde_json::from_str(json).ok()?;
    let context = &event["requestContext"];
    context["http"]["sourceIp"]
        .as_str()
        .or(context["identity"]["sourceIp"].as_str())?
        .parse()
        .ok()
}

/// The fields that are read from an event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "version")]
    _version: Version,
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    request_context: RequestContext,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
enum Version {
    #[serde(rename = "2.0")]
    Two,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    http: Http,
    #[serde(default)]
    request_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    method: String,
    #[serde(default)]
    source_ip: String,
}

impl Event {
    fn read(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| {
            let message = error.to_string();
            // Other messages quote the event, which may contain anything.
            if message.starts_with("missing field") {
                message
            } else {
                format!("another shape at column {}", error.column())
            }
        })
    }

    fn into_request(self, invocation: Invocation) -> Result<Request, String> {
        let body = match (self.body, self.is_base64_encoded) {
            (None, _) => Bytes::new(),
            (Some(text), false) => Bytes::from(text),
            (Some(text), true) => STANDARD
                .decode(text)
                .map(Bytes::from)
                .map_err(|_| "the body is not base64".to_owned())?,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            // API Gateway has checked them; an invalid one is ignored.
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                headers.append(name, value);
            }
        }
        // The gateway's identifier is also in its own log.
        let named = Some(self.request_context.request_id).filter(|id| is_request_id(id));
        Ok(Request {
            id: named.unwrap_or_else(|| invocation.request_id.clone()),
            method: http::Method::from_bytes(self.request_context.http.method.as_bytes())
                .map_err(|_| "the method is invalid".to_owned())?,
            path: self.raw_path,
            query: self.raw_query_string,
            headers,
            body,
            invocation: Some(invocation),
            source: self
                .request_context
                .http
                .source_ip
                .parse()
                .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            // API Gateway serves only https.
            secure: true,
            parameters: Vec::new(),
        })
    }
}

/// Whether this is safe in an answer's header and in a log line.
fn is_request_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// An answer in payload format 2.0.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(serialize_with = "write_headers")]
    headers: HeaderMap,
    body: String,
    is_base64_encoded: bool,
}

/// Writes each header once: the gateway takes one value per name, which may be a list.
fn write_headers<S: Serializer>(headers: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.keys().map(|name| {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        (name.as_str(), values.join(", "))
    }))
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        let (mut parts, body) = response.into_parts();
        // The gateway sets the length itself.
        parts.headers.remove(header::CONTENT_LENGTH);
        let (body, is_base64_encoded) = match String::from_utf8(body.into()) {
            Ok(text) => (text, false),
            Err(error) => (STANDARD.encode(error.as_bytes()), true),
        };
        Self {
            status_code: parts.status.as_u16(),
            headers: parts.headers,
            body,
            is_base64_encoded,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(event: &serde_json::Value) -> Result<Request, String> {
        Event::read(&event.to_string())?.into_request(Invocation::new("lambda-1".to_owned(), None))
    }

    #[test]
    fn events_of_other_shapes_are_refused_without_a_panic() {
        for event in [
            json!({}),
            json!([]),
            json!({"version": "1.0", "path": "/", "httpMethod": "GET"}),
            json!({"requestContext": {"elb": {}}, "httpMethod": "GET", "path": "/"}),
            json!({"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "NOT A METHOD"}}}),
            json!({"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "POST"}}, "body": "?", "isBase64Encoded": true}),
        ] {
            assert!(request(&event).is_err(), "{event}");
        }
    }

    #[test]
    fn the_error_of_a_refused_event_quotes_nothing_of_it() {
        for event in [
            json!("the-secret"),
            json!({"version": "the-secret"}),
            json!({"version": "2.0", "rawPath": {"the-secret": 1}}),
        ] {
            let reason = request(&event).expect_err("refused");
            assert!(!reason.contains("the-secret"), "{reason}");
        }
    }

    #[test]
    fn a_path_in_front_of_the_api_is_a_part_of_the_path() {
        let event = json!({"version": "2.0", "rawPath": "/prod/v1/tasks", "requestContext": {"stage": "prod", "http": {"method": "GET"}}});
        assert_eq!(request(&event).expect("valid").path, "/prod/v1/tasks");
    }

    #[test]
    fn a_request_has_the_id_of_the_gateway() {
        let event = |id: &str| json!({"version": "2.0", "rawPath": "/", "requestContext": {"requestId": id, "http": {"method": "GET"}}});
        let named = request(&event("h3gPpd5oTofLkrI=")).expect("valid");

        assert_eq!(
            (
                named.id.as_str(),
                named.invocation.expect("on Lambda").request_id.as_str()
            ),
            ("h3gPpd5oTofLkrI=", "lambda-1")
        );

        for none in ["", "two words", "a\nline", &"x".repeat(129)] {
            assert_eq!(
                request(&event(none)).expect("valid").id,
                "lambda-1",
                "{none}"
            );
        }
    }

    #[test]
    fn the_source_of_other_kinds_of_requests_is_known() {
        let source = |event: &serde_json::Value| {
            source_of(&event.to_string()).map(|source| source.to_string())
        };

        assert_eq!(
            source(&json!({"requestContext": {"identity": {"sourceIp": "192.0.2.7"}}})).as_deref(),
            Some("192.0.2.7")
        );
        assert_eq!(
            source(&json!({"requestContext": {"http": {"sourceIp": "2001:db8::7"}}})).as_deref(),
            Some("2001:db8::7")
        );
        assert_eq!(
            source(&json!({"requestContext": {"http": {"sourceIp": "the-secret"}}})),
            None
        );
        assert_eq!(source(&json!([])), None);
    }
}
