//! Runs an endpoint as a Lambda function behind an API Gateway HTTP API (payload format 2.0).
//!
//! Format: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use crate::app::App;
use crate::aws::{ParameterError, Parameters};
use crate::config::{SettingError, Settings};
use crate::http::{Endpoint, Part, Request, Response, refuse, serve};
use crate::problem::{Kind, Problem};
use crate::store::Stores;
use crate::telemetry::{self, Format, Level};

/// The setting that holds the signing keys, or says where they are: `ssm:NAME` is a parameter of the Parameter Store.
const SIGNING_KEYS: &str = "TASKLANE_SIGNING_KEYS";
const PARAMETER: &str = "ssm:";

/// The `main` of every function: reads the settings, makes the app, answers events until Lambda ends the environment.
///
/// A setting that is missing or malformed is logged by name, once, and every request gets a 500 problem: an
/// environment that ended instead would be started again and again. Signing keys that cannot be read are logged each
/// time and tried for again at the next request: they may be within reach by then.
pub fn main(endpoint: &'static Endpoint) -> ExitCode {
    // One thread keeps one connection to the Runtime API: an environment answers one request at a time.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let function = Function { endpoint, started: OnceCell::new() };
    let function = &function;
    let handler =
        service_fn(move |event: LambdaEvent<Box<RawValue>>| async move { Ok::<_, std::convert::Infallible>(function.answer(event).await) });
    let served = runtime.block_on(async {
        // Before the first event, while Lambda gives the full processor. What went wrong has been logged.
        let _ = function.app().await;
        lambda_runtime::run(handler).await
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error.as_ref()),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    telemetry::event(Level::Error, "stopped", &[("cause", json!(error.to_string()))]);
    ExitCode::FAILURE
}

/// Why there is no app.
enum StartError {
    /// It stays so until the settings are mended.
    Setting(SettingError),
    /// The next request may find it otherwise.
    Keys(ParameterError),
}

impl From<SettingError> for StartError {
    fn from(error: SettingError) -> Self {
        Self::Setting(error)
    }
}

impl From<&StartError> for Problem {
    fn from(error: &StartError) -> Self {
        match error {
            StartError::Setting(error) => Self::internal(error.to_string()),
            StartError::Keys(ParameterError::Unavailable(reason)) => Self::unavailable(reason.clone()),
            StartError::Keys(error) => Self::internal(error.to_string()),
        }
    }
}

/// An endpoint, and its app from when it can be made.
struct Function {
    endpoint: &'static Endpoint,
    started: OnceCell<Result<App, StartError>>,
}

impl Function {
    async fn app(&self) -> Result<&App, Problem> {
        let environment = |name: &str| std::env::var(name).ok();
        let started = self.started.get_or_try_init(|| async {
            let started = start(self.endpoint, &environment).await;
            let (event, cause) = match &started {
                Ok(_) => return Ok(started),
                Err(StartError::Setting(error)) => ("bad_setting", error.to_string()),
                Err(StartError::Keys(error)) => ("no_signing_keys", format!("{SIGNING_KEYS}: {error}")),
            };
            telemetry::event(Level::Error, event, &[("function", json!(self.endpoint.name)), ("cause", json!(cause))]);
            match started {
                Err(error @ StartError::Keys(_)) => Err(Problem::from(&error)),
                definite => Ok(definite),
            }
        });
        started.await?.as_ref().map_err(Problem::from)
    }

    async fn answer(&self, event: LambdaEvent<Box<RawValue>>) -> Answer {
        let id = event.context.request_id;
        let request = Event::read(event.payload.get()).and_then(|event| event.into_request(id.clone()));
        let response = match (self.app().await, request) {
            (Ok(app), Ok(request)) => serve(app, self.endpoint, request).await,
            (Err(problem), _) => refuse(&problem, &id),
            (_, Err(reason)) => {
                // The event itself may hold anything, so only where it differs is logged.
                telemetry::event(Level::Warn, "unsupported_event", &[("request_id", json!(id)), ("cause", json!(reason))]);
                let detail = "This function answers events of an API Gateway HTTP API, payload format 2.0.";
                refuse(&Problem::new(Kind::UnsupportedRequest, detail), &id)
            }
        };
        Answer::from(response)
    }
}

async fn start(endpoint: &Endpoint, environment: &dyn Fn(&str) -> Option<String>) -> Result<App, StartError> {
    let general = Settings::read(environment, &|_| false)?;
    telemetry::init(general.log_level, Format::Json, Box::new(std::io::stdout()));
    telemetry::count_in(&general.metrics_namespace);
    telemetry::log_panics();
    // Each waits for the network, so both do at once.
    let (stores, keys) = futures_util::future::join(stores(endpoint, environment), signing_keys(endpoint, environment, &general)).await;
    let (stores, keys) = (stores?, keys?);
    let environment = |name: &str| keys.clone().filter(|_| name == SIGNING_KEYS).or_else(|| environment(name));
    let settings = Settings::for_endpoint(&environment, endpoint)?;
    Ok(App::new(&settings, stores)?)
}

async fn stores(endpoint: &Endpoint, environment: &dyn Fn(&str) -> Option<String>) -> Result<Stores, SettingError> {
    let needs = |part| matches!(part, Part::Users | Part::Tasks) && endpoint.needs(part);
    let settings = Settings::read(environment, &needs)?;
    Stores::connect(&settings, environment, &needs).await
}

/// The signing keys, if the setting says that a parameter holds them.
async fn signing_keys(
    endpoint: &Endpoint,
    environment: &dyn Fn(&str) -> Option<String>,
    settings: &Settings,
) -> Result<Option<String>, StartError> {
    let setting = environment(SIGNING_KEYS).filter(|_| endpoint.needs(Part::SigningKeys)).unwrap_or_default();
    let Some(name) = setting.trim().strip_prefix(PARAMETER) else { return Ok(None) };
    let parameters = Parameters::connect(environment, settings.ca_file.as_deref()).await?;
    parameters.get(name).await.map(Some).map_err(StartError::Keys)
}

/// What is read of an event.
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
    stage: String,
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
            // Other messages quote what is there, which may be anything.
            if message.starts_with("missing field") { message } else { format!("another shape at column {}", error.column()) }
        })
    }

    fn into_request(self, id: String) -> Result<Request, String> {
        let body = match (self.body, self.is_base64_encoded) {
            (None, _) => Bytes::new(),
            (Some(text), false) => Bytes::from(text),
            (Some(text), true) => STANDARD.decode(text).map(Bytes::from).map_err(|_| "the body is not base64".to_owned())?,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            // API Gateway has checked them; one that is no header all the same says nothing.
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.append(name, value);
            }
        }
        // A stage other than $default is a part of the path as the client wrote it, and no part of the routes.
        let stage = format!("/{}/", self.request_context.stage);
        let path = self.raw_path.strip_prefix(&stage).map_or_else(|| self.raw_path.clone(), |rest| format!("/{rest}"));
        Ok(Request {
            id,
            method: http::Method::from_bytes(self.request_context.http.method.as_bytes()).map_err(|_| "the method is none".to_owned())?,
            path,
            query: self.raw_query_string,
            headers,
            body,
            source: self.request_context.http.source_ip.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            parameters: Vec::new(),
        })
    }
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

/// Each header once: the gateway takes one value of a name, which may be a list.
fn write_headers<S: Serializer>(headers: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.keys().map(|name| {
        let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (name.as_str(), values.join(", "))
    }))
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        let (mut parts, body) = response.into_parts();
        // The gateway counts the length itself.
        parts.headers.remove(header::CONTENT_LENGTH);
        let (body, is_base64_encoded) = match String::from_utf8(body.into()) {
            Ok(text) => (text, false),
            Err(error) => (STANDARD.encode(error.as_bytes()), true),
        };
        Self { status_code: parts.status.as_u16(), headers: parts.headers, body, is_base64_encoded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(event: &serde_json::Value) -> Result<Request, String> {
        Event::read(&event.to_string())?.into_request("1".to_owned())
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
    fn why_an_event_is_refused_quotes_nothing_of_it() {
        for event in [json!("the-secret"), json!({"version": "the-secret"}), json!({"version": "2.0", "rawPath": {"the-secret": 1}})] {
            let reason = request(&event).expect_err("refused");
            assert!(!reason.contains("the-secret"), "{reason}");
        }
    }

    #[test]
    fn a_stage_is_no_part_of_the_path() {
        let event = |stage: &str| json!({"version": "2.0", "rawPath": "/prod/v1/tasks", "requestContext": {"stage": stage, "http": {"method": "GET"}}});
        assert_eq!(request(&event("prod")).expect("valid").path, "/v1/tasks");
        assert_eq!(request(&event("$default")).expect("valid").path, "/prod/v1/tasks");
    }
}
